"""Parquet and CSV files as streams of Arrow tables, and the columns that answers make of them.

A CSV file is gone through twice: first to find types that hold for all of it, because the text of a number must not
depend on where in the file it stands.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from smrt_jupyter.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    import pyarrow as pa

    from smrt_jupyter.answers import Answers

BATCH_BYTES = 6 * 1024 * 1024
"""Bytes of rows that are read, scored and written together; about three such batches are in memory at once."""

READ_BYTES = 512 * 1024
READ_BYTES_REMOTE = 2 * 1024 * 1024
"""Bytes of each column, or of the lines, that are read at once; a request to S3 costs as much as a megabyte or two."""

NAME = "prediction"


def need_arrow() -> Any:
    """Import pyarrow, or say how to get it.

    Returns
    -------
    module
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise ImportError("Files need pyarrow: pip install 'smrt-jupyter[arrow]'.") from error
    return pa


def format_of(name: str) -> str:
    """Tell the format of a file from its name.

    Parameters
    ----------
    name : str
        A path or location.

    Returns
    -------
    str
        ``parquet`` or ``csv``.

    Examples
    --------
    >>> format_of("s3://data/in/Customers.PARQUET"), format_of("scored.csv")
    ('parquet', 'csv')
    """
    suffix = PurePosixPath(name).suffix.lower()
    known = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv"}
    if suffix not in known:
        raise CodecError(f"{name} is neither Parquet nor CSV.", next_step="Name it .parquet or .csv.")
    return known[suffix]


class Source(Protocol):
    """A file to read."""

    schema: pa.Schema
    rows: int

    def batches(self, columns: Sequence[str] | None = None) -> Generator[pa.Table, None, None]:
        """Read it once, in batches that are the same every time; to be closed when it is not read to its end."""

    def close(self) -> None:
        """Close what is open."""


def source(opened: Callable[[], Any], name: str, *, header: bool = True, remote: bool = False) -> Source:
    """Look at a file.

    Parameters
    ----------
    opened : callable
        Opens it for reading; called for every pass.
    name : str
        Whose suffix says the format.
    header : bool, default=True
        Whether the first line of a CSV file has the columns' names.
    remote : bool, default=False
        Whether each read is a request, so that larger ones are better.

    Returns
    -------
    Source

    Raises
    ------
    CodecError
        When it cannot be read, or two of its columns have one name.
    """
    need_arrow()
    at_once = READ_BYTES_REMOTE if remote else READ_BYTES
    found: Source
    if format_of(name) == "parquet":
        found = _Parquet(opened, name, at_once)
    else:
        found = _Csv(opened, name, at_once, header=header)
    twice = next((column for column, times in Counter(found.schema.names).items() if times > 1), None)
    if twice is not None:
        found.close()
        raise CodecError(f"{name} has two columns of this name.", column=twice, next_step="Rename one of them.")
    return found


_TO_CHECK = {
    "Parquet": "Check that it is whole.",
    "CSV": "Check that it is whole, and that all its lines have as many cells, with commas between them, in UTF-8.",
}


@contextmanager
def _naming(name: str, kind: str) -> Generator[None, None, None]:
    """Name the file that cannot be read."""
    try:
        yield
    except (need_arrow().ArrowException, OSError, UnicodeDecodeError) as error:
        told = str(error).partition("\n")[0].rstrip(". ")
        raise CodecError(f"{name} cannot be read as {kind}: {told}.", next_step=_TO_CHECK[kind]) from error


class _Parquet:
    def __init__(self, opened: Callable[[], Any], name: str, at_once: int) -> None:
        import pyarrow.parquet as pq

        self._name = name
        self._handle = opened()
        try:
            with _naming(name, "Parquet"):
                self._file = pq.ParquetFile(self._handle, buffer_size=at_once, pre_buffer=False)
                self.schema = self._file.schema_arrow
        except CodecError:
            self._handle.close()
            raise
        self.rows = self._file.metadata.num_rows
        groups = [self._file.metadata.row_group(group) for group in range(self._file.metadata.num_row_groups)]
        stored = sum(group.total_byte_size for group in groups)
        row = max(stored / max(self.rows, 1), _fixed_width(self.schema))
        self._step = _rows_a_batch(row)

    def batches(self, columns: Sequence[str] | None = None) -> Generator[pa.Table, None, None]:
        names = self.schema.names if columns is None else list(columns)
        with _naming(self._name, "Parquet"):
            read = self._file.iter_batches(batch_size=self._step, columns=names)
            yield from _even(read, _part(self.schema, names), self._step)

    def close(self) -> None:
        self._file.close()
        self._handle.close()


class _Csv:
    def __init__(self, opened: Callable[[], Any], name: str, at_once: int, *, header: bool) -> None:
        self._opened = opened
        self._name = name
        self._at_once = at_once
        self._header = header
        self._types: dict[str, Any] = {}
        with _naming(name, "CSV"):
            self.rows, size = self._look()
        self._step = _rows_a_batch(size / max(self.rows, 1))

    def _look(self) -> tuple[int, int]:
        """Find types that hold to the last row, widening one whenever a row does not fit."""
        pa = need_arrow()
        while True:
            rows = size = 0
            try:
                with self._opened() as file, self._reader(file) as reader:
                    self.schema = reader.schema
                    for batch in reader:
                        rows += batch.num_rows
                        size += batch.nbytes
            except pa.ArrowInvalid as error:
                self._widen(error)
            else:
                self._types = {field.name: field.type for field in self.schema}
                return rows, size

    def _widen(self, error: Exception) -> None:
        pa = need_arrow()
        found = re.search(r"column #(\d+): CSV conversion error", str(error))
        if found is None:
            raise error
        field = self.schema.field(int(found.group(1)))
        steps = [pa.null(), pa.int64(), pa.float64(), pa.string(), pa.binary()]
        wider = steps[steps.index(field.type) + 1] if field.type in steps[:-1] else pa.string()
        self._types = {each.name: each.type for each in self.schema} | {field.name: wider}

    def _reader(self, file: Any, columns: Sequence[str] = ()) -> Any:
        from pyarrow import csv

        return csv.open_csv(
            file,
            read_options=csv.ReadOptions(block_size=self._at_once, autogenerate_column_names=not self._header),
            convert_options=csv.ConvertOptions(column_types=self._types, include_columns=list(columns)),
            parse_options=csv.ParseOptions(newlines_in_values=True),
        )

    def batches(self, columns: Sequence[str] | None = None) -> Generator[pa.Table, None, None]:
        names = self.schema.names if columns is None else list(columns)
        with _naming(self._name, "CSV"), self._opened() as file, self._reader(file, names) as reader:
            yield from _even(reader, _part(self.schema, names), self._step)

    def close(self) -> None:
        """Nothing stays open between two passes."""


def _part(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    return need_arrow().schema([schema.field(name) for name in names])


def _fixed_width(schema: pa.Schema) -> float:
    """Add up the bytes of a row's numbers as they are in memory; text is left to what the file says."""
    widths: list[float] = []
    for field in schema:
        try:
            widths.append(field.type.bit_width / 8)
        except ValueError:
            widths.append(0.0)
    return float(sum(widths))


def _rows_a_batch(row: float) -> int:
    return max(2, int(BATCH_BYTES / max(row, 1.0)))


def _even(batches: Iterable[Any], schema: pa.Schema, step: int) -> Generator[pa.Table, None, None]:
    """Cut a stream of batches of any size into tables of `step` rows; the last is never one row alone."""
    pa = need_arrow()
    waiting: list[Any] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        while rows > step + 1:
            table = pa.Table.from_batches(waiting, schema)
            yield table.slice(0, step)
            waiting = table.slice(step).to_batches()
            rows -= step
    if rows:
        yield pa.Table.from_batches(waiting, schema)


def have_no_names(fields: Mapping[Any, Any]) -> bool:
    """Tell whether fields are called by their places alone, as CSV has them where one is text.

    Parameters
    ----------
    fields : mapping

    Returns
    -------
    bool

    Examples
    --------
    >>> have_no_names({0: ["a"], 1: [0.5]}), have_no_names({"0": [0.5]})
    (True, False)
    """
    return bool(fields) and all(isinstance(field, int) for field in fields)


def named(answers: Answers) -> dict[str, Any]:
    """Name the columns that answers make.

    Parameters
    ----------
    answers : ndarray, list or dict of them

    Returns
    -------
    dict of str to (ndarray or list)
        ``prediction``; ``prediction_0 prediction_1 ...`` for several values a row, also where some are text; fields
        by their own names.

    Examples
    --------
    >>> list(named(np.zeros((2, 3))))
    ['prediction_0', 'prediction_1', 'prediction_2']
    """
    if isinstance(answers, dict):
        before = f"{NAME}_" if have_no_names(answers) else ""
        return {
            column if field == NAME else f"{before}{field}{column.removeprefix(NAME)}": values
            for field, part in answers.items()
            for column, values in named(part).items()
        }
    if isinstance(answers, np.ndarray) and answers.ndim == 2:  # noqa: PLR2004 - a table
        return {f"{NAME}_{place}": answers[:, place] for place in range(answers.shape[1])}
    if isinstance(answers, np.ndarray) and answers.ndim > 1:
        return {NAME: answers.tolist()}
    return {NAME: answers}
