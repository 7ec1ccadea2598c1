"""How values show themselves: tables, JSON, images and text, always escaped.

What a model sends is data. It is never rendered as HTML, script, Markdown or mathematics, and in a terminal its control
characters are shown, not obeyed. Only raster images are drawn. Every bundle has ``text/plain`` besides ``text/html``.
"""

from __future__ import annotations

import base64
import html
import re
from typing import TYPE_CHECKING, Any

from smrt_jupyter.display.json_view import is_json, json_forms
from smrt_jupyter.display.tables import frame_of_records, is_records, table_forms, table_html
from smrt_jupyter.display.text import BYTES_SHOWN, bytes_told, clean, counted, page, preformatted, shorten
from smrt_jupyter.tables import is_sparse, is_table

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BYTES_SHOWN", "bundle", "bytes_told", "clean", "counted", "facts", "markdown", "page", "shorten"]

RASTER = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
)
"""The images that are drawn, by their first bytes. SVG is none: it may hold scripts."""


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
        if is_records(value):
            frame = frame_of_records(value)
            shown = frame.to_string(index=False)
            cell = table_html(frame, index=False)
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value).rstrip("\n")
            cell = preformatted(shown) if "\n" in shown else html.escape(clean(shown))
        lines.append(f"{label:{width}}  " + shown.replace("\n", "\n" + " " * (width + 2)))
        rows.append(f"<tr>{_LEFT_TH}{html.escape(label)}</th>{_LEFT_TD}{cell}</td></tr>")
    return page("\n".join(lines), f"<table>{''.join(rows)}</table>", "")


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


def _forms(value: Any) -> tuple[str, str]:
    """Find the plain and the rich form of a value."""
    if isinstance(value, bytes | bytearray | memoryview):
        return _bytes_forms(bytes(value))
    if isinstance(value, str):
        shown = shorten(value)
        return shown, preformatted(shown, wrap=True)
    if is_table(value) and not is_sparse(value):
        return table_forms(value)
    if is_json(value):
        return json_forms(value)
    drawn = getattr(value, "_repr_png_", None)
    if drawn is not None and isinstance(picture := drawn(), bytes):
        return repr(value), _picture(picture, "image/png")
    shown = shorten(repr(value))
    return shown, preformatted(shown)


def _bytes_forms(body: bytes) -> tuple[str, str]:
    kind = next((kind for begins, kind in RASTER if begins.match(body)), None)
    if kind:
        return f"<{kind}, {len(body):,} bytes>", _picture(body, kind)
    told = bytes_told(body)
    return told, preformatted(told, wrap=True)


def _picture(body: bytes, kind: str) -> str:
    return f'<img alt="{kind}" style="max-width: 100%" src="data:{kind};base64,{base64.b64encode(body).decode()}">'
