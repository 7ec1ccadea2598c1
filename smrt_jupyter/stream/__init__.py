"""A reply that comes in parts: bytes, lines, events, and the text of a language model, as they arrive."""

from __future__ import annotations

import codecs
import sys
from typing import TYPE_CHECKING, Any, Self

from smrt_jupyter import errors
from smrt_jupyter.answers.paths import compiled
from smrt_jupyter.codecs.base import MediaType
from smrt_jupyter.stream.events import EventReader, LineReader
from smrt_jupyter.stream.text import TextReader
from smrt_jupyter.wire.frames import Parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from smrt_jupyter.wire import Exchange


class ReplyStream:
    """A reply in parts, given as they arrive.

    Made by `Endpoint.stream`. Iterating gives raw parts; `lines`, `events` and `text` read them as what they hold. It
    can be read once, in one of these ways. Leaving a ``with`` block, an error and an interrupted cell close the
    connection, so the container may stop; so does `close`, from any thread, and at the latest the end of the object's
    life, which is when ``after_reply`` sees a stream that was simply left.

    Parts end anywhere: inside a line, inside a character. Nothing is kept of what has been given, so memory does not
    grow with the stream.

    Attributes
    ----------
    content_type : str
        The container's own.
    invoked_production_variant : str or None
        The variant that answers.
    custom_attributes : str or None
        What the container added.
    request_id : str
        The service's id of the request.
    status : int
        HTTP status.
    headers : mapping of str to str
        The reply's, in lower case.
    attempts : int
        How often the request was sent until it was answered.
    elapsed : float
        Seconds until the reply began.

    Examples
    --------
    >>> from smrt_jupyter import LocalRuntime
    >>> def tell(frame):
    ...     yield "Once "
    ...     yield "upon a time"
    >>> with LocalRuntime() as runtime:
    ...     endpoint = runtime.deploy("teller", tell)
    ...     with endpoint.stream([[1]]) as stream:
    ...         for text in stream.text():
    ...             print(text, end="|")
    Once |upon a time|
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        endpoint: str,
        read_timeout: float,
        path: str | None = None,
        after: Callable[[ReplyStream | errors.InvokeError], None] | None = None,
    ) -> None:
        told = exchange.output
        self.content_type: str = told.get("ContentType", "")
        self.invoked_production_variant: str | None = told.get("InvokedProductionVariant")
        self.custom_attributes: str | None = told.get("CustomAttributes")
        self.request_id = exchange.request_id
        self.status = exchange.status
        self.headers = exchange.headers
        self.attempts = exchange.attempts
        self.elapsed = exchange.elapsed
        self._endpoint = endpoint
        self._path = path
        self._after = after
        self._has_reader = False
        self._source = Parts(exchange, endpoint=endpoint, read_timeout=read_timeout)
        self._parts = iter(self._source)

    @property
    def received(self) -> int:
        """Bytes of payload so far."""
        return self._source.received

    @property
    def closed(self) -> bool:
        """Whether it has ended, or was closed."""
        return self._source.closed

    def __iter__(self) -> Self:
        """Give the parts as they come; `lines`, `events` and `text` read on from here."""
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._parts)
        except StopIteration:
            self._tell(self)
            raise
        except errors.InvokeError as error:
            self._tell(error)
            raise

    def _tell(self, finished: ReplyStream | errors.InvokeError) -> None:
        after, self._after = self._after, None
        if after:
            after(finished)

    def read(self) -> bytes:
        """Give the rest of it, whole.

        Returns
        -------
        bytes

        Raises
        ------
        StreamError
            When it breaks, stalls, is cut short, or the model fails in the middle; or it was read before, or closed.
        """
        self._read_once()
        return b"".join(self)

    def lines(self) -> Iterator[str]:
        """Give the lines, without their ends; the last one too when it lacks its own.

        Yields
        ------
        str

        Raises
        ------
        StreamError
            As `read` does.
        """
        self._read_once()
        reader = LineReader()
        for text in self._decoded():
            yield from reader.feed(text)
        yield from reader.end()

    def events(self) -> Iterator[Any]:
        """Give the events of server-sent events or JSON lines, whichever it is, decoded.

        Yields
        ------
        object
            What its JSON holds; text for an event that is not JSON. ``[DONE]``, comments and keep-alives are left out.

        Raises
        ------
        StreamError
            As `read` does; an event that reports an error is given like any other.
        """
        reader = EventReader()
        for line in self.lines():
            for event in reader.feed(line):
                yield event.value
        for event in reader.end():
            yield event.value

    def text(self) -> Iterator[str]:
        """Give the new text of each event: what a reader would see appear.

        Known are the streams of TGI, LMI (DJL), vLLM and all that speak OpenAI's chat and completion schemas, and plain
        text. The endpoint's ``path``, where it has one, is a JMESPath to the new text of an event. An event of an
        unknown shape, and what turns out to be no event, is given as it is, for nothing to be lost unseen.

        It is the text of the answer only, and of the first choice: a model's reasoning, its calls of tools and other
        choices are in `events`. A last event that repeats all of the text, as TGI's does, adds nothing to it.

        Yields
        ------
        str

        Raises
        ------
        StreamError
            As `read` does, and when an event reports an error.
        AnswerError
            When the ``path`` is no JMESPath.
        """
        self._read_once()
        reader = TextReader(MediaType(self.content_type).essence, _finder(self._path))
        try:
            for text in self._decoded():
                yield from reader.feed(text)
            yield from reader.end()
        except errors.StreamError as error:
            error.endpoint, error.request_id = self._endpoint, self.request_id
            self._tell(error)
            self.close()
            raise

    def _read_once(self) -> None:
        """Refuse a second reader: it would find nothing, or miss what the first one holds."""
        if self.closed or self._has_reader:
            raise errors.StreamError(
                "This stream was read or closed before, and a stream is read once.",
                endpoint=self._endpoint,
                request_id=self.request_id,
                next_step="Keep what the first reading gives, or send the request again with `.stream(...)`.",
            )
        self._has_reader = True

    def _decoded(self) -> Iterator[str]:
        """Decode the parts, whose ends may lie inside a character; what is no text must not end a stream."""
        charset = MediaType(self.content_type).parameters.get("charset", "utf-8")
        try:
            decoder = codecs.getincrementaldecoder(charset)(errors="replace")
        except LookupError:
            decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for part in self:
            text = decoder.decode(part)
            if text:
                yield text
        rest = decoder.decode(b"", final=True)
        if rest:
            yield rest

    def close(self) -> None:
        """Close the connection, also while another thread waits for its next part; that thread's loop then ends."""
        self._source.close()
        self._tell(self)

    def __del__(self) -> None:
        """Finish what nobody reads any more, so that no billed request goes unseen."""
        if not sys.is_finalizing() and hasattr(self, "_parts"):  # else it never began, or there is nobody left to tell
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<ReplyStream {self.content_type or 'no content type'} · {self.received:,} bytes · {state}>"


def _finder(path: str | None) -> Callable[[Any], Any] | None:
    """Prepare a path once for all events; one that leads nowhere in an event finds no text there, which is no error."""
    if path is None:
        return None
    finder: Callable[[Any], Any] = compiled(path).search
    return finder
