"""Answers of replies without types, such as CSV: there a label of digits looks like a number.

A chunk whose labels happen to be ``1`` and ``2`` is read as numbers, and the next one, ``a`` and ``b``, as text, where
one reply for all rows would have been text throughout. So numbers that stand beside text become text again. Most
containers write numbers as Python does, and these lead back to their text by themselves; of a reply that is written
otherwise (``401.90``, ``1e3``, an empty cell) the text is kept, compressed, until the run ends: keeping all texts would
take several times the memory of the numbers.

JSON says itself what is text, so its answers stay as they are.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from smrt_jupyter.codecs.cells import number_lines
from smrt_jupyter.codecs.csv_reader import plain_lines, rows_of_cells, typed

if TYPE_CHECKING:
    from collections.abc import Callable

    from smrt_jupyter.answers import Answers


@dataclass(frozen=True, slots=True)
class Text:
    """What a chunk's answers were read from.

    Attributes
    ----------
    packed : bytes
        Compressed.
    column : int or None
        Which column of it as CSV; None: all of it is one cell.
    """

    packed: bytes
    column: int | None = 0

    def cells(self) -> list[str | None]:
        """Give the texts of the column; empty where it has no such."""
        if self.column is None:
            return [self._whole()]
        columns = self.columns()
        return columns[self.column] if self.column < len(columns) else []

    def columns(self) -> list[list[str | None]]:
        """Give the texts of all columns that each row has."""
        return [[cell or None for cell in cells] for cells in zip(*rows_of_cells(self._whole()), strict=False)]

    def _whole(self) -> str:
        return zlib.decompress(self.packed).decode()


@dataclass(frozen=True, slots=True)
class Untyped:
    """Answers whose types were found by their looks.

    Attributes
    ----------
    answers : Answers
        As they were read.
    text : Text or None
        What they were read from, where they do not lead back to it.
    """

    answers: Answers
    text: Text | None = None

    @classmethod
    def of_prose(cls, answers: Answers, text: str) -> Untyped:
        """Take a reply that is the answer of one row.

        Parameters
        ----------
        answers : Answers
        text : str

        Returns
        -------
        Untyped
        """
        return cls(answers, None if isinstance(answers, list) else Text(_packed(bare(text).encode()), None))

    @classmethod
    def of_csv(cls, answers: Answers, body: bytes) -> Untyped:
        r"""Take a reply with a line for each row.

        Parameters
        ----------
        answers : Answers
        body : bytes
            In UTF-8, without a header.

        Returns
        -------
        Untyped

        Examples
        --------
        >>> Untyped.of_csv(np.array([0.5, 1.0]), b"0.5\n1.0\n").text
        >>> Untyped.of_csv(np.array([401.9, 1.0]), b"401.90\n1\n").text.cells()
        ['401.90', '1']
        """
        if _are_texts(answers):
            return cls(answers)
        body = plain_lines(body)
        if isinstance(answers, np.ndarray) and answers.dtype.kind in "iuf" and len(answers):
            matrix = np.ascontiguousarray(answers.reshape(len(answers), -1))
            if matrix.shape[1] == 1 and b"\n" not in body:
                body = body.replace(b",", b"\n")  # one line for all rows
            if number_lines(matrix, b"nan") == body:
                return cls(answers)
        text = Text(_packed(body))
        return cls._read_from(answers, text, text.cells)

    @classmethod
    def _read_from(cls, answers: Any, text: Text, cells: Callable[[], list[str | None]]) -> Untyped:
        """Keep a text that answers do not lead back to. Cells without one say nothing of a type, be they NaN."""
        if _are_texts(answers):
            return cls(answers)
        is_column = isinstance(answers, np.ndarray) and answers.ndim == 1 and answers.dtype.kind == "f"
        is_missing = is_column and np.isnan(answers).all() and not any(cells())
        return cls([None] * len(answers)) if is_missing else cls(answers, text)

    def fields(self) -> dict[str, Untyped]:
        r"""Take several answers a row apart: named fields, or the columns of a matrix.

        Returns
        -------
        dict of str to Untyped
            Each with its own type: whole numbers are floats in a matrix for the sake of another column.

        Examples
        --------
        >>> matrix = np.array([[1, 0.5], [2, 0.25]])
        >>> [field.answers for field in Untyped.of_csv(matrix, b"1,0.5\n2,0.25").fields().values()]
        [array([1, 2]), array([0.5 , 0.25])]
        """
        texts = cache(list if self.text is None else self.text.columns)  # split once, and only where it is asked for
        columns: Any = self.answers if isinstance(self.answers, dict) else self._columns(texts())
        if self.text is None:
            return {name: Untyped(cells) for name, cells in columns.items()}
        packed = self.text.packed

        def told(place: int) -> list[str | None]:
            return texts()[place] if place < len(texts()) else []

        return {
            name: self._read_from(cells, Text(packed, place), partial(told, place))
            for place, (name, cells) in enumerate(columns.items())
        }

    def _columns(self, texts: list[list[str | None]]) -> dict[str, Any]:
        matrix: Any = self.answers
        columns: dict[str, Any] = {str(place): np.ascontiguousarray(cells) for place, cells in enumerate(matrix.T)}
        for name, cells in zip(columns, texts, strict=False):
            if len(cells) == len(matrix):
                columns[name] = typed([cell or "" for cell in cells])
        return columns


def bare(text: str) -> str:
    r"""Take the line end off a text of one row, as one line among others comes without it.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> bare("yes\r\n")
    'yes'
    """
    return text.removesuffix("\n").removesuffix("\r")


def _are_texts(cells: Any) -> bool:
    """Tell cells that lead back to what they were read from, which is to say all but numbers and truths."""
    return isinstance(cells, list) and all(cell is None or isinstance(cell, str) for cell in cells)


def _packed(body: bytes) -> bytes:
    return zlib.compress(body, 1)


def as_one_reply(cells: list[Any], as_texts: Callable[[list[Any]], list[str | None]]) -> list[Any]:
    """Give cells of several replies the types that they would have in one.

    Parameters
    ----------
    cells : list
        As each reply was read.
    as_texts : callable
        Gives them as each reply had them; None is missing.

    Returns
    -------
    list
        Of numbers, truths or texts, and nothing else beside them; None is missing.

    Examples
    --------
    >>> as_one_reply([1, 0.5, "b"], lambda cells: ["1", "0.50", "b"])
    ['1', '0.50', 'b']
    >>> as_one_reply([1.0, 0.5, 2**60], lambda cells: ["1", "0.5", str(2**60)])
    [1, 0.5, 1152921504606846976]
    """
    kinds = {float if kind is int else kind for kind in set(map(type, cells)) - {type(None)}}
    if len(kinds) > 1:
        return as_texts(cells)
    if not kinds <= {float, bool}:
        return cells
    found = typed([text or "" for text in as_texts(cells)])
    numbers = found.tolist() if isinstance(found, np.ndarray) else found
    return [None if cell != cell else cell for cell in numbers]  # noqa: PLR0124 - NaN is the number that is missing


def as_text(cell: Any) -> str | None:
    """Write a cell as most containers do; None is missing.

    Parameters
    ----------
    cell : object

    Returns
    -------
    str or None

    Examples
    --------
    >>> as_text(1), as_text(0.5), as_text("b"), as_text(None)
    ('1', '0.5', 'b', None)
    """
    return None if cell is None else str(cell)
