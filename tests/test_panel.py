"""The panel without a browser: its fields, its runs and what it shows, against an embedded runtime over HTTP."""

from __future__ import annotations

import atexit
import json
import threading
from typing import TYPE_CHECKING, Any

import nbformat
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbclient import NotebookClient
from raw_server import RawServer, http
from traitlets.config import Config

from smrt_jupyter import Endpoint, EndpointPanel, ModelError, Policy, codecs, magic
from smrt_jupyter.local.faults import Faults
from smrt_jupyter.panel.choices import BACKGROUND
from smrt_jupyter.panel.runs import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from smrt_jupyter import LocalRuntime

PAYLOAD = "a-payload-that-nobody-may-keep"
LONG = 120
"""Seconds after which a test that waits has failed."""

CUSTOMERS = pd.DataFrame({"age": [41.0, 19.0, 33.0], "spent": [120.5, 3.0, 0.5]}, index=["ann", "bob", "eve"])


class Gate:
    """A model that answers some requests at once, and holds the others until it is opened."""

    def __init__(self, free: int = 0) -> None:
        self.free = free
        self.calls = 0
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, frame: pd.DataFrame) -> pd.Series:
        self.calls += 1
        if self.calls > self.free:
            self.reached.set()
            self.opened.wait(LONG)
        return frame.sum(axis=1)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.opened.set()


def panel_for(endpoint: Endpoint, **namespace: Any) -> EndpointPanel:
    """Open a panel on an endpoint, in a notebook with these variables; the first table is chosen."""
    panel = EndpointPanel(endpoint, namespace=namespace)
    panel.data.value = next(iter(namespace), "")
    return panel


def press(panel: EndpointPanel, button: str, **message: Any) -> None:
    """Do what the page does when a button is pressed."""
    panel.board._handle_custom_msg({"do": button, "payload": panel.payload, **message}, [])


def until(panel: EndpointPanel) -> dict[str, Any]:
    """Wait for the end of the run, and give what is shown then."""
    assert panel.run is not None
    assert panel.run.wait(LONG)
    return panel.board.shown


def when_shown(panel: EndpointPanel, rows: int) -> threading.Event:
    """Give an event for when the progress of so many rows is shown."""
    shown = threading.Event()
    show = panel.board.show

    def note(**parts: Any) -> None:
        show(**parts)
        if parts.get("progress") and parts["progress"]["done"] == rows:
            shown.set()

    panel.board.show = note
    return shown


def joined(name: str) -> None:
    """Wait for the threads of that name."""
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(LONG)


# -- sending ---------------------------------------------------------------------------------------------------------


def test_a_table_is_answered_with_its_own_index(runtime: LocalRuntime) -> None:
    panel = panel_for(runtime.deploy("sums", lambda frame: frame.sum(axis=1)), customers=CUSTOMERS)
    press(panel, "send")
    shown = until(panel)
    pd.testing.assert_series_equal(panel.answer, CUSTOMERS.sum(axis=1), check_names=False)
    assert shown["tone"] == "good"
    assert shown["status"].startswith("Done: 3 rows in ")
    assert all(name in shown["answer"]["html"] for name in ("ann", "161.5"))
    assert dict(shown["facts"]["rows"])["rows"] == "3 of 3"


@pytest.mark.parametrize(
    ("payload", "content_type"),
    [('{"x": 1}', "application/json"), ("1,2\n3,4", "text/csv"), ("Why is the sky blue?", "text/plain")],
)
def test_the_content_type_of_typed_text_is_told_from_the_text(
    runtime: LocalRuntime, payload: str, content_type: str
) -> None:
    panel = panel_for(runtime.deploy("echo", lambda body: body, takes="body", content_type="text/plain"))
    press(panel, "send", payload=payload)
    shown = until(panel)
    assert shown["body"] == payload
    assert runtime.requests[-1].members["ContentType"] == content_type


@pytest.mark.parametrize("template", ["", "--template instances", "--template inputs", "--content-type text/csv"])
@pytest.mark.parametrize("payload", ["[[1,2],[3,4]]", '{"a": [1.50]}', "Why?", "1,2\n3,4\n", "word " * 40_000])
def test_typed_text_is_sent_as_the_magic_sends_it(
    runtime: LocalRuntime, tmp_path: Path, template: str, payload: str
) -> None:
    bodies: list[bytes] = []
    endpoint = runtime.deploy("echo", lambda body: bodies.append(body) or "{}", takes="body")
    fields = {"template": template.split()[1]} if "template" in template else {}
    fields |= {"content_type": template.split()[1]} if "type" in template else {}
    panel = panel_for(endpoint.replace(**fields))
    press(panel, "send", payload=payload)
    assert until(panel)["tone"] == "good"
    code = panel.code()
    InteractiveShell.clear_instance()
    shell = magic.plain_shell(str(tmp_path))
    shell.user_ns["echo"] = endpoint
    shell.run_line_magic("load_ext", "smrt_jupyter")
    shell.run_cell_magic("sagemaker", f"echo {template} --out answer", f"{payload}\n")
    atexit.unregister(shell.atexit_operations)
    InteractiveShell.clear_instance()
    exec(code.partition("# With boto3")[0], {})
    assert bodies == [bodies[0]] * 3
    assert runtime.requests[0].members == runtime.requests[1].members == runtime.requests[2].members


def test_a_reply_shows_its_raw_body_its_headers_and_its_latency(runtime: LocalRuntime) -> None:
    panel = panel_for(runtime.deploy("sums", lambda frame: frame.sum(axis=1)))
    press(panel, "send", payload="1,2\n3,4")
    shown = until(panel)
    facts = dict(shown["facts"]["rows"])
    assert facts["status"] == "200"
    assert facts["invoked production variant"] == "AllTraffic"
    assert facts["request id"] == panel.answer.request_id
    assert facts["latency"].endswith(" ms")
    assert shown["body"] == panel.answer.body.decode()


def test_the_chosen_variant_is_asked(runtime: LocalRuntime) -> None:
    panel = panel_for(
        runtime.deploy("two", variants={"blue": lambda frame: frame[0], "green": lambda frame: -frame[0]}),
    )
    panel.fields["target_variant"].value = "green"
    press(panel, "send", payload="7,1")
    until(panel)
    assert panel.answer.invoked_production_variant == "green"
    assert panel.endpoint.target_variant == "green"


def test_what_the_page_shows_is_sent_also_when_a_field_is_late(runtime: LocalRuntime) -> None:
    """A field's own message may wait behind a cell that runs, while the button's does not."""
    runtime.deploy("other", lambda frame: -frame.sum(axis=1))
    sums = runtime.deploy("sums", lambda frame: frame.sum(axis=1))
    panel = EndpointPanel(sums, namespace={"customers": CUSTOMERS})
    shown = {"name": "other", "data": "customers (2 rows, 2 columns)"}
    assert panel.board.fields.keys() > shown.keys()
    press(panel, "send", chosen=shown)
    until(panel)
    assert panel.answer["ann"] == -161.5
    assert runtime.executions("sums") == 0


def test_a_second_send_waits_for_the_first(runtime: LocalRuntime, gate: Gate) -> None:
    """There is one run at a time: a double click does not pay twice."""
    panel = panel_for(runtime.deploy("slow", gate), customers=CUSTOMERS)
    press(panel, "send")
    assert gate.reached.wait(LONG)
    press(panel, "send")
    gate.opened.set()
    until(panel)
    assert runtime.executions("slow") == 1


@pytest.mark.parametrize(
    ("name", "payload", "told"),
    [
        ("", "1,2", "Pick an endpoint first."),
        ("sums", "", "Type a payload, or pick a table as data."),
        ("sums", '{"x": ', "begins as JSON and is none"),
        ("sums", "[" * 100_000, "The payload begins as JSON and is none"),
    ],
)
def test_what_cannot_be_sent_is_told_before_anything_is(
    runtime: LocalRuntime, name: str, payload: str, told: str
) -> None:
    runtime.deploy("sums", lambda frame: frame.sum(axis=1))
    panel = panel_for(runtime.endpoint(name))
    press(panel, "send", payload=payload)
    assert told in panel.board.shown["status"]
    assert panel.board.shown["tone"] == "bad"
    assert panel.run is None
    assert not runtime.requests


def test_a_variable_that_has_gone_is_named(runtime: LocalRuntime) -> None:
    namespace = {"customers": CUSTOMERS}
    panel = EndpointPanel(runtime.deploy("sums", lambda frame: frame.sum(axis=1)), namespace=namespace)
    panel.data.value = "customers"
    del namespace["customers"]
    press(panel, "send")
    assert panel.board.shown["status"] == "There is no customers any more: run the cell that makes it."


# -- errors, streams, cancelling -------------------------------------------------------------------------------------


def test_an_error_is_one_line_with_the_models_words_and_the_next_step(runtime: LocalRuntime) -> None:
    def fail(_: pd.DataFrame) -> None:
        raise ValueError("the column plan\nis missing")

    panel = panel_for(runtime.deploy("broken", fail))
    press(panel, "send", payload="1,2")
    shown = until(panel)
    assert isinstance(panel.run.error, ModelError)
    assert shown["tone"] == "bad"
    assert "the column plan" in shown["status"]
    assert "panel.run.error.logs()" in shown["status"]
    assert "\n" not in shown["status"]
    assert shown["busy"] is False


def test_the_containers_log_is_fetched_on_request(runtime: LocalRuntime) -> None:
    def fail(_: pd.DataFrame) -> None:
        raise ValueError("the column plan is missing")

    panel = panel_for(runtime.deploy("broken", fail))
    press(panel, "send", payload="1,2")
    assert until(panel)["loggable"] is True
    press(panel, "log")
    joined("smrt-jupyter panel: log")
    assert "the column plan is missing" in panel.board.shown["log"]


def test_a_table_that_failed_in_part_keeps_the_rest(runtime: LocalRuntime) -> None:
    def fail_for_eve(frame: pd.DataFrame) -> pd.Series:
        if 33.0 in frame.to_numpy():
            raise ValueError("never eve")
        return frame.sum(axis=1)

    endpoint = runtime.deploy("picky", fail_for_eve).replace(policy=Policy(chunk_rows=1))
    panel = panel_for(endpoint, customers=CUSTOMERS)
    press(panel, "send")
    shown = until(panel)
    assert "never eve" in shown["status"]
    assert panel.answer["ann"] == 161.5
    assert pd.isna(panel.answer["eve"])
    assert "161.5" in shown["answer"]["html"]


def test_text_is_shown_while_it_is_made(runtime: LocalRuntime) -> None:
    told, go_on = threading.Event(), threading.Event()

    def tell(_: bytes) -> Iterator[str]:
        yield "Once upon"
        go_on.wait(LONG)
        yield " a time"

    panel = panel_for(runtime.deploy("teller", tell, takes="body", content_type="text/plain"))
    append = panel.board.append

    def note(text: str) -> None:
        append(text)
        told.set()

    panel.board.append = note
    press(panel, "stream", payload="Tell me a story")
    assert told.wait(LONG)
    assert panel.board.shown["answer"] == {"text": "Once upon"}
    assert panel.board.shown["busy"] is True
    go_on.set()
    shown = until(panel)
    assert shown["answer"] == {"text": "Once upon a time"}
    assert panel.answer == "Once upon a time"
    assert dict(shown["facts"]["rows"])["size"] == "16 bytes"


def test_cancelling_a_table_stops_sending_and_keeps_what_is_finished(runtime: LocalRuntime, gate: Gate) -> None:
    gate.free = 2
    endpoint = runtime.deploy("slow", gate).replace(policy=Policy(chunk_rows=10, concurrency=1))
    panel = panel_for(endpoint, numbers=pd.DataFrame({"a": range(1000), "b": range(1000)}))
    two_chunks = when_shown(panel, 20)
    press(panel, "send")
    assert gate.reached.wait(LONG)
    assert two_chunks.wait(LONG)  # the third may leave while the second's answers are still being read
    press(panel, "cancel")
    shown = until(panel)
    gate.opened.set()
    assert panel.run.state is State.CANCELLED
    assert shown["status"].startswith("Cancelled. 20 of 1,000 rows had been answered")
    assert panel.answer.notna().sum() == 20
    assert gate.calls == 3


def test_cancelling_a_single_request_frees_the_panel_at_once(runtime: LocalRuntime, gate: Gate) -> None:
    """It cannot be called back, so it is no longer waited for; and its late answer replaces nothing."""
    panel = panel_for(runtime.deploy("slow", gate))
    press(panel, "send", payload="1,2")
    assert gate.reached.wait(LONG)
    press(panel, "cancel")
    shown = until(panel)
    assert shown["busy"] is False
    assert shown["status"] == "Cancelled. A request that was under way may still run."
    gate.opened.set()
    assert panel.answer is None


def test_cancelling_a_stream_keeps_its_text(runtime: LocalRuntime) -> None:
    endless = threading.Event()

    def tell(_: bytes) -> Iterator[str]:
        yield "Once upon"
        endless.wait(LONG)

    panel = panel_for(runtime.deploy("teller", tell, takes="body", content_type="text/plain"))
    arrived = threading.Event()
    append = panel.board.append
    panel.board.append = lambda text: (append(text), arrived.set())
    press(panel, "stream", payload="Tell me a story")
    assert arrived.wait(LONG)
    press(panel, "cancel")
    shown = until(panel)
    endless.set()
    assert shown["status"] == "Cancelled. What came before is below."
    assert panel.answer == "Once upon"


def test_nothing_leaves_after_it_was_cancelled(runtime: LocalRuntime) -> None:
    """Not even the next attempt, when it was waiting for a model that is not ready."""
    waiting, cancelled = threading.Event(), threading.Event()

    class Waiting(Policy):
        def wait(self, attempt: int, jitter: float | None = None) -> float:
            waiting.set()
            cancelled.wait(LONG)
            return 0.0

    runtime.deploy("cold", lambda frame: frame, faults=Faults(script=["not_ready"] * 50))
    panel = panel_for(runtime.endpoint("cold").replace(policy=Waiting()))
    press(panel, "stream", payload="Tell me a story")
    assert waiting.wait(LONG)
    press(panel, "cancel")
    assert until(panel)["status"].startswith("Cancelled.")
    cancelled.set()
    joined("smrt-jupyter panel: typed text to cold, streamed")
    assert len(runtime.requests) == 1


def test_progress_tells_rows_pace_and_time_left(runtime: LocalRuntime, gate: Gate) -> None:
    gate.free = 2
    endpoint = runtime.deploy("slow", gate).replace(policy=Policy(chunk_rows=10, concurrency=1))
    panel = panel_for(endpoint, numbers=pd.DataFrame({"a": range(40)}))
    moments: list[dict[str, Any]] = []
    show = panel.board.show

    def note(**parts: Any) -> None:
        show(**parts)
        if parts.get("progress"):
            moments.append(parts["progress"])

    panel.board.show = note
    halfway = when_shown(panel, 20)
    press(panel, "send")
    assert halfway.wait(LONG)
    gate.opened.set()
    until(panel)
    assert moments[-1]["total"] == 40
    assert all(word in moments[-1]["pace"] for word in ("of 40 rows", "rows/s", "left"))


# -- nothing by itself, nothing kept ---------------------------------------------------------------------------------


def test_nothing_is_sent_when_it_is_made_drawn_or_drawn_again(runtime: LocalRuntime) -> None:
    panel = panel_for(runtime.deploy("sums", lambda frame: frame.sum(axis=1)), customers=CUSTOMERS)
    for _ in range(3):
        panel._repr_mimebundle_()
        press(panel, "ready")
    assert not runtime.requests


def test_a_view_that_opens_later_shows_what_the_others_show(runtime: LocalRuntime) -> None:
    panel = panel_for(runtime.deploy("sums", lambda frame: frame.sum(axis=1)), customers=CUSTOMERS)
    press(panel, "send")
    shown = until(panel)
    sent: list[dict[str, Any]] = []
    panel.board.send = sent.append
    press(panel, "ready")
    assert sent == [shown]
    assert runtime.executions("sums") == 1


def test_no_state_and_no_text_of_it_holds_the_payload_or_the_answer(runtime: LocalRuntime) -> None:
    """What front ends write into notebooks is the state of the widgets, and how the panel shows itself."""
    panel = panel_for(runtime.deploy("echo", lambda body: body, takes="body", content_type="text/plain"))
    for button in ("send", "stream", "code"):
        press(panel, button, payload=PAYLOAD)
        until(panel)
    press(panel, "again", run=0)
    until(panel)
    assert PAYLOAD in panel.answer.body.decode()
    kept = [json.dumps({name: str(value) for name, value in each.get_state().items()}) for each in every_part(panel)]
    kept += [repr(panel), str(panel._repr_mimebundle_()), repr(panel.run), repr(panel.board)]
    assert any("echo" in each for each in kept)
    assert not [each for each in kept if PAYLOAD in each]


def every_part(widget: Any) -> Iterator[Any]:
    """Walk a widget and all that it holds, layouts and styles too."""
    yield widget
    for child in (*getattr(widget, "children", ()), getattr(widget, "layout", None), getattr(widget, "style", None)):
        if hasattr(child, "get_state"):
            yield from every_part(child)


def test_a_front_end_without_widgets_says_how_to_do_the_same(runtime: LocalRuntime) -> None:
    panel = panel_for(runtime.deploy("sums", lambda frame: frame.sum(axis=1)))
    told = panel._repr_mimebundle_()["text/plain"]
    assert "Endpoint('sums').predict(table)" in told


NOTEBOOK = """
import os
from smrt_jupyter import EndpointPanel
panel = EndpointPanel("echo")
display(panel)
panel.payload = os.environ["A_PAYLOAD"]
assert panel.send().wait(30) and panel.answer.body.decode() == panel.payload, panel.board.shown
assert panel.stream().wait(30) and panel.answer == panel.payload, panel.board.shown
"""


def test_a_notebook_that_was_run_without_a_browser_holds_neither_payload_nor_secret(
    runtime: LocalRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nbclient writes all widget state that a kernel sends into the notebook."""
    runtime.deploy("echo", lambda body: body, takes="body", content_type="text/plain")
    for name, value in {**runtime.environ, "A_PAYLOAD": PAYLOAD, "IPYTHONDIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(NOTEBOOK)])
    NotebookClient(notebook, timeout=2 * LONG, kernel_name="python3").execute()
    saved = nbformat.writes(notebook)
    assert "application/vnd.jupyter.widget-state+json" in saved
    assert '"echo"' in saved
    assert PAYLOAD not in saved
    assert runtime.environ["AWS_SECRET_ACCESS_KEY"] not in saved


# -- choosing --------------------------------------------------------------------------------------------------------


def described(panel: EndpointPanel) -> None:
    """Wait until the control plane has been asked."""
    assert panel.comm is not None
    joined(BACKGROUND)


def test_endpoints_are_listed_and_what_they_consist_of_is_offered(runtime: LocalRuntime) -> None:
    runtime.deploy("plain", lambda frame: frame[0])
    weighted = runtime.deploy("weighted", variants={"blue": lambda frame: frame[0], "green": lambda frame: frame[1]})
    panel = panel_for(weighted)
    described(panel)
    assert set(panel.fields["name"].options) == {"plain", "weighted"}
    assert set(panel.fields["target_variant"].options) == {"blue", "green"}
    assert panel.fields["target_variant"].layout.display is None
    assert panel.fields["inference_component_name"].layout.display == "none"
    panel.fields["target_variant"].value = "green"
    panel.fields["name"].value = "plain"
    described(panel)
    assert panel.endpoint.target_variant is None
    assert panel.fields["target_variant"].layout.display == "none"


def test_components_and_target_models_are_offered(runtime: LocalRuntime) -> None:
    many = runtime.deploy("many", models={"a.tar.gz": lambda frame: frame[0], "b.tar.gz": lambda frame: -frame[0]})
    panel = panel_for(many)
    described(panel)
    assert set(panel.fields["target_model"].options) == {"a.tar.gz", "b.tar.gz"}
    runtime.deploy("parts", components={"left": lambda frame: frame[0], "right": lambda frame: -frame[0]})
    panel.fields["name"].value = "parts"
    described(panel)
    assert set(panel.fields["inference_component_name"].options) == {"left", "right"}


def test_without_permission_to_list_names_are_typed(runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control plane refuses everything; invoking goes on."""
    runtime.deploy("sums", lambda frame: frame.sum(axis=1))
    refused = json.dumps({"__type": "AccessDeniedException", "message": "not authorized"}).encode()
    with RawServer(lambda _: http(400, refused, {"Content-Type": "application/x-amz-json-1.1"})) as control:
        for name, value in runtime.environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", control.url)
        panel = EndpointPanel(namespace={})
        described(panel)
        assert panel.board.shown["status"].startswith("Endpoints cannot be listed, so type the name.")
        panel.fields["name"].value = "sums"
        described(panel)
        assert panel.fields["target_variant"].layout.display is None
        press(panel, "send", payload="1,2")
        assert until(panel)["tone"] == "good"


def test_tables_of_the_namespace_are_offered_with_their_size() -> None:
    namespace = {"customers": CUSTOMERS, "_hidden": CUSTOMERS, "word": "no table", "one": CUSTOMERS["age"]}
    panel = EndpointPanel(namespace=namespace)
    assert list(panel.data.options) == [
        ("typed below", ""),
        ("customers (3 rows, 2 columns)", "customers"),
        ("one (3 rows)", "one"),
    ]


def test_a_table_made_by_a_later_cell_is_offered_and_the_choice_stays(tmp_path: Path) -> None:
    # Its own folder and no history: those of the person's home are shared with whatever else runs there.
    shell = InteractiveShell(ipython_dir=str(tmp_path), config=Config({"HistoryManager": {"enabled": False}}))
    shell.user_ns["customers"] = CUSTOMERS
    panel = EndpointPanel(namespace=shell.user_ns)
    panel.data.value = "customers"
    shell.run_cell("import pandas; younger = customers.query('age < 20')")
    assert ("younger (1 row, 2 columns)", "younger") in panel.data.options
    assert panel.data.value == "customers"
    panel.close()
    shell.run_cell("older = customers")
    assert "older" not in dict(panel.data.options).values()


def test_what_has_no_field_is_kept(runtime: LocalRuntime) -> None:
    endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1)).replace(
        policy=Policy(attempts=2), path="predictions", content_type=codecs.find("text/csv"), accept="application/json"
    )
    panel = EndpointPanel(endpoint, namespace={})
    assert panel.fields["content_type"].value == "text/csv"
    assert panel.endpoint == endpoint


def test_the_history_fills_in_and_sends_again(runtime: LocalRuntime) -> None:
    panel = panel_for(runtime.deploy("sums", lambda frame: frame.sum(axis=1)), customers=CUSTOMERS)
    press(panel, "send")
    until(panel)
    panel.data.value = ""
    press(panel, "send", payload="5,6")
    history = until(panel)["history"]
    assert [what for _, _, what, _ in history] == ["typed text to sums", "customers to sums"]
    sent: list[dict[str, Any]] = []
    panel.board.pass_by = lambda **parts: sent.append(parts)
    press(panel, "fill", run=history[0][0], payload="something else")
    assert sent == [{"payload": "5,6"}]
    assert runtime.executions("sums") == 2
    press(panel, "again", run=history[1][0])
    until(panel)
    assert panel.data.value == "customers"
    assert list(panel.answer.index) == ["ann", "bob", "eve"]
    assert runtime.executions("sums") == 3


@pytest.mark.parametrize("chosen", ["customers", ""])
def test_the_code_does_the_same(runtime: LocalRuntime, chosen: str) -> None:
    panel = panel_for(runtime.deploy("sums", lambda frame: frame.sum(axis=1)), customers=CUSTOMERS)
    panel.data.value = chosen
    press(panel, "code", payload="1,2\n3,4")
    code = panel.board.shown["code"]
    assert not runtime.requests
    ours, boto3 = code.split("# With boto3")
    assert "boto3.client('sagemaker-runtime'" in boto3
    namespace = {"customers": CUSTOMERS}
    exec(ours, namespace)
    press(panel, "send", payload="1,2\n3,4")
    until(panel)
    expected = panel.answer if chosen else panel.answer.value
    assert str(namespace["answer"]) == str(expected)


def test_latency_and_throughput_of_a_tables_run_are_drawn(runtime: LocalRuntime) -> None:
    panel = panel_for(runtime.deploy("sums", lambda frame: frame.sum(axis=1)), customers=CUSTOMERS)
    press(panel, "send")
    plot = until(panel)["plot"]
    assert plot["image"].startswith("data:image/png;base64,")
    assert all(word in plot["text"] for word in ("a second", "latencies"))
