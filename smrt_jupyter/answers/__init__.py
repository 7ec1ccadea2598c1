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
``[[{"label": ..., "score": ...}, ...], ...]``             a column for each label (Hugging Face)
``[{"index": 2, "score": ...}, ...]``                      sorted by ``index`` (TEI's rerank, embeddings)
``{"outputs": [{"name", "shape", "datatype", "data"}]}``   a column for each output (Triton, KServe)
``{"probabilities": ..., "predicted_label": ...}``         a column for each (JumpStart, AutoGluon)
``{"version", "predictions": {"content_type", "data"}}``   the predictions (Clarify's explainer)
of one row: an object, a list of labels, a chat message    the answer of that row
=========================================================  ==========================================================

Numbers become arrays, everything else lists. An array of one column has one dimension. Anything else, and any other
number of answers, is an `AnswerError`: a short reply never passes for a whole one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smrt_jupyter import codecs
from smrt_jupyter.answers.cells import column, is_labels, of_rows
from smrt_jupyter.errors import AnswerError
from smrt_jupyter.tables import Array, Table, is_sparse, is_table

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
    if path is not None:
        value = at_path(value, path)
    found = _find(value, rows)
    if found is None and rows == 1 and isinstance(value, list) and all(type(item) in (int, float) for item in value):
        found = column([value]) if value else None  # the probabilities of all classes, of the one picture that was sent
    if found is None:
        raise AnswerError(f"{rows} rows were sent and {_told(value)} came back.", rows=range(rows))
    return found


def join(parts: Sequence[Answers]) -> Answers:
    """Put the answers of consecutive chunks together.

    Parameters
    ----------
    parts : sequence of answers
        In row order.

    Returns
    -------
    ndarray, list, or dict of them

    Raises
    ------
    AnswerError
        When they are of different shapes.

    Examples
    --------
    >>> join([np.array([1.0]), np.array([2, 3])])
    array([1., 2., 3.])
    """
    if not parts:
        return np.empty(0)
    if len(parts) == 1:
        return parts[0]
    fields = [set(part) if isinstance(part, dict) else None for part in parts]
    odd = next((place for place, names in enumerate(fields) if names != fields[0]), None)
    if odd is not None:
        raise AnswerError(f"chunk 0 answered {_fields_told(fields[0])}, chunk {odd} {_fields_told(fields[odd])}.")
    if isinstance(parts[0], dict):
        return {name: _joined([part[name] for part in parts if isinstance(part, dict)]) for name in parts[0]}
    return _joined([part for part in parts if not isinstance(part, dict)])


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
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        found = jmespath.search(path, _as_json(value))
    except JMESPathError as error:
        told = " ".join(str(error).split())
        raise AnswerError(f"the path {path!r} is not JMESPath, or does not fit the reply: {told}.") from error
    if found is None:
        raise AnswerError(f"the path {path!r} leads nowhere in {_told(value)}.")
    return found


def _as_json(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if is_sparse(value):
        return value.toarray().tolist()
    if is_table(value):
        return json.loads(codecs.find("application/json", template={"record_template": "$features_kvp"}).encode(value))
    if isinstance(value, dict):
        return {name: _as_json(inner) for name, inner in value.items()}
    return value


def _find(value: Any, rows: int) -> Answers | None:  # noqa: PLR0911 - one return for each form
    """Look for one answer a row; None when there are not as many."""
    if isinstance(value, np.ndarray):
        return _of_array(value, rows)
    if is_sparse(value):
        return _of_array(value.toarray(), rows) if value.shape[0] == rows else None
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
        return value[:, 0] if value.ndim > 1 and value.shape[1] == 1 else value
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
    lines = value.strip("\r\n").split("\n")
    for parts in ([value.strip()] if rows == 1 else [], lines, lines[0].split(",") if len(lines) == 1 else []):
        if len(parts) == rows:
            numbers = [_number(part) for part in parts]
            return column(numbers) if None not in numbers else ([value] if rows == 1 else parts)
    return None


def _number(text: str) -> float | int | None:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return None


def _of_object(value: Mapping[str, Any], rows: int) -> Answers | None:
    if _has_tensors(value):
        return _tensors(value, rows)
    for look in (_clarify, _chat, _columns, _wrapped):
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
    found = {str(name): _find(values, rows) for name, values in columns.items()}
    if any(values is None for values in found.values()):
        return None
    if len(found) == 1:
        return next(iter(found.values()))
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
    return [{name: cell for name, cell in item.items() if name not in ("index", "object")} for item in ordered]


def _joined(parts: list[Array | list[Any]]) -> Array | list[Any]:
    if not all(isinstance(part, np.ndarray) for part in parts):
        return [cell for part in parts for cell in part]
    shapes = {part.shape[1:] for part in parts if isinstance(part, np.ndarray)}
    if len(shapes) > 1:
        raise AnswerError(f"the chunks were answered with different numbers of columns: {sorted(shapes)}.")
    return np.concatenate(parts)


def _fields_told(names: set[str] | None) -> str:
    return "without names" if names is None else f"with the fields {', '.join(sorted(names))}"


def _told(value: Any) -> str:
    """Describe a reply in a few words, without its contents."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, Mapping):
        names = ", ".join(map(str, list(value)[:8]))
        counts = [f"{len(cells)} in {name}" for name, cells in list(value.items())[:8] if isinstance(cells, list)]
        return f"an object with {names or 'nothing'}" + (f" ({', '.join(counts)})" if counts else "")
    if is_table(value):
        return f"a table of {len(Table.of(value))} rows"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, bytes):
        return f"{len(value)} bytes of an unknown content type"
    return f"one {type(value).__name__}"
