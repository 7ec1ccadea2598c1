"""Triton's KServe v2 inference protocol, as JSON and as a JSON header with raw tensors behind it.

The length of that header is part of the content type (``;json-header-size=N``), which is known before any body is. So
the header is padded with spaces, which JSON allows, to that length: every chunk of a table goes out under the same
content type.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from smrt_jupyter.codecs.base import Codec
from smrt_jupyter.codecs.given import given
from smrt_jupyter.codecs.surrogates import half_a_pair
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Column, Kind, Table, unmasked
from smrt_jupyter.tables.base import two_of_a_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from smrt_jupyter.codecs.base import Writer

_BINARY = "application/vnd.sagemaker-triton.binary+json"
_SIZE = "json-header-size"
_HEADER_BYTES = 1024
_DATATYPES = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
_NAMES = {dtype: name for name, dtype in _DATATYPES.items()}
_BRAIN = "BF16"
_BYTES = "BYTES"
_COLUMNS = {Kind.BOOLEAN, Kind.INTEGER, Kind.FLOAT, Kind.TEXT}
_MAX_DIMENSIONS = 32


class Triton(Codec):
    """KServe v2 messages.

    Parameters
    ----------
    content_type : str, optional
        ``application/vnd.sagemaker-triton.binary+json``; with ``;json-header-size=N`` the header is padded to N bytes,
        otherwise to 1024. ``application/json`` writes the same message as JSON alone.
    input_name : str or None, default="INPUT__0"
        The model's input that gets a table of numbers, as one tensor of shape (rows, columns). None: each column
        becomes an input of its own name, of shape (rows, 1); so it does in a table of several types.

    Examples
    --------
    >>> codec = Triton()
    >>> codec.media_type.text
    'application/vnd.sagemaker-triton.binary+json;json-header-size=1024'
    >>> codec.decode(codec.encode({"INPUT__0": np.array([[1.0, 2.0]], dtype="float32")}))
    {'INPUT__0': array([[1., 2.]], dtype=float32)}
    """

    content_types = (_BINARY,)

    def __init__(self, content_type: str | None = None, *, input_name: str | None = "INPUT__0") -> None:
        super().__init__(content_type)
        if self.media_type.essence == _BINARY and _SIZE not in self.media_type.parameters:
            super().__init__(f"{self.media_type.text};{_SIZE}={_HEADER_BYTES}")
        self.input_name = input_name

    @property
    def is_binary(self) -> bool:
        """Whether raw tensors follow the header."""
        return self.media_type.essence == _BINARY

    def _header_size(self) -> int:
        text = self.media_type.parameters[_SIZE]
        if not text.isascii() or not text.isdigit() or len(text) > len(str(1 << 62)):
            raise CodecError(f"{_SIZE}={text!r} is no number of bytes.")
        return int(text)

    def encode(self, value: object) -> bytes:
        """Write a message.

        Parameters
        ----------
        value : mapping or table
            Inputs by name, ``{"INPUT__0": array}``; a whole message as KServe v2 has it, with ``inputs`` or
            ``outputs``; or a table. Bytes are taken as they are.

        Returns
        -------
        bytes

        Raises
        ------
        CodecError
            Naming the input or the column that cannot be carried.
        """
        body = given(value)
        if body is not None:
            return body
        if isinstance(value, Mapping):
            kind = next((kind for kind in ("inputs", "outputs") if _is_message(value, kind)), None)
            if kind is not None:
                tensors = {str(each.get("name")): _tensor(each) for each in value[kind]}
                rest = {name: each for name, each in value.items() if name != kind}
                return self._message(kind, tensors, rest)
            return self._message("inputs", {str(name): np.asarray(unmasked(each)) for name, each in value.items()}, {})
        table = Table.of(value)
        return self.writer(table)(0, len(table))

    def writer(self, table: Table) -> Writer:
        """Prepare a table: one tensor where all columns are of one type, else one a column.

        See `Codec.writer`.
        """
        name = self.input_name
        if name is not None and table.dtype() is not None:
            return lambda start, stop: self._message("inputs", {name: table.matrix(start, stop)}, {})
        if table.columns is None:
            raise CodecError(
                "A table of several types becomes one input a column, and this one has no column names.",
                next_step="Pass a DataFrame whose columns have the names of the model's inputs.",
            )
        readers: dict[str, Callable[[int, int], np.ndarray[Any, Any]]] = {}
        for column in table.fields():
            if str(column.label) in readers:
                raise two_of_a_name(column.label)
            readers[str(column.label)] = _column_reader(column, len(table))
        return lambda start, stop: self._message(
            "inputs", {name: read(start, stop).reshape(-1, 1) for name, read in readers.items()}, {}
        )

    def _message(self, kind: str, tensors: dict[str, np.ndarray[Any, Any]], rest: dict[str, Any]) -> bytes:
        described: list[dict[str, Any]] = []
        raw: list[bytes] = []
        for name, tensor in tensors.items():
            datatype, values = _typed(name, tensor)
            told: dict[str, Any] = {"name": name, "shape": list(values.shape), "datatype": datatype}
            if self.is_binary:
                raw.append(_raw(values))
                told["parameters"] = {"binary_data_size": len(raw[-1])}
            else:
                told["data"] = [_plain(each) for each in values.reshape(-1).tolist()]
            described.append(told)
        message = {**rest, kind: described}
        if self.is_binary and kind == "inputs":
            message["parameters"] = {"binary_data_output": True} | dict(rest.get("parameters", {}))
        try:
            header = json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
        except ValueError as error:
            raise CodecError(
                "JSON has no NaN and no infinity.", next_step="Use Triton's binary+json, which carries all floats."
            ) from error
        if not self.is_binary:
            return header
        size = self._header_size()
        if len(header) > size:
            raise CodecError(
                f"The header has {len(header)} bytes, but the content type promises {size}.",
                next_step=f"Use content_type='{_BINARY};{_SIZE}={len(header) + 64}'.",
            )
        return header.ljust(size) + b"".join(raw)

    def decode(self, body: bytes) -> dict[str, Any]:
        """Read a message.

        Parameters
        ----------
        body : bytes
            A reply, or a request.

        Returns
        -------
        dict of str to ndarray
            The outputs (of a request, the inputs) by name; text where all of a BYTES tensor is UTF-8.

        Raises
        ------
        CodecError
            When it is not such a message.
        """
        size = self._header_size() if self.is_binary else len(body)
        if size > len(body):
            raise CodecError(f"The content type promises a header of {size} bytes, but the body has {len(body)}.")
        try:
            message = json.loads(body[:size])
        except (ValueError, RecursionError) as error:
            raise CodecError(f"The header is not JSON: {error}.") from error
        if not isinstance(message, dict):
            raise CodecError("The body is not a KServe v2 message: it is no JSON object.")
        described = message.get("outputs", message.get("inputs"))
        if not isinstance(described, list) or not all(isinstance(each, dict) for each in described):
            raise CodecError("The body is not a KServe v2 message: it has neither outputs nor inputs.")
        found, at = {}, size
        for each in described:
            parameters = each.get("parameters")
            length = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
            raw = None
            if length is not None:
                if not _is_count(length) or length > len(body) - at:
                    raise CodecError(f"Output {each.get('name')!r} has {length!r} bytes, {len(body) - at} are left.")
                raw, at = body[at : at + length], at + length
            found[str(each.get("name"))] = _tensor(each, raw)
        return found


def _is_message(value: Mapping[Any, Any], kind: str) -> bool:
    tensors = value.get(kind)
    return isinstance(tensors, list) and all(isinstance(each, Mapping) and "name" in each for each in tensors)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _column_reader(column: Column, rows: int) -> Callable[[int, int], np.ndarray[Any, Any]]:
    if column.kind not in _COLUMNS:
        raise CodecError(
            f"{column.detail or column.kind.value} cannot be carried by Triton's protocol.",
            column=column.label,
            next_step="Convert the column to numbers or text.",
        )
    whole = column.cells(0, rows)
    if whole.missing is not None:
        raise CodecError(
            f"{column.kind.value} with missing values cannot be carried by Triton's protocol.",
            column=column.label,
            next_step="Fill them, or convert the column to floats.",
        )
    dtype = whole.values.dtype
    return lambda start, stop: column.cells(start, stop).values.astype(dtype, copy=False)


def _typed(name: str, tensor: np.ndarray[Any, Any]) -> tuple[str, np.ndarray[Any, Any]]:
    """Name the datatype of an array; text and bytes become BYTES."""
    dtype = tensor.dtype.newbyteorder("<")
    if dtype in _NAMES:
        return _NAMES[dtype], np.ascontiguousarray(tensor, dtype).reshape(tensor.shape)
    cells = tensor.reshape(-1).tolist()
    if all(isinstance(cell, str | bytes) for cell in cells) and tensor.dtype.kind in "OUST":
        values = np.empty(len(cells), object)
        try:
            values[:] = [cell.encode() if isinstance(cell, str) else cell for cell in cells]
        except UnicodeEncodeError as error:
            raise half_a_pair(error, name) from error
        return _BYTES, values.reshape(tensor.shape)
    raise CodecError(f"Input {name!r} is of {tensor.dtype}; Triton takes numbers, booleans and text.")


def _raw(values: np.ndarray[Any, Any]) -> bytes:
    if values.dtype == object:
        return b"".join([struct.pack("<I", len(cell)) + cell for cell in values.reshape(-1).tolist()])
    return values.tobytes()


def _plain(cell: Any) -> Any:
    if isinstance(cell, bytes):
        try:
            return cell.decode()
        except UnicodeDecodeError as error:
            raise CodecError("JSON has no bytes that are not UTF-8.", next_step="Use Triton's binary+json.") from error
    return cell


def _tensor(described: Mapping[str, Any], raw: bytes | None = None) -> np.ndarray[Any, Any]:
    """Read one tensor, its values in JSON or raw."""
    name, shape, datatype = described.get("name"), described.get("shape"), described.get("datatype")
    if not isinstance(shape, list) or len(shape) > _MAX_DIMENSIONS or not all(map(_is_count, shape)):
        raise CodecError(f"Tensor {name!r} has no proper shape.")
    if not isinstance(datatype, str) or datatype not in {*_DATATYPES, _BRAIN, _BYTES}:
        raise CodecError(f"Tensor {name!r} is of the unknown datatype {datatype!r}.")
    count = math.prod(shape)
    if raw is None:
        values = _of_json(name, described.get("data"), datatype)
    elif datatype == _BYTES:
        values = _texts(_pieces(name, raw))
    else:
        dtype = np.dtype("<u2") if datatype == _BRAIN else _DATATYPES[datatype]
        if len(raw) != count * dtype.itemsize:
            raise CodecError(f"Tensor {name!r} has {len(raw)} bytes, but its shape needs {count * dtype.itemsize}.")
        values = np.frombuffer(raw, dtype)
        if datatype == _BRAIN:  # the upper half of a float32
            values = (values.astype("<u4") << np.uint32(16)).view("<f4")
    if len(values) != count:
        raise CodecError(f"Tensor {name!r} has {len(values)} values, but its shape needs {count}.")
    try:
        return values.reshape(shape)
    except (ValueError, OverflowError) as error:
        raise CodecError(f"Tensor {name!r} has no proper shape.") from error


def _of_json(name: object, data: Any, datatype: str) -> np.ndarray[Any, Any]:
    cells: list[Any] = []
    rest = [data]
    while rest:  # nested lists are allowed, row by row
        each = rest.pop()
        if isinstance(each, list):
            rest.extend(reversed(each))
        else:
            cells.append(each)
    allowed: tuple[type, ...] = (str, bytes) if datatype == _BYTES else (int, float)
    if not isinstance(data, list) or not all(isinstance(cell, allowed) for cell in cells):
        raise CodecError(f"Tensor {name!r} has data that is not of {datatype}.")
    if datatype == _BYTES:
        return _texts([cell.encode(errors="surrogatepass") if isinstance(cell, str) else cell for cell in cells])
    dtype = np.dtype("<f4") if datatype == _BRAIN else _DATATYPES[datatype]
    whole = dtype.kind in "iu"
    try:
        with np.errstate(over="ignore"):
            return np.array([int(cell) if whole else cell for cell in cells], dtype)
    except (ValueError, OverflowError) as error:
        raise CodecError(f"Tensor {name!r} has a value beyond {datatype}.") from error


def _pieces(name: object, raw: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(raw):
        if len(raw) - at < 4:  # noqa: PLR2004 - the length of each piece is a uint32
            raise CodecError(f"Tensor {name!r} is cut short.")
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4
        if length > len(raw) - at:
            raise CodecError(f"Tensor {name!r} is cut short.")
        found.append(raw[at : at + length])
        at += length
    return found


def _texts(pieces: list[bytes]) -> np.ndarray[Any, Any]:
    values = np.empty(len(pieces), object)
    try:
        values[:] = [piece.decode() for piece in pieces]
    except UnicodeDecodeError:
        values[:] = pieces
    return values
