"""Asynchronous inference: hand a request in, come back for the answer, tomorrow if need be.

The service answers through S3 alone: the model's reply appears at one place, what went wrong at another, and there is
no call that says how far it is. So both places are looked at, with growing waits, by whoever asks for the result: no
thread works behind its back, and none outlives the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from smrt_jupyter import errors, wire
from smrt_jupyter.async_inference.places import is_for_want_of_bucket, place
from smrt_jupyter.policy import Policy
from smrt_jupyter.reply import Reply
from smrt_jupyter.wire import members
from smrt_jupyter.wire.translation import one_line

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

NO_ANSWER_BEYOND = 21_600 + 3_600
"""Seconds after which no answer can come any more: the longest life in the queue, and the longest inference."""

CLOCKS = 1
"""Seconds that an answer may seem older than its request: both times are cut to whole seconds."""

TICK = 0.1
"""Seconds between two looks at whether to stop."""

SAYS_NOTHING = frozenset({"", "binary/octet-stream", "application/octet-stream"})
"""Content types that S3 gives objects that came without one."""


class AsyncInference:
    """An inference that goes on without you; its answer comes through S3.

    Made by `Endpoint.invoke_async`; made again, in any process and on any day, from its locations. It pickles.

    Parameters
    ----------
    output_location : str
        Where the reply appears: ``s3://bucket/key``.
    failure_location : str, optional
        Where an error appears. None: the endpoint has no ``S3FailurePath``, and a failure leaves no sign.
    inference_id : str, optional
        The service's id, or yours, of the request.
    endpoint : str, optional
        The endpoint's name, for the errors.
    region, profile, endpoint_url, accept, path, policy
        As for `Endpoint`.
    give_up_at : float, optional
        Time (``time.time()``) after which no answer can come.
    not_before : float, optional
        The service's time at which it took the request on: what is older at its places is another request's, of the
        same id or file name. None: whatever is there is the answer.

    Examples
    --------
    >>> from smrt_jupyter import LocalRuntime
    >>> with LocalRuntime() as runtime:
    ...     endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1), asynchronous=True)
    ...     inference = endpoint.invoke_async([[1, 2], [3, 4]])
    ...     inference.result().value
    {'predictions': [3, 7]}
    """

    def __init__(  # noqa: PLR0913 - two locations, and what an `Endpoint` says about reading what is there
        self,
        output_location: str,
        failure_location: str | None = None,
        *,
        inference_id: str | None = None,
        endpoint: str | None = None,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        accept: Any = None,
        path: str | None = None,
        policy: Policy | None = None,
        give_up_at: float | None = None,
        not_before: float | None = None,
    ) -> None:
        self.output_location = output_location
        self.failure_location = failure_location
        self.inference_id = inference_id
        self.endpoint = endpoint
        self.region = region
        self.profile = profile
        self.endpoint_url = endpoint_url
        self.accept = accept
        self.path = path
        self.policy = policy or Policy()
        self.give_up_at = give_up_at
        self.not_before = not_before
        self._outcome: Reply | errors.AsyncInferenceError | None = None
        self._refused: dict[str, str] = {}
        self._stale: dict[str, str] = {}
        for location in (output_location, failure_location):
            if location is not None:
                place(location)

    def __repr__(self) -> str:
        match self._outcome:
            case None:
                state = "no answer seen yet"
            case Reply():
                state = "done"
            case _:
                state = "failed"
        return f"<AsyncInference {self.inference_id or ''} · {self.output_location} · {state}>"

    def done(self) -> bool:
        """Look once whether the answer, or the failure, is there.

        Returns
        -------
        bool

        Raises
        ------
        AsyncInferenceError
            When it can never be there: the bucket does not exist.
        """
        return self._look()

    def result(self, timeout: float | None = None, *, stop: threading.Event | None = None) -> Reply:
        """Wait for the answer.

        Parameters
        ----------
        timeout : float, optional
            Seconds. None: until none can come any more.
        stop : threading.Event, optional
            Ends the waiting as if the time were over.

        Returns
        -------
        Reply
            As `Endpoint.invoke` gives it.

        Raises
        ------
        AsyncInferenceError
            With the failure object's text in ``.model_message`` when the inference failed; without when the time is
            over. The inference goes on then, and `result` may be asked again.
        """
        patience = self._patience(timeout)
        while not self._look():
            _rest(patience.pause(), stop)
            if stop is not None and stop.is_set():
                stopped = self._not_there("the run was stopped")
                stopped.was_stopped = True
                raise stopped
        return self._answer()

    def exception(self, timeout: float | None = None) -> errors.AsyncInferenceError | None:
        """Wait for the answer and give its failure.

        Parameters
        ----------
        timeout : float, optional
            As for `result`.

        Returns
        -------
        AsyncInferenceError or None
            None when the inference succeeded.

        Raises
        ------
        AsyncInferenceError
            When the time is over.
        """
        try:
            self.result(timeout)
        except errors.AsyncInferenceError as error:
            if error is not self._outcome:
                raise
            return error
        return None

    def __await__(self) -> Generator[Any, None, Reply]:
        return self._awaited().__await__()

    async def _awaited(self) -> Reply:
        patience = self._patience(None)
        with _threads_for_awaiting() as threads:
            while not await asyncio.get_running_loop().run_in_executor(threads, self._look):  # noqa: ASYNC110 - S3 calls nobody
                await asyncio.sleep(patience.pause())
        return self._answer()

    def _answer(self) -> Reply:
        match self._outcome:
            case Reply() as reply:
                return reply
            case errors.AsyncInferenceError() as error:
                raise error
        raise self._not_there("nobody has looked yet")

    def _patience(self, timeout: float | None) -> _Patience:
        """Say how long there is still to wait for."""
        left = NO_ANSWER_BEYOND if self.give_up_at is None else max(0.0, self.give_up_at - time.time())
        return _Patience(self, left if timeout is None else min(timeout, left))

    def _look(self) -> bool:
        """Look at both places; remember what is found."""
        if self._outcome is not None:
            return True
        reply = self._get(self.output_location)
        if reply is not None:
            self._outcome = self._read(reply)
        elif self.failure_location is not None:
            failure = self._get(self.failure_location)
            if failure is not None:
                self._outcome = self._failed(failure)
        return self._outcome is not None

    def _get(self, location: str) -> wire.Exchange | None:
        """Fetch an object; None while S3 says that it is not there, or will not say."""
        bucket, key = place(location)
        runtime = wire.Target(
            members.RUNTIME, self.region, self.profile, self.endpoint_url, self.policy.connect_timeout
        )
        try:
            found = wire.send(
                wire.beside(runtime, "s3"),
                "GetObject",
                {"Bucket": bucket, "Key": key},
                policy=self.policy,
                endpoint=self.endpoint,
            )
        except errors.EndpointNotFound as error:
            if is_for_want_of_bucket(error):
                raise self._error(
                    f"There is no bucket {bucket!r}, so no answer can come.",
                    next_step="Correct the S3OutputPath of the endpoint's configuration.",
                ) from error
            self._refused.pop(location, None)
            return None
        except errors.AccessDenied as error:
            self._refused[location] = error.message
            return None
        self._refused.pop(location, None)
        return None if self._is_of_another(location, found) else found

    def _is_of_another(self, location: str, found: wire.Exchange) -> bool:
        """Tell an object that was there before the request; both clocks are of AWS, and say whole seconds."""
        written = found.output.get("LastModified")
        if self.not_before is None or written is None or written.timestamp() >= self.not_before - CLOCKS:
            self._stale.pop(location, None)
            return False
        self._stale[location] = f"{written:%Y-%m-%d %H:%M:%S} UTC"
        return True

    def _read(self, exchange: wire.Exchange) -> Reply:
        content_type = exchange.output.get("ContentType", "")
        if content_type in SAYS_NOTHING and isinstance(self.accept, str):
            exchange.output["ContentType"] = self.accept.partition(",")[0].strip()
        return Reply.of(exchange, path=self.path, accept=self.accept)

    def _failed(self, exchange: wire.Exchange) -> errors.AsyncInferenceError:
        text = exchange.body.decode(errors="replace")
        return self._error(
            f"The inference failed: {one_line(_words(text)) or 'without a word.'}",
            model_message=text,
            next_step=f"The whole is in `error.model_message` and at {self.failure_location}.",
        )

    def _not_there(self, why: str) -> errors.AsyncInferenceError:
        told = f"No answer at {self.output_location}: {why}."
        next_step = "The inference may still go on: ask `result()` again."
        if self._refused:
            words = " ".join(dict.fromkeys(self._refused.values()))
            told += f" S3 refused to look ({words}), which means: not there yet, or not allowed."
            next_step = (
                "Ask for `s3:GetObject` on the locations; with `s3:ListBucket` on the bucket S3 tells the two apart. "
                "Then ask `result()` again."
            )
        elif self._stale:
            when = " and ".join(self._stale.values())
            told += f" An object is there from before this request ({when}): another's, of the same id or file name."
        elif self.failure_location is None:
            next_step += " The endpoint has no S3FailurePath, so a failure would show in its CloudWatch log only."
        return self._error(told, next_step=next_step)

    def _error(self, message: str, **more: Any) -> errors.AsyncInferenceError:
        return errors.AsyncInferenceError(
            message,
            endpoint=self.endpoint,
            output_location=self.output_location,
            failure_location=self.failure_location,
            **more,
        )


def _rest(seconds: float, stop: threading.Event | None) -> None:
    """Sleep, unless told to stop. The event is looked at, not waited on: to a run of many, waiting means more."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not (stop is not None and stop.is_set()):
        time.sleep(left if stop is None else min(left, TICK))


class _Patience:
    """The waits between two looks, and their end."""

    def __init__(self, inference: AsyncInference, seconds: float) -> None:
        self._inference = inference
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._attempt = 0

    def pause(self) -> float:
        """Say how long to wait until the next look.

        Raises
        ------
        AsyncInferenceError
            When the time is over.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise self._inference._not_there(f"waited {self._seconds:g} s")  # noqa: SLF001 - two halves of one thing
        self._attempt += 1
        return min(self._inference.policy.wait(self._attempt), left)


AWAITING_THREADS = 8
_awaiting = 0
_threads: ThreadPoolExecutor | None = None
_counting = threading.Lock()


@contextlib.contextmanager
def _threads_for_awaiting() -> Iterator[ThreadPoolExecutor]:
    """Lend a few threads for as long as anything is awaited: an event loop's own would stay for its lifetime."""
    global _awaiting, _threads  # noqa: PLW0603 - one pool, whoever awaits
    with _counting:
        if _threads is None:
            _threads = ThreadPoolExecutor(AWAITING_THREADS, thread_name_prefix="smrt-jupyter-await")
        _awaiting += 1
        threads = _threads
    try:
        yield threads
    finally:
        with _counting:
            _awaiting -= 1
            if _awaiting == 0:
                threads.shutdown(wait=False)
                _threads = None


def _words(text: str) -> str:
    """Find the sentence in a failure object: JSON of the container's own making, or text."""
    try:
        told = json.loads(text)
    except ValueError:
        return text
    if isinstance(told, dict):
        lowered = {str(name).lower(): value for name, value in told.items()}
        for name in ("message", "errormessage", "error", "detail"):
            if isinstance(lowered.get(name), str):
                return str(lowered[name])
    return text
