"""The frames of a response stream, read by ourselves.

boto3 would read them too, and loses what matters: the ``ErrorCode`` of an error in the middle, and the fact that a
stream ended inside a frame. So boto3 sends the request and parses the headers, its `EventStreamBuffer` checks and cuts
the frames, and what they mean is decided here.
"""

from __future__ import annotations

import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any

from botocore.eventstream import EventStreamBuffer, ParserError
from urllib3.exceptions import HTTPError, ReadTimeoutError

from smrt_jupyter import errors
from smrt_jupyter.wire.translation import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.eventstream import EventStreamMessage
    from urllib3 import HTTPResponse

    from smrt_jupyter.wire import Exchange

AT_ONCE = 1 << 16
"""Bytes of one read at the most; it returns with whatever is there."""

NEXT_STEPS = {
    "ModelInvocationTimeExceeded": "A stream may last 8 minutes: ask for less, or use `invoke_async` (up to an hour).",
}


class Parts:
    """The payload of a response stream, part by part, as it arrives.

    Parameters
    ----------
    exchange : Exchange
        A stream operation's, as `send` gives it.
    endpoint : str, optional
        For the errors.
    read_timeout : float
        Seconds that the client waits for the next byte; the connection has them already, the error names them.

    Attributes
    ----------
    received : int
        Bytes of payload so far.
    closed : bool
        Whether the connection is given back, or closed.
    """

    def __init__(self, exchange: Exchange, *, endpoint: str | None = None, read_timeout: float) -> None:
        self.closed = True  # nothing is open yet, should the next line fail
        stream = exchange.output["Body"]
        self._raw: HTTPResponse = stream._raw_stream  # noqa: SLF001 - botocore has no public way to the bytes
        self._context: dict[str, Any] = {
            "endpoint": endpoint,
            "request_id": exchange.request_id,
            "attempts": exchange.attempts,
        }
        self._read_timeout = read_timeout
        self._reading = threading.Lock()
        self.received = 0
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        """Give each part as soon as its frame is whole.

        Raises
        ------
        StreamError
            When the stream breaks, stalls, is cut short, or the model fails in the middle. The connection is closed
            then, and also when the reading is interrupted.
        """
        frames, waiting = EventStreamBuffer(), 0
        try:
            while chunk := self._read():
                waiting += len(chunk)
                frames.add_data(chunk)
                for message in frames:
                    waiting -= message.prelude.total_length
                    payload = self._payload(message)
                    if payload:
                        self.received += len(payload)
                        yield payload
            if self.closed:
                return
            if waiting or self._raw.length_remaining:
                raise self._error("The stream was cut short: it ended inside a frame.")
            self.closed = True
            self._raw.release_conn()
        except ParserError as error:
            raise self._error(f"A frame of the stream is damaged: {one_line(str(error))}") from error
        finally:
            self.close()

    def _read(self) -> bytes:
        """Read what is there, or wait for the next byte; nothing once it is closed."""
        with self._reading:
            found = b"" if self.closed else self._wait()
        if self.closed:
            self._raw.close()
            return b""
        return found

    def _wait(self) -> bytes:
        try:
            return self._raw.read1(AT_ONCE, decode_content=False)
        except ReadTimeoutError as error:
            told = f"The stream stalled: nothing came for {self._read_timeout:g} s."
            raise self._error(
                told, next_step="Raise `Policy(read_timeout=...)` if the model thinks that long."
            ) from error
        except (HTTPError, OSError, ValueError) as error:
            if self.closed:
                return b""
            raise self._error("The connection broke in the middle of the stream.") from error

    def _payload(self, message: EventStreamMessage) -> bytes:
        """Take a frame's payload; raise what it reports instead."""
        headers: dict[str, Any] = message.headers
        kind = headers.get(":message-type")
        if kind == "exception":
            told = _members(message.payload)
            name = headers.get(":exception-type", "")
            code = told.get("ErrorCode") or name
            said = told.get("Message") or told.get("message") or name
            raise self._error(one_line(str(said)), error_code=code, next_step=NEXT_STEPS.get(code))
        if kind == "error":
            code = headers.get(":error-code", "")
            raise self._error(one_line(str(headers.get(":error-message") or code)), error_code=code)
        found: bytes = message.payload if headers.get(":event-type") == "PayloadPart" else b""
        return found

    def _error(self, message: str, **more: Any) -> errors.StreamError:
        return errors.StreamError(message, **self._context, **more)

    def close(self) -> None:
        """Close the connection, also while another thread waits for its next byte: that thread then closes its end."""
        if self.closed:
            return
        self.closed = True
        with contextlib.suppress(ValueError, RuntimeError, OSError):  # the connection has gone already
            self._raw.shutdown()
        if self._reading.acquire(blocking=False):
            self._raw.close()
            self._reading.release()

    def __del__(self) -> None:
        """Close what nobody reads any more: a loop that was left, a stream that was never begun."""
        self.close()


def _members(payload: bytes) -> dict[str, Any]:
    """Read the JSON of an error's frame; what is no JSON is the message itself."""
    try:
        told = json.loads(payload)
    except ValueError:
        return {"Message": payload.decode(errors="replace")}
    return told if isinstance(told, dict) else {"Message": str(told)}
