"""Ctrl-C in a run is noted, and ends it between two steps.

Python raises `KeyboardInterrupt` between any two instructions of the main thread: inside a lock, which then fails to be
released, or while answers are copied, which are lost. Measured with a run stopped at random moments: one in fifty lost
something.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


@contextmanager
def noted(note: Callable[[], None]) -> Iterator[None]:
    """Have each Ctrl-C call a function, instead of raising.

    Parameters
    ----------
    note : callable
        Called in the main thread between any two instructions of it, so it takes no lock; it may raise.

    Notes
    -----
    Nothing changes outside the main thread, which alone meets Ctrl-C. A handler that a program has set is called as
    ever, Spark's for one: what is noted is the `KeyboardInterrupt` that it raises.

    Examples
    --------
    >>> pressed = []
    >>> with noted(lambda: pressed.append("Ctrl-C")):
    ...     signal.raise_signal(signal.SIGINT)
    >>> pressed
    ['Ctrl-C']
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return

    def meet(number: int, frame: FrameType | None) -> None:
        try:
            handler(number, frame)
        except KeyboardInterrupt:
            note()

    signal.signal(signal.SIGINT, meet)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
