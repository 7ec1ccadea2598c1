"""Text of a stream -> the new text of a language model. Pure: text in, text out."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from smrt_jupyter.stream.events import EventReader, LineReader
from smrt_jupyter.stream.guess import Guess, Kind
from smrt_jupyter.stream.shapes import new_text, raise_reported, tells_the_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smrt_jupyter.stream.events import Event


class TextReader:
    r"""Finds out what a stream holds and gives its new text.

    Parameters
    ----------
    essence : str
        The content type, without parameters; containers are often wrong about it, so it is only where guessing starts.
    at_path : callable, optional
        Picks the new text out of a decoded event, instead of the known shapes.

    Examples
    --------
    >>> reader = TextReader("application/jsonlines")
    >>> [*reader.feed('{"outputs": ["The"]}\n{"out'), *reader.feed('puts": [" sky"]}'), *reader.end()]
    ['The', ' sky']
    """

    def __init__(self, essence: str, at_path: Callable[[Any], Any] | None = None) -> None:
        self._guess = Guess(essence, any_shape=at_path is not None)
        self._kind = Kind.UNCLEAR
        self._held: list[str] = []
        self._lines, self._events = LineReader(keep_ends=True), EventReader()
        self._at_path = at_path
        self._whole = _Whole()
        self._perhaps_repeated = ""
        self._was_text = False

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
        if self._kind is Kind.TEXT:
            yield text
        else:
            yield from self._feed_lines(text)

    def _feed_lines(self, text: str) -> Iterator[str]:
        for line in self._lines.feed(text):
            yield from self._take(line)
        if self._kind is Kind.UNCLEAR and self._lines.begun:
            yield from self._settle(self._guess.begun(self._lines.begun))
        if self._kind is Kind.TEXT:
            yield from self._lines.end()

    def end(self) -> Iterator[str]:
        """Give what is left.

        Yields
        ------
        str

        Raises
        ------
        StreamError
            When the last event reports an error.
        """
        for line in self._lines.end():
            yield from self._take(line)
        if self._kind is Kind.UNCLEAR:
            yield from self._settle(self._guess.end())
        for event in self._events.end():
            yield from self._new(event)

    def _take(self, line: str) -> Iterator[str]:
        if self._kind is Kind.UNCLEAR:
            self._held.append(line)
            yield from self._settle(self._guess.line(line))
        elif self._kind is Kind.TEXT:
            yield line
        else:
            yield from self._read(line)

    def _settle(self, kind: Kind) -> Iterator[str]:
        """Give what was held as what it turned out to be."""
        if kind is Kind.UNCLEAR:
            return
        held, self._held = self._held, []
        if kind is not Kind.TEXT_SO_FAR:
            self._kind = kind
        if kind is Kind.EVENTS:
            for line in held:
                yield from self._read(line)
        elif held:
            yield "".join(held)

    def _read(self, line: str) -> Iterator[str]:
        for event in self._events.feed(line):
            yield from self._new(event)
        if self._was_text and not line.strip():
            yield line  # what parts events is a part of text

    def _new(self, event: Event) -> Iterator[str]:
        text = self._text_of(event)
        self._was_text = text is None and event.is_bare
        if text is None:
            text = event.as_it_came
        if not text:
            return
        if self._perhaps_repeated:
            repeated, self._perhaps_repeated = self._perhaps_repeated, ""
            self._whole.add(repeated)
            yield repeated
        if not self._at_path and tells_the_whole(event.value) and self._whole.is_told_by(text):
            self._perhaps_repeated = text  # which it is when it stays the last
            return
        self._whole.add(text)
        yield text

    def _text_of(self, event: Event) -> str | None:
        """Take the new text out of an event; None when it is given as it came."""
        raise_reported(event.value, name=event.name)
        if not event.is_json:
            return None
        if self._at_path is None:
            return new_text(event.value)
        found = self._at_path(event.value)
        return (
            "" if found is None else found if isinstance(found, str) else f"{json.dumps(found, ensure_ascii=False)}\n"
        )


class _Whole:
    """All text so far, as a digest: a stream may be long. White space does not count, for tokens differ in it."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b()

    def add(self, text: str) -> None:
        self._digest.update(_letters(text))

    def is_told_by(self, text: str) -> bool:
        letters = _letters(text)
        return bool(letters) and hashlib.blake2b(letters).digest() == self._digest.digest()


def _letters(text: str) -> bytes:
    return "".join(text.split()).encode(errors="surrogatepass")
