"""Answers as columns of the types that were declared before anything was asked; what differs is an error, no cast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from smrt_jupyter.errors import AnswerError
from smrt_jupyter.tables import are_positions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

Kind = str | type | np.dtype[Any]

FIELDS_ADVISED = 4
"""Fields in one error message."""


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
    elif len(names) == len(kinds) and are_positions(names):
        places = list(range(len(names)))
    else:
        told, wanted = ", ".join(map(repr, names)), ", ".join(map(repr, kinds))
        raise AnswerError(
            f"The model answers {told} a row, where {wanted} was expected.",
            next_step=_say(frame, names, range(len(names))),
        )
    try:
        columns = {
            field: text(values, index) if kind is None else numbers(values, kind, field)
            for (field, kind), place in zip(kinds.items(), places, strict=True)
            for values in [_checked(frame.iloc[:, place].to_numpy(), kind, field)]
        }
    except AnswerError as error:
        error.next_step = f"{_say(frame, list(kinds), places)} {error.next_step}".rstrip()
        raise
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
    # A number does not lead back to its text: 1 may have been written +1, and 1.0 as 1 or as 1.00.
    advice = "Where it is text elsewhere: `accept='application/json'`, which tells text from numbers."
    return AnswerError(
        f"The model answers {answered} for {field!r}, where {'text' if kind is None else kind} was expected.",
        next_step="" if kind is not None else advice,
    )


def _say(frame: pd.DataFrame, names: Sequence[str], places: Sequence[int]) -> str:
    """Advise the call that takes types: those of an endpoint and of an estimator do not."""
    kinds = [_kind_in(frame.iloc[:, place].to_numpy()) for place in places]
    if not all(kinds):
        return AnswerError.next_step
    if len(frame.columns) == 1 and are_positions([str(name) for name in frame.columns]):
        answer = repr(kinds[0])
    else:
        told = [f"{name!r}: {kind!r}" for name, kind in zip(names, kinds, strict=True)]
        answer = f"{{{', '.join([*told[:FIELDS_ADVISED], *(['...'] if len(told) > FIELDS_ADVISED else [])])}}}"
    return f"Say what comes back: `smrt_jupyter.distributed.predict(endpoint, frame, answer={answer})`."


def _kind_in(cells: NDArray[Any]) -> str:
    """Name the type that would have taken these cells; nothing where none does."""
    if cells.dtype.kind == "O":
        if any(isinstance(cell, list | tuple | dict | np.ndarray) for cell in cells):
            return ""
        return "string" if any(isinstance(cell, str) for cell in cells) else "float64"
    return str(cells.dtype) if cells.dtype.kind in "biuf" else "string"
