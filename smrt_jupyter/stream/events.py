"""Text of a stream -> lines -> events -> the new text of a language model. Pure: text in, values out.

Each reader has ``feed`` for what came and ``end`` for what is left; none waits for more than it needs, so a token is
given as soon as it can be told apart from what may follow.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from smrt_jupyter.errors import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SSE = "text/event-stream"
JSON_LINES = frozenset(
    {
        "application/jsonlines",
        "application/x-jsonlines",
        "application/jsonl",
        "application/x-ndjson",
        "application/ndjson",
    }
)
FIELDS = ("data:", "event:", "id:", "retry:", ":")
"""What a line of server-sent events starts with."""

JSON_STARTS = ("{", "[")
NO_JSON = (ValueError, RecursionError)
DONE = "[DONE]"
LONGEST_GUESS = 1 << 16
"""Characters of a first line that are kept to find out what it is; longer ones are plain text."""


class LineReader:
    """Cuts text into lines: at the newline only, for JSON may hold every other separator that Unicode knows."""

    def __init__(self) -> None:
        self._open: list[str] = []

    def feed(self, text: str) -> Iterator[str]:
        """Give the lines that are whole now.

        Parameters
        ----------
        text : str
            What came.

        Yields
        ------
        str
            Without its end.
        """
        first, *rest = text.split("\n")
        self._open.append(first)
        for following in rest:
            yield "".join(self._open).removesuffix("\r")
            self._open = [following]

    def end(self) -> Iterator[str]:
        """Give the last line, when it has no end of its own."""
        left = "".join(self._open)
        self._open = []
        if left:
            yield left.removesuffix("\r")


class EventReader:
    """Puts lines together to events: server-sent events, JSON lines, or a mixture of both, as gateways make them.

    An event that is whole JSON on one line is given at once, without waiting for the blank line behind it.
    """

    def __init__(self) -> None:
        self._open: list[str] = []
        self._done = False

    def feed(self, line: str) -> Iterator[Any]:
        """Give the events that are whole now.

        Parameters
        ----------
        line : str
            Without its end.

        Yields
        ------
        object
            What its JSON holds, or its text.
        """
        if self._done:
            return
        if line.startswith("data:"):
            yield from self._served(line[5:].removeprefix(" "))
        elif not line.strip():
            yield from self.end()
        elif not line.startswith(FIELDS):
            yield from self._bare(line)

    def _served(self, data: str) -> Iterator[Any]:
        """Take one ``data:`` line; several make one event, until a blank line."""
        if data == DONE:
            yield from self.end()
            self._done = True
        elif not self._open and data.startswith(JSON_STARTS):
            try:
                yield json.loads(data)
            except NO_JSON:
                self._open.append(data)
        else:
            self._open.append(data)

    def _bare(self, line: str) -> Iterator[Any]:
        """Take one line of JSON lines, or of one JSON document on several."""
        if self._open and not line.startswith(JSON_STARTS):
            self._open.append(line)
            if line.startswith(("}", "]")):
                yield from self.end()
            return
        yield from self.end()
        try:
            yield json.loads(line)
        except NO_JSON:
            if line.startswith(JSON_STARTS):
                self._open.append(line)
            else:
                yield line

    def end(self) -> Iterator[Any]:
        """Give the event that is still open."""
        if self._open:
            whole = "\n".join(self._open)
            self._open = []
            try:
                yield json.loads(whole)
            except NO_JSON:
                yield whole


class TextReader:
    """Finds out what a stream holds and gives its new text.

    Parameters
    ----------
    essence : str
        The content type, without parameters; containers are often wrong about it, so it is only where guessing starts.
    at_path : callable, optional
        Picks the new text out of a decoded event, instead of the known shapes.
    """

    def __init__(self, essence: str, at_path: Callable[[Any], Any] | None = None) -> None:
        self._lines, self._events = LineReader(), EventReader()
        self._at_path = at_path
        self._essence = essence
        self._has_events = True if essence == SSE or essence in JSON_LINES or at_path else None
        self._held = ""
        self._nothing_yet = True

    def feed(self, text: str) -> Iterator[str]:
        """Give the new text in what came.

        Parameters
        ----------
        text : str
            What came.

        Yields
        ------
        str

        Raises
        ------
        StreamError
            When an event reports an error.
        """
        if self._has_events is None:
            self._held += text
            self._has_events = self._guess()
            if self._has_events is None:
                return
            text, self._held = self._held, ""
        if not self._has_events:
            yield text
            return
        for line in self._lines.feed(text):
            for event in self._events.feed(line):
                yield from self._new(event)

    def _guess(self) -> bool | None:
        """Say whether these are events; None when it takes more to know."""
        start = self._held.lstrip()
        fields = FIELDS[:1] if self._essence == "text/plain" else FIELDS
        if start.startswith(fields):
            return True
        if len(self._held) > LONGEST_GUESS:
            return False
        if any(field.startswith(start) for field in fields):
            return None
        if not start.startswith(JSON_STARTS):
            return False
        first, whole, _ = start.partition("\n")
        if not whole:
            return None
        return self._essence.endswith("json") or _is_json(first)

    def end(self) -> Iterator[str]:
        """Give what is left.

        Raises
        ------
        StreamError
            When the last event reports an error.
        """
        if self._has_events is None:
            self._has_events = _is_json(self._held)
            held, self._held = self._held, ""
            if held:
                yield from self.feed(held)
        for line in self._lines.end():
            for event in self._events.feed(line):
                yield from self._new(event)
        for event in self._events.end():
            yield from self._new(event)

    def _new(self, event: Any) -> Iterator[str]:
        if self._at_path:
            found = self._at_path(event)
            text = "" if found is None else found if isinstance(found, str) else _as_it_is(found)
        else:
            text = new_text(event, nothing_yet=self._nothing_yet)
        if text:
            self._nothing_yet = False
            yield text


def new_text(event: Any, *, nothing_yet: bool) -> str:  # noqa: PLR0911 - one for each shape
    """Take the new text out of an event of a known shape.

    Parameters
    ----------
    event : object
        Decoded.
    nothing_yet : bool
        Whether no text came before: then the whole text, which the last event repeats, is new.

    Returns
    -------
    str
        Empty for an event that brings none; the event itself, as JSON, when its shape is unknown.

    Raises
    ------
    StreamError
        When it reports an error.

    Examples
    --------
    >>> new_text({"choices": [{"delta": {"content": "sky"}}]}, nothing_yet=True)
    'sky'
    >>> new_text({"token": {"id": 2, "text": "</s>", "special": True}, "generated_text": "sky"}, nothing_yet=False)
    ''
    """
    match event:
        case str():
            return event
        case [dict(), *_]:
            return "".join(new_text(each, nothing_yet=nothing_yet) for each in event)
        case dict():
            _raise_reported(event)
    match event:
        case {"choices": [*choices]}:
            return "".join(_of_choice(each) for each in choices if each.get("index", 0) == 0)
        case {"token": {"special": True}}:
            return ""
        case {"token": {"text": str(text)}}:
            return text
        case {"outputs": [*outputs]} if all(isinstance(each, str) for each in outputs):
            return "".join(outputs)
        case {"generated_text": str(text)}:
            return text if nothing_yet else ""
    return _as_it_is(event)


def _of_choice(choice: dict[str, Any]) -> str:
    """Read OpenAI's schemas: chat in parts, chat at once, completion."""
    said = choice.get("delta") or choice.get("message")
    text = said.get("content") if said else choice.get("text")
    if isinstance(text, list):
        return "".join(part.get("text", "") for part in text if isinstance(part, dict))
    return text or ""


def _raise_reported(event: dict[str, Any]) -> None:
    """Raise the error that an event reports: TGI, OpenAI's, vLLM's and LMI's way of failing with HTTP 200."""
    match event:
        case {"error": {"message": said}} | {"object": "error", "message": said}:
            code = event.get("code")
        case {"error": str(said)} if said:
            code = event.get("error_type") or event.get("code")
        case {"details": {"finish_reason": "error"}}:
            said, code = "The model failed while it was generating.", None
        case _:
            return
    raise StreamError(f"The model reported in the stream: {said}", error_code=None if code is None else str(code))


def _as_it_is(value: Any) -> str:
    return f"{json.dumps(value, ensure_ascii=False)}\n"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except NO_JSON:
        return False
    return True
