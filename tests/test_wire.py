"""One request out, one reply in: the retry loop, over real sockets."""

from __future__ import annotations

import json
import os
import pickle
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from raw_server import RawServer, Request, error, http

from smrt_jupyter import Endpoint, Policy, errors, wire
from smrt_jupyter.wire import clients

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

QUICK = Policy(wait_initial=0.001, wait_max=0.002, wait_for_capacity=0.05)
STALLED = 1.0
"""Seconds after which a client gives up a server that says nothing; one that answers has to come first, also on a busy
machine."""


@pytest.fixture(autouse=True)
def credentials(clean_aws: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def invoke(server: RawServer, body: bytes = b"1,2", *, policy: Policy = QUICK, **options: object) -> wire.Exchange:
    target = wire.Target(
        "sagemaker-runtime",
        endpoint_url=server.url,
        connect_timeout=policy.connect_timeout,
        read_timeout=policy.read_timeout,
    )
    parameters = {"EndpointName": "churn", "Body": body, "ContentType": "text/csv"}
    return wire.send(target, "InvokeEndpoint", parameters, policy=policy, endpoint="churn", **options)


def answers(*replies: bytes | Callable[[Request], bytes | None]) -> Callable[[Request], bytes | None]:
    """Answer with each in turn, and with the last one from then on."""
    left = list(replies)

    def answer(request: Request) -> bytes | None:
        reply = left.pop(0) if len(left) > 1 else left[0]
        return reply(request) if callable(reply) else reply

    return answer


@pytest.fixture
def serve() -> Iterator[Callable[..., RawServer]]:
    opened = []

    def start(*replies: bytes | Callable[[Request], bytes | None], read_bodies: bool = True) -> RawServer:
        server = RawServer(answers(*replies), read_bodies=read_bodies).__enter__()
        opened.append(server)
        return server

    yield start
    for server in opened:
        server.__exit__()


GOOD = http(
    200, b"0.5\n", {"Content-Type": "text/csv", "x-Amzn-Invoked-Production-Variant": "blue", "x-amzn-RequestId": "77"}
)
THROTTLED = error(400, "ThrottlingException", message=None)
NOT_READY = error(429, "ModelNotReadyException", Message="Loading.")


def test_a_request_is_answered(serve):
    server = serve(GOOD)
    exchange = invoke(server)
    assert (exchange.body, exchange.status, exchange.request_id, exchange.attempts) == (b"0.5\n", 200, "77", 1)
    assert exchange.output["InvokedProductionVariant"] == "blue"
    assert exchange.headers["content-type"] == "text/csv"
    assert exchange.elapsed > 0
    [request] = server.requests
    assert request.line == "POST /endpoints/churn/invocations HTTP/1.1"
    assert request.body == b"1,2"
    assert request.headers["content-type"] == "text/csv"
    assert "smrt-jupyter" in request.headers["user-agent"]


@pytest.mark.parametrize("body", [b"", b"x", b"x" * 100_000, b"x" * 5_000_000], ids=len)
def test_a_body_of_any_size_arrives_whole(serve, body):
    server = serve(GOOD)
    invoke(server, body)
    assert server.requests[0].body == body
    assert server.requests[0].length == len(body)


def test_throttling_with_a_null_message_is_sent_again_until_it_is_answered(serve):
    server = serve(THROTTLED, error(429, None), GOOD)
    waits = []
    exchange = invoke(server, on_retry=lambda error, seconds: waits.append((type(error), seconds)))
    assert exchange.attempts == 3
    assert [kind for kind, _ in waits] == [errors.Throttled] * 2
    assert all(0 <= seconds <= QUICK.wait_max for _, seconds in waits)


def test_throttling_to_the_last_attempt_is_an_error_that_counts(serve):
    server = serve(THROTTLED)
    with pytest.raises(
        errors.Throttled, match=r"endpoint 'churn', rows 5 to 7, 3 attempts: Too many.*\(request 1234\)$"
    ) as e:
        invoke(server, policy=Policy(attempts=3, wait_initial=0, wait_max=0), rows=range(5, 8))
    assert e.value.attempts == len(server.requests) == 3
    assert e.value.response["Error"]["Code"] == "ThrottlingException"


def test_a_model_that_loads_is_waited_for_beyond_the_attempts(serve):
    server = serve(*[NOT_READY] * 7, GOOD)
    policy = Policy(attempts=2, wait_initial=0.001, wait_max=0.001, wait_for_capacity=30)
    assert invoke(server, policy=policy).attempts == 8


def test_a_model_that_stays_away_is_given_up_when_the_wait_for_capacity_is_over(serve):
    server = serve(NOT_READY)
    with pytest.raises(errors.ModelNotReady, match="wait_for_capacity"):
        invoke(server)


def test_a_component_scaled_to_zero_is_waited_for(serve):
    told = "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress"
    server = serve(error(400, "ValidationError", Message=told), GOOD)
    assert invoke(server).attempts == 2


@pytest.mark.parametrize("status", [500, 502, 503, 530])
def test_a_failure_of_the_service_is_sent_again(serve, status):
    server = serve(error(status, None, Message="Try again."), GOOD)
    assert invoke(server).attempts == 2


def test_a_gateway_timeout_may_have_run_and_is_not_sent_again(serve):
    server = serve(error(504, None, Message="Gateway timeout."), GOOD)
    with pytest.raises(errors.ServiceError):
        invoke(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(400, "ValidationError", Message="No."), errors.ValidationFailed),
        (error(403, "AccessDeniedException", Message="Not authorized."), errors.AccessDenied),
        (error(424, "ModelError", Message="x", OriginalStatusCode=500, OriginalMessage="boom"), errors.ModelError),
        (http(413, b"HTTP content length exceeded 6291456 bytes."), errors.PayloadTooLarge),
    ],
)
def test_what_would_fail_again_is_sent_once(serve, reply, kind):
    server = serve(reply)
    with pytest.raises(kind):
        invoke(server)
    assert len(server.requests) == 1


def test_a_model_error_is_sent_again_only_when_asked(serve):
    failed = error(424, "ModelError", Message="x", OriginalStatusCode=503, OriginalMessage="busy")
    server = serve(failed, GOOD)
    assert invoke(server, policy=Policy(wait_initial=0, retry_model_errors=True)).attempts == 2


def stall(request: Request) -> None:
    """Read the request and say nothing."""
    threading.Event().wait(30)


def test_a_read_timeout_may_have_run_and_is_not_sent_again(serve):
    server = serve(stall)
    with pytest.raises(errors.TimedOut, match="retry_read_timeout"):
        invoke(server, policy=Policy(read_timeout=STALLED))
    assert len(server.requests) == 1


def test_a_read_timeout_is_sent_again_when_asked(serve):
    server = serve(stall, GOOD)
    policy = Policy(read_timeout=STALLED, wait_initial=0, retry_read_timeout=True)
    assert invoke(server, policy=policy).attempts == 2


def test_a_reset_after_the_whole_request_may_have_run_and_is_not_sent_again(serve):
    server = serve(Request.reset, GOOD)
    with pytest.raises(errors.ConnectionFailed, match="may have run") as caught:
        invoke(server)
    assert caught.value.request_was_whole
    assert len(server.requests) == 1


def test_a_reset_after_an_empty_request_may_have_run_too(serve):
    server = serve(Request.reset, GOOD)
    with pytest.raises(errors.ConnectionFailed) as caught:
        invoke(server, b"")
    assert caught.value.request_was_whole


def test_a_reset_in_the_middle_of_a_large_body_certainly_did_not_run_and_is_sent_again(serve):
    """The server resets after the head, while megabytes are still to be sent; then it takes the whole."""

    def take(request: Request) -> bytes:
        request.read_body()
        return GOOD

    server = serve(Request.reset, take, read_bodies=False)
    seen = []
    exchange = invoke(server, b"x" * 30_000_000, on_retry=lambda error, _: seen.append(error))
    assert exchange.attempts == 2
    assert [(type(each), each.request_was_whole, each.request_was_cut) for each in seen] == [
        (errors.ConnectionFailed, False, True)
    ]
    assert len(server.requests[1].body) == 30_000_000


def test_a_refusal_while_a_large_body_is_being_sent_is_read(serve):
    def refuse(request: Request) -> bytes:
        request.connection.sendall(http(413, b"HTTP content length exceeded 6291456 bytes.", {"Connection": "close"}))
        request.read_body()
        return b""

    server = serve(refuse, read_bodies=False)
    with pytest.raises(errors.PayloadTooLarge):
        invoke(server, b"x" * 20_000_000)


def test_a_reply_that_is_cut_short_may_have_run_and_is_not_sent_again(serve):
    def cut(request: Request) -> None:
        request.connection.sendall(http(200, b"0.5", {"Content-Length": "400"}))
        request.connection.close()

    server = serve(cut)
    with pytest.raises(errors.ConnectionFailed):
        invoke(server)
    assert len(server.requests) == 1


def test_an_address_where_nobody_listens_is_tried_again_and_then_named(serve):
    server = serve(GOOD)
    server.__exit__()
    with pytest.raises(errors.ConnectionFailed, match=r"127.0.0.1") as caught:
        invoke(server, policy=Policy(attempts=2, wait_initial=0))
    assert caught.value.attempts == 2
    assert not caught.value.request_was_whole
    assert not caught.value.request_was_cut


def test_a_request_without_a_body_that_was_never_sent_is_tried_again(serve):
    server = serve(GOOD)
    server.__exit__()
    with pytest.raises(errors.ConnectionFailed) as caught:
        wire.send(
            wire.Target("sagemaker", endpoint_url=server.url),
            "ListEndpoints",
            {},
            policy=Policy(attempts=2, wait_initial=0),
        )
    assert caught.value.attempts == 2
    assert not caught.value.request_was_whole


REPEATABLE = [
    ("s3", "GetObject", {"Bucket": "b", "Key": "k"}),
    ("s3", "HeadObject", {"Bucket": "b", "Key": "k"}),
    ("s3", "PutObject", {"Bucket": "b", "Key": "k", "Body": b"1,2"}),
    ("s3", "UploadPart", {"Bucket": "b", "Key": "k", "UploadId": "u", "PartNumber": 1, "Body": b"1,2"}),
    ("sagemaker", "DescribeEndpoint", {"EndpointName": "churn"}),
    ("sagemaker", "ListEndpoints", {}),
    ("logs", "FilterLogEvents", {"logGroupName": "churn"}),
]


@pytest.mark.parametrize(("service", "operation", "parameters"), REPEATABLE, ids=[each[1] for each in REPEATABLE])
@pytest.mark.parametrize("fault", [Request.reset, stall], ids=["reset", "timeout"])
def test_what_runs_no_inference_is_repeated_however_it_broke(serve, service, operation, parameters, fault):
    headers = {"Content-Type": "application/json", "ETag": '"x"'}
    server = serve(fault, http(200, b"" if operation == "HeadObject" or "Body" in parameters else b"{}", headers))
    target = wire.Target(service, endpoint_url=server.url, read_timeout=STALLED)
    assert wire.send(target, operation, parameters, policy=QUICK).attempts == 2
    assert server.requests[0].body == server.requests[1].body


@pytest.mark.parametrize(
    ("fault", "kind"), [(Request.reset, errors.ConnectionFailed), (stall, errors.TimedOut)], ids=["reset", "timeout"]
)
def test_what_runs_no_inference_speaks_of_none_when_it_is_given_up(serve, fault, kind):
    server = serve(fault)
    target = wire.Target("s3", endpoint_url=server.url, read_timeout=STALLED)
    with pytest.raises(kind) as caught:
        wire.send(target, "GetObject", {"Bucket": "b", "Key": "k"}, policy=Policy(attempts=2, wait_initial=0))
    assert len(server.requests) == caught.value.attempts == 2
    assert "inference" not in str(caught.value)
    assert "retry_read_timeout" not in str(caught.value)
    assert "network" in str(caught.value)


def test_an_object_that_breaks_off_in_the_middle_is_read_again(serve):
    def cut(request: Request) -> None:
        request.connection.sendall(http(200, b"0.5", {"Content-Length": "400"}))
        request.connection.close()

    server = serve(cut, http(200, b"0.5\n"))
    target = wire.Target("s3", endpoint_url=server.url)
    assert wire.send(target, "GetObject", {"Bucket": "b", "Key": "k"}, policy=QUICK).body == b"0.5\n"


EXPIRED = error(403, "ExpiredTokenException", message="The security token included in the request is expired")


class Keys:
    """Keys where boto3 finds them, which change while a test runs, and a server that knows which are good."""

    def __init__(self, put: Callable[[str], object]) -> None:
        self.put = put
        self.good = {"NEW"}
        self.asked: list[str] = []

    def answer(self, request: Request) -> bytes:
        key = request.headers["authorization"].partition("Credential=")[2].partition("/")[0]
        self.asked.append(key)
        return GOOD if key in self.good else EXPIRED


@pytest.fixture(params=["file", "process"])
def keys(request: pytest.FixtureRequest, clean_aws: Path, monkeypatch: pytest.MonkeyPatch) -> Keys:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    put_in_file = (clean_aws / "credentials").write_text
    told = "[default]\naws_access_key_id = {}\naws_secret_access_key = s\naws_session_token = t\n"
    if request.param == "process":
        (clean_aws / "config").write_text(f"[default]\ncredential_process = cat {clean_aws / 'told.json'}\n")
        put_in_file = (clean_aws / "told.json").write_text
        told = '{{"Version": 1, "AccessKeyId": "{}", "SecretAccessKey": "s", "SessionToken": "t"}}'
    found = Keys(lambda key: put_in_file(told.format(key)))
    found.put("OLD")
    return found


def test_expired_credentials_are_replaced_where_there_are_new_ones(serve, keys):
    keys.good = {"OLD"}
    server = serve(keys.answer)
    invoke(server)
    keys.good = {"NEW"}
    keys.put("NEW")
    exchange = invoke(server, b"x" * 100_000, policy=Policy(wait_initial=600, wait_max=600))
    assert exchange.attempts == 2
    assert keys.asked == ["OLD", "OLD", "NEW"]
    assert server.requests[1].body == server.requests[2].body == b"x" * 100_000


def test_refused_credentials_that_are_still_the_same_are_an_error_at_once(serve, keys):
    server = serve(keys.answer)
    with pytest.raises(errors.CredentialsError, match="expired") as caught:
        invoke(server)
    assert keys.asked == ["OLD"]
    assert caught.value.attempts == 1
    keys.put("NEW")
    assert invoke(server).attempts == 1


def test_new_credentials_that_are_refused_too_end_it(serve, keys):
    def answer(request: Request) -> bytes:
        keys.put(f"NEWER{len(keys.asked)}")
        return keys.answer(request)

    with pytest.raises(errors.CredentialsError) as caught:
        invoke(serve(answer))
    assert keys.asked == ["OLD", "NEWER0"]
    assert caught.value.attempts == 2


def test_new_credentials_are_an_attempt_like_any_other(serve, keys):
    server = serve(lambda request: keys.put("NEW") and keys.answer(request))
    with pytest.raises(errors.CredentialsError):
        invoke(server, policy=Policy(attempts=1))
    assert keys.asked == ["OLD"]


def test_threads_that_are_refused_together_all_go_on_with_the_new_credentials(serve, keys):
    together = threading.Barrier(8, action=lambda: keys.put("NEW"))

    def answer(request: Request) -> bytes:
        if "/OLD/" in request.headers["authorization"].replace("=", "/"):
            together.wait(10)
        return keys.answer(request)

    server = serve(answer)
    attempts: list[int] = []
    threads = [threading.Thread(target=lambda: attempts.append(invoke(server).attempts)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert attempts == [2] * 8
    assert sorted(keys.asked) == ["NEW"] * 8 + ["OLD"] * 8
    assert len([key for key in clients._connections if key[0].endpoint_url == server.url]) == 1


def test_a_run_goes_on_when_its_credentials_expire_and_new_ones_are_there(serve, keys):
    keys.good = {"OLD", "NEW"}
    one_by_one = threading.Lock()  # nobody is refused before the new ones are there, and the fifth is the fifth

    def answer(request: Request) -> bytes:
        with one_by_one:
            if len(keys.asked) == 4:
                keys.put("NEW")
                keys.good = {"NEW"}
            return keys.answer(request)

    server = serve(answer)
    endpoint = Endpoint("churn", endpoint_url=server.url, policy=Policy(chunk_rows=1, concurrency=3))
    assert endpoint.predict(np.ones((40, 2))).tolist() == [0.5] * 40
    assert keys.asked.count("OLD") <= 8


def test_a_key_that_s3_does_not_know_is_a_matter_of_credentials(serve, keys):
    unknown = b"<Error><Code>InvalidAccessKeyId</Code><Message>No such key.</Message></Error>"
    server = serve(http(403, unknown), lambda _: keys.put("NEW") and http(403, unknown), http(200, b"1"))
    target = wire.Target("s3", endpoint_url=server.url)
    with pytest.raises(errors.CredentialsError):
        wire.send(target, "GetObject", {"Bucket": "b", "Key": "k"}, policy=QUICK)
    assert wire.send(target, "GetObject", {"Bucket": "b", "Key": "k"}, policy=QUICK).attempts == 2


def test_a_stop_ends_the_waiting_with_the_error_that_caused_it(serve):
    server = serve(NOT_READY)
    stop = threading.Event()
    policy = Policy(wait_initial=600, wait_max=600, wait_for_capacity=6000)
    with pytest.raises(errors.ModelNotReady):
        invoke(server, policy=policy, stop=stop, on_retry=lambda *_: stop.set())
    assert len(server.requests) == 1


@pytest.mark.parametrize(("attempts", "sent"), [(None, 2), (4, 4)])
def test_aws_max_attempts_counts_where_the_policy_is_silent(serve, monkeypatch, attempts, sent):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    server = serve(THROTTLED)
    with pytest.raises(errors.Throttled):
        invoke(server, policy=Policy(attempts=attempts, wait_initial=0))
    assert len(server.requests) == sent


def test_the_profiles_max_attempts_count_where_the_policy_is_silent(serve, clean_aws):
    (clean_aws / "config").write_text("[default]\nmax_attempts = 3\n")
    server = serve(THROTTLED)
    with pytest.raises(errors.Throttled):
        invoke(server, policy=Policy(wait_initial=0))
    assert len(server.requests) == 3


def test_each_attempt_is_signed_anew_after_the_hook_changed_it(serve):
    server = serve(THROTTLED, GOOD)
    seen = []

    def hook(request):
        seen.append(request.url)
        request.headers["X-Trace"] = f"attempt {len(seen)}"

    invoke(server, before_sign=hook)
    assert [request.headers["x-trace"] for request in server.requests] == ["attempt 1", "attempt 2"]
    assert all("x-trace" in request.headers["authorization"] for request in server.requests)
    assert seen[0] == f"{server.url}/endpoints/churn/invocations"


def test_a_hook_is_called_for_its_own_request_only(serve):
    server = serve(GOOD)
    invoke(server, before_sign=lambda request: request.headers.add_header("X-Trace", "mine"))
    invoke(server)
    assert "x-trace" not in server.requests[1].headers


def test_an_error_in_a_hook_is_the_users_own(serve):
    def hook(request):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        invoke(serve(GOOD), before_sign=hook)


def test_one_client_serves_all_threads_and_a_changed_environment_gets_another(serve, monkeypatch):
    target = wire.Target("sagemaker-runtime", endpoint_url="http://127.0.0.1:1")
    first = wire.connect(target)
    found = []
    threads = [threading.Thread(target=lambda: found.append(wire.connect(target))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(each is first for each in found)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "fresh")
    assert wire.connect(target) is not first


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_makes_its_own_connections(serve):
    server = serve(GOOD)
    invoke(server)
    child = os.fork()
    if child == 0:
        os._exit(len(clients._connections))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_logs_of_a_model_error_are_read_on_request(serve, monkeypatch):
    arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/churn"
    failed = error(424, "ModelError", Message="x", OriginalStatusCode=500, OriginalMessage="boom", LogStreamArn=arn)
    pages = [
        {"events": [{"message": "one\n"}, {"message": "two\n"}], "nextToken": "more"},
        {"events": [{"message": "three\n"}]},
    ]
    logs = serve(*[http(200, json.dumps(page).encode(), {"Content-Type": "application/json"}) for page in pages])
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", logs.url)
    with pytest.raises(errors.ModelError, match="answered 500: boom") as caught:
        invoke(serve(failed))
    assert caught.value.logs(2) == "two\nthree"
    assert json.loads(logs.requests[0].body)["logGroupName"] == "/aws/sagemaker/Endpoints/churn"
    assert json.loads(logs.requests[1].body)["nextToken"] == "more"


def test_a_target_pickles():
    target = wire.Target("sagemaker-runtime", "eu-west-1", "work")
    assert pickle.loads(pickle.dumps(target)) == target


def test_another_service_of_the_account_is_not_asked_at_the_runtimes_address():
    target = wire.Target("sagemaker-runtime", "eu-west-1", "work", "https://vpce-1.example.com")
    assert wire.beside(target, "s3") == wire.Target("s3", "eu-west-1", "work", None)
