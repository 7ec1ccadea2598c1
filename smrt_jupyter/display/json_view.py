"""JSON that is shown: short values as they are, long ones folded."""

from __future__ import annotations

import html
import json
import reprlib
from collections.abc import Mapping
from typing import Any

from smrt_jupyter.display.text import MONOSPACE, TEXT_LONGEST, clean, preformatted, shorten

JSON_WHOLE = 600
"""Characters of indented JSON that are shown as they are; anything longer is folded."""

JSON_MEMBERS = 100
JSON_DEEPEST = 20
"""Levels that are indented and folded; what nests deeper stands in one line."""

STRING_LONGEST = 1_000


def is_json(value: Any) -> bool:
    """Tell whether a value is what JSON has."""
    return value is None or isinstance(value, Mapping | list | tuple | bool | int | float)


def json_forms(value: Any) -> tuple[str, str]:
    """Give the plain and the rich form of what JSON has.

    Parameters
    ----------
    value : object

    Returns
    -------
    (str, str)
        As text, which is JSON unless it is cut, and as HTML that folds.
    """
    line = _dumps(value)
    indented = line if len(line) <= STRING_LONGEST // 10 or _is_deep(value) else _dumps(value, indent=2)
    plain = shorten(indented, TEXT_LONGEST)
    if len(indented) <= JSON_WHOLE:
        return plain, preformatted(indented, wrap=True)
    return plain, f'<div style="{MONOSPACE}">{_folded(value, 0)}</div>'


def _dumps(value: Any, indent: int | None = None) -> str:
    # What JSON has not (a date, a NumPy number) is told as text: this is a view, not a body.
    try:
        return json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    except (RecursionError, TypeError, ValueError):  # too deep, a key that is no text, or a circle
        return _CUT.repr(value)


_CUT = reprlib.Repr()
_CUT.maxlevel, _CUT.maxlist, _CUT.maxdict, _CUT.maxstring = JSON_DEEPEST, JSON_MEMBERS, JSON_MEMBERS, STRING_LONGEST


def _is_deep(value: Any) -> bool:
    """Say whether a value nests deeper than is shown, without descending into it."""
    level: list[Any] = [value] if isinstance(value, Mapping | list | tuple) else []
    for _ in range(JSON_DEEPEST + 1):
        members = [each.values() if isinstance(each, Mapping) else each for each in level]
        inner = [each for some in members for each in some if isinstance(each, Mapping | list | tuple)]
        if not inner:
            return False
        level = list({id(each): each for each in inner}.values())  # once each: a circle would grow without end
    return True


def _folded(value: Any, depth: int) -> str:
    """Nest ``<details>``: they fold in every front end, and without scripts."""
    if isinstance(value, Mapping) and value and depth < JSON_DEEPEST:
        label, members = f"{{{len(value):,}}}", [(_dumps(str(name)), each) for name, each in _first(value.items())]
    elif isinstance(value, list | tuple) and value and depth < JSON_DEEPEST:
        label, members = f"[{len(value):,}]", [(str(place), each) for place, each in enumerate(_first(value))]
    else:
        told = html.escape(clean(shorten(_dumps(value), STRING_LONGEST)))
        return f'<span style="white-space: pre-wrap">{told}</span>'
    items = "".join(f"<li>{html.escape(clean(name))}: {_folded(each, depth + 1)}</li>" for name, each in members)
    more = len(value) - len(members)
    if more > 0:
        items += f"<li>… {more:,} more</li>"
    opened = " open" if depth == 0 or _is_flat(value) else ""
    listed = f'<ul style="list-style: none; margin: 0; padding-left: 1.5em">{items}</ul>'
    style = "display: inline-block; vertical-align: top"
    return f'<details{opened} style="{style}"><summary>{label}</summary>{listed}</details>'


def _is_flat(value: Any) -> bool:
    members = value.values() if isinstance(value, Mapping) else value
    return len(value) <= 5 and not any(isinstance(each, Mapping | list | tuple) for each in members)  # noqa: PLR2004


def _first(values: Any) -> list[Any]:
    return [each for each, _ in zip(values, range(JSON_MEMBERS), strict=False)]
