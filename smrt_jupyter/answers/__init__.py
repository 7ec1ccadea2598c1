r"""From a decoded reply to one answer for each row.

Containers wrap their answers in many ways. What is recognised, for a request of three rows:

=========================================================  ==========================================================
reply                                                      answers
=========================================================  ==========================================================
CSV ``0.1\n0.2\n0.3``, also ``0.1,0.2,0.3`` on one line      an array (XGBoost, new and old)
CSV with several cells a line, ``[0.1, 0.9],[...],[...]``  an array of two dimensions; a column for each cell
``{"predictions": [...]}``, ``scores``, ``projections``,   what is in it
``probabilities``, ``results``, ``outputs``, ...
a list of three numbers, texts or lists                    an array, or a list
a list of three objects, JSON Lines of objects             one field: its values; several: a column for each
``[[{"label": ..., "score": ...}, ...], ...]``             a column for each label (Hugging Face); missing where a row
                                                           lacks it
``[{"label", "score", "box"}, ...]`` and ``{"prediction":  a list of what was found in the picture, of any length
[[class, score, x, y, x, y], ...]}`` for one picture
``[{"index": 2, "score": ...}, ...]``                      sorted by ``index`` (TEI's rerank, embeddings)
``{"outputs": [{"name", "shape", "datatype", "data"}]}``   a column for each output (Triton, KServe)
``{"probabilities": ..., "predicted_label": ...}``         a column for each (JumpStart, AutoGluon)
``{"version", "predictions": {"content_type", "data"}}``   the predictions (Clarify's explainer)
of one row: an object, a list of labels, a chat message    the answer of that row
=========================================================  ==========================================================

No shape depends on where a table was cut: a field that is null in all rows of a chunk is still a field, and labels that
only other chunks have are missing. Numbers become arrays, everything else lists.
An array of one column has one dimension. Anything else, and any other
number of answers, is an `AnswerError`: a short reply never passes for a whole one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from smrt_jupyter import codecs
from smrt_jupyter.answers.cells import column, dense, is_labels, narrow, of_rows
from smrt_jupyter.answers.findings import are_boxes, are_findings, has_own_scores
from smrt_jupyter.answers.paths import at_path
from smrt_jupyter.answers.untyped import Untyped, bare
from smrt_jupyter.answers.wording import told
from smrt_jupyter.codecs.csv_reader import rows_of_cells, typed
from smrt_jupyter.codecs.json import loads
from smrt_jupyter.errors import AnswerError
from smrt_jupyter.tables import Array, Table, is_sparse, is_table

__all__ = ["Answers", "Untyped", "at_path", "of_reply", "per_row"]

Answers = Array | list[Any] | dict[str, Array | list[Any]]
"""One answer a row: an array of one or two dimensions, a list, or several named fields of these."""

_WRAPPERS = (
    "predictions",
    "prediction",
    "scores",
    "projections",
    "probabilities",
    "results",
    "outputs",
    "output",
    "embeddings",
    "data",
    "instances",
    "answers",
    "result",
)
"""Keys under which containers put all answers, most telling first."""

_ONE_ROW = frozenset({"prediction", "embedding", "embeddings", "projection", "probabilities", "output", "result"})
"""Keys whose list of numbers may be the answer of one row; under any other it would be an answer for each."""

_ALL_ROWS = frozenset(_WRAPPERS) - _ONE_ROW
"""Keys whose list has an answer for each row, so that a list of another length answers nothing."""

_LABELS = ("labels", "classes", "class_names")
"""Keys that name the columns of ``probabilities``, not the rows."""


_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def per_row(value: Any, rows: int, path: str | None = None) -> Answers:
    """Find one answer for each row in a decoded reply.

    Parameters
    ----------
    value : object
        What a codec's ``decode`` gave.
    rows : int
        How many rows were asked for.
    path : str, optional
        JMESPath to the answers, applied first.

    Returns
    -------
    ndarray, list, or dict of them

    Raises
    ------
    AnswerError
        When there is not one answer a row.

    Examples
    --------
    >>> per_row({"predictions": [{"score": 0.25}, {"score": 0.75}]}, 2)
    array([0.25, 0.75])
    >>> per_row([{"label": "POSITIVE", "score": 0.9}, {"label": "NEGATIVE", "score": 0.8}], 2)
    {'label': ['POSITIVE', 'NEGATIVE'], 'score': array([0.9, 0.8])}
    """
    found: Answers = narrow(_of_some(value, rows, path))
    return found


def _of_some(value: Any, rows: int, path: str | None) -> Answers:
    """Find one answer for each row that may have more fields, or more values a row, in another reply."""
    if path is not None:
        value = at_path(value, path)
    try:
        found = _find(value, rows)
    except RecursionError as error:
        raise AnswerError("the reply is nested too deep to find answers in it.", rows=range(rows)) from error
    if found is None and rows == 1 and isinstance(value, list) and all(type(item) in (int, float) for item in value):
        if value:
            found = column([value])  # the probabilities of all classes, of the one picture that was sent
        elif path is None:
            found = [[]]  # what was found in that picture: nothing
    if found is None:
        raise AnswerError(f"{rows} rows were sent and {told(value)} came back.", rows=range(rows))
    return found


def of_reply(value: Any, rows: int, path: str | None, *, codec: codecs.Codec | None, body: bytes) -> Answers | Untyped:
    """Find one answer for each row in a reply that is one of several.

    Parameters
    ----------
    value, rows, path
        As for `per_row`.
    codec : Codec or None
        What read the reply, which may have no types.
    body : bytes
        What it read.

    Returns
    -------
    Answers or Untyped

    Raises
    ------
    AnswerError
        When there is not one answer a row.
    """
    if codec is None or codec.has_types:
        return _of_some(value, rows, path)
    if path is not None:
        return Untyped(per_row(value, rows, path))
    if isinstance(value, str) and rows == 1:
        return Untyped.of_prose(per_row(value, rows), value)
    lines = codec.lines(body)
    whole = _with_blank_cells(value, rows, lines)
    if whole is not None:
        value, lines = codecs.find("text/csv").decode(whole), whole
    return Untyped.of_csv(per_row(value, rows), lines)


def _find(value: Any, rows: int) -> Answers | None:  # noqa: PLR0911 - one return for each form
    """Look for one answer a row; None when there are not as many."""
    if isinstance(value, np.ndarray):
        return _of_array(value, rows)
    if is_sparse(value):
        return _of_array(dense(value), rows) if value.shape[0] == rows else None
    if is_table(value):
        return _of_table(Table.of(value), rows)
    if isinstance(value, Mapping):
        return _of_object(value, rows)
    if isinstance(value, list | tuple):
        return _of_list(list(value), rows)
    if isinstance(value, str):
        return _of_text(value, rows)
    return column([value]) if rows == 1 and value is not None else None


def _of_array(value: Array, rows: int) -> Answers | None:
    if value.ndim == 0:
        return _of_array(value.reshape(1), rows)
    if len(value) == rows:
        if value.dtype.kind not in "biuf" or value.ndim > 2:  # noqa: PLR2004 - rows and columns
            return column(value.tolist()) if value.dtype.kind in "OUTS" else list(value)
        return value
    if value.ndim > 1 and len(value) == 1:  # one line for all rows
        return _of_array(value[0], rows)
    return None


def _of_table(table: Table, rows: int) -> Answers | None:
    fields = {}
    for place, field in enumerate(table.fields()):
        cells = field.cells(0, len(table))
        values: Any = cells.values.tolist()
        if cells.missing is not None:
            values = [None if gone else cell for cell, gone in zip(values, cells.missing.tolist(), strict=True)]
        fields[str(table.label(place))] = values
    if len(table) == rows:
        if len(fields) == 1:
            return column(next(iter(fields.values())))
        return {name: column(values) for name, values in fields.items()}
    if len(table) == 1 and len(fields) == rows:  # one line for all rows
        return column([values[0] for values in fields.values()])
    return None


def _of_text(value: str, rows: int) -> Answers | None:
    if rows == 1:
        word = value.strip()  # prose may be a numeral, such as 007, or a word, such as infinity
        return column([loads(word.encode())]) if _JSON_NUMBER.fullmatch(word) else [bare(value)]
    lines = _lines(value, rows)
    for parts in (lines, lines[0].split(",") if len(lines) == 1 else []):
        if len(parts) == rows:
            cells = None if "" in parts else typed([part.strip() for part in parts])
            return column(cells.tolist()) if isinstance(cells, np.ndarray) and cells.dtype.kind != "b" else parts
    return None


def _lines(text: str, rows: int) -> list[str]:
    """Cut text into lines; blank ones at its ends are answers where there are as many rows."""
    text = text.replace("\r\n", "\n")
    lines = text.removesuffix("\n").split("\n")
    return lines if len(lines) == rows else text.strip("\r\n").split("\n")


def _with_blank_cells(value: Any, rows: int, lines: bytes) -> bytes | None:
    """Mark the blank cells at the end of a column of CSV, which any reader takes for the end; None: there are none."""
    if not (isinstance(value, np.ndarray) or is_table(value)) or len(value) >= rows or not lines:
        return None
    cells = rows_of_cells(bare(lines.decode("utf-8", "replace")))
    if len(cells) != rows or any(len(row) > 1 for row in cells):
        return None
    kept = lines.rstrip(b"\r\n")
    return b"\n".join([*([kept] if kept else []), *[b'""'] * (rows - len(value))])


def _of_object(value: Mapping[str, Any], rows: int) -> Answers | None:
    if _has_tensors(value):
        return _tensors(value, rows)
    for look in (_clarify, _chat, _findings, _columns, _wrapped):
        found = look(value, rows)
        if found is not None:
            return found
    if rows != 1 or not value or "error" in value or any(isinstance(value.get(name), list) for name in _ALL_ROWS):
        return None
    return of_rows([dict(value)])


def _clarify(value: Mapping[str, Any], rows: int) -> Answers | None:
    """SageMaker Clarify's explainer: the model's own answer, with its content type."""
    inner = value.get("predictions")
    if not (isinstance(inner, Mapping) and {"content_type", "data"} <= set(inner)):
        return None
    data = inner["data"]
    reader = codecs.find_reader(str(inner["content_type"])) if isinstance(data, str) else None
    return _find(data if reader is None else reader.decode(data.encode()), rows)


def _has_tensors(value: Mapping[str, Any]) -> bool:
    outputs = value.get("outputs")
    if not (isinstance(outputs, list) and outputs):
        return False
    return all(isinstance(each, Mapping) and {"name", "shape", "data"} <= set(each) for each in outputs)


def _tensors(value: Mapping[str, Any], rows: int) -> Answers | None:
    """KServe v2: ``{"outputs": [{"name": ..., "shape": ..., "data": ...}]}``."""
    try:
        tensors = {str(each["name"]): np.array(each["data"]).reshape(each["shape"]) for each in value["outputs"]}
    except (ValueError, TypeError):
        return None
    return _of_columns(tensors, rows)


def _chat(value: Mapping[str, Any], rows: int) -> Answers | None:
    """OpenAI's chat and completion replies: the text of the first choice."""
    choices = value.get("choices")
    if rows != 1 or not (isinstance(choices, list) and choices and isinstance(choices[0], Mapping)):
        return None
    message = choices[0].get("message")
    text = message.get("content") if isinstance(message, Mapping) else choices[0].get("text")
    return [text] if isinstance(text, str) else None


def _findings(value: Mapping[str, Any], rows: int) -> Answers | None:
    """Take what belongs to one row however much it is: boxes in a picture, the scores of a text's classes."""
    if rows == 1 and are_boxes(value.get("prediction")):
        return [value["prediction"]]
    return of_rows([dict(value)]) if rows == 1 and has_own_scores(value) else None


def _columns(value: Mapping[str, Any], rows: int) -> Answers | None:
    """Several lists side by side, each with an element a row."""
    names = [name for name in value if not ("probabilities" in value and name in _LABELS)]
    if not names or not all(_is_column(value[name]) and len(value[name]) == rows for name in names):
        return None
    if rows == 1 and not all(isinstance(value[name], np.ndarray) or name in _WRAPPERS for name in names):
        return None  # the object of one row, whose fields happen to be lists
    return _of_columns({name: value[name] for name in names}, rows)


def _is_column(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _of_columns(columns: Mapping[str, Any], rows: int) -> Answers | None:
    found: dict[str, Any] = {str(name): narrow(_find(values, rows)) for name, values in columns.items()}
    if any(values is None for values in found.values()):
        return None
    if len(found) == 1:
        [alone] = found.values()
        return alone  # type: ignore[no-any-return] # what `_find` found
    flat: dict[str, Array | list[Any]] = {}
    for name, values in found.items():
        if isinstance(values, dict):
            flat.update({f"{name}.{inner}": cells for inner, cells in values.items()})
        elif values is not None:
            flat[name] = values
    return flat


def _wrapped(value: Mapping[str, Any], rows: int) -> Answers | None:
    """All answers under one well-known key."""
    for name in _WRAPPERS:
        if name not in value or not isinstance(value[name], list | Mapping | np.ndarray | str):
            continue
        inner = value[name]
        found = _find(inner, rows)
        if found is not None:
            return found
        if rows == 1 and name in _ONE_ROW and isinstance(inner, list) and len(value) == 1:
            return column([inner])
        if name in _ALL_ROWS:
            return None  # a wrong number of answers must not be taken for something else
    return None


def _of_list(items: list[Any], rows: int) -> Answers | None:
    if rows == 1 and are_findings(items):
        return [items]
    if len(items) == rows:
        return of_rows(_in_order(items))
    if len(items) == 1 and isinstance(items[0], list | Mapping):
        return _find(items[0], rows)
    return of_rows([items]) if rows == 1 and is_labels(items) else None


def _in_order(items: list[Any]) -> list[Any]:
    """Sort answers that carry their row's number, which rerankers give best first."""
    places = [item.get("index") if isinstance(item, Mapping) else None for item in items]
    if sorted(place for place in places if type(place) is int) != list(range(len(items))):
        return items
    ordered = sorted(items, key=lambda item: item["index"])
    # rerankers that are not asked to return the texts say null for all of them
    beside = {"index", "object"} | ({"text"} if all(item.get("text") is None for item in ordered) else set())
    return [{name: cell for name, cell in item.items() if name not in beside} for item in ordered]
