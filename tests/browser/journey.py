"""What a person does in a notebook, step by step: the same in every front end that a module of tests names."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Models
    from notebook_page import NotebookPage

PAYLOAD = "a-payload-that-nobody-may-keep"
"""What is typed as a payload, and searched for in the saved notebook."""

SLOW = 60_000

SET_UP, COMPLETE, TABLE, PANEL, ERROR, STREAM, BUSY = range(7)
CELLS = (
    """%load_ext smrt_jupyter
import pandas as pd
customers = pd.DataFrame({"age": [41.0, 19.0, 33.0], "spent": [120.5, 3.0, 0.5]}, index=["ann", "bob", "eve"])
numbers = pd.DataFrame({"a": range(1000), "b": range(1000)})""",
    "%sagemaker weigh",
    "%sagemaker sums --data customers",
    """from smrt_jupyter import Endpoint, EndpointPanel, Policy
panel = EndpointPanel(Endpoint("sums", policy=Policy(chunk_rows=10, concurrency=1)))
panel""",
    "%sagemaker broken --data customers",
    "%%sagemaker teller --stream\nTell me a story",
    "print('begun'); Endpoint('teller').invoke('busy')",
)


@pytest.fixture(scope="module")
def notebook(open_notebook: Callable[..., NotebookPage]) -> NotebookPage:
    """Open the notebook, and run its first cell: it loads the extension."""
    opened = open_notebook("journey.ipynb", *CELLS)
    opened.run(SET_UP)
    expect(opened.output(SET_UP)).to_have_text("")
    return opened


@pytest.fixture(scope="module")
def panel(notebook: NotebookPage) -> NotebookPage:
    """Open the panel."""
    notebook.run(PANEL)
    expect(notebook.button("Send")).to_be_enabled(timeout=SLOW)
    return notebook


@pytest.fixture(autouse=True)
def no_problem_in_the_page(notebook: NotebookPage) -> Iterator[None]:
    yield
    assert notebook.problems == []


# -- cells -----------------------------------------------------------------------------------------------------------


def test_tab_completes_endpoints_options_and_variants(notebook: NotebookPage) -> None:
    """Tab never waits for the service: in a new kernel it may take a second one."""
    editor = notebook.cell(COMPLETE).locator(".cm-content")
    editor.click()
    notebook.page.keyboard.press("Control+End")
    notebook.complete(COMPLETE, "weighted")
    notebook.page.keyboard.type(" --target-v")
    notebook.complete(COMPLETE, "--target-variant")
    notebook.page.keyboard.type(" ")
    notebook.complete(COMPLETE, "green")
    expect(editor).to_have_text("%sagemaker weighted --target-variant green")


def test_a_cell_gives_a_table_with_its_index(notebook: NotebookPage) -> None:
    output = notebook.run(TABLE)
    expect(output.locator("table")).to_contain_text("ann")
    expect(output.locator("table")).to_contain_text("161.5")
    notebook.picture("cell")


def test_an_error_in_a_cell_is_short_and_says_what_the_model_said(notebook: NotebookPage) -> None:
    output = notebook.run(ERROR)
    expect(output).to_contain_text("ModelError")
    expect(output).to_contain_text("the column plan is missing")
    assert len(output.inner_text().splitlines()) < 15
    notebook.picture("cell-error")


def test_streamed_text_grows_in_a_cell(notebook: NotebookPage, models: Models) -> None:
    models.story.clear()
    notebook.start(STREAM)
    output = notebook.output(STREAM)
    expect(output).to_contain_text("Once upon a time", timeout=SLOW)
    expect(output).not_to_contain_text("there were")
    models.story.set()
    expect(output).to_contain_text("Once upon a time there were 15 bytes.", timeout=SLOW)
    notebook.picture("cell-stream")


# -- the panel -------------------------------------------------------------------------------------------------------


def test_opening_the_panel_sends_nothing(
    notebook: NotebookPage, models: Models, request: pytest.FixtureRequest
) -> None:
    before = models.executions
    request.getfixturevalue("panel")
    notebook.picture("panel")
    assert models.executions == before


def test_a_table_is_sent_from_the_panel_and_its_answers_are_shown(panel: NotebookPage) -> None:
    panel.pick("Endpoint", "sums")
    panel.choose("customers")
    panel.button("Send").click()
    expect(panel.status).to_contain_text("Done: 3 rows", timeout=SLOW)
    answer = panel.board.get_by_role("tabpanel", name="Answer")
    expect(answer.locator("table")).to_contain_text("161.5")
    panel.picture("panel-table")
    for tab in ("Details", "Plot", "History"):
        panel.board.get_by_role("tab", name=tab).click()
        expect(panel.board.get_by_role("tabpanel", name=tab)).to_be_visible()
        panel.picture(f"panel-{tab.lower()}")


def test_a_long_run_shows_how_far_it_is_and_is_cancelled(panel: NotebookPage, models: Models) -> None:
    models.chunks_done = 0
    models.long_run.clear()
    panel.pick("Endpoint", "long-run")
    panel.choose("numbers")
    panel.button("Send").click()
    expect(panel.board).to_contain_text("30 of 1,000 rows", timeout=SLOW)
    expect(panel.board.get_by_role("progressbar")).to_have_attribute("value", "30")
    panel.picture("panel-progress")
    panel.button("Cancel").click()
    expect(panel.status).to_contain_text("Cancelled. 30 of 1,000 rows had been answered", timeout=SLOW)
    panel.picture("panel-cancelled")
    models.long_run.set()
    assert models.chunks_done == models.free_chunks + 1


def test_an_error_is_shown_in_place(panel: NotebookPage) -> None:
    panel.pick("Endpoint", "broken")
    panel.choose("customers")
    panel.button("Send").click()
    expect(panel.alert).to_contain_text("the column plan is missing", timeout=SLOW)
    expect(panel.alert).to_contain_text("error.logs()")
    panel.picture("panel-error")


def test_streamed_text_grows_in_the_panel(panel: NotebookPage, models: Models) -> None:
    models.story.clear()
    panel.pick("Endpoint", "teller")
    panel.choose("typed below")
    panel.page.get_by_label("Payload").fill(PAYLOAD)
    panel.button("Stream").click()
    answer = panel.board.get_by_role("tabpanel", name="Answer")
    expect(answer).to_have_text("Once upon a time", timeout=SLOW)
    panel.picture("panel-stream")
    models.story.set()
    expect(answer).to_have_text(f"Once upon a time there were {len(PAYLOAD)} bytes.", timeout=SLOW)


def test_the_keyboard_is_enough(panel: NotebookPage, models: Models) -> None:
    """Ctrl+Enter sends and runs no cell, Esc cancels, arrows go through the tabs."""
    models.story.clear()
    prompt = panel.cell(PANEL).locator(".jp-InputArea-prompt").inner_text()
    panel.pick("Endpoint", "teller")
    panel.choose("typed below")
    payload = panel.page.get_by_label("Payload")
    payload.fill(PAYLOAD)
    payload.press("Control+Enter")
    expect(panel.button("Cancel")).to_be_enabled(timeout=SLOW)
    payload.press("Escape")
    expect(panel.status).to_contain_text("Cancelled.", timeout=SLOW)
    models.story.set()
    panel.board.get_by_role("tab", name="Answer").focus()
    panel.page.keyboard.press("End")
    history = panel.board.get_by_role("tab", name="History")
    expect(history).to_be_focused()
    expect(history).to_have_attribute("aria-selected", "true")
    assert panel.cell(PANEL).locator(".jp-InputArea-prompt").inner_text() == prompt


def test_the_history_fills_in_without_sending(panel: NotebookPage, models: Models) -> None:
    before = models.executions
    panel.board.get_by_role("tab", name="History").click()
    panel.page.get_by_label("Payload").fill("something else")
    panel.button("Fill in").first.click()
    expect(panel.status).to_contain_text("Nothing has been sent.", timeout=SLOW)
    expect(panel.page.get_by_label("Payload")).to_have_value(PAYLOAD)
    assert models.executions == before


def test_the_code_is_copied(panel: NotebookPage) -> None:
    panel.choose("customers")
    panel.button("Copy as code").click()
    expect(panel.status).to_have_text("Copied.", timeout=SLOW)
    copied = panel.page.evaluate("navigator.clipboard.readText()")
    assert ".predict(customers)" in copied
    panel.picture("panel-code")


def test_the_panel_answers_while_a_cell_runs(panel: NotebookPage, models: Models) -> None:
    models.story.clear()
    panel.pick("Endpoint", "sums")
    panel.choose("customers")
    panel.start(BUSY)
    expect(panel.output(BUSY)).to_contain_text("begun", timeout=SLOW)
    panel.button("Send").click()
    expect(panel.status).to_contain_text("Done: 3 rows", timeout=SLOW)
    expect(panel.cell(BUSY).locator(".jp-InputArea-prompt")).to_have_text("[*]:")
    models.story.set()
    expect(panel.cell(BUSY).locator(".jp-InputArea-prompt")).to_have_text(re.compile(r"\[\d+\]"), timeout=SLOW)


def test_the_saved_notebook_holds_neither_secret_nor_payload(panel: NotebookPage, models: Models) -> None:
    """Widget state is saved here, as Colab and nbclient do; what is typed and not sent yet is not saved either."""
    panel.pick("Endpoint", "echo")
    panel.choose("typed below")
    panel.page.get_by_label("Payload").fill(PAYLOAD)
    panel.button("Send").click()
    expect(panel.board.get_by_role("tabpanel", name="Answer")).to_contain_text(PAYLOAD, timeout=SLOW)
    panel.page.get_by_label("Payload").fill(f"{PAYLOAD}, and more")
    saved = json.dumps(panel.save())
    assert '"echo"' in saved, "the panel's fields are there, so its state was saved"
    assert PAYLOAD not in saved
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        assert models.runtime.environ[name] not in saved


def test_a_restarted_kernel_and_an_opened_notebook_send_nothing(panel: NotebookPage, models: Models) -> None:
    before = models.executions
    panel.save()
    panel.restart_kernel()
    expect(panel.status).to_contain_text("Run this cell again", timeout=SLOW)
    expect(panel.button("Send")).to_be_disabled()
    panel.picture("panel-restarted")
    panel.open()
    panel.cell(PANEL).scroll_into_view_if_needed()
    panel.picture("panel-reopened")
    assert models.executions == before
    panel.run(SET_UP)
    panel.run(PANEL)
    expect(panel.button("Send")).to_be_enabled(timeout=SLOW)
    assert models.executions == before
