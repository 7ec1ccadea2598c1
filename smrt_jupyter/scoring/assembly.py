"""The answers of many chunks, put where they belong as they come.

One array from the first chunk on, so that memory peaks at the answers themselves; rows that never came are missing.
No type depends on where the table was cut: the whole is what one reply for all rows would have been.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from smrt_jupyter.answers.cells import is_nothing, narrow
from smrt_jupyter.answers.untyped import Text, Untyped, as_one_reply, as_text
from smrt_jupyter.errors import AnswerError
from smrt_jupyter.scoring.chunks import missing
from smrt_jupyter.tables import are_positions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from smrt_jupyter.answers import Answers
    from smrt_jupyter.tables import Array

EXACT_IN_FLOAT = 2**53
LACK = {"O": None, "M": np.datetime64("nat"), "m": np.timedelta64("nat")}
"""What stands for a missing answer, by the kind of type; NaN for the others."""


class Assembly:
    """Answers in row order, filled piece by piece.

    Parameters
    ----------
    rows : int
        Rows of the whole table.

    Examples
    --------
    >>> assembly = Assembly(4)
    >>> assembly.place(range(2, 4), np.array([3.0, 4.0]))
    >>> assembly.finish()
    array([nan, nan,  3.,  4.])
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._placed: dict[range, np.dtype[Any] | None] = {}
        self._nothing: dict[range, list[Any]] = {}
        self._untyped = True
        self._texts: dict[range, Text] = {}
        self._order: dict[str, tuple[int, int]] = {}
        self._whole: np.ndarray[Any, Any] | list[Any] | dict[str, Assembly] | None = None

    def place(self, rows: range, part: Answers | Untyped) -> None:
        """Put the answers of a chunk into their rows.

        Parameters
        ----------
        rows : range
            The chunk; not placed before.
        part : ndarray, list or dict of them, Untyped
            One answer a row.

        Raises
        ------
        AnswerError
            When this chunk's answers are of another shape than those of the chunks before it, and of a type that one
            reply could not have had both in. What JSON can have is a list.
        """
        self._untyped &= isinstance(part, Untyped)
        read = self._apart(part) if isinstance(part, Untyped) else part
        if isinstance(read, list) and all(map(is_nothing, read)):
            self._nothing[rows] = read  # which says nothing of a type
            return
        if self._untyped:
            self._refuse_another_shape(read)
        if isinstance(read, dict) and (self._whole is None or isinstance(self._whole, dict)):
            self._place_fields(rows, read)
        elif isinstance(read, np.ndarray) and self._are_arrays_like(read):
            self._place_array(rows, read)
        else:
            self._whole = whole = self._as_list()
            whole[rows.start : rows.stop] = _listed(read)
        self._placed[rows] = read.dtype if isinstance(read, np.ndarray) else None
        if isinstance(part, Untyped) and part.text is not None and not isinstance(read, dict):
            self._texts[rows] = part.text

    def missing(self) -> list[range]:
        """Say which rows nothing was placed in.

        Returns
        -------
        list of range
        """
        return self._gaps([*self._placed, *self._nothing])

    def finish(self) -> Answers:
        """Give the whole; where nothing was placed, NaN, NaT or None.

        Returns
        -------
        ndarray, list or dict of them
        """
        if self._whole is None and not self._nothing:
            return np.full(self._rows, np.nan)
        if isinstance(self._whole, dict):
            # In the order of the rows, for that of the replies is chance's.
            names = sorted(self._whole, key=self._order.__getitem__)
            fields: Any = narrow({name: self._whole[name].finish() for name in names})
            if self._untyped and isinstance(fields, dict) and are_positions(fields):
                return dict(enumerate(fields.values()))  # type: ignore[arg-type] # columns that nobody has named
            return fields  # type: ignore[no-any-return] # a form of answers
        if not isinstance(self._whole, np.ndarray) or self._is_a_list():
            return self._finished_list()
        whole: np.ndarray[Any, Any] = narrow(self._whole)
        if gaps := self._gaps(self._placed):
            whole = _able_to_miss(whole, exact=whole.dtype.kind in "iu" and self._are_exact_in_float(whole))
            for rows in gaps:
                whole[rows.start : rows.stop] = LACK.get(whole.dtype.kind, np.nan)
        return whole

    def _is_a_list(self) -> bool:
        """Say whether an array cannot hold what is nothing beside it, as one reply for all rows would have it."""
        whole: Any = self._whole
        if whole.dtype.kind == "O" or any(isinstance(cell, list) for cells in self._nothing.values() for cell in cells):
            return True
        return bool(self._nothing) and not (whole.dtype.kind in "iufc" and self._are_exact_in_float(whole))

    def _finished_list(self) -> list[Any]:
        whole = self._as_list()
        for rows, cells in self._nothing.items():
            whole[rows.start : rows.stop] = cells
        return as_one_reply(whole, self._as_text) if self._untyped else whole

    def _are_exact_in_float(self, whole: np.ndarray[Any, Any]) -> bool:
        return all(_is_exact_in_float(whole[rows.start : rows.stop]) for rows in self._placed)

    def _gaps(self, filled: Iterable[range]) -> list[range]:
        return missing([range(self._rows)], sorted(filled, key=lambda rows: rows.start))

    def _as_list(self) -> list[Any]:
        if isinstance(self._whole, list):
            return self._whole
        whole: list[Any] = [None] * self._rows
        if isinstance(self._whole, np.ndarray):
            for done, dtype in self._placed.items():
                whole[done.start : done.stop] = self._whole[done.start : done.stop].astype(dtype).tolist()
        if isinstance(self._whole, dict):
            fields = {name: field._as_list() for name, field in self._whole.items()}  # noqa: SLF001 - one of these
            for done in self._placed:
                whole[done.start : done.stop] = _listed(
                    {name: cells[done.start : done.stop] for name, cells in fields.items()}
                )
        return whole

    def _as_text(self, cells: list[Any]) -> list[str | None]:
        whole = list(map(as_text, cells))
        for rows, text in self._texts.items():
            kept = text.cells()
            if len(kept) == len(rows):
                whole[rows.start : rows.stop] = kept
        return whole

    def _apart(self, read: Untyped) -> Answers | dict[str, Untyped]:
        """Take fields apart, and matrices, this one or those before it, where another chunk has text in a column."""
        part, whole = read.answers, self._whole
        if isinstance(part, dict):
            if self._untyped and isinstance(whole, np.ndarray) and whole.shape[1:] == (len(part),):
                self._take_apart(whole)
            return read.fields()
        if not self._untyped or not isinstance(part, np.ndarray):
            return part
        if isinstance(whole, dict):
            return read.fields() if part.shape[1:] == (len(whole),) else part
        if (
            isinstance(whole, np.ndarray)
            and part.ndim > 1
            and self._are_arrays_like(part)
            and self._common_type(whole, part).kind == "O"
        ):
            self._take_apart(whole)
            return read.fields()
        return part

    def _take_apart(self, whole: np.ndarray[Any, Any]) -> None:
        """Make fields of the columns of what was placed before."""
        self._whole = None
        for rows in self._placed:
            part_before = whole[rows.start : rows.stop].astype(self._placed[rows])
            before = Untyped(part_before, self._texts.pop(rows, None))
            self._place_fields(rows, before.fields())

    def _place_fields(self, rows: range, part: Mapping[str, Array | list[Any] | Untyped]) -> None:
        if self._whole is None:
            self._whole = {}
        assert isinstance(self._whole, dict)  # noqa: S101 - what was seen before, told to the type checker
        for place, (name, field) in enumerate(part.items()):
            if name not in self._whole:
                self._whole[name] = Assembly(self._rows)
            self._order[name] = min((rows.start, place), self._order.get(name, (self._rows, 0)))
            self._whole[name].place(rows, field)

    def _refuse_another_shape(self, read: Any) -> None:
        """Raise `AnswerError`, before anything of a reply is placed, for what no table of CSV could have."""
        whole = self._whole
        if isinstance(read, dict) and whole is not None:
            if not isinstance(whole, dict):
                raise AnswerError("This reply has named fields, and replies before it had none.")
            for name in whole.keys() & read.keys():
                whole[name]._refuse_another_shape(read[name].answers)  # noqa: SLF001 - one of these
        elif isinstance(whole, dict):
            raise AnswerError("This reply has no named fields, and replies before it had.")
        elif isinstance(whole, np.ndarray) and isinstance(read, np.ndarray) and not self._are_arrays_like(read):
            told = f"This reply has {_width(read)} a row, and replies before it had {_width(whole)}."
            raise AnswerError(told)

    def _are_arrays_like(self, part: np.ndarray[Any, Any]) -> bool:
        whole = self._whole
        return whole is None or (isinstance(whole, np.ndarray) and whole.shape[1:] == part.shape[1:])

    def _place_array(self, rows: range, part: np.ndarray[Any, Any]) -> None:
        whole = self._whole
        if not isinstance(whole, np.ndarray):
            self._whole = whole = np.empty((self._rows, *part.shape[1:]), part.dtype)
        if whole.dtype != part.dtype:
            self._whole = whole = whole.astype(self._common_type(whole, part), copy=False)
        whole[rows.start : rows.stop] = part

    def _common_type(self, whole: np.ndarray[Any, Any], part: np.ndarray[Any, Any]) -> np.dtype[Any]:
        """Find the type that holds a part and what came before without changing either: Python's objects at worst."""
        common = _common(whole.dtype, part.dtype)
        if common.kind not in "fc" or whole.dtype == part.dtype:
            return common
        # what came before is looked at when it changes its type, which it does once or twice in a run
        changed = [] if common == whole.dtype else [whole[done.start : done.stop] for done in self._placed]
        return common if all(map(_is_exact_in_float, (part, *changed))) else np.dtype(object)


def _width(answers: np.ndarray[Any, Any]) -> str:
    values = int(np.prod(answers.shape[1:]))
    return "one value" if values == 1 else f"{values} values"


def _common(one: np.dtype[Any], other: np.dtype[Any]) -> np.dtype[Any]:
    """Find the type that holds both without turning truths into numbers, or numbers into text."""
    alike = one.kind == other.kind or (one.kind in "iufc" and other.kind in "iufc")
    return np.result_type(one, other) if alike else np.dtype(object)


def _able_to_miss(whole: np.ndarray[Any, Any], *, exact: bool) -> np.ndarray[Any, Any]:
    """Turn answers into a type that has a missing value, without changing any of them."""
    if whole.dtype.kind in "fcmMO":
        return whole
    return whole.astype(np.float64 if exact else object)


def _listed(part: Any) -> list[Any]:
    """Give one object a row; of several fields a mapping of those that the row has."""
    if isinstance(part, dict):
        fields = {name: _listed(cells) for name, cells in part.items()}
        rows = zip(*fields.values(), strict=True)
        return [{name: cell for name, cell in zip(fields, row, strict=True) if cell is not None} for row in rows]
    return part.tolist() if isinstance(part, np.ndarray) else list(part)


def _is_exact_in_float(part: np.ndarray[Any, Any]) -> bool:
    """Say whether a float can stand for each of these answers."""
    if part.dtype.kind not in "iu" or not part.size:
        return True
    return int(part.min()) >= -EXACT_IN_FLOAT and int(part.max()) <= EXACT_IN_FLOAT
