"""Handing a request in for asynchronous inference: in the request itself, or through S3."""

from __future__ import annotations

import time
import uuid
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from smrt_jupyter import errors, wire
from smrt_jupyter.async_inference import AsyncInference
from smrt_jupyter.async_inference.places import is_for_want_of_bucket, place
from smrt_jupyter.reply import Reply
from smrt_jupyter.wire import members

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smrt_jupyter import codecs
    from smrt_jupyter.endpoint import Endpoint

QUEUED = 21_600
RUNS = 900
"""Seconds that the service allows in the queue, and in the container, where the request does not say."""

GRACE = 60
"""Seconds for the answer to get to S3."""


def begin(  # noqa: PLR0913 - members of the request, by their names
    endpoint: Endpoint,
    codec: codecs.Codec | None,
    body: bytes | None,
    *,
    input_location: str | None = None,
    s3_input_prefix: str | None = None,
    request_ttl_seconds: int | None = None,
    invocation_timeout_seconds: int | None = None,
    sending: Mapping[str, Any] | None = None,
    **more: Any,
) -> AsyncInference:
    """Hand a request in: see `Endpoint.invoke_async`.

    Parameters
    ----------
    endpoint : Endpoint
        Who is asked.
    codec : Codec or None
        What wrote the body.
    body : bytes or None
        The payload; None when it is at `input_location` already.
    input_location, s3_input_prefix, request_ttl_seconds, invocation_timeout_seconds, **more
        As for `Endpoint.invoke_async`.
    sending : mapping, optional
        Options of :func:`smrt_jupyter.wire.send`.

    Returns
    -------
    AsyncInference
    """
    if (body is None) == (input_location is None):
        raise errors.ValidationFailed(
            "Exactly one of data and `input_location` is needed.", endpoint=endpoint.name, next_step="Nothing was sent."
        )
    operation = members.operation(endpoint.service, "Async")
    given = {
        "input_location": input_location,
        "request_ttl_seconds": request_ttl_seconds,
        "invocation_timeout_seconds": invocation_timeout_seconds,
        **more,
    }
    largest = inline_limit(endpoint.service, operation)
    if body is not None and len(body) <= largest:
        given["body"] = body
    elif body is not None:
        endpoint.request(operation, codec, **given)  # what would be refused should not be uploaded first
        given["input_location"] = upload(endpoint, body, codec, s3_input_prefix, largest)
    exchange = endpoint.send(operation, endpoint.request(operation, codec, **given), **(sending or {}))
    if endpoint.after_reply:
        endpoint.after_reply(Reply.of(exchange, path=None, accept=None))
    life = QUEUED if request_ttl_seconds is None else request_ttl_seconds
    runs = RUNS if invocation_timeout_seconds is None else invocation_timeout_seconds
    named = endpoint.inference_id is not None or more.get("filename") is not None
    return AsyncInference(
        exchange.output["OutputLocation"],
        exchange.output.get("FailureLocation"),
        inference_id=exchange.output.get("InferenceId"),
        endpoint=endpoint.name,
        region=endpoint.region,
        profile=endpoint.profile,
        endpoint_url=endpoint.endpoint_url,
        accept=endpoint.accept,
        path=endpoint.path,
        policy=endpoint.policy,
        give_up_at=time.time() + life + runs + GRACE,
        not_before=_date(exchange) if named else None,  # a name of the service's own making is never used twice
    )


def _date(exchange: wire.Exchange) -> float | None:
    """Read when the service answered, by its own clock: this machine's may be wrong."""
    try:
        return parsedate_to_datetime(exchange.headers.get("date", "")).timestamp()
    except ValueError:
        return None


def inline_limit(service: str, operation: str) -> int:
    """Say how many bytes travel in the request itself; none where the operation takes its input from S3 alone."""
    body = members.operation_model(service, operation).input_shape.members.get("Body")
    return -1 if body is None else int(body.metadata["max"])


def upload(endpoint: Endpoint, body: bytes, codec: codecs.Codec | None, prefix: str | None, largest: int) -> str:
    """Put an input to S3.

    Parameters
    ----------
    endpoint : Endpoint
        Whose account and region.
    body : bytes
        The input.
    codec : Codec or None
        What wrote it.
    prefix : str or None
        ``s3://bucket/prefix``.
    largest : int
        How much would have travelled in the request, for the error.

    Returns
    -------
    str
        Its location.
    """
    if prefix is None:
        told = f"The body has {len(body):,} bytes; a request carries {largest:,}, and more goes through S3."
        if largest < 0:
            told = "This request takes its input from S3 alone."
        raise errors.PayloadTooLarge(
            told,
            endpoint=endpoint.name,
            next_step="Say where: `s3_input_prefix` (in the magic `--s3-input`), such as s3://bucket/prefix.",
        )
    bucket, key = place(prefix)
    key = "/".join(part for part in (key.strip("/"), str(uuid.uuid4())) if part)
    stored = {"Bucket": bucket, "Key": key, "Body": body}
    if codec is not None:
        stored["ContentType"] = codec.media_type.text
    s3 = wire.beside(endpoint.target, "s3")
    try:
        wire.send(s3, "PutObject", stored, policy=endpoint.policy, endpoint=endpoint.name)
    except errors.InvokeError as error:
        if is_for_want_of_bucket(error):
            raise errors.ValidationFailed(
                f"There is no bucket {bucket!r} to put the input to.",
                endpoint=endpoint.name,
                request_id=error.request_id,
                response=error.response,
                next_step="Correct `s3_input_prefix` (in the magic `--s3-input`).",
            ) from error
        error.message = f"The input could not be put to s3://{bucket}/{key}: {error.message}"
        raise
    return f"s3://{bucket}/{key}"
