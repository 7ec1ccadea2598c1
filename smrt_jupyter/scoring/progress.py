"""How far a run is: a bar in a notebook or a terminal, or a function of the caller."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SHOWN_AFTER = 2.0
"""Seconds that a run may take without a bar, where the user did not ask for one."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One moment of a run: what a function given as ``progress`` is called with.

    Attributes
    ----------
    rows, rows_done : int
        Of the table (0 while nobody knows), and with an answer.
    rows_resumed : int
        Those that a journal knew at the start.
    elapsed : float
        Seconds since the start.
    in_flight : int
        Requests under way.
    retries : int
        Attempts that were repeated so far.
    waiting_for_capacity : bool
        Whether the endpoint says that its model is loading or scaled to zero, and nothing else goes on.
    finished : bool
        Whether this is the last call of the run.
    """

    rows: int
    rows_done: int
    rows_resumed: int
    elapsed: float
    in_flight: int
    retries: int
    waiting_for_capacity: bool
    finished: bool

    @property
    def rows_per_second(self) -> float:
        """Rows answered a second, the journal's left out."""
        return (self.rows_done - self.rows_resumed) / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds to go at this pace; None while nothing is known."""
        pace = self.rows_per_second
        return (self.rows - self.rows_done) / pace if pace and self.rows else None


Watch = Callable[[Progress], object]


def watcher(rows: int | None, label: str, *, progress: bool | Watch | None = None) -> Watch:
    """Turn the ``progress`` of a user into a function to call now and then.

    Parameters
    ----------
    rows : int or None
        Rows of the table, where that is known.
    label : str
        What the bar is called.
    progress : bool or callable, optional
        None: a bar when somebody watches and the run takes a while. True, False: always, never. Anything that can be
        called gets a `Progress`.

    Returns
    -------
    callable
    """
    if callable(progress):
        return progress
    if progress is False or (progress is None and not _is_watched()):
        return lambda _: None
    return _Bar(rows, label, SHOWN_AFTER if progress is None else 0.0)


def _is_watched() -> bool:
    """Tell a notebook's kernel or a terminal from a job, without importing IPython to ask."""
    shell = sys.modules.get("IPython")
    if shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None:
        return True
    return sys.stderr is not None and sys.stderr.isatty()


class _Bar:
    """tqdm, fed with absolute numbers, made when it is first to be seen."""

    def __init__(self, rows: int | None, label: str, delay: float) -> None:
        self._rows = rows
        self._label = label
        self._delay = delay
        self._bar: Any = None

    def __call__(self, now: Progress) -> None:
        if self._bar is None:
            if now.elapsed < self._delay or (now.finished and self._delay):
                return
            from tqdm.auto import tqdm

            # No smoothing: the pace of the whole run is what the time that is left goes by.
            self._bar = tqdm(
                total=self._rows,
                initial=now.rows_resumed,
                desc=self._label,
                unit=" rows",
                unit_scale=True,
                smoothing=0,
            )
            self._bar.start_t -= now.elapsed  # the run began before the bar did
        told = {"in flight": now.in_flight}
        if now.retries:
            told["retries"] = now.retries
        note = ", ".join(f"{name} {value}" for name, value in told.items())
        self._bar.set_postfix_str("waiting for capacity" if now.waiting_for_capacity else note, refresh=False)
        self._bar.update(now.rows_done - self._bar.n)
        self._bar.refresh()
        if now.finished:
            self._bar.close()
