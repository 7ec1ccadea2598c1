"""What a model returned becomes what a container replies: a body, or the parts of a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from smrt_jupyter.local import rows
from smrt_jupyter.local.invocation import ContainerReply, ModelReply

if TYPE_CHECKING:
    from smrt_jupyter.local.invocation import Invocation


def reply(
    given: Any, invocation: Invocation, *, rows_given: int | None = None, content_type: str | None = None
) -> ContainerReply:
    """Write what a model returned.

    Parameters
    ----------
    given : object
        Answers, a `ModelReply`, or an iterator of parts.
    invocation : Invocation
        What was asked.
    rows_given : int, optional
        How many rows the model was given.
    content_type : str, optional
        Of bytes, text and streams.

    Returns
    -------
    ContainerReply
    """
    said = given if isinstance(given, ModelReply) else ModelReply(value=given)
    value, content_type = said.value, said.content_type or content_type
    body: bytes | Iterator[bytes]
    if isinstance(value, Iterator):
        body, content_type = _parts(value, content_type or specific(invocation.accept))
    elif content_type and isinstance(value, bytes | str):
        body = value if isinstance(value, bytes) else value.encode()
    else:
        accept = content_type or invocation.accept
        tabular = rows_given is not None and is_answers(value, rows_given)
        body, content_type = rows.encode(value, accept=accept, content_type=invocation.content_type, tabular=tabular)
    return ContainerReply(
        body=body,
        content_type=content_type,
        custom_attributes=said.custom_attributes,
        new_session_id=said.new_session_id,
        closed_session_id=said.closed_session_id,
        rows=rows_given,
    )


def is_answers(value: Any, count: int) -> bool:
    """Tell answers, one a row, from any other value: a dict is answers when each field has one a row."""
    if isinstance(value, Mapping):
        return bool(value) and all(hasattr(field, "__len__") and len(field) == count for field in value.values())
    return hasattr(value, "shape") or isinstance(value, list | tuple)


def specific(accept: str | None) -> str | None:
    """Take the first wish of an ``Accept`` that names one content type."""
    first = (accept or "").partition(",")[0].strip()
    return None if first in ("", "*/*") else first


def _parts(stream: Iterator[Any], content_type: str | None) -> tuple[Iterator[bytes], str]:
    """Pull the first part, so that a model that fails before it fails as a whole, and know the type by it."""
    first = next(stream, b"")
    if isinstance(first, bytes):
        usual = "application/octet-stream"
    else:
        usual = "text/plain; charset=utf-8" if isinstance(first, str) else "application/jsonlines"
    return _encoded(first, stream), content_type or usual


def _encoded(first: Any, rest: Iterator[Any]) -> Iterator[bytes]:
    try:
        yield _part(first)
        for part in rest:
            yield _part(part)
    finally:
        close = getattr(rest, "close", None)
        if close is not None:
            close()


def _part(part: Any) -> bytes:
    match part:
        case bytes():
            return part
        case str():
            return part.encode()
    return json.dumps(part).encode() + b"\n"
