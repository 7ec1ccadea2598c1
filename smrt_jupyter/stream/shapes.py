"""What an event means: its new text, or the error that it reports. Pure: values in, text out."""

from __future__ import annotations

import json
from typing import Any

from smrt_jupyter.errors import StreamError
from smrt_jupyter.wire.translation import one_line

WORDS = ("error", "message", "detail")
"""Where an error's words are, possibly one inside the other."""


def new_text(event: Any) -> str | None:  # noqa: PLR0911 - one for each shape
    """Take the new text out of an event of a known shape.

    Parameters
    ----------
    event : object
        Decoded.

    Returns
    -------
    str or None
        Empty for an event that brings none: a special token, usage, a reasoning, a call of a tool. None when the shape
        is unknown.

    Raises
    ------
    StreamError
        When it reports an error.

    Examples
    --------
    >>> new_text({"choices": [{"delta": {"content": "sky"}}]})
    'sky'
    >>> new_text({"token": {"id": 2, "text": "</s>", "special": True}, "generated_text": "sky"})
    ''
    >>> new_text({"answer": 42}) is None
    True
    """
    raise_reported(event)
    match event:
        case str():
            return event
        case [dict(), *_] if all(isinstance(each, dict) for each in event):
            return _joined([new_text(each) for each in event])
        case {"choices": [*choices]}:
            return _joined([_of_choice(each) for each in choices])
        case {"token": {"special": True}}:
            return ""
        case {"token": {"text": str(text)}} | {"generated_text": str(text)}:
            return text
        case {"outputs": [*outputs]} if all(isinstance(each, str) for each in outputs):
            return "".join(outputs)
    return None


def _joined(texts: list[str | None]) -> str | None:
    """Join texts of which each is known; else the event as a whole is not."""
    known = [text for text in texts if text is not None]
    return "".join(known) if len(known) == len(texts) else None


def _of_choice(choice: Any) -> str | None:
    """Read OpenAI's schemas: chat in parts, chat at once, completion."""
    match choice:
        case {"index": int(index)} if index:
            return ""
        case {"delta": {**said}} | {"message": {**said}}:
            return _of_content(said.get("content"))
        case {"text": str(text)}:
            return text
        case {"delta": None} | {"message": None} | {"text": None}:
            return ""
        case {"finish_reason": _} if not {"delta", "message", "text"} & choice.keys():
            return ""
    return None


def _of_content(content: Any) -> str | None:
    match content:
        case None:
            return ""
        case str():
            return content
        case [*parts] if all(isinstance(part, dict) for part in parts):
            texts = [part.get("text") or "" for part in parts]
            return "".join(texts) if all(isinstance(text, str) for text in texts) else None
    return None


def tells_the_whole(event: Any) -> bool:
    """Say whether an event is of the shape in which some containers end, by repeating all of their text.

    Parameters
    ----------
    event : object
        Decoded.

    Returns
    -------
    bool

    Examples
    --------
    >>> tells_the_whole({"generated_text": "sky"}), tells_the_whole({"token": {"text": "y"}, "generated_text": "sky"})
    (True, False)
    """
    match event:
        case {"token": {"text": str()}} | [{"token": {"text": str()}}]:
            return False
        case {"generated_text": str()} | [{"generated_text": str()}]:
            return True
    return False


def raise_reported(event: Any, *, name: str = "") -> None:
    """Raise the error that an event reports: TGI, OpenAI's, vLLM's and LMI's way of failing with HTTP 200.

    Parameters
    ----------
    event : object
        Decoded.
    name : str, optional
        What server-sent events call it in their ``event`` field.

    Raises
    ------
    StreamError
        When it reports one.

    Examples
    --------
    >>> raise_reported({"error": {"detail": "CUDA out of memory"}})
    Traceback (most recent call last):
        ...
    smrt_jupyter.errors.StreamError: The model reported in the stream: CUDA out of memory. What came before it ...
    """
    code = None
    match event:
        case [dict(), *_]:
            for each in event:
                if isinstance(each, dict):
                    raise_reported(each)
            if name != "error":
                return
            said = _words(event)
        case {"error": str() | dict() | list() | True as told} if told:
            said, code = _words(event), event.get("error_type") or event.get("code")
        case {"object": "error", "message": _}:
            said, code = _words(event), event.get("code")
        case {"details": {"finish_reason": "error"}}:
            said = "The model failed while it was generating."
        case _ if name == "error":
            said = _words(event)
        case _:
            return
    message = f"The model reported in the stream: {one_line(said)}"
    raise StreamError(message, error_code=None if code is None else str(code))


def _words(said: Any) -> str:
    """Find what an error says, however deep; all of it where it has no words of its own."""
    while isinstance(said, dict):
        inner = next(
            (said[name] for name in WORDS if isinstance(said.get(name), str | dict | list) and said[name]), None
        )
        if inner is None:
            break
        said = inner
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
