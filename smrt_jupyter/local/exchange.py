"""One HTTP request and its reply, below the protocol: bodies, refusals of large ones, and broken connections."""

from __future__ import annotations

import asyncio
import socket
import struct
import uuid
from typing import TYPE_CHECKING, Any, NoReturn

from smrt_jupyter.local.signature import Arrived

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import Message, Receive, Scope, Send

    from smrt_jupyter.local.refusals import Refusal

DRAINED = 26_214_400
"""A body above the limit is read to its end, and not kept, up to so many bytes: a client that is still sending reads a
413 only when it is done. Beyond that the connection breaks, as the service's does."""


class Broken(Exception):  # noqa: N818 - not an error: the connection was broken on purpose, or by the client
    """There is nobody to reply to any more."""


class Exchange:
    """A request, and what is sent back.

    Parameters
    ----------
    scope, receive, send
        ASGI's.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.request_id = str(uuid.uuid4())
        self.method: str = scope["method"]
        self.path: str = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
        self.query: str = scope["query_string"].decode("latin-1")
        self.pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        self.headers = dict(self.pairs)
        self.path_params: dict[str, str] = scope.get("path_params", {})
        self.status = 0
        self._transport: asyncio.Transport = scope["state"]["transport"]
        self._receive = receive
        self._send = send
        self._gone: asyncio.Task[Message] | None = None
        self._endings: list[Callable[[], None]] = []

    def arrived(self, body: bytes) -> Arrived:
        """Give what a signature covers."""
        return Arrived(self.method, self.path, self.query, self.pairs, body)

    async def body(self, limit: int | None, refusal: Refusal | None = None) -> bytes:
        """Read the whole body.

        Parameters
        ----------
        limit : int or None
            The most bytes that are let in.
        refusal : Refusal, optional
            For a larger one; None: the connection is reset while the client is still sending.

        Returns
        -------
        bytes

        Raises
        ------
        Refusal, Broken
            The body is too large; the client is gone.
        """
        declared = int(self.headers.get("content-length", 0))
        if limit is not None and declared > limit and (refusal is None or declared > DRAINED):
            self.reset()
        parts, size = [], 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Broken
            part: bytes = message.get("body", b"")
            size += len(part)
            if limit is None or size <= limit:
                parts.append(part)
            elif refusal is None or size > DRAINED:
                self.reset()
            if not message.get("more_body"):
                break
        if limit is not None and size > limit and refusal is not None:
            raise refusal
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def reply(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Send a whole reply."""
        self.status = status
        self._end()  # before the client reads the reply: what it asks next must find this one over
        await self.start(status, [*headers, ("content-length", str(len(body)))])
        await self._send({"type": "http.response.body", "body": body})

    async def start(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """Send the head of a reply."""
        self.status = status
        lines = [("x-amzn-requestid", self.request_id), *headers]
        encoded = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in lines]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    async def part(self, body: bytes, *, more: bool = True) -> None:
        """Send a piece of a reply's body."""
        if not more:
            self._end()
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def refuse(self, refusal: Refusal) -> None:
        """Send a refusal."""
        headers = []
        if refusal.code is not None:
            headers = [("content-type", "application/json"), ("x-amzn-errortype", refusal.code)]
        elif refusal.body.startswith(b"<html>"):
            headers = [("content-type", "text/html")]
        await self.reply(refusal.status, headers, refusal.body)

    def gone(self) -> asyncio.Task[Message]:
        """Give the task that ends when the client hangs up. Only once the body has been read."""
        if self._gone is None:
            self._gone = asyncio.ensure_future(self._receive())
        return self._gone

    def at_end(self, call: Callable[[], None]) -> None:
        """Have something called when the exchange is over, whichever way it ends."""
        self._endings.append(call)

    def close(self) -> None:
        """End the exchange, however far it came."""
        self._end()
        if self._gone is not None:
            self._gone.cancel()

    def _end(self) -> None:
        while self._endings:
            self._endings.pop()()

    def hang_up(self) -> NoReturn:
        """Close the connection after what has been sent, in the middle of a reply.

        Raises
        ------
        Broken
            Always: there is nothing left to do for this request.
        """
        self._transport.close()
        raise Broken

    def reset(self) -> NoReturn:
        """Break the connection at once, so that the client sees a reset and not an end.

        Raises
        ------
        Broken
            Always: there is nothing left to do for this request.
        """
        if not self._transport.is_closing():  # the client may have gone first
            connection: Any = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        raise Broken
