"""An endpoint with compute to spare: counts the rows of a body and answers as many, after a wait, in its own process.

The endpoint's name says what it does: ``null-20`` answers after 20 ms; ``null-50-8`` runs 8 at once and throttles more.
`serve` starts it and gives its address; each benchmark does.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

LINE = b"0.5\n"


class Endpoint:
    """What one name stands for, and what happened to it."""

    def __init__(self, name: str) -> None:
        self.wait, self.capacity = (int(part) for part in (*name.split("-")[1:], "0")[:2])
        self.lock = threading.Lock()
        self.busy = self.most = self.answered = self.refused = 0

    def enter(self) -> bool:
        with self.lock:
            if self.capacity and self.busy >= self.capacity:
                self.refused += 1
                return False
            self.busy += 1
            self.most = max(self.most, self.busy)
            return True

    def leave(self) -> None:
        with self.lock:
            self.busy -= 1
            self.answered += 1


endpoints: dict[str, Endpoint] = {}
making = threading.Lock()


def rows_of(content_type: bytes, body: memoryview) -> int:
    if b"npy" in content_type:
        found = re.search(rb"'shape': \((\d+),", bytes(body[:256]))
        return int(found.group(1)) if found else 0
    data = body.obj
    return data.count(b"\n", 0, len(body)) + (body[-1] != ord("\n")) if len(body) else 0


def answer(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(1 << 16)
    with connection, contextlib.suppress(ConnectionError):
        while True:
            filled, head = 0, -1
            while head < 0:
                got = connection.recv_into(memoryview(buffer)[filled:])
                if not got:
                    return
                filled += got
                head = buffer.find(b"\r\n\r\n", 0, filled)
            lines = bytes(buffer[:head]).split(b"\r\n")
            headers = dict(line.lower().split(b": ", 1) for line in lines[1:])
            length = int(headers.get(b"content-length", 0))
            body = bytearray(length)
            have = filled - head - 4
            body[:have] = buffer[head + 4 : filled]
            view = memoryview(body)
            while have < length:
                have += connection.recv_into(view[have:])
            name = lines[0].split()[1].split(b"/")[2].decode()
            with making:
                endpoint = endpoints.setdefault(name, Endpoint(name))
            if lines[0].startswith(b"GET"):
                told = f"{endpoint.answered} {endpoint.refused} {endpoint.most}".encode()
                reply(connection, b"200 OK", b"text/plain", told)
            elif endpoint.enter():
                time.sleep(endpoint.wait / 1000)
                found = LINE * rows_of(headers.get(b"content-type", b""), view)
                endpoint.leave()
                reply(connection, b"200 OK", b"text/csv", found)
            else:
                status = b"400 Bad Request\r\nx-amzn-ErrorType: ThrottlingException"
                reply(connection, status, b"application/json", b'{"message":null}')


def reply(connection: socket.socket, status: bytes, content_type: bytes, body: bytes) -> None:
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nx-amzn-RequestId: 0\r\nContent-Length: %d\r\n\r\n"
    connection.sendall(head % (status, content_type, len(body)) + body)


@contextlib.contextmanager
def serve() -> Iterator[str]:
    """Start it, and set what a client of AWS wants to know."""
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    os.environ.update(AWS_ACCESS_KEY_ID="benchmark", AWS_SECRET_ACCESS_KEY="benchmark", AWS_REGION="us-east-1")
    os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait()


def counts(url: str, name: str) -> tuple[int, int, int]:
    """Ask how many requests an endpoint answered and refused, and how many were in it at once."""
    from urllib.request import urlopen

    with urlopen(f"{url}/endpoints/{name}") as told:
        answered, refused, most = told.read().split()
    return int(answered), int(refused), int(most)


if __name__ == "__main__":
    sys.setswitchinterval(0.001)
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    print(listener.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=answer, args=listener.accept()[:1], daemon=True).start()
