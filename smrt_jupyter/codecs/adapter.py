"""Objects of the SageMaker SDK's kind, as codecs; nothing of the SDK is imported.

A serializer has ``CONTENT_TYPE`` and ``serialize(data)``; a deserializer has ``ACCEPT`` and
``deserialize(stream, content_type)``. Many people have written their own, and they work here as they are.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from smrt_jupyter.codecs.base import Codec
from smrt_jupyter.errors import CodecError

if TYPE_CHECKING:
    from smrt_jupyter.codecs.base import Writer
    from smrt_jupyter.tables import Table


class SdkAdapter(Codec):
    """A codec around a serializer, a deserializer, or an object that is both.

    Parameters
    ----------
    wrapped : object
        With ``CONTENT_TYPE`` and ``serialize``, with ``ACCEPT`` and ``deserialize``, or with all four.
    content_type : str, optional
        Of the bytes: a reply's own when one is to be read. None: the object's ``CONTENT_TYPE``, else its ``ACCEPT``.

    Examples
    --------
    >>> class Upper:
    ...     CONTENT_TYPE = "text/x-loud"
    ...     def serialize(self, data):
    ...         return data.upper()
    >>> SdkAdapter(Upper()).encode("hello")
    b'HELLO'
    """

    def __init__(self, wrapped: Any, content_type: str | None = None) -> None:
        if not (is_serializer(wrapped) or is_deserializer(wrapped)):
            raise CodecError(
                f"{type(wrapped).__name__} is no codec.",
                next_step="It needs CONTENT_TYPE and serialize(data), or ACCEPT and deserialize(stream, content_type).",
            )
        named = _joined(wrapped.CONTENT_TYPE) if is_serializer(wrapped) else _joined(wrapped.ACCEPT)
        super().__init__(content_type or named)
        self.wrapped = wrapped

    def __repr__(self) -> str:
        return f"SdkAdapter({type(self.wrapped).__name__}, {self.media_type.text!r})"

    def __hash__(self) -> int:
        # Not by the object: few of them hash by their value, and a hash only has to agree where equality does.
        return hash((type(self.wrapped), self.media_type))

    @property
    def accept(self) -> str | None:
        """What the deserializer asks for, as the ``Accept`` header has it."""
        return _joined(self.wrapped.ACCEPT) if is_deserializer(self.wrapped) else None

    def encode(self, value: object) -> bytes:
        """Serialise with the object.

        Parameters
        ----------
        value : object
            Whatever it takes.

        Returns
        -------
        bytes

        Raises
        ------
        CodecError
            When it fails, with its own error as the cause, or gives something that is no body.
        """
        name = type(self.wrapped).__name__
        if not is_serializer(self.wrapped):
            raise CodecError(f"{name} only reads.", next_step="Use an object with CONTENT_TYPE and serialize(data).")
        try:
            body = self.wrapped.serialize(value)
            if hasattr(body, "read"):
                body = body.read()
        except Exception as error:  # what somebody else's serializer raises is not ours to know
            raise CodecError(f"{name} cannot serialize {type(value).__name__}: {_told(error)}") from error
        if isinstance(body, str):
            return body.encode()
        if isinstance(body, bytes | bytearray | memoryview):
            return bytes(body)
        raise CodecError(
            f"{name} gave {type(body).__name__} for {type(value).__name__}, which is neither bytes nor text."
        )

    def decode(self, body: bytes) -> Any:
        """Read with the object, and close the stream that it was given.

        Parameters
        ----------
        body : bytes
            A whole reply.

        Returns
        -------
        object
            Whatever it gives.

        Raises
        ------
        CodecError
            When it fails, with its own error as the cause.
        """
        name = type(self.wrapped).__name__
        if not is_deserializer(self.wrapped):
            raise CodecError(f"{name} only writes.", next_step="Use an object with ACCEPT and deserialize.")
        stream = io.BytesIO(body)
        value = None
        try:
            value = self.wrapped.deserialize(stream, self.media_type.text)
        except Exception as error:  # what somebody else's deserializer raises is not ours to know
            raise CodecError(f"{name} cannot read {self.media_type.text}: {_told(error)}") from error
        finally:
            # The SDK's StreamDeserializer hands the stream on, for its caller to read.
            if not any(part is stream for part in (value if isinstance(value, tuple) else (value,))):
                stream.close()
        return value

    def writer(self, table: Table) -> Writer:
        """Prepare a table: the object gets each part in the user's own library.

        See `Codec.writer`.
        """
        return lambda start, stop: self.encode(table[start:stop].native)


def is_serializer(thing: object) -> bool:
    """Tell whether an object is of the serializer's kind.

    Parameters
    ----------
    thing : object

    Returns
    -------
    bool
    """
    return hasattr(thing, "CONTENT_TYPE") and callable(getattr(thing, "serialize", None))


def is_deserializer(thing: object) -> bool:
    """Tell whether an object is of the deserializer's kind.

    Parameters
    ----------
    thing : object

    Returns
    -------
    bool
    """
    return hasattr(thing, "ACCEPT") and callable(getattr(thing, "deserialize", None))


def _joined(named: Any) -> str:
    return named if isinstance(named, str) else ", ".join(named)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
