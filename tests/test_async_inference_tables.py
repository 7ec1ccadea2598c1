"""Tables through asynchronous inference: each chunk gets its own answer, whatever requests are called."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from raw_server import RawServer, Request, http

from smrt_jupyter import Endpoint, LocalRuntime, Policy, errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smrt_jupyter.scoring.progress import Progress

QUICK = Policy(wait_initial=0.01, wait_max=0.05)
NINE = pd.DataFrame({"a": np.arange(9.0)})
TODAY = {"Date": "Sat, 21 Nov 2026 10:00:00 GMT"}


def sums(frame: pd.DataFrame) -> pd.Series:
    return frame.sum(axis=1)


@pytest.fixture
def endpoint(runtime: LocalRuntime) -> Endpoint:
    policy = Policy(wait_initial=0.01, wait_max=0.05, chunk_rows=3)
    return runtime.deploy("later", sums, asynchronous=True).replace(policy=policy)


def ids(runtime: LocalRuntime) -> list[str]:
    return [each.members["InferenceId"] for each in runtime.requests if each.operation == "InvokeEndpointAsync"]


@pytest.mark.parametrize("asynchronous", [None, True])
def test_an_inference_id_of_the_user_gives_each_row_its_own_answer(runtime, endpoint, asynchronous):
    """The service names an output after the inference id: with one id all chunks would have one output."""
    found = endpoint.predict(NINE, inference_id="one", asynchronous=asynchronous)
    assert found.tolist() == NINE["a"].tolist()
    assert sorted(each.rpartition("-")[0] for each in ids(runtime)) == ["one-0", "one-3", "one-6"]


def test_an_endpoint_that_has_an_inference_id_gives_each_row_its_own_answer(endpoint):
    named = endpoint.replace(inference_id="one")
    assert named.predict(NINE).tolist() == NINE["a"].tolist()
    assert named.predict(NINE + 10, asynchronous=True).tolist() == (NINE["a"] + 10).tolist()


def test_a_second_run_with_the_same_inference_id_does_not_read_the_outputs_of_the_first(runtime, endpoint):
    endpoint.predict(NINE, inference_id="one", asynchronous=True)
    assert endpoint.predict(NINE + 100, inference_id="one", asynchronous=True).tolist() == (NINE["a"] + 100).tolist()
    assert len(set(ids(runtime))) == len(ids(runtime)) == 6


def test_an_inference_id_of_40_characters_leaves_room_for_the_chunks_and_a_longer_one_is_refused(runtime, endpoint):
    assert endpoint.predict(NINE, inference_id="x" * 40, asynchronous=True).tolist() == NINE["a"].tolist()
    before = len(runtime.requests)
    with pytest.raises(errors.ValidationFailed, match=r"`inference_id` has 41 characters.*takes 40") as refused:
        endpoint.predict(NINE, inference_id="x" * 41, asynchronous=True)
    assert "\n" not in str(refused.value)
    assert len(runtime.requests) == before


def test_a_file_name_for_the_outputs_is_none_of_a_tables_options(runtime, endpoint):
    with pytest.raises(TypeError, match="no parameter `filename`"):
        endpoint.predict(NINE, filename="scored.json", asynchronous=True)
    assert not runtime.requests


def test_two_chunks_that_are_to_be_answered_at_one_place_are_no_answers(endpoint):
    def name_the_output(request: object) -> None:
        request.headers["X-Amzn-SageMaker-Filename"] = "scored.json"  # which is each chunk's, then

    hooked = endpoint.replace(before_sign=name_the_output)
    with pytest.raises(errors.PartialResultError, match="Two chunks were to be answered at s3://") as caught:
        hooked.predict(NINE, asynchronous=True, policy=Policy(chunk_rows=3, concurrency=1, wait_initial=0.01))
    partial = caught.value
    assert set(range(3, 9)) <= set(partial.failed_rows)
    answered = sorted(set(range(9)) - set(partial.failed_rows))
    assert answered in ([], [0, 1, 2])  # the first chunk's answer may be there when the second is refused, or not
    assert partial.partial[answered].tolist() == answered


@pytest.fixture
def service(clean_aws: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Endpoint]]:
    """Serve the runtime and S3 in one, with the object's replies in turn."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    opened = []

    def start(*objects: bytes) -> Endpoint:
        left = list(objects)

        def answer(request: Request) -> bytes:
            if "async-invocations" in request.line:
                places = {"X-Amzn-SageMaker-OutputLocation": "s3://bucket/one.out", "Content-Type": "application/json"}
                return http(202, b'{"InferenceId": "one"}', {**TODAY, **places})
            return left.pop(0) if len(left) > 1 else left[0]

        server = RawServer(answer).__enter__()
        opened.append(server)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        return Endpoint("later", region="us-east-1", endpoint_url=server.url, policy=QUICK)

    yield start
    for server in opened:
        server.__exit__()


def stored(body: bytes, modified: str) -> bytes:
    return http(200, body, {"Content-Type": "application/json", "Last-Modified": modified})


YESTERDAY = stored(b"[1]", "Fri, 20 Nov 2026 10:00:00 GMT")
NOW = stored(b"[2]", "Sat, 21 Nov 2026 10:00:00 GMT")


@pytest.mark.parametrize("named", [{"inference_id": "one"}, {"filename": "one.out"}])
def test_yesterdays_output_of_the_same_name_is_not_todays_answer(service, named):
    assert service(YESTERDAY, YESTERDAY, NOW).invoke_async([[1]], **named).result(30).value == [2]


def test_a_deadline_says_that_what_is_there_is_older_than_the_request(service):
    inference = service(YESTERDAY).invoke_async([[1]], inference_id="one")
    with pytest.raises(errors.AsyncInferenceError, match=r"from before this request \(2026-11-20 10:00:00 UTC\)"):
        inference.result(0)


def test_an_output_that_seems_a_second_older_than_its_request_is_its_answer(service):
    """Both times are cut to whole seconds."""
    just_before = stored(b"[2]", "Sat, 21 Nov 2026 09:59:59 GMT")
    assert service(just_before).invoke_async([[1]], inference_id="one").result(30).value == [2]


def test_an_output_that_the_service_named_is_taken_whatever_its_time(service):
    """Its names are never used twice, and a store of one's own may have another clock."""
    assert service(YESTERDAY).invoke_async([[1]]).result(30).value == [1]


def test_an_input_for_a_bucket_that_is_not_there_is_told_of_the_bucket(runtime, endpoint):
    with pytest.raises(errors.ValidationFailed, match=r"no bucket 'nowhere'.*Correct `s3_input_prefix`") as refused:
        endpoint.invoke_async(b"1" * 128_001, content_type="text/csv", s3_input_prefix="s3://nowhere/in")
    assert "Endpoint.list" not in str(refused.value)


@pytest.mark.usefixtures("python_meets_ctrl_c")
def test_ctrl_c_leaves_no_failures_where_answers_were_only_waited_for(runtime):
    held = threading.Event()

    def waits(frame: pd.DataFrame) -> pd.Series:
        held.wait(30)
        return sums(frame)

    def press(moment: Progress) -> None:
        if not moment.finished and moment.in_flight == 3:
            signal.raise_signal(signal.SIGINT)

    endpoint = runtime.deploy("slow", waits, asynchronous=True)
    try:
        with pytest.raises(errors.Interrupted) as stopped:
            endpoint.predict(
                NINE, asynchronous=True, progress=press, policy=Policy(chunk_rows=3, concurrency=3, wait_initial=0.01)
            )
    finally:
        held.set()
    assert "failed" not in str(stopped.value)
    assert list(stopped.value.errors) == []
    assert len(stopped.value.failed_rows) == 9
