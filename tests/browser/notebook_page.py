"""What a person does in a notebook, and sees, through a real browser."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Error, Locator, Page

SLOW, QUICK = 60_000, 2_000
"""Milliseconds that anything may take on a busy machine, and that a person waits before trying again."""

IDLE = """() => {
    const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
    const kernel = context?.session?.kernel;
    return Boolean(kernel && context.isReady && kernel.connectionStatus === "connected" && kernel.status === "idle");
}"""
NOT_RUN = "(before)"
NUMBERED = re.compile(r"^\[\d+\]:?$")


@dataclass(frozen=True)
class FrontEnd:
    """A front end: the command that serves it, and where it shows a notebook."""

    command: str
    address: str


class NotebookPage:
    """A notebook in a page."""

    def __init__(self, page: Page, address: str, path: Path, pictures: Path) -> None:
        self.page = page
        self.path = path
        self.pictures = pictures
        self.address = address
        self.problems: list[str] = []
        page.set_default_timeout(SLOW)
        page.on("pageerror", self._note)
        self.open()

    def _note(self, error: Error) -> None:
        """Keep what went wrong in our script, which the page has as a blob; front ends have errors of their own."""
        if "blob:" in (error.stack or ""):
            self.problems.append(str(error))

    def open(self) -> None:
        """Go to the notebook, or go there again, and wait until its kernel answers."""
        self.page.goto(self.address)
        self.wait_for_kernel()

    def wait_for_kernel(self) -> None:
        """Wait until a kernel is there and does nothing."""
        expect(self.page.locator(".jp-Notebook .jp-Cell").first).to_be_visible(timeout=SLOW)
        self.page.wait_for_function(IDLE, timeout=SLOW)

    def restart_kernel(self) -> None:
        """Restart the kernel, as the menu does, without its question."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
        self.wait_for_kernel()

    # -- cells ----------------------------------------------------------------------------------------------------

    def cell(self, number: int) -> Locator:
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number)

    def output(self, number: int) -> Locator:
        return self.cell(number).locator(".jp-Cell-outputArea")

    def start(self, number: int) -> None:
        """Run a cell, and go on at once."""
        self.cell(number).locator(".jp-InputArea-editor .cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def run(self, number: int) -> Locator:
        """Run a cell, wait until it has ended, and give its output."""
        prompt = self.cell(number).locator(".jp-InputArea-prompt")
        prompt.evaluate("(node, mark) => { node.textContent += mark; }", NOT_RUN)  # a new number may equal the old one
        self.start(number)
        expect(prompt).to_have_text(NUMBERED, timeout=SLOW)
        return self.output(number)

    def complete(self, number: int, word: str) -> None:
        """Press Tab in a cell, as often as a patient person would, until a word is offered, and take it."""
        written = self.cell(number).locator(".cm-content").filter(has_text=word)
        offered = self.page.locator(".jp-Completer-item").filter(has_text=word)
        for attempt in range(5):
            if self.page.locator(".jp-Completer").is_visible():
                self.page.keyboard.press("Escape")  # what was offered is not what is looked for
            self.page.keyboard.press("Tab")
            try:
                expect(written.or_(offered).first).to_be_visible(timeout=QUICK)
                break
            except AssertionError:
                if attempt == 4:
                    raise
        if offered.first.is_visible():
            self.picture(f"completion-{word.strip('-')}")
            offered.first.click()
        expect(written).to_be_visible()

    def save(self) -> dict[str, Any]:
        """Save the notebook with the keyboard, and read what was written."""
        self.page.evaluate("() => { window.jupyterapp.shell.currentWidget.context.model.dirty = true; }")
        before = self.path.stat().st_mtime_ns
        # The checkpoint comes last; until then the front end would pass over a second Ctrl+S.
        with self.page.expect_response(lambda reply: reply.request.method == "POST" and "/checkpoints" in reply.url):
            self.page.keyboard.press("Control+s")
        assert self.path.stat().st_mtime_ns > before
        saved: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return saved

    # -- the panel ------------------------------------------------------------------------------------------------

    @property
    def board(self) -> Locator:
        return self.page.get_by_role("region", name="Request and answer")

    @property
    def status(self) -> Locator:
        """The line that says how it goes; an error is in `alert`."""
        return self.board.get_by_role("status")

    @property
    def alert(self) -> Locator:
        return self.board.get_by_role("alert")

    def button(self, name: str) -> Locator:
        return self.board.get_by_role("button", name=name, exact=True)

    def pick(self, field: str, value: str) -> None:
        """Type into a field of the panel, found by the label that a screen reader says."""
        self.page.get_by_label(field, exact=True).fill(value)
        self.page.keyboard.press("Tab")

    def choose(self, table: str) -> None:
        """Choose a table, or the typed payload, from the list."""
        data = self.page.get_by_label("Data", exact=True)
        label = data.locator("option", has_text=table).first.inner_text()
        data.select_option(label=label)

    def picture(self, name: str) -> None:
        """Leave a picture, to be looked at."""
        self.page.screenshot(path=self.pictures / f"{name}.png")
