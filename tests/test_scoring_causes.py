"""Rows that are too large and replies that cannot be read say why, of which endpoint, and what helps."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from smrt_jupyter import AnswerError, CodecError, LocalRuntime, PartialResultError, PayloadTooLarge, Policy
from smrt_jupyter.local.invocation import ContainerError, ModelReply

LONG = pd.DataFrame({"text": ["x" * 3000]})
ONES = pd.DataFrame({"a": range(6)})


def lengths(frame: pd.DataFrame) -> pd.Series:
    return frame.iloc[:, 0].str.len()


def test_a_row_above_the_payload_limit_is_told_of_what_makes_it_shorter(runtime: LocalRuntime) -> None:
    endpoint = runtime.deploy("lengths", lengths).replace(policy=Policy(payload_limit=1000))
    with pytest.raises(PayloadTooLarge) as caught:
        endpoint.predict(LONG)
    line = str(caught.value)
    assert line.startswith("endpoint 'lengths', row 0: This row alone is a request of 3,001 bytes")
    assert "`Policy(payload_limit=...)` says that the endpoint takes 1,000." in line
    assert "Lower" not in line
    assert "asynchronous inference (up to 1 GB). Raise `payload_limit` where the endpoint takes more" in line


def test_a_row_above_the_users_own_size_of_a_chunk_is_told_of_that(runtime: LocalRuntime) -> None:
    endpoint = runtime.deploy("lengths", lengths).replace(policy=Policy(chunk_bytes=4))
    with pytest.raises(PayloadTooLarge) as caught:
        endpoint.predict(LONG)
    assert "`Policy(chunk_bytes=4)` allows no more than 4. Raise `chunk_bytes`." in str(caught.value)
    assert "endpoint takes" not in str(caught.value)
    assert not runtime.requests


def test_a_row_that_a_container_refuses_as_too_large_keeps_its_words(runtime: LocalRuntime) -> None:
    def refuses(_: Any) -> None:
        raise ContainerError(413, "too big")

    with pytest.raises(PayloadTooLarge) as caught:
        runtime.deploy("small", refuses).predict(ONES.head(1))
    line = str(caught.value)
    assert "which was refused: The container answered 413: too big. Send fewer columns" in line
    assert caught.value.request_id in line
    assert caught.value.endpoint == "small"


def test_an_answer_that_cannot_be_found_names_the_endpoint_and_the_request(runtime: LocalRuntime) -> None:
    with pytest.raises(AnswerError) as caught:
        runtime.deploy("broken", lambda _: ModelReply(value={"error": "out of\nmemory"}), takes="value").predict(ONES)
    line = str(caught.value)
    assert line.startswith(
        "endpoint 'broken', rows 0 to 5: 6 rows were sent and an object with an error: 'out of memory'"
    )
    assert line.endswith(f"(request {caught.value.request_id})")
    assert caught.value.endpoint == "broken"
    assert "\n" not in line


def test_a_reply_that_cannot_be_decoded_names_the_endpoint_and_the_request(runtime: LocalRuntime) -> None:
    model = lambda _: ModelReply(value=b"{", content_type="application/json")  # noqa: E731
    with pytest.raises(CodecError) as caught:
        runtime.deploy("broken", model, takes="body").predict(ONES)
    assert str(caught.value).startswith("endpoint 'broken', rows 0 to 5: ")
    assert caught.value.request_id


def test_the_first_cause_among_several_names_the_endpoint(runtime: LocalRuntime) -> None:
    def model(frame: pd.DataFrame) -> Any:
        return [1] if frame.iloc[0, 0] >= 3 else frame.iloc[:, 0].tolist()

    endpoint = runtime.deploy("broken", model).replace(policy=Policy(chunk_rows=3))
    with pytest.raises(PartialResultError, match="AnswerError, endpoint 'broken', rows 3 to 5: 3 rows were sent"):
        endpoint.predict(ONES)


def test_a_table_that_cannot_be_written_names_no_endpoint(runtime: LocalRuntime) -> None:
    """It is no matter of the endpoint's."""
    endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1)).replace(content_type="text/csv")
    with pytest.raises(CodecError) as caught:
        endpoint.predict(pd.DataFrame({"a": [b"\xff"]}))
    assert caught.value.endpoint is None
    assert not runtime.requests
