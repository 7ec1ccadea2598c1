"""The runtime opens, serves and closes, and leaves nothing behind."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from speaking import echo

from smrt_jupyter import LocalRuntime
from smrt_jupyter.local import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def test_a_function_answers_under_an_endpoints_name(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("echo", echo, takes="body")
    reply = boto(runtime).invoke_endpoint(EndpointName="echo", Body=b"1,2")
    assert reply["Body"].read() == b"1,2"
    assert reply["InvokedProductionVariant"] == "AllTraffic"


def test_another_process_needs_only_the_environment(runtime: Runtime, tmp_path: Path) -> None:
    runtime.deploy("echo", echo, takes="body")
    script = """
        import boto3
        print(boto3.client("sagemaker-runtime").invoke_endpoint(EndpointName="echo", Body=b"hello")["Body"].read())
        print([e["EndpointName"] for e in boto3.client("sagemaker").list_endpoints()["Endpoints"]])
        print([b["Name"] for b in boto3.client("s3").list_buckets()["Buckets"]])
        print(boto3.client("sts").get_caller_identity()["Account"])
    """
    lines = "\n".join(line.strip() for line in script.splitlines())
    environ = {"PATH": "/usr/bin", "HOME": str(tmp_path), "AWS_SESSION_TOKEN": "stale", **runtime.environ}
    told = subprocess.run([sys.executable, "-c", lines], env=environ, capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == ["b'hello'", "['echo']", f"['{runtime.default_bucket}']", "123456789012"]


def test_closing_leaves_no_thread_socket_or_warning(boto: Callable[..., Any]) -> None:
    before = set(threading.enumerate())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Runtime() as runtime:
            port = runtime.port
            runtime.deploy("echo", echo, takes="body")
            runtime.deploy("later", echo, takes="body", asynchronous=True)
            client = boto(runtime)
            client.invoke_endpoint(EndpointName="echo", Body=b"x")["Body"].read()
            client.invoke_endpoint_async(EndpointName="later", Body=b"x")
            boto(runtime, "s3").list_buckets()
        del runtime
        gc.collect()
    assert set(threading.enumerate()) <= before  # one of an earlier test may have ended meanwhile
    assert [str(each.message) for each in caught] == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_closing_does_not_wait_for_a_client_that_reads_nothing(boto: Callable[..., Any]) -> Iterator[Any]:
    def endless(_: Any) -> Iterator[Any]:
        while True:
            yield b"x" * 100_000

    with Runtime() as runtime:
        runtime.deploy("endless", endless, takes="body")
        stream = boto(runtime).invoke_endpoint_with_response_stream(EndpointName="endless", Body=b"x")["Body"]
        began = time.monotonic()
    assert time.monotonic() - began < 10
    stream.close()


def test_it_listens_on_the_loopback_interface_only(runtime: Runtime) -> None:
    assert runtime.url == f"http://127.0.0.1:{runtime.port}"
    listening = runtime._server.servers[0].sockets[0].getsockname()
    assert listening == ("127.0.0.1", runtime.port)


def test_a_port_that_is_taken_is_the_systems_own_error(runtime: Runtime) -> None:
    with pytest.raises(OSError, match="Address already in use"):
        Runtime(port=runtime.port).__enter__()


def test_a_runtime_opens_again(boto: Callable[..., Any]) -> None:
    runtime = Runtime()
    for _ in range(2):
        with runtime:
            runtime.deploy("echo", echo, takes="body")
            assert boto(runtime).invoke_endpoint(EndpointName="echo", Body=b"x")["Body"].read() == b"x"
    with pytest.raises(RuntimeError, match="inside a `with` block"):
        runtime.deploy("echo", echo)


def test_two_runtimes_know_nothing_of_each_other(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("echo", echo, takes="body")
    with Runtime() as other:
        assert other.endpoints == ()
        client = boto(other, aws_access_key_id=runtime.environ["AWS_ACCESS_KEY_ID"])
        with pytest.raises(client.exceptions.ClientError, match="security token included in the request is invalid"):
            client.invoke_endpoint(EndpointName="echo", Body=b"x")


def test_secrets_are_in_no_representation(runtime: Runtime) -> None:
    secrets = {runtime.environ["AWS_SECRET_ACCESS_KEY"], runtime.environ["AWS_SESSION_TOKEN"]}
    shown = [repr(runtime), str(runtime), repr(runtime._keys), str(runtime._keys)]
    assert not any(secret in text for secret in secrets for text in shown)


def test_each_runtime_has_keys_of_its_own() -> None:
    assert len({Runtime()._keys.secret_key for _ in range(3)}) == 3


@pytest.mark.parametrize("name", ["", "-x", "a b", "x" * 64, "né"])
def test_a_name_that_sagemaker_refuses_is_refused(runtime: Runtime, name: Any) -> None:
    with pytest.raises(ValueError, match="at 'endpointName' failed to satisfy constraint"):
        runtime.deploy(name, echo)


def test_a_name_that_is_taken_gets_the_new_model(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", lambda _: b"old", takes="body")
    runtime.deploy("one", lambda _: b"new", takes="body")
    assert boto(runtime).invoke_endpoint(EndpointName="one", Body=b"x")["Body"].read() == b"new"
    runtime.delete("one")
    with pytest.raises(
        boto(runtime).exceptions.ValidationError, match="Endpoint one of account 123456789012 not found"
    ):
        boto(runtime).invoke_endpoint(EndpointName="one", Body=b"x")


def test_what_was_asked_is_counted(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("echo", echo, takes="body")
    client = boto(runtime)
    for _ in range(3):
        client.invoke_endpoint(EndpointName="echo", Body=b"x", CustomAttributes="trace=1")
    assert runtime.executions("echo") == 3
    assert [request.status for request in runtime.requests] == [200] * 3
    assert runtime.requests[0].members == {"EndpointName": "echo", "CustomAttributes": "trace=1"}
    assert runtime.in_flight("echo") == 0


def test_sixty_four_requests_run_at_once(runtime: Runtime, boto: Callable[..., Any]) -> None:
    together = threading.Barrier(64, timeout=20)

    def meet(body: bytes) -> bytes:
        together.wait()
        return body

    runtime.deploy("together", meet, takes="body")
    client = boto(runtime)
    answers = []

    def ask() -> None:
        answers.append(client.invoke_endpoint(EndpointName="together", Body=b"x")["Body"].read())

    threads = [threading.Thread(target=ask) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [b"x"] * 64


def test_a_runtime_that_is_open_is_opened_once() -> None:
    with Runtime() as runtime:
        url, threads = runtime.url, threading.active_count()
        assert runtime.__enter__() is runtime
        assert runtime.url == url
        assert threading.active_count() == threads


def test_starting_again_is_the_same_one_and_stopping_again_is_nothing() -> None:
    """A cell of a notebook is run again."""
    runtime = LocalRuntime()
    runtime.stop()
    url = runtime.start().url
    runtime.deploy("echo", echo, takes="body")
    assert runtime.start() is runtime
    assert runtime.url == url
    assert runtime.endpoints == ("echo",)
    runtime.stop()
    runtime.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", runtime.port), timeout=10)
    with runtime.start() as again:
        assert again.endpoint("echo").endpoint_url == again.url


def test_a_runtime_that_is_stopped_in_its_block_ends_it_without_an_error() -> None:
    with LocalRuntime() as runtime:
        runtime.stop()
