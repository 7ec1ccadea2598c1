"""What the text of a cell is: its content type, and the names in it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from smrt_jupyter.errors import OptionError
from smrt_jupyter.magic.options import did_you_mean, written

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

JSON_BEGINS = ("{", "[", '"')

# A string of JSON, or a place for a name: so it is known on which side of the quotes a place is. Outside of them JSON
# has no braces in pairs, so others than a name's were meant as a place, too.
_STRING_OR_PLACE = re.compile(r'"(?:\\.|[^"\\])*"|\{\{\s*(?P<name>\w+)\s*\}\}|(?P<other>\{\{[^{}]*\}\})', re.DOTALL)
_PLACE = re.compile(r"\{\{\s*(?P<name>\w+)\s*\}\}")


def as_line_magic(lines: list[str]) -> list[str]:
    """Take a cell magic without a cell for the line magic: IPython itself runs none, whatever its options are.

    Parameters
    ----------
    lines : list of str
        What stands in the cell, as IPython's transformers have it.

    Returns
    -------
    list of str

    Examples
    --------
    >>> as_line_magic(["%%sagemaker --list"]), as_line_magic(["%%sagemaker churn", "1,2"])
    (['%sagemaker --list'], ['%%sagemaker churn', '1,2'])
    """
    alone = lines and lines[0].split()[:1] == ["%%sagemaker"] and not "".join(lines[1:]).strip()
    return [lines[0].replace("%%", "%", 1), *lines[1:]] if alone else lines


def content_type(text: str) -> str:
    r"""Tell the content type of a payload from its text.

    Parameters
    ----------
    text : str
        What stands in the cell.

    Returns
    -------
    str
        ``application/json`` for an object, an array or a quoted string; ``application/jsonlines`` for one of them a
        line; ``text/csv`` for lines of equally many fields with a number among them; ``text/plain`` for anything else.

    Raises
    ------
    OptionError
        For what begins as JSON and is none: sent as text it would fail far away, in the container.

    Examples
    --------
    >>> [content_type(text) for text in ('{"a": 1}', '[1]\n[2]', "1.5,red\n2,blue", "Why, oh why?")]
    ['application/json', 'application/jsonlines', 'text/csv', 'text/plain']
    """
    if text[:1] in JSON_BEGINS:
        try:
            json.loads(text)
        except (ValueError, RecursionError) as error:  # of brackets without end, too, nobody makes JSON
            if _is_json_lines(text):
                return "application/jsonlines"
            if text[0] == '"':
                return "text/csv" if _is_csv(text) else "text/plain"
            raise OptionError(
                f"The cell begins as JSON and is none: {error}.",
                next_step="Correct it, or send it as it stands with `--content-type text/plain`.",
            ) from None
        return "application/json"
    return "text/csv" if _is_csv(text) else "text/plain"


def payload(text: str, named: object, template: object) -> tuple[Any, str | None]:
    """Say what the text of a cell is as data.

    Parameters
    ----------
    text : str
        What stands in the cell.
    named, template : object
        The endpoint's content type and template; None where it has none.

    Returns
    -------
    (object, str or None)
        The bytes as they stand and the content type that they have, unless one is named. For a template: what the text
        says in JSON, and any other text as it is.

    Examples
    --------
    >>> payload("1,2", None, None), payload("Why?", None, "messages"), payload("[1]", "text/plain", None)
    ((b'1,2', 'text/csv'), ('Why?', None), (b'[1]', None))
    """
    if named is None and template is not None:
        is_json = text[:1] in JSON_BEGINS and content_type(text) == "application/json"
        return json.loads(text) if is_json else text, None
    return text.encode(), None if named is not None else content_type(text)


def _is_json_lines(text: str) -> bool:
    try:
        return all(isinstance(json.loads(line), dict | list | str) for line in text.splitlines() if line.strip())
    except (ValueError, RecursionError):
        return False


def _is_csv(text: str) -> bool:
    import csv

    try:
        rows = list(csv.reader(text.splitlines()))
    except csv.Error:  # a field of more than 131,072 characters is a prompt, and no number
        return False
    return (
        bool(rows)
        and len({len(row) for row in rows}) == 1
        and all(any(_is_number(field) for field in row) for row in rows)
    )


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def expand(text: str, namespace: Mapping[str, Any], hidden: Container[str] = ()) -> str:
    r"""Put values into the places ``{{name}}`` of a text.

    Parameters
    ----------
    text : str
        What stands in the cell.
    namespace : mapping of str to object
        Where the names are looked up.
    hidden : container of str, optional
        Those that nobody has written, which cannot have been meant.

    Returns
    -------
    str
        In JSON, a place inside a string takes the value's text, escaped; one outside takes the value as JSON. In any
        other text, it takes the value's text. Other braces are left alone.

    Raises
    ------
    OptionError
        For a name that there is not, and in JSON for a place that holds no name.

    Examples
    --------
    >>> expand('{"text": "Say {{word}}", "rows": {{rows}}}', {"word": 'a "b"', "rows": [1, None]})
    '{"text": "Say a \\"b\\"", "rows": [1, null]}'
    """

    def look_up(name: str) -> Any:
        if name not in namespace:
            meant = did_you_mean(name, written(namespace, hidden))
            raise OptionError(f"The cell names {{{{{name}}}}}, which is not defined.{meant}")
        return namespace[name]

    if text[:1] not in JSON_BEGINS:
        return _PLACE.sub(lambda place: str(look_up(place["name"])), text)

    def put(found: re.Match[str]) -> str:
        if found["other"]:
            raise OptionError(
                f"The cell has {found[0]}, and --expand replaces names alone.",
                next_step="Give the value a name in a cell before this one, and write that name.",
            )
        if found["name"]:
            return _as_json(found["name"], look_up(found["name"]))
        return _PLACE.sub(lambda place: json.dumps(str(look_up(place["name"])))[1:-1], found[0])

    return _STRING_OR_PLACE.sub(put, text)


def _as_json(name: str, value: Any) -> str:
    """Write a value as JSON, a table or an array as its rows."""
    for rows in ("tolist", "to_numpy"):
        if hasattr(value, rows):
            value = getattr(value, rows)()
    if hasattr(value, "tolist"):
        value = value.tolist()
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"{name} cannot be written as JSON: {error}.", next_step="Convert it first, or send it with `--data`."
        ) from None
