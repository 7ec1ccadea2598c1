"""What of Arrow is read: plain types, and no more of them than the body can honestly hold.

pyarrow reads hostile bytes without a crash, but it allocates what they claim: a compressed buffer says itself how long
it becomes, and an array of a million nulls takes no byte at all until it turns into Python objects. The sizes are
therefore added up first.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from smrt_jupyter.codecs.given import refuse_bomb
from smrt_jupyter.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTINUATION = b"\xff\xff\xff\xff"
_FILE_MAGIC = b"ARROW1"
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_BLOCK = struct.Struct("<qi4xq")
_BUFFER = struct.Struct("<qq")
# What one cell takes as a pandas value, roughly: a number, text, a Python object, a list (an ndarray), a dict.
_NUMBER_COST, _TEXT_COST, _OBJECT_COST, _LIST_COST, _STRUCT_COST = 8, 16, 64, 128, 256
_MAX_DEPTH = 16


def check_type(kind: Any, column: str, depth: int = 0) -> None:
    """Refuse types that are not plain.

    Parameters
    ----------
    kind : pyarrow.DataType
    column : str
    depth : int
        How many types it is nested in.

    Raises
    ------
    CodecError
        For unions, views, extension types and the like, naming the column.
    """
    import pyarrow as pa

    types = pa.types
    if depth > _MAX_DEPTH:
        raise CodecError(f"{_MAX_DEPTH} nested types are the limit.", column=column)
    lists = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    if lists or types.is_dictionary(kind):
        check_type(kind.value_type, column, depth + 1)
    elif types.is_map(kind):
        check_type(kind.key_type, column, depth + 1)
        check_type(kind.item_type, column, depth + 1)
    elif types.is_struct(kind):
        for place in range(kind.num_fields):
            check_type(kind.field(place).type, column, depth + 1)
    elif isinstance(kind, pa.BaseExtensionType) or not (
        types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_date(kind)
        or types.is_time(kind)
        or types.is_timestamp(kind)
        or types.is_duration(kind)
        or types.is_null(kind)
        or types.is_decimal(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
    ):
        raise CodecError(
            f"{kind} is not a plain type.", column=column, next_step="Convert the column to numbers, text or dates."
        )


def check(table: Any, body: bytes) -> None:
    """Refuse a table that would become far larger than its body.

    Parameters
    ----------
    table : pyarrow.Table
        As it was read; nothing of it has been turned into pandas yet.
    body : bytes
        What it was read from.

    Raises
    ------
    CodecError
        When a type is not plain or the table is too large.
    """
    size = table.num_rows * _NUMBER_COST
    refuse_bomb(size, body, f"a table of {table.num_rows:,} rows")
    for name, column in zip(table.column_names, table.columns, strict=True):
        check_type(column.type, name)
        for chunk in column.chunks:
            size += _cost(chunk)
            refuse_bomb(size, body, f"a table of {table.num_rows:,} rows")


def _cost(array: Any) -> int:  # noqa: PLR0911 - one line for each sort of type
    import pyarrow as pa
    import pyarrow.compute as pc

    types, kind, rows = pa.types, array.type, len(array)
    if types.is_dictionary(kind):
        return rows * _NUMBER_COST + _cost(array.dictionary)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return rows * _LIST_COST + _cost(array.flatten())
    if types.is_map(kind):
        return rows * _LIST_COST + _cost(array.keys) + _cost(array.items)
    if types.is_struct(kind):
        return rows * _STRUCT_COST + sum(_cost(array.field(place)) for place in range(kind.num_fields))
    if types.is_primitive(kind) or types.is_null(kind):
        return rows * _NUMBER_COST
    if types.is_decimal(kind) or types.is_fixed_size_binary(kind):
        return rows * (_OBJECT_COST + int(kind.byte_width))
    return rows * _TEXT_COST + int(pc.sum(pc.binary_length(array)).as_py() or 0)


# --- compressed buffers in IPC ---------------------------------------------------------------------------------------


def check_stream(body: bytes) -> None:
    """Add up what the compressed buffers of an IPC stream claim to become.

    Parameters
    ----------
    body : bytes

    Raises
    ------
    CodecError
        When it is too much, or the body is no such stream.
    """
    _refuse_claims(_stream_claims(body), body)


def check_file(body: bytes) -> None:
    """Add up what the compressed buffers of an IPC file claim to become.

    Parameters
    ----------
    body : bytes

    Raises
    ------
    CodecError
        When it is too much, or the body is no such file.
    """
    _refuse_claims(_file_claims(body), body)


def _refuse_claims(claims: Iterator[int], body: bytes) -> None:
    try:
        refuse_bomb(sum(claims), body, "Arrow buffers")
    except (struct.error, IndexError) as error:
        raise CodecError("The body is not Arrow: its messages are cut short.") from error


def _stream_claims(body: bytes) -> Iterator[int]:
    at = 0
    while at + 4 <= len(body):
        if body[at : at + 4] == _CONTINUATION:
            at += 4
        (size,) = struct.unpack_from("<i", body, at)
        at += 4
        if size <= 0:
            return
        length = _Flat(body, at).root().number(3, "<q")
        yield from _message_claims(body, at, at + size)
        if length < 0:
            raise IndexError
        at += size + length


def _file_claims(body: bytes) -> Iterator[int]:
    if not body.startswith(_FILE_MAGIC) or not body.endswith(_FILE_MAGIC):
        raise IndexError
    (size,) = struct.unpack_from("<i", body, len(body) - 10)
    footer = _Flat(body, len(body) - 10 - size).root()
    for vector in (2, 3):  # dictionaries, record batches
        for place in footer.vector(vector, _BLOCK.size):
            offset, metadata_size, _ = _BLOCK.unpack_from(body, _inside(place, body))
            start = _inside(offset, body)
            prefix = 8 if body[start : start + 4] == _CONTINUATION else 4
            yield from _message_claims(body, start + prefix, start + metadata_size)


def _message_claims(body: bytes, start: int, contents: int) -> Iterator[int]:
    message = _Flat(body, start).root()
    kind = message.number(1, "<B")
    if kind not in {_DICTIONARY_BATCH, _RECORD_BATCH}:
        return
    batch = message.table(2)
    if kind == _DICTIONARY_BATCH and batch is not None:
        batch = batch.table(1)
    if batch is None or batch.table(3) is None:  # not compressed
        return
    for place in batch.vector(2, _BUFFER.size):
        offset, length = _BUFFER.unpack_from(body, place)
        if length >= 8:  # noqa: PLR2004 - a compressed buffer starts with its length as an int64; -1: not compressed
            (claim,) = struct.unpack_from("<q", body, _inside(contents + offset, body))
            yield max(claim, 0)


def _inside(place: int, body: bytes) -> int:
    if not 0 <= place < len(body):
        raise IndexError
    return place


class _Flat:
    """One table of a flatbuffer: as much of that format as the metadata of Arrow needs."""

    def __init__(self, body: bytes, start: int) -> None:
        self.body = body
        self.start = _inside(start, body)

    def root(self) -> _Flat:
        return self._follow(self.start)

    def _follow(self, place: int) -> _Flat:
        (offset,) = struct.unpack_from("<I", self.body, place)
        return _Flat(self.body, place + offset)

    def _place(self, field: int) -> int | None:
        (back,) = struct.unpack_from("<i", self.body, self.start)
        entries = _inside(self.start - back, self.body)
        (size,) = struct.unpack_from("<H", self.body, entries)
        entry = 4 + 2 * field
        if entry + 2 > size:
            return None
        (offset,) = struct.unpack_from("<H", self.body, entries + entry)
        return self.start + offset if offset else None

    def number(self, field: int, form: str) -> int:
        place = self._place(field)
        return 0 if place is None else int(struct.unpack_from(form, self.body, place)[0])

    def table(self, field: int) -> _Flat | None:
        place = self._place(field)
        return None if place is None else self._follow(place)

    def vector(self, field: int, size: int) -> range:
        place = self._place(field)
        if place is None:
            return range(0)
        start = self._follow(place).start
        (count,) = struct.unpack_from("<I", self.body, start)
        if start + 4 + count * size > len(self.body):
            raise IndexError
        return range(start + 4, start + 4 + count * size, size)
