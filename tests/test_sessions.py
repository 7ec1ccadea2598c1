"""Stateful sessions, as a client has them."""

from __future__ import annotations

import asyncio
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from smrt_jupyter import Endpoint, LocalRuntime, errors
from smrt_jupyter.local.invocation import Invocation, ModelReply


def remembers(value: Any, invocation: Invocation) -> Any:
    """Count what was said in the session."""
    said = invocation.session.setdefault("said", [])
    said.append(value)
    return {"said": len(said)}


@pytest.fixture
def chatty(runtime: LocalRuntime) -> Endpoint:
    return runtime.deploy("chatty", remembers, takes="value")


def asked(runtime: LocalRuntime) -> list[str | None]:
    return [each.members.get("SessionId") for each in runtime.requests]


def test_requests_of_a_session_reach_what_remembers_the_ones_before(runtime, chatty):
    with chatty.session() as chat, chatty.session() as other:
        assert chat.id != other.id
        assert chat.expires > datetime.now(UTC)
        said = [chat.invoke({"text": "a"}).value, other.invoke({"text": "b"}).value, chat.invoke({"text": "c"}).value]
    assert said == [{"said": 1}, {"said": 1}, {"said": 2}]
    assert asked(runtime)[0] == "NEW_SESSION"
    assert asked(runtime)[-1] == chat.id
    assert chat.closed
    assert "closed" in repr(chat)


def test_a_session_that_is_over_is_closed_at_the_service(runtime, chatty):
    with chatty.session() as chat:
        pass
    with pytest.raises(errors.ValidationFailed, match="does not exist or has expired"):
        chatty.invoke({"text": "a"}, session_id=chat.id)


def test_a_closed_session_sends_nothing_more(runtime, chatty):
    with chatty.session() as chat:
        pass
    before = len(runtime.requests)
    chat.close()
    with pytest.raises(errors.ValidationFailed, match="The session is closed"):
        chat.invoke({"text": "a"})
    with pytest.raises(errors.ValidationFailed, match="The session is closed"):
        chat.stream({"text": "a"})
    assert len(runtime.requests) == before


def test_the_first_request_opens_the_session_where_no_payload_is_named_for_it(runtime, chatty):
    with chatty.session(opening=None) as chat:
        assert chat.id is None
        with pytest.raises(errors.ValidationFailed, match="not open"):
            chat.stream({"text": "a"})
        assert chat.invoke({"text": "a"}).value == {"said": 1}
        assert chat.id
        assert chat.invoke({"text": "b"}).value == {"said": 2}
    assert asked(runtime) == ["NEW_SESSION", chat.id, chat.id]


def test_a_session_may_be_left_to_expire(runtime, chatty):
    with chatty.session(closing=None) as chat:
        pass
    assert asked(runtime) == ["NEW_SESSION"]
    assert chatty.invoke({"text": "a"}, session_id=chat.id).value == {"said": 1}


def test_a_session_is_joined_by_its_id(chatty):
    with chatty.session(closing=None) as chat:
        chat.invoke({"text": "a"})
    with chatty.replace(session_id=chat.id).session() as again:
        assert again.id == chat.id
        assert again.invoke({"text": "b"}).value == {"said": 2}


def test_a_session_streams(runtime):
    def tell(value: Any, invocation: Invocation) -> Any:
        if invocation.members.get("SessionId") == "NEW_SESSION":
            return {}
        return ModelReply(value=iter([b"in ", b"parts"]), content_type="text/plain")

    with runtime.deploy("teller", tell, takes="value").session() as chat:
        assert "".join(chat.stream({"text": "a"}).text()) == "in parts"


def test_a_session_works_in_the_background(chatty):
    with chatty.session() as chat:
        assert chat.submit({"text": "a"}).result(60).value == {"said": 1}
        assert asyncio.run(chat.ainvoke({"text": "b"})).value == {"said": 2}


def test_opening_and_closing_travel_as_json_whatever_rows_travel_as(runtime):
    seen = []

    def notes(body: bytes, invocation: Invocation) -> Any:
        seen.append((invocation.content_type, body))
        return ModelReply(value=b"1", content_type="text/csv")

    endpoint = runtime.deploy("csv", notes, takes="body").replace(content_type="text/csv", path="no.such")
    with endpoint.session() as chat:
        assert chat.invoke(pd.DataFrame({"a": [1]})).body == b"1"
    told = [content_type for content_type, _ in seen]
    assert {*told} <= {"application/json", "text/csv"}
    assert "text/csv" in told


def test_a_container_that_opens_none_is_told_so(runtime, monkeypatch):
    endpoint = runtime.deploy("plain", lambda frame: frame.sum(axis=1))
    invoke = Endpoint.invoke

    def without(self: Endpoint, data: object, **changes: Any) -> Any:
        changes.pop("session_id", None)  # the embedded runtime opens one for every model
        return invoke(self, [[1, 2]])

    monkeypatch.setattr(Endpoint, "invoke", without)
    with pytest.raises(errors.ValidationFailed, match=r"opened no session.*opening="), endpoint.session():
        pass


def test_the_blocks_own_error_is_the_one_to_see(runtime):
    def fails_and_cannot_close(kind: type[Exception] | None) -> None:
        with runtime.deploy("chatty", remembers, takes="value").session():
            runtime.delete("chatty")
            if kind:
                raise kind

    with pytest.raises(ZeroDivisionError):
        fails_and_cannot_close(ZeroDivisionError)
    with pytest.raises(errors.EndpointNotFound):
        fails_and_cannot_close(None)


def test_a_session_that_the_container_closes_is_closed(runtime):
    def ends(value: Any) -> ModelReply:
        over = value.get("text") == "bye"
        return ModelReply(
            value=json.dumps(value), content_type="application/json", closed_session_id="it" if over else None
        )

    with runtime.deploy("ends", ends, takes="value").session() as chat:
        chat.invoke({"text": "hello"})
        assert not chat.closed
        chat.invoke({"text": "bye"})
        assert chat.closed


@pytest.mark.parametrize(
    "say_goodbye",
    [
        lambda chat: chat.submit({"text": "bye"}).result(60),
        lambda chat: asyncio.run(chat.ainvoke({"text": "bye"})),
    ],
    ids=["submit", "ainvoke"],
)
def test_a_session_that_the_container_closes_is_closed_whichever_verb_told_of_it(runtime, say_goodbye):
    def ends(value: Any, invocation: Invocation) -> ModelReply:
        over = invocation.members["SessionId"] if value.get("text") == "bye" else None
        return ModelReply(value=json.dumps(value), content_type="application/json", closed_session_id=over)

    with runtime.deploy("ends", ends, takes="value").session() as chat:
        say_goodbye(chat)
        assert chat.closed
    assert len(asked(runtime)) == 2  # nothing was left to close


def test_a_session_that_is_over_at_the_service_when_the_block_ends_is_no_error(runtime, chatty):
    with chatty.session() as chat:
        chatty.invoke({"requestType": "CLOSE"}, session_id=chat.id)
    assert chat.closed


def test_the_endpoints_own_hook_sees_the_replies_of_a_session(chatty):
    seen = []
    with chatty.replace(after_reply=seen.append).session() as chat:
        chat.invoke({"text": "a"})
    assert [reply.status for reply in seen] == [200] * 3


def test_the_endpoint_of_a_session_is_a_plain_value(chatty):
    with chatty.session() as chat:
        assert pickle.loads(pickle.dumps(chat.endpoint)) == chat.endpoint == chatty.replace(session_id=chat.id)


def test_a_reply_that_opened_a_session_shows_its_id(chatty):
    opened = chatty.invoke({"requestType": "NEW_SESSION"}, session_id="NEW_SESSION")
    assert opened.footer().endswith(f" · session {opened.new_session_id}")
    joined = chatty.invoke({"text": "a"}, session_id=opened.new_session_id)
    assert "session" not in joined.footer()
