"""What the panel sends: one run at a time, in a thread of its own, that tells how it goes and can be cancelled.

Knows nothing of widgets: a run is verbs of `Endpoint`, and what came of them.
"""

from __future__ import annotations

import enum
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from smrt_jupyter import errors
from smrt_jupyter.endpoint.destination import encode
from smrt_jupyter.magic import cell
from smrt_jupyter.tables import is_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from smrt_jupyter.endpoint import Endpoint
    from smrt_jupyter.reply import Reply
    from smrt_jupyter.scoring.progress import Progress
    from smrt_jupyter.scoring.report import RunReport
    from smrt_jupyter.stream import ReplyStream

TOLD_EVERY = 0.1
"""Seconds between two signs of life: more often than a person reads, and each is a message to the page."""

MOMENTS = 2_000
"""Points of the course of a run that are kept; a longer run keeps fewer of each second."""


class Verb(enum.Enum):
    """What can be asked of an endpoint from the panel."""

    SEND = "send"
    STREAM = "stream"


class State(enum.Enum):
    """How far a run is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Request:
    """What was asked, in a form that can be asked again.

    Attributes
    ----------
    endpoint : Endpoint
    verb : Verb
    variable : str or None
        Name of the table; None when `payload` was typed.
    payload : str
        What was typed; it is in no repr.
    """

    endpoint: Endpoint
    verb: Verb
    variable: str | None = None
    payload: str = field(default="", repr=False)

    @property
    def what(self) -> str:
        """Say it in a few words, without the payload."""
        to = f"{self.variable} to {self.endpoint.name}" if self.variable else f"typed text to {self.endpoint.name}"
        return f"{to}, streamed" if self.verb is Verb.STREAM else to

    def addressed(self, table: Any = None) -> tuple[Endpoint, Any]:
        """Say what is sent, and where: typed text is what it would be in a cell of the magic.

        Parameters
        ----------
        table : object, optional
            What `variable` names.

        Returns
        -------
        (Endpoint, object)
            The endpoint, with the content type that typed text calls for, and the data.

        Raises
        ------
        SmrtError
            For text that begins as JSON and is none.
        """
        endpoint = self.endpoint
        if self.variable:
            return endpoint, table
        try:
            data, told = cell.payload(self.payload.strip("\r\n"), endpoint.content_type, endpoint.template)
            return (endpoint.replace(content_type=told) if told else endpoint), data
        except errors.SmrtError as error:
            told = error.message.replace("The cell", "The payload")
            raise errors.SmrtError(told, next_step="Correct it, or choose text/plain as content type.") from error


@dataclass(eq=False)
class Run:
    """One request, or one table in as many as it takes, under way in a thread.

    Parameters
    ----------
    request : Request
        What is asked.
    data : object
        The table, or the text.
    tell : callable
        ``tell(run)`` is called from the run's thread when there is something new, and once when it is over.

    Attributes
    ----------
    state : State
    progress : Progress or None
        The last moment of a table's run.
    moments : list of (float, int)
        Seconds since its start, and the rows that had an answer then.
    text : str
        What a stream has brought so far.
    answer : object
        The answers in the table's own library, or a `Reply`; of a run that was cut short, those that there are.
    report : RunReport or None
        What a table's run did.
    source : ReplyStream or None
        Where streamed text comes from.
    error : Exception or None
    started : float
        As ``time.time()`` has it.
    elapsed : float
        Seconds, once it is over.
    """

    request: Request
    data: Any = field(repr=False)
    tell: Callable[[Run], None] = field(repr=False)
    state: State = State.RUNNING
    progress: Progress | None = None
    moments: list[tuple[float, int]] = field(default_factory=list, repr=False)
    text: str = field(default="", repr=False)
    answer: Any = field(default=None, repr=False)
    report: RunReport | None = None
    source: ReplyStream | None = field(default=None, repr=False)
    error: Exception | None = field(default=None, repr=False)
    started: float = field(default_factory=time.time)
    elapsed: float = 0.0

    def __post_init__(self) -> None:
        """Make what the threads share; a payload that cannot be meant fails here, before anything is sent."""
        addressed, self.data = self.request.addressed(self.data)
        self._users_hook = addressed.before_sign
        self._endpoint = addressed.replace(before_sign=self._before_sign)
        self._cancelled = threading.Event()
        self._over = threading.Event()
        self._ending = threading.Lock()
        self._began = time.perf_counter()
        self._told = 0.0
        self._close: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin, and return at once."""
        # A daemon: a kernel that is shut down does not wait for an endpoint.
        threading.Thread(target=self._work, name=f"smrt-jupyter panel: {self.request.what}", daemon=True).start()

    def cancel(self) -> None:
        """Stop sending.

        A table's run ends within a moment and keeps what is finished. A single request that is under way cannot be
        called back: it is no longer waited for, and its answer is dropped.
        """
        self._cancelled.set()
        if self._close is not None:
            self._close()
        if self.request.verb is Verb.STREAM or not is_table(self.data):
            self._end(State.CANCELLED)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over; False when that takes longer than `timeout` seconds."""
        return self._over.wait(timeout)

    # -- in its thread --------------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            if self.request.verb is Verb.STREAM:
                self._stream()
            elif is_table(self.data):
                self._score()
            else:
                self._ask()
        except (KeyboardInterrupt, errors.PartialResultError) as error:  # what a cancelled run of a table ends in
            self.report = getattr(error, "report", None)
            self._end(
                State.CANCELLED if self._cancelled.is_set() else State.FAILED,
                answer=getattr(error, "partial", None),
                error=error if isinstance(error, errors.PartialResultError) else None,
            )
        except Exception as error:  # noqa: BLE001 - whatever it was, the person at the panel is told
            self._end(State.CANCELLED if self._cancelled.is_set() else State.FAILED, error=error)

    def _before_sign(self, request: Any) -> None:
        """Let nothing leave once it is cancelled: not the next attempt, after a wait that nobody could end."""
        if self._cancelled.is_set():
            raise errors.SmrtError("Cancelled before it was sent.")
        if self._users_hook is not None:
            self._users_hook(request)

    def _ask(self) -> None:
        codec = self._endpoint.codec_for(self.data)
        reply: Reply = self._endpoint.ask(encode(codec, self.data), codec, stop=self._cancelled)
        self._end(State.DONE, answer=reply)

    def _score(self) -> None:
        answer, self.report = self._endpoint.score(self.data, progress=self._note)
        self._end(State.DONE, answer=answer)

    def _note(self, progress: Progress) -> None:
        if self._cancelled.is_set() and not progress.finished:
            raise KeyboardInterrupt  # ends a run as Ctrl-C does: at once, and what is finished is kept
        self.progress = progress
        self.moments.append((progress.elapsed, progress.rows_done))
        if len(self.moments) > MOMENTS:
            del self.moments[1::2]
        self._tell_now_and_then()

    def _stream(self) -> None:
        with self._endpoint.stream(self.data) as stream:
            self.source, self._close = stream, stream.close
            if self._cancelled.is_set():
                return
            for piece in stream.text():
                if self._cancelled.is_set():
                    break
                self.text += piece
                self._tell_now_and_then()
        self._end(State.CANCELLED if self._cancelled.is_set() else State.DONE)

    def _tell_now_and_then(self) -> None:
        now = time.perf_counter()
        if now - self._told >= TOLD_EVERY and self.state is State.RUNNING:
            self._told = now
            self.tell(self)

    def _end(self, state: State, *, answer: Any = None, error: Exception | None = None) -> None:
        with self._ending:
            if self.state is not State.RUNNING:
                return  # cancelled before: what came after is dropped
            self.elapsed = time.perf_counter() - self._began
            self.answer, self.error, self.state = answer, error, state
        try:
            self.tell(self)
        finally:
            self._over.set()
