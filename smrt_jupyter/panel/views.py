"""What the panel says of a run: plain values for the page, made from what the run brought.

Text goes into the page as text. The only HTML is that of :mod:`smrt_jupyter.display`, which escapes.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

from smrt_jupyter import display, errors
from smrt_jupyter.panel.runs import State
from smrt_jupyter.reply import Reply

if TYPE_CHECKING:
    from smrt_jupyter.panel.runs import Run

BODY_SHOWN = 100_000
"""Bytes of a raw body: a page that holds more becomes slow."""

MINUTE = 60

SAID = (
    "status",
    "content_type",
    "invoked_production_variant",
    "custom_attributes",
    "new_session_id",
    "session_expires",
    "closed_session_id",
    "invoked_routed_resource_arn",
    "routing_reason",
    "request_id",
    "attempts",
)
"""What a reply tells besides its body, in the order in which it is shown."""

KNOWN_HEADERS = {
    "content-type",
    "content-length",
    "x-amzn-requestid",
    "x-amzn-invoked-production-variant",
    "x-amzn-sagemaker-custom-attributes",
}
"""Headers that are shown above by the name that the API gives them."""


def pace_of(run: Run) -> dict[str, Any] | None:
    """Say how far a table's run is, how fast, and how long it will take; None for a single request."""
    now = run.progress
    if now is None:
        return None
    told = [f"{now.rows_done:,} of {now.rows:,} rows"]
    if now.waiting_for_capacity:
        told.append("waiting for the endpoint to be ready")
    elif now.rows_per_second:
        told.append(f"{now.rows_per_second:,.0f} rows/s")
        if now.seconds_left is not None:
            told.append(f"{told_seconds(now.seconds_left)} left")
    if now.retries:
        told.append(display.counted(now.retries, "retry", "retries"))
    return {"done": now.rows_done, "total": now.rows, "pace": " · ".join(told)}


def told_seconds(seconds: float) -> str:
    """Say a time as a person would.

    Parameters
    ----------
    seconds : float

    Returns
    -------
    str

    Examples
    --------
    >>> told_seconds(0.4), told_seconds(11.2), told_seconds(125)
    ('1 s', '12 s', '2 min 5 s')
    """
    whole = int(seconds) + 1 if seconds % 1 else max(1, int(seconds))
    return f"{whole} s" if whole < MINUTE else f"{whole // MINUTE} min {whole % MINUTE} s"


def outcome_of(run: Run) -> tuple[str, str]:
    """Say in one line how a run ended, and in which tone."""
    if run.state is State.CANCELLED:
        return f"Cancelled. {_left_by(run)}", "idle"
    if run.error is not None:
        told = str(run.error).replace("`error.", "`panel.run.error.")
        return " ".join(f"{type(run.error).__name__}: {told}".split()), "bad"
    return f"Done: {_brought_by(run)}", "good"


def _left_by(run: Run) -> str:
    if run.report is not None:
        done = f"{run.report.rows_done:,} of {run.report.rows:,} rows had been answered"
        return f"{done}: they are below and in `panel.answer`."
    return "What came before is below." if run.text else "A request that was under way may still run."


def _brought_by(run: Run) -> str:
    if isinstance(run.answer, Reply):
        return run.answer.footer()
    if run.report is not None:
        return f"{run.report.rows_done:,} rows in {run.elapsed:,.2f} s, {run.report.rows_per_second:,.0f} rows/s"
    return f"{len(run.text):,} characters in {run.elapsed:,.2f} s"


def answer_of(run: Run) -> dict[str, str] | None:
    """Show what came back: as a table, JSON, an image or text."""
    answer = run.answer
    if isinstance(answer, Reply):
        try:
            answer = answer.value
        except errors.SmrtError as error:
            return {"text": f"{error}\nThe raw body is as it came."}
    elif answer is None:
        return None
    return {"html": display.bundle(answer, footer="")["text/html"]}


def body_of(run: Run) -> str | None:
    """Show the raw body of a reply as text, or as the bytes that it is."""
    if not isinstance(run.answer, Reply):
        return None
    return display.bytes_told(run.answer.body, BODY_SHOWN) or "(an empty body)"


def facts_of(run: Run) -> dict[str, Any] | None:
    """Tell what the service said about a reply, or what a table's run did."""
    if run.report is not None:
        return {"caption": "What the run did", "rows": run.report.lines()}
    reply = run.answer if isinstance(run.answer, Reply) else run.source
    if reply is None:
        return None
    whole = isinstance(reply, Reply)
    told = [
        ("latency", f"{reply.elapsed * 1000:,.0f} ms" if whole else f"{reply.elapsed * 1000:,.0f} ms to the beginning"),
        ("size", f"{len(reply.body) if isinstance(reply, Reply) else reply.received:,} bytes"),
    ]
    said = [(name.replace("_", " "), getattr(reply, name, None)) for name in SAID]
    told += [(name, str(value)) for name, value in said if value not in (None, "")]
    told += [(name, value) for name, value in reply.headers.items() if name not in KNOWN_HEADERS]
    return {"caption": "What the service said", "rows": told}


def plot_of(run: Run) -> dict[str, str] | None:
    """Draw throughput and latency of a table's run; None for a single request."""
    report = run.report
    if report is None or not report.latencies:
        return None
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return {"text": "A plot needs matplotlib: pip install 'smrt-jupyter[plot]'."}
    figure = Figure(figsize=(11, 3), layout="constrained")
    rows, requests, spread = figure.subplots(1, 3)
    rows.plot(*zip((0.0, report.rows_resumed), *run.moments, strict=True))
    rows.set(xlabel="seconds", ylabel="rows answered", ylim=(0, None))
    report.plot(requests)
    spread.hist([1000 * latency for latency in report.latencies], bins=40)
    spread.set(xlabel="latency of a request (ms)", ylabel="requests")
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    told = dict(report.lines())
    return {
        "image": f"data:image/png;base64,{base64.b64encode(drawn.getvalue()).decode()}",
        "text": f"Rows answered over time ({told['rows a second']} a second), requests in flight over time, and how "
        f"latencies are spread: {told['latency']}",
    }
