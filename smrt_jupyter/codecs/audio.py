"""Audio: bytes there and back. What is in them is the container's business, and the player's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smrt_jupyter.codecs.base import Codec
from smrt_jupyter.codecs.given import cell_writer, given, read_file
from smrt_jupyter.errors import CodecError

if TYPE_CHECKING:
    from smrt_jupyter.codecs.base import Writer
    from smrt_jupyter.tables import Table


class Audio(Codec):
    """``audio/*``, from bytes or a path.

    Parameters
    ----------
    content_type : str, optional
        ``audio/wav``, ``audio/x-flac``, ``audio/mpeg`` and so on, as the container names it.

    Examples
    --------
    >>> Audio("audio/mpeg").encode(b"ID3")
    b'ID3'
    """

    content_types = ("audio/wav", "audio/*")

    @property
    def rows_at_once(self) -> int:
        """One: each cell is a request of its own."""
        return 1

    def encode(self, value: object) -> bytes:
        """Take the bytes, or the file's.

        Parameters
        ----------
        value : bytes, path or binary file
            A ``str`` is a path.

        Returns
        -------
        bytes
        """
        body = read_file(value) if isinstance(value, str) else given(value)
        if body is None:
            raise CodecError(
                f"{type(value).__name__} is no audio.", next_step="Pass the bytes of an audio file, or its path."
            )
        return body

    def decode(self, body: bytes) -> bytes:
        """Give the bytes.

        Parameters
        ----------
        body : bytes

        Returns
        -------
        bytes
        """
        return body

    def writer(self, table: Table) -> Writer:
        """Prepare one column of recordings, bytes or paths: one a request.

        See `Codec.writer`.
        """
        return cell_writer(table, self)
