"""The answers of many chunks, put where they belong as they come.

Beside `answers.join`, which needs all parts and the whole at once: a run keeps one array from the first chunk on, so
its memory peaks at the answers themselves, and rows that never came are missing values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from smrt_jupyter.errors import AnswerError
from smrt_jupyter.scoring.chunks import missing

if TYPE_CHECKING:
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
        self._placed: list[range] = []
        self._order: dict[str, tuple[int, int]] = {}
        self._whole: np.ndarray[Any, Any] | list[Any] | dict[str, Assembly] | None = None

    def place(self, rows: range, part: Answers) -> None:
        """Put the answers of a chunk into their rows.

        Parameters
        ----------
        rows : range
            The chunk; not placed before.
        part : ndarray, list or dict of them
            One answer a row.

        Raises
        ------
        AnswerError
            When this chunk's answers are of another shape than those of the chunks before it.
        """
        if isinstance(part, dict):
            self._place_fields(rows, part)
        elif isinstance(self._whole, dict):
            raise AnswerError("This reply has no named fields, and replies before it had.")
        elif isinstance(part, np.ndarray) and not isinstance(self._whole, list):
            self._place_array(rows, part)
        else:
            whole: list[Any] = self._whole if isinstance(self._whole, list) else [None] * self._rows
            if isinstance(self._whole, np.ndarray):
                for done in self._placed:
                    whole[done.start : done.stop] = list(self._whole[done.start : done.stop])
            whole[rows.start : rows.stop] = list(part)
            self._whole = whole
        self._placed.append(rows)

    def missing(self) -> list[range]:
        """Say which rows nothing was placed in.

        Returns
        -------
        list of range
        """
        self._placed.sort(key=lambda rows: rows.start)
        return missing([range(self._rows)], self._placed)

    def finish(self) -> Answers:
        """Give the whole; where nothing was placed, NaN, NaT or None.

        Returns
        -------
        ndarray, list or dict of them
        """
        if self._whole is None:
            return np.full(self._rows, np.nan)
        if isinstance(self._whole, dict):
            # In the order of the rows, for that of the replies is chance's.
            names = sorted(self._whole, key=self._order.__getitem__)
            fields: dict[str, Any] = {name: self._whole[name].finish() for name in names}
            return fields
        if isinstance(self._whole, list):
            return self._whole
        gaps = self.missing()
        if gaps:
            self._whole = _able_to_miss(self._whole, self._placed)
            lack = LACK.get(self._whole.dtype.kind, np.nan)
            for rows in gaps:
                self._whole[rows.start : rows.stop] = lack
        return self._whole

    def _place_fields(self, rows: range, part: dict[str, Any]) -> None:
        if self._whole is None:
            self._whole = {}
        if not isinstance(self._whole, dict):
            raise AnswerError("This reply has named fields, and replies before it had none.")
        for place, (name, field) in enumerate(part.items()):
            if name not in self._whole:
                self._whole[name] = Assembly(self._rows)
            self._order[name] = min((rows.start, place), self._order.get(name, (self._rows, 0)))
            self._whole[name].place(rows, field)

    def _place_array(self, rows: range, part: np.ndarray[Any, Any]) -> None:
        whole = self._whole
        if not isinstance(whole, np.ndarray):
            self._whole = whole = np.empty((self._rows, *part.shape[1:]), part.dtype)
        if whole.shape[1:] != part.shape[1:]:
            msg = f"This reply has {_width(part)} a row, and replies before it had {_width(whole)}."
            raise AnswerError(msg)
        if whole.dtype != part.dtype:
            common = _common(whole.dtype, part.dtype)
            before = (whole[done.start : done.stop] for done in self._placed)
            if common.kind in "fc" and not all(map(_is_exact_in_float, (part, *before))):
                common = np.dtype(object)
            self._whole = whole = whole.astype(common, copy=False)
        whole[rows.start : rows.stop] = part


def _width(answers: np.ndarray[Any, Any]) -> str:
    values = int(np.prod(answers.shape[1:]))
    return "one value" if values == 1 else f"{values} values"


def _common(one: np.dtype[Any], other: np.dtype[Any]) -> np.dtype[Any]:
    """Find the type that holds both without turning numbers into text."""
    if one.kind in "biufc" and other.kind in "biufc":
        return np.result_type(one, other)
    return np.result_type(one, other) if one.kind == other.kind else np.dtype(object)


def _able_to_miss(whole: np.ndarray[Any, Any], placed: list[range]) -> np.ndarray[Any, Any]:
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
