"""Bodies written with pandas, NumPy and json alone, for code that is to run where this package is not.

What those libraries write of a missing cell, a boolean, a date or text beyond ASCII is not always what was sent. So a
way is shown only after it has been tried on the very data, and gave the very bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from string import Template
from typing import TYPE_CHECKING, Any

from smrt_jupyter.tables import is_sparse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from smrt_jupyter.codecs import Codec

COMPACT = 'separators=(",", ":")'

# How the presets look, each made of what `_Cells` has. Other templates have no such form.
_IN_JSON = {
    None: "$rows",
    "instances": '{"instances": $rows}',
    "features": '{"instances": [{"features": row} for row in $rows]}',
    "dataframe_split": '{"dataframe_split": {"columns": $names, "data": $rows}}',
    "dataframe_records": '{"dataframe_records": $records}',
    "inputs": '{"inputs": $column}',
}
_IN_LINES = {
    None: ("row", "$rows"),
    "instances": ("row", "$rows"),
    "features": ('{"features": row}', "$rows"),
    "dataframe_records": ("row", "$records"),
}
_KEPT = ("", ", ensure_ascii=False")


@dataclass(frozen=True)
class Way:
    """A way to write a body.

    Attributes
    ----------
    body : str
        The expression that gives it, of the name ``rows``.
    imports, steps : tuple of str
        What it needs: modules, and statements before it.
    """

    body: str
    imports: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()

    def write(self, rows: Any) -> bytes | None:
        """Write a body; None where the data is nothing for this way."""
        names = {"rows": rows}
        try:
            exec("\n".join((*self.imports, *self.steps)), names)  # noqa: S102 - all of it stands in this file
            body = eval(self.body, names)  # noqa: S307
        except Exception:  # noqa: BLE001 - whatever a library says of data that it cannot write
            return None
        return body if isinstance(body, bytes) else None


@dataclass(frozen=True)
class _Cells:
    """The expressions for the parts of a table; an empty one where a library has none."""

    rows: str
    names: str = ""
    records: str = ""
    column: str = ""


def find(
    data: Any, codec: Codec, template: str | None, bodies: Callable[[], Iterable[tuple[slice, bytes]]]
) -> Way | None:
    """Find a way that writes the bytes which are sent.

    Parameters
    ----------
    data : object
        What is sent.
    codec : Codec
        What writes it otherwise.
    template : str or None
        How rows become JSON.
    bodies : callable
        Gives each body behind the rows that it holds: ``slice(None)`` for the data as a whole.

    Returns
    -------
    Way or None
        None: no way gives these bytes.
    """
    for way in _ways(data, codec, template):
        if all(way.write(data if rows == slice(None) else by_place(data)[rows]) == body for rows, body in bodies()):
            return way
    return None


def by_place(table: Any) -> Any:
    """Give what takes a slice of positions."""
    return table.iloc if _is_of("pandas", table) else table


def _is_of(library: str, data: Any) -> bool:
    return any(one.__module__.partition(".")[0] == library for one in type(data).__mro__)


def _is_column(table: Any) -> bool:
    return len(getattr(table, "shape", (0,))) == 1  # a column of Arrow has no shape at all


def _ways(data: Any, codec: Codec, template: str | None) -> Iterator[Way]:
    essence = codec.media_type.essence
    if isinstance(data, bytes):
        yield Way("rows")
    elif isinstance(data, str):
        yield Way("rows.encode()")
    elif isinstance(data, PathLike):
        yield Way("rows.read_bytes()")
    if is_sparse(data):
        return
    if essence in ("application/x-npy", "application/npy"):
        yield from map(_saved, _arrays(data))
    elif essence in ("text/csv", "application/csv"):
        yield from _csv(data, has_header=codec.media_type.parameters.get("header", "").lower() == "present")
    elif essence in ("application/json", "text/json"):
        yield from _json(data, template)
    elif "json" in essence:
        yield from _json_lines(data, template)


# -- CSV ----------------------------------------------------------------------------------------------------------


def _csv(data: Any, *, has_header: bool) -> Iterator[Way]:
    if _is_of("polars", data):
        frame = "rows.to_frame()" if _is_column(data) else "rows"
        for missing in ("", ', null_value="nan"'):
            yield Way(f"{frame}.write_csv(include_header={has_header}{missing}).encode()")
    elif _is_of("pandas", data) or _is_of("pyarrow", data):
        header = "" if has_header else "header=False, "
        for frame in _frames(data):
            for missing in ("", ', na_rep="nan"'):
                yield Way(f"{frame}.to_csv({header}index=False{missing}).encode()")
    elif isinstance(data, list):
        yield Way('",".join(map(str, rows)).encode()')
        yield Way('"\\n".join(",".join(map(str, row)) for row in rows).encode()')
    elif _is_of("numpy", data):
        for array in ("rows", "rows.astype(int)"):
            line = "str(row)" if _is_column(data) else '",".join(map(str, row))'
            yield Way(f'"\\n".join({line} for row in {array}.tolist()).encode()')


def _frames(data: Any) -> Iterator[str]:
    """Write a DataFrame of pandas as it is, and with 1 for True."""
    frame = "rows" if _is_of("pandas", data) else "rows.to_pandas()"
    yield frame
    if frame == "rows":
        booleans = "int" if _is_column(data) else 'dict.fromkeys(rows.select_dtypes("bool"), int)'
        yield f"rows.astype({booleans})"


# -- JSON ---------------------------------------------------------------------------------------------------------


def _json(data: Any, template: str | None) -> Iterator[Way]:
    for kept in _KEPT:
        if isinstance(data, dict | list | bool | int | float | None):
            yield _dumped(f"json.dumps(rows{kept}).encode()")
        for cells in _cells(data):
            if template in _IN_JSON:
                value = Template(_IN_JSON[template]).substitute(vars(cells))
                yield _dumped(f"json.dumps({value}, {COMPACT}{kept}).encode()")


def _json_lines(data: Any, template: str | None) -> Iterator[Way]:
    for kept in _KEPT:
        if isinstance(data, list):
            yield _dumped(f'"\\n".join(json.dumps(row{kept}) for row in rows).encode()')
        for cells in _cells(data):
            if template in _IN_LINES:
                line, rows = (Template(each).substitute(vars(cells)) for each in _IN_LINES[template])
                dumped = f"json.dumps({line}, {COMPACT}{kept})"
                yield _dumped(f'"\\n".join({dumped} for row in {rows}).encode()')
                yield _dumped(f'"".join({dumped} + "\\n" for row in {rows}).encode()')


def _dumped(body: str) -> Way:
    return Way(body, imports=("import json",))


def _cells(data: Any) -> Iterator[_Cells]:
    if _is_of("polars", data) and not _is_column(data):
        yield _Cells("rows.rows()", "rows.columns", "rows.to_dicts()", "rows.to_series().to_list()")
    elif _is_of("polars", data):
        yield _Cells("[[cell] for cell in rows]", "[rows.name]", column="rows.to_list()")
    elif _is_of("pyarrow", data):
        lists, names = "[list(row.values()) for row in rows.to_pylist()]", "rows.column_names"
        yield _Cells(lists, names, "rows.to_pylist()", "rows.column(0).to_pylist()")
    elif _is_of("pandas", data) and not _is_column(data):
        records, column = 'to_dict(orient="records")', "iloc[:, 0].tolist()"
        nulls = "rows.astype(object).where(rows.notna(), None)"
        tuples = "list(rows.itertuples(index=False, name=None))"
        yield _Cells("rows.values.tolist()", "list(rows)", f"rows.{records}", f"rows.{column}")
        yield _Cells(tuples, "list(rows)", f"rows.{records}", f"rows.{column}")
        yield _Cells(f"{nulls}.values.tolist()", "list(rows)", f"{nulls}.{records}", f"{nulls}.{column}")
    elif _is_of("pandas", data):
        nulls = "rows.astype(object).where(rows.notna(), None)"
        for series in ("rows", nulls):
            yield _Cells(f"[[cell] for cell in {series}]", "[rows.name]", column=f"{series}.tolist()")
    elif _is_of("numpy", data):
        yield _Cells("rows[:, None].tolist()" if _is_column(data) else "rows.tolist()", column="rows.ravel().tolist()")
    elif isinstance(data, list):
        yield _Cells("rows", column="rows")


# -- npy ----------------------------------------------------------------------------------------------------------


def _arrays(data: Any) -> Iterator[str]:
    """Write data as an array: as it lies in memory, row after row, and as numbers or text where columns are mixed."""
    if _is_of("numpy", data) or isinstance(data, list):
        yield from ("rows", "np.ascontiguousarray(rows)", "rows[:, None]")
    elif any(_is_of(library, data) for library in ("pandas", "polars", "pyarrow")):
        frame = "rows.to_pandas()" if _is_of("pyarrow", data) else "rows"
        table = f"{frame}.to_frame()" if _is_column(data) else frame
        yield from (f"{table}.to_numpy()", f"np.ascontiguousarray({table})")
        yield from (f"np.ascontiguousarray({table}, dtype={kind})" for kind in ("float", "str"))


def _saved(array: str) -> Way:
    steps = ("file = io.BytesIO()", f"np.save(file, {array})")
    return Way("file.getvalue()", ("import io", "import numpy as np"), steps)
