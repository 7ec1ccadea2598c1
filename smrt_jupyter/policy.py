"""How hard to try: attempts, waits, timeouts, concurrency and the size of a chunk.

Pure: no clock, no thread and no network is touched here, so every rule can be read, and tested, by itself.
"""

from __future__ import annotations

import enum
import math
import random
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any

from smrt_jupyter import errors

DEFAULT_ATTEMPTS = 5
"""Attempts where neither `Policy` nor ``AWS_MAX_ATTEMPTS`` nor the profile says a number."""


class Verdict(enum.Enum):
    """What to do after an attempt that failed."""

    STOP = "it would fail again, or may have run already"
    AGAIN = "it certainly did not run: try again after a short wait"
    WHEN_READY = "the model is on its way: try again until `wait_for_capacity` is used up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How hard to try; every default is what an expert would set.

    Parameters
    ----------
    attempts : int, optional
        How often one request is sent at most. None: ``AWS_MAX_ATTEMPTS``, else the profile's ``max_attempts``, else 5;
        and a chunk of a table that was refused so often is sent again after the others, if any of them passes.
    wait_initial, wait_max : float, default=0.2, 20.0
        Seconds before the second attempt, and the longest wait between two; it doubles in between, with jitter.
    wait_for_capacity : float, default=360.0
        Seconds to go on trying while a model loads or scales up from zero (a multi-model endpoint may take 360).
    connect_timeout : float, default=10.0
        Seconds to wait for a connection.
    read_timeout : float, default=70.0
        Seconds to wait for the reply; AWS advises 70 because the container has 60.
    retry_read_timeout : bool, default=False
        Send again after a timeout or a connection that broke once the request was whole, though the inference may
        have run, and be billed, twice.
    retry_model_errors : bool, default=False
        Send again after the container answered with a 5xx status.
    concurrency : int, optional
        Requests in flight. None: found while running.
    concurrency_max : int, default=64
        The most that are tried when it is found while running.
    chunk_rows, chunk_bytes : int, optional
        Rows, and serialised bytes, of one request. None: chosen from the table: up to 4 MiB, and in
        about 16 requests where it is small.
    payload_limit : int, default=6_291_456
        Bytes that the endpoint takes in one request: the service model's figure for real-time endpoints; serverless
        ones take 4_194_304, and today's hosting FAQ names 25 MB for real-time.

    Examples
    --------
    >>> Policy(attempts=2, chunk_rows=500).wait_max
    20.0
    >>> Policy(read_timeout=-1)
    Traceback (most recent call last):
        ...
    ValueError: read_timeout must be above 0, not -1
    >>> Policy(chunk_rows=1.5)
    Traceback (most recent call last):
        ...
    ValueError: chunk_rows must be a whole number, not 1.5
    """

    attempts: int | None = None
    wait_initial: float = 0.2
    wait_max: float = 20.0
    wait_for_capacity: float = 360.0
    connect_timeout: float = 10.0
    read_timeout: float = 70.0
    retry_read_timeout: bool = False
    retry_model_errors: bool = False
    concurrency: int | None = None
    concurrency_max: int = 64
    chunk_rows: int | None = None
    chunk_bytes: int | None = None
    payload_limit: int = 6_291_456

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for field in fields(self):
            value = getattr(self, field.name)
            wanted = _wanted(field.name, field.default, value)
            if wanted:
                raise ValueError(f"{field.name} must be {wanted}, not {value!r}")
            if value is not None and not isinstance(value, bool):  # NumPy's numbers are not all that Python's are
                plain = float if isinstance(field.default, float) else int
                object.__setattr__(self, field.name, plain(value))

    def wait(self, attempt: int, jitter: float | None = None) -> float:
        """Say how long to wait after an attempt that failed.

        Parameters
        ----------
        attempt : int
            The attempt that failed, counted from 1.
        jitter : float, optional
            A number from 0 to 1 instead of a random one.

        Returns
        -------
        float
            Seconds. Half of it is fixed and half is random, so that many clients do not come back at once.

        Examples
        --------
        >>> Policy().wait(1, jitter=1.0), Policy().wait(3, jitter=1.0), Policy().wait(99, jitter=0.0)
        (0.2, 0.8, 10.0)
        """
        chance = random.random() if jitter is None else jitter  # noqa: S311 - spreads load, guards nothing
        longest = min(self.wait_initial * 2.0 ** min(attempt - 1, 60), self.wait_max)
        return longest * (0.5 + 0.5 * chance)

    def verdict(self, error: errors.SmrtError, *, inference: bool = True) -> Verdict:
        """Say whether a failed request is worth another attempt.

        Only what certainly did not run is sent again, unless the user asks for more: a read timeout, a 504 and a
        connection that broke once the request was whole all leave an inference that may have run and been billed.
        What runs no inference costs nothing to ask twice, and is.

        Parameters
        ----------
        error : SmrtError
            What the attempt ended in.
        inference : bool, default=True
            Whether the request runs an inference.

        Returns
        -------
        Verdict

        Examples
        --------
        >>> Policy().verdict(errors.TimedOut()).name, Policy(retry_read_timeout=True).verdict(errors.TimedOut()).name
        ('STOP', 'AGAIN')
        """
        again, may_run_twice = False, self.retry_read_timeout or not inference
        match error:
            case errors.ModelNotReady():
                return Verdict.WHEN_READY
            case errors.Throttled():
                again = True
            case errors.ServiceError():
                again = may_run_twice or status_of(error) != GATEWAY_TIMEOUT
            case errors.ConnectionFailed():
                again = may_run_twice or not error.request_was_whole
            case errors.TimedOut():
                again = may_run_twice
            case errors.ModelError():
                again = self.retry_model_errors and (error.status or 0) >= SERVER_ERROR
        return Verdict.AGAIN if again else Verdict.STOP


MAY_BE_ZERO = frozenset({"wait_initial", "wait_max", "wait_for_capacity"})
MAY_BE_ENDLESS = frozenset({"wait_max", "wait_for_capacity"})


def _wanted(name: str, default: object, value: Any) -> str:
    """Say what a field must be, where its value is not; its default tells its type, and whether it may be None."""
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "True or False"
    if value is None and default is None:
        return ""
    whole = not isinstance(default, float)
    if isinstance(value, bool) or not isinstance(value, Integral if whole else Real) or math.isnan(value):
        return "a whole number" if whole else "a number"
    if value < 0 or (value == 0 and name not in MAY_BE_ZERO):
        return "at least 0" if name in MAY_BE_ZERO else "above 0"
    return "a number of seconds" if math.isinf(value) and name not in MAY_BE_ENDLESS else ""


SERVER_ERROR = 500
GATEWAY_TIMEOUT = 504


def status_of(error: errors.InvokeError) -> int:
    """Read the HTTP status of an error's reply; 0 where there was none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
