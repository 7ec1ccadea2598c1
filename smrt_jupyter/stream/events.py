"""Text of a stream -> lines -> events. Pure: text in, values out.

Each reader has ``feed`` for what came and ``end`` for what is left; none waits for more than it needs, so a token is
given as soon as it can be told apart from what may follow.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

FIELDS = ("data:", "event:", "id:", "retry:", ":")
"""What a line of server-sent events starts with."""

JSON_STARTS = ("{", "[")
NO_JSON = (ValueError, RecursionError)
DONE = "[DONE]"


class LineReader:
    """Cuts text into lines: at the newline only, for JSON may hold every other separator that Unicode knows.

    Parameters
    ----------
    keep_ends : bool, default=False
        Whether the lines keep their ends.
    """

    def __init__(self, *, keep_ends: bool = False) -> None:
        self._keep_ends = keep_ends
        self._open: list[str] = []

    @property
    def begun(self) -> str:
        """What has come of the line that is not whole yet."""
        self._open = ["".join(self._open)]
        return self._open[0]

    def feed(self, text: str) -> Iterator[str]:
        """Give the lines that are whole now.

        Parameters
        ----------
        text : str
            What came.

        Yields
        ------
        str
        """
        first, *rest = text.split("\n")
        self._open.append(first)
        for following in rest:
            whole = "".join(self._open)
            yield f"{whole}\n" if self._keep_ends else whole.removesuffix("\r")
            self._open = [following]

    def end(self) -> Iterator[str]:
        """Give the last line, when it has no end of its own."""
        left = "".join(self._open)
        self._open = []
        if left:
            yield left if self._keep_ends else left.removesuffix("\r")


class Event(NamedTuple):
    """One event of a stream.

    Attributes
    ----------
    value : object
        What its JSON holds, or its text.
    as_it_came : str
        What shows it where its value means nothing to us.
    is_json : bool
        Whether it was JSON.
    is_bare : bool
        Whether it came as a line of its own, without the ``data:`` of server-sent events.
    name : str
        Its ``event`` field.
    """

    value: Any
    as_it_came: str
    is_json: bool
    is_bare: bool
    name: str


class EventReader:
    """Puts lines together to events: server-sent events, JSON lines, or a mixture of both, as gateways make them.

    An event that is whole JSON on one line is given at once, without waiting for the blank line behind it.

    Examples
    --------
    >>> reader = EventReader()
    >>> [event.value for line in ('data: {"a": 1}', "", '{"a": 2}') for event in reader.feed(line)]
    [{'a': 1}, {'a': 2}]
    """

    def __init__(self) -> None:
        self._open: list[str] = []
        self._came: list[str] = []
        self._is_bare = True
        self._name = ""
        self._done = False

    def feed(self, line: str) -> Iterator[Event]:
        """Give the events that are whole now.

        Parameters
        ----------
        line : str
            With its end or without.

        Yields
        ------
        Event
        """
        if self._done:
            return
        content = line.removesuffix("\n").removesuffix("\r")
        if content.startswith("data:"):
            yield from self._data(content.removeprefix("data:").removeprefix(" "), line)
        elif not content.strip():
            yield from self.end()
            self._name = ""
        elif content.startswith("event:"):
            self._name = content.removeprefix("event:").strip()
        elif not content.startswith(FIELDS):
            yield from self._bare(content, line)

    def _data(self, data: str, line: str) -> Iterator[Event]:
        """Take one ``data:`` line; several make one event, until a blank line."""
        if data == DONE or (self._open and self._is_bare):
            yield from self.end()
        self._done = data == DONE
        if self._done:
            return
        self._is_bare = False
        event = self._event(data, line) if data.startswith(JSON_STARTS) and not self._open else None
        if event and event.is_json:
            yield event
        else:
            self._add(data, line)

    def _bare(self, content: str, line: str) -> Iterator[Event]:
        """Take one line of JSON lines, or of one JSON document on several."""
        if self._open and not content.startswith(JSON_STARTS):
            self._add(content, line)
            if content.startswith(("}", "]")):
                yield from self.end()
            return
        yield from self.end()
        self._is_bare = True
        event = self._event(content, line)
        if event.is_json or not content.startswith(JSON_STARTS):
            yield event
        else:
            self._add(content, line)

    def end(self) -> Iterator[Event]:
        """Give the event that is still open."""
        if self._open:
            event = self._event("\n".join(self._open), "".join(self._came))
            self._open, self._came = [], []
            yield event

    def _add(self, content: str, line: str) -> None:
        self._open.append(content)
        self._came.append(line)

    def _event(self, text: str, came: str) -> Event:
        value, is_json = text, True
        try:
            value = json.loads(text)
        except NO_JSON:
            is_json = False
        if not self._is_bare:
            came = f"{text}\n" if is_json else text
        return Event(value, came, is_json, self._is_bare, self._name)
