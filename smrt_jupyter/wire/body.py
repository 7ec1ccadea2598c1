"""A request's body on its way out."""

from __future__ import annotations

import io


class Payload(io.RawIOBase):
    """A request's body that knows whether all of it has left.

    A connection that breaks before it has is certainly an inference that did not run. http.client asks a file for more
    only when it has sent what it got, so the empty read at the end is the proof that the last byte is out.
    """

    STEP = 1 << 20

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.data = data
        self.position = 0
        self.was_whole = False

    def __len__(self) -> int:
        return len(self.data)

    def read(self, size: int = -1) -> bytes:
        """Give the next piece, larger than asked for where that saves calls."""
        start = self.position
        if start >= len(self.data):
            self.was_whole = True
            return b""
        step = len(self.data) if size is None or size < 0 else max(size, self.STEP)
        self.position = min(start + step, len(self.data))
        return self.data if step >= len(self.data) and start == 0 else self.data[start : self.position]

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place: botocore does, to hash the body before it is sent."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: len(self.data)}[whence]
        self.position = base + offset
        self.was_whole = False
        return self.position

    def tell(self) -> int:
        """Say where it stands."""
        return self.position

    def seekable(self) -> bool:
        """Say that it can be rewound, for another attempt."""
        return True

    def readable(self) -> bool:
        """Say that it can be read."""
        return True
