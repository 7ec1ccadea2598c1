"""One decoded value a row becomes an array, a list, or several of them by name."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from smrt_jupyter.answers.findings import are_findings
from smrt_jupyter.codecs.given import DECODED_FACTOR, DECODED_FLOOR
from smrt_jupyter.errors import AnswerError

if TYPE_CHECKING:
    from smrt_jupyter.tables import Array

_EXACT = 2**53


def of_rows(items: list[Any]) -> Array | list[Any] | dict[str, Array | list[Any]]:
    """Turn one decoded value a row into arrays and columns.

    Parameters
    ----------
    items : list
        One value a row.

    Returns
    -------
    ndarray, list, or dict of them
        Objects become a dict of columns, one that is null throughout among them: in the next chunk it may not be.
        Lists of labels with their scores become a column for each label that any row has. A row that is null, or has
        an empty list, is missing beside them.

    Examples
    --------
    >>> of_rows([{"closest_cluster": 5, "distance": 36.5}, {"closest_cluster": 2, "distance": 90.25}])
    {'closest_cluster': array([5, 2]), 'distance': array([36.5 , 90.25])}
    """
    if any(are_findings(item) for item in items):
        return items  # as many as there are in a picture, and one picture may well have one
    objects = _only_objects(items)
    if any(objects):
        names = list(dict.fromkeys(str(name) for item in objects for name in item))
        return {name: column([item.get(name) for item in objects]) for name in names}
    if all(is_labels(item) or is_nothing(item) for item in items) and any(map(is_labels, items)):
        scores = [{str(each["label"]): each["score"] for each in item or ()} for item in items]
        if all(len(row) == len(item or ()) for row, item in zip(scores, items, strict=True)):
            labels = sorted(set().union(*scores))
            return {label: column([row.get(label) for row in scores]) for label in labels}
    return column(items)


def _only_objects(items: list[Any]) -> list[Mapping[str, Any]]:
    """Take each row's object, also out of a list of one; nothing has no fields. Empty where a row has anything else."""
    objects: list[Mapping[str, Any]] = []
    for item in items:
        inner = item[0] if isinstance(item, list) and len(item) == 1 else {} if is_nothing(item) else item
        if not isinstance(inner, Mapping):
            return []  # at the first number of a hundred thousand
        objects.append(inner)
    return objects


def is_nothing(item: Any) -> bool:
    """Tell whether one row's answer is null, or an empty list: it says nothing of what the others are.

    Parameters
    ----------
    item : object

    Returns
    -------
    bool
    """
    return item is None or (isinstance(item, list) and not item)


def narrow(answers: Any) -> Any:
    """Leave out what is said by having but one of it: the name of the only field, the second dimension of one column.

    Last of all, because another chunk may have a second field, or a second value a row.

    Parameters
    ----------
    answers : ndarray, list or dict of them

    Returns
    -------
    ndarray, list or dict of them

    Examples
    --------
    >>> narrow({"score": np.array([[0.5], [0.25]])})
    array([0.5 , 0.25])
    """
    if isinstance(answers, dict):
        fields = {name: narrow(values) for name, values in answers.items()}
        return next(iter(fields.values())) if len(fields) == 1 else fields
    if isinstance(answers, np.ndarray) and answers.ndim > 1 and answers.shape[1:] == (1,):
        return answers[:, 0]
    return answers


def is_labels(item: Any) -> bool:
    """Tell whether a value is Hugging Face's list of labels with their scores.

    Parameters
    ----------
    item : object

    Returns
    -------
    bool
    """
    return (
        isinstance(item, list)
        and bool(item)
        and all(isinstance(each, Mapping) and set(each) == {"label", "score"} for each in item)
    )


def column(items: list[Any]) -> Array | list[Any]:
    """Make an array of numbers, of one or two dimensions, where that loses nothing; else keep the list.

    Parameters
    ----------
    items : list
        One value a row; None is missing.

    Returns
    -------
    ndarray or list
        Lists of one number each become an array of one column.
    """
    if items and all(isinstance(item, str) and item.startswith("[") and item.endswith("]") for item in items):
        items = _listed(items)
    types = set(map(type, items))
    if str in types:
        return _whole_characters(items)
    if types and types <= {list} and items[0] and len({len(item) for item in items}) == 1:
        flat = [cell for item in items for cell in item]
        values = _numbers(flat)
        return items if values is None else values.reshape(len(items), -1)
    values = _numbers(items)
    return items if values is None else values


def _whole_characters(items: list[Any]) -> list[Any]:
    """Replace halves of surrogate pairs, which no table can hold; a model that stops inside an emoji leaves one."""
    try:
        "".join(item for item in items if isinstance(item, str)).encode()
    except UnicodeEncodeError:
        return [
            item.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(item, str) else item
            for item in items
        ]
    return items


def _listed(items: list[str]) -> list[Any]:
    """Read lists that stand in the cells of CSV, as XGBoost's selectable output has them."""
    try:
        return [json.loads(item) for item in items]
    except ValueError:
        return items


def _numbers(items: list[Any]) -> Array | None:
    types = set(map(type, items)) - {type(None)}
    if not types or not all(issubclass(one, bool | int | float | np.number | np.bool_) for one in types):
        return None
    gone = None in items
    if all(issubclass(one, bool | np.bool_) for one in types):
        return None if gone else np.array(items, dtype=bool)
    if any(issubclass(one, bool | np.bool_) for one in types):
        return None
    whole = [item for item in items if isinstance(item, int | np.integer)]
    if len(whole) == len(items):
        fits = min(whole) >= -(2**63) and max(whole) < 2**63
        return np.array(items, dtype=np.int64) if fits else None
    if any(abs(int(item)) > _EXACT for item in whole):
        return None
    return np.array([math.nan if item is None else item for item in items], dtype=np.float64)


def dense(matrix: Any) -> Array:
    """Write out the zeros of a sparse matrix.

    Parameters
    ----------
    matrix : sparse matrix or array
        Of SciPy.

    Returns
    -------
    ndarray

    Raises
    ------
    AnswerError
        When it would be far larger than what came: a column's number alone can claim any width.
    """
    rows, width = matrix.shape
    size = rows * width * matrix.dtype.itemsize
    limit = max(DECODED_FLOOR, DECODED_FACTOR * matrix.nnz * matrix.dtype.itemsize)
    if size > limit:
        raise AnswerError(
            f"a sparse reply of {rows:,} x {width:,} would become {size:,} bytes; {limit:,} is the limit.",
            next_step="Ask for fewer rows a reply, or read its `.value`, which stays sparse.",
        )
    values: Array = matrix.toarray()
    return values
