"""A server that a test scripts byte by byte: what no well-behaved server would send, and no framework could."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass
class Request:
    """What came in: the head, and the body as far as it was read."""

    line: str
    headers: dict[str, str]
    body: bytes = b""
    connection: socket.socket | None = field(default=None, repr=False)

    @property
    def length(self) -> int:
        return int(self.headers.get("content-length", "0"))

    def reset(self) -> None:
        """Break the connection with a RST, as a front door does that has seen enough."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def read_body(self) -> bytes:
        while len(self.body) < self.length:
            self.body += self.connection.recv(1 << 16)
        return self.body


Answer = "Callable[[Request], bytes | None]"


class RawServer:
    """Listens on the loopback; `answer` gets each request, unread body and all, and gives bytes to send or None."""

    def __init__(self, answer: Callable[[Request], bytes | None], *, read_bodies: bool = True) -> None:
        self.answer = answer
        self.read_bodies = read_bodies
        self.requests: list[Request] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.open: list[socket.socket] = []

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for its next request
            connection.close()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while request := self.read(connection):
                self.requests.append(request)
                reply = self.answer(request)
                if reply is None:
                    return
                connection.sendall(reply)

    def read(self, connection: socket.socket) -> Request | None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(1 << 16 if self.read_bodies else 1)
            if not piece:
                return None
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        line, *rest = head.decode().split("\r\n")
        pairs = (each.partition(":") for each in rest)
        request = Request(line, {name.lower(): value.strip() for name, _, value in pairs}, body, connection)
        if self.read_bodies:
            request.read_body()
        return request


def http(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """Write one HTTP reply."""
    told = {"Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {status} Answer\r\n{head}\r\n".encode() + body


def error(status: int, code: str | None, **members: object) -> bytes:
    """Write an error as rest-json has it."""
    headers = {"Content-Type": "application/json", "x-amzn-RequestId": "1234"}
    if code:
        headers["x-amzn-ErrorType"] = code
    return http(status, json.dumps(members).encode(), headers)
