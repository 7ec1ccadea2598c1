"""A run: batches come in and go out, and threads take their chunks, each from its writing to its reply.

Threads, because boto3 blocks. A run holds as many bodies as it has threads, and never a queue of them. While the limit
is full the next body is ready: what is written when a reply comes keeps the endpoint waiting.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from math import inf
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from smrt_jupyter import errors
from smrt_jupyter.scoring import chunks
from smrt_jupyter.scoring.batches import Batch, Chunk
from smrt_jupyter.scoring.delivery import Delivery
from smrt_jupyter.scoring.places import Places
from smrt_jupyter.scoring.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smrt_jupyter.policy import Policy
    from smrt_jupyter.scoring.delivery import Send
    from smrt_jupyter.scoring.progress import Watch
    from smrt_jupyter.scoring.report import RunReport

BYTES_IN_FLIGHT = 64 * 1024 * 1024
"""Bodies that are held at once where the policy fixes no concurrency: a run costs about two to three times as much."""

AHEAD = 1
"""Bodies that are written while the limit is full; measured, more of them gain nothing, be they large or small."""

BATCHES_OPEN = 3
"""Batches in memory at once: the one that is sent, the next, and one that waits for its slowest chunk."""

TICK = 0.1
"""Seconds between two looks at the run."""

PARTING = 0.3
"""Seconds that an interrupted run leaves to replies that are just coming in."""


class Run:
    """One run over batches; whatever is below `lock` changes under it alone.

    Parameters
    ----------
    send : callable
        ``(body, rows, on_retry, stop) -> reply``.
    batches : iterator of Batch
        Asked for the next when the chunks of those before run out.
    settle : callable
        Called in the thread of `go`, in order, with each batch whose rows are all answered or failed.
    policy : Policy
        Chunk sizes and concurrency.
    report : RunReport
        Filled while it runs.
    cancel : threading.Event, optional
        Stops the run as Ctrl-C does.
    bytes_in_flight : int
        Bodies that may be held at once where the policy fixes no concurrency.
    """

    def __init__(  # noqa: PLR0913 - each is one thing that a run needs
        self,
        send: Send,
        batches: Iterator[Batch],
        settle: Callable[[Batch], None],
        *,
        policy: Policy,
        report: RunReport,
        cancel: threading.Event | None = None,
        bytes_in_flight: int = BYTES_IN_FLIGHT,
    ) -> None:
        self.batches, self.settle = batches, settle
        self.policy, self.report, self.cancel, self.bytes_in_flight = policy, report, cancel, bytes_in_flight
        self.stop = threading.Event()
        self.clock = time.perf_counter
        self.began = self.clock()

        self.lock = threading.Lock()
        self.work = threading.Condition(self.lock)
        self.news: SimpleQueue[None] = SimpleQueue()  # a handler of signals may put into it, whoever holds `lock`
        self.places = Places(policy, report, lock=self.lock, stop=self.stop, changed=self._more_to_do)
        self.delivery = Delivery(
            send,
            self.places,
            policy,
            report,
            lock=self.lock,
            stop=self.stop,
            again=self._put_back,
            later=self._put_last,
            busy=self._one_more,
        )
        self.limit = self.places.limit
        self.pending: deque[Chunk] = deque()
        self.open: deque[Batch] = deque()
        self.no_more = False
        self.held = 0
        self.threads: list[threading.Thread] = []
        self.crash: BaseException | None = None
        self.interrupted = False
        self.watching = False

    # -- the caller's thread --------------------------------------------------------------------------------------

    def go(self, show: Watch) -> bool:
        """Run to the end.

        Parameters
        ----------
        show : callable
            Called now and then with a `Progress`.

        Returns
        -------
        bool
            False when the user stopped it.
        """
        whole = False
        try:
            self.watching = True
            whole = self._watch(show)
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            self.watching = False
            self._end(None if whole or self.crash else PARTING)
        if self.crash is not None:
            raise self.crash
        show(self._moment(finished=True))
        return whole

    def interrupt(self) -> None:
        """Stop, as a handler of signals: at the next step, or at once when the user insists.

        The next step may be long in coming, for batches are read and answers written between two of them.
        """
        insists = self.interrupted and self.watching
        self.interrupted = True
        self.news.put(None)
        if insists:
            raise KeyboardInterrupt

    def _watch(self, show: Watch) -> bool:
        shown = self.began
        while self._settle_and_admit():
            if self.interrupted or (self.cancel is not None and self.cancel.is_set()):
                return False
            if self.clock() - shown >= TICK:
                shown = self.clock()
                show(self._moment(finished=False))
            with self.lock:
                idle = not self._has_news()
                self.places.note_concurrency()
            if idle:
                with suppress(Empty):
                    self.news.get(timeout=TICK)
        return True

    def _has_news(self) -> bool:
        if self.stop.is_set():
            return not self.held
        return self._wants_more() or (self.no_more and not self.open) or bool(self.open and not self.open[0].left)

    def _wants_more(self) -> bool:
        return not self.no_more and len(self.pending) <= self.limit.value and len(self.open) < BATCHES_OPEN

    def _settle_and_admit(self) -> bool:
        """Hand over what is complete, take in what is next; say whether the run goes on."""
        while self.open and not self.open[0].left:
            self.settle(self.open.popleft())
        if self.stop.is_set():
            return self.held > 0
        if self._wants_more():
            batch = next(self.batches, None)
            with self.lock:
                self.no_more = batch is None
                self.work.notify_all()
            if batch is not None:
                self._admit(batch)
        return bool(self.open) or not self.no_more

    def _admit(self, batch: Batch) -> None:
        finished = self._kept(batch)
        known = sum(map(len, finished))
        planned: list[range] = []
        trouble = None
        if known < len(batch.rows):
            try:
                weight = chunks.weigh(len(batch.rows), batch.write, self.policy)
                planned = chunks.cut(len(batch.rows), weight, self.policy, batch.boundaries)
            except errors.CodecError as error:
                if not (self.report.requests or known or self.report.rows_done):
                    raise  # nothing was sent
                if batch.rows.start:
                    error.message = f"{error.message.rstrip('.')}; rows are counted from row {batch.rows.start:,}."
                trouble = error
        with self.lock:
            batch.left -= known
            self.report.rows_resumed += known
            self.report.rows_done += known
            if trouble is not None:
                self.delivery.note_failure(batch.rows, trouble)
                batch.left = 0
            if planned:
                heaviest = weight.fixed + weight.row * max(map(len, planned))
                affordable = max(1, int(self.bytes_in_flight / max(heaviest, 1.0)))
                self.limit.maximum = min(self.policy.concurrency_max, affordable)
            self.open.append(batch)
            self.pending.extend(Chunk(batch, within) for within in chunks.missing(planned, finished))
            self._more_threads()
            self.work.notify_all()

    def _kept(self, batch: Batch) -> list[range]:
        """Read what the journal has."""
        finished: list[range] = []
        for within, reply in batch.journal.finished() if batch.journal else ():
            try:
                batch.assembly.place(within, batch.read(reply, Chunk(batch, within).rows))
                finished.append(within)
            except (errors.AnswerError, errors.CodecError):
                continue  # kept although it could not be read: it is asked for again
        return finished

    def _end(self, patience: float | None) -> None:
        """Let the threads end: all of them, or those that do within a moment."""
        self.stop.set()
        with self.lock:
            self.work.notify_all()
            self.places.wake_all()
        deadline = inf if patience is None else self.clock() + patience
        for thread in self.threads:
            while thread.is_alive() and self.clock() < deadline:
                if self.interrupted:
                    deadline = min(deadline, self.clock() + PARTING)
                thread.join(max(0.0, min(TICK, deadline - self.clock())))
        with self.lock:
            self.delivery.abandoned = True
            self.report.elapsed = self.clock() - self.began
            self.places.note_concurrency()

    def _moment(self, *, finished: bool) -> Progress:
        with self.lock:
            not_ready = self.places.waiting.values()
            waiting = bool(not_ready) and all(not_ready) and self.limit.in_flight == 0
            return Progress(
                rows=self.report.rows,
                rows_done=self.report.rows_done,
                rows_resumed=self.report.rows_resumed,
                elapsed=self.clock() - self.began,
                in_flight=self.limit.in_flight,
                retries=self.report.retries.total(),
                waiting_for_capacity=waiting and not finished,
                finished=finished,
            )

    # -- the workers' threads -------------------------------------------------------------------------------------

    def _more_threads(self) -> None:
        """Have a thread for each request that waits or may be in flight, and for each body that is ready."""
        beside = AHEAD + self._elsewhere
        most = (self.policy.concurrency or self.limit.maximum) + beside
        wanted = min(self.limit.value + len(self.places.waiting) + beside, len(self.pending) + self.held, most)
        while len(self.threads) < wanted and not self.stop.is_set():
            thread = threading.Thread(target=self._worker, name=f"smrt-jupyter-score-{len(self.threads)}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the machine gives no more threads: fewer will do
                if not self.threads:
                    raise
                return
            self.threads.append(thread)

    def _worker(self) -> None:
        self.delivery.processor.leave()  # the thread that started this one may have been in the middle of a request
        while (chunk := self._take()) is not None:
            try:
                self.delivery(chunk)
            except BaseException as error:  # noqa: BLE001 - it is raised again, in the caller's thread
                self.crash = self.crash or error
                self.stop.set()
            finally:
                self._let_go()

    def _take(self) -> Chunk | None:
        with self.lock:
            while not self.stop.is_set():
                if self._has_work():
                    self.held += 1
                    return self.pending.popleft()
                if self.no_more and not self.pending and not self.held:
                    break
                self.work.wait()
            return None

    @property
    def _elsewhere(self) -> int:
        return min(self.limit.value, self.delivery.keeping)

    def _more_to_do(self) -> None:
        self._more_threads()
        self.work.notify_all()

    def _one_more(self) -> None:
        if self.pending:
            self._more_threads()
            self.work.notify()

    def _put_back(self, pieces: list[Chunk]) -> None:
        self.pending.extendleft(reversed(pieces))
        self.work.notify_all()

    def _put_last(self, chunk: Chunk) -> None:
        self.pending.append(chunk)
        self.work.notify_all()

    def _has_work(self, takers: int = 0) -> bool:
        """Say whether a chunk may be taken, once so many others have been."""
        busy = self.held + takers - len(self.places.waiting) - self._elsewhere
        return len(self.pending) > takers and busy < self.limit.value + AHEAD

    def _let_go(self) -> None:
        with self.lock:
            self.held -= 1
            if self.stop.is_set() or not (self.pending or self.held):
                self.work.notify_all()
                self.places.wake_all()
            else:
                if self._has_work(takers=1):  # the thread that lets go takes the first itself
                    self.work.notify()
                self._more_threads()
            if self._has_news() and self.news.empty():
                self.news.put(None)
