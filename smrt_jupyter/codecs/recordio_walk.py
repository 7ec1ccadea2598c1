"""Records that have the same fields, walked side by side: one position in each of them, and all go forward together.

What any record does differently from the first ends the walk, without a word about what it is: then the records are
read one by one, and whether they are broken is found there. So nothing is refused here, and nothing is believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from smrt_jupyter.codecs.recordio_frames import DELIMITED, FEATURES, LABEL, LENGTH_BITS, MAGIC, STEPS
from smrt_jupyter.codecs.recordio_varints import LAST_OF_VARINT, VARINT_BITS, windows

if TYPE_CHECKING:
    from smrt_jupyter.tables import Array

_MOST_FIELDS = 64
_BLOCK_ROWS = 1 << 9
_NAME, _VALUE = 1 << 3 | DELIMITED, 2 << 3 | DELIMITED
_VALUES, _KEYS, _SHAPE = (number << 3 | DELIMITED for number in (1, 2, 3))
_SECTIONS = {number << 3 | DELIMITED: number for number in (FEATURES, LABEL)}
_KINDS = {kind << 3 | DELIMITED: kind for kind in STEPS}


@dataclass
class Packed:
    """One field of all records, its numbers still as the bytes that the records have.

    Attributes
    ----------
    kind : int
        The number of the tensor's type.
    values, keys : bytes
        Those of one record after the other.
    values_sizes, keys_sizes : ndarray of int64
        How many bytes of them each record has.
    shape : bytes or None
        What each record has; None where they differ.
    """

    kind: int
    values: bytes
    values_sizes: Array
    keys: bytes
    keys_sizes: Array
    shape: bytes | None


class _UnlikeError(Exception):
    pass


def walk(body: bytes) -> tuple[int, dict[tuple[int, bytes], Packed]] | None:
    """Read all records at once.

    Parameters
    ----------
    body : bytes
        Untrusted.

    Returns
    -------
    rows : int
    fields : dict of (section, name) to Packed
        Or None in place of both, where the records are not alike, or not as every known writer has them.
    """
    try:
        starts, stops = _payloads(body)
        steps = _Steps(body, starts)
        fields: list[tuple[int, bytes, Packed]] = []
        # A step costs the same however few the records are: one record of very many fields is read faster on its own.
        while len(fields) < _MOST_FIELDS and not steps.are_at(stops):
            fields.append(steps.field(stops))
        alike = steps.are_at(stops)
    except _UnlikeError:
        return None
    named = {(section, name): field for section, name, field in fields}
    return (len(starts), named) if alike and len(named) == len(fields) else None


def _payloads(body: bytes) -> tuple[Array, Array]:
    """Find the records by their magic number, if each ends where the next one is found."""
    words = np.frombuffer(body, "<u4", len(body) // 4)
    heads = np.flatnonzero(words[:-1] == MAGIC)
    lengths = words[heads + 1].astype(np.int64)
    starts = heads * 4 + 8
    stops = starts + lengths
    ends = stops + -lengths % 4
    # The upper bits of a length tell of a record in parts; such a record is longer than any body.
    whole = len(heads) > 0 and heads[0] == 0 and stops[-1] <= len(body) <= ends[-1]
    if not whole or (ends[:-1] != starts[1:] - 8).any() or (lengths >> LENGTH_BITS).any():
        raise _UnlikeError
    return starts, stops


class _Steps:
    """Where the walk has come to in each record.

    A position may be wrong, or behind its record, only until the next length is compared with where its message stops.
    """

    def __init__(self, body: bytes, at: Array) -> None:
        self.body = body
        self.octets = np.frombuffer(body, np.uint8)
        self.at = at

    def are_at(self, stops: Array) -> bool:
        there = self.at == stops
        if there.all():
            return True
        if there.any() or (self.at > stops).any():
            raise _UnlikeError
        return False

    def field(self, limits: Array) -> tuple[int, bytes, Packed]:
        section = _SECTIONS.get(self._tag())
        stops = self._stops(limits)
        self._expect(_NAME)
        name = self._same(self._stops(stops))
        self._expect(_VALUE)
        value_stops = self._stops(stops)
        kind = _KINDS.get(self._tag())
        tensor_stops = self._stops(stops)
        if section is None or kind is None or (value_stops != stops).any() or (tensor_stops != stops).any():
            raise _UnlikeError
        values, values_sizes = self._packed(_VALUES, stops)
        keys, keys_sizes = self._packed(_KEYS, stops)
        shapes, shapes_sizes = self._packed(_SHAPE, stops)
        shape = shapes[: shapes_sizes[0]]
        if (values_sizes % STEPS[kind]).any():
            raise _UnlikeError
        if not self.are_at(stops) or (shapes_sizes != len(shape)).any() or shapes != shape * len(stops):
            raise _UnlikeError
        return section, name, Packed(kind, values, values_sizes, keys, keys_sizes, shape)

    def _octets(self, at: Array) -> Array:
        octets: Array = self.octets.take(at, mode="clip")
        return octets

    def _tag(self) -> int:
        tags = self._octets(self.at)
        if (tags != tags[0]).any():
            raise _UnlikeError
        self.at = self.at + 1
        return int(tags[0])

    def _expect(self, tag: int) -> None:
        if self._tag() != tag:
            raise _UnlikeError

    def _stops(self, limits: Array) -> Array:
        lengths, self.at = self._lengths(self.at)
        stops = self.at + lengths
        if (stops > limits).any():
            raise _UnlikeError
        return stops

    def _lengths(self, at: Array) -> tuple[Array, Array]:
        lengths, more = np.zeros(len(at), np.int64), np.ones(len(at), bool)
        for shift in range(0, LENGTH_BITS, VARINT_BITS):
            octets = self._octets(at)
            lengths |= ((octets & np.uint8(0x7F)) * more).astype(np.int64) << shift
            at = at + more
            more &= octets > LAST_OF_VARINT
            if not more.any():
                return lengths, at
        raise _UnlikeError

    def _same(self, stops: Array) -> bytes:
        size = int(stops[0] - self.at[0])
        if (stops - self.at != size).any():
            raise _UnlikeError
        names = windows(self.octets, size)[self.at].tobytes() if size else b""
        self.at = stops
        if names != names[:size] * len(stops):
            raise _UnlikeError
        return names[:size]

    def _packed(self, tag: int, stops: Array) -> tuple[bytes, Array]:
        there = (self._octets(self.at) == tag) & (self.at < stops)
        if not there.any():
            return b"", np.zeros(len(stops), np.int64)
        lengths, starts = self._lengths(self.at + 1)
        starts, ends = np.where(there, (starts, starts + lengths), self.at)
        if (ends > stops).any():
            raise _UnlikeError
        self.at = ends
        packed = bytearray()
        # Each piece is copied by Python: to find them by NumPy means an index for each byte, which takes longer.
        for row in range(0, len(stops), _BLOCK_ROWS):
            rows = slice(row, row + _BLOCK_ROWS)
            places = zip(starts[rows].tolist(), ends[rows].tolist(), strict=True)
            packed += b"".join([self.body[start:end] for start, end in places])
        return bytes(packed), ends - starts
