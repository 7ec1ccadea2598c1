"""A decoded request becomes what the model takes; what the model gives becomes a reply of the wanted content type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smrt_jupyter import codecs
from smrt_jupyter.codecs.base import MediaType
from smrt_jupyter.codecs.text_bodies import encoded
from smrt_jupyter.errors import CodecError
from smrt_jupyter.local.invocation import ContainerError

if TYPE_CHECKING:
    from collections.abc import Sequence

JSON = "application/json"
_ANYTHING = ("*/*", "application/*", "")


def decode(body: bytes, content_type: str | None) -> object:
    """Read a request's body as its content type says.

    Parameters
    ----------
    body : bytes
        As it arrived.
    content_type : str or None
        None, or one that no codec knows: the bytes stay bytes.

    Returns
    -------
    object

    Raises
    ------
    ContainerError
        415, when the body is not what its content type says.
    """
    codec = codecs.find_reader(content_type) if content_type else None
    if codec is None:
        return body
    try:
        return codec.decode(body)
    except CodecError as error:
        raise ContainerError(415, f"The body is not {codec.media_type.text}: {error}") from error


def as_frame(
    value: object, names: Sequence[str] | None = None, like: pd.DataFrame | None = None
) -> pd.DataFrame | None:
    """See rows in a decoded body.

    Parameters
    ----------
    value : object
        What `decode` gave: a table, an array, or JSON in one of the shapes that containers take.
    names : sequence of str, optional
        The columns' names, for data that has none.
    like : DataFrame, optional
        A table whose columns' names and types the rows get.

    Returns
    -------
    DataFrame or None
        None when it is not a table.

    Examples
    --------
    >>> as_frame({"instances": [[1, 2.5], [3, 4.5]]}, ["age", "income"])
       age  income
    0    1     2.5
    1    3     4.5
    >>> as_frame({"inputs": "Why is the sky blue?"})
    """
    frame = _frame(value)
    if frame is None:
        return None
    if like is not None:
        names = names or list(like.columns)
    if names is not None and _unnamed(frame) and frame.shape[1] == len(names):
        frame.columns = pd.Index(names)
    if like is not None:
        columns = [_typed(column, like[name]) if name in like else column for name, column in frame.items()]
        frame = pd.concat(columns, axis="columns")
    return frame


def _unnamed(frame: pd.DataFrame) -> bool:
    """Tell columns that are only counted from 0, as those of arrays and headerless CSV are."""
    names: list[Any] = list(frame.columns)
    counted: list[Any] = list(range(len(names)))
    return names == counted


def _typed(column: pd.Series, like: pd.Series) -> pd.Series:
    """Give a column another's type; text that a reader took for numbers becomes text again."""
    categories = like.dtype.categories if isinstance(like.dtype, pd.CategoricalDtype) else like
    try:
        if pd.api.types.infer_dtype(categories) == "string" or isinstance(categories.dtype, pd.StringDtype):
            column = column.map(str, na_action="ignore")
        elif categories is not like:
            column = column.astype(categories.dtype)
        return column.astype(like.dtype)
    except (ValueError, TypeError) as error:
        raise ContainerError(400, f"Column {column.name!r} cannot be {like.dtype}: {error}") from error


def _frame(value: Any) -> pd.DataFrame | None:  # noqa: C901, PLR0911 - one case and return for each shape
    match value:
        case pd.DataFrame():
            return value
        case np.ndarray(ndim=1) | pd.Series():
            return pd.DataFrame(np.asarray(value))
        case np.ndarray(ndim=2):
            return pd.DataFrame(value)
        case {"dataframe_split": {"columns": columns, "data": data}} | {"columns": columns, "data": data}:
            return pd.DataFrame(data, columns=columns)
        case {"dataframe_records": list() as rows} | {"instances": list() as rows} | {"inputs": list() as rows}:
            return _frame(rows)
        case [{"features": list()}, *_]:
            return pd.DataFrame([row["features"] for row in value])
        case [{"data": {"features": {"values": list()}}}, *_]:
            return pd.DataFrame([row["data"]["features"]["values"] for row in value])
        case [dict(), *_] | [list(), *_]:
            return pd.DataFrame(value)
        case [int() | float(), *_]:
            return pd.DataFrame(np.asarray(value))
    if hasattr(value, "tocsr") and hasattr(value, "shape"):
        from_matrix: Any = pd.DataFrame.sparse  # the stubs take the accessor for an instance's
        frame: pd.DataFrame = from_matrix.from_spmatrix(value)
        return frame
    return None


def encode(answers: Any, *, accept: str | None, content_type: str | None, tabular: bool) -> tuple[bytes, str]:
    r"""Write a model's answers in the wanted content type.

    Parameters
    ----------
    answers : object
        An array, a Series, a DataFrame or a list with an answer a row; or anything that the content type can carry.
    accept : str or None
        The request's wish: one content type or several with commas.
    content_type : str or None
        The request's own content type: what an indifferent caller gets, where it can carry answers.
    tabular : bool
        Whether there is an answer for each row; other answers are written as they are.

    Returns
    -------
    body : bytes
    content_type : str

    Raises
    ------
    ContainerError
        406, when no wanted content type can carry the answers, or its charset lacks a character of them.

    Examples
    --------
    >>> encode("Größe", accept="text/plain; charset=latin-1", content_type=None, tabular=False)
    (b'Gr\xf6\xdfe', 'text/plain; charset=latin-1')
    """
    if isinstance(answers, bytes | bytearray | memoryview):
        return bytes(answers), _first(accept) or "application/octet-stream"
    if isinstance(answers, str):
        wanted_type = _first(accept) or "text/plain; charset=utf-8"
        try:
            return encoded(answers, MediaType(wanted_type)), wanted_type
        except CodecError as error:
            raise ContainerError(406, f"Accept type {wanted_type} cannot carry the answer: {error}") from error
    wanted = [text.strip() for text in (accept or "").split(",")]
    choices = [text for text in wanted if text.partition(";")[0].strip() not in _ANYTHING]
    if not choices:
        own = MediaType(content_type or "").essence
        choices = [own, JSON] if tabular and own in _WRITERS else [JSON]
    complaints = []
    for choice in choices:
        if codecs.find_reader(choice) is None:
            continue
        try:
            return _write(answers, choice, tabular=tabular)
        except CodecError as error:
            complaints.append(str(error))
    told = " ".join([f"Accept type {', '.join(choices)} is not supported.", *complaints])
    raise ContainerError(406, f"{told} Supported: {', '.join(_WRITERS)}.")


def _first(accept: str | None) -> str | None:
    text = (accept or "").partition(",")[0].strip()
    return None if text.partition(";")[0].strip() in _ANYTHING else text


def _write(answers: Any, content_type: str, *, tabular: bool) -> tuple[bytes, str]:
    essence = MediaType(content_type).essence
    if tabular and essence in _WRITERS:
        return _WRITERS[essence](answers, content_type)
    codec = codecs.find(content_type)
    value = _table(answers) if tabular else answers
    return codec.encode(value), codec.media_type.text


def _table(answers: Any) -> pd.DataFrame:
    return answers if isinstance(answers, pd.DataFrame) else pd.DataFrame(answers)


def _plain(answers: Any) -> Any:
    """Turn answers into lists of plain values: one a row, an object a row where there are named fields."""
    if isinstance(answers, pd.DataFrame | dict):
        table = _table(answers)
        if _unnamed(table):
            return [list(row) for row in table.itertuples(index=False, name=None)]
        return table.to_dict("records")
    return answers.tolist() if hasattr(answers, "tolist") else list(answers)


def _json(answers: Any, content_type: str) -> tuple[bytes, str]:
    codec = codecs.find(content_type)
    return codec.encode({"predictions": _plain(answers)}), codec.media_type.text


def _json_lines(answers: Any, content_type: str) -> tuple[bytes, str]:
    codec = codecs.find(content_type)
    body = codec.encode(_plain(answers))
    return body + b"\n" * (bool(body) and not body.endswith(b"\n")), codec.media_type.text


def _csv(answers: Any, content_type: str) -> tuple[bytes, str]:
    codec = codecs.find(content_type)
    body = codec.encode(_table(answers))
    asked = codec.media_type.parameters
    # the caller reads by these two: a line of names that the reply does not announce would pass for a row
    header = "; header=present" if asked.get("header", "").lower() == "present" else ""
    return body, f"text/csv; charset={asked.get('charset') or 'utf-8'}{header}"


def _npy(answers: Any, content_type: str) -> tuple[bytes, str]:
    codec = codecs.find(content_type)
    table = pd.DataFrame(answers) if isinstance(answers, dict) else answers
    array = np.asarray(table)
    if array.dtype == object:
        array = np.asarray(array.tolist())
    return codec.encode(array), codec.media_type.text


_WRITERS = {
    "text/csv": _csv,
    JSON: _json,
    "application/jsonlines": _json_lines,
    "application/x-npy": _npy,
}
"""How answers, one a row, are written; other content types get them as a table."""
