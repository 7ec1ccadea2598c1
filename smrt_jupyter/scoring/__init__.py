"""From a table to its answers: chunks, requests in flight, answers in row order, and nothing lost.

It knows neither HTTP nor content types: `write` makes a body, `send` gets it answered, `read` makes answers of a reply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from smrt_jupyter import errors
from smrt_jupyter.scoring.batches import Batch, as_they_are
from smrt_jupyter.scoring.causes import PASSES_NOTHING
from smrt_jupyter.scoring.interrupts import noted
from smrt_jupyter.scoring.progress import Watch, watcher
from smrt_jupyter.scoring.report import RunReport
from smrt_jupyter.scoring.run import Run

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Sequence

    from smrt_jupyter.answers import Answers, Untyped
    from smrt_jupyter.codecs.base import Writer
    from smrt_jupyter.policy import Policy
    from smrt_jupyter.scoring.batches import RawReply
    from smrt_jupyter.scoring.delivery import Send
    from smrt_jupyter.scoring.journal import Journal, Part


def score(  # noqa: PLR0913 - each is one thing that a run needs
    rows: int,
    write: Writer,
    send: Send,
    read: Callable[[RawReply, range], Answers | Untyped],
    *,
    policy: Policy,
    boundaries: Sequence[int] = (),
    told: Callable[[range], Sequence[int]] = as_they_are,
    journal: Journal | Part | None = None,
    progress: bool | Watch | None = None,
    on_error: str = "raise",
    label: str = "",
    cancel: threading.Event | None = None,
) -> tuple[Answers, RunReport]:
    """Score a table.

    Parameters
    ----------
    rows : int
        Rows of the table.
    write : callable
        ``(start, stop) -> bytes``, safe from several threads.
    send : callable
        ``(body, rows, on_retry, stop) -> reply``: sends until it is answered or not worth another attempt. It calls
        ``on_retry(error, seconds)`` before each wait and waits with ``stop.wait(seconds)``.
    read : callable
        ``(reply, rows) -> answers``; an `AnswerError` fails that chunk. The reply is what `send` brought, or a
        :class:`smrt_jupyter.scoring.journal.Kept`.
    policy : Policy
        Chunk sizes and concurrency.
    boundaries : sequence of int
        Rows that no request reaches across.
    told : callable, optional
        ``rows -> rows as the user counts them``, for the errors.
    journal : Journal or Part, optional
        Keeps what is finished, and knows what was finished before.
    progress : bool or callable, optional
        See :func:`smrt_jupyter.scoring.progress.watcher`.
    on_error : {"raise", "return"}, default="raise"
        Whether failed rows raise or are missing values in what is returned.
    label : str, default=""
        What the progress bar is called.
    cancel : threading.Event, optional
        Stops the run as Ctrl-C does, for a caller that is not in the main thread.

    Returns
    -------
    (answers, RunReport)

    Raises
    ------
    PartialResultError
        When rows failed and others did not; ``.partial`` has one answer or missing value a row.
    InvokeError, AnswerError, CodecError
        That error itself, when nothing passed and it would have met every request, or there was only one.
    Interrupted
        On Ctrl-C.

    Examples
    --------
    >>> import numpy as np
    >>> from smrt_jupyter.scoring.journal import Kept
    >>> from smrt_jupyter.policy import Policy
    >>> table = np.arange(10.0)
    >>> found, report = score(
    ...     10,
    ...     write=lambda start, stop: table[start:stop].tobytes(),
    ...     send=lambda body, rows, on_retry, stop: Kept(body, "application/octet-stream"),
    ...     read=lambda reply, rows: np.frombuffer(reply.body),
    ...     policy=Policy(chunk_rows=4),
    ... )
    >>> found.sum(), report.requests
    (np.float64(45.0), 3)
    """
    if on_error not in {"raise", "return"}:
        raise ValueError(f"on_error must be 'raise' or 'return', not {on_error!r}")
    report = RunReport(rows=rows)
    batch = Batch(range(rows), write, read, journal, boundaries, told)
    run = Run(send, iter([batch]), lambda _: None, policy=policy, report=report, cancel=cancel)
    mistake = None
    whole = False
    with noted(run.interrupt):
        try:
            whole = run.go(watcher(rows, label, progress=progress))
        except Exception as error:
            if report.rows_done == 0:
                raise
            mistake = error  # not one of ours; what was answered before it is paid for all the same
        _report_failures(report, run.delivery.failures, batch.assembly.missing())
        found = batch.assembly.finish()
    whole = whole and not run.interrupted
    met_all = report.errors and report.rows_done == 0 and isinstance(report.errors[0], PASSES_NOTHING)
    if whole and (not report.errors or (on_error == "return" and not met_all)):
        return found, report
    raise failure(report, found, interrupted=not (whole or mistake), mistake=mistake) from mistake


def score_batches(  # noqa: PLR0913 - each is one thing that a run needs
    batches: Iterable[Batch],
    take: Callable[[Batch, Answers], None],
    send: Send,
    *,
    policy: Policy,
    rows: int | None,
    bytes_in_flight: int,
    progress: bool | Watch | None = None,
    label: str = "",
) -> RunReport:
    """Score more rows than fit into memory, as one run: concurrency does not start again with every batch.

    Parameters
    ----------
    batches : iterable of Batch
        Taken in while those before are on their way.
    take : callable
        Called in row order, with a batch and its answers; those that failed are missing values.
    send : callable
        As for `score`.
    policy : Policy
        Chunk sizes and concurrency.
    rows : int or None
        Of all batches, where it is known.
    bytes_in_flight : int
        Bodies that may be held at once where the policy fixes no concurrency.
    progress, label
        As for `score`.

    Returns
    -------
    RunReport
        Its ``failed_rows`` say what has no answer.

    Raises
    ------
    SmrtError
        As for `score`, but a batch that was given to `take` is not in ``.partial``; only when the run could not go on.
    """
    report = RunReport(rows=rows or 0)
    gaps: list[range] = []

    def settle(batch: Batch) -> None:
        start = batch.rows.start
        gaps.extend(range(start + gap.start, start + gap.stop) for gap in batch.assembly.missing())
        take(batch, batch.assembly.finish())

    run = Run(send, iter(batches), settle, policy=policy, report=report, bytes_in_flight=bytes_in_flight)
    with noted(run.interrupt):
        whole = run.go(watcher(rows, label, progress=progress))
        complete = whole and run.no_more and not run.open
        _report_failures(report, run.delivery.failures, gaps)
    if run.interrupted or not complete:
        raise failure(report, None, interrupted=run.interrupted or not whole)
    return report


def _report_failures(
    report: RunReport, failures: Sequence[tuple[range, errors.SmrtError]], gaps: Sequence[range]
) -> None:
    report.errors = [error for _, error in sorted(failures, key=lambda failure: failure[0].start)]
    report.failed_rows = np.concatenate([np.arange(0), *(np.arange(gap.start, gap.stop) for gap in gaps)])


def _cause(error: errors.SmrtError) -> str:
    return f"{type(error).__name__}, {error.where()}: {error.message}" if error.where() else str(error.message)


def failure(
    report: RunReport, partial: Any, *, interrupted: bool = False, mistake: Exception | None = None
) -> BaseException:
    """Make the error that a run ends in.

    Parameters
    ----------
    report : RunReport
        With its errors and failed rows.
    partial : object
        What was finished.
    interrupted : bool, default=False
        Whether the user stopped it.
    mistake : Exception, optional
        What stopped it, when that is no error of ours.

    Returns
    -------
    Exception
        The first error itself where it says everything: nothing passed, and there was only one, or it would have met
        every request.
    """
    if mistake is not None:
        answered = f"{report.rows_done:,} of {report.rows:,} rows answered"
        told = f"Stopped with {answered} by {type(mistake).__name__}: {mistake}."
    elif report.errors and not interrupted:
        first = report.errors[0]
        alone = len(report.errors) == 1 or isinstance(first, PASSES_NOTHING)
        if alone and report.rows_done == 0:
            return first
        lost = len(report.failed_rows)
        told = f"{lost:,} of {report.rows:,} rows have no answer; the first cause: {_cause(first)}"
    else:
        told = f"Stopped with {report.rows_done:,} of {report.rows:,} rows answered."
        if report.errors:
            told += f" Requests that had failed before: {len(report.errors):,}, the first by {_cause(report.errors[0])}"
    return (errors.Interrupted if interrupted else errors.PartialResultError)(
        told,
        partial=partial,
        failed_rows=cast("Sequence[int]", report.failed_rows),  # as an array, so that `table.iloc[...]` takes it
        errors=report.errors,
        report=report,
    )
