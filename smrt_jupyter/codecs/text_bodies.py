"""What all textual families share: bodies that are bytes already, and the charset."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from smrt_jupyter.codecs.given import given
from smrt_jupyter.errors import CodecError

if TYPE_CHECKING:
    from smrt_jupyter.codecs.base import MediaType

_CHARSETS = frozenset(
    {"utf-8", "utf-8-sig", "ascii", "iso8859-1", "iso8859-15", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"}
)
"""Only charsets: Python also calls zlib, punycode and more an encoding, and some of those are slow on bad input."""


def raw_body(value: object, media_type: MediaType) -> bytes | None:
    """Give the body when it is written already.

    Parameters
    ----------
    value : object
        Bytes, text, a path object, or an open file.
    media_type : MediaType
        Its charset is how text becomes bytes.

    Returns
    -------
    bytes, optional
        None when the value still has to be serialised.
    """
    if hasattr(value, "read"):
        value = value.read()
    return encoded(value, media_type) if isinstance(value, str) else given(value)


def charset_of(media_type: MediaType) -> str:
    """Name the charset of a media type.

    Parameters
    ----------
    media_type : MediaType

    Returns
    -------
    str
        As Python spells it; UTF-8 where the media type is silent.

    Raises
    ------
    CodecError
        When it is not one of the usual charsets.
    """
    named = media_type.parameters.get("charset") or "utf-8"
    try:
        charset = codecs.lookup(named).name
    except LookupError:
        charset = ""
    if charset not in _CHARSETS:
        raise CodecError(f"the charset {named!r} of {media_type.text!r} is unknown.", next_step="Use charset=utf-8.")
    return charset


def encoded(text: str, media_type: MediaType) -> bytes:
    """Turn text into bytes in the charset of a media type.

    Parameters
    ----------
    text : str
    media_type : MediaType

    Returns
    -------
    bytes

    Raises
    ------
    CodecError
        When the charset has no bytes for a character.
    """
    try:
        return text.encode(charset_of(media_type))
    except UnicodeEncodeError as error:
        raise CodecError(
            f"{error.object[error.start]!r} has no bytes in {charset_of(media_type)}.", next_step="Use charset=utf-8."
        ) from error


def in_utf_8(body: bytes, media_type: MediaType) -> bytes:
    """Write a body in UTF-8, if it is not already.

    Parameters
    ----------
    body : bytes
    media_type : MediaType
        Its charset is what the body is in.

    Returns
    -------
    bytes

    Raises
    ------
    CodecError
        When the bytes are not of that charset.
    """
    return body if charset_of(media_type) in ("utf-8", "ascii") else decoded(body, media_type).encode()


def decoded(body: bytes, media_type: MediaType) -> str:
    """Turn bytes into text.

    Parameters
    ----------
    body : bytes
    media_type : MediaType
        Its charset is how; a byte order mark is dropped.

    Returns
    -------
    str

    Raises
    ------
    CodecError
        When the bytes are not of that charset.
    """
    charset = charset_of(media_type)
    try:
        return body.decode(charset).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise CodecError(
            f"the body is not {charset} at byte {error.start}.", next_step="Its content type should say the charset."
        ) from error
