"""JMESPath into a decoded reply, whatever its codec made of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from smrt_jupyter.answers.cells import dense
from smrt_jupyter.answers.wording import told
from smrt_jupyter.codecs.json_rows import column_texts
from smrt_jupyter.errors import AnswerError
from smrt_jupyter.tables import Column, Kind, Table, is_sparse, is_table

_PLAIN = frozenset({Kind.BOOLEAN, Kind.INTEGER, Kind.FLOAT, Kind.NUMBER, Kind.NOTHING, Kind.TEXT})
"""Columns whose cells a path can compare as they are; those of the others, dates say, get the text that JSON has."""


def at_path(value: Any, path: str) -> Any:
    """Follow a JMESPath into a decoded reply.

    Parameters
    ----------
    value : object
        Arrays and tables are followed as lists of rows.
    path : str
        ``predictions[].score``

    Returns
    -------
    object

    Raises
    ------
    AnswerError
        When the path is not JMESPath, or leads nowhere.

    Examples
    --------
    >>> at_path({"predictions": [{"score": 0.25}, {"score": 0.75}]}, "predictions[].score")
    [0.25, 0.75]
    """
    from jmespath.exceptions import JMESPathError

    try:
        found = compiled(path).search(_as_json(value))
    except JMESPathError as error:
        raise AnswerError(f"the path {path!r} does not fit the reply: {' '.join(str(error).split())}.") from error
    except RecursionError as error:
        raise AnswerError("the reply is nested too deep to follow a path into it.") from error
    if found is None:
        raise AnswerError(f"the path {path!r} leads nowhere in {told(value)}.")
    return found


def compiled(path: str) -> Any:
    """Read a path, before there is anything to follow it into.

    Parameters
    ----------
    path : str

    Returns
    -------
    jmespath.parser.ParsedResult

    Raises
    ------
    AnswerError
        When it is not JMESPath.
    """
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.compile(path)
    except JMESPathError as error:
        raise AnswerError(f"the path {path!r} is not JMESPath: {' '.join(str(error).split())}.") from error


def _as_json(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if is_sparse(value):
        return dense(value).tolist()
    if is_table(value):
        return _records(Table.of(value))
    if isinstance(value, dict):
        return {name: _as_json(inner) for name, inner in value.items()}
    return value


def _records(table: Table) -> list[dict[str, Any]]:
    """Build an object a row. Not by way of JSON, which has no infinities."""
    fields = {str(table.label(place)): _values(field, len(table)) for place, field in enumerate(table.fields())}
    return [dict(zip(fields, row, strict=True)) for row in zip(*fields.values(), strict=True)]


def _values(column: Column, rows: int) -> list[Any]:
    if column.kind not in _PLAIN:
        return list(map(json.loads, column_texts(column, rows)))
    cells = column.cells(0, rows)
    values: list[Any] = cells.values.tolist()
    gone = [False] * rows if cells.missing is None else cells.missing.tolist()
    # NaN is None here, as it was in the JSON that a path is written for; only NaN differs from itself
    return [None if lost or value != value else value for value, lost in zip(values, gone, strict=True)]  # noqa: PLR0124
