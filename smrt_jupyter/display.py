"""How values show themselves: tables, JSON, images and text, always escaped.

What a model sends is data. It is never rendered as HTML, script, Markdown or mathematics, and in a terminal its control
characters are shown, not obeyed. Only raster images are drawn. Every bundle has ``text/plain`` besides ``text/html``.
"""

from __future__ import annotations

import base64
import codecs
import contextlib
import html
import json
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from smrt_jupyter.tables import is_sparse, is_table

TEXT_LONGEST = 20_000
"""Characters of a text that are shown: a notebook keeps every output in its file."""

BYTES_SHOWN = 200
JSON_WHOLE = 600
"""Characters of indented JSON that are shown as they are; anything longer is folded."""

JSON_MEMBERS = 100
JSON_DEEPEST = 20
"""Levels that are indented and folded; what nests deeper stands in one line."""

STRING_LONGEST = 1_000
ROWS_SHOWN, ROWS_WHEN_CUT = 60, 10
COLUMNS_SHOWN = 20
NAMELESS = ""
"""The column of a Series without a name."""

RASTER = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
)
"""The images that are drawn, by their first bytes. SVG is none: it may hold scripts."""

# Beside control characters: those that turn the direction of what follows, so that it reads as something else, and
# halves of surrogate pairs, which no front end can be sent.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

# MathJax typesets what looks like TeX in any output, and TeX has links; these classes keep it out.
NOT_TEX = "tex2jax_ignore mathjax_ignore"


def bundle(value: Any, footer: str) -> dict[str, Any]:
    """Show a value in every form that a front end may want.

    Parameters
    ----------
    value : object
        A table, what JSON has, an image, text or bytes.
    footer : str
        One line below it; empty for none.

    Returns
    -------
    dict of str to str
        MIME type to content: ``text/plain`` and ``text/html``.

    Examples
    --------
    >>> shown = bundle({"label": "<b>cat</b>"}, "200")
    >>> print(shown["text/plain"])
    {"label": "<b>cat</b>"}
    200
    >>> "<b>" in shown["text/html"]
    False
    """
    plain, rich = _forms(value)
    return page(plain, rich, footer)


def page(plain: str, rich: str, footer: str) -> dict[str, Any]:
    """Put a footer below two forms of one thing.

    Parameters
    ----------
    plain : str
        For ``text/plain``.
    rich : str
        For ``text/html``; whatever a model sent is escaped in it already.
    footer : str
        One line; empty for none.

    Returns
    -------
    dict of str to str
    """
    below = f"<div><small>{html.escape(clean(footer))}</small></div>" if footer else ""
    return {
        "text/plain": clean("\n".join(filter(None, (plain, footer)))),
        "text/html": f'<div class="smrt-jupyter {NOT_TEX}">{rich}{below}</div>',
    }


_LEFT_TH = '<th style="text-align: left; vertical-align: top; white-space: nowrap">'
_LEFT_TD = '<td style="text-align: left; white-space: pre-wrap">'


def facts(told: Mapping[str, Any]) -> dict[str, Any]:
    """Show named facts as a table of two columns, and lists of records among them as tables of their own.

    Parameters
    ----------
    told : mapping of str to object

    Returns
    -------
    dict of str to str
        As `bundle` gives.

    Examples
    --------
    >>> print(facts({"name": "churn", "content_types": ("text/csv", "application/json")})["text/plain"])
    name           churn
    content types  text/csv, application/json
    """
    width = max((len(name) for name in told), default=0)
    lines, rows = [], []
    for name, value in told.items():
        label = name.replace("_", " ")
        if _is_records(value):
            frame = _frame_of_records(value)
            shown = frame.to_string(index=False)
            cell = _table_html(frame, index=False)
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
            cell = _preformatted(shown) if "\n" in shown else html.escape(clean(shown))
        lines.append(f"{label:{width}}  " + shown.replace("\n", "\n" + " " * (width + 2)))
        rows.append(f"<tr>{_LEFT_TH}{html.escape(label)}</th>{_LEFT_TD}{cell}</td></tr>")
    return page("\n".join(lines), f"<table>{''.join(rows)}</table>", "")


def clean(text: str) -> str:
    r"""Show control characters instead of sending them to a terminal, and what turns the direction of a text.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        With tabs and line ends as they were.

    Examples
    --------
    >>> clean("red: \x1b[31m!")
    'red: \\x1b[31m!'
    """
    return CONTROL.sub(_escape, text.replace("\r\n", "\n"))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - as Python writes them


def shorten(text: str, longest: int = TEXT_LONGEST) -> str:
    """Cut a long text and say how much is missing.

    Parameters
    ----------
    text : str
    longest : int, default=20_000
        Characters to keep.

    Returns
    -------
    str

    Examples
    --------
    >>> shorten("abcdef", 4)
    'abcd… (2 more characters)'
    """
    more = len(text) - longest
    return f"{text[:longest]}… ({more:,} more characters)" if more > 0 else text


def bytes_told(body: bytes, shown: int = BYTES_SHOWN) -> str:
    r"""Show the beginning of a body: as text where it is text.

    Parameters
    ----------
    body : bytes
    shown : int, default=200
        How many bytes.

    Returns
    -------
    str

    Examples
    --------
    >>> bytes_told(b"1,2\n3,4"), bytes_told(b"\x93NUMPY", 3)
    ('1,2\n3,4', "b'\\x93NU' … (3 more bytes)")
    """
    head = body[:shown]
    more = f" … ({len(body) - shown:,} more bytes)" if len(body) > shown else ""
    with contextlib.suppress(UnicodeDecodeError):
        if _is_text(head):
            # A character that the cut goes through is no error of the text.
            return clean(codecs.getincrementaldecoder("utf-8")().decode(head, final=not more)) + more
    return f"{head!r}{more}"


def _is_text(head: bytes) -> bool:
    return not re.search(rb"[\x00-\x08\x0e-\x1f\x7f]", head)


def _forms(value: Any) -> tuple[str, str]:
    """Find the plain and the rich form of a value."""
    if isinstance(value, bytes | bytearray | memoryview):
        return _bytes_forms(bytes(value))
    if isinstance(value, str):
        shown = shorten(value)
        return shown, _preformatted(shown, wrap=True)
    if is_table(value) and not is_sparse(value):
        return _table_forms(value)
    if _is_json(value):
        return _json_forms(value)
    drawn = getattr(value, "_repr_png_", None)
    if drawn is not None and isinstance(picture := drawn(), bytes):
        return repr(value), _picture(picture, "image/png")
    shown = shorten(repr(value))
    return shown, _preformatted(shown)


_MONOSPACE = "font-family: var(--jp-code-font-family, monospace)"


def _preformatted(text: str, *, wrap: bool = False) -> str:
    space = "pre-wrap" if wrap else "pre"
    return f'<pre style="{_MONOSPACE}; white-space: {space}">{html.escape(clean(text))}</pre>'


# -- bytes and images ---------------------------------------------------------------------------------------------


def _bytes_forms(body: bytes) -> tuple[str, str]:
    kind = next((kind for begins, kind in RASTER if begins.match(body)), None)
    if kind:
        return f"<{kind}, {len(body):,} bytes>", _picture(body, kind)
    told = bytes_told(body)
    return told, _preformatted(told, wrap=True)


def _picture(body: bytes, kind: str) -> str:
    return f'<img alt="{kind}" style="max-width: 100%" src="data:{kind};base64,{base64.b64encode(body).decode()}">'


# -- tables -------------------------------------------------------------------------------------------------------


def _table_forms(value: Any) -> tuple[str, str]:
    frame = _as_frame(value)
    rows, columns = frame.shape
    rich = _table_html(frame)
    if rows > ROWS_SHOWN or columns > COLUMNS_SHOWN:
        rich += f"<div><small>{rows:,} rows x {columns:,} columns</small></div>"
    return repr(value), rich


def _table_html(frame: Any, *, index: bool = True) -> str:
    rows = ROWS_WHEN_CUT if len(frame) > ROWS_SHOWN else None
    named = list(frame.columns) != [NAMELESS]
    look = {"notebook": True, "border": 0, "index": index, "header": named, "escape": True}
    told: str = frame.to_html(max_rows=rows, max_cols=COLUMNS_SHOWN, **look)
    return clean(told)


def _as_frame(value: Any) -> Any:
    """Turn any table into pandas', which knows how to lay one out."""
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        return value
    if isinstance(value, pd.Series):
        return value.to_frame(value.name if value.name is not None else NAMELESS)
    if hasattr(value, "to_pandas"):  # Arrow
        if type(value).__module__.startswith("pyarrow"):
            found = value.to_pandas()
            return found if isinstance(found, pd.DataFrame) else found.to_frame(NAMELESS)
        if hasattr(value, "to_dict"):
            return pd.DataFrame(value.to_dict(as_series=False))
        return pd.DataFrame({value.name: value.to_list()})  # polars has no way to pandas without pyarrow
    return pd.DataFrame(value)


def _is_records(value: Any) -> bool:
    return isinstance(value, tuple | list) and bool(value) and all(is_dataclass(each) for each in value)


def _frame_of_records(records: Sequence[Any]) -> Any:
    """Lay records out, without the fields that none of them has."""
    import pandas as pd

    rows = [asdict(each) for each in records]
    said = [name for name in rows[0] if any(row[name] not in (None, (), "") for row in rows)]
    cells = [[", ".join(row[name]) if isinstance(row[name], tuple) else row[name] for name in said] for row in rows]
    return pd.DataFrame(cells, columns=[name.replace("_", " ") for name in said], dtype=object).fillna("")


# -- JSON ---------------------------------------------------------------------------------------------------------


def _is_json(value: Any) -> bool:
    return value is None or isinstance(value, Mapping | list | tuple | bool | int | float)


def _json_forms(value: Any) -> tuple[str, str]:
    line = _dumps(value)
    indented = line if len(line) <= STRING_LONGEST // 10 or _is_deep(value) else _dumps(value, indent=2)
    plain = shorten(indented, TEXT_LONGEST)
    if len(indented) <= JSON_WHOLE:
        return plain, _preformatted(indented, wrap=True)
    return plain, f'<div style="{_MONOSPACE}">{_folded(value, 0)}</div>'


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


# -- Markdown -----------------------------------------------------------------------------------------------------


def markdown(text: str, footer: str) -> dict[str, Any]:
    """Show a text as Markdown.

    Rendered here and not in the front end, whose Markdown may hold HTML and scripts: HTML in it stays text, links to
    ``javascript:`` are none, and no picture is fetched, for its address could carry away what the model was told.

    Parameters
    ----------
    text : str
        CommonMark with tables.
    footer : str
        One line below it; empty for none.

    Returns
    -------
    dict of str to str
        As `bundle` gives.

    Raises
    ------
    ImportError
        Without markdown-it-py: ``pip install 'smrt-jupyter[markdown]'``.
    """
    try:
        from markdown_it import MarkdownIt
    except ImportError as error:
        raise ImportError("--markdown needs markdown-it-py: pip install 'smrt-jupyter[markdown]'") from error
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    shown = shorten(text)
    return page(shown, reader.render(clean(shown)), footer)
