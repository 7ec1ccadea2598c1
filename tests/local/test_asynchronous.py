"""Asynchronous inference: a ticket at once, and the answer or the failure in S3 later."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from speaking import echo

from smrt_jupyter.local import Faults, Limits, Runtime

if TYPE_CHECKING:
    from collections.abc import Callable


def place(location: Any) -> Any:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": key}


def fetch(s3: Any, location: Any) -> Any:
    s3.get_waiter("object_exists").wait(**place(location), WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
    stored = s3.get_object(**place(location))
    return stored["Body"].read(), stored["ContentType"]


def submit(client: Any, **members: Any) -> Any:
    return client.invoke_endpoint_async(**({"EndpointName": "one"} | members))


def test_an_inline_body_is_answered_at_the_output_location(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", lambda frame: frame.sum(axis="columns"), asynchronous=True)
    reply = submit(boto(runtime), Body=b"1,2\n", ContentType="text/csv", Accept="application/json")
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert reply["OutputLocation"] == f"s3://{runtime.default_bucket}/one/output/{reply['InferenceId']}.out"
    assert fetch(boto(runtime, "s3"), reply["OutputLocation"]) == (b'{"predictions": [3]}', "application/json")


def test_an_object_is_read_from_s3_with_its_content_type(runtime: Runtime, boto: Callable[..., Any]) -> None:
    """The SageMaker SDK says the content type to S3 and not to the service."""
    runtime.deploy("one", lambda frame: frame.sum(axis="columns"), asynchronous=True)
    s3 = boto(runtime, "s3")
    s3.put_object(Bucket=runtime.default_bucket, Key="in put/1.csv", Body=b"1,2\n", ContentType="text/csv")
    reply = submit(boto(runtime), InputLocation=f"s3://{runtime.default_bucket}/in put/1.csv")
    assert fetch(s3, reply["OutputLocation"])[0] == b"3\n"


def test_an_object_that_is_not_there_fails(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", echo, takes="body", asynchronous=True)
    reply = submit(boto(runtime), InputLocation=f"s3://{runtime.default_bucket}/none")
    failed = fetch(boto(runtime, "s3"), reply["FailureLocation"])[0]
    assert (
        failed == f"Failed to download the input data: there is no object s3://{runtime.default_bucket}/none.".encode()
    )


def test_the_caller_may_name_the_file_its_folder_and_the_inference(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", echo, takes="body", asynchronous=True)
    reply = submit(
        boto(runtime), Body=b"x", Filename="today.json", S3OutputPathExtension="2026/11", InferenceId="run-7"
    )
    assert reply["InferenceId"] == "run-7"
    assert reply["OutputLocation"] == f"s3://{runtime.default_bucket}/one/output/2026/11/today.json"
    assert reply["FailureLocation"] == f"s3://{runtime.default_bucket}/one/failure/run-7-error.out"
    assert fetch(boto(runtime, "s3"), reply["OutputLocation"])[0] == b"x"


def test_a_failure_is_the_containers_body_verbatim_and_nothing_is_at_the_output(
    runtime: Runtime, boto: Callable[..., Any]
) -> None:
    def broken(_: Any) -> None:
        raise ValueError("no such task")

    runtime.deploy("one", broken, takes="body", asynchronous=True)
    reply, s3 = submit(boto(runtime), Body=b"x"), boto(runtime, "s3")
    assert fetch(s3, reply["FailureLocation"])[0] == b"ValueError: no such task"
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(**place(reply["OutputLocation"]))


def test_without_a_failure_path_there_is_no_failure_location(runtime: Runtime, boto: Callable[..., Any]) -> None:
    config = {"OutputConfig": {"S3OutputPath": f"s3://{runtime.default_bucket}/mine/"}}
    runtime.deploy("one", echo, takes="body", async_config=config)
    reply = submit(boto(runtime), Body=b"x")
    assert "FailureLocation" not in reply
    assert reply["OutputLocation"] == f"s3://{runtime.default_bucket}/mine/{reply['InferenceId']}.out"


@pytest.mark.parametrize("members", [{}, {"Body": b"x", "InputLocation": "s3://b/k"}])
def test_exactly_one_of_body_and_location_is_taken(runtime: Runtime, boto: Callable[..., Any], members: Any) -> None:
    runtime.deploy("one", echo, takes="body", asynchronous=True)
    with pytest.raises(ClientError, match=r"\(ValidationError\).*Exactly one of InputLocation and Body must be given"):
        submit(boto(runtime), **members)


def test_an_inline_body_has_a_limit(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", lambda body: str(len(body)), takes="body", asynchronous=True)
    reply = submit(boto(runtime), Body=bytes(128_000))
    assert fetch(boto(runtime, "s3"), reply["OutputLocation"])[0] == b"128000"
    with pytest.raises(ClientError, match=r"at 'body' failed to satisfy constraint: .* less than or equal to 128000"):
        submit(boto(runtime), Body=bytes(128_001))


def test_an_asynchronous_endpoint_takes_nothing_else_and_the_others_take_no_asynchronous_call(
    runtime: Runtime, boto: Callable[..., Any]
) -> None:
    runtime.deploy("one", echo, takes="body", asynchronous=True)
    runtime.deploy("two", echo, takes="body")
    client = boto(runtime)
    with pytest.raises(client.exceptions.ValidationError, match="can only receive asynchronous invocations"):
        client.invoke_endpoint(EndpointName="one", Body=b"x")
    with pytest.raises(client.exceptions.ValidationError, match="does not take asynchronous invocations"):
        submit(client, EndpointName="two", Body=b"x")


def test_a_model_that_takes_too_long_fails_in_the_services_words(boto: Callable[..., Any]) -> Any:
    release = threading.Event()

    def slow(_: Any) -> Any:
        release.wait(20)
        return b"late"

    with Runtime(limits=Limits(async_seconds=0.2)) as runtime:
        runtime.deploy("one", slow, takes="body", asynchronous=True)
        reply = submit(boto(runtime), Body=b"x", InvocationTimeoutSeconds=3600)
        failure = fetch(boto(runtime, "s3"), reply["FailureLocation"])[0]
        release.set()
    assert failure.startswith(b"Amazon SageMaker could not get a response from the one endpoint.")


def test_a_request_whose_time_is_up_in_the_queue_is_dropped(boto: Callable[..., Any]) -> Any:
    """Nothing is written anywhere: the log is the only sign."""
    started, release = threading.Event(), threading.Event()

    def slow(body: Any) -> Any:
        started.set()
        release.wait(20)
        return body

    config = {
        "OutputConfig": {"S3OutputPath": "s3://sagemaker-us-east-1-123456789012/out"},
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 1},
    }
    with Runtime(limits=Limits(request_ttl_seconds=2)) as runtime:  # within which the others have to be taken up
        runtime.deploy("one", slow, takes="body", async_config=config)
        client, s3 = boto(runtime), boto(runtime, "s3")
        first = submit(client, Body=b"first")
        assert started.wait(20)
        late = submit(client, Body=b"late", RequestTTLSeconds=21_600)
        expired = f"Request {late['InferenceId']} expired in the queue"
        threading.Timer(2.5, release.set).start()  # longer than the limit: this is what the test is about
        assert fetch(s3, first["OutputLocation"])[0] == b"first"
        last = submit(client, Body=b"last")
        assert fetch(s3, last["OutputLocation"])[0] == b"last"
        assert expired in runtime.logs("one")
        with pytest.raises(s3.exceptions.NoSuchKey):
            s3.get_object(**place(late["OutputLocation"]))


def test_as_many_run_at_once_as_the_endpoint_says(runtime: Runtime, boto: Callable[..., Any]) -> Any:
    running, most, lock = [0], [0], threading.Lock()
    together = threading.Barrier(3, timeout=20)

    def count(body: Any) -> Any:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        together.wait()
        with lock:
            running[0] -= 1
        return body

    config = {
        "OutputConfig": {"S3OutputPath": f"s3://{runtime.default_bucket}/out"},
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 3},
    }
    runtime.deploy("one", count, takes="body", async_config=config)
    client, s3 = boto(runtime), boto(runtime, "s3")
    replies = [submit(client, Body=b"x") for _ in range(9)]
    assert [fetch(s3, reply["OutputLocation"])[0] for reply in replies] == [b"x"] * 9
    assert most[0] == 3


def test_a_thousand_in_flight_a_tenth_failing_are_all_delivered_and_leave_no_thread(boto: Callable[..., Any]) -> Any:
    def picky(body: Any) -> Any:
        if int(body) % 10 == 0:
            raise ValueError(body.decode())
        return body

    before = set(threading.enumerate())
    with Runtime() as runtime:
        runtime.deploy("one", picky, takes="body", asynchronous=True)
        client, s3 = boto(runtime), boto(runtime, "s3")
        replies = [submit(client, Body=str(number).encode()) for number in range(1000)]
        for number, reply in enumerate(replies):
            expected = f"ValueError: {number}" if number % 10 == 0 else str(number)
            where = reply["FailureLocation" if number % 10 == 0 else "OutputLocation"]
            assert fetch(s3, where)[0] == expected.encode()
        assert runtime.executions("one") == 1000
    assert set(threading.enumerate()) <= before  # one of an earlier test may have ended meanwhile


@pytest.mark.parametrize(
    ("kind", "said"), [("model_error", b"Injected failure"), ("timeout", b"Your invocation timed out")]
)
def test_a_model_that_fails_on_request_fails_in_s3(
    runtime: Runtime, boto: Callable[..., Any], kind: Any, said: Any
) -> None:
    runtime.deploy("one", echo, takes="body", asynchronous=True, faults=Faults(script=[kind]))
    reply = submit(boto(runtime), Body=b"x")
    assert fetch(boto(runtime, "s3"), reply["FailureLocation"])[0].startswith(said)


def test_a_submission_can_be_refused(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", echo, takes="body", asynchronous=True, faults=Faults(script=["throttle"]))
    with pytest.raises(ClientError, match="ThrottlingException"):
        submit(boto(runtime), Body=b"x")


def test_s3_answers_403_for_what_is_not_there_on_request(boto: Callable[..., Any]) -> None:
    """As it does without ``s3:ListBucket``; what is there is given all the same."""
    with Runtime(faults=Faults(s3_forbidden=True)) as runtime:
        s3 = boto(runtime, "s3")
        for ask in (s3.head_object, s3.get_object):
            with pytest.raises(ClientError) as error:
                ask(Bucket=runtime.default_bucket, Key="none")
            assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        s3.put_object(Bucket=runtime.default_bucket, Key="there", Body=b"x")
        assert s3.get_object(Bucket=runtime.default_bucket, Key="there")["Body"].read() == b"x"


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({}, "S3OutputPath"),
        ({"OutputConfig": {"S3OutputPath": "s3://b", "NotificationConfig": {}}}, "OutputConfig.NotificationConfig"),
        ({"OutputConfig": {"S3OutputPath": "s3://b", "KmsKeyId": "x"}}, "OutputConfig.KmsKeyId"),
    ],
)
def test_a_configuration_that_could_not_be_kept_is_refused(runtime: Runtime, config: Any, text: Any) -> None:
    with pytest.raises(ValueError, match=text):
        runtime.deploy("one", echo, async_config=config)


def test_a_router_passes_asynchronous_requests_on(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", echo, takes="body", asynchronous=True)
    runtime.deploy_router("router", {"target": ["one"]})
    s3 = boto(runtime, "s3")
    s3.put_object(Bucket=runtime.default_bucket, Key="in", Body=b"x")
    reply = boto(runtime, "sagemaker-inference-router-runtime").invoke_inference_router_async(
        InferenceRouterName="router", RoutingTargetName="target", InputLocation=f"s3://{runtime.default_bucket}/in"
    )
    assert fetch(s3, reply["OutputLocation"])[0] == b"x"
