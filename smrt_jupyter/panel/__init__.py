"""`EndpointPanel`: an endpoint to pick, something to send, and what comes back, in a notebook.

The only room that knows ipywidgets. Everything it does is a verb of `Endpoint`.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import ipywidgets

from smrt_jupyter import errors
from smrt_jupyter.as_code import as_code, literal
from smrt_jupyter.endpoint import Endpoint
from smrt_jupyter.panel import views
from smrt_jupyter.panel.board import Board
from smrt_jupyter.panel.choices import TYPED, Choices
from smrt_jupyter.panel.runs import Request, Run, State, Verb

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EndpointPanel"]

REMEMBERED = 50
"""Requests in the history: they hold what was typed, and the names of tables, not the tables."""

WITHOUT_WIDGETS = (
    "EndpointPanel: run this cell where Jupyter widgets are shown (JupyterLab, Notebook 7, VS Code, Colab). "
    "Without them the same is Endpoint({name!r}).predict(table), .invoke(payload) or .stream(payload)."
)

NOTHING_YET = {"answer": None, "body": None, "facts": None, "plot": None, "log": None, "code": None, "progress": None}


class EndpointPanel(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A panel to talk to an endpoint from a notebook.

    Nothing is sent but on Send, Stream, or "Send again": not when it is shown, nor when the notebook is opened again or
    its kernel restarts. What is under way goes on in threads, and shows how far it is, while the kernel runs other
    cells. A click is handled by the kernel: with JupyterLab 4.4, or Notebook 7.4, and ipykernel 7 or newer also while
    a cell runs; with older ones as soon as the cell has ended.

    The payload, the answer and the history are kept in this kernel and in the page, never in the notebook.

    Parameters
    ----------
    endpoint : str or Endpoint, optional
        What is picked at first. Of an `Endpoint` everything that the panel has no field for is kept: its profile,
        policy, template and path.
    region, profile, endpoint_url : str, optional
        As for `Endpoint`.
    namespace : mapping, optional
        Where tables are picked from, by name. None: the notebook's variables.

    Attributes
    ----------
    fields : dict of str to ipywidgets.Widget
        By the name of the parameter of `Endpoint` that each one sets.
    data : ipywidgets.Dropdown
        Name of the table to send; empty for `payload`.
    payload : str
        What was typed, as of the last click.
    run : Run or None
        The last one: ``.answer .report .error``, ``.wait(timeout)``.

    Examples
    --------
    >>> import pandas as pd
    >>> from smrt_jupyter import LocalRuntime
    >>> with LocalRuntime() as runtime:
    ...     endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1))
    ...     panel = EndpointPanel(endpoint, namespace={"points": pd.DataFrame({"a": [1.5], "b": [2.0]})})
    ...     panel.data.value = "points"
    ...     panel.send().wait(10)
    True
    >>> panel.answer
    0    3.5
    dtype: float64
    """

    def __init__(
        self,
        endpoint: str | Endpoint | None = None,
        *,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        namespace: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(endpoint, Endpoint):
            endpoint = Endpoint(endpoint or "")
        where = {"region": region, "profile": profile, "endpoint_url": endpoint_url}
        base = endpoint.replace(**{name: value for name, value in where.items() if value is not None})
        # A notebook's variables are those of __main__, so IPython need not be asked.
        self._namespace = vars(sys.modules["__main__"]) if namespace is None else namespace
        self._history: dict[int, tuple[Request, str, str]] = {}
        self._numbers = itertools.count()
        self._appended = 0
        self.payload = ""
        self.run: Run | None = None
        self._choices = Choices(base, self._namespace)
        shown = NOTHING_YET | {"status": "", "tone": "idle", "busy": False, "typing": True, "loggable": False}
        self.board = Board(self._asked, self._choices.ids, **shown)
        self.fields = self._choices.fields
        self.data = self._choices.data
        self.data.observe(lambda change: self.board.show(typing=change["new"] == TYPED), "value")
        super().__init__([self._choices, self.board])
        self._choices.start(self._remark)

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint as the fields say now: use it in Python."""
        return self._choices.endpoint

    @property
    def answer(self) -> Any:
        """What the last run brought: answers in the table's own library, a `Reply`, or streamed text."""
        if self.run is None:
            return None
        return self.run.text if self.run.request.verb is Verb.STREAM else self.run.answer

    def close(self) -> None:
        """Take it away, with its fields; what is under way is cancelled."""
        self.cancel()
        self._choices.close()
        self.board.close()
        super().close()

    # -- what it does ---------------------------------------------------------------------------------------------

    def send(self) -> Run | None:
        """Send what is chosen, in a thread; None where that cannot be, and the panel says why."""
        return self._start(Verb.SEND)

    def stream(self) -> Run | None:
        """Send what is chosen, in a thread, and show the answer as it is made."""
        return self._start(Verb.STREAM)

    def cancel(self) -> None:
        """Stop sending; what a table's run has finished stays in `answer`."""
        if self.run is not None and self.run.state is State.RUNNING:
            self.board.show(status="Cancelling…", tone="busy")
            self.run.cancel()

    def code(self) -> str | None:
        """Write what is chosen as Python, and with boto3; None where that cannot be, and the panel says why."""
        try:
            request, table = self._request(Verb.SEND)
            endpoint, data = request.addressed(table)
            return as_code(endpoint, data, request.variable or literal(data))
        except errors.SmrtError as error:
            self.board.show(status=str(error), tone="bad")
            return None

    def _start(self, verb: Verb) -> Run | None:
        if self.run is not None and self.run.state is State.RUNNING:
            self.board.show(status="The last one is still under way: wait for it, or cancel it.", tone="bad")
            return None
        try:
            request, data = self._request(verb)
            self.run = Run(request, data, self._show)
        except errors.SmrtError as error:
            self.board.show(status=str(error), tone="bad")
            return None
        self._appended = 0
        shown = NOTHING_YET | {"answer": {"text": ""} if verb is Verb.STREAM else None}
        self.board.show(**shown, status=f"Sending {request.what}…", tone="busy", busy=True, loggable=False)
        self.board.pass_by(open="answer")
        self.run.start()
        return self.run

    def _request(self, verb: Verb) -> tuple[Request, Any]:
        """Take down what is chosen, and find the data."""
        endpoint, variable = self.endpoint, self.data.value
        if not endpoint.name:
            raise errors.SmrtError("Pick an endpoint first.")
        if variable == TYPED:
            if not self.payload.strip():
                raise errors.SmrtError("Type a payload, or pick a table as data.")
            return Request(endpoint, verb, payload=self.payload), None
        if variable not in self._namespace:
            raise errors.SmrtError(f"There is no {variable} any more: run the cell that makes it.")
        return Request(endpoint, verb, variable), self._namespace[variable]

    # -- what the page asks ---------------------------------------------------------------------------------------

    def _asked(self, verb: str, message: dict[str, Any]) -> None:
        self.payload = message.get("payload", self.payload)
        self._choices.take(message.get("chosen", {}))
        match verb:
            case "send":
                self.send()
            case "stream":
                self.stream()
            case "cancel":
                self.cancel()
            case "log":
                threading.Thread(target=self._show_log, name="smrt-jupyter panel: log", daemon=True).start()
            case "code":
                if code := self.code():
                    self.board.show(code=code, status="", tone="idle")
                    self.board.pass_by(open="code", copy=code)
            case "fill" | "again":
                request = self._history[message["run"]][0]
                self._fill(request)
                if verb == "again":
                    self._start(request.verb)

    def _fill(self, request: Request) -> None:
        """Set the fields to what was sent before."""
        self._choices.fill(request.endpoint, request.variable)
        if request.variable is None:
            self.payload = request.payload
            self.board.pass_by(payload=request.payload)
        self.board.show(status=f"Filled in: {request.what}. Nothing has been sent.", tone="idle")

    # -- what it shows --------------------------------------------------------------------------------------------

    def _remark(self, text: str) -> None:
        """Say something that is no part of a run, where it does not hide what is."""
        if self.run is None:
            self.board.show(status=text, tone="idle")

    def _show(self, run: Run) -> None:
        """Show how a run goes, or how it ended; called from its thread."""
        streamed = run.request.verb is Verb.STREAM
        if streamed and len(run.text) > self._appended:
            new, self._appended = run.text[self._appended :], len(run.text)
            self.board.append(new)
        if run.state is State.RUNNING:
            self.board.show(progress=views.pace_of(run))
            return
        self._remember(run)
        status, tone = views.outcome_of(run)
        shown = {} if streamed else {"answer": views.answer_of(run), "body": views.body_of(run)}
        loggable = isinstance(run.error, errors.ModelError)
        facts = views.facts_of(run)
        self.board.show(**shown, facts=facts, progress=None, status=status, tone=tone, busy=False, loggable=loggable)
        plot = views.plot_of(run)  # takes a moment, in which the next run may begin
        if run is self.run:
            self.board.show(plot=plot)

    def _show_log(self) -> None:
        """Fetch the end of the container's log, for the error of the last run."""
        run = self.run
        if run is None or not isinstance(run.error, errors.ModelError):
            return
        try:
            log = run.error.logs()
        except errors.SmrtError as refused:
            self.board.show(status=str(refused), tone="bad")
            return
        self.board.show(log=log, status=views.outcome_of(run)[0], tone="bad")
        self.board.pass_by(open="log")

    def _remember(self, run: Run) -> None:
        outcome = f"{run.state.value}, {run.elapsed:,.2f} s"
        when = time.strftime("%H:%M:%S", time.localtime(run.started))
        self._history[next(self._numbers)] = run.request, when, outcome
        while len(self._history) > REMEMBERED:
            del self._history[min(self._history)]
        told = [[number, when, request.what, end] for number, (request, when, end) in self._history.items()]
        self.board.show(history=told[::-1])

    # -- what a front end without widgets shows ---------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"EndpointPanel({self.endpoint.name!r})"

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        shown: dict[str, Any] = super()._repr_mimebundle_(**options)
        return shown | {"text/plain": WITHOUT_WIDGETS.format(name=self.endpoint.name or "name")}
