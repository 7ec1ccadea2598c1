"""What a run is made of: batches of rows that are in memory together, and the chunks of them that travel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from smrt_jupyter.scoring.assembly import Assembly

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smrt_jupyter.answers import Answers, Untyped
    from smrt_jupyter.codecs.base import Writer
    from smrt_jupyter.scoring.journal import Journal, Part


class RawReply(Protocol):
    """What `send` brings, and a journal keeps."""

    @property
    def body(self) -> bytes:
        """The payload."""

    @property
    def content_type(self) -> str:
        """Its media type."""


def as_they_are(rows: range) -> Sequence[int]:
    """Tell rows by the numbers that the run has for them."""
    return rows


@dataclass(eq=False)
class Batch:
    """Rows that are in memory together: a whole table, or a piece of a long file.

    Parameters
    ----------
    rows : range
        Where they are in the run.
    write : callable
        ``(start, stop) -> bytes``, counted from the first row of the batch.
    read : callable
        ``(reply, rows) -> answers``, counted in the run.
    journal : Journal or Part, optional
        Counted from the first row of the batch.
    boundaries : sequence of int
        Rows, counted from the first of the batch, that no request reaches across.
    told : callable
        ``rows of the run -> rows as the user counts them``, for the errors.
    """

    rows: range
    write: Writer
    read: Callable[[RawReply, range], Answers | Untyped]
    journal: Journal | Part | None = None
    boundaries: Sequence[int] = ()
    told: Callable[[range], Sequence[int]] = as_they_are
    assembly: Assembly = field(init=False)
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.assembly = Assembly(len(self.rows))
        self.left = len(self.rows)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of a batch that travel in one request.

    Attributes
    ----------
    batch : Batch
        Whose rows.
    within : range
        Counted from the first row of the batch.
    """

    batch: Batch
    within: range

    @property
    def rows(self) -> range:
        """Where it is in the run."""
        offset = self.batch.rows.start
        return range(self.within.start + offset, self.within.stop + offset)
