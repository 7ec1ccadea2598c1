"""What one column of a table holds, found once for the whole of it.

A codec that looked at each chunk by itself would write an integer column as integers where a chunk is full and as
floats where a cell is missing, and a day as ``2024-01-02`` or ``2024-01-02 00:00:00`` depending on its neighbours. So
the kind of a column, and how precise its dates are, is decided here from all its rows; `Column.cells` then reads any
part of it. Only NumPy is known here: :mod:`smrt_jupyter.tables` turns the libraries' columns into arrays.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Array = np.ndarray[Any, np.dtype[Any]]


class Kind(enum.Enum):
    """What all present cells of a column are."""

    BOOLEAN = "booleans"
    INTEGER = "integers"
    FLOAT = "floats"
    NUMBER = "numbers"  # integers beyond 64 bits, decimals, or several sorts of numbers, as Python objects
    NOTHING = "missing values only"
    TEXT = "text"
    DATETIME = "dates with a time"
    DATE = "dates"
    DURATION = "durations"
    SCALAR = "values of several sorts"
    NESTED = "lists or mappings"
    OTHER = "objects"


NUMBERS = frozenset({Kind.BOOLEAN, Kind.INTEGER, Kind.FLOAT, Kind.NUMBER, Kind.NOTHING})
"""The kinds that a table of only numbers may have."""

_SCALARS = (str, int, float, decimal.Decimal, dt.date, dt.time, dt.timedelta, uuid.UUID)
_PANDAS_SCALARS = frozenset({"Timestamp", "Timedelta", "Period", "Interval"})
_MISSING = frozenset({"NAType", "NaTType", "MaskedConstant"})
"""Types of the values that stand for a missing one, of pandas and NumPy."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Some consecutive cells of a column.

    Attributes
    ----------
    values : ndarray
        BOOLEAN: bool; INTEGER: any integer dtype; FLOAT: any float dtype, NaN where missing; DATETIME and DATE:
        datetime64 as the clock on the wall shows it; DURATION: timedelta64; the others: Python objects.
    missing : ndarray of bool, optional
        Where there is no value; None when there is one everywhere. FLOAT has its NaN instead.
    offset : ndarray of timedelta64, optional
        DATETIME with a time zone: how far the wall clock is ahead of UTC.
    """

    values: Array
    missing: Array | None = None
    offset: Array | None = None

    def __getitem__(self, part: slice) -> Cells:
        """Take a slice of the cells, without a copy."""
        missing = None if self.missing is None else missing_or_none(self.missing[part])
        return Cells(self.values[part], missing, None if self.offset is None else self.offset[part])


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its label for error messages, its kind, and how to read a part of it.

    Attributes
    ----------
    label : object
        The name, or the position where the table has no names.
    kind : Kind
        What all its present cells are.
    cells : callable
        ``(start, stop) -> Cells``.
    detail : str
        SCALAR, OTHER and NESTED: which types, and in which row one was seen.
    arrow : callable, optional
        TEXT that its library keeps as Arrow does: ``(start, stop)`` -> an Arrow array, without making Python texts.
    """

    label: object
    kind: Kind
    cells: Callable[[int, int], Cells]
    detail: str = ""
    arrow: Callable[[int, int], Any] | None = None


def of_array(label: object, values: Array) -> Column:
    """Make a column of a one-dimensional array.

    Parameters
    ----------
    label : object
        The column's name or position.
    values : ndarray
        Any dtype, 1-D.

    Returns
    -------
    Column

    Examples
    --------
    >>> of_array("age", np.array([31, None, 54], dtype=object)).kind
    <Kind.INTEGER: 'integers'>
    """
    letter = values.dtype.kind
    if letter in "biuf":
        kind = {"b": Kind.BOOLEAN, "f": Kind.FLOAT}.get(letter, Kind.INTEGER)
        return Column(label, kind, lambda start, stop: Cells(values[start:stop]))
    if letter in "Mm":
        return _of_moments(label, values)
    if letter in "UT":
        return Column(label, Kind.TEXT, lambda start, stop: Cells(values[start:stop].astype(object)))
    if letter == "O":
        return _of_objects(label, values)
    return Column(label, Kind.OTHER, lambda start, stop: Cells(values[start:stop]), detail=f"{values.dtype} values")


def _of_moments(label: object, values: Array) -> Column:
    kind = Kind.DURATION
    if values.dtype.kind == "M":
        kind = Kind.DATE if np.datetime_data(values.dtype)[0] in "YMWD" else Kind.DATETIME

    def cells(start: int, stop: int) -> Cells:
        part = values[start:stop]
        return Cells(part, missing_or_none(np.isnat(part)))

    return Column(label, kind, cells)


def missing_or_none(missing: Array) -> Array | None:
    """Give the mask only when something is missing.

    Parameters
    ----------
    missing : ndarray of bool

    Returns
    -------
    ndarray of bool, optional
    """
    return missing if missing.any() else None


def _of_objects(label: object, values: Array) -> Column:
    """Find what Python objects a column holds; the fast answer is a set of types, the slow one looks at each cell."""
    cells_list = values.tolist()
    types = set(map(type, cells_list))
    present = {one for one in types if one is not type(None) and one.__name__ not in _MISSING}
    nan_is_missing = any(issubclass(one, float) for one in present)
    if nan_is_missing and all(is_missing(cell) for cell in cells_list if isinstance(cell, float)):
        present = {one for one in present if not issubclass(one, float)}
    if decimal.Decimal in present and all(is_missing(cell) for cell in cells_list if type(cell) is decimal.Decimal):
        present -= {decimal.Decimal}
    kind, detail = _kind_of(present, cells_list)
    read = _READERS.get(kind, _read_objects)
    if kind is Kind.INTEGER and not _fits(cells_list):
        kind, read = Kind.NUMBER, _read_objects
    return Column(label, kind, lambda start, stop: read(values[start:stop]), detail)


def _kind_of(  # noqa: C901, PLR0911 - one return for each kind
    present: set[type], cells: list[Any]
) -> tuple[Kind, str]:
    if not present:
        return Kind.NOTHING, ""
    if all(issubclass(one, str) for one in present):
        return Kind.TEXT, ""
    if all(issubclass(one, bool | np.bool_) for one in present):
        return Kind.BOOLEAN, ""
    numbers = {one for one in present if issubclass(one, int | float | decimal.Decimal | np.number | np.bool_)}
    if any(issubclass(one, complex | np.complexfloating) for one in present):
        return Kind.OTHER, _seen(cells, {one for one in present if issubclass(one, complex | np.complexfloating)})
    if numbers == present:
        if not any(issubclass(one, bool | np.bool_) for one in present):
            if all(issubclass(one, int | np.integer) for one in present):
                return Kind.INTEGER, ""
            if all(issubclass(one, float) for one in present):
                return Kind.FLOAT, ""
        return Kind.NUMBER, ""
    nested = {one for one in present if issubclass(one, list | tuple | dict | set | frozenset | np.ndarray)}
    if nested:
        return Kind.NESTED, _seen(cells, nested)
    strange = {one for one in present - numbers if not _is_scalar(one)}
    if strange:
        return Kind.OTHER, _seen(cells, strange)
    if len(present) == 1:
        return Kind.SCALAR, _seen(cells, present)
    return Kind.SCALAR, f"{Kind.SCALAR.value} ({', '.join(sorted(one.__name__ for one in present))})"


def _is_scalar(one: type) -> bool:
    if issubclass(one, _SCALARS):
        return True
    return one.__module__.partition(".")[0] == "pandas" and one.__name__ in _PANDAS_SCALARS


def _seen(cells: list[Any], types: set[type]) -> str:
    row = next(row for row, cell in enumerate(cells) if type(cell) in types)
    return f"{type(cells[row]).__name__} values (first in row {row})"


def is_missing(cell: object) -> bool:
    """Tell whether one Python object stands for a missing value.

    Parameters
    ----------
    cell : object
        None, a NaN of any sort, pandas' NA and NaT, NumPy's masked are missing; an empty text is not.

    Returns
    -------
    bool

    Examples
    --------
    >>> [is_missing(cell) for cell in (None, float("nan"), "", 0)]
    [True, True, False, False]
    """
    if cell is None or type(cell).__name__ in _MISSING:
        return True
    if isinstance(cell, decimal.Decimal):
        return cell.is_nan()
    return isinstance(cell, float | np.floating) and cell != cell  # noqa: PLR0124 - only NaN differs from itself


def object_array(cells: Iterable[Any]) -> Array:
    """Put Python objects into an array as they are, also where NumPy would take lists for a second dimension.

    Parameters
    ----------
    cells : iterable

    Returns
    -------
    ndarray of object
    """
    kept = list(cells)
    values = np.empty(len(kept), dtype=object)
    values[:] = kept
    return values


def _missing(values: Array) -> Array:
    return np.fromiter(map(is_missing, values.tolist()), dtype=bool, count=len(values))


def _read_objects(values: Array) -> Cells:
    return Cells(values, missing_or_none(_missing(values)))


def _read_integers(values: Array) -> Cells:
    missing = missing_or_none(_missing(values))
    kept = values if missing is None else np.where(missing, 0, values)
    numbers = kept.tolist()
    unsigned = any(number > _INT64.max for number in numbers)
    return Cells(np.array(numbers, dtype=np.uint64 if unsigned else np.int64), missing)


def _read_booleans(values: Array) -> Cells:
    missing = missing_or_none(_missing(values))
    kept = values if missing is None else np.where(missing, False, values)  # noqa: FBT003 - NumPy's own signature
    return Cells(kept.astype(bool), missing)


def _read_floats(values: Array) -> Cells:
    return Cells(np.array([np.nan if is_missing(cell) else cell for cell in values.tolist()], dtype=np.float64))


_INT64 = np.iinfo(np.int64)
_READERS = {Kind.INTEGER: _read_integers, Kind.BOOLEAN: _read_booleans, Kind.FLOAT: _read_floats}


def _fits(cells: list[Any]) -> bool:
    """Tell whether all integers fit into one 64-bit dtype; Python's own integers know no end."""
    numbers = [int(cell) for cell in cells if not is_missing(cell)]
    low, high = min(numbers), max(numbers)
    return low >= _INT64.min and (high <= _INT64.max or (low >= 0 and high <= np.iinfo(np.uint64).max))
