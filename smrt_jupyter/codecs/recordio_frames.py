"""RecordIO framing and the few protobuf messages inside it, as NumPy array work.

A record is ``magic, length, payload, padding to 4``; the payload is one ``aialgs.data.Record``::

    Record  features = 1, label = 2         maps: name -> Value
    Value   float32_tensor = 2, float64_tensor = 3, int32_tensor = 7, bytes = 9
    tensor  values = 1, keys = 2, shape = 3  packed; keys make it sparse

Why not the protobuf package: it builds one Python object a record, which is fifty times slower, and it would be one
more dependency for three messages that have not changed since 2017.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smrt_jupyter.tables import Array

MAGIC = 0xCED7230A
FEATURES, LABEL = 1, 2
_MAGIC_BYTES = struct.pack("<I", MAGIC)
_TENSOR_NUMBERS = {np.dtype("<f4"): 2, np.dtype("<f8"): 3, np.dtype("<i4"): 7}
_BLOCK_BYTES = 1 << 17
_BLOCK_ROWS = 1 << 14
_BLOCK_CELLS = 1 << 16
_VARINT_BITS = 7


@dataclass(frozen=True)
class Sparse:
    """The rows of a sparse matrix, as compressed sparse rows have them."""

    data: Array
    indices: Array
    indptr: Array
    width: int

    def __len__(self) -> int:
        return len(self.indptr) - 1


Field = tuple[int, str, "Array | Sparse"]
"""FEATURES or LABEL, the name in that map, and one vector (or sparse row) for each record."""


def frames(fields: Sequence[Field]) -> bytes:
    """Write one record for each row.

    Parameters
    ----------
    fields : sequence of (section, name, values)
        `values` is 2-D of float32, float64 or int32 (little-endian), or `Sparse`; all of the same length. Features
        come first.

    Returns
    -------
    bytes
    """
    rows = len(fields[0][2])
    if not rows:
        return b""
    if all(isinstance(values, np.ndarray) and values.dtype.kind == "f" and values.size for _, _, values in fields):
        return _fixed_frames(fields, rows)
    return _ragged_frames(fields, rows)


def _fixed_frames(fields: Sequence[Field], rows: int) -> bytes:
    """Write dense floats: every record has the same length, so one template is laid out under all of them."""
    payload, places = b"", []
    for section, name, values in fields:
        assert isinstance(values, np.ndarray)  # noqa: S101 - what the caller has just found, told to the type checker
        size = values.shape[1] * values.dtype.itemsize
        head = b"\x0a" + _varint(size)
        tensor = _delimited(_TENSOR_NUMBERS[values.dtype], head + bytes(size))
        entry = _delimited(1, name.encode()) + _delimited(2, tensor)
        payload += _delimited(section, entry)
        places.append((len(payload) - size, size, values))
    template = struct.pack("<II", MAGIC, len(payload)) + payload + bytes(-len(payload) % 4)
    # In blocks that stay in the processor's cache: the template is laid once and only the values change.
    step = max(1, min(rows, _BLOCK_BYTES // len(template)))
    out = np.empty((step, len(template)), np.uint8)
    out[:] = np.frombuffer(template, np.uint8)
    # BytesIO gives its buffer away without a copy: joining blocks would touch all the memory twice.
    body = io.BytesIO()
    body.seek(rows * len(template) - 1)
    body.write(b"\0")
    body.seek(0)
    for row in range(0, rows, step):
        count = min(step, rows - row)
        for start, size, values in places:
            part = np.ascontiguousarray(values[row : row + count]).view(np.uint8)
            out[:count, 8 + start : 8 + start + size] = part.reshape(count, size)
        body.write(out[:count].data)
    return body.getvalue()


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >> _VARINT_BITS:
        out.append(value & 0x7F | 0x80)
        value >>= _VARINT_BITS
    out.append(value)
    return bytes(out)


def _delimited(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


# --- records of different lengths ------------------------------------------------------------------------------------


class _Part:
    """A piece of every record of a block: its bytes in a matrix as wide as the longest, and which of them count."""

    def __init__(self, octets: Array, counts: Array) -> None:
        self.octets = octets
        self.counts = counts

    def lengths(self) -> Array:
        lengths: Array = self.counts.sum(axis=1, dtype=np.int64)
        return lengths


def _ragged_frames(fields: Sequence[Field], rows: int) -> bytes:
    """Write integers and sparse rows: each block is a matrix with gaps, and the gaps are left out at the end."""
    widths = np.zeros(rows, np.int64)
    for _, _, values in fields:
        widths += np.diff(values.indptr) if isinstance(values, Sparse) else values.shape[1]
    body = io.BytesIO()
    start = 0
    while start < rows:
        # A row that is much longer than its neighbours must not make all of them as wide.
        widest = np.maximum.accumulate(widths[start : start + _BLOCK_ROWS])
        fitting = np.count_nonzero(widest * np.arange(1, len(widest) + 1) <= _BLOCK_CELLS)
        stop = start + max(1, int(fitting))
        body.write(_block([(section, name, _cut(values, start, stop)) for section, name, values in fields]))
        start = stop
    return body.getvalue()


def _cut(values: Array | Sparse, start: int, stop: int) -> Array | Sparse:
    if not isinstance(values, Sparse):
        return values[start:stop]
    return Sparse(values.data, values.indices, values.indptr[start : stop + 1], values.width)


def _block(fields: Sequence[Field]) -> bytes:
    rows = len(fields[0][2])
    parts = [part for section, name, values in fields for part in _field_parts(section, name, values)]
    length = sum((part.lengths() for part in parts), np.zeros(rows, np.int64))
    head = np.empty((rows, 8), np.uint8)
    head[:, :4] = np.frombuffer(_MAGIC_BYTES, np.uint8)
    head[:, 4:] = np.asarray(length, "<u4").view(np.uint8).reshape(rows, 4)
    padding = np.arange(3) < (-length % 4)[:, None]
    whole = [_Part(head, np.ones(head.shape, bool)), *parts, _Part(np.zeros(padding.shape, np.uint8), padding)]
    octets = np.concatenate([part.octets for part in whole], axis=1)
    counts = np.concatenate([part.counts for part in whole], axis=1)
    # Eight times as fast as `octets[counts]` where gaps and bytes alternate.
    return np.compress(counts.ravel(), octets.ravel()).tobytes()


def _field_parts(section: int, name: str, values: Array | Sparse) -> list[_Part]:
    rows = len(values)
    if isinstance(values, Sparse):
        counts = np.diff(values.indptr)
        there = np.arange(int(counts.max(initial=0))) < counts[:, None]
        cells = np.zeros(there.shape, values.data.dtype)
        keys = np.zeros(there.shape, np.uint64)
        first, last = values.indptr[0], values.indptr[-1]
        cells[there] = values.data[first:last]
        keys[there] = values.indices[first:last]
        width = np.full((rows, 1), values.width, np.uint64)
        tensor = [
            *_packed(1, _values(cells, there)),
            *_packed(2, _varints(keys, there)),
            *_packed(3, _varints(width, np.ones((rows, 1), bool))),
        ]
        dtype = values.data.dtype
    else:
        tensor, dtype = _packed(1, _values(values, np.ones(values.shape, bool))), values.dtype
    key = np.tile(np.frombuffer(_delimited(1, name.encode()), np.uint8), (rows, 1))
    value = _wrapped(2, _wrapped(_TENSOR_NUMBERS[dtype], tensor, rows), rows)
    return _wrapped(section, [_Part(key, np.ones(key.shape, bool)), *value], rows)


def _values(cells: Array, there: Array) -> _Part:
    if cells.dtype.kind == "i":
        return _varints(cells.astype(np.int64).view(np.uint64), there)
    size = cells.dtype.itemsize
    octets = np.ascontiguousarray(cells).view(np.uint8).reshape(len(cells), cells.shape[1] * size)
    return _Part(octets, np.repeat(there, size, axis=1))


def _varints(values: Array, there: Array) -> _Part:
    """Write base-128 numbers, each in as many columns as the largest needs."""
    largest = int(values.max(initial=0))
    columns = max(1, -(-largest.bit_length() // _VARINT_BITS))
    if largest < 1 << 32:
        values = values.astype(np.uint32)
    octets = np.empty((*values.shape, columns), np.uint8)
    counts = np.empty((*values.shape, columns), bool)
    counts[..., 0] = there
    for column in range(columns):
        octets[..., column] = values & values.dtype.type(0x7F)
        if column + 1 < columns:
            values = values >> values.dtype.type(_VARINT_BITS)
            more = values > 0
            octets[..., column] |= more.view(np.uint8) << np.uint8(_VARINT_BITS)
            counts[..., column + 1] = more & there
    shape = len(values), values.shape[1] * columns
    return _Part(octets.reshape(shape), counts.reshape(shape))


def _packed(number: int, content: _Part) -> list[_Part]:
    """Frame a packed field; protobuf leaves it out of the records where it is empty."""
    return _framed(number, content.lengths(), [content], always=False)


def _wrapped(number: int, parts: list[_Part], rows: int) -> list[_Part]:
    """Frame a message; it is there also where it is empty."""
    return _framed(number, sum((part.lengths() for part in parts), np.zeros(rows, np.int64)), parts, always=True)


def _framed(number: int, lengths: Array, parts: list[_Part], *, always: bool) -> list[_Part]:
    there = (lengths > 0)[:, None] | always
    tag = np.full(there.shape, number << 3 | 2, np.uint8)
    return [_Part(tag, there), _varints(lengths.astype(np.uint64)[:, None], there), *parts]
