"""The part of the panel that no notebook may keep: the typed payload, how it goes, and what came back.

Jupyter writes the traits of widgets into notebooks, and a text area's value is a trait. So this is a widget without
such traits: text comes from the page in the message that asks for something, and goes there in messages, which nobody
keeps. anywidget brings its script into any front end without an extension of our own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent


class Board(anywidget.AnyWidget):
    """Shows what it is told in every view of it, and passes on what is asked there.

    Parameters
    ----------
    asked : callable
        ``asked(verb, message)`` is called when a button or a key asks for something.
    fields : dict of str to str
        The ids of the fields whose content goes along with what is asked, by name.
    **shown
        What it shows at first.
    """

    _esm = HERE / "board.js"
    _css = HERE / "board.css"

    fields = traitlets.Dict().tag(sync=True)

    def __init__(self, asked: Callable[[str, dict[str, Any]], None], fields: dict[str, str], **shown: Any) -> None:
        self._asked = asked
        self._shown = shown
        super().__init__(fields=fields)
        self.on_msg(self._on_message)

    @property
    def shown(self) -> dict[str, Any]:
        """What a view that opens now would show."""
        return dict(self._shown)

    def show(self, **parts: Any) -> None:
        """Replace parts of what is shown: see ``show`` in ``board.js``.

        Parameters
        ----------
        **parts
            By name.
        """
        self._shown |= parts
        self.send(parts)

    def pass_by(self, **parts: Any) -> None:
        """Show what only the views that are open need: a tab to open, a text to copy.

        Parameters
        ----------
        **parts
            By name.
        """
        self.send(parts)

    def append(self, text: str) -> None:
        """Let the text of the answer grow.

        Parameters
        ----------
        text : str
            What is new.
        """
        self._shown["answer"] = {"text": self._shown["answer"]["text"] + text}
        self.send({"append": text})

    def _on_message(self, _: object, message: dict[str, Any], __: object) -> None:
        if message["do"] == "ready":
            self.send(self._shown)
        else:
            self._asked(message["do"], message)
