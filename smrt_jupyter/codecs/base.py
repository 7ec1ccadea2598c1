"""What a codec is: the pair of a writer and a reader for one family of content types.

A codec is a small frozen value, bound to one media type with its parameters, so ``text/csv; header=present`` is simply
another ``text/csv``. Client and embedded runtime use the same ones; golden bytes in the tests come from neither.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smrt_jupyter.policy import Policy
    from smrt_jupyter.tables import Table

Writer = Callable[[int, int], bytes]
"""Serialises the rows from start up to stop of one table. Made once for the whole table, called once for each chunk,
possibly from several threads, so that the text of a date or a float never depends on where the table was cut."""


_PARAMETER = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^;])+')
"""Up to a semicolon that is not in quotation marks."""


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    return re.sub(r"\\(.)", r"\1", value[1:-1] if value.endswith('"') else value[1:])


@dataclass(frozen=True, slots=True)
class MediaType:
    """A MIME type taken apart.

    Parameters
    ----------
    text : str
        As it was written, and as it goes on the wire: ``text/csv; charset=utf-8``.

    Attributes
    ----------
    essence : str
        Type and subtype in lower case, without parameters: ``text/csv``.
    parameters : mapping of str to str
        Names in lower case, values as written without their quotes; a name alone (``;verbose``) has the value ``""``.

    Examples
    --------
    >>> media_type = MediaType('Text/CSV; charset="utf-8";verbose')
    >>> media_type.essence, dict(media_type.parameters)
    ('text/csv', {'charset': 'utf-8', 'verbose': ''})
    """

    text: str
    essence: str = field(init=False, compare=False)
    parameters: Mapping[str, str] = field(init=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        """Take the text apart."""
        essence, _, rest = self.text.partition(";")
        pairs = (part.partition("=") for part in _PARAMETER.findall(rest) if part.strip())
        parameters = {name.strip().lower(): _unquoted(value.strip()) for name, _, value in pairs}
        object.__setattr__(self, "essence", essence.strip().lower())
        object.__setattr__(self, "parameters", MappingProxyType(parameters))

    def __reduce__(self) -> tuple[type[MediaType], tuple[str]]:
        """Pickle as the text: a mapping proxy does not pickle."""
        return MediaType, (self.text,)


class Codec:
    """Bytes from values, and values from bytes, for one family of content types.

    To add one: subclass, name the `content_types`, write `encode` and `decode`, and pass an instance as
    ``content_type=`` or call `register_codec`. `writer` is only worth overriding for speed. One object may read and
    write in several threads at once.

    Parameters
    ----------
    content_type : str, optional
        One of `content_types`, with parameters if need be. None: the first.

    Attributes
    ----------
    content_types : tuple of str
        The essences that this family answers to; a trailing ``/*`` stands for all of a type.
    has_types : bool
        Whether a reply says what is a number and what is text. CSV does not: a label of digits looks like a number.
    """

    content_types: ClassVar[tuple[str, ...]] = ()
    has_types: ClassVar[bool] = True

    @property
    def rows_at_once(self) -> int | None:
        """How many rows of a table one request can carry; None: any number."""
        return None

    def __init__(self, content_type: str | None = None) -> None:
        self.media_type = MediaType(content_type or self.content_types[0])

    def lines(self, body: bytes) -> bytes:
        """Give the lines of a reply without types in UTF-8, without a header; see `has_types`."""
        return body

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.media_type.text!r})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), self.media_type))

    def encode(self, value: object) -> bytes:
        """Serialise one value, whole.

        Parameters
        ----------
        value : object
            What this family can carry.

        Returns
        -------
        bytes

        Raises
        ------
        CodecError
            When the value cannot be carried; for a table it names the column.
        """
        raise NotImplementedError

    def decode(self, body: bytes) -> object:
        """Read a body.

        Parameters
        ----------
        body : bytes
            One whole reply, or request.

        Returns
        -------
        object
            Plain values: an ndarray or a DataFrame for tables, what JSON has for JSON, text, bytes, or an image.

        Raises
        ------
        CodecError
            When the body is not of this family. Nothing in it is ever executed or unpickled.
        """
        raise NotImplementedError

    def bounded(self, policy: Policy) -> Policy:
        """Lower a policy's ``chunk_rows`` to what one request can carry.

        Parameters
        ----------
        policy : Policy

        Returns
        -------
        Policy
        """
        if self.rows_at_once is None or (policy.chunk_rows or math.inf) <= self.rows_at_once:
            return policy
        return replace(policy, chunk_rows=self.rows_at_once)

    def writer(self, table: Table) -> Writer:
        """Prepare a table to be serialised piece by piece.

        Parameters
        ----------
        table : Table
            The whole table. Whatever cannot be carried is found here, before anything is sent.

        Returns
        -------
        callable
            ``(start, stop) -> bytes``, safe to call from several threads.

        Raises
        ------
        CodecError
            Naming the column that cannot be carried.
        """
        return lambda start, stop: self.encode(table[start:stop].native)
