"""An endpoint is a value; its verbs ask."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import pickle
import re
import subprocess
import sys
import threading
import uuid
from concurrent.futures import as_completed, wait
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from raw_server import RawServer, error, http
from sklearn.base import clone

from smrt_jupyter import Endpoint, LocalRuntime, Policy, Reply, codecs, errors
from smrt_jupyter.endpoint import bodies
from smrt_jupyter.estimator import RemoteRegressor
from smrt_jupyter.tables import Table

if TYPE_CHECKING:
    from pathlib import Path

EVERYTHING = Endpoint(
    "churn",
    region="eu-west-1",
    profile="work",
    endpoint_url="https://vpce.example.com",
    target_variant="blue",
    session_id="s-1",
    content_type="text/csv",
    accept="application/json",
    path="predictions[].score",
    custom_attributes="token=s3cret",
    inference_id="id-1",
    policy=Policy(attempts=2),
)


@pytest.fixture
def sums(runtime: LocalRuntime) -> Endpoint:
    return runtime.deploy("sums", lambda frame: frame.sum(axis=1))


# -- the value -------------------------------------------------------------------------------------------------------


def test_endpoints_that_say_the_same_are_equal_and_hash_alike():
    again = EVERYTHING.replace()
    assert again == EVERYTHING
    assert again is not EVERYTHING
    assert hash(again) == hash(EVERYTHING)
    assert EVERYTHING.replace(target_variant="green") != EVERYTHING
    assert {EVERYTHING: 1}[again] == 1


def test_a_policy_is_a_policy_from_the_start():
    for make in (lambda: Endpoint("churn", policy={"attempts": 2}), lambda: Endpoint("churn").replace(policy=2)):
        with pytest.raises(
            errors.ValidationFailed, match=r"^endpoint 'churn': the policy is no Policy but (dict|int)\."
        ):
            make()
    with pytest.raises(errors.ValidationFailed, match=r"Write `policy=Policy\(attempts=2\)`\.$"):
        EVERYTHING.invoke(b"1", policy={"attempts": 2})


def test_an_endpoint_cannot_be_changed():
    with pytest.raises(AttributeError):
        EVERYTHING.region = "us-east-1"


def test_replace_makes_one_that_differs_and_leaves_the_first_as_it_was():
    green = EVERYTHING.replace(target_variant="green", session_id=None)
    assert (green.target_variant, green.session_id, green.region) == ("green", None, "eu-west-1")
    assert EVERYTHING.target_variant == "blue"
    assert type(green) is Endpoint
    with pytest.raises(TypeError, match="target_varient"):
        EVERYTHING.replace(target_varient="green")


def test_an_endpoint_pickles_and_clones():
    assert pickle.loads(pickle.dumps(EVERYTHING)) == EVERYTHING
    assert clone(RemoteRegressor(EVERYTHING)).endpoint == EVERYTHING


@pytest.mark.parametrize("template", [{"instances": "$records"}, ["$record"], "instances"])
def test_an_endpoint_with_a_template_hashes_and_pickles(template):
    endpoint = Endpoint("churn", template=template)
    assert hash(endpoint) == hash(Endpoint("churn", template=template))
    assert pickle.loads(pickle.dumps(endpoint)) == endpoint


def test_a_repr_says_what_differs_and_no_secret():
    assert repr(Endpoint("churn", region="eu-west-1")) == "Endpoint('churn', region='eu-west-1')"
    assert "s3cret" not in repr(EVERYTHING)
    assert "custom_attributes=…" in repr(EVERYTHING)


def test_no_credentials_are_in_a_pickle_or_a_repr(monkeypatch, runtime, sums):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    sums.invoke([[1, 2]])
    secret = runtime.environ["AWS_SECRET_ACCESS_KEY"]
    for told in (repr(sums).encode(), pickle.dumps(sums)):
        assert b"wJalr" not in told
        assert secret.encode() not in told


def test_an_endpoint_works_in_another_process(sums, tmp_path: Path):
    (tmp_path / "endpoint.pickle").write_bytes(pickle.dumps(sums))
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).invoke([[1, 2]]).value)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "endpoint.pickle")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "{'predictions': [3]}\n"


# -- invoke ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"1,2\n3,4\n", "text/csv"),
        ("1,2\n3,4\n", "text/csv"),
        ([[1, 2], [3, 4]], None),
        (pd.DataFrame({"a": [1, 3], "b": [2, 4]}), None),
        (np.array([[1, 2], [3, 4]]), None),
        ({"instances": [[1, 2], [3, 4]]}, None),
    ],
    ids=["bytes", "text", "list", "DataFrame", "ndarray", "dict"],
)
def test_data_of_every_kind_is_one_request(runtime, sums, data, content_type):
    reply = sums.invoke(data, content_type=content_type, accept="application/json")
    assert reply.value == {"predictions": [3, 7]}
    assert runtime.executions("sums") == 1


def test_a_reply_tells_what_the_service_said(sums):
    reply = sums.invoke([[1, 2]])
    assert (reply.status, reply.attempts, reply.content_type) == (200, 1, "application/json")
    assert reply.invoked_production_variant == "AllTraffic"
    assert reply.request_id
    assert reply.elapsed > 0
    assert reply.headers["content-type"] == "application/json"
    assert json.loads(reply.body) == {"predictions": [3]}
    assert repr(reply).startswith("<Reply 200 · AllTraffic · application/json · ")


def test_a_path_points_into_the_reply(sums):
    assert sums.invoke([[1, 2], [3, 4]], path="predictions[1]").value == 7


def test_changes_are_for_one_request_alone(sums):
    sums.invoke([[1, 2]], inference_id="once")
    assert sums.inference_id is None


def test_bytes_travel_as_any_content_type_even_one_without_a_codec(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with RawServer(lambda _: http(200, b"ok", {"Content-Type": "application/x-mine"})) as server:
        endpoint = Endpoint("churn", endpoint_url=server.url, region="us-east-1")
        assert endpoint.invoke(b"\x00\x01", content_type="application/x-mine").value == b"ok"
    assert server.requests[0].headers["content-type"] == "application/x-mine"
    assert server.requests[0].body == b"\x00\x01"
    with pytest.raises(errors.CodecError, match="no codec"):
        endpoint.invoke({"a": 1}, content_type="application/x-mine")


def test_what_cannot_be_written_is_an_error_before_anything_is_sent(runtime, sums):
    with pytest.raises(errors.CodecError):
        sums.invoke(object(), content_type="text/csv")
    assert not runtime.requests


def test_a_model_error_gives_status_words_and_logs(runtime):
    def fails(frame: pd.DataFrame) -> None:
        raise ZeroDivisionError("by zero")

    endpoint = runtime.deploy("fails", fails)
    with pytest.raises(
        errors.ModelError, match=r"endpoint 'fails': The container answered 500.*\(request [-0-9a-f]{36}\)$"
    ) as caught:
        endpoint.invoke([[1, 2]])
    assert caught.value.status == 500
    assert "by zero" in caught.value.model_message
    assert "by zero" in caught.value.logs()


# -- the hooks -------------------------------------------------------------------------------------------------------


def test_a_hook_sees_and_may_change_the_request_before_it_is_signed(runtime, sums):
    """The embedded runtime checks the signature, so a change after signing would be refused."""
    seen = []

    def hook(request):
        seen.append((request.method, request.url))
        request.headers["X-Amzn-SageMaker-Custom-Attributes"] = "trace=1"

    sums.invoke([[1, 2]], before_sign=hook)
    assert seen == [("POST", f"{runtime.url}/endpoints/sums/invocations")]
    assert runtime.requests[-1].members["CustomAttributes"] == "trace=1"


def test_a_hook_sees_each_finished_reply_and_each_error(runtime, sums):
    seen = []
    reply = sums.invoke([[1, 2]], after_reply=seen.append)
    with pytest.raises(errors.EndpointNotFound) as caught:
        runtime.endpoint("nobody").invoke([[1, 2]], after_reply=seen.append)
    assert seen == [reply, caught.value]


def test_the_hooks_see_every_chunk_of_a_table(sums):
    seen = []
    endpoint = sums.replace(after_reply=seen.append, policy=Policy(chunk_rows=10))
    endpoint.predict(np.ones((50, 2)))
    assert [type(each) for each in seen] == [Reply] * 5


# -- in the background -----------------------------------------------------------------------------------------------


def test_a_future_is_one_of_the_standard_library(sums):
    futures = [sums.submit([[number, 1]], path="predictions[0]") for number in range(20)]
    called = threading.Event()
    futures[0].add_done_callback(lambda _: called.set())
    assert sorted(future.result().value for future in as_completed(futures)) == list(range(1, 21))
    assert not wait(futures).not_done
    assert called.wait(10)


def test_a_future_gives_the_error(runtime):
    future = runtime.endpoint("nobody").submit([[1, 2]])
    assert isinstance(future.exception(60), errors.EndpointNotFound)


def test_a_request_is_cancelled_before_it_is_sent_and_not_after(runtime):
    go = threading.Event()

    def waits(frame: pd.DataFrame) -> pd.Series:
        go.wait(60)
        return frame.sum(axis=1)

    endpoint = runtime.deploy("waits", waits)
    futures = [endpoint.submit([[number, 1]]) for number in range(80)]  # the pool is 64 wide
    assert futures[-1].cancel()
    go.set()
    assert sum(not future.cancelled() and bool(future.result()) for future in futures) == 79


def test_a_reply_is_awaited(sums):
    async def both() -> list[object]:
        replies = await asyncio.gather(sums.ainvoke([[1, 2]]), sums.ainvoke([[3, 4]]))
        return [reply.value["predictions"] for reply in replies]

    assert asyncio.run(both()) == [[3], [7]]


def test_what_was_submitted_is_finished_before_the_interpreter_ends(runtime, sums, tmp_path: Path):
    (tmp_path / "endpoint.pickle").write_bytes(pickle.dumps(sums))
    code = "import pickle, sys; e = pickle.load(open(sys.argv[1], 'rb')); [e.submit([[i, 1]]) for i in range(30)]"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "endpoint.pickle")], check=True)
    assert runtime.executions("sums") == 30


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_submits_through_a_pool_of_its_own(sums):
    sums.submit([[1, 2]]).result(60)
    child = os.fork()
    if child == 0:
        os._exit(0 if sums.submit([[1, 2]], path="predictions[0]").result(60).value == 3 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# -- the service of routers ------------------------------------------------------------------------------------------


def test_a_router_is_asked_for_its_target_and_says_what_it_chose(runtime, sums):
    runtime.deploy_router("router", {"target": ["sums"]})
    reply = runtime.endpoint("router").invoke([[1, 2]], routing_target_name="target")
    assert reply.value == {"predictions": [3]}
    assert "sums" in reply.invoked_routed_resource_arn
    assert reply.routing_reason in {"local-preferred", "capacity-available", "only-healthy", "failover"}


def test_a_deployed_router_is_an_endpoint_that_can_be_asked_at_once(runtime, sums):
    for targets in ({"near": "sums"}, {"near": sums}, {"near": [sums, "elsewhere"]}):
        router = runtime.deploy_router("router", targets)
        assert router.predict([[1, 2], [3, 4]]).tolist() == [3, 7]


def test_what_is_no_endpoints_name_is_no_routers_target(runtime):
    with pytest.raises(TypeError, match="names of endpoints, not int"):
        runtime.deploy_router("router", {"near": [1]})
    with pytest.raises(ValueError, match="endpointName"):
        runtime.deploy_router("router", {"near": "under_scored"})


def test_a_router_is_waited_for_as_long_as_aws_asks():
    endpoint = Endpoint("router", routing_target_name="target", policy=Policy(read_timeout=70))
    assert endpoint.target.read_timeout >= 170
    assert endpoint.replace(policy=Policy(read_timeout=300)).target.read_timeout == 300


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ValidationException", 400, errors.ValidationFailed),
        ("AccessDeniedException", 403, errors.AccessDenied),
        ("RequestTimeoutException", 408, errors.TimedOut),
        ("ThrottlingException", 429, errors.Throttled),
    ],
)
def test_a_routers_errors_have_other_names_and_become_the_same(monkeypatch, code, status, kind):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with RawServer(lambda _: error(status, code, Message="No.")) as server:
        endpoint = Endpoint("r", routing_target_name="t", endpoint_url=server.url, region="us-east-1")
        with pytest.raises(kind):
            endpoint.invoke(b"1", content_type="text/csv", policy=Policy(attempts=1))


# -- what a content type refuses -------------------------------------------------------------------------------------

RARE: dict[str, Any] = {
    "date": dt.date(2024, 1, 2),
    "UUID": uuid.UUID(int=1),
    "Period": pd.Period("2024-01"),
    "time": dt.time(1),
    "list": [1, 2],
    "bytes": b"a",
    "complex": 1j,
    "infinite": float("inf"),
    "object": object(),
}


def carries(content_type: str, table: pd.DataFrame) -> bool:
    try:
        bodies.writer(codecs.find(content_type), Table.of(table))
    except errors.CodecError:
        return False
    return True


@pytest.mark.parametrize("sort", RARE)
@pytest.mark.parametrize("beside", [{}, {"n": [1.0, 2.0]}], ids=["alone", "beside numbers"])
@pytest.mark.parametrize("content_type", [name for name in codecs.CONTENT_TYPES if "image" not in name])
def test_an_advice_names_only_what_carries_the_table(sort: str, beside: dict[str, Any], content_type: str) -> None:
    df = pd.DataFrame(beside | {"c": pd.Series([RARE[sort]] * 2, dtype=object)})
    if not carries(content_type, df):
        with pytest.raises(errors.CodecError) as caught:
            bodies.writer(codecs.find(content_type), Table.of(df))
        advice = "" if caught.value.column is None else caught.value.next_step
        assert all(carries(name, df) for name in re.findall(r"[a-z]+/[a-z][\w.+-]*\w", advice))
        assert all(carries(content_type, df.assign(c=eval(words))) for words in re.findall(r"`([^`]+)`", advice))


@pytest.mark.parametrize(
    ("sort", "content_type", "said"),
    [
        (
            "date",
            "application/x-npy",
            "date values (first in row 0). Convert it with `pd.to_datetime(df['c'])` or `df['c'].astype(str)`",
        ),
        ("UUID", "application/x-parquet", "is not a plain type. Convert it with `df['c'].astype(str)`."),
        ("Period", "text/libsvm", "Period values (first in row 0) cannot be carried by LibSVM"),
        ("list", "text/libsvm", "Encode it as numbers, or use application/json."),
        ("bytes", "text/csv", "Leave the column out, or turn it into text or numbers."),
    ],
)
def test_a_refused_column_is_told_by_its_sort_with_what_to_do(
    runtime: LocalRuntime, sort: str, content_type: str, said: str
) -> None:
    df = pd.DataFrame({"c": pd.Series([RARE[sort]] * 2, dtype=object)})
    with pytest.raises(errors.CodecError, match=re.escape(said)):
        runtime.endpoint("any").predict(df, content_type=content_type)
