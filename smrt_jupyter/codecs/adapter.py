"""What others wrote: objects of the SageMaker SDK's kind, as codecs, and errors of any codec, as ours.

Nothing of the SDK is imported. A serializer has ``CONTENT_TYPE`` and ``serialize(data)``; a deserializer has ``ACCEPT``
and ``deserialize(stream, content_type)``. Many people have written their own, and they work here as they are.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from smrt_jupyter.codecs.base import Codec
from smrt_jupyter.errors import CodecError, SmrtError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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
        with errors_as_ours(f"{name} cannot serialize {type(value).__name__}"):
            body = self.wrapped.serialize(value)
            if hasattr(body, "read"):
                body = body.read()
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
            with errors_as_ours(f"{name} cannot read {self.media_type.text}"):
                value = self.wrapped.deserialize(stream, self.media_type.text)
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


@contextmanager
def errors_as_ours(trouble: str, *, rows: Sequence[int] | None = None, next_step: str = "") -> Iterator[None]:
    """Raise what somebody else's codec raises, which is not ours to know, as a `CodecError` with that as its cause.

    Parameters
    ----------
    trouble : str
        Who cannot do what.
    rows : sequence of int, optional
        Where.
    next_step : str, optional
        What to do about it.

    Examples
    --------
    >>> with errors_as_ours("Strict cannot read text/x-strict"):
    ...     {"yes": 1}["no"]
    Traceback (most recent call last):
        ...
    smrt_jupyter.errors.CodecError: Strict cannot read text/x-strict: KeyError: 'no'.
    """
    try:
        yield
    except (SmrtError, MemoryError):
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {error}".rstrip(": .")
        raise CodecError(f"{trouble}: {told}.", rows=rows, next_step=next_step) from error


def encode(codec: Codec, value: object) -> bytes:
    """Serialise a value with any codec.

    Parameters
    ----------
    codec : Codec
    value : object
        See `Codec.encode`.

    Returns
    -------
    bytes

    Raises
    ------
    CodecError
        Whatever somebody else's codec raises, or when it gives no bytes.
    """
    if _is_ours(codec):
        return codec.encode(value)
    return _written(codec, lambda: codec.encode(value), None)


def writer(codec: Codec, table: Table) -> Writer:
    """Prepare a table to be serialised with any codec.

    Parameters
    ----------
    codec : Codec
    table : Table
        See `Codec.writer`.

    Returns
    -------
    callable
        ``(start, stop) -> bytes``

    Raises
    ------
    CodecError
        Whatever somebody else's codec raises, or when it gives no bytes; as well when the writer is called.
    """
    if _is_ours(codec):
        return codec.writer(table)
    with errors_as_ours(_cannot_write(codec), next_step=_CORRECT_WRITING):
        write = codec.writer(table)
    return lambda start, stop: _written(codec, lambda: write(start, stop), range(start, stop))


def decode(codec: Codec, body: bytes) -> Any:
    """Read a body with any codec.

    Parameters
    ----------
    codec : Codec
    body : bytes
        See `Codec.decode`.

    Returns
    -------
    object

    Raises
    ------
    CodecError
        Whatever somebody else's codec raises.
    """
    if _is_ours(codec):
        return codec.decode(body)
    step = "Correct its `decode`; with `journal` the reply is kept, and read again."
    with errors_as_ours(f"{type(codec).__name__} cannot read {codec.media_type.text}", next_step=step):
        return codec.decode(body)


def _is_ours(codec: Codec) -> bool:
    """Tell a codec whose mistakes are ours, to be seen as they are, and whose ImportError says what to install."""
    return type(codec).__module__.startswith("smrt_jupyter.")


_CORRECT_WRITING = "Correct its `encode`, or name another `content_type`."


def _cannot_write(codec: Codec) -> str:
    return f"{type(codec).__name__} cannot write {codec.media_type.text}"


def _written(codec: Codec, write: Callable[[], object], rows: Sequence[int] | None) -> bytes:
    with errors_as_ours(_cannot_write(codec), rows=rows, next_step=_CORRECT_WRITING):
        body = write()
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    raise CodecError(
        f"{type(codec).__name__} gave {type(body).__name__}, which is not bytes.", rows=rows, next_step=_CORRECT_WRITING
    )
