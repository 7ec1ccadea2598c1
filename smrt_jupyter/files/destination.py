"""A file of answers, whose columns are known only when the last answer has come.

Replies are free to differ: whole numbers, then fractions, or nothing at all in the first rows. So answers are kept in
parts, each a Parquet file of one schema, and a new part begins when an answer does not fit. Mostly there is one part,
which is the file itself; else the parts are gone through once more, a row group at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from smrt_jupyter.errors import AnswerError
from smrt_jupyter.file_formats import NAME, format_of, have_no_names, named, need_arrow
from smrt_jupyter.tables.answer_columns import arrow_array, as_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from smrt_jupyter.answers import Answers


class Destination:
    """A file of answers, written batch by batch.

    Parameters
    ----------
    folder : Path
        An empty one, where it is made.
    name : str
        Whose suffix says the format.
    kept : pyarrow.Schema
        Columns of the source that go along.
    """

    def __init__(self, folder: Path, name: str, kept: pa.Schema) -> None:
        self._folder = folder
        self._format = format_of(name)
        self._kept = kept
        self._answers: dict[str, pa.DataType] = {}
        self._forms: dict[str | int, tuple[int, ...] | None] = {}
        self._parts: list[Path] = []
        self._schema: Any = None
        self._writer: Any = None

    def write(self, kept: pa.Table, answers: Answers | None, rows: int, gaps: Sequence[range] = ()) -> None:
        """Write the answers of the next rows.

        Parameters
        ----------
        kept : pyarrow.Table
            Their columns that go along.
        answers : Answers or None
            One a row; None where no row has one.
        rows : int
            How many.
        gaps : sequence of range
            Which of them have no answer.

        Raises
        ------
        AnswerError
            When there are more or fewer values a row than before, or names where there were none.
        ValueError
            When an answer has the name of a column that goes along.
        """
        found = {} if answers is None else named(self._as_before(answers))
        clash = [name for name in found if name in self._kept.names]
        if clash:
            raise ValueError(f"The column {clash[0]!r} cannot be kept: the endpoint answers with that name.")
        columns = {name: self._meet(name, _array(values, gaps), gaps) for name, values in found.items()}
        self._answers |= {name: column.type for name, column in columns.items()}
        pa = need_arrow()
        told = [columns[name] if name in columns else pa.nulls(rows, kind) for name, kind in self._answers.items()]
        self._begin()
        self._writer.write_table(
            pa.Table.from_arrays([*kept.columns, *(told or [pa.nulls(rows)])], schema=self._schema)
        )

    def _as_before(self, answers: Answers) -> Answers:
        """Give answers the form of those before them; rows of a length are lists where others are of any length."""
        fields: dict[Any, Any] = answers if isinstance(answers, dict) else {"": answers}
        known_width = len(self._forms) if have_no_names(self._forms) else 0
        if known_width and isinstance(answers, np.ndarray) and answers.shape[1:] == (known_width,):
            fields = {place: answers[:, place] for place in range(known_width)}  # one of them was text before
        elif have_no_names(fields) and self._forms.get("") == (len(fields),):
            self._forms = dict.fromkeys(fields, ())  # one of them is text now
        if self._forms and ("" in self._forms) != ("" in fields):
            raise AnswerError("Some replies have named fields, and others have none.")
        told: dict[Any, Any] = {}
        for field, part in fields.items():
            form = part.shape[1:] if isinstance(part, np.ndarray) else None
            known = self._forms.setdefault(field, form)
            if None not in {form, known} and form != known:
                raise AnswerError("These replies have more or fewer values a row than those before them.")
            if known is not None and form is None:
                self._forms[field] = None
                for place in range(known[0] if known else 0):
                    self._answers.pop(f"{field or NAME}_{place}", None)
            told[field] = part.tolist() if known is None and form is not None else part
        return told.popitem()[1] if "" in told else told

    def _meet(self, name: str, array: pa.Array, gaps: Sequence[range]) -> pa.Array:
        """Cast answers to the type that holds those before them, too."""
        pa = need_arrow()
        known = self._answers.get(name, array.type)
        if gaps and pa.types.is_integer(known) and pa.types.is_floating(array.type):
            whole = _cast(array, known)  # a whole number is a float where one beside it is missing; Arrow has nulls
            if whole is not None:
                return whole
        wanted = _wider(known, array.type)
        fitted = _cast(array, wanted)
        return _text(array) if fitted is None else fitted

    def _begin(self) -> None:
        """Have a part that takes what is known by now."""
        pa = need_arrow()
        answers = self._answers or {NAME: pa.null()}
        schema = pa.schema([*((field.name, field.type) for field in self._kept), *answers.items()])
        if self._writer is None or schema != self._schema:
            self.close()
            self._parts.append(self._folder / f"part-{len(self._parts)}.parquet")
            self._schema, self._writer = schema, _writer("parquet", self._parts[-1], schema)

    def finish(self) -> Path:
        """Finish the file; one without any rows has its columns all the same.

        Returns
        -------
        Path
            Where it is.
        """
        pa = need_arrow()
        if self._writer is None:
            self._begin()
        self.close()
        kept = range(len(self._kept))
        schema = self._schema
        for place, field in enumerate(schema):
            if pa.types.is_null(field.type) and place not in kept:
                schema = schema.set(place, pa.field(field.name, pa.float64()))
            elif self._format == "csv" and not _can_be_csv(field.type):
                schema = schema.set(place, pa.field(field.name, pa.string()))
        if self._format == "parquet" and len(self._parts) == 1 and schema == self._schema:
            return self._parts[0]
        path = self._folder / f"whole.{self._format}"
        while (misfit := self._join(path, schema)) is not None:
            schema = schema.set(misfit, pa.field(schema.field(misfit).name, pa.string()))
        return path

    def _join(self, path: Path, schema: pa.Schema) -> int | None:
        """Write all parts under one schema, or name the first column with a value that does not fit."""
        import pyarrow.parquet as pq

        pa = need_arrow()
        with _writer(self._format, path, schema) as writer:
            for part in self._parts:
                with pq.ParquetFile(part) as file:
                    for group in range(file.num_row_groups):
                        table = file.read_row_group(group)
                        columns = []
                        for place, field in enumerate(schema):
                            column = _column(table, field.name, schema.names)
                            fitted = _cast(column, field.type)
                            if fitted is None and not pa.types.is_string(field.type):
                                return place
                            columns.append(_text(column) if fitted is None else fitted)
                        writer.write_table(pa.Table.from_arrays(columns, schema=schema))
        return None

    def close(self) -> None:
        """Let go of the file, finished or not."""
        if self._writer is not None:
            self._writer.close()


def _writer(kind: str, path: Path, schema: pa.Schema) -> Any:
    if kind == "parquet":
        import pyarrow.parquet as pq

        return pq.ParquetWriter(path, schema)
    from pyarrow import csv

    return csv.CSVWriter(path, schema)


def _column(table: pa.Table, name: str, names: Sequence[str]) -> Any:
    """Find a column in a part that may be without it, or have it in columns of one value each."""
    if name in table.column_names:
        return table[name]
    several = [each for each in (f"{name}_{place}" for place in range(table.num_columns)) if each in table.column_names]
    if not several or several[0] in names:
        return need_arrow().nulls(len(table))
    rows = zip(*(table[each].to_pylist() for each in several), strict=True)
    return _array([None if set(row) == {None} else list(row) for row in rows], ())


def _can_be_csv(kind: pa.DataType) -> bool:
    pa = need_arrow()
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return False  # it depends on the bytes
    try:
        _writer("csv", pa.BufferOutputStream(), pa.schema([("", kind)])).close()
    except pa.ArrowException:
        return False
    return True


def _array(values: Any, gaps: Sequence[range]) -> pa.Array:
    """Take answers over, as text where Arrow has no type that holds them all."""
    mask = None
    if gaps and isinstance(values, np.ndarray) and values.dtype.kind == "f":  # elsewhere None stands for them already
        mask = np.zeros(len(values), bool)
        for gap in gaps:
            mask[gap.start : gap.stop] = True
    return arrow_array(values, mask)


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Find the type that holds both, as for a table in memory; text where that has Python's own objects."""
    pa = need_arrow()
    if one == other:
        return one
    if _is_number(one) and _is_number(other):
        return pa.from_numpy_dtype(np.result_type(one.to_pandas_dtype(), other.to_pandas_dtype()))
    try:
        both = pa.unify_schemas([pa.schema([("", one)]), pa.schema([("", other)])], promote_options="permissive")
    except pa.ArrowException:
        return pa.string()
    return both.field(0).type


def _is_number(kind: pa.DataType) -> bool:
    types = need_arrow().types
    return bool(types.is_integer(kind) or types.is_floating(kind))


def _cast(column: Any, wanted: pa.DataType) -> Any:
    """Cast a column; None where a value would change, as a whole number over 2**53 does in a float."""
    pa = need_arrow()
    if column.type == wanted:
        return column
    try:
        return column.cast(wanted)
    except pa.ArrowException:
        return None


def _text(column: Any) -> pa.Array:
    cells = (None if value != value else as_text(value) for value in column.to_pylist())  # noqa: PLR0124 - NaN
    return need_arrow().array(list(cells), need_arrow().string())
