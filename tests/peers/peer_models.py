"""Models that other people's clients ask."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from smrt_jupyter.local import ContainerError, ModelReply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smrt_jupyter.local import Invocation


def mirror(body: Any, invocation: Invocation) -> ModelReply:
    """Answer with what arrived, under the content type that was asked for."""
    told = {name: value for name, value in invocation.members.items() if name != "EndpointName"}
    said = {"body": invocation.body.decode("latin-1"), "members": told, "decoded": type(body).__name__}
    return ModelReply(value=json.dumps(said), content_type="application/json", custom_attributes="seen")


def sums(frame: Any) -> Any:
    """Add up each row."""
    return frame.sum(axis="columns")


def same(_: Any, invocation: Invocation) -> ModelReply:
    """Answer with the very bytes, under their own content type."""
    return ModelReply(value=invocation.body, content_type=invocation.content_type or "application/octet-stream")


def speak(value: dict[str, Any]) -> Iterator[str | bytes]:
    """Stream JSON lines, cut where no line ends and inside a character; fail where told."""
    words = value["inputs"].split()
    if value.get("fail") == "at once":
        raise ContainerError(424, "the prompt is too long")
    text = "".join(json.dumps({"outputs": [word]}, ensure_ascii=False) + "\n" for word in words).encode()
    for start in range(0, len(text), 7):
        yield text[start : start + 7]
    if value.get("fail") == "later":
        raise RuntimeError("out of memory")


def picky(value: dict[str, Any]) -> dict[str, Any]:
    """Fail with the status that is asked for; 0 leaves the service nothing to relay."""
    if "status" in value:
        raise ContainerError(value["status"], json.dumps({"error": "as you wish"}))
    return value
