"""Files in S3, read piece by piece and written in parts, through the wire's own client, retries and errors."""

from __future__ import annotations

import errno
import io
from typing import TYPE_CHECKING, Any

from smrt_jupyter import errors, wire

if TYPE_CHECKING:
    from pathlib import Path

    from smrt_jupyter.policy import Policy

PART_BYTES = 8 * 1024 * 1024
"""S3 takes parts from 5 MiB on, and 10,000 of them."""


def place(location: str) -> tuple[str, str]:
    """Take ``s3://bucket/key`` apart.

    Parameters
    ----------
    location : str

    Returns
    -------
    (str, str)

    Examples
    --------
    >>> place("s3://data/in/customers.parquet")
    ('data', 'in/customers.parquet')
    """
    bucket, _, key = location.removeprefix("s3://").partition("/")
    if not bucket or not key:
        raise ValueError(f"{location!r} is no object in S3: write s3://bucket/key.")
    return bucket, key


class S3File(io.RawIOBase):
    """An object in S3 as a file that can be read from any position.

    Each read is a ranged request of its own, so a connection that breaks costs one piece, not the file.

    Parameters
    ----------
    location : str
        ``s3://bucket/key``.
    target : Target
        S3's, with region and profile.
    policy : Policy
        How hard to try.
    """

    def __init__(self, location: str, target: wire.Target, policy: Policy) -> None:
        super().__init__()
        self._where = dict(zip(("Bucket", "Key"), place(location), strict=True))
        self._location = location
        self._target = target
        self._policy = policy
        self._position = 0
        head = self._ask("HeadObject")
        self.size = int(head.output["ContentLength"])
        self.version = str(head.output.get("ETag", ""))

    def _ask(self, operation: str, **more: Any) -> wire.Exchange:
        try:
            return wire.send(self._target, operation, {**self._where, **more}, policy=self._policy)
        except errors.EndpointNotFound as error:
            raise FileNotFoundError(errno.ENOENT, "No such object in S3", self._location) from error

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read from anywhere."""
        return True

    def tell(self) -> int:
        """Say where it stands."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; nothing is asked."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read as much as fits."""
        wanted = min(len(buffer), self.size - self._position)
        if wanted <= 0:
            return 0
        span = f"bytes={self._position}-{self._position + wanted - 1}"
        body = self._ask("GetObject", Range=span, IfMatch=self.version).body
        buffer[: len(body)] = body
        self._position += len(body)
        return len(body)


def upload(file: Path, location: str, target: wire.Target, policy: Policy) -> None:
    """Put a file into S3 in parts; it appears when the last one is there.

    Parameters
    ----------
    file : Path
        On this machine.
    location : str
        ``s3://bucket/key``.
    target : Target
        S3's.
    policy : Policy
        How hard to try.
    """
    where = dict(zip(("Bucket", "Key"), place(location), strict=True))

    def ask(operation: str, **more: Any) -> dict[str, Any]:
        return wire.send(target, operation, {**where, **more}, policy=policy).output

    begun = {"UploadId": ask("CreateMultipartUpload")["UploadId"]}
    try:
        parts: list[dict[str, Any]] = []
        with file.open("rb") as source:
            while (body := source.read(PART_BYTES)) or not parts:
                number = len(parts) + 1
                tag = ask("UploadPart", PartNumber=number, Body=body, **begun)["ETag"]
                parts.append({"PartNumber": number, "ETag": tag})
        ask("CompleteMultipartUpload", MultipartUpload={"Parts": parts}, **begun)
    except BaseException:
        ask("AbortMultipartUpload", **begun)
        raise
