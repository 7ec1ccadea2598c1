"""One chunk's way: written, sent, and its reply kept; or cut again, taken up again, or given up."""

from __future__ import annotations

import threading
from math import ceil
from typing import TYPE_CHECKING

from smrt_jupyter import errors
from smrt_jupyter.policy import Policy, Verdict
from smrt_jupyter.scoring import chunks
from smrt_jupyter.scoring.batches import Chunk, RawReply
from smrt_jupyter.scoring.causes import SizeLimit, forget_frames, is_for_all
from smrt_jupyter.scoring.processor import Processor

if TYPE_CHECKING:
    from collections.abc import Callable

    from smrt_jupyter.scoring.places import Places
    from smrt_jupyter.scoring.report import RunReport

    Send = Callable[[bytes, range, Callable[[errors.InvokeError, float], None], threading.Event], RawReply]

CANNOT_BE_CUT = (
    "Send fewer columns, shorter cells or another `content_type`, or use asynchronous inference (up to 1 GB)."
)
"""What is left where a single row is too large."""

HOPELESS = 16
"""Requests that may fail before a run stops in which none has passed: every one may be billed."""


class Delivery:
    """What each thread of a run does with a chunk; whatever is counted here changes under `lock` alone.

    Parameters
    ----------
    send : callable
        ``(body, rows, on_retry, stop) -> reply``.
    places : Places
        On the wire.
    policy : Policy
        How large a body may be, and what is worth another attempt.
    report : RunReport
        Filled while it runs.
    lock : threading.Lock
        The run's.
    stop : threading.Event
        The run's: nothing is sent any more.
    again : callable
        Called, with the lock held, with the pieces of a chunk that was too large.
    later : callable
        Called, with the lock held, with a chunk that may pass when all others have been sent.
    busy : callable
        Called, with the lock held, when a thread more is busy with a disk.

    Attributes
    ----------
    failures : list of (range, SmrtError)
        The rows that have no answer, and why.
    keeping : int
        Threads that are busy with a disk.
    abandoned : bool
        True once the run is over for its caller: nothing is kept any more.
    """

    def __init__(  # noqa: PLR0913 - each is one thing that a run has
        self,
        send: Send,
        places: Places,
        policy: Policy,
        report: RunReport,
        *,
        lock: threading.Lock,
        stop: threading.Event,
        again: Callable[[list[Chunk]], None],
        later: Callable[[Chunk], None],
        busy: Callable[[], None],
    ) -> None:
        self.failures: list[tuple[range, errors.SmrtError]] = []
        self.keeping = 0
        self.abandoned = False
        self._send, self._places, self._report = send, places, report
        self._policy = policy
        self._takes_up_again = policy.attempts is None
        self._endpoint: str | None = getattr(send, "name", None)  # a `Courier` says whom it asks, for the errors
        self._lock, self._stop, self._again, self._later, self._busy = lock, stop, again, later, busy
        self._size_limit = SizeLimit(min(policy.payload_limit, policy.chunk_bytes or policy.payload_limit))
        self._lost = 0
        self.processor = Processor()

        # One body at a time: serialising is Python's own work, and threads that take turns at it make each body late
        # and keep all of them in memory. Measured with CSV: a third more rows a second.
        self._writing = threading.Lock()

    def __call__(self, chunk: Chunk) -> None:
        """Bring a chunk to its end, whichever that is."""
        was_sent, passed_before = False, 0
        try:
            with self._writing:
                if self._stop.is_set():
                    return
                body = chunk.batch.write(chunk.within.start, chunk.within.stop)
            if len(body) > self._size_limit.bytes:
                self._divide(chunk, len(body))
                return
            turn = self._places.turn(len(body))
            with self.processor.shared(len(body)):
                if not self._places.begin(turn):
                    return
                was_sent, passed_before = True, self._report.replies
                try:
                    reply = self._send(body, chunk.rows, turn.on_retry, turn)
                except BaseException as error:
                    too_large = self._size_limit.was_too_large(error, len(body))
                    if is_for_all(error, several_models=bool(chunk.batch.boundaries)) and not too_large:
                        self._stop.set()  # before its place is given to a request that would meet the same
                    self._places.leave(turn, error)
                    if turn.was_cut_short or (isinstance(error, errors.AsyncInferenceError) and error.was_stopped):
                        return  # one of the chunks that the end of the run left without an answer, and no failure
                    if not too_large:
                        raise
                    self._divide(chunk, len(body), error)
                    return
                self._places.leave(turn, None)
            self._size_limit.accepted(len(body))
            del body
            self._keep(chunk, reply)
        except errors.SmrtError as error:
            if was_sent and self._may_pass_later(error, passed_before):
                with self._lock:
                    self._later(chunk)
            else:
                self._fail(chunk, error, was_sent=was_sent)

    def note_failure(self, rows: range, error: errors.SmrtError) -> None:
        """Note that rows have no answer."""
        forget_frames(error)
        self.failures.append((rows, error))

    def _may_pass_later(self, error: errors.SmrtError, passed_before: int) -> bool:
        """Tell whether a chunk had bad luck: it certainly did not run in all of its attempts, while others passed.

        One in a thousand has, where a quarter of the requests are refused. The usual policy says what did not run: one
        that repeats model errors, too, would send a row that breaks the model round and round.
        """
        return (
            self._takes_up_again
            and isinstance(error, errors.InvokeError)
            and Policy().verdict(error) is Verdict.AGAIN
            and self._report.replies > passed_before
        )

    def _keep(self, chunk: Chunk, reply: RawReply) -> None:
        """Put a reply where it is safe, then where it belongs.

        The journal comes first, and keeps a reply that cannot be read, too: it is paid for, and a corrected `path` may
        read it in the next run.
        """
        trouble = None
        if chunk.batch.journal is not None and not self.abandoned:
            self._note_keeping(1)
            try:
                chunk.batch.journal.add(chunk.within, reply.body, reply.content_type)
            except errors.SmrtError as error:
                trouble = error
            finally:
                self._note_keeping(-1)
        try:
            part = chunk.batch.read(reply, chunk.rows)
            with self._lock:
                if self.abandoned:
                    return
                self._report.bytes_received += len(reply.body)
                chunk.batch.assembly.place(chunk.within, part)
                chunk.batch.left -= len(chunk.within)
                self._report.rows_done += len(chunk.within)
                if trouble is not None:
                    self.failures.append((chunk.rows, trouble))
                    self._stop.set()
        except (errors.AnswerError, errors.CodecError) as error:
            error.endpoint, error.request_id = self._endpoint, getattr(reply, "request_id", None)
            raise

    def _note_keeping(self, more: int) -> None:
        """Count the threads that write to a disk, which may be slow: the endpoint is not to wait for it."""
        with self._lock:
            self.keeping += more
            if more > 0:
                self._busy()

    def _fail(self, chunk: Chunk, error: errors.SmrtError, *, was_sent: bool) -> None:
        with self._lock:
            if isinstance(error, errors.AnswerError | errors.CodecError) or (
                isinstance(error, errors.InvokeError) and error.rows is None
            ):
                error.rows = chunk.batch.told(chunk.rows)  # what reads a reply counts from the first row in it
            self.note_failure(chunk.rows, error)
            chunk.batch.left -= len(chunk.within)
            self._lost += was_sent
            if self._lost >= HOPELESS and self._report.rows_done == self._report.rows_resumed:
                self._stop.set()

    def _divide(self, chunk: Chunk, size: int, refusal: BaseException | None = None) -> None:
        """Cut a chunk again that is too large, or was refused as such."""
        with self._lock:
            limit = self._size_limit.bytes
            if len(chunk.within) > 1:
                self._report.divided += 1
                pieces = chunks.divide(chunk.within, max(2, ceil(size / limit)))
                self._again([Chunk(chunk.batch, within) for within in pieces])
                return
        self._fail(chunk, self._alone_too_large(size, limit, refusal), was_sent=False)

    def _alone_too_large(self, size: int, limit: int, refusal: BaseException | None) -> errors.PayloadTooLarge:
        """Say of a row that cannot be cut whose figure it is above, or how it was refused."""
        told, step = f"This row alone is a request of {size:,} bytes", CANNOT_BE_CUT
        error = errors.PayloadTooLarge(endpoint=self._endpoint, next_step=step)
        if isinstance(refusal, errors.InvokeError):
            error.message = f"{told}, which was refused: {refusal.message}"
            error.request_id, error.response, error.attempts = refusal.request_id, refusal.response, refusal.attempts
            error.__cause__ = refusal
        elif limit == self._policy.chunk_bytes:
            error.message = f"{told}, and `Policy(chunk_bytes={limit})` allows no more than {limit:,}."
            error.next_step = "Raise `chunk_bytes`."
        elif limit == self._policy.payload_limit:
            error.message = f"{told}, and `Policy(payload_limit=...)` says that the endpoint takes {limit:,}."
            error.next_step = f"{step} Raise `payload_limit` where the endpoint takes more (up to 25 MB)."
        else:
            error.message = f"{told}, and the endpoint has refused some that were no larger."
        return error
