"""How rows become a JSON body: templates in the syntax of SageMaker Clarify, and presets for common containers.

A *content template* is the body and says where the records go; a *record template* is one record.

====================  =========================================================================================
placeholder           is replaced by
====================  =========================================================================================
``$records``          the list of records of a request
``$record``           one record: each request carries one row
``$features``         the list of a row's values
``$features_kvp``     an object of a row's names and values
``$feature_names``    the list of the names
``"${name}"``         the value of one column; inside a longer text, its text
``$value``            the value of a table of one column; of more, what ``$features_kvp`` is (ours, not Clarify's)
====================  =========================================================================================

A content template without ``$records`` and ``$record`` that names a row's values is itself the record, so each
request (of JSON Lines: each line) carries one row. A template is written as text, as Clarify's configuration
``{"content_template": ..., "record_template": ...}``, or as a structure of dicts and lists with the placeholders as
strings. The presets:

=====================  ======================================================  =====================================
preset                 body                                                    for
=====================  ======================================================  =====================================
``instances``          ``{"instances": [[1, 2], [3, 4]]}``                     TensorFlow Serving, MLflow
``features``           ``{"instances": [{"features": [1, 2]}, ...]}``          SageMaker's built-in algorithms
``dataframe_split``    ``{"dataframe_split": {"columns": [...], "data": ...``  MLflow
``dataframe_records``  ``{"dataframe_records": [{"age": 1, ...}, ...]}``       MLflow
``inputs``             ``{"inputs": ["some text", ...]}``                      Hugging Face, TEI
``messages``           ``{"messages": [{"role": "user", "content": ...}]}``    chat models; one row a request
=====================  ======================================================  =====================================
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from smrt_jupyter.codecs.surrogates import name_of
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables.base import two_of_a_name

PRESETS: dict[str, tuple[Any, Any]] = {
    "instances": ({"instances": "$records"}, "$features"),
    "features": ({"instances": "$records"}, {"features": "$features"}),
    "dataframe_split": ({"dataframe_split": {"columns": "$feature_names", "data": "$records"}}, "$features"),
    "dataframe_records": ({"dataframe_records": "$records"}, "$features_kvp"),
    "inputs": ({"inputs": "$records"}, "$value"),
    "messages": ("$record", {"messages": [{"role": "user", "content": "$value"}]}),
}
"""Content and record template of each preset."""

_ROW = frozenset({"$features", "$features_kvp", "$value"})
_PLACEHOLDERS = frozenset({"$records", "$record", "$feature_names"}) | _ROW
_CELL = re.compile(r"\$\{([^{}]+)\}")
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|\$\{[^{}]+\}|\$\w+')
_CLARIFY = {"content_template", "record_template"}


@dataclass(frozen=True, slots=True)
class Hole:
    """A place in a record that a row fills.

    Attributes
    ----------
    column : int, optional
        The position of the column; None: the list of all columns.
    inside : bool
        Whether it stands inside a text, where it has no quotation marks of its own.
    """

    column: int | None = None
    inside: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """A template fitted to the columns of one table.

    Attributes
    ----------
    before, after : bytes
        JSON around the records.
    record : tuple of bytes and Hole
        One record: JSON, and the places that a row fills.
    one_row : bool
        Whether a request carries one record alone, without the brackets of a list.
    """

    before: bytes
    record: tuple[bytes | Hole, ...]
    after: bytes
    one_row: bool


@dataclass(frozen=True, slots=True)
class Template:
    """A content and a record template, not yet fitted to a table; make one with `Template.of`.

    Examples
    --------
    >>> template = Template.of('{"rows": $records, "model": "v2"}')
    >>> template.layout(("age", "plan"), 2).after
    b'],"model":"v2"}'
    """

    content: Any
    record: Any
    preset: str = ""

    @staticmethod
    def of(template: object) -> Template:
        """Read a template.

        Parameters
        ----------
        template : str, mapping, list or Template
            A preset's name, or a template in any of the forms that the module describes.

        Returns
        -------
        Template

        Raises
        ------
        CodecError
            When it is no JSON, or has no placeholder, or an unknown one.
        """
        if isinstance(template, Template):
            return template
        if isinstance(template, str):
            if template in PRESETS:
                return Template(*PRESETS[template], preset=template)
            template = _parsed(template)
        record: Any = None
        if isinstance(template, Mapping) and template and set(template) <= _CLARIFY:
            record = template.get("record_template")
            record = _parsed(record) if isinstance(record, str) else record
            template = template.get("content_template", "$records")
            template = _parsed(template) if isinstance(template, str) else template
        used = set(_placeholders(template))
        if used & {"$records", "$record"}:
            return Template(template, "$features" if record is None else record)
        if record is not None or not (used & _ROW or any(name.startswith("${") for name in used)):
            raise CodecError(
                "the template says nowhere where the rows go.",
                next_step="Put $records (all rows), $record (one row a request), $features or ${column} into it.",
            )
        return Template("$record", template)

    @property
    def one_row(self) -> bool:
        """Whether a request carries one row."""
        return "$record" in set(_placeholders(self.content))

    def layout(self, names: tuple[Hashable, ...] | None, width: int, *, nested: bool = False) -> Layout:
        """Fit the template to the columns of a table.

        Parameters
        ----------
        names : tuple of hashable, optional
            The columns' names.
        width : int
            How many columns.
        nested : bool, default=False
            Whether the first column holds lists: the ``messages`` preset takes those for whole conversations.

        Returns
        -------
        Layout

        Raises
        ------
        CodecError
            When it needs names and there are none, or names a column that there is not.
        """
        record = self.record
        if self.preset == "messages":
            if width != 1:
                raise CodecError(
                    f"the messages preset takes a table of one column, and this one has {width}.",
                    next_step='Name it: template=\'{"messages": [{"role": "user", "content": "${question}"}]}\'.',
                )
            record = {"messages": "$value"} if nested else record
        fitted = _Fitted(names, width)
        parts = _joined(fitted.parts(self.content))
        places = [place for place, part in enumerate(parts) if not isinstance(part, bytes)]
        if len(places) != 1 or parts[places[0]] not in ("$records", "$record"):
            raise CodecError("a content template has $records or $record once, and other rows' values in no place.")
        place = places[0]
        one_row = parts[place] == "$record"
        before, after = b"".join(parts[:place]), b"".join(parts[place + 1 :])  # type: ignore[arg-type] # bytes, but one
        if not one_row:
            before, after = before + b"[", b"]" + after
        return Layout(before, tuple(_joined(fitted.parts(record))), after, one_row)  # type: ignore[arg-type]


class _Fitted:
    """Turns the structure of a template into JSON with holes, for the columns of one table."""

    def __init__(self, names: tuple[Hashable, ...] | None, width: int) -> None:
        self.names = None if names is None else [str(name) for name in names]
        self.width = width

    def parts(self, node: Any) -> Iterator[bytes | Hole | str]:
        if isinstance(node, Mapping):
            yield from self._members({str(name): value for name, value in node.items()})
        elif isinstance(node, list | tuple):
            yield b"["
            for place, value in enumerate(node):
                yield b"," if place else b""
                yield from self.parts(value)
            yield b"]"
        elif isinstance(node, str):
            yield from self._text(node)
        else:
            yield orjson.dumps(node)

    def _members(self, members: dict[str, Any]) -> Iterator[bytes | Hole | str]:
        yield b"{"
        for place, (name, value) in enumerate(members.items()):
            yield (b"," if place else b"") + orjson.dumps(name_of(name)) + b":"
            if isinstance(value, Hole):
                yield value
            else:
                yield from self.parts(value)
        yield b"}"

    def _text(self, text: str) -> Iterator[bytes | Hole | str]:
        if text in ("$records", "$record"):
            yield text
        elif text == "$features":
            yield Hole()
        elif text == "$feature_names":
            yield orjson.dumps([name_of(name) for name in self.names or ()] or list(range(self.width)))
        elif text == "$features_kvp" or (text == "$value" and self.width != 1 and self.names is not None):
            if self.names is None:
                raise CodecError("$features_kvp needs column names, and this table has none.")
            self._refuse_twice(self.names)
            yield from self._members({name: Hole(place) for place, name in enumerate(self.names)})
        elif text == "$value":
            yield Hole(0) if self.width == 1 else Hole()
        elif whole := _CELL.fullmatch(text):
            yield Hole(self._place(whole[1]))
        else:
            yield b'"'
            for place, piece in enumerate(_CELL.split(text)):
                yield Hole(self._place(piece), inside=True) if place % 2 else orjson.dumps(piece)[1:-1]
            yield b'"'

    def _place(self, name: str) -> int:
        if self.names is None or name not in self.names:
            has = "has no names" if self.names is None else f"has {', '.join(self.names)}"
            raise CodecError(f"the template names a column that there is not; the table {has}.", column=name)
        self._refuse_twice([name])
        return self.names.index(name)

    def _refuse_twice(self, used: list[str]) -> None:
        """Refuse to choose one of two columns: the other would silently be lost."""
        times = Counter(self.names)
        for name in used:
            if times[name] > 1:
                raise two_of_a_name(name)


def _joined(parts: Iterator[bytes | Hole | str]) -> list[bytes | Hole | str]:
    """Put neighbouring pieces of JSON together, so that a record has few parts to join."""
    together: list[bytes | Hole | str] = []
    for part in parts:
        if isinstance(part, bytes) and together and isinstance(together[-1], bytes):
            together[-1] += part
        else:
            together.append(part)
    return together


def _parsed(text: str) -> Any:
    """Read Clarify's text: JSON in which placeholders stand with or without quotation marks."""

    def quoted(token: re.Match[str]) -> str:
        found = token[0]
        if found.startswith('"'):
            return found
        if found not in _PLACEHOLDERS and not found.startswith("${"):
            raise CodecError(f"the template has an unknown placeholder {found}.", next_step=_known(found))
        return f'"{found}"'

    try:
        return orjson.loads(_TOKENS.sub(quoted, text))
    except orjson.JSONDecodeError as error:
        told = f"the template {text!r} is neither a preset nor JSON: {error}."
        raise CodecError(told, next_step=_known(text)) from error


def _known(text: str) -> str:
    close = difflib.get_close_matches(text, [*PRESETS, *_PLACEHOLDERS], n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    return f"{hint}Presets: {', '.join(PRESETS)}; placeholders: {', '.join(sorted(_PLACEHOLDERS))}, ${{column}}."


def _placeholders(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for value in node.values():
            yield from _placeholders(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _placeholders(value)
    elif isinstance(node, str):
        if node in _PLACEHOLDERS:
            yield node
        yield from (f"${{{name}}}" for name in _CELL.findall(node))
