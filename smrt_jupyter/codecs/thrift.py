"""Thrift's compact protocol, read: what the metadata of a Parquet file is written in."""

from __future__ import annotations

from typing import Any

from smrt_jupyter.errors import CodecError

_MAX_DEPTH = 12
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 1, 2, 3, 7, 8, 12
_INTEGERS = frozenset({4, 5, 6})
_LISTS = frozenset({9, 10})
_COUNT_FOLLOWS = 15
_LAST_OF_VARINT = 0x7F


class Struct(dict[int, Any]):
    """The fields of one struct by their numbers."""

    __slots__ = ()

    def number(self, field: int) -> int:
        """Give a count or an offset.

        Parameters
        ----------
        field : int

        Returns
        -------
        int
            0 when the field is missing.

        Raises
        ------
        CodecError
            When it is negative, or no integer.
        """
        value = self.get(field, 0)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise broken()
        return value

    def struct(self, field: int) -> Struct:
        """Give a struct inside of this one.

        Parameters
        ----------
        field : int

        Returns
        -------
        Struct
            An empty one when the field is missing.

        Raises
        ------
        CodecError
            When it is no struct.
        """
        value = self.get(field, Struct())
        if not isinstance(value, Struct):
            raise broken()
        return value

    def list(self, field: int, kind: type) -> list[Any]:
        """Give a list.

        Parameters
        ----------
        field : int
        kind : type
            What its elements must be: `Struct`, bytes or int.

        Returns
        -------
        list

        Raises
        ------
        CodecError
            When it is no list of these.
        """
        value = self.get(field, [])
        if not isinstance(value, list) or not all(isinstance(each, kind) for each in value):
            raise broken()
        return value


def broken() -> CodecError:
    """Make the error for metadata that makes no sense.

    Returns
    -------
    CodecError
    """
    return CodecError("The body is not Parquet: its metadata are broken.")


class Reader:
    """Reads structs one after another.

    Parameters
    ----------
    body : bytes
        Untrusted.
    at : int
        Where to begin.

    Attributes
    ----------
    at : int
        Where the next byte is.
    """

    def __init__(self, body: bytes, at: int) -> None:
        self.body = body
        self.at = at

    def _byte(self) -> int:
        if not 0 <= self.at < len(self.body):
            raise broken()
        self.at += 1
        return self.body[self.at - 1]

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte <= _LAST_OF_VARINT:
                return value
        raise broken()

    def _zigzag(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def struct(self, depth: int = 0) -> Struct:
        """Read a struct.

        Parameters
        ----------
        depth : int
            How many it is inside of.

        Returns
        -------
        Struct

        Raises
        ------
        CodecError
            When it is cut short or nested too deeply.
        """
        fields, number = Struct(), 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            kind = head & 15
            # In front of a field a boolean is its type itself; in a list it takes a byte.
            fields[number] = kind == _TRUE if kind in {_TRUE, _FALSE} else self._value(kind, depth + 1)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise broken()
        if kind in _INTEGERS:
            return self._zigzag()
        if kind == _STRUCT:
            return self.struct(depth)
        if kind in {_BINARY, _DOUBLE}:
            length = self._varint() if kind == _BINARY else 8
            if length > len(self.body) - self.at:
                raise broken()
            self.at += length
            return self.body[self.at - length : self.at]
        if kind in _LISTS:
            head = self._byte()
            count = head >> 4 if head >> 4 != _COUNT_FOLLOWS else self._varint()
            if count > len(self.body) - self.at:
                raise broken()
            return [self._value(head & 15, depth + 1) for _ in range(count)]
        if kind in {_TRUE, _FALSE, _BYTE}:
            return self._byte()
        raise broken()
