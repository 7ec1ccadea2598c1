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

from smrt_jupyter.codecs.recordio_varints import VARINT_BITS, lay_varints, varint, varint_sizes, windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smrt_jupyter.tables import Array

MAGIC = 0xCED7230A
LENGTH_BITS = 29
"""Of the word behind the magic number; those above tell of a record in parts."""
FEATURES, LABEL = 1, 2
DELIMITED = 2
"""Protobuf's wire type of whatever says its own length."""
STEPS = {2: 4, 3: 8, 7: 1}
"""By the number of a tensor's type, what the length of its packed values is a multiple of."""
_TENSOR_NUMBERS = {np.dtype("<f4"): 2, np.dtype("<f8"): 3, np.dtype("<i4"): 7}
_BLOCK_BYTES = 1 << 17
_BLOCK_CELLS = 1 << 17
_BLOCK_NUMBERS = 1 << 13
_ROOM_BYTES = 10
_HEAD_CELLS = 8


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
        head = b"\x0a" + varint(size)
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


def _delimited(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


# --- records of different lengths ------------------------------------------------------------------------------------


def _ragged_frames(fields: Sequence[Field], rows: int) -> bytes:
    """Write integers and sparse rows: where every piece of every record starts is known before any of them is laid."""
    cells = np.full(rows, _HEAD_CELLS, np.int64)
    for _, _, values in fields:
        cells += np.diff(values.indptr) if isinstance(values, Sparse) else values.shape[1]
    cells = np.cumsum(cells)
    body = io.BytesIO()
    room = np.empty(_BLOCK_CELLS * _ROOM_BYTES, np.uint8)
    start = done = 0
    while start < rows:
        stop = max(start + 1, int(np.searchsorted(cells, done + _BLOCK_CELLS, "right")))
        laid = _block([(section, name, _cut(values, start, stop)) for section, name, values in fields], room)
        body.write(laid.data)
        start, done = stop, int(cells[stop - 1])
    return body.getvalue()


def _cut(values: Array | Sparse, start: int, stop: int) -> Array | Sparse:
    if not isinstance(values, Sparse):
        return values[start:stop]
    first, last = values.indptr[start], values.indptr[stop]
    indptr = values.indptr[start : stop + 1] - first
    return Sparse(values.data[first:last], values.indices[first:last], indptr, values.width)


def _block(fields: Sequence[Field], room: Array) -> Array:
    rows = len(fields[0][2])
    pieces = [piece for section, name, values in fields for piece in _field_pieces(section, name, values)]
    lengths = _total(pieces, rows)
    head = np.empty((rows, 2), "<u4")
    head[:, 0], head[:, 1] = MAGIC, lengths
    padding = -lengths % 4
    stops = np.cumsum(8 + lengths + padding)
    size = int(stops[-1])
    # Memory that has been written to before: the system clears new pages, which takes longer than to fill them.
    out = room[:size] if size <= len(room) else np.empty(size, np.uint8)
    out[:] = 0xFF
    at = stops - padding - lengths - 8
    for piece in (_Items(head.view(np.uint8), 1), *pieces):
        piece.lay(out, at)
        at = at + piece.lengths
    for behind in range(1, 4):
        out[stops[padding >= behind] - behind] = 0
    return out


class _Items:
    """Items of one size, so many in each record."""

    def __init__(self, octets: Array, counts: Array | int) -> None:
        self.octets = octets
        self.counts = counts
        rows = len(octets) if isinstance(counts, int) else len(counts)
        self.lengths = np.full(rows, octets.shape[1], np.int64) * counts

    def lay(self, out: Array, starts: Array) -> None:
        size = self.octets.shape[1]
        if not self.octets.size:
            return
        if not isinstance(self.counts, int):
            before = np.cumsum(self.counts) - self.counts
            starts = np.repeat(starts - before * size, self.counts) + np.arange(len(self.octets)) * size
        windows(out, size)[starts] = np.ascontiguousarray(self.octets).view(f"V{size}")[:, 0]


class _Varints:
    """Base-128 numbers, so many in each record."""

    def __init__(self, values: Array, counts: Array) -> None:
        self.values = values
        self.counts = counts
        self.sizes = varint_sizes(values)
        self.bounds = np.concatenate(([0], np.cumsum(counts)))
        # `reduceat` gives the next number where there is none, also behind the last.
        self.lengths = np.add.reduceat(np.append(self.sizes, np.uint8(0)), self.bounds[:-1], dtype=np.int64)
        self.lengths *= counts > 0

    def lay(self, out: Array, starts: Array) -> None:
        first = 0
        while first < len(starts):
            last = int(np.searchsorted(self.bounds, self.bounds[first] + _BLOCK_NUMBERS, "right")) - 1
            rows = slice(first, max(first + 1, last))
            self._lay_rows(out, starts[rows], rows)
            first = rows.stop

    def _lay_rows(self, out: Array, starts: Array, rows: slice) -> None:
        block = slice(self.bounds[rows.start], self.bounds[rows.stop])
        sizes = self.sizes[block]
        before = np.zeros(len(sizes) + 1, np.int64)
        np.cumsum(sizes, out=before[1:])
        shifts = starts - before[self.bounds[rows] - block.start]
        lay_varints(out, before[:-1] + np.repeat(shifts, self.counts[rows]), self.values[block], sizes)


class _Tag:
    """A tag and the length of what it stands before, for each record."""

    def __init__(self, tag: bytes, content: Array, *, always: bool) -> None:
        self.tag = tag
        self.content = content
        self.sizes = varint_sizes(content)
        # protobuf leaves a packed field out where it is empty, but not a message.
        if not always:
            self.sizes *= content > 0
        self.lengths = self.sizes + (self.sizes > 0) * np.int64(len(tag))


class _Head:
    """Tags one after another."""

    def __init__(self, tags: Sequence[_Tag]) -> None:
        self.tags = tags
        self.lengths = _total(tags, len(tags[0].lengths))

    def lay(self, out: Array, starts: Array) -> None:
        """Lay together the heads whose lengths have as many bytes: those are equal but for the lengths."""
        shapes = np.zeros(len(starts), np.int64)
        for tag in self.tags:
            shapes = shapes << 4 | tag.sizes
        if (shapes == shapes[0]).all():
            self._lay_alike(out, starts, slice(None))
            return
        for shape in np.unique(shapes):
            rows = np.flatnonzero(shapes == shape)
            self._lay_alike(out, starts[rows], rows)

    def _lay_alike(self, out: Array, starts: Array, rows: Array | slice) -> None:
        template, holes = b"", []
        for tag in self.tags:
            sizes = tag.sizes[rows]
            if size := int(sizes[0]):
                template += tag.tag
                holes.append((len(template), size, tag.content[rows]))
                template += bytes([0x80] * (size - 1) + [0])
        if not template:
            return
        octets = np.empty((len(starts), len(template)), np.uint8)
        octets[:] = np.frombuffer(template, np.uint8)
        for at, size, content in holes:
            for plane in range(size):
                octets[:, at + plane] |= (content >> VARINT_BITS * plane).astype(np.uint8) & np.uint8(0x7F)
        _Items(octets, 1).lay(out, starts)


_Piece = _Items | _Varints | _Head


def _total(pieces: Sequence[_Piece] | Sequence[_Tag], rows: int) -> Array:
    total = np.zeros(rows, np.int64)
    for piece in pieces:
        total += piece.lengths
    return total


def _field_pieces(section: int, name: str, values: Array | Sparse) -> list[_Piece]:
    rows = len(values)
    behind: list[_Piece] = []
    if isinstance(values, Sparse):
        counts = np.diff(values.indptr)
        dtype = values.data.dtype
        content = _numbers(values.data, counts, rows)
        keys = _Varints(values.indices, counts)
        shape = np.frombuffer(_delimited(3, varint(values.width)), np.uint8)
        behind = [_Head([_Tag(b"\x12", keys.lengths, always=False)]), keys, _Items(np.tile(shape, (rows, 1)), 1)]
    else:
        dtype = values.dtype
        content = _numbers(values.reshape(-1), values.shape[1], rows)
    first = _Tag(b"\x0a", content.lengths, always=False)
    tensor = _Tag(
        varint(_TENSOR_NUMBERS[dtype] << 3 | 2), first.lengths + content.lengths + _total(behind, rows), always=True
    )
    value = _Tag(_delimited(1, name.encode()) + b"\x12", tensor.lengths + tensor.content, always=True)
    entry = _Tag(varint(section << 3 | 2), value.lengths + value.content, always=True)
    return [_Head([entry, value, tensor, first]), content, *behind]


def _numbers(values: Array, counts: Array | int, rows: int) -> _Items | _Varints:
    if values.dtype.kind == "i":
        return _Varints(values, np.full(rows, counts) if isinstance(counts, int) else counts)
    items = np.ascontiguousarray(values).view(np.uint8)
    if isinstance(counts, int):
        return _Items(items.reshape(rows, counts * values.dtype.itemsize), 1)
    return _Items(items.reshape(-1, values.dtype.itemsize), counts)
