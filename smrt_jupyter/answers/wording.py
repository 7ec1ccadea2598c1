"""Replies in a few words, without their contents: what a model answered may be nobody's business."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from smrt_jupyter.tables import Table, is_table


def told(value: Any) -> str:
    """Describe a reply.

    Parameters
    ----------
    value : object
        What a codec's ``decode`` gave.

    Returns
    -------
    str

    Examples
    --------
    >>> told({"predictions": [1, 2], "model": "m"})
    'an object with predictions, model (2 in predictions)'
    """
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
