"""Whether a stream holds events or plain text: its content type says so, and containers are often wrong about it.

So what came is held until it is clear, and what turns out to be no event is text, character for character.
"""

from __future__ import annotations

import enum
import json

from smrt_jupyter.errors import StreamError
from smrt_jupyter.stream.events import DONE, FIELDS, JSON_STARTS, NO_JSON
from smrt_jupyter.stream.shapes import new_text

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
LONGEST_GUESS = 1 << 20
"""Characters that are held to find out what they are; after that the content type is believed."""


class Kind(enum.Enum):
    """What a stream turns out to be."""

    EVENTS = enum.auto()
    TEXT = enum.auto()
    TEXT_SO_FAR = enum.auto()
    """What is held is text; what follows may be anything."""
    UNCLEAR = enum.auto()
    """It takes more to know, so that hold it."""


class Guess:
    """Finds out what a stream holds, from its first lines.

    Server-sent events are clear by a ``data:`` of JSON, or by a whole event and the field that begins the next; JSON
    lines by an event of a known shape. Under a content type that announces them, less is enough.

    Parameters
    ----------
    essence : str
        The content type, without parameters.
    any_shape : bool, default=False
        Whether the caller knows how to read events of any shape.

    Examples
    --------
    >>> Guess("text/plain").line('data: {"token": {"text": "sky"}}')
    <Kind.EVENTS: 1>
    >>> Guess("text/plain").line("data: the plural of datum"), Guess("text/plain").line("The sky")
    (<Kind.UNCLEAR: 4>, <Kind.TEXT: 2>)
    """

    def __init__(self, essence: str, *, any_shape: bool = False) -> None:
        self._essence = essence
        self._announced = essence == SSE or essence in JSON_LINES
        self._trusted = self._announced or any_shape
        self._says_json = self._trusted or essence.endswith("json")
        self._held = 0
        self._data = self._whole_event = False

    def begun(self, line: str) -> Kind:
        """Look at a line that is not whole yet, so that text need not wait for its end.

        Parameters
        ----------
        line : str
            As far as it has come.

        Returns
        -------
        Kind
        """
        return self._too_long(len(line)) or Kind.UNCLEAR if self._may_be_event(line) else Kind.TEXT

    def line(self, line: str) -> Kind:
        """Look at the next line.

        Parameters
        ----------
        line : str
            Whole; the last one of a stream may lack its end.

        Returns
        -------
        Kind
        """
        if too_long := self._may_be_event(line) and self._too_long(len(line)):
            return too_long
        if not line.strip():
            self._whole_event = self._data
        elif not line.startswith(FIELDS):
            return self._bare(line)
        elif self._whole_event:
            return Kind.EVENTS
        elif line.startswith("data:"):
            data = line.removeprefix("data:").strip()
            if self._essence == SSE or data == DONE or (data.startswith(JSON_STARTS) and _is_json(data)):
                return Kind.EVENTS
            self._data = True
        self._held += len(line)
        return Kind.UNCLEAR

    def _bare(self, line: str) -> Kind:
        """Look at a line that is none of server-sent events."""
        kind = Kind.TEXT_SO_FAR if self._announced else Kind.TEXT
        if not self._data:
            if not line.lstrip().startswith(JSON_STARTS):
                kind = Kind.EVENTS if self._essence in JSON_LINES and _is_json(line) else kind
            elif not _is_json(line):
                kind = Kind.EVENTS if self._says_json else kind  # JSON on several lines
            else:
                kind = Kind.EVENTS if self._trusted or _is_known(json.loads(line)) else Kind.TEXT_SO_FAR
        self._held, self._data, self._whole_event = 0, False, False
        return kind

    def _may_be_event(self, line: str) -> bool:
        start = line.lstrip()
        return (
            self._announced
            or not start
            or start.startswith(JSON_STARTS)
            or any(field.startswith(line) or line.startswith(field) for field in FIELDS)
        )

    def _too_long(self, more: int) -> Kind | None:
        if self._held + more <= LONGEST_GUESS:
            return None
        return Kind.EVENTS if self._says_json else Kind.TEXT

    def end(self) -> Kind:
        """Say what a stream was that ended before it was clear.

        Returns
        -------
        Kind
        """
        return Kind.EVENTS if self._essence == SSE or self._whole_event else Kind.TEXT


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except NO_JSON:
        return False
    return True


def _is_known(event: object) -> bool:
    try:
        return new_text(event) is not None
    except StreamError:
        return True
