"""The limits that the service documents, in one place, so that a test may shorten what a person would wait for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the embedded runtime allows: the service's own numbers, unless told otherwise.

    Parameters
    ----------
    payload, serverless_payload, inline_payload, response_payload : int
        Bytes of a request; of a serverless request; of an asynchronous request that carries its body; of a reply.
    invocation_seconds, stream_seconds : float
        How long a model may take for a reply, and for a whole stream.
    async_seconds, request_ttl_seconds : float
        The most that an asynchronous request may ask for with ``InvocationTimeoutSeconds`` and ``RequestTTLSeconds``.
        A request that asks for more gets this much, so a test need not wait for the service's minimum of 60 s.
    session_seconds : float
        How long a session lives after its last request.
    ping_seconds : float
        How long `deploy` waits for a container to answer ``/ping``.

    Examples
    --------
    >>> Limits().payload, Limits(invocation_seconds=0.5).stream_seconds
    (6291456, 480.0)
    """

    payload: int = 6_291_456
    serverless_payload: int = 4_194_304
    inline_payload: int = 128_000
    response_payload: int = 6_291_456
    invocation_seconds: float = 60.0
    stream_seconds: float = 480.0
    async_seconds: float = 3_600.0
    request_ttl_seconds: float = 21_600.0
    session_seconds: float = 1_200.0
    ping_seconds: float = 30.0
