"""One processor for the threads of a run that sends many small requests.

Such a run is the interpreter's own work, and only one thread at a time may do it. Where its threads are free to go to
any processor, they hand the interpreter's lock to and fro between two: each hand-over wakes the other one up, and finds
its caches cold. Measured on two processors, 64 requests of 50 ms at once: 1.1 to 2 times as many requests a second on
one of them, the most where the machine is a guest of a busy host.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL = 128 * 1024
"""Bytes of a body up to which a thread has little to do without the interpreter's lock. To hash and send larger ones
takes so long that another processor is worth more than warm caches."""

FOR = 5.0
"""Seconds after which the system is asked anew for a processor: the runs of several processes may have met on one."""

STATUS = Path("/proc/thread-self/stat")
STATUS_PROCESSOR = 36
"""Where Linux says on which processor a thread is: the field, counted from behind the thread's name (proc(5))."""


class Processor:
    """Where the threads of a run are while they send: all on one processor, which is chosen anew now and then.

    Only while they send, and not while they write bodies and read replies: a library that starts threads of its own
    then, as pyarrow and polars do, would start as many as it sees processors, and for the life of the process. What
    else keeps that processor busy moves to another, unless it is bound to it.

    It does nothing where a thread cannot be told where to run, and in a Python without the lock.
    """

    def __init__(self) -> None:
        self._all: set[int] = set()
        self._one: set[int] = set()
        self._chosen_at = 0.0
        if sys.platform == "linux" and getattr(sys, "_is_gil_enabled", lambda: True)():
            self._choose()
            self._all = os.sched_getaffinity(0) if self._one else set()

    @contextmanager
    def shared(self, size: int) -> Iterator[None]:
        """Have this thread run beside the others of the run, if the body that it sends is small.

        Parameters
        ----------
        size : int
            Bytes of the body.
        """
        if size > SMALL or len(self._all) < 2:  # noqa: PLR2004 - there is nothing to choose from
            yield
        elif time.monotonic() >= self._chosen_at + FOR:
            self._chosen_at = time.monotonic()  # one thread goes where the system finds room, and the others follow
            yield
            self._choose()
        else:
            _run_on(self._one)
            try:
                yield
            finally:
                self.leave()

    def leave(self) -> None:
        """Let this thread run anywhere; a new one starts where the one that made it may run."""
        _run_on(self._all)

    def _choose(self) -> None:
        with suppress(OSError, ValueError, IndexError):  # a container tells nothing, or there are too many open files
            self._one = {int(STATUS.read_text().rpartition(")")[2].split()[STATUS_PROCESSOR])}
        self._chosen_at = time.monotonic()


def _run_on(processors: set[int]) -> None:
    if sys.platform == "linux" and processors:
        with suppress(OSError):  # forbidden in this container, or no longer there: it is only about speed
            os.sched_setaffinity(0, processors)
