"""Reading CSV: numbers by orjson, everything else by splitting lines, quoted cells set aside.

A matrix of numbers differs from JSON only in its brackets, so orjson reads it exactly and some thirty times faster
than ``numpy.genfromtxt``. Where it refuses (``nan``, ``inf``, ``+1``, ``.5``, text), each column is read by itself.
"""

from __future__ import annotations

import csv
import io
import re
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from smrt_jupyter.codecs.text_bodies import charset_of, decoded
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables.columns import Array, object_array

if TYPE_CHECKING:
    from smrt_jupyter.codecs.base import MediaType

_QUOTED_CELL = re.compile(r'"([^"]*(?:""[^"]*)*)"')
_NUMBER = re.compile(r"[+-]?(?:(?:[1-9][0-9]*|0)?\.[0-9]+|(?:[1-9][0-9]*|0)\.?)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_LONG = 16
"""Digits of a whole number that a float may not hold."""

_LONG_INTEGER = re.compile(rb"(?<![0-9.eE+])[0-9]{%d,}(?![0-9.eE])" % _LONG)
_WORDS = frozenset({"nan", "inf", "+inf", "-inf", "infinity", "-infinity"})
_OF_OTHER_JSON = (b"t", b"f", b"n", b'"', b"{")
"""Whatever JSON has beside numbers and lists has one of these in it; to look for them takes half as long as for all."""

_NUMERIC_BYTES = b"0123456789+-.eE, \t\n"
_EXACT = 2**53
_MANY_COLUMNS = 20_000
"""From here on the columns of a mixed table are not looked at one by one; nobody's model has as many."""

Cells = Array | list[str | None]


def read_csv(body: bytes, media_type: MediaType, *, header: bool) -> object:
    """Read rows of cells.

    Parameters
    ----------
    body : bytes
    media_type : MediaType
        Its charset is respected.
    header : bool
        Whether the first line holds names.

    Returns
    -------
    ndarray or DataFrame
        An array of two dimensions when all cells are numbers and there is no header.

    Raises
    ------
    CodecError
        When the lines have different numbers of cells, or the bytes are not of the charset.
    """
    if not header and charset_of(media_type) in ("utf-8", "ascii"):
        matrix = _matrix(body)
        if matrix is not None:
            return matrix
    text = decoded(body, media_type).rstrip("\r\n")
    if "," not in text and '"' not in text:
        return _table([_lines(text)] if text else [], header=header)
    rows = rows_of_cells(text)
    width = len(rows[0])
    odd = next((place for place, row in enumerate(rows) if len(row) != width), None)
    if odd is not None:
        raise CodecError(f"line {odd + 1} has {len(rows[odd])} cells where {width} are expected.")
    if width > _MANY_COLUMNS:
        return _wide_table(rows, header=header)
    return _table([list(cells) for cells in zip(*rows, strict=True)], header=header)


def plain_lines(body: bytes) -> bytes:
    r"""Write line ends as ``\n``, and none behind the last line.

    Parameters
    ----------
    body : bytes

    Returns
    -------
    bytes
    """
    body = body.rstrip(b"\r\n")
    return body.replace(b"\r\n", b"\n") if b"\r" in body else body


def _matrix(body: bytes) -> Array | None:
    """Read a body of only numbers; None when it is not, or when orjson would not read it exactly."""
    body = plain_lines(body)
    if not body:
        return np.empty((0, 0))
    if b"[" in body:
        # the SageMaker XGBoost containers up to 1.2 answer several classes as `[0.1, 0.9],[0.8, 0.2]`
        return _listed_rows(body) if body.startswith(b"[") and body.endswith(b"]") else None
    if any(letter in body for letter in _OF_OTHER_JSON):
        return None
    width = 1
    if b"," in body:
        widths = {line.count(b",") + 1 for line in body.split(b"\n")}
        if len(widths) > 1:
            return None
        width = widths.pop()
    values = _numbers(b"".join((b"[", body.replace(b"\n", b","), b"]")))
    return None if values is None else values.reshape(-1, width)


def _numbers(json: bytes) -> Array | None:
    """Read a JSON list of numbers into an array, unless that would lose a digit."""
    try:
        cells = orjson.loads(json)
    except orjson.JSONDecodeError:
        return None
    if b"." not in json and b"e" not in json and b"E" not in json:
        integers = np.array(cells)
        return integers if integers.dtype.kind in "iu" else None
    values = np.empty(len(cells))
    struct.pack_into(f"{len(cells)}d", values.data, 0, *cells)  # in less than half of NumPy's time for a list
    if len(json) > _LONG and (np.abs(values) >= _EXACT).any() and _LONG_INTEGER.search(json):
        return None
    return values


def _listed_rows(body: bytes) -> Array | None:
    if body.translate(None, _NUMERIC_BYTES + b"[]"):
        return None
    rows = body[1:-1].replace(b"], [", b"],[").split(b"],[")
    width = rows[0].count(b",") + 1
    if any(row.count(b",") + 1 != width for row in rows):
        return None
    values = _numbers(b"[" + b",".join(rows) + b"]")
    return None if values is None else values.reshape(-1, width)


def rows_of_cells(text: str) -> list[list[str]]:
    """Split CSV into rows of cells, without a look at what they are.

    Parameters
    ----------
    text : str
        Without a line end behind the last row.

    Returns
    -------
    list of list of str
    """
    if '"' not in text:
        return [line.split(",") for line in _lines(text)]
    # a quoted cell stands as a lone quotation mark until the end
    parts = _QUOTED_CELL.split(text)
    quoted = parts[1::2]
    rows = [line.split(",") for line in _lines('"'.join(parts[::2]))]
    if sum(row.count('"') for row in rows) != len(quoted) or any('"' in part for part in parts[::2]):
        return _rows_by_the_book(text)
    unquoted = iter(quoted)
    for row in rows:
        for place, cell in enumerate(row):
            if cell == '"':
                row[place] = next(unquoted).replace('""', '"')
    return rows


def _lines(text: str) -> list[str]:
    """Cut text at its line ends. A carriage return alone is none: the SageMaker SDK leaves it unquoted in a cell."""
    return (text.replace("\r\n", "\n") if "\r" in text else text).split("\n")


def _rows_by_the_book(text: str) -> list[list[str]]:
    """Read a body that has quotation marks inside bare cells as the standard library does."""
    try:
        return [row or [""] for row in csv.reader(io.StringIO(text, newline=""))]
    except csv.Error as error:
        raise CodecError(f"the body is not CSV: {error}.") from error


def _table(columns: list[list[str]], *, header: bool) -> object:
    names = [cells[0] for cells in columns] if header else None
    typed_columns = [typed(cells[1:] if header else cells) for cells in columns]
    if names is None and (matrix := _as_matrix(typed_columns)) is not None:
        return matrix
    import pandas as pd

    frame = pd.DataFrame(dict(enumerate(typed_columns)))
    # Without names a range: pandas itself makes one of two numbers and more, and an Index of a single one.
    frame.columns = pd.RangeIndex(len(columns)) if names is None else pd.Index(names, dtype=object)
    return frame


def _wide_table(rows: list[list[str]], *, header: bool) -> object:
    """Build a table as one block of text: to pandas a column of its own costs far more than a cell."""
    import pandas as pd

    cells = np.array(rows[1:] if header else rows, dtype=object).reshape(-1, len(rows[0]))
    cells[cells == ""] = None
    return pd.DataFrame(cells, columns=pd.Index(rows[0], dtype=object) if header else None, dtype=object)


def _as_matrix(columns: list[Cells]) -> Array | None:
    """Put columns of numbers side by side when one dtype holds them all exactly."""
    arrays = [column for column in columns if isinstance(column, np.ndarray) and column.dtype.kind in "iuf"]
    if len(arrays) < len(columns) or not arrays:
        return None
    together = np.column_stack(arrays)
    if together.dtype.kind == "f":
        exact = all(column.dtype.kind == "f" or (np.abs(column.astype(float)) < _EXACT).all() for column in arrays)
        return together if exact else None
    return together


def typed(texts: list[str]) -> Cells:
    """Find the type of a column from the text of its cells.

    Parameters
    ----------
    texts : list of str
        An empty text is a missing cell.

    Returns
    -------
    ndarray or list
        Integers, floats, booleans; Python objects where integers are too long or booleans are missing; else the
        list of texts, None where missing.

    Examples
    --------
    >>> typed(["1", "", "2.5"]), typed(["True", "False"]), typed(["007", ""])
    (array([1. , nan, 2.5]), array([ True, False]), ['007', None])
    """
    given = [text for text in texts if text] if "" in texts else texts
    cells = _typed_present(given)
    if len(given) == len(texts):
        return cells
    # A float stands for a float, be it infinite; for a whole number only up to a size.
    if isinstance(cells, np.ndarray) and (
        cells.dtype.kind == "f" or (cells.dtype.kind in "iu" and (np.abs(cells.astype(float)) < _EXACT).all())
    ):
        spread = np.full(len(texts), np.nan)
        spread[[bool(text) for text in texts]] = cells
        return spread
    present = iter(cells.tolist() if isinstance(cells, np.ndarray) else cells)
    objects = [next(present) if text else None for text in texts]
    return objects if isinstance(cells, list) else object_array(objects)


def _typed_present(texts: list[str]) -> Cells:  # noqa: PLR0911 - one return for each type
    if not texts:
        return np.empty(0)
    if set(texts) <= {"True", "False"}:
        return np.array([text == "True" for text in texts])
    json = ",".join(texts).encode("utf-8", "surrogatepass")
    if not json.translate(None, _NUMERIC_BYTES):
        values = _numbers(b"[" + json + b"]")
        if values is not None and len(values) == len(texts):
            return values
    bare = [text.strip() for text in texts]
    if not all(_NUMBER.fullmatch(text) or text.lower() in _WORDS for text in bare):
        return list(texts)
    try:
        numbers = [int(text) if _INTEGER.fullmatch(text) else float(text) for text in bare]
    except ValueError:  # an integer of more digits than Python reads
        return list(texts)
    if all(isinstance(number, int) for number in numbers):
        return _integers(numbers)
    exact = all(isinstance(number, float) or abs(number) < _EXACT for number in numbers)
    return np.array(numbers, dtype=np.float64) if exact else object_array(numbers)


def _integers(numbers: list[Any]) -> Array:
    low, high = min(numbers), max(numbers)
    if low >= -(2**63) and high < 2**63:
        return np.array(numbers, dtype=np.int64)
    return np.array(numbers, dtype=np.uint64) if low >= 0 and high < 2**64 else object_array(numbers)


def only_numbers(body: bytes) -> bool:
    """Tell whether a body reads as rows of numbers.

    Parameters
    ----------
    body : bytes

    Returns
    -------
    bool
    """
    return _matrix(body) is not None
