"""Parquet and Arrow: every type kept, with pyarrow (``pip install 'smrt-jupyter[arrow]'``).

Columns without a name are called ``0``, ``1``, ... in the order they have. An index is not sent: a container that got
one as a column more would score it. Whatever comes back is a DataFrame of plain types; integers and booleans with
missing values stay what they are (``Int64``, ``boolean``) instead of turning into floats.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from smrt_jupyter.codecs import arrow_limits
from smrt_jupyter.codecs.base import Codec
from smrt_jupyter.codecs.given import given
from smrt_jupyter.codecs.parquet_pages import read_parquet
from smrt_jupyter.codecs.surrogates import name_of
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Table
from smrt_jupyter.tables.columns import Kind, is_missing

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from smrt_jupyter.codecs.base import Writer
    from smrt_jupyter.tables import Column

    ReadColumn = Callable[[int, int], Any]


class _Arrow(Codec):
    """What the three formats share: tables to Arrow and back."""

    def encode(self, value: object) -> bytes:
        """Write a table; bytes and files are taken as they are.

        Parameters
        ----------
        value : table, bytes or path

        Returns
        -------
        bytes

        Raises
        ------
        CodecError
            Naming the column that cannot be carried.
        """
        body = given(value)
        if body is not None:
            return body
        table = Table.of(value)
        return self.writer(table)(0, len(table))

    def writer(self, table: Table) -> Writer:
        """Find the type of every column, once for the whole table.

        See `Codec.writer`.
        """
        part = _parts(table)
        return lambda start, stop: self._written(part(start, stop))

    def decode(self, body: bytes) -> pd.DataFrame:
        """Read a table.

        Parameters
        ----------
        body : bytes

        Returns
        -------
        DataFrame

        Raises
        ------
        CodecError
            When it is not of this format, has types that are not plain, or would become far larger than its bytes.
        """
        pa = _pyarrow()
        try:
            table = self._read(body)
            table.validate(full=True)
            arrow_limits.check(table, body)
            return _frame(table)
        except CodecError:
            raise
        except (
            pa.ArrowException,
            OSError,
            ValueError,
            TypeError,
            KeyError,
            OverflowError,
            NotImplementedError,
        ) as error:
            told = str(error).partition("\n")[0]
            raise CodecError(f"The body is not {self.media_type.essence}: {told}") from error

    def _written(self, table: Any) -> bytes:
        raise NotImplementedError

    def _read(self, body: bytes) -> Any:
        raise NotImplementedError


class Parquet(_Arrow):
    """Apache Parquet.

    Parameters
    ----------
    content_type : str, optional
        ``application/x-parquet`` (SageMaker's own examples), ``application/vnd.apache.parquet`` (MLflow, IANA) or
        ``application/parquet``.

    Examples
    --------
    >>> import pandas as pd
    >>> codec = Parquet()
    >>> codec.decode(codec.encode(pd.DataFrame({"age": [31, 54], "plan": ["a", None]})))
       age plan
    0   31    a
    1   54  NaN
    """

    content_types = ("application/x-parquet", "application/vnd.apache.parquet", "application/parquet")

    def _written(self, table: Any) -> bytes:
        import pyarrow.parquet as pq

        out = io.BytesIO()
        # Dictionaries cost five times the time for the numbers that tables to be scored mostly hold.
        pq.write_table(table, out, use_dictionary=False, write_statistics=False)
        return out.getvalue()

    def _read(self, body: bytes) -> Any:
        return read_parquet(body)


class ArrowStream(_Arrow):
    """Apache Arrow's IPC stream.

    Parameters
    ----------
    content_type : str, optional
        ``application/vnd.apache.arrow.stream``.
    """

    content_types = ("application/vnd.apache.arrow.stream",)

    def _written(self, table: Any) -> bytes:
        pa = _pyarrow()
        out = io.BytesIO()
        with pa.ipc.new_stream(out, table.schema) as stream:
            stream.write_table(table)
        return out.getvalue()

    def _read(self, body: bytes) -> Any:
        arrow_limits.check_stream(body)
        return _pyarrow().ipc.open_stream(body).read_all()


class ArrowFile(_Arrow):
    """Apache Arrow's IPC file, which is also Feather.

    Parameters
    ----------
    content_type : str, optional
        ``application/vnd.apache.arrow.file``.
    """

    content_types = ("application/vnd.apache.arrow.file",)

    def _written(self, table: Any) -> bytes:
        pa = _pyarrow()
        out = io.BytesIO()
        with pa.ipc.new_file(out, table.schema) as file:
            file.write_table(table)
        return out.getvalue()

    def _read(self, body: bytes) -> Any:
        reader = _pyarrow().ipc.open_file(body)
        arrow_limits.check_file(body)
        return reader.read_all()


def _pyarrow() -> Any:
    try:
        import pyarrow as pa
        import pyarrow.ipc  # an attribute of pyarrow only once it is imported
    except ImportError as error:
        raise ImportError("Parquet and Arrow need pyarrow: pip install 'smrt-jupyter[arrow]'") from error
    return pa


# --- tables to Arrow -------------------------------------------------------------------------------------------------


def _parts(table: Table) -> ReadColumn:
    """Prepare any table: ``(start, stop)`` gives its rows as an Arrow table of one schema."""
    pa = _pyarrow()
    native = table.native
    if isinstance(native, pa.Table) or hasattr(native, "to_arrow"):
        return _of_arrow(table)
    names = [name_of(table.label(place)) for place in range(table.width)]
    readers = [_column_reader(table, place, field) for place, field in enumerate(table.fields())]
    return lambda start, stop: pa.table([read(start, stop) for read in readers], names=names)


def _of_arrow(table: Table) -> ReadColumn:
    """Take what is Arrow already, and polars, which is."""
    pa = _pyarrow()
    native = table.native

    def read(start: int, stop: int) -> Any:
        part = native[start:stop] if hasattr(native, "to_arrow") else native.slice(start, stop - start)
        found = part.to_arrow() if hasattr(part, "to_arrow") else part
        if not isinstance(found, pa.Table):
            found = pa.table([found], names=[str(table.label(0))])
        return found.replace_schema_metadata(None)

    if not isinstance(native, pa.Table):
        for series in native.get_columns() if hasattr(native, "get_columns") else [native]:
            _check_polars(series)
    for field in read(0, 0).schema:
        arrow_limits.check_type(field.type, field.name)
    return read


def _check_polars(series: Any) -> None:
    """Refuse what polars alone has; it writes Python's objects as their addresses."""
    try:
        has_type = str(series.dtype) != "Object" and series[:0].to_arrow() is not None
    except _pyarrow().ArrowException:
        has_type = False
    if not has_type:
        raise _uncarried(f"it is polars' {series.dtype}", series.name)


def _uncarried(told: str, column: object) -> CodecError:
    return CodecError(
        f"Arrow cannot carry it: {told.rstrip('.')}.",
        column=column,
        next_step="Give the column one type.",
        instead=("application/json",),
    )


def _column_reader(table: Table, place: int, field: Column) -> ReadColumn:
    pa = _pyarrow()
    label = table.label(place)
    native: Any = table.native
    if hasattr(native, "iloc"):
        series = native if native.ndim == 1 else native.iloc[:, place]

        def cells(start: int, stop: int) -> Any:
            return series.iloc[start:stop]

    else:

        def cells(start: int, stop: int) -> Any:
            found = field.cells(start, stop)
            values = found.values  # noqa: PD011 - our own `Cells`, nothing of pandas
            if field.kind is Kind.NOTHING:
                return [None] * (stop - start)
            if values.dtype != object:
                return pa.array(values, mask=found.missing)
            return [None if is_missing(cell) else cell for cell in values.tolist()]

    try:
        sample = pa.array(cells(0, len(table)), from_pandas=hasattr(native, "iloc"))
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise _uncarried(str(error).partition("\n")[0], label) from error
    kind = sample.type
    arrow_limits.check_type(kind, str(label))
    return lambda start, stop: pa.array(cells(start, stop), type=kind, from_pandas=hasattr(native, "iloc"))


# --- Arrow to pandas -------------------------------------------------------------------------------------------------


def _frame(table: Any) -> pd.DataFrame:
    """Make a DataFrame column by column: names may repeat, and metadata that others wrote is not acted upon."""
    import pandas as pd

    pa = _pyarrow()
    nullable = {
        pa.int8(): pd.Int8Dtype(),
        pa.int16(): pd.Int16Dtype(),
        pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(),
        pa.uint8(): pd.UInt8Dtype(),
        pa.uint16(): pd.UInt16Dtype(),
        pa.uint32(): pd.UInt32Dtype(),
        pa.uint64(): pd.UInt64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    columns = {}
    for place, column in enumerate(table.columns):
        mapper = nullable.get if column.null_count else None
        columns[place] = column.to_pandas(types_mapper=mapper)
    frame = pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows))
    frame.columns = pd.Index(table.column_names)
    return frame
