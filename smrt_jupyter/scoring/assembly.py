"""The answers of many chunks, put where they belong as they come.

One array from the first chunk on, so that memory peaks at the answers themselves; rows that never came are missing.
No type depends on where the table was cut: the whole is what one reply for all rows would have been.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from smrt_jupyter.answers.untyped import Text, Untyped, are_of_one_type, as_text
from smrt_jupyter.errors import AnswerError
from smrt_jupyter.scoring.chunks import missing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smrt_jupyter.answers import Answers

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
        self._nulls: list[range] = []
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
            When this chunk's answers are of another shape than those of the chunks before it.
        """
        self._untyped &= isinstance(part, Untyped)
        read = part if isinstance(part, Untyped) else Untyped(part)
        read = self._in_fields(read) if self._untyped else read
        part = read.answers
        if isinstance(part, list) and all(cell is None for cell in part):
            self._nulls.append(rows)  # which says nothing of a type
            return
        if isinstance(part, dict):
            self._place_fields(rows, read)
        elif isinstance(self._whole, dict):
            raise AnswerError("This reply has no named fields, and replies before it had.")
        elif isinstance(part, np.ndarray) and not isinstance(self._whole, list):
            self._place_array(rows, part)
        else:
            self._whole = whole = self._as_list()
            whole[rows.start : rows.stop] = part.tolist() if isinstance(part, np.ndarray) else part
        self._placed[rows] = part.dtype if isinstance(part, np.ndarray) else None
        if read.text is not None:
            self._texts[rows] = read.text

    def missing(self) -> list[range]:
        """Say which rows nothing was placed in.

        Returns
        -------
        list of range
        """
        return self._gaps([*self._placed, *self._nulls])

    def finish(self) -> Answers:
        """Give the whole; where nothing was placed, NaN, NaT or None.

        Returns
        -------
        ndarray, list or dict of them
        """
        if self._whole is None:
            return [None] * self._rows if self._nulls else np.full(self._rows, np.nan)
        if isinstance(self._whole, dict):
            # In the order of the rows, for that of the replies is chance's.
            names = sorted(self._whole, key=self._order.__getitem__)
            found: dict[str, Any] = {name: self._whole[name].finish() for name in names}
            return found
        if isinstance(self._whole, np.ndarray):
            kind = self._whole.dtype.kind
            if kind == "O" or (self._nulls and kind in "iub"):  # a whole number stays one beside a null
                self._whole = self._as_list()
        if isinstance(self._whole, list):
            if self._untyped and not are_of_one_type(self._whole):
                self._whole = self._as_text(self._whole)
            return self._whole
        gaps = self._gaps(self._placed)
        if gaps:
            self._whole = _able_to_miss(self._whole, self._placed)
            lack = LACK.get(self._whole.dtype.kind, np.nan)
            for rows in gaps:
                self._whole[rows.start : rows.stop] = lack
        return self._whole

    def _gaps(self, filled: Iterable[range]) -> list[range]:
        return missing([range(self._rows)], sorted(filled, key=lambda rows: rows.start))

    def _as_list(self) -> list[Any]:
        if isinstance(self._whole, list):
            return self._whole
        whole: list[Any] = [None] * self._rows
        if isinstance(self._whole, np.ndarray):
            for done, dtype in self._placed.items():
                whole[done.start : done.stop] = self._whole[done.start : done.stop].astype(dtype).tolist()
        return whole

    def _as_text(self, cells: list[Any]) -> list[str | None]:
        whole = list(map(as_text, cells))
        for rows, text in self._texts.items():
            kept = text.cells()
            if len(kept) == len(rows):
                whole[rows.start : rows.stop] = kept
        return whole

    def _in_fields(self, read: Untyped) -> Untyped:
        """Take matrices apart, this one or those before it, where another chunk has text in one of its columns."""
        part, whole = read.answers, self._whole
        if isinstance(part, np.ndarray) and isinstance(whole, dict) and part.shape[1:] == (len(whole),):
            return read.in_fields()
        if isinstance(part, dict) and isinstance(whole, np.ndarray) and whole.shape[1:] == (len(part),):
            self._whole = None
            for rows in self._placed:
                before = Untyped(whole[rows.start : rows.stop], self._texts.get(rows))
                self._place_fields(rows, before.in_fields())
        return read

    def _place_fields(self, rows: range, read: Untyped) -> None:
        part: Any = read.answers
        if self._whole is None:
            self._whole = {}
        if not isinstance(self._whole, dict):
            raise AnswerError("This reply has named fields, and replies before it had none.")
        for name, field in part.items():
            if name in self._whole:
                self._whole[name].refuse_another_width(field)  # before any of them is placed
        for place, (name, field) in enumerate(part.items()):
            if name not in self._whole:
                self._whole[name] = Assembly(self._rows)
            self._order[name] = min((rows.start, place), self._order.get(name, (self._rows, 0)))
            self._whole[name].place(rows, read.field(name, place) if self._untyped else field)

    def refuse_another_width(self, part: Any) -> None:
        """Raise `AnswerError` for an array that has another number of values a row than those before it.

        Parameters
        ----------
        part : ndarray or list
        """
        whole = self._whole
        if isinstance(whole, np.ndarray) and isinstance(part, np.ndarray) and whole.shape[1:] != part.shape[1:]:
            told = f"This reply has {_width(part)} a row, and replies before it had {_width(whole)}."
            raise AnswerError(told)

    def _place_array(self, rows: range, part: np.ndarray[Any, Any]) -> None:
        whole = self._whole
        if not isinstance(whole, np.ndarray):
            self._whole = whole = np.empty((self._rows, *part.shape[1:]), part.dtype)
        self.refuse_another_width(part)
        if whole.dtype != part.dtype:
            common = _common(whole.dtype, part.dtype)
            if common.kind in "fc":
                # what came before is looked at when it changes its type, which it does once or twice in a run
                changed = [] if common == whole.dtype else [whole[done.start : done.stop] for done in self._placed]
                if not all(map(_is_exact_in_float, (part, *changed))):
                    common = np.dtype(object)
            self._whole = whole = whole.astype(common, copy=False)
        whole[rows.start : rows.stop] = part


def _width(answers: np.ndarray[Any, Any]) -> str:
    values = int(np.prod(answers.shape[1:]))
    return "one value" if values == 1 else f"{values} values"


def _common(one: np.dtype[Any], other: np.dtype[Any]) -> np.dtype[Any]:
    """Find the type that holds both without turning truths into numbers, or numbers into text."""
    alike = one.kind == other.kind or (one.kind in "iufc" and other.kind in "iufc")
    return np.result_type(one, other) if alike else np.dtype(object)


def _able_to_miss(whole: np.ndarray[Any, Any], placed: Iterable[range]) -> np.ndarray[Any, Any]:
    """Turn answers into a type that has a missing value, without changing any of them."""
    if whole.dtype.kind in "fcmMO":
        return whole
    if whole.dtype.kind in "iu" and all(_is_exact_in_float(whole[rows.start : rows.stop]) for rows in placed):
        return whole.astype(np.float64)
    return whole.astype(object)


def _is_exact_in_float(part: np.ndarray[Any, Any]) -> bool:
    """Say whether a float can stand for each of these answers."""
    if part.dtype.kind not in "iu" or not part.size:
        return True
    return int(part.min()) >= -EXACT_IN_FLOAT and int(part.max()) <= EXACT_IN_FLOAT
