"""Faults on request: as often as told, in the order told, and the same again with the same seed."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from speaking import echo

from smrt_jupyter.local import Faults, Runtime
from smrt_jupyter.local.faults import KINDS, FaultPlan, one_answer_less

if TYPE_CHECKING:
    from collections.abc import Callable


def outcome(client: Any, body: Any = b"1,2\n", **members: Any) -> Any:
    try:
        reply = client.invoke_endpoint(EndpointName="one", Body=body, **members)
        return reply["Body"].read()
    except ClientError as error:
        return error.response["Error"]["Code"]
    except (ConnectionClosedError, ReadTimeoutError) as error:
        return type(error).__name__


def test_a_script_is_followed_and_then_all_is_well(runtime: Runtime, boto: Callable[..., Any]) -> None:
    script = ["throttle", "ok", "reset", "not_ready", "unavailable"]
    runtime.deploy("one", echo, takes="body", faults=Faults(script=script))
    assert [outcome(boto(runtime), b"x") for _ in range(6)] == [
        "ThrottlingException", b"x", "ConnectionClosedError", "ModelNotReadyException", "ServiceUnavailable", b"x",
    ]  # fmt: skip
    assert runtime.executions("one") == 2


def test_what_ran_and_what_did_not_is_told_apart(runtime: Runtime, boto: Callable[..., Any]) -> None:
    """A connection that breaks after the model ran looks the same to the client: only the count tells."""
    runtime.deploy("one", echo, takes="body", faults=Faults(script=["reset", "reset_after", "silence"]))
    client = boto(runtime, read_timeout=2)  # within which the model has to run
    assert outcome(client) == "ConnectionClosedError"
    assert runtime.executions("one") == 0
    assert outcome(client) == "ConnectionClosedError"
    assert runtime.executions("one") == 1
    assert outcome(client) == "ReadTimeoutError"
    assert runtime.executions("one") == 2
    assert [request.status for request in runtime.requests][:2] == [0, 0]


def test_shares_are_kept(runtime: Runtime, boto: Callable[..., Any]) -> None:
    faults = Faults(throttle=0.3, unavailable=0.1, seed=7)
    runtime.deploy("one", echo, takes="body", faults=faults)
    client = boto(runtime)
    outcomes = [outcome(client, b"x") for _ in range(300)]
    assert 60 < outcomes.count("ThrottlingException") < 120
    assert 10 < outcomes.count("ServiceUnavailable") < 50
    plan = FaultPlan(faults)
    names = {"throttle": "ThrottlingException", "unavailable": "ServiceUnavailable", "ok": b"x"}
    assert outcomes == [names[plan.next(streaming=False)] for _ in range(300)]


def test_faults_of_the_runtime_count_where_an_endpoint_has_none(boto: Callable[..., Any]) -> None:
    with Runtime(faults=Faults(internal=1.0)) as runtime:
        runtime.deploy("one", echo, takes="body")
        assert outcome(boto(runtime)) == "InternalFailure"
        runtime.deploy("one", echo, takes="body", faults=Faults())
        assert outcome(boto(runtime), b"x") == b"x"


def test_a_hidden_limit_refuses_or_breaks(runtime: Runtime, boto: Callable[..., Any]) -> Any:
    def size(body: Any) -> Any:
        return str(len(body))

    for oversize, expected in [("413", "413"), ("serverless", "ValidationError"), ("reset", "ConnectionClosedError")]:
        runtime.deploy("one", size, takes="body", faults=Faults(body_limit=100_000, oversize=oversize))
        assert outcome(boto(runtime), bytes(100_000)) == b"100000"
        assert outcome(boto(runtime), bytes(2_000_000)) == expected
    assert runtime.executions("one") == 1


def test_replies_take_longer_on_request(runtime: Runtime, boto: Callable[..., Any]) -> None:
    """Longer than the client waits: nothing here looks at a clock."""
    runtime.deploy("one", echo, takes="body", faults=Faults(latency=5))
    assert outcome(boto(runtime, read_timeout=0.3)) == "ReadTimeoutError"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/csv", b"3\n"),
        ("application/json", b'{"predictions": [3]}'),
        ("application/jsonlines", b"3\n"),
    ],
)
def test_a_reply_can_lack_an_answer_and_be_well_formed(
    runtime: Runtime, boto: Callable[..., Any], accept: Any, expected: Any
) -> None:
    runtime.deploy("one", lambda frame: frame.sum(axis="columns"), faults=Faults(script=["wrong_rows"]))
    body, members = b"1,2\n3,4\n", {"ContentType": "text/csv", "Accept": accept}
    assert outcome(boto(runtime), body, **members) == expected
    assert len(outcome(boto(runtime), body, **members)) > len(expected)


def test_an_array_can_lack_an_answer() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3.0))
    assert np.load(io.BytesIO(one_answer_less(buffer.getvalue(), "application/x-npy"))).tolist() == [0.0, 1.0]
    assert json.loads(one_answer_less(b"[1, 2]", "application/json")) == [1]
    with pytest.raises(ValueError, match="does not know how to shorten text/plain"):
        one_answer_less(b"x", "text/plain")


@pytest.mark.parametrize(
    "wrong",
    [{"throttle": 1.5}, {"throttle": -0.1}, {"throttle": 0.6, "reset": 0.6}, {"script": ["no"]}, {"script": "ok"}],
)
def test_what_cannot_be_meant_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"Shares are from 0 to 1|script is a sequence of names"):
        Faults(**wrong)


def test_every_share_is_a_kind() -> None:
    assert len(KINDS) == 20
    assert all(getattr(Faults(**{kind: 1.0}), kind) == 1.0 for kind in KINDS)
    assert {FaultPlan(Faults(**{kind: 1.0})).next(streaming=True) for kind in KINDS} == set(KINDS)
