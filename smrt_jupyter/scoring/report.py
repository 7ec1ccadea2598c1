"""What a run did: requests, retries by cause, bytes, latencies, concurrency over time."""

from __future__ import annotations

import html
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from matplotlib.axes import Axes

    from smrt_jupyter.errors import SmrtError

PERCENTILES = (50, 90, 99)
POINTS = 2048


@dataclass(repr=False)
class RunReport:
    """What a run did; it shows itself as a small table.

    Attributes
    ----------
    rows : int
        Rows of the table.
    rows_done : int
        Rows with an answer, those of the journal among them.
    rows_resumed : int
        Rows that the journal knew, so that they were not sent.
    requests : int
        Requests sent, every attempt counted.
    replies : int
        Requests that were answered.
    retries : dict of str to int
        Attempts that were repeated, by the name of the error that caused it.
    divided : int
        Chunks cut again because they were too large.
    bytes_sent, bytes_received : int
        Of the bodies: sent ones count with every attempt.
    elapsed : float
        Seconds from start to end.
    latencies : array of float
        Seconds from sending to reply, one for each request that was answered.
    concurrency : list of (float, int, int)
        Seconds since the start, the limit and the requests in flight, whenever the limit moved and ten times a second.
    most_in_flight : int
        Requests in flight at once, at most: between two points of `concurrency` there may have been more.
    failed_rows : ndarray of int
        Positions without an answer.
    errors : sequence of SmrtError
        One for each request that failed.

    Examples
    --------
    >>> report = RunReport(rows=1000, rows_done=1000, requests=5, replies=4, elapsed=2.0, bytes_sent=4096)
    >>> report.retries["Throttled"] += 1
    >>> print(report)
    rows              1,000 of 1,000
    rows a second     500
    time              2.0 s
    requests          5 sent, 4 answered
    retries           1 Throttled
    bytes             4.1 kB sent, 0 B received
    """

    rows: int = 0
    rows_done: int = 0
    rows_resumed: int = 0
    requests: int = 0
    replies: int = 0
    retries: Counter[str] = field(default_factory=Counter)
    divided: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    elapsed: float = 0.0
    latencies: array[float] = field(default_factory=lambda: array("d"))
    concurrency: list[tuple[float, int, int]] = field(default_factory=list)
    most_in_flight: int = 0
    failed_rows: Sequence[int] | np.ndarray[Any, Any] = ()
    errors: Sequence[SmrtError] = ()

    @property
    def rows_per_second(self) -> float:
        """Rows that were sent and answered, a second."""
        return (self.rows_done - self.rows_resumed) / self.elapsed if self.elapsed else 0.0

    def latency(self, percentile: float) -> float:
        """Say within how many seconds a share of the requests was answered.

        Parameters
        ----------
        percentile : float
            From 0 to 100.

        Returns
        -------
        float
            NaN when nothing was answered.
        """
        ordered = sorted(self.latencies)
        if not ordered:
            return float("nan")
        return ordered[min(len(ordered) - 1, int(len(ordered) * percentile / 100))]

    def note_concurrency(self, seconds: float, limit: int, in_flight: int) -> None:
        """Keep a point of the course of the run; a long run keeps every second one of its older points.

        Parameters
        ----------
        seconds : float
            Since the start.
        limit, in_flight : int
            Requests allowed, and under way.
        """
        self.concurrency.append((seconds, limit, in_flight))
        if len(self.concurrency) >= POINTS:
            self.concurrency[: POINTS // 2] = self.concurrency[: POINTS // 2 : 2]

    def lines(self) -> list[tuple[str, str]]:
        """Tell it as pairs of a name and a value.

        Returns
        -------
        list of (str, str)
        """
        told = [
            ("rows", f"{self.rows_done:,} of {self.rows:,}"),
            ("from the journal", f"{self.rows_resumed:,} rows" if self.rows_resumed else ""),
            ("rows a second", f"{self.rows_per_second:,.0f}"),
            ("time", f"{self.elapsed:,.1f} s"),
            ("requests", f"{self.requests:,} sent, {self.replies:,} answered"),
            ("retries", ", ".join(f"{count:,} {cause}" for cause, count in self.retries.most_common())),
            ("too large", f"{self.divided:,} divided" if self.divided else ""),
            ("bytes", f"{told_bytes(self.bytes_sent)} sent, {told_bytes(self.bytes_received)} received"),
        ]
        if self.latencies:
            shown = [f"{self.latency(percentile) * 1000:,.0f} ms (p{percentile})" for percentile in PERCENTILES]
            told.append(("latency", ", ".join(shown)))
        if self.concurrency:
            limits = [limit for _, limit, _ in self.concurrency]
            most = max(self.most_in_flight, *(in_flight for _, _, in_flight in self.concurrency))
            told.append(("in flight", f"at most {most}; limit {min(limits)} to {max(limits)}, {limits[-1]} at the end"))
        if len(self.failed_rows):
            told.append(("without answer", f"{len(self.failed_rows):,} rows"))
        if self.errors:
            told.append(("first error", f"{type(self.errors[0]).__name__}: {self.errors[0]}"))
        return [(name, value) for name, value in told if value]

    def __repr__(self) -> str:
        return "\n".join(f"{name:<17} {value}" for name, value in self.lines())

    def _repr_html_(self) -> str:
        cells = [(html.escape(name), html.escape(value)) for name, value in self.lines()]
        return f"<table>{''.join(f'<tr><th>{name}</th><td>{value}</td></tr>' for name, value in cells)}</table>"

    def plot(self, axes: Axes | None = None) -> Any:
        """Draw requests in flight and the limit over time, and how the latencies are spread.

        Parameters
        ----------
        axes : matplotlib Axes, optional
            Where to draw the first of the two alone; a figure with both when left out.

        Returns
        -------
        matplotlib Axes or Figure
            What was drawn on.

        Raises
        ------
        ImportError
            Without matplotlib: ``pip install 'smrt-jupyter[plot]'``.
        """
        try:
            import matplotlib.pyplot as plt  # noqa: F401 - a notebook learns to show figures when this is imported
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError("A plot needs matplotlib: pip install 'smrt-jupyter[plot]'.") from error
        figure = None
        if axes is None:
            figure = Figure(figsize=(9, 3), layout="constrained")
            axes, spread = figure.subplots(1, 2)
            spread.hist([1000 * latency for latency in self.latencies], bins=40)
            spread.set(xlabel="latency of a request (ms)", ylabel="requests")
        seconds, limits, in_flight = zip(*self.concurrency, strict=True) if self.concurrency else ((), (), ())
        axes.step(seconds, limits, where="post", label="limit")
        axes.step(seconds, in_flight, where="post", label="in flight", alpha=0.6)
        axes.set(xlabel="seconds", ylabel="requests", ylim=(0, None))
        axes.legend()
        return axes if figure is None else figure


def told_bytes(number: float) -> str:
    """Say a number of bytes as a person would.

    Parameters
    ----------
    number : float

    Returns
    -------
    str

    Examples
    --------
    >>> told_bytes(999), told_bytes(4_194_304)
    ('999 B', '4.2 MB')
    """
    kilo = 1000
    if number < kilo:
        return f"{number:,.0f} B"
    for unit in ("kB", "MB", "GB"):
        number /= kilo
        if number < kilo:
            return f"{number:,.1f} {unit}"
    return f"{number / kilo:,.1f} TB"
