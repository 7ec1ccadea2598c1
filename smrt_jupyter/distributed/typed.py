"""Answers as columns of the types that were declared before anything was asked; what differs is an error, no cast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from smrt_jupyter.errors import AnswerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

Kind = str | type | np.dtype[Any]


def kind_of(kind: Kind) -> np.dtype[Any] | None:
    """Read a declared type.

    Parameters
    ----------
    kind : str, type or dtype

    Returns
    -------
    dtype or None
        None is text.

    Raises
    ------
    ValueError
        For anything but a number, a truth value or text.

    Examples
    --------
    >>> kind_of("float32"), kind_of(int), kind_of("string")
    (dtype('float32'), dtype('int64'), None)
    """
    dtype = np.dtype("O") if isinstance(kind, str) and kind in {"string", "str"} else np.dtype(kind)
    if dtype.kind in "OUS":
        return None
    if dtype.kind not in "biuf":
        raise ValueError(f"An answer is a number, a truth value or text, not {dtype}.")
    return dtype


def frame_of(found: Any, kinds: Mapping[str, np.dtype[Any] | None], index: pd.Index[Any]) -> pd.DataFrame:
    """Give answers the declared names and types, or say how they differ.

    Parameters
    ----------
    found : Series, DataFrame or ndarray
        One answer a row, several named ones, or a vector.
    kinds : mapping of str to dtype or None
        What was declared.
    index : Index
        The rows'.

    Returns
    -------
    DataFrame

    Raises
    ------
    AnswerError
        When the model answers something else.

    Examples
    --------
    >>> frame_of([1, 2], {"score": np.dtype(float)}, ["x", "y"])
       score
    x    1.0
    y    2.0
    """
    import pandas as pd

    frame = found if isinstance(found, pd.DataFrame) else pd.DataFrame(np.asarray(found))
    names = [str(name) for name in frame.columns]
    if set(kinds) <= set(names):
        places = [names.index(field) for field in kinds]
    elif len(names) == len(kinds) and names == [str(place) for place in range(len(names))]:
        places = list(range(len(names)))
    else:
        told, wanted = ", ".join(map(repr, names)), ", ".join(map(repr, kinds))
        raise AnswerError(
            f"The model answers {told} a row, where {wanted} was expected.",
            next_step="Say what comes back: `answer={'score': 'float64', ...}`.",
        )
    columns = {
        field: text(values, index) if kind is None else numbers(values, kind, field)
        for (field, kind), place in zip(kinds.items(), places, strict=True)
        for values in [_checked(frame.iloc[:, place].to_numpy(), kind, field)]
    }
    return pd.DataFrame(columns, index=index)


def text(cells: Any, index: pd.Index[Any]) -> pd.Series[Any]:
    """Make a column of text, in pandas' own type for it: object, or since pandas 3 ``str``.

    Parameters
    ----------
    cells : sequence of str or None
    index : Index

    Returns
    -------
    Series
    """
    import pandas as pd

    return pd.Series(cells, index=index, dtype=pd.Series(["text"]).dtype)


def numbers(cells: NDArray[Any], kind: np.dtype[Any], field: str) -> NDArray[Any]:
    """Make a column of numbers.

    Parameters
    ----------
    cells : ndarray
    kind : dtype
        What was declared.
    field : str
        For the error.

    Returns
    -------
    ndarray
        Of that type; floats never become whole numbers.
    """
    if len(cells) and not np.can_cast(cells.dtype, kind, "same_kind"):
        raise _differs(str(cells.dtype), kind, field)
    return cells.astype(kind)


def _checked(cells: NDArray[Any], kind: np.dtype[Any] | None, field: str) -> NDArray[Any]:
    """Tell text from numbers where NumPy sees only objects."""
    import pandas as pd

    missing = pd.isna(cells)
    if kind is None:
        if cells.dtype.kind in "biuf" and not missing.all():
            raise _differs(str(cells.dtype), kind, field)
        told = cells.astype(object)
        told[missing] = None
        return told
    if cells.dtype != object:
        return cells
    if any(isinstance(cell, str) for cell in cells):
        raise _differs("text", kind, field)
    return np.where(missing, np.nan, cells).astype(np.float64) if missing.any() else np.asarray(cells.tolist())


def _differs(answered: str, kind: np.dtype[Any] | None, field: str) -> AnswerError:
    say = "string" if answered == "text" else answered
    return AnswerError(
        f"The model answers {answered} for {field!r}, where {'text' if kind is None else kind} was expected.",
        next_step=f"Say what comes back: `answer={say!r}`.",
    )
