"""Reading recordio-protobuf: records to columns, with every length checked before anything is allocated for it.

Replies of one model nearly always have records of one length, so the first record is parsed and all others are compared
with it as an array. Where lengths differ all records are walked side by side, see `recordio_walk`; only where they are
made differently is each record parsed on its own.
"""

from __future__ import annotations

import math
import struct
from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from smrt_jupyter.codecs.recordio_frames import DELIMITED, FEATURES, LABEL, LENGTH_BITS, MAGIC, STEPS, Sparse
from smrt_jupyter.codecs.recordio_varints import LAST_OF_VARINT, VARINT_BYTES, read_varints, varint_stops
from smrt_jupyter.codecs.recordio_walk import Packed, walk
from smrt_jupyter.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smrt_jupyter.tables import Array

_MAGIC_BYTES = struct.pack("<I", MAGIC)
_TENSORS: dict[int, np.dtype[Any]] = {2: np.dtype("<f4"), 3: np.dtype("<f8"), 7: np.dtype("<i4")}
_INT32, _BYTES = 7, 9
_VARINT, _FIXED64, _FIXED32 = 0, 1, 5
_VALUES, _KEYS, _SHAPE = 1, 2, 3
_ALONE = {2: _FIXED32, 3: _FIXED64, 7: _VARINT}  # the wire type of a value that is not packed with others
_BLOCK = 1 << 16
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


def _broken(what: str) -> CodecError:
    return CodecError(f"The body is not recordio-protobuf: {what}.")


# --- records ---------------------------------------------------------------------------------------------------------


def _payloads(body: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Walk the records: the buffer that holds each payload, and where it starts and stops there."""
    at = 0
    parts: bytearray | None = None
    while at < len(body):
        if len(body) - at < 8:  # noqa: PLR2004 - magic and length
            raise _broken(f"{len(body) - at} bytes are left over at byte {at}")
        magic, word = struct.unpack_from("<II", body, at)
        if magic != MAGIC:
            raise _broken(f"no record starts at byte {at}")
        kind, length = word >> LENGTH_BITS, word & (1 << LENGTH_BITS) - 1
        start, stop = at + 8, at + 8 + length
        at = stop + -length % 4
        # The padding of the last record may be missing: MXNet's own reader takes such files too.
        if stop > len(body):
            raise _broken(f"a record of {length} bytes is cut short")
        if kind == _WHOLE and parts is None:
            yield body, start, stop
        elif kind == _FIRST and parts is None:
            parts = bytearray(body[start:stop])
        elif kind in {_MIDDLE, _LAST} and parts is not None:
            # MXNet cuts a payload wherever it holds the magic number itself, and leaves that out.
            parts += _MAGIC_BYTES + body[start:stop]
            if kind == _LAST:
                yield bytes(parts), 0, len(parts)
                parts = None
        else:
            raise _broken(f"the parts of the record at byte {start - 8} are out of order")
    if parts is not None:
        raise _broken("the last part of a record is missing")


# --- protobuf --------------------------------------------------------------------------------------------------------


def _read_varint(body: bytes, at: int, stop: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 7 * VARINT_BYTES, 7):
        if at >= stop:
            raise _broken("a number is cut short")
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte <= LAST_OF_VARINT:
            return value, at
    raise _broken("a number is longer than 10 bytes")


def _fields(body: bytes, at: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """Walk the fields of one message: number, wire type, start and stop of the content."""
    while at < stop:
        tag, at = _read_varint(body, at, stop)
        number, wire = tag >> 3, tag & 7
        start = at
        if wire == _VARINT:
            _, at = _read_varint(body, at, stop)
        elif wire == DELIMITED:
            length, start = _read_varint(body, at, stop)
            at = start + length
        elif wire in {_FIXED32, _FIXED64}:
            at += 4 if wire == _FIXED32 else 8
        else:
            raise _broken(f"field {number} has the unknown wire type {wire}")
        if at > stop:
            raise _broken(f"field {number} is cut short")
        yield number, wire, start, at


class _Tensor:
    """One tensor of one record, its numbers still as the bytes that the record has."""

    def __init__(self, kind: int = 0) -> None:
        self.kind = kind
        self.values, self.keys, self.shape = bytearray(), bytearray(), bytearray()
        self.pieces: list[bytes] = []
        self.where: list[tuple[int, int]] = []


def _parse_record(body: bytes, start: int, stop: int) -> dict[tuple[int, str], _Tensor]:
    found: dict[tuple[int, str], _Tensor] = {}
    for section, wire, entry_start, entry_stop in _fields(body, start, stop):
        if section in {FEATURES, LABEL} and wire == DELIMITED:
            name, tensor = "", _Tensor()
            for number, inner, a, b in _fields(body, entry_start, entry_stop):
                if number == 1 and inner == DELIMITED:
                    name = _text(body[a:b])
                elif number == 2 and inner == DELIMITED:  # noqa: PLR2004 - the value of a map entry
                    tensor = _parse_value(body, a, b)
            found[section, name] = tensor
    return found


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise _broken("a name is not UTF-8") from error


def _parse_value(body: bytes, start: int, stop: int) -> _Tensor:
    tensor = _Tensor()
    for kind, wire, tensor_start, tensor_stop in _fields(body, start, stop):
        if (kind not in _TENSORS and kind != _BYTES) or wire != DELIMITED:
            continue
        tensor = _Tensor(kind)
        for number, inner, a, b in _fields(body, tensor_start, tensor_stop):
            if number == _VALUES and kind == _BYTES:
                if inner != DELIMITED:
                    raise _broken("a value has another type than its tensor")
                tensor.pieces.append(body[a:b])
            elif number == _VALUES:
                if inner not in {DELIMITED, _ALONE[kind]} or (b - a) % STEPS[kind]:
                    raise _broken("a value has another type than its tensor, or is cut short")
                tensor.values += body[a:b]
                if inner == DELIMITED:
                    tensor.where = [*tensor.where[:1], (a, b)]
            elif number in {_KEYS, _SHAPE} and kind != _BYTES and inner in {DELIMITED, _VARINT}:
                numbers = tensor.keys if number == _KEYS else tensor.shape
                numbers += body[a:b]
    return tensor


# --- columns ---------------------------------------------------------------------------------------------------------


class _Column:
    """One named field, gathered record by record."""

    def __init__(self, kind: int) -> None:
        self.kind = kind
        self.values, self.keys = bytearray(), bytearray()
        self.values_sizes, self.keys_sizes = array("q"), array("q")
        self.pieces: list[list[bytes]] = []
        self.shape = bytearray()
        self.shapes_differ = False

    def add(self, tensor: _Tensor) -> None:
        if tensor.kind != self.kind:
            raise _broken("the records disagree about the type of a field")
        if self.kind == _BYTES:
            self.pieces.append(tensor.pieces)
            return
        self.shapes_differ = self.shapes_differ or (bool(self.values_sizes) and tensor.shape != self.shape)
        self.shape = tensor.shape
        self.values += tensor.values
        self.keys += tensor.keys
        self.values_sizes.append(len(tensor.values))
        self.keys_sizes.append(len(tensor.keys))

    def assembled(self, name: str) -> Any:
        if self.kind == _BYTES:
            return [pieces[0] if len(pieces) == 1 else pieces for pieces in self.pieces]
        values_sizes, keys_sizes = np.asarray(self.values_sizes), np.asarray(self.keys_sizes)
        shape = None if self.shapes_differ else bytes(self.shape)
        return _assembled(
            name, Packed(self.kind, bytes(self.values), values_sizes, bytes(self.keys), keys_sizes, shape)
        )


def _assembled(name: str, field: Packed) -> Any:
    """Make a matrix, a sparse matrix, or a list where the records have different lengths."""
    dtype = _TENSORS[field.kind]
    if field.kind == _INT32:
        values, counts = _varints(field.values, field.values_sizes, np.dtype("<u4"))
        values = values.view(dtype)
    else:
        values, counts = np.frombuffer(field.values, dtype), field.values_sizes // dtype.itemsize
    shape = _numbers(field.shape).tolist() if field.shape else []
    # A sparse row without a value has a shape and nothing else.
    if field.keys or (shape and not counts.any()):
        return _sparse(name, field, values, counts, shape)
    if (counts == counts[0]).all():
        return _shaped(values.reshape(len(counts), int(counts[0])), shape)
    return np.split(values, np.cumsum(counts)[:-1])


def _sparse(name: str, field: Packed, values: Array, counts: Array, shape: list[int]) -> Sparse:
    keys, key_counts = _varints(field.keys, field.keys_sizes, np.dtype("<u8"))
    if not np.array_equal(key_counts, counts):
        raise _broken(f"field {name!r} has another number of keys than of values")
    if field.shape is None:
        raise _broken(f"the records disagree about the number of columns of field {name!r}")
    width = shape[0] if len(shape) == 1 else int(keys.max(initial=np.uint64(0))) + 1
    if len(shape) > 1 or width > np.iinfo(np.int64).max or (keys >= np.uint64(width)).any():
        raise _broken(f"field {name!r} has keys outside of its shape")
    indptr = np.concatenate(([0], np.cumsum(counts)))
    return Sparse(values, keys.astype(np.int64), indptr, width)


def _varints(packed: bytes, sizes: Array, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Read the packed numbers of all records, and count those of each; in blocks that stay in the processor's cache."""
    octets = np.frombuffer(packed, np.uint8)
    ends = np.cumsum(sizes)
    if (octets[ends[sizes > 0] - 1] > LAST_OF_VARINT).any():
        raise _broken("a number is cut short")
    values, counts = [np.empty(0, dtype)], np.empty(len(sizes), np.int64)
    row = start = 0
    while row < len(sizes):
        stop = max(row + 1, int(np.searchsorted(ends, start + _BLOCK, "right")))
        block = octets[start : ends[stop - 1]]
        stops = varint_stops(block)
        counts[row:stop] = np.diff(np.searchsorted(stops, ends[row:stop] - start, "right"), prepend=0)
        part = read_varints(block, stops, dtype)
        if part is None:
            raise _broken("a number is longer than 10 bytes")
        values.append(part)
        row, start = stop, int(ends[stop - 1])
    return np.concatenate(values), counts


def _numbers(packed: bytes) -> Array:
    return _varints(packed, np.array([len(packed)]), np.dtype("<u8"))[0]


def _shaped(matrix: Array, shape: list[int]) -> Array:
    if not shape:
        return matrix
    # NumPy takes 64 dimensions, no model 32; and the product of very many sizes takes very long.
    if len(shape) > 32 or math.prod(shape) != matrix.shape[1]:  # noqa: PLR2004 - as said
        raise _broken("the shape of a tensor does not fit its values")
    return matrix.reshape(len(matrix), *shape)


def read(body: bytes) -> tuple[int, dict[tuple[int, str], Any]]:
    """Read all records.

    Parameters
    ----------
    body : bytes
        Untrusted.

    Returns
    -------
    rows : int
        How many records there are.
    fields : dict of (section, name) to values
        ndarray of two or more dimensions, `Sparse`, or a list where the records have different lengths.

    Raises
    ------
    CodecError
        When it is not recordio-protobuf, or the records do not have the same fields.
    """
    alike = _read_alike(body)
    if alike is not None:
        return alike
    walked = walk(body)
    if walked is not None:
        rows, fields = walked
        named = ((section, _text(name), field) for (section, name), field in fields.items())
        return rows, {(section, name): _assembled(name, field) for section, name, field in named}
    columns: dict[tuple[int, str], _Column] = {}
    rows = 0
    for buffer, start, stop in _payloads(body):
        record = _parse_record(buffer, start, stop)
        if rows and record.keys() != columns.keys():
            raise _broken(f"record {rows} has other fields than those before it")
        for key, tensor in record.items():
            if tensor.kind == 0:
                raise _broken(f"field {key[1]!r} has no tensor")
            columns.setdefault(key, _Column(tensor.kind)).add(tensor)
        rows += 1
    return rows, {key: column.assembled(key[1]) for key, column in columns.items()}


def _read_alike(body: bytes) -> tuple[int, dict[tuple[int, str], Any]] | None:
    """Read records of dense floats that differ in nothing but their values; None where they are not such."""
    first = next(_payloads(body), None)
    if first is None or first[0] is not body:
        return None
    _, start, stop = first
    size = stop + -(stop - start) % 4
    if len(body) % size:
        return None
    record = _parse_record(body, start, stop)
    # Where there is more than one packed run, or one that is not packed, the values do not lie side by side.
    if any(
        t.kind not in {2, 3} or t.keys or len(t.where) != 1 or t.where[0][1] - t.where[0][0] != len(t.values)
        for t in record.values()
    ):
        return None
    octets = np.frombuffer(body, np.uint8).reshape(-1, size)
    same = np.ones(size, bool)
    for tensor in record.values():
        same[slice(*tensor.where[0])] = False
    if not (octets[:, same] == octets[0, same]).all():
        return None
    fields = {}
    for key, tensor in record.items():
        values = np.ascontiguousarray(octets[:, slice(*tensor.where[0])]).view(_TENSORS[tensor.kind])
        shape = _numbers(bytes(tensor.shape)).tolist()
        fields[key] = _shaped(values, shape)
    return len(octets), fields
