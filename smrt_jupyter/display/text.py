"""Text that is shown: cut to size, cleaned of what a terminal or a browser would obey, and put on a page."""

from __future__ import annotations

import codecs
import contextlib
import html
import re
from typing import Any

TEXT_LONGEST = 20_000
"""Characters of a text that are shown: a notebook keeps every output in its file."""

BYTES_SHOWN = 200
MONOSPACE = "font-family: var(--jp-code-font-family, monospace)"

# Beside control characters: those that turn the direction of what follows, so that it reads as something else, and
# halves of surrogate pairs, which no front end can be sent.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

# MathJax typesets what looks like TeX in any output, and TeX has links; these classes keep it out.
NOT_TEX = "tex2jax_ignore mathjax_ignore"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Say how many there are.

    Parameters
    ----------
    number : int
    noun : str
        Of one.
    plural : str, optional
        Of several, where that is not the noun with an s.

    Returns
    -------
    str

    Examples
    --------
    >>> counted(1, "row"), counted(1200, "row"), counted(0, "retry", "retries")
    ('1 row', '1,200 rows', '0 retries')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


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
        "text/plain": clean("\n".join(filter(None, (plain.rstrip("\n") if footer else plain, footer)))),
        "text/html": f'<div class="smrt-jupyter {NOT_TEX}">{rich}{below}</div>',
    }


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


def preformatted(text: str, *, wrap: bool = False) -> str:
    """Write text as HTML that looks as it does, and is nothing else.

    Parameters
    ----------
    text : str
    wrap : bool, default=False
        Whether long lines go on in the next one.

    Returns
    -------
    str
    """
    space = "pre-wrap" if wrap else "pre"
    return f'<pre style="{MONOSPACE}; white-space: {space}">{html.escape(clean(text))}</pre>'
