"""What Tab offers on the line of a magic: options, endpoints, what an endpoint has, content types, tables.

The control plane is asked in the background and its answers are kept: a kernel that waits for the network on Tab is a
kernel that hangs. What is not known yet is not offered; the next Tab has it. What is refused is never mentioned.
"""

from __future__ import annotations

import contextlib
import re
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from smrt_jupyter.content_types import NAMES
from smrt_jupyter.errors import SmrtError
from smrt_jupyter.magic import shortcuts
from smrt_jupyter.magic.options import PLACE

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Iterable, Mapping

    from smrt_jupyter.control_plane import Description

PATIENCE = 0.06
"""Seconds that Tab waits for the control plane: below what a person notices."""

KEPT = 60.0
"""Seconds that an answer is offered before it is asked for again."""

TEMPLATES = ("instances", "features", "dataframe_split", "dataframe_records", "inputs", "messages")

OF_ENDPOINT: dict[str, Callable[[Description], Iterable[str]]] = {
    "target_variant": lambda told: [variant.name for variant in told.variants],
    "inference_component_name": lambda told: told.components,
    "target_model": lambda told: told.target_models,
    "target_container_hostname": lambda told: [name for variant in told.variants for name in variant.containers],
}
"""What `Endpoint.describe` knows of the values of an option."""

_TABLES = {
    "pandas": {"DataFrame", "Series"},
    "polars": {"DataFrame", "Series"},
    "pyarrow": {"Table", "RecordBatch", "ChunkedArray"},
    "numpy": {"ndarray"},
    "scipy": {"csr_matrix", "csr_array", "csc_matrix", "csc_array"},
}

_LINE = re.compile(r"\s*(?:[^=%]+=\s*)?%%?sagemaker\s(?P<rest>.*)")

Choice = tuple[str, str]
"""A text to insert, and its kind."""


class Background:
    """Asks in a thread, and keeps the answers for a while.

    Parameters
    ----------
    patience : float
        Seconds to wait for an answer.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._found: dict[Any, tuple[float, Any]] = {}
        self._asking: dict[Any, threading.Thread] = {}
        self._lock = threading.Lock()

    def get(self, key: Any, ask: Callable[[], Any]) -> Any:
        """Give what is known.

        Parameters
        ----------
        key : hashable
            Of the question.
        ask : callable
            Answers it; runs in a thread where nothing, or nothing fresh, is known.

        Returns
        -------
        object
            The answer, a stale one, or None.
        """
        return self.ask(key, ask)()

    def ask(self, key: Any, ask: Callable[[], Any]) -> Callable[[], Any]:
        """Begin to ask, so that several questions share the patience.

        Parameters
        ----------
        key, ask
            As for `get`.

        Returns
        -------
        callable
            Gives what `get` would give, and waits for it until the patience, counted from now, is at its end.
        """
        until = time.monotonic() + self.patience
        with self._lock:
            when, answer = self._found.get(key, (float("-inf"), None))
            if time.monotonic() - when < KEPT:
                return lambda: answer
            thread = self._asking.get(key)
            if thread is None:
                thread = threading.Thread(
                    target=self._answer, args=(key, ask), name="smrt-jupyter-completion", daemon=True
                )
                self._asking[key] = thread
                thread.start()

        def known() -> Any:
            thread.join(max(0.0, until - time.monotonic()))
            return self._found.get(key, (0.0, answer))[1]

        return known

    def _answer(self, key: Any, ask: Callable[[], Any]) -> None:
        answer = None
        try:
            with contextlib.suppress(SmrtError, ImportError):  # who presses Tab did not ask for permissions
                answer = ask()
        finally:
            with self._lock:
                self._found[key] = (time.monotonic(), answer)
                self._asking.pop(key, None)


class Completer:
    """Completes lines of the magic.

    Parameters
    ----------
    parser : ArgumentParser
        Knows the options.
    """

    def __init__(self, parser: ArgumentParser) -> None:
        self.options = {
            option: action
            for option, action in parser._option_string_actions.items()  # noqa: SLF001 - no public list of them
            if option.startswith("--")
        }
        self.short = {option: action.dest for option, action in parser._option_string_actions.items()}  # noqa: SLF001
        self.background = Background()

    def complete(
        self, line: str, namespace: Mapping[str, Any], usual: Mapping[str, str], shortcuts_file: str = ""
    ) -> tuple[str, list[Choice]] | None:
        """Say how a line may go on.

        Parameters
        ----------
        line : str
            Up to the cursor.
        namespace : mapping of str to object
            The notebook's names.
        usual : mapping of str to str
            The configured region, profile and endpoint_url.
        shortcuts_file : str, optional
            As `shortcuts.read` takes it.

        Returns
        -------
        (str, list of (str, str)) or None
            The fragment that is being written, and what it may become; None where this line is not ours.
        """
        ours = _LINE.fullmatch(line)
        if ours is None:
            return None
        words = ours["rest"].split()
        fragment = "" if line[-1].isspace() else words.pop()
        told = self._told(words)
        previous = words[-1] if words else ""
        name, equals, value = fragment.partition("=")
        if equals and name.startswith("--"):
            fragment, wanted = value, self._wants(name)
        elif fragment.startswith("-"):
            wanted = None
        else:
            wanted = self._wants(previous)
        if wanted is None:
            choices = [] if fragment and not fragment.startswith("-") else self._options(words)
            if not told.get("endpoint") and not fragment.startswith("-"):
                # Of a matcher that offers nothing IPython takes no word that others are to be silent: without names, as
                # at the first Tab of a kernel, it would offer Python's.
                choices = self._endpoints(told, namespace, usual, shortcuts_file) or self._options(words)
        else:
            choices = self._values(wanted, told, namespace, usual, shortcuts_file)
        kept = [choice for choice in choices if choice[0].startswith(fragment)]
        return fragment, list(dict.fromkeys(kept))

    def _wants(self, word: str) -> str | None:
        """Name the option that waits for its value."""
        action = self.options.get(word.replace("_", "-")) or self.options.get(word)
        if action is None and word in self.short:
            action = next(each for each in self.options.values() if each.dest == self.short[word])
        return action.dest if action is not None and action.nargs != 0 else None

    def _told(self, words: list[str]) -> dict[str, str]:
        """Read the words before the cursor, as far as they make sense."""
        told: dict[str, str] = {}
        wanted: str | None = None
        for word in words:
            if wanted:
                told[wanted] = word
                wanted = None
            elif word.startswith("--") and "=" in word:
                name, _, value = word.partition("=")
                dest = self._wants(name)
                told |= {dest: value} if dest else {}
            elif word.startswith("-"):
                wanted = self._wants(word)
            else:
                told.setdefault("endpoint", word)
        return told

    def _options(self, words: list[str]) -> list[Choice]:
        used = {word.partition("=")[0] for word in words}
        return [(option, "option") for option in self.options if option not in used]

    def _values(
        self,
        wanted: str,
        told: Mapping[str, str],
        namespace: Mapping[str, Any],
        usual: Mapping[str, str],
        shortcuts_file: str,
    ) -> list[Choice]:
        simple: dict[str, Callable[[], Iterable[str]]] = {
            "data": lambda: [name for name, value in namespace.items() if _is_sendable(name, value)],
            "template": lambda: TEMPLATES,
            "region": lambda: self.background.get("regions", _regions) or (),
            "profile": lambda: self.background.get("profiles", _profiles) or (),
        }
        if wanted in simple:
            return [(name, "value") for name in simple[wanted]()]
        if wanted in ("content_type", "accept"):
            return self._content_types(wanted, told, namespace, usual, shortcuts_file)
        if wanted not in OF_ENDPOINT:
            return []
        description = self._description(told, namespace, usual, shortcuts_file)
        return [] if description is None else [(name, "value") for name in OF_ENDPOINT[wanted](description)]

    def _content_types(self, wanted: str, *place: Any) -> list[Choice]:
        known = self.background.ask("codecs", _codecs)  # while the endpoint is asked, too
        description = self._description(*place) if place[0].get("endpoint") else None
        declared: tuple[str, ...] = ()
        if description is not None:
            declared = description.content_types if wanted == "content_type" else description.accepts
        loaded = known() if "smrt_jupyter.codecs" in sys.modules else None
        names = NAMES if loaded is None else loaded.CONTENT_TYPES
        return [(name, "value") for name in (*declared, *names)]

    def _endpoints(
        self, told: Mapping[str, str], namespace: Mapping[str, Any], usual: Mapping[str, str], shortcuts_file: str
    ) -> list[Choice]:
        named = [name for name, value in namespace.items() if _is_endpoint(name, value)]
        with contextlib.suppress(SmrtError):  # the magic itself says what is wrong with the file
            named += shortcuts.read(shortcuts_file)
        place = {each: told.get(each) or usual.get(each) or None for each in PLACE}
        listed = self.background.get(("list", *place.values()), lambda: _names(place))
        return [(name, "endpoint") for name in (*named, *(listed or ()))]

    def _description(
        self, told: Mapping[str, str], namespace: Mapping[str, Any], usual: Mapping[str, str], shortcuts_file: str
    ) -> Any:
        name = told.get("endpoint", "")
        if not name:
            return None
        place = {each: told.get(each) or usual.get(each) or None for each in PLACE}
        known = namespace.get(name)
        known = known if _is_endpoint(name, known) else None
        key = ("describe", known or name, *place.values())
        return self.background.get(key, lambda: _describe(name, known, place, shortcuts_file))


# -- questions, asked in the background ---------------------------------------------------------------------------


def _names(place: Mapping[str, str | None]) -> list[str]:
    from smrt_jupyter import control_plane
    from smrt_jupyter.endpoint import Endpoint

    return control_plane.endpoint_names(Endpoint("", **place).target)  # type: ignore[arg-type] # strings, all of them


def _describe(name: str, known: Any, place: Mapping[str, str | None], shortcuts_file: str) -> Any:
    if known is None:
        known = shortcuts.endpoint(name, shortcuts_file)
        missing = {each: value for each, value in place.items() if value and getattr(known, each) is None}
        known = known.replace(**missing)
    return known.describe()


def _codecs() -> Any:
    from smrt_jupyter import codecs  # published ones, too, and what the notebook has registered

    getattr(codecs, "CONTENT_TYPES")  # noqa: B009 - looks for published ones, too, and they are remembered
    return codecs


def _regions() -> list[str]:
    from smrt_jupyter import wire

    return wire.regions()


def _profiles() -> list[str]:
    from smrt_jupyter import wire

    return wire.profiles()


# -- what the notebook's names hold, without importing what they are of -------------------------------------------


def _is_endpoint(name: str, value: Any) -> bool:
    kind = type(value)
    return not name.startswith("_") and kind.__name__ == "Endpoint" and kind.__module__ == "smrt_jupyter.endpoint"


def _is_table(name: str, value: Any) -> bool:
    kind = type(value)
    return not name.startswith("_") and kind.__name__ in _TABLES.get(kind.__module__.partition(".")[0], ())


def _is_sendable(name: str, value: Any) -> bool:
    if _is_table(name, value):
        return True
    return not name.startswith("_") and issubclass(type(value), list | dict | bytes) and name not in {"In", "Out"}
