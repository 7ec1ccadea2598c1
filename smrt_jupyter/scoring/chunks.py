"""Where to cut a table into requests: by rows and by serialised bytes.

Pure, and the same for the same table and policy: sizes are learned from a sample that is always taken at the same
places, never from the clock, the endpoint or chance. The cut is an estimate. What a body really weighs is only known
once it is written, so the scoring loop weighs each one again and divides it where the estimate was too low.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smrt_jupyter.codecs.base import Writer
    from smrt_jupyter.policy import Policy

CHUNK_BYTES = 4 * 1024 * 1024
"""Bytes of a request where the policy names none. Larger ones gain nothing, and a hundred or so small ones a second are
all that one Python process can send (boto3 costs about a millisecond a call, whatever it carries)."""

CHUNK_BYTES_SMALLEST = 256 * 1024
CHUNKS_WANTED = 16
"""A small table is cut finer than `CHUNK_BYTES`, so that several requests share the work, down to the smallest size."""

MARGIN = 0.97
"""A limit is aimed at with this much of it, because rows that are not in the sample may be longer."""

STRETCHES = 4
STRETCH_BYTES = 64 * 1024
PROBE_ROWS = 16


@dataclass(frozen=True, slots=True)
class Weight:
    """What rows weigh once they are serialised.

    Attributes
    ----------
    fixed : float
        Bytes that a body has whatever its rows: a header, the brackets around JSON, the footer of Parquet.
    row : float
        Bytes a row, on average over the sample.
    row_heaviest : float
        Bytes a row in the heaviest stretch of the sample.
    """

    fixed: float
    row: float
    row_heaviest: float

    def rows_within(self, limit: float) -> int:
        """Say how many rows fit, going by the heaviest stretch; at least 1, because a row cannot be cut."""
        return max(1, math.floor((limit * MARGIN - self.fixed) / max(self.row_heaviest, 1e-9)))


def weigh(rows: int, write: Writer, policy: Policy) -> Weight:
    """Serialise a few stretches, spread evenly over the table, and learn what a row weighs.

    Parameters
    ----------
    rows : int
        Rows of the table.
    write : callable
        ``(start, stop) -> bytes``. It is never asked for more than ``chunk_rows`` rows: a template may take one alone.
    policy : Policy
        For its ``chunk_rows``.

    Returns
    -------
    Weight

    Raises
    ------
    CodecError
        When the sample holds something that cannot be carried.

    Examples
    --------
    >>> from smrt_jupyter.policy import Policy
    >>> weigh(10_000, lambda start, stop: bytes(100 + 8 * (stop - start)), Policy())
    Weight(fixed=100.0, row=8.0, row_heaviest=8.0)
    """
    if rows == 0:
        return Weight(0.0, 0.0, 0.0)
    longest = min(rows, policy.chunk_rows or rows)
    first = len(write(0, 1))
    probe = min(longest, PROBE_ROWS)
    roughly = max(1.0, (len(write(0, probe)) if probe > 1 else first) / probe)
    stretch = min(longest, max(probe, math.ceil(STRETCH_BYTES / roughly)))
    starts = sorted({(rows - stretch) * place // (STRETCHES - 1) for place in range(STRETCHES)})
    sizes = [len(write(start, start + stretch)) for start in starts]
    fixed = max(0.0, first - (sizes[0] - first) / (stretch - 1)) if stretch > 1 else 0.0
    each = [max(0.0, size - fixed) / stretch for size in sizes]
    return Weight(fixed, sum(each) / len(each), max(each))


def cut(rows: int, weight: Weight, policy: Policy, boundaries: Sequence[int] = ()) -> list[range]:
    """Say which rows travel together.

    Parameters
    ----------
    rows : int
        Rows of the table.
    weight : Weight
        What they weigh.
    policy : Policy
        ``chunk_rows``, ``chunk_bytes`` and ``payload_limit``, all of which hold.
    boundaries : sequence of int, default=()
        Rows that begin a chunk in any case, in ascending order: those before and after go to different models.

    Returns
    -------
    list of range
        Every row once, in order. No chunk has one row unless the policy leaves no other way: the default container
        for scikit-learn reads a body of one row as one column.

    Examples
    --------
    >>> from smrt_jupyter.policy import Policy
    >>> cut(7, Weight(0.0, 4.0, 4.0), Policy(chunk_rows=3))
    [range(0, 3), range(3, 5), range(5, 7)]
    """
    most = weight.rows_within(min(policy.payload_limit, policy.chunk_bytes or policy.payload_limit))
    if policy.chunk_rows is not None:
        most = min(most, policy.chunk_rows)
    elif policy.chunk_bytes is None:
        whole = weight.fixed + weight.row * rows
        wanted = min(CHUNK_BYTES, max(CHUNK_BYTES_SMALLEST, whole / CHUNKS_WANTED))
        most = min(most, max(1, round((wanted - weight.fixed) / max(weight.row, 1e-9))))
    ends = sorted({0, *boundaries, rows})
    return [chunk for start, stop in pairwise(ends) for chunk in _steps(range(start, stop), most, policy)]


def divide(rows: range, pieces: int) -> list[range]:
    """Cut a chunk that was too large into pieces of nearly the same number of rows.

    Parameters
    ----------
    rows : range
        The chunk.
    pieces : int
        How many are wanted; never more than there are rows.

    Returns
    -------
    list of range

    Examples
    --------
    >>> divide(range(10, 17), 3)
    [range(10, 13), range(13, 15), range(15, 17)]
    """
    pieces = min(pieces, len(rows))
    small, larger = divmod(len(rows), pieces)
    ends = [rows.start + small * piece + min(piece, larger) for piece in range(pieces + 1)]
    return [range(start, stop) for start, stop in pairwise(ends)]


def missing(chunks: Iterable[range], finished: Sequence[range]) -> list[range]:
    """Say what of some chunks is not finished yet.

    Parameters
    ----------
    chunks : iterable of range
        In row order.
    finished : sequence of range
        In row order, without overlaps; cut in any way, because a chunk may have been divided, or the policy changed.

    Returns
    -------
    list of range

    Examples
    --------
    >>> missing([range(0, 4), range(4, 8)], [range(0, 2), range(3, 6)])
    [range(2, 3), range(6, 8)]
    """
    left: list[range] = []
    position = 0
    for chunk in chunks:
        start = chunk.start
        while position < len(finished) and finished[position].stop <= start:
            position += 1
        look = position
        while look < len(finished) and finished[look].start < chunk.stop:
            if finished[look].start > start:
                left.append(range(start, finished[look].start))
            start = max(start, finished[look].stop)
            look += 1
        if start < chunk.stop:
            left.append(range(start, chunk.stop))
    return left


def _steps(rows: range, most: int, policy: Policy) -> list[range]:
    """Cut at every step: of exactly `chunk_rows` where the user named them, else of even size.

    A last chunk of one row takes one from the chunk before it, when that leaves it two.
    """
    step = most if policy.chunk_rows is not None else math.ceil(len(rows) / math.ceil(len(rows) / most))
    ends = [*rows[::step], rows.stop]
    if step > 2 and len(ends) > 2 and ends[-1] - ends[-2] == 1:  # noqa: PLR2004 - two rows are the fewest wanted
        ends[-2] -= 1
    return [range(start, stop) for start, stop in pairwise(ends)]
