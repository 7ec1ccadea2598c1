"""One decoded value a row becomes an array, a list, or several of them by name."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

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
        Objects of several fields become a dict of columns.

    Examples
    --------
    >>> of_rows([{"closest_cluster": 5, "distance": 36.5}, {"closest_cluster": 2, "distance": 90.25}])
    {'closest_cluster': array([5, 2]), 'distance': array([36.5 , 90.25])}
    """
    if items and all(isinstance(item, list) and len(item) == 1 and isinstance(item[0], Mapping) for item in items):
        items = [item[0] for item in items]
    if items and all(isinstance(item, Mapping) for item in items):
        names = list(dict.fromkeys(str(name) for item in items for name in item))
        columns = {name: column([item.get(name) for item in items]) for name in names}
        told = {name: cells for name, cells in columns.items() if not _is_empty(cells)} or columns
        return next(iter(told.values())) if len(told) == 1 else told
    if items and all(is_labels(item) for item in items):
        labels = sorted({str(each["label"]) for item in items for each in item})
        if all(len(item) == len(labels) for item in items):
            scores = [{str(each["label"]): each["score"] for each in item} for item in items]
            return {label: column([row.get(label) for row in scores]) for label in labels}
    return column(items)


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
        and all(isinstance(each, Mapping) and {"label", "score"} <= set(each) for each in item)
    )


def _is_empty(cells: Array | list[Any]) -> bool:
    return isinstance(cells, list) and all(cell is None for cell in cells)


def column(items: list[Any]) -> Array | list[Any]:
    """Make an array of numbers, of one or two dimensions, where that loses nothing; else keep the list.

    Parameters
    ----------
    items : list
        One value a row; None is missing.

    Returns
    -------
    ndarray or list
        Lists of one number each become an array of one dimension.
    """
    if items and all(isinstance(item, str) and item.startswith("[") and item.endswith("]") for item in items):
        items = _listed(items)
    types = set(map(type, items))
    if types and types <= {list} and items[0] and len({len(item) for item in items}) == 1:
        flat = [cell for item in items for cell in item]
        values = _numbers(flat)
        if values is None:
            return items
        return values if len(items[0]) == 1 else values.reshape(len(items), -1)
    values = _numbers(items)
    return items if values is None else values


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
