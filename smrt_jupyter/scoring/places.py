"""The places of a run on the wire: who may send now, who waits to come back, and what each outcome says of capacity."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from smrt_jupyter import errors
from smrt_jupyter.scoring.causes import is_for_want_of_capacity
from smrt_jupyter.scoring.concurrency import Limit, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable

    from smrt_jupyter.policy import Policy
    from smrt_jupyter.scoring.report import RunReport


class Turn(threading.Event):
    """One chunk's way through the wire: the event that ends its waits, which gives up its place while it waits.

    A refused request that kept its place through the wait would leave the endpoint idle, and one that came back without
    asking for a place would be refused again.
    """

    def __init__(self, places: Places, size: int) -> None:
        super().__init__()
        self._places = places
        self.size = size
        self.ticket: Ticket | None = None
        self.was_cut_short = False

    def on_retry(self, error: errors.InvokeError, _seconds: float) -> None:
        """Wait elsewhere."""
        self._places.give_up(self, error)

    def is_set(self) -> bool:
        """Say whether the run stopped."""
        return self._places.stop.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, and then for a place; True when the run stopped meanwhile."""
        self._places.stop.wait(timeout)
        self.was_cut_short = not self._places.begin(self, again=True)
        return self.was_cut_short


class Places:
    """As many as the endpoint is believed to take; whatever is here changes under `lock` alone.

    Parameters
    ----------
    policy : Policy
        For its concurrency.
    report : RunReport
        Filled while it runs.
    lock : threading.Lock
        The run's.
    stop : threading.Event
        The run's: nothing is sent any more.
    changed : callable
        Called, with the lock held, when there may be something to do for another thread: the limit has another value,
        or a request has begun to wait.
    """

    def __init__(
        self,
        policy: Policy,
        report: RunReport,
        *,
        lock: threading.Lock,
        stop: threading.Event,
        changed: Callable[[], None],
    ) -> None:
        self.limit = Limit(fixed=policy.concurrency, maximum=policy.concurrency_max)
        self.stop = stop
        self.waiting: dict[Turn, bool] = {}
        self.clock = time.perf_counter
        self.opened = self.clock()
        self._report, self._lock, self._changed = report, lock, changed
        self._free = threading.Condition(lock)
        self._coming_back = 0

    def turn(self, size: int) -> Turn:
        """Make a turn for a body of so many bytes."""
        return Turn(self, size)

    def begin(self, turn: Turn, *, again: bool = False) -> bool:
        """Wait for a place; those that come back from a wait go first. False: the run stopped."""
        with self._lock:
            self._coming_back += again
            while not self.stop.is_set() and not (self.limit.room and (again or not self._coming_back)):
                self._free.wait()
            self._coming_back -= again
            self.waiting.pop(turn, None)
            if self.stop.is_set():
                return False
            self._report.requests += 1
            self._report.bytes_sent += turn.size
            turn.ticket = self.limit.begin(self.clock())
            self._report.most_in_flight = max(self._report.most_in_flight, self.limit.in_flight)
            if again and not self._coming_back and self.limit.room:
                self._free.notify(self.limit.value - self.limit.in_flight)  # those that stood back for this one
            return True

    def give_up(self, turn: Turn, error: errors.InvokeError) -> None:
        """Count a retry, and free the place while it waits."""
        with self._lock:
            self._report.retries[type(error).__name__] += 1
            self.waiting[turn] = isinstance(error, errors.ModelNotReady)
            self._leave(turn, error)
            self._changed()

    def leave(self, turn: Turn, error: BaseException | None) -> None:
        """Free the place of a request that is answered, or has failed for good."""
        with self._lock:
            if error is None:
                self._report.replies += 1
            self._leave(turn, error)

    def _leave(self, turn: Turn, error: BaseException | None) -> None:
        ticket, turn.ticket = turn.ticket, None
        if ticket is None:
            return  # given up before a wait that the end of the run cut short
        before, now = self.limit.value, self.clock()
        if error is None:
            self.limit.succeeded(ticket, now)
            self._report.latencies.append(now - ticket.started)
        elif is_for_want_of_capacity(error):
            self.limit.refused(ticket, now)
        else:
            self.limit.ended()
        if self.limit.value != before:
            self.note_concurrency()
            self._changed()
        if self._coming_back:
            self._free.notify_all()  # which of those that wait is one of them is not known here
        else:
            self._free.notify(max(0, self.limit.value - self.limit.in_flight))

    def wake_all(self) -> None:
        """Let all that wait for a place see that the run stopped."""
        self._free.notify_all()

    def note_concurrency(self) -> None:
        """Note the limit and the requests in flight for the report."""
        self._report.note_concurrency(self.clock() - self.opened, self.limit.value, self.limit.in_flight)
