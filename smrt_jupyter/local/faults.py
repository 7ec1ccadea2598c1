"""What goes wrong on request: every failure that a client of the real service has to live with."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from smrt_jupyter import codecs
from smrt_jupyter.codecs.base import MediaType
from smrt_jupyter.local import refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smrt_jupyter.local.refusals import Refusal

OK = "ok"
STREAM = ("truncate", "cut", "stall", "corrupt", "stream_error", "stream_failure")
"""The faults that only a stream can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong, and how often.

    Each share is the part of requests, from 0 to 1, that it happens to; at most one happens to a request.

    Parameters
    ----------
    throttle, unavailable, internal, dependency, bad_gateway, not_ready : float
        Shares refused before the model runs: 400 with a null message, 503, 500, 530, a 502 page, 429.
    access_denied, expired_token : float
        Shares refused for their credentials: 403.
    model_error, timeout : float
        Shares answered with ModelError: the container's status 500, and 0 (the service's 60 s).
    reset, reset_after, silence : float
        Shares whose connection breaks before the model runs, breaks after it ran, or stays open without a reply.
    wrong_rows : float
        Share of replies with one answer too few.
    truncate, cut, stall, corrupt, stream_error, stream_failure : float
        Shares of streams that end inside a frame, break, stay silent, have a wrong checksum, or end with a
        ModelStreamError or an InternalStreamFailure.
    stream_after : int
        How many parts such a stream gives before.
    script : sequence of str
        What happens to the first requests, one after the other, by the names above, or ``"ok"``; then the shares count.
    latency : float
        Seconds that every reply takes longer.
    capacity : int, optional
        How many requests run at once; more are throttled.
    body_limit : int, optional
        A limit that no document mentions.
    oversize : {"413", "reset", "serverless"}
        What happens to a body above the limit: the front door's 413, a connection that is reset while the body is being
        sent, or the ValidationError of serverless endpoints.
    s3_forbidden : bool
        Whether S3 answers 403 for what is not there, as it does without ``s3:ListBucket``.
    seed : int
        Which of the equally likely runs it is.

    Examples
    --------
    >>> Faults(throttle=0.2, reset=0.02).throttle
    0.2
    >>> Faults(throttel=0.2)
    Traceback (most recent call last):
        ...
    TypeError: ...
    """

    throttle: float = 0.0
    unavailable: float = 0.0
    internal: float = 0.0
    dependency: float = 0.0
    bad_gateway: float = 0.0
    not_ready: float = 0.0
    access_denied: float = 0.0
    expired_token: float = 0.0
    model_error: float = 0.0
    timeout: float = 0.0
    reset: float = 0.0
    reset_after: float = 0.0
    silence: float = 0.0
    wrong_rows: float = 0.0
    truncate: float = 0.0
    cut: float = 0.0
    stall: float = 0.0
    corrupt: float = 0.0
    stream_error: float = 0.0
    stream_failure: float = 0.0
    stream_after: int = 1
    script: Sequence[str] = ()
    latency: float = 0.0
    capacity: int | None = None
    body_limit: int | None = None
    oversize: Literal["413", "reset", "serverless"] = "413"
    s3_forbidden: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        unknown = set(self.script) - {OK, *KINDS}
        if isinstance(self.script, str) or unknown:
            msg = f"script is a sequence of names, not {self.script!r}. Known: ok, {', '.join(KINDS)}"
            raise ValueError(msg)
        shares = [getattr(self, kind) for kind in KINDS]
        if min(shares) < 0 or sum(shares) > 1:
            msg = f"Shares are from 0 to 1, all of them together: {self}"
            raise ValueError(msg)


KINDS = tuple(field.name for field in fields(Faults))[: [field.name for field in fields(Faults)].index("stream_after")]
"""The names of all shares: the fields before ``stream_after``."""

_REFUSALS: dict[str, Callable[[], Refusal]] = {
    "throttle": refusals.throttled,
    "unavailable": refusals.unavailable,
    "internal": refusals.internal_failure,
    "dependency": refusals.dependency_failure,
    "bad_gateway": refusals.bad_gateway,
    "expired_token": refusals.expired_token,
}


class FaultPlan:
    """Decides what happens to each request of one endpoint, in the order of their arrival.

    Parameters
    ----------
    faults : Faults
        What may happen.
    """

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._random = random.Random(faults.seed)  # noqa: S311 - the same run again is the point
        self._script = list(reversed(faults.script))

    def next(self, *, streaming: bool) -> str:
        """Name what happens to the next request.

        Parameters
        ----------
        streaming : bool
            Whether it asks for a stream.

        Returns
        -------
        str
            A name of `KINDS`, or ``"ok"``.
        """
        if self._script:
            return self._script.pop()
        draw = self._random.random()
        for kind in KINDS:
            share = getattr(self.faults, kind)
            if draw < share:
                return OK if kind in STREAM and not streaming else kind
            draw -= share
        return OK


def refusal(kind: str, *, endpoint: str, region: str, action: str) -> Refusal | None:
    """Make the refusal of a fault that ends a request before its model runs; None for any other.

    Parameters
    ----------
    kind : str
        From `FaultPlan.next`.
    endpoint, region : str
        Whose request it is.
    action : str
        The permission's name.

    Returns
    -------
    Refusal or None
    """
    if kind == "not_ready":
        return refusals.not_ready(f"The model of endpoint {endpoint}")
    if kind == "access_denied":
        arn = f"arn:aws:sagemaker:{region}:{refusals.ACCOUNT}:endpoint/{endpoint.lower()}"
        return refusals.access_denied(f"sagemaker:{action}", arn)
    if kind in ("model_error", "timeout"):
        status = 500 if kind == "model_error" else 0
        said = "Injected failure" if status else refusals.TIMED_OUT.format(container="primary")
        return refusals.model_error(status, said, container="primary", endpoint=endpoint, region=region)
    return _REFUSALS[kind]() if kind in _REFUSALS else None


def one_answer_less(body: bytes, content_type: str | None) -> bytes:
    """Drop the last answer of a reply, and leave it otherwise as well-formed as it was.

    Parameters
    ----------
    body : bytes
        The reply.
    content_type : str or None
        Its content type: CSV, JSON, JSON Lines or npy.

    Returns
    -------
    bytes
    """
    essence = MediaType(content_type or "").essence
    if essence in ("text/csv", "application/jsonlines"):
        return b"".join(body.splitlines(keepends=True)[:-1])
    codec = codecs.find_reader(content_type or "")
    value: Any = codec.decode(body) if codec else None
    match value:
        case {"predictions": list() as answers}:
            value = {**value, "predictions": answers[:-1]}
        case list() | np.ndarray():
            value = value[:-1]
        case _:
            msg = f"wrong_rows does not know how to shorten {content_type}"
            raise ValueError(msg)
    assert codec is not None  # noqa: S101 - it decoded the value
    shorter: bytes = codec.encode(value)
    return shorter
