"""Answers of replies without types, such as CSV: there a label of digits looks like a number.

A chunk whose labels happen to be ``1`` and ``2`` is read as numbers, and the next one, ``a`` and ``b``, as text, where
one reply for all rows would have been text throughout. So numbers that stand beside text become text again, as Python
writes them, which is how most containers do. What was written otherwise (``1.50``, ``1e3``) does not come back as it
was, and a NaN is missing: to keep the text of every number would take several times the memory of the numbers. Only a
reply of one row keeps its text, for that may be prose.

JSON says itself what is text, so its answers stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from smrt_jupyter.answers import Answers
    from smrt_jupyter.tables import Array

EXACT_IN_FLOAT = 2**53


@dataclass(frozen=True, slots=True)
class Untyped:
    """Answers whose types were found by their looks.

    Attributes
    ----------
    answers : Answers
        As they were read.
    text : str or None
        The reply itself, where it is of one row.
    """

    answers: Answers
    text: str | None = None


def fields(matrix: Array) -> dict[str, Array]:
    """Take a matrix apart, into the columns that CSV has where one of them is text.

    Parameters
    ----------
    matrix : ndarray
        Of two dimensions.

    Returns
    -------
    dict of str to ndarray
        Whole numbers are integers: they are floats in the matrix for the sake of another column.

    Examples
    --------
    >>> fields(np.array([[1, 0.5], [2, 0.25]]))
    {'0': array([1, 2]), '1': array([0.5 , 0.25])}
    """
    columns = {str(place): np.ascontiguousarray(matrix[:, place]) for place in range(matrix.shape[1])}
    return {name: column.astype(np.int64) if _is_whole(column) else column for name, column in columns.items()}


def _is_whole(column: Array) -> bool:
    return column.dtype.kind == "f" and bool(((column % 1 == 0) & (np.abs(column) < EXACT_IN_FLOAT)).all())


def are_of_one_type(cells: list[Any]) -> bool:
    """Tell whether cells need not become text: numbers, truths or texts, and nothing else beside them.

    Parameters
    ----------
    cells : list

    Returns
    -------
    bool
    """
    kinds = {float if kind is int else kind for kind in set(map(type, cells)) - {type(None)}}
    return len(kinds) <= 1


def as_text(cell: Any) -> str | None:
    """Write a cell as most containers do; None and NaN are missing.

    Parameters
    ----------
    cell : object

    Returns
    -------
    str or None

    Examples
    --------
    >>> as_text(1), as_text(0.5), as_text("b"), as_text(float("nan"))
    ('1', '0.5', 'b', None)
    """
    return None if cell is None or cell != cell else str(cell)  # noqa: PLR0124 - only NaN differs from itself
