"""Stateful sessions: opened by a request, remembered by the model, stuck to one variant, closed or forgotten."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from smrt_jupyter.local import Limits, Runtime

if TYPE_CHECKING:
    from collections.abc import Callable


def remember(_: Any, invocation: Any) -> Any:
    """Answer with how often this session has asked."""
    if invocation.session is None:
        return "no session"
    invocation.session["asked"] = invocation.session.get("asked", 0) + 1
    return str(invocation.session["asked"])


def ask(client: Any, session_id: Any = None, body: Any = b"x") -> Any:
    members = {"SessionId": session_id} if session_id else {}
    return client.invoke_endpoint(EndpointName="one", Body=body, **members)


def test_a_session_is_opened_used_and_closed(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", remember)
    client = boto(runtime)
    opened = ask(client, "NEW_SESSION")
    told = re.fullmatch(r"([a-zA-Z0-9](-*[a-zA-Z0-9])*); Expires=(.+)", opened["NewSessionId"])
    expires = datetime.strptime(told[3], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert expires > datetime.now(UTC)
    assert opened["Body"].read() == b"1"
    assert [ask(client, told[1])["Body"].read() for _ in range(2)] == [b"2", b"3"]
    assert "NewSessionId" not in ask(client, told[1])
    closed = ask(client, told[1], b'{"requestType": "CLOSE"}')
    assert closed["ClosedSessionId"] == told[1]
    with pytest.raises(ClientError, match=r"\(ValidationError\).*does not exist or has expired"):
        ask(client, told[1])


def test_a_payload_that_only_opens_a_session_does_not_reach_the_model(
    runtime: Runtime, boto: Callable[..., Any]
) -> None:
    runtime.deploy("one", remember)
    opened = ask(boto(runtime), "NEW_SESSION", b'{"requestType": "NEW_SESSION"}')
    assert opened["NewSessionId"]
    assert runtime.executions("one") == 0


def test_sessions_do_not_see_each_other(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", remember)
    client = boto(runtime)
    first, second = (ask(client, "NEW_SESSION")["NewSessionId"].partition(";")[0] for _ in range(2))
    assert first != second
    assert ask(client, first)["Body"].read() == ask(client, second)["Body"].read() == b"2"
    assert ask(client)["Body"].read() == b"no session"


def test_a_session_that_nobody_uses_expires(boto: Callable[..., Any]) -> None:
    with Runtime(limits=Limits(session_seconds=0.0)) as runtime:
        runtime.deploy("one", remember)
        session_id = ask(boto(runtime), "NEW_SESSION")["NewSessionId"].partition(";")[0]
        with pytest.raises(ClientError, match="does not exist or has expired"):
            ask(boto(runtime), session_id)


def test_a_session_stays_with_its_variant(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", variants={"a": (remember, 0.5), "b": (remember, 0.5)})
    client = boto(runtime)
    opened = ask(client, "NEW_SESSION")
    session_id = opened["NewSessionId"].partition(";")[0]
    stayed = {ask(client, session_id)["InvokedProductionVariant"] for _ in range(20)}
    assert stayed == {opened["InvokedProductionVariant"]}


def test_a_stream_joins_a_session(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", remember)
    client = boto(runtime)
    session_id = ask(client, "NEW_SESSION")["NewSessionId"].partition(";")[0]
    reply = client.invoke_endpoint_with_response_stream(EndpointName="one", Body=b"x", SessionId=session_id)
    assert [part["PayloadPart"]["Bytes"] for part in reply["Body"]] == [b"2"]
