"""Content types: which codec reads and writes which.

To add one of your own, subclass `Codec` and pass an instance as ``content_type=``, call `register_codec`, or publish it
under the entry-point group ``smrt_jupyter.codecs`` with its content type, ``text/x-mine`` or ``mine/*``, for a name.
Objects with the SageMaker SDK's ``CONTENT_TYPE`` and ``serialize`` work as they are. To add one here, write a file in
this folder and a line in the table of ``content_types.py``.
"""

from __future__ import annotations

import copy
import difflib
import importlib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from smrt_jupyter.codecs.base import Codec, MediaType, Writer
from smrt_jupyter.codecs.guesses import for_data
from smrt_jupyter.content_types import BUILT_IN, NAMES
from smrt_jupyter.errors import CodecError

__all__ = [
    "CONTENT_TYPES",
    "Codec",
    "MediaType",
    "Writer",
    "accepted",
    "find",
    "find_reader",
    "for_data",
    "reader_of",
    "register_codec",
]

_names = list(NAMES)

ENTRY_POINTS = "smrt_jupyter.codecs"


CONTENT_TYPES: list[str]
"""All known names, for Tab: built in, registered and published. Made when it is asked for."""

_registered: dict[str, type[Codec]] = {}


def _known_names() -> list[str]:
    """Name all content types; what other distributions publish is looked up, not loaded."""
    return [*_names, *(name for name in _published() if not name.endswith("/*") and name not in _names)]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> list[str]:
        """Look for published names only when somebody wants them: that reads the metadata of all distributions."""
        if name == "CONTENT_TYPES":
            return _known_names()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def register_codec(codec_class: type[Codec]) -> type[Codec]:
    """Make a codec known by its content types; it comes before the built-in ones.

    Parameters
    ----------
    codec_class : type
        A subclass of `Codec`. May be used as a decorator.

    Returns
    -------
    type
        The same class.

    Raises
    ------
    CodecError
        When it names no content types.

    Examples
    --------
    >>> @register_codec
    ... class Reversed(Codec):
    ...     content_types = ("text/x-reversed",)
    ...     def decode(self, body):
    ...         return body.decode()[::-1]
    >>> find_reader("text/x-reversed; charset=utf-8").decode(b"abc")
    'cba'
    """
    if not codec_class.content_types:
        raise CodecError(f"{codec_class.__name__} names no content types.", next_step='Set content_types = ("...",).')
    for essence in codec_class.content_types:
        _registered[essence.lower()] = codec_class
        if essence not in _names and not essence.endswith("/*"):
            _names.append(essence)
    find_reader.cache_clear()
    return codec_class


def find(content_type: Any, *, template: Any = None) -> Codec:
    """Find the codec that writes a content type.

    Parameters
    ----------
    content_type : str, Codec or object
        A MIME type with its parameters, a codec, or an object of the SageMaker SDK's kind.
    template : str, mapping or list, optional
        How rows become JSON.

    Returns
    -------
    Codec
        Bound: its ``media_type.text`` is what goes on the wire.

    Raises
    ------
    CodecError
        When no codec is known, or it takes no template.

    Examples
    --------
    >>> find("text/csv; label_size=0")
    CSV('text/csv; label_size=0')
    """
    if isinstance(content_type, Codec):
        codec = content_type
    elif isinstance(content_type, str):
        essence = MediaType(content_type).essence
        found = _class_of(essence)
        if found is not None and essence not in BUILT_IN and found is _load(BUILT_IN["text/*"]):
            found = None  # a reply may be any text; what is sent as an unknown one is more likely misspelt
        if found is None:
            known = _known_names()
            ends = [name for name in known if name.endswith((f"/{content_type}", f"-{content_type}"))]
            close = ends or difflib.get_close_matches(content_type, known, n=1)
            raise CodecError(
                f"there is no codec for {content_type!r}.",
                next_step=(f"Did you mean {close[0]}? " if close else "")
                + "`smrt_jupyter.register_codec` adds one; bytes can be sent as any content type.",
            )
        codec = found(content_type)
    else:
        from smrt_jupyter.codecs.adapter import SdkAdapter

        codec = SdkAdapter(content_type)
    if template is None:
        return codec
    if not hasattr(codec, "template"):
        raise CodecError(
            f"a template makes JSON, and {codec.media_type.text} is not.",
            next_step='Use content_type="application/json" or "application/jsonlines", or leave the template out.',
        )
    from smrt_jupyter.codecs.template import Template

    bound = copy.copy(codec)
    bound.template = Template.of(template)
    return bound


@lru_cache(maxsize=64)  # each chunk of a table is answered in the same type
def find_reader(content_type: str) -> Codec | None:
    """Find the codec that reads a reply.

    Parameters
    ----------
    content_type : str
        The reply's own.

    Returns
    -------
    Codec or None
        None: nobody knows this type, so the bytes stay bytes.
    """
    essence = MediaType(content_type).essence
    found = _class_of(essence)
    return None if found is None else found(content_type)


def _class_of(essence: str) -> type[Codec] | None:
    wildcard = essence.partition("/")[0] + "/*"
    for name in (essence, wildcard):
        if name in _registered:
            return _registered[name]
        if name == essence and name in BUILT_IN:
            return _load(BUILT_IN[name])
    published = _published()
    for name in (essence, wildcard):
        if name in published:
            return _load_published(name)
    if wildcard in BUILT_IN:
        return _load(BUILT_IN[wildcard])
    return _load(BUILT_IN["application/json"]) if essence.endswith("+json") else None


def _load(place: str) -> type[Codec]:
    module, _, name = place.partition(":")
    found: type[Codec] = getattr(importlib.import_module(f"smrt_jupyter.codecs.{module}"), name)
    return found


@cache
def _published() -> Mapping[str, EntryPoint]:
    """Look up what other distributions publish, by content type; only a type that is not built in asks for it."""
    return {each.name.lower(): each for each in entry_points(group=ENTRY_POINTS)}


def _load_published(name: str) -> type[Codec]:
    """Load one codec: a distribution that is broken only takes its own content types with it."""
    entry_point = _published()[name]
    try:
        found: type[Codec] = entry_point.load()
    except Exception as error:  # whatever happens when a stranger's module is imported
        by = entry_point.dist.name if entry_point.dist is not None else entry_point.value
        raise CodecError(
            f"the codec for {name!r}, which {by} publishes, cannot be loaded: {type(error).__name__}: {error}.",
            next_step="Repair or remove that package, or `smrt_jupyter.register_codec` another codec.",
        ) from error
    return found


def accepted(accept: Any) -> str | None:
    """Write the ``Accept`` of a request.

    Parameters
    ----------
    accept : str, Codec, object or None
        A MIME type or several with commas, a codec, an object of the SageMaker SDK's kind, or several of these.

    Returns
    -------
    str or None
    """
    if accept is None or isinstance(accept, str):
        return accept
    if isinstance(accept, Codec):
        own = getattr(accept, "accept", None)
        return own if isinstance(own, str) else accept.media_type.text
    named = getattr(accept, "ACCEPT", None) or getattr(accept, "CONTENT_TYPE", None)
    if named is not None:
        return named if isinstance(named, str) else ", ".join(named)
    if isinstance(accept, Iterable):
        return ", ".join(filter(None, map(accepted, accept)))
    raise CodecError(f"{type(accept).__name__} names no content type to accept.", next_step="Pass a MIME type.")


def reader_of(accept: Any, content_type: str) -> Codec | None:
    """Find who reads a reply, when the caller brought a reader of their own.

    Parameters
    ----------
    accept : str, Codec, object or None
        As for `accepted`.
    content_type : str
        The reply's own.

    Returns
    -------
    Codec or None
        None: `find_reader` decides by the reply's content type alone.
    """
    if isinstance(accept, Codec):
        essence = MediaType(content_type).essence
        if type(accept).__name__ != "SdkAdapter" and essence not in accept.content_types:
            return None
        reader = copy.copy(accept)
        reader.media_type = MediaType(content_type)
        return reader
    if hasattr(accept, "deserialize"):
        from smrt_jupyter.codecs.adapter import SdkAdapter

        return SdkAdapter(accept, content_type)
    return None
