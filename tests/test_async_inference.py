"""Asynchronous inference: handed in, looked for in two places, and never waited for by a thread of its own."""

from __future__ import annotations

import asyncio
import json
import pickle
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from raw_server import RawServer, Request, http

from smrt_jupyter import AsyncInference, Endpoint, LocalRuntime, Policy, errors, wire
from smrt_jupyter.local.faults import Faults
from smrt_jupyter.local.invocation import ContainerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

QUICK = Policy(wait_initial=0.01, wait_max=0.05)


def sums(frame: pd.DataFrame) -> pd.Series:
    if (frame[0] < 0).any():
        raise ContainerError(400, '{"message": "below zero", "status": "error"}')
    return frame.sum(axis=1)


@pytest.fixture
def endpoint(runtime: LocalRuntime) -> Endpoint:
    return runtime.deploy("later", sums, asynchronous=True).replace(policy=QUICK)


def test_an_answer_comes_as_invoke_gives_it(endpoint):
    inference = endpoint.invoke_async([[1, 2], [3, 4]], path="predictions")
    reply = inference.result(timeout=30)
    assert reply.value == [3, 7]
    assert reply.content_type == "application/json"
    assert inference.done()
    assert inference.exception() is None
    assert inference.result() is reply
    assert "done" in repr(inference)


def test_the_service_tells_where_the_answer_will_be(endpoint):
    inference = endpoint.invoke_async([[1, 2]], inference_id="mine-1")
    assert inference.inference_id == "mine-1"
    assert inference.output_location.startswith("s3://")
    assert inference.output_location.endswith("mine-1.out")
    assert inference.failure_location.startswith("s3://")


def test_the_output_is_named_as_asked(endpoint):
    inference = endpoint.invoke_async([[1, 2]], filename="scored.json", s3_output_path_extension="run-7")
    assert inference.output_location.endswith("/run-7/scored.json")
    assert inference.result(30).value == {"predictions": [3]}


def test_members_travel_to_their_places(runtime, endpoint):
    endpoint.invoke_async(
        b"1,2",
        content_type="text/csv",
        accept="application/json",
        request_ttl_seconds=60,
        invocation_timeout_seconds=90,
        custom_attributes="a=1",
    ).result(30)
    [asked] = [each for each in runtime.requests if each.operation == "InvokeEndpointAsync"]
    assert asked.members == {
        "EndpointName": "later",
        "ContentType": "text/csv",
        "Accept": "application/json",
        "RequestTTLSeconds": 60,
        "InvocationTimeoutSeconds": 90,
        "CustomAttributes": "a=1",
    }


def test_128_000_bytes_travel_in_the_request_and_one_more_through_s3(runtime, endpoint):
    row = b"1," * 63_999
    largest = row + b"22"
    assert len(largest) == 128_000
    prefix = f"s3://{runtime.default_bucket}/inputs"
    endpoint = endpoint.replace(accept="application/json")
    inline = endpoint.invoke_async(largest, content_type="text/csv", s3_input_prefix=prefix)
    through_s3 = endpoint.invoke_async(largest + b"0", content_type="text/csv", s3_input_prefix=prefix)
    assert inline.result(30).value == {"predictions": [63_999 + 22]}
    assert through_s3.result(30).value == {"predictions": [63_999 + 220]}
    sent = [each.members for each in runtime.requests if each.operation == "InvokeEndpointAsync"]
    assert "InputLocation" not in sent[0]
    assert sent[1]["InputLocation"].startswith(f"{prefix}/")


def test_an_input_that_is_in_s3_already_is_named(runtime, endpoint):
    s3 = wire.beside(endpoint.target, "s3")
    wire.send(s3, "PutObject", {"Bucket": runtime.default_bucket, "Key": "in.csv", "Body": b"1,2\n"})
    location = f"s3://{runtime.default_bucket}/in.csv"
    inference = endpoint.invoke_async(input_location=location, content_type="text/csv", accept="application/json")
    assert inference.result(30).value == {"predictions": [3]}


@pytest.mark.parametrize(
    ("data", "options", "kind", "words"),
    [
        (None, {}, errors.ValidationFailed, "Exactly one"),
        (b"1,2", {"input_location": "s3://b/k"}, errors.ValidationFailed, "Exactly one"),
        (b"1" * 128_001, {}, errors.PayloadTooLarge, "s3_input_prefix"),
        (b"1" * 128_001, {"s3_input_prefix": "bucket/in"}, errors.ValidationFailed, "s3://bucket/key"),
        (b"1", {"request_ttl_seconds": 59}, errors.ValidationFailed, "at least 60"),
        (b"1", {"invocation_timeout_seconds": 3601}, errors.ValidationFailed, "at most 3600"),
        (b"1", {"filename": "a.b.c"}, errors.ValidationFailed, "filename"),
        (b"1", {"filename": "x" * 33}, errors.ValidationFailed, "takes 32"),
        (b"1", {"s3_output_path_extension": "s3://other"}, errors.ValidationFailed, "s3_output_path_extension"),
        (None, {"input_location": "ftp://x"}, errors.ValidationFailed, "input_location"),
        (b"1", {"target_variant": "blue"}, errors.ValidationFailed, "no `target_variant`"),
    ],
)
def test_what_the_service_would_refuse_is_refused_before_it_is_sent(data, options, kind, words):
    nobody = Endpoint("later", endpoint_url="http://127.0.0.1:1", region="us-east-1")
    with pytest.raises(kind, match=words):
        nobody.invoke_async(data, **options)


def test_a_failure_is_told_in_the_models_words(endpoint):
    inference = endpoint.invoke_async([[-1, 2]])
    with pytest.raises(
        errors.AsyncInferenceError, match="endpoint 'later': The inference failed: below zero"
    ) as caught:
        inference.result(30)
    assert json.loads(caught.value.model_message) == {"message": "below zero", "status": "error"}
    assert caught.value.failure_location == inference.failure_location
    assert inference.exception() is caught.value
    assert inference.done()
    assert "failed" in repr(inference)


def test_an_inference_is_made_again_from_its_locations(runtime, endpoint):
    first = endpoint.invoke_async([[1, 2]])
    first.result(30)
    again = AsyncInference(
        first.output_location, first.failure_location, endpoint_url=runtime.url, region=runtime.region
    )
    assert again.result(30).value == {"predictions": [3]}
    carried = pickle.loads(pickle.dumps(endpoint.invoke_async([[5, 6]])))
    assert carried.result(30).value == {"predictions": [11]}


def test_an_inference_is_picked_up_in_another_process(runtime, endpoint, tmp_path: Path):
    (tmp_path / "inference.pickle").write_bytes(pickle.dumps(endpoint.invoke_async([[1, 2]])))
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).result(30).value)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "inference.pickle")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "{'predictions': [3]}\n"


def test_an_inference_is_awaited(endpoint):
    async def both() -> list[object]:
        replies = await asyncio.gather(endpoint.invoke_async([[1, 2]]), endpoint.invoke_async([[3, 4]]))
        return [reply.value for reply in replies]

    assert asyncio.run(both()) == [{"predictions": [3]}, {"predictions": [7]}]


def test_a_failure_is_awaited(endpoint):
    async def one() -> None:
        await endpoint.invoke_async([[-1, 2]])

    with pytest.raises(errors.AsyncInferenceError, match="below zero"):
        asyncio.run(one())


def test_the_hook_sees_what_was_handed_in_and_what_was_refused(runtime, endpoint):
    seen = []
    endpoint.invoke_async([[1, 2]], after_reply=seen.append)
    assert [reply.status for reply in seen] == [202]
    with pytest.raises(errors.EndpointNotFound):
        runtime.endpoint("nobody").invoke_async([[1, 2]], after_reply=seen.append)
    assert isinstance(seen[1], errors.EndpointNotFound)


# -- S3, and what it may say -----------------------------------------------------------------------------------------


@pytest.fixture
def s3(clean_aws: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[RawServer, AsyncInference]]]:
    """Serve an S3 that says what a test wants: by key, in turn, the last one again and again."""
    opened = []
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    def start(policy: Policy = QUICK, **said: list[bytes]) -> tuple[RawServer, AsyncInference]:
        def answer(request: Request) -> bytes:
            turns = said[request.line.split("/")[2].split(" ")[0].split("?")[0]]
            return turns.pop(0) if len(turns) > 1 else turns[0]

        server = RawServer(answer).__enter__()
        opened.append(server)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        failure = "s3://bucket/failure" if "failure" in said else None
        return server, AsyncInference(
            "s3://bucket/output", failure, region="us-east-1", endpoint="later", policy=policy
        )

    yield start
    for server in opened:
        server.__exit__()


def refusal(status: int, code: str, message: str = "No.") -> bytes:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return http(status, body.encode(), {"Content-Type": "application/xml"})


NOT_THERE = refusal(404, "NoSuchKey")
FORBIDDEN = refusal(403, "AccessDenied", "Access Denied")
FOUND = http(200, b'{"predictions": [3]}', {"Content-Type": "application/json"})


@pytest.mark.parametrize("first", [NOT_THERE, FORBIDDEN], ids=["404", "403"])
def test_what_is_not_there_yet_is_looked_for_again(s3, first):
    """Without ``s3:ListBucket`` S3 says 403 for a key that does not exist."""
    _, inference = s3(output=[first, first, FOUND], failure=[first])
    assert not inference.done()
    assert inference.result(30).value == {"predictions": [3]}


def test_a_deadline_says_that_it_passed_and_that_the_inference_goes_on(s3):
    _, inference = s3(output=[NOT_THERE], failure=[NOT_THERE])
    with pytest.raises(errors.AsyncInferenceError, match=r"waited 0.1 s.*ask `result\(\)` again") as caught:
        inference.result(0.1)
    assert caught.value.model_message is None
    with pytest.raises(errors.AsyncInferenceError, match="waited 0 s"):
        inference.exception(0)


def test_a_deadline_with_403_says_both_things_that_it_may_mean(s3):
    _, inference = s3(output=[FORBIDDEN], failure=[NOT_THERE])
    with pytest.raises(errors.AsyncInferenceError, match=r"not there yet, or not allowed.*s3:GetObject.*s3:ListBucket"):
        inference.result(0.1)


def test_a_403_that_was_only_the_beginning_is_not_told_at_the_deadline(s3):
    _, inference = s3(output=[FORBIDDEN, NOT_THERE], failure=[NOT_THERE])
    assert not inference.done()
    with pytest.raises(errors.AsyncInferenceError) as caught:
        inference.result(0)
    assert "403" not in str(caught.value)
    assert "not allowed" not in str(caught.value)


def test_a_deadline_without_a_failure_path_says_where_a_failure_would_show(s3):
    _, inference = s3(output=[NOT_THERE])
    with pytest.raises(errors.AsyncInferenceError, match="no S3FailurePath"):
        inference.result(0)


def test_a_bucket_that_does_not_exist_is_an_error_at_once(s3):
    _, inference = s3(output=[refusal(404, "NoSuchBucket")])
    with pytest.raises(errors.AsyncInferenceError, match="no bucket 'bucket'"):
        inference.result(3600)
    with pytest.raises(errors.AsyncInferenceError, match="no bucket 'bucket'"):
        inference.done()


def test_expired_credentials_are_told_at_once_and_the_answer_is_there_after_signing_in(s3):
    _, inference = s3(output=[refusal(400, "ExpiredToken", "The provided token has expired."), FOUND])
    with pytest.raises(errors.CredentialsError, match="expired"):
        inference.result(3600)
    assert inference.result(30).value == {"predictions": [3]}


def test_s3_that_asks_for_patience_is_asked_again(s3):
    server, inference = s3(output=[refusal(503, "SlowDown", "Please reduce your request rate."), FOUND])
    assert inference.result(30).value == {"predictions": [3]}
    assert len(server.requests) == 2


def test_a_connection_to_s3_that_breaks_costs_nothing_and_is_made_again(clean_aws, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    faults = [Request.reset]

    with RawServer(lambda request: faults.pop()(request) if faults else FOUND) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        inference = AsyncInference("s3://bucket/output", region="us-east-1", policy=QUICK)
        assert inference.result(30).value == {"predictions": [3]}
        assert len(server.requests) == 2


def test_an_object_without_a_content_type_is_read_as_what_was_asked_for(s3):
    _, inference = s3(output=[http(200, b"1.5\n2.5\n", {"Content-Type": "binary/octet-stream"})])
    inference.accept = "text/csv"
    assert np.asarray(inference.result(30).value).ravel().tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"message": "Unknown task: initialization", "status": "error"}', "failed: Unknown task: initialization."),
        (b"Amazon SageMaker could not get a response from the x endpoint.", "failed: Amazon SageMaker could not get"),
        (b'{"error": "boom", "code": 424}', "failed: boom."),
        (b'["strange"]', r'failed: \["strange"\]'),
        (b"\xff\xfe", "failed: "),
        (b"", "failed: without a word."),
    ],
)
def test_a_failure_object_is_read_for_what_it_is(s3, body, words):
    _, inference = s3(output=[NOT_THERE], failure=[http(200, body)])
    with pytest.raises(errors.AsyncInferenceError, match=words) as caught:
        inference.result(30)
    assert caught.value.model_message == body.decode(errors="replace")


def test_nobody_waits_longer_than_an_answer_can_come(s3):
    _, inference = s3(output=[NOT_THERE])
    inference.give_up_at = time.time() - 1
    with pytest.raises(errors.AsyncInferenceError, match="waited 0 s"):
        inference.result()


def test_a_stop_ends_the_waiting(s3):
    _, inference = s3(Policy(wait_initial=60, wait_max=60), output=[NOT_THERE])
    stop = threading.Event()
    stop.set()
    with pytest.raises(errors.AsyncInferenceError, match="stopped"):
        inference.result(stop=stop)


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("s3://bucket/a/key.out", "/bucket/a/key.out"),
        ("https://bucket.s3.us-east-1.amazonaws.com/a/key.out", "/bucket/a/key.out"),
        ("https://s3.us-east-1.amazonaws.com/bucket/a/key.out", "/bucket/a/key.out"),
    ],
)
def test_a_location_is_read_in_every_form(clean_aws, monkeypatch, location, path):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with RawServer(lambda _: FOUND) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        AsyncInference(location, region="us-east-1").result(30)
    assert server.requests[0].line.split()[1] == path


def test_a_location_that_is_none_is_refused_when_it_is_named():
    with pytest.raises(errors.ValidationFailed, match="no place in S3"):
        AsyncInference("bucket/key")


def test_an_upload_that_is_refused_names_the_place_and_nothing_is_invoked(s3, monkeypatch):
    server, _ = s3(output=[FORBIDDEN])
    monkeypatch.setattr("smrt_jupyter.async_inference.submission.uuid.uuid4", lambda: "output")
    refused = Endpoint("later", region="us-east-1", endpoint_url="http://127.0.0.1:1")
    with pytest.raises(errors.AccessDenied, match=r"could not be put to s3://bucket/output.*PutObject"):
        refused.invoke_async(b"x" * 130_000, s3_input_prefix="s3://bucket")
    assert len(server.requests) == 1


# -- many at once ----------------------------------------------------------------------------------------------------


def our_threads() -> set[threading.Thread]:
    """Name the threads of the client; the embedded runtime's own, in the same process here, are another matter."""
    return {each for each in threading.enumerate() if not each.name.startswith(("smrt-model", "smrt-runtime"))}


def new_threads(before: set[threading.Thread]) -> set[threading.Thread]:
    """Name the threads that were not there before, once those on their way out are gone."""
    for thread in our_threads() - before:
        thread.join(10)
    return our_threads() - before


@pytest.fixture
def many(runtime: LocalRuntime) -> Endpoint:
    config = {
        "OutputConfig": {
            "S3OutputPath": f"s3://{runtime.default_bucket}/out",
            "S3FailurePath": f"s3://{runtime.default_bucket}/failed",
        },
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 8},
    }
    endpoint = runtime.deploy("many", sums, async_config=config).replace(policy=QUICK)
    endpoint.invoke_async([[0, 0]]).result(60)  # the runtime's own threads are there from now on
    return endpoint


def test_a_thousand_in_flight_with_a_tenth_failing_are_all_delivered_and_no_thread_stays(runtime, many):
    before = our_threads()
    inferences = [many.invoke_async([[-1 if number % 10 == 0 else number, 1]]) for number in range(1000)]
    outcomes = [each.exception(120) or each.result().value["predictions"] for each in inferences]
    for number, outcome in enumerate(outcomes):
        if number % 10 == 0:
            assert isinstance(outcome, errors.AsyncInferenceError)
            assert "below zero" in str(outcome)
        else:
            assert outcome == [number + 1]
    assert new_threads(before) == set()


def test_hundreds_are_awaited_by_a_few_threads_that_end(many):
    before = our_threads()

    async def gather() -> list[object]:
        inferences = [many.invoke_async([[-1 if number % 10 == 0 else number, 1]]) for number in range(200)]
        return await asyncio.gather(*inferences, return_exceptions=True)

    outcomes = asyncio.run(gather())
    assert sum(isinstance(outcome, errors.AsyncInferenceError) for outcome in outcomes) == 20
    assert outcomes[1].value["predictions"] == [2]
    assert new_threads(before) == set()


# -- tables ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def table() -> pd.DataFrame:
    numbers = np.arange(3000.0).reshape(1000, 3)
    return pd.DataFrame(numbers, columns=list("abc"), index=[f"r{each}" for each in range(1000)])


def row_sums(frame: pd.DataFrame) -> pd.Series:
    return frame.sum(axis=1)


@pytest.mark.parametrize("asynchronous", [None, True])
def test_a_table_goes_through_an_endpoint_that_takes_nothing_else(runtime, table, asynchronous):
    endpoint = runtime.deploy("sums", row_sums, asynchronous=True)
    endpoint = endpoint.replace(policy=Policy(chunk_rows=100, wait_initial=0.01, wait_max=0.05))
    found = endpoint.predict(table, asynchronous=asynchronous)
    pd.testing.assert_series_equal(found, table.sum(axis=1), check_names=False)
    assert runtime.rows_executed("sums") == 1000


def test_an_endpoint_that_answers_at_once_is_never_described(runtime, table):
    runtime.deploy("sums", row_sums).predict(table)
    assert not [each for each in runtime.requests if "Describe" in each.operation]


def test_a_refusal_on_another_ground_stays_what_it_is(runtime, table):
    endpoint = runtime.deploy("sums", row_sums).replace(target_model="a.tar.gz")
    with pytest.raises(errors.ValidationFailed, match="multi-model"):
        endpoint.predict(table)


def test_a_large_table_is_cut_to_what_travels_in_a_request(runtime):
    """Without a place in S3, chunks are cut down to 128,000 bytes."""
    endpoint = runtime.deploy("sums", row_sums, asynchronous=True).replace(policy=QUICK)
    values = np.random.default_rng(0).normal(size=(20_000, 3))
    np.testing.assert_allclose(endpoint.predict(values), values.sum(axis=1))
    assert runtime.rows_executed("sums") == 20_000


def test_a_large_table_goes_through_s3_where_there_is_a_place(runtime):
    endpoint = runtime.deploy("sums", row_sums, asynchronous=True).replace(policy=QUICK)
    values = np.random.default_rng(0).normal(size=(20_000, 3))
    prefix = f"s3://{runtime.default_bucket}/inputs"
    np.testing.assert_allclose(endpoint.predict(values, s3_input_prefix=prefix), values.sum(axis=1))
    assert [each for each in runtime.requests if "InputLocation" in each.members]


def test_rows_that_fail_are_named_and_the_others_kept(runtime, table):
    def picky(frame: pd.DataFrame) -> pd.Series:
        if (frame[0] == 300).any():
            raise ContainerError(500, "row 100 is strange")
        return frame.sum(axis=1)

    endpoint = runtime.deploy("picky", picky, asynchronous=True)
    endpoint = endpoint.replace(policy=Policy(chunk_rows=100, wait_initial=0.01, wait_max=0.05))
    with pytest.raises(errors.PartialResultError, match="row 100 is strange") as caught:
        endpoint.predict(table.to_numpy())
    assert list(caught.value.failed_rows) == list(range(100, 200))
    assert [type(each) for each in caught.value.errors] == [errors.AsyncInferenceError]
    assert np.isnan(caught.value.partial[100:200]).all()


def test_s3_that_forbids_to_look_delivers_all_the_same(runtime, table):
    endpoint = runtime.deploy("sums", row_sums, asynchronous=True, faults=Faults(s3_forbidden=True))
    endpoint = endpoint.replace(policy=Policy(chunk_rows=500, wait_initial=0.01, wait_max=0.05))
    np.testing.assert_allclose(endpoint.predict(table.to_numpy()), table.sum(axis=1))


def test_throttling_of_the_handing_in_is_waited_for(runtime, table):
    endpoint = runtime.deploy("sums", row_sums, asynchronous=True, faults=Faults(script=["throttle"] * 3))
    endpoint = endpoint.replace(policy=Policy(chunk_rows=500, wait_initial=0.01, wait_max=0.05))
    answers, report = endpoint.score(table.to_numpy(), asynchronous=True)
    np.testing.assert_allclose(answers, table.sum(axis=1))
    assert report.retries["Throttled"] == 3


def test_an_inference_whose_answer_cannot_be_fetched_is_not_handed_in_again(runtime, monkeypatch):
    """It was taken on, and will be billed: the answer waits in S3."""
    endpoint = runtime.deploy("sums", row_sums, asynchronous=True)
    result, failed = AsyncInference.result, []

    def fails_once(self, *args, **options):
        if not failed:
            failed.append(self)
            raise errors.Throttled("Please reduce your request rate.")
        return result(self, *args, **options)

    monkeypatch.setattr(AsyncInference, "result", fails_once)
    policy = Policy(chunk_rows=10, wait_initial=0.01, wait_max=0.05)
    with pytest.raises(errors.PartialResultError) as caught:
        endpoint.replace(policy=policy).predict(np.ones((100, 2)), asynchronous=True)
    assert len(caught.value.failed_rows) == 10
    assert caught.value.errors[0].output_location == failed[0].output_location
    assert runtime.rows_executed("sums") == 100
