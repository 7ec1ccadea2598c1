"""Tables of the DataFrame libraries, read through narwhals; pandas has its own rules beside it.

pandas is taken column by column and by position, because its names may repeat and need not be text; narwhals then
reads each column like any other library's.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from functools import cache, cached_property
from typing import Any

import narwhals as nw
import numpy as np

from smrt_jupyter.tables.answer_columns import arrow_array, as_text, pandas_frame, pandas_series, polars_series
from smrt_jupyter.tables.arrays import tidy
from smrt_jupyter.tables.base import Table, library, two_of_a_name
from smrt_jupyter.tables.columns import Array, Cells, Column, Kind, missing_or_none, object_array, of_array

_WIDER = (nw.Int128, nw.UInt128, nw.Decimal)


def frame_table(data: Any) -> Table:
    """See a DataFrame or Series of a library as a table.

    Parameters
    ----------
    data : object

    Returns
    -------
    Table
    """
    return PandasTable(data) if hasattr(data, "iloc") else NarwhalsTable(data)


class SeriesTable(Table):
    """A table whose columns narwhals reads."""

    def _series(self, place: int) -> nw.Series[Any]:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.native)

    def dtype(self) -> np.dtype[Any] | None:
        """Find the one number type of all cells; None when there is none."""
        found: Any = None
        for place in range(self.width):
            series = self._series(place)
            dtype = series.dtype
            if not (dtype.is_numeric() or dtype == nw.Boolean) or dtype in _WIDER or found not in (None, dtype):
                return None
            if not dtype.is_float() and series.null_count():
                return None
            found = dtype
        return None if found is None else np.dtype("bool" if found == nw.Boolean else str(found).lower())

    def matrix(self, start: int, stop: int) -> Array:
        """Read rows of a table that has one `dtype`."""
        values = None
        for place in range(self.width):
            cells = self._series(place)[start:stop].to_numpy()
            if values is None:
                values = np.empty((len(cells), self.width), dtype=cells.dtype)
            values[:, place] = cells
        return np.empty((0, 0)) if values is None else values

    def _field(self, place: int) -> Column:
        return _field(self.label(place), self._series(place))


class NarwhalsTable(SeriesTable):
    """polars and Arrow."""

    def __init__(self, native: Any) -> None:
        if type(native).__name__ == "RecordBatch":
            native = _arrow().Table.from_batches([native])
        self.native = native
        names = native.column_names if library(native) == "pyarrow" and hasattr(native, "column_names") else []
        self._has_twins = len(set(names)) < len(names)
        if self._has_twins:  # which narwhals does not have
            native = native.rename_columns([str(place) for place in range(len(names))])
        self._frame: Any = nw.from_native(native, eager_only=True, allow_series=True)
        if isinstance(self._frame, nw.DataFrame):
            self.columns = tuple(names or self._frame.columns)
            self.width = len(self.columns)
        else:
            self.columns = (self._frame.name,) if self._frame.name else None
            self.width = 1

    def __getitem__(self, rows: slice | Array) -> Table:
        part = self._frame[rows].to_native()
        return NarwhalsTable(part.rename_columns(self.native.column_names) if self._has_twins else part)

    def _select(self, names: list[Hashable]) -> Table:
        if not isinstance(self._frame, nw.DataFrame):
            return NarwhalsTable(self._frame.to_frame().to_native())
        columns = self.columns or ()
        for name in names if self._has_twins else ():
            if columns.count(name) > 1:
                raise two_of_a_name(name)
        places = {name: place for place, name in enumerate(columns)}
        chosen = self._frame[:, [places[name] for name in names]].to_native()
        return NarwhalsTable(chosen.rename_columns(names) if self._has_twins else chosen)

    def _series(self, place: int) -> nw.Series[Any]:
        if isinstance(self._frame, nw.DataFrame):
            series: nw.Series[Any] = self._frame[:, place]
            return series
        return self._frame  # type: ignore[no-any-return] # narwhals gives a Series where it did not give a DataFrame

    def like(self, answers: Any) -> Any:
        """Give answers the form of this table."""
        if isinstance(answers, np.ndarray) and answers.ndim == 2:  # noqa: PLR2004 - several values a row
            answers = {str(place): answers[:, place] for place in range(answers.shape[1])}
        if library(self.native) == "pyarrow":
            arrow = _arrow()
            if isinstance(answers, Mapping):
                return arrow.table({as_text(name): arrow_array(values) for name, values in answers.items()})
            return arrow.chunked_array([arrow_array(answers)])
        polars: Any = nw.get_native_namespace(self._frame)
        if isinstance(answers, Mapping):
            return polars.DataFrame([polars_series(polars, str(as_text(n)), values) for n, values in answers.items()])
        return polars_series(polars, "", answers)


_CELLS_AHEAD = 1 << 14
"""Cells that are read at once where a request takes few rows: to pandas taking one costs as much as taking hundreds."""


class PandasTable(SeriesTable):
    """pandas, and libraries that speak its language."""

    def __init__(self, native: Any) -> None:
        self.native = native
        self._is_series = native.ndim == 1
        if self._is_series:
            self.columns = None if native.name is None else (native.name,)
            self.width = 1
        else:
            self.columns = tuple(native.columns)
            self.width = native.shape[1]
        self._near: tuple[int, Array] = (-1, np.empty((0, self.width)))  # nothing yet

    def __getitem__(self, rows: slice | Array) -> Table:
        return PandasTable(self.native.iloc[rows])

    def _select(self, names: list[Hashable]) -> Table:
        frame = self.native.to_frame() if self._is_series else self.native
        places = [frame.columns.get_loc(name) for name in names]
        for name, place in zip(names, places, strict=True):
            if not isinstance(place, int):
                raise two_of_a_name(name)
        return PandasTable(frame.iloc[:, places])

    def _series(self, place: int) -> nw.Series[Any]:
        return _of_pandas(self.native if self._is_series else self.native.iloc[:, place])

    def dtype(self) -> np.dtype[Any] | None:
        """Find the one number type of all cells; None when there is none."""
        dtypes = [self.native.dtype] if self._is_series else self.native.dtypes.tolist()
        first = dtypes[0] if dtypes else None
        if not isinstance(first, np.dtype):
            return super().dtype()
        alike = first.kind in "biuf" and all(dtype == first for dtype in dtypes)
        return first.newbyteorder("=") if alike else None

    def matrix(self, start: int, stop: int) -> Array:
        """Read rows of a table that has one `dtype`."""
        if not self._is_of_numpy:
            return super().matrix(start, stop)
        ahead = max(1, _CELLS_AHEAD // max(1, self.width))
        if stop - start >= ahead:
            return self._read(start, stop)
        first, near = self._near  # one value, for other threads put theirs in its place
        if not first <= start <= stop <= first + len(near):
            self._near = first, near = start, self._read(start, start + ahead)
        return near[start - first : stop - first]

    def _read(self, start: int, stop: int) -> Array:
        values: Array = self.native.iloc[start:stop].to_numpy()
        return tidy(values.reshape(len(values), self.width))

    @cached_property
    def _is_of_numpy(self) -> bool:
        dtypes = [self.native.dtype] if self._is_series else self.native.dtypes
        return all(isinstance(dtype, np.dtype) for dtype in dtypes)

    def fields(self) -> tuple[Column, ...]:
        """Look at every column, whole; by iteration, because taking columns by position costs pandas far more."""
        columns = [self.native] if self._is_series else [column for _, column in self.native.items()]
        return tuple(_field_of_pandas(self.label(place), column) for place, column in enumerate(columns))

    def like(self, answers: Any) -> Any:
        """Give answers the form of this table."""
        import pandas as pd

        index = self.native.index
        if isinstance(answers, Mapping):
            return pandas_frame(answers, index)
        if isinstance(answers, np.ndarray) and answers.ndim == 2:  # noqa: PLR2004 - several values a row
            return pd.DataFrame(answers, index=index)
        return pandas_series(answers, index)


def _of_pandas(column: Any) -> nw.Series[Any]:
    series: nw.Series[Any] = nw.from_native(column, series_only=True)
    return series


def _field_of_pandas(label: object, column: Any) -> Column:
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return of_array(label, column.to_numpy())
    if hasattr(dtype, "categories") and hasattr(column, "cat"):
        return _field_of_categories(label, column.cat)
    if hasattr(column, "sparse") and type(dtype).__name__ == "SparseDtype":
        return of_array(label, column.sparse.to_dense().to_numpy())
    field = _field(label, _of_pandas(column))
    if field.arrow is None:
        return field
    # Past narwhals, which takes ten times as long for a slice.
    return replace(field, arrow=lambda start, stop: _arrow().array(column.array[start:stop]))


def _arrow() -> Any:
    import pyarrow as pa

    return pa


def _field(  # noqa: PLR0911 - one return for each kind
    label: object, series: nw.Series[Any]
) -> Column:
    """Find the kind of a column from the library's own dtype."""
    dtype = series.dtype
    if dtype == nw.Boolean or (dtype.is_integer() and dtype not in _WIDER):
        kind = Kind.BOOLEAN if dtype == nw.Boolean else Kind.INTEGER
        return Column(label, kind, lambda start, stop: _read_numbers(series[start:stop]))
    if dtype.is_float():
        return Column(label, Kind.FLOAT, lambda start, stop: Cells(series[start:stop].to_numpy()))
    if dtype == nw.String:
        return Column(
            label,
            Kind.TEXT,
            lambda start, stop: _read_text(series[start:stop]),
            arrow=lambda start, stop: series[start:stop].to_arrow(),
        )
    if dtype == nw.Datetime:
        return Column(label, Kind.DATETIME, lambda start, stop: _read_datetimes(series[start:stop]))
    if dtype == nw.Date:
        return Column(label, Kind.DATE, lambda start, stop: _read_dates(series[start:stop]))
    if dtype == nw.Duration:
        return Column(label, Kind.DURATION, lambda start, stop: _read_durations(series[start:stop]))
    if dtype in (nw.Categorical, nw.Enum):
        return _field(label, _decoded(series))
    return of_array(label, object_array(series.to_list()))


def _missing(series: nw.Series[Any]) -> Array | None:
    return missing_or_none(series.is_null().to_numpy().astype(bool, copy=False))


def _read_numbers(series: nw.Series[Any]) -> Cells:
    missing = _missing(series)
    empty = False if series.dtype == nw.Boolean else 0
    filled = series if missing is None else series.fill_null(empty)
    return Cells(filled.to_numpy(), missing)


def _read_text(series: nw.Series[Any]) -> Cells:
    # Not as an array: narwhals makes text of a fixed width of polars' column, which drops the NUL at its end.
    return Cells(object_array(series.to_list()), _missing(series))


def _read_datetimes(series: nw.Series[Any]) -> Cells:
    missing, dtype = _missing(series), series.dtype
    if not isinstance(dtype, nw.Datetime) or dtype.time_zone is None:
        return Cells(_moments(series), missing)
    wall = _moments(series.dt.replace_time_zone(None))
    universal = _moments(series.dt.convert_time_zone("UTC").dt.replace_time_zone(None))
    return Cells(wall, missing, wall - universal)


def _moments(series: nw.Series[Any]) -> Array:
    values = series.to_numpy()
    return values if values.dtype.kind == "M" else values.astype("datetime64[us]")


def _read_dates(series: nw.Series[Any]) -> Cells:
    return Cells(np.array(series.to_list(), dtype="datetime64[D]"), _missing(series))


def _read_durations(series: nw.Series[Any]) -> Cells:
    values = series.to_numpy()
    return Cells(values if values.dtype.kind == "m" else values.astype("timedelta64[us]"), _missing(series))


def _decoded(series: nw.Series[Any]) -> nw.Series[Any]:
    native: Any = series.to_native()
    if library(native) == "pyarrow":
        decoded: nw.Series[Any] = nw.from_native(native.cast(native.type.value_type), series_only=True)
        return decoded
    return series.cast(nw.String)


def _field_of_categories(label: object, accessor: Any) -> Column:
    """Read categories as the values they stand for: the integer 1 stays 1 beside a missing cell."""
    categories = of_array(label, np.asarray(accessor.categories))
    codes: Array = accessor.codes.to_numpy()
    if not len(accessor.categories):
        return Column(label, Kind.NOTHING, lambda start, stop: _no_cells(len(codes[start:stop])))
    values = categories.cells(0, len(accessor.categories)).values  # noqa: PD011 - ours, not pandas'

    def cells(start: int, stop: int) -> Cells:
        part = codes[start:stop]
        taken, missing = values.take(part, mode="clip"), missing_or_none(part < 0)
        if missing is None or categories.kind is not Kind.FLOAT:
            return Cells(taken, missing)
        return Cells(np.where(missing, np.array(np.nan, dtype=taken.dtype), taken))

    arrow = _arrow_of_categories(values, codes) if categories.kind is Kind.TEXT else None
    return Column(label, categories.kind, cells, categories.detail, arrow)


def _arrow_of_categories(values: Array, codes: Array) -> Callable[[int, int], Any]:
    @cache
    def words() -> Any:
        return _arrow().array(values, _arrow().large_string())

    def read(start: int, stop: int) -> Any:
        part = codes[start:stop]
        return words().take(_arrow().array(part, mask=part < 0))

    return read


def _no_cells(count: int) -> Cells:
    return Cells(object_array([None] * count), np.ones(count, dtype=bool))
