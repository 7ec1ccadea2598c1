"""Replies in a few words, without their contents: what a model answered may be nobody's business.

But for an error, which says what is wrong and is meant to be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from smrt_jupyter.tables import Table, is_table

LONGEST_ERROR = 200


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
    >>> told({"error": {"message": "out of memory", "code": 500}})
    "an object with an error: 'out of memory'"
    """
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, Mapping):
        names = ", ".join(map(str, list(value)[:8]))
        counts = [f"{len(cells)} in {name}" for name, cells in list(value.items())[:8] if isinstance(cells, list)]
        if value.get("error"):
            names = f"an error: {_error(value['error'])}"
        return f"an object with {names or 'nothing'}" + (f" ({', '.join(counts)})" if counts else "")
    if is_table(value):
        return f"a table of {len(Table.of(value))} rows"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, bytes):
        return f"{len(value)} bytes of an unknown content type"
    return f"one {type(value).__name__}"


def _error(value: Any) -> str:
    """Quote what is wrong, as far as it fits into a line; OpenAI's servers have an object with a message."""
    if isinstance(value, Mapping):
        value = value.get("message", value)
    folded = " ".join(str(value).split())
    return repr(folded if len(folded) <= LONGEST_ERROR else f"{folded[:LONGEST_ERROR]}…")
