"""``application/json`` and JSON Lines.

A table becomes a list of rows, ``[[1.0,"a"],[2.5,null]]``, of JSON Lines one row a line, or whatever its `template`
says. How each sort of cell is written:

================================  ===================================================================================
cell                              JSON
================================  ===================================================================================
missing (None, NaN, NA, NaT)      ``null``
True, False                       ``true``, ``false``
integer, decimal                  a number with all its digits
float                             the shortest number that reads back the same; an infinity is a `CodecError`
text                              a string
date with a time                  ``"2024-01-02T03:04:05"``, with 3, 6 or 9 more digits and the offset (``+01:00``)
                                  where the column needs them
date, time, duration              ``"2024-01-02"``, ``"03:04:05"``, ``"1 days 02:03:04"``
category                          its value
list, mapping, array              a list or an object
bytes, complex, other objects     `CodecError` that names the column
================================  ===================================================================================

Tables and arrays are written without spaces; lists, dicts and everything else have the bytes of the SageMaker SDK's
``JSONSerializer`` and ``JSONLinesSerializer``. The differences are in what those cannot write, or write as invalid
JSON (``NaN``), and in text that is a JSON object or list already, which is sent as it is.

In another charset than UTF-8 every character beyond ASCII is escaped, so any charset carries all text.

Read, ``NaN``, ``Infinity`` and integers of any length are understood.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import orjson

from smrt_jupyter.codecs.base import Codec, MediaType, Writer
from smrt_jupyter.codecs.charsets import escaped, escaping
from smrt_jupyter.codecs.json_rows import dumps, rows_writer
from smrt_jupyter.codecs.template import Template
from smrt_jupyter.codecs.text_bodies import charset_of, decoded, encoded, raw_body
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Table, is_table

_HALF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
"""Translates every digit to ``0``, so that a long run of digits can be searched for."""


class JSON(Codec):
    """One JSON value.

    Parameters
    ----------
    content_type : str, optional
    template : str, mapping, list or Template, optional
        How rows become the body; see :mod:`smrt_jupyter.codecs.template`.

    Examples
    --------
    >>> JSON().encode({"inputs": "Why is the sky blue?"})
    b'{"inputs": "Why is the sky blue?"}'
    >>> JSON(template="features").encode([[1.5, 2], [0.5, 4]])
    b'{"instances":[{"features":[1.5,2]},{"features":[0.5,4]}]}'
    >>> JSON().decode(b'{"score": NaN}')
    {'score': nan}
    """

    content_types: ClassVar[tuple[str, ...]] = ("application/json", "text/json")
    separator: ClassVar[bytes] = b","

    def __init__(self, content_type: str | None = None, *, template: object = None) -> None:
        super().__init__(content_type)
        self.template = None if template is None else Template.of(template)

    @property
    def rows_at_once(self) -> int | None:
        """How many rows a request can carry: 1 where the template has room for one record, else None."""
        return 1 if self.template is not None and self.template.one_row else None

    def encode(self, value: object) -> bytes:
        """Serialise one value.

        Parameters
        ----------
        value : object
            Anything that JSON has, tables and arrays, or bytes or an open file that is JSON already. With a template:
            a table, a list of rows, one row as a mapping, or one value.

        Returns
        -------
        bytes

        Raises
        ------
        CodecError
            When it, or a column that is named, cannot be carried.
        """
        if isinstance(value, bytes | bytearray | memoryview | os.PathLike) or hasattr(value, "read"):
            return raw_body(value, self.media_type) or b""
        if isinstance(value, str) and _is_body(value):
            return encoded(value, self.media_type)
        if self.template is not None and not is_table(value) and not self._is_finished(value, self.template):
            value = Table.of(value if isinstance(value, list | tuple) else [value])
        if not is_table(value):
            return self._value(value)
        table = Table.of(value)
        return self.writer(table)(0, len(table))

    @staticmethod
    def _is_finished(value: object, template: Template) -> bool:
        """Tell whether a mapping has all that the template would put around rows: then it is the body itself."""
        outer = template.content if isinstance(template.content, Mapping) else template.record
        return isinstance(value, Mapping) and isinstance(outer, Mapping) and set(outer) <= set(value)

    def _value(self, value: object) -> bytes:
        return escaped(dumps(value), self.media_type)

    def decode(self, body: bytes) -> object:
        """Read one JSON value.

        Parameters
        ----------
        body : bytes

        Returns
        -------
        object

        Raises
        ------
        CodecError
            When it is not JSON.
        """
        return loads(in_utf8(body, self.media_type))

    def writer(self, table: Table) -> Writer:
        """Fit the template to a table, then write any rows.

        See `Codec.writer`.
        """
        template = self.template or Template("$records", "$features")
        return escaping(rows_writer(table, template, lines=False), self.media_type)


class JSONLines(JSON):
    r"""One JSON value a line.

    Parameters
    ----------
    content_type : str, optional
    template : str, mapping, list or Template, optional
        How a row becomes a line: the template's record.

    Examples
    --------
    >>> JSONLines().encode([{"in0": [6, 17]}, {"in0": [22]}])
    b'{"in0": [6, 17]}\n{"in0": [22]}'
    >>> JSONLines(template='{"features": $features}').encode(np.array([[1.5, 2.0], [0.5, 4.0]]))
    b'{"features":[1.5,2.0]}\n{"features":[0.5,4.0]}'
    """

    content_types = (
        "application/jsonlines",
        "application/x-jsonlines",
        "application/jsonl",
        "application/x-jsonl",
        "application/json-lines",
        "application/x-ndjson",
        "application/ndjson",
        "application/jsons",
        "text/jsonl",
    )

    @property
    def rows_at_once(self) -> int | None:
        """None: a line is a record, and there may be any number of lines."""
        return None

    def encode(self, value: object) -> bytes:
        """Serialise values, one a line.

        Parameters
        ----------
        value : object
            A table, a list of values, or bytes, text or an open file that is JSON Lines already. A mapping is one
            line.

        Returns
        -------
        bytes

        Raises
        ------
        CodecError
            When a value, or a column that is named, cannot be carried.
        """
        body = raw_body(value, self.media_type)
        return super().encode(value) if body is None else body

    def _value(self, value: object) -> bytes:
        if isinstance(value, np.ndarray):
            value = list(value)
        body = b"\n".join(map(dumps, value)) if isinstance(value, list | tuple) else dumps(value)
        return escaped(body, self.media_type)

    def decode(self, body: bytes) -> object:
        """Read values, one a line; empty lines are passed over.

        Parameters
        ----------
        body : bytes

        Returns
        -------
        list

        Raises
        ------
        CodecError
            Naming the line that is not JSON.
        """
        lines = [line for line in in_utf8(body, self.media_type).split(b"\n") if line and not line.isspace()]
        try:
            values = orjson.loads(b"[" + b",".join(lines) + b"]")
        except orjson.JSONDecodeError:
            values = []
        if len(values) == len(lines) and not any(map(_has_long_digits, lines)):
            return values
        values = []
        for place, line in enumerate(lines):
            try:
                values.append(loads(line))
            except CodecError as error:
                raise CodecError(f"line {place + 1} of the body is not JSON: {error.message}") from error
        return values

    def writer(self, table: Table) -> Writer:
        """Fit the template to a table, then write any rows, one a line.

        See `Codec.writer`.
        """
        template = self.template or Template("$records", "$features")
        return escaping(rows_writer(table, template, lines=True), self.media_type)


def loads(body: bytes) -> Any:
    """Read one JSON value, exactly.

    Parameters
    ----------
    body : bytes
        In UTF-8.

    Returns
    -------
    object

    Raises
    ------
    CodecError
        When it is not JSON.

    Examples
    --------
    >>> loads(b"[18446744073709551616, -Infinity]")
    [18446744073709551616, -inf]
    """
    try:
        if b"NaN" not in body and b"Infinity" not in body and not _has_long_digits(body):
            try:
                return orjson.loads(body)
            except orjson.JSONDecodeError:
                if not _HALF_A_PAIR.search(body):
                    raise
                return json.loads(body.decode())  # orjson refuses half of a surrogate pair; models do cut emoji in two
        return json.loads(body)  # slower, but it knows those words, and integers beyond 64 bits
    except (ValueError, RecursionError) as error:
        start = body[:80].decode("utf-8", "replace")
        raise CodecError(f"the body is not JSON ({error}): it begins with {start!r}.") from error


def _has_long_digits(body: bytes) -> bool:
    """Tell whether there may be an integer beyond 64 bits, which orjson would read as the nearest float."""
    return b"0" * 19 in body.translate(_DIGITS)


def in_utf8(body: bytes, media_type: MediaType) -> bytes:
    """Recode a body from its charset.

    Parameters
    ----------
    body : bytes
    media_type : MediaType

    Returns
    -------
    bytes
        Without a byte order mark.
    """
    if charset_of(media_type) == "utf-8":
        return body.removeprefix(b"\xef\xbb\xbf")
    return decoded(body, media_type).encode()


def _is_body(text: str) -> bool:
    """Tell whether text is a JSON object or list already: as a string in quotation marks it would help nobody."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        loads(text.encode("utf-8", "surrogatepass"))
    except CodecError:
        return False
    return True
