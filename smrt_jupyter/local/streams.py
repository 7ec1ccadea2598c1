"""The frames of a streamed reply, and the ways in which they go wrong on request."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from smrt_jupyter.local import eventstream
from smrt_jupyter.local.exchange import Broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smrt_jupyter.local.exchange import Exchange
    from smrt_jupyter.local.service import Asked, Service


class Parts:
    """The frames of a stream, pulled from the model off the loop, until it ends, fails, or nobody listens.

    Parameters
    ----------
    service : Service
        Whose threads pull.
    http : Exchange
        Whose client may hang up.
    asked : Asked
        The inference.
    deadline : float
        When the service gives up, on the monotonic clock.
    """

    def __init__(self, service: Service, http: Exchange, asked: Asked, deadline: float) -> None:
        self._service = service
        self._http = http
        self._asked = asked
        self._deadline = deadline
        self._parts: Iterator[bytes] = iter(asked.reply.body)  # type: ignore[arg-type] # a stream, not bytes
        self._pulling: asyncio.Future[bytes | None] | None = None

    async def next(self) -> tuple[bytes, bool]:
        """Give the next frame, and whether it is the last.

        Returns
        -------
        frame : bytes
        last : bool

        Raises
        ------
        Broken
            The client hung up.
        """
        self._pulling = asyncio.get_running_loop().run_in_executor(self._service.pool, next, self._parts, None)
        left = max(self._deadline - time.monotonic(), 0.0)
        first: list[asyncio.Future[Any]] = [self._pulling, self._http.gone()]
        await asyncio.wait(first, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if self._http.gone().done():
            raise Broken
        deployment, container = self._asked.deployment, self._asked.route.container
        if not self._pulling.done():
            message = f"Your model {container} did not complete sending the inference response in the allotted time."
            deployment.note(message)
            return eventstream.failure("ModelStreamError", message, "ModelInvocationTimeExceeded"), True
        try:
            part = self._pulling.result()
        except Exception as error:  # noqa: BLE001 - whatever a model raises breaks its stream
            message = str(deployment.failed(error, container).members["Message"])
            return eventstream.failure("ModelStreamError", message, "StreamBroken"), True
        return (b"", True) if part is None else (eventstream.part(part), False)

    def close(self) -> None:
        """Close the model's stream, once nothing is being pulled from it."""
        close = getattr(self._parts, "close", None)
        if close is None:
            return
        if self._pulling is None or self._pulling.done():
            self._service.pool.submit(close)
        else:
            self._pulling.add_done_callback(lambda _: self._service.pool.submit(close))


async def break_off(kind: str, service: Service, http: Exchange) -> None:
    """End a stream in one of the ways that it should not end.

    Parameters
    ----------
    kind : str
        From `faults.STREAM`.
    service : Service
        A stall lasts no longer than it lives.
    http : Exchange
        With a stream under way.
    """
    frame = eventstream.part(b"lost")
    match kind:
        case "truncate":
            await http.part(frame[: len(frame) // 2], more=False)
        case "corrupt":
            await http.part(frame[:-1] + bytes([frame[-1] ^ 1]), more=False)
        case "stream_error":
            message = "The model's stream broke before it was complete."
            await http.part(eventstream.failure("ModelStreamError", message, "StreamBroken"), more=False)
        case "stream_failure":
            message = "An internal failure occurred in the stream."
            await http.part(eventstream.failure("InternalStreamFailure", message), more=False)
        case "cut":
            http.hang_up()
        case "stall":
            await service.until_gone(http)
