"""Answers of which one row has any number: what was found in a picture, or the scores of all classes.

One picture goes out a request, so the length of such a list says nothing about rows: also one box, or none, is a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BOX = 6
"""Class, score and two corners, as SageMaker's object detection has them."""


def are_boxes(value: Any) -> bool:
    """Tell whether a value is what SageMaker's object detection finds in a picture.

    Parameters
    ----------
    value : object
        What stands under ``prediction``.

    Returns
    -------
    bool
        True also of an empty list. A row of six probabilities is told apart by the class, which is a whole number.

    Examples
    --------
    >>> are_boxes([[4.0, 0.86, 0.1, 0.2, 0.3, 0.4]]), are_boxes([[0.1, 0.2, 0.3, 0.2, 0.1, 0.1]]), are_boxes([0.1, 0.9])
    (True, False, False)
    """
    return isinstance(value, list) and all(map(_is_box, value))


def _is_box(item: Any) -> bool:
    if not (isinstance(item, list) and len(item) == _BOX and all(type(each) in (int, float) for each in item)):
        return False
    return bool(item[0] >= 0 and item[0] == item[0] // 1)


def are_findings(value: Any) -> bool:
    """Tell whether a value is Hugging Face's list of what is in a picture.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool
        False of an empty list, which may be anything.

    Examples
    --------
    >>> are_findings([{"label": "cat", "score": 0.9, "box": {"xmin": 1}}]), are_findings([{"label": "a", "score": 0.9}])
    (True, False)
    """
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(each, Mapping) and "label" in each and not {"box", "mask"}.isdisjoint(each) for each in value
        )
    )


def has_own_scores(value: Mapping[str, Any]) -> bool:
    """Tell whether ``scores`` are of the classes of one row, as zero-shot classification has them.

    Parameters
    ----------
    value : mapping

    Returns
    -------
    bool
        True where the classes stand beside them, or the one class that was chosen.

    Examples
    --------
    >>> has_own_scores({"sequence": "x", "labels": ["a", "b"], "scores": [0.25, 0.75]})
    True
    >>> has_own_scores({"scores": [0.25, 0.75], "model": "m"})
    False
    """
    scores = value.get("scores")
    if not isinstance(scores, list):
        return False
    labels, sequence = value.get("labels"), value.get("sequence")
    if isinstance(sequence, str) or "predicted_label" not in value:
        several = isinstance(sequence, str) or len(scores) > 1
        return isinstance(labels, list) and len(labels) == len(scores) and several
    return not isinstance(value["predicted_label"], list)
