"""One request out, one reply in, and the one retry loop.

The only room that talks through boto3. Threads, not asyncio: boto3 blocks, and a notebook's event loop is already
running. botocore's own retries are off, because two retry loops multiply, and because botocore repeats a read timeout:
an inference that has run, and been billed, is run again.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import botocore.exceptions

from smrt_jupyter import errors
from smrt_jupyter.policy import Policy, Verdict
from smrt_jupyter.wire.body import Payload
from smrt_jupyter.wire.clients import Connection, connect, profiles, reading, regions, signing, with_other_keys
from smrt_jupyter.wire.exchange import Exchange
from smrt_jupyter.wire.target import LOCAL_RUNTIME, Target, beside, local_environment
from smrt_jupyter.wire.translation import translate

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from botocore.awsrequest import AWSRequest

    from smrt_jupyter.wire.signing import Keys

__all__ = [
    "LOCAL_RUNTIME",
    "Connection",
    "Exchange",
    "Target",
    "beside",
    "connect",
    "local_environment",
    "log_tail",
    "profiles",
    "regions",
    "send",
]


def send(  # noqa: C901, PLR0913 - the one retry loop stays in one piece
    target: Target,
    operation: str,
    parameters: Mapping[str, Any],
    *,
    policy: Policy | None = None,
    endpoint: str | None = None,
    rows: Sequence[int] | None = None,
    on_retry: Callable[[errors.InvokeError, float], None] | None = None,
    stop: threading.Event | None = None,
    before_sign: Callable[[AWSRequest], None] | None = None,
) -> Exchange:
    """Send one request until it is answered or not worth another attempt.

    Refused credentials are worth one, at once, when others have come in their place.

    Parameters
    ----------
    target : Target
        Where to.
    operation : str
        The API's name: ``InvokeEndpoint``.
    parameters : mapping
        Its members, by the API's names. A ``Body`` is bytes.
    policy : Policy, optional
        How hard to try.
    endpoint : str, optional
        For the errors.
    rows : sequence of int, optional
        The rows that the request carries, for the errors.
    on_retry : callable, optional
        Called as ``on_retry(error, seconds)`` before each wait.
    stop : threading.Event, optional
        Ends a wait: the error then stands.
    before_sign : callable, optional
        Sees, and may change, the HTTP request before each attempt is signed.

    Returns
    -------
    Exchange

    Raises
    ------
    InvokeError
        One of its kinds; ``.attempts`` says how often it was sent.
    """
    policy = policy or Policy()
    context = {"endpoint": endpoint, "rows": rows}
    try:
        connection = connect(target)
    except errors.InvokeError as unconnected:
        unconnected.endpoint, unconnected.rows = endpoint, rows
        raise
    allowed = policy.attempts or connection.attempts
    inference = operation.startswith("Invoke")  # all else can be repeated: it reads, or writes the same again
    attempt, tried, not_ready_since, has_other_keys = 0, 0, 0.0, False
    while True:
        attempt += 1
        try:
            return _once(connection.client, operation, parameters, attempt, before_sign)
        except _Failed as failed:
            whole = failed.request_was_whole
            size = len(parameters.get("Body") or b"")
            error = translate(
                failed.cause, request_was_whole=whole, inference=inference, size=size, attempts=attempt, **context
            )
            error.__cause__ = failed.cause
            refused = failed.keys
        others = None
        if isinstance(error, errors.CredentialsError):
            others = with_other_keys(target, refused, wanted=not has_other_keys)
        if isinstance(error, errors.ModelError):
            error._read_logs = partial(log_tail, target)  # noqa: SLF001 - errors.py imports nothing, so this is its reader
        verdict = policy.verdict(error, inference=inference)
        now = time.monotonic()
        if verdict is Verdict.WHEN_READY:
            not_ready_since = not_ready_since or now
            wait = policy.wait(attempt)
            give_up = now + wait - not_ready_since > policy.wait_for_capacity
        else:
            tried += 1
            wait = 0.0 if others else policy.wait(tried)
            give_up = (verdict is Verdict.STOP and others is None) or tried >= allowed
        if give_up:
            raise error
        connection, has_other_keys = others or connection, has_other_keys or others is not None
        if on_retry:
            on_retry(error, wait)
        if stop is None:
            time.sleep(wait)
        elif stop.wait(wait):
            raise error


class _Failed(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, cause: Exception, *, request_was_whole: bool, keys: Keys | None) -> None:
        self.cause = cause
        self.request_was_whole = request_was_whole
        self.keys = keys


def _once(
    client: Any,
    operation: str,
    parameters: Mapping[str, Any],
    attempt: int,
    before_sign: Callable[[AWSRequest], None] | None,
) -> Exchange:
    body = parameters.get("Body")
    payload = None
    if isinstance(body, bytes):
        payload = Payload(body)
        parameters = {**parameters, "Body": payload}
    call = getattr(client, botocore.xform_name(operation))
    started = time.perf_counter()
    signing.begin(before_sign)
    try:
        output = call(**parameters)
        reading.reply = None
        answer = output.get("Body")
        answered = answer.read() if hasattr(answer, "read") else b""
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        whole = payload is None or payload.was_whole
        raise _Failed(error, request_was_whole=whole, keys=signing.keys) from error
    except Exception as error:
        unread = reading.failure()
        if unread is None:
            raise  # a hook of the caller's, say
        refusal = botocore.exceptions.ClientError(unread, operation)
        raise _Failed(refusal, request_was_whole=True, keys=signing.keys) from error
    finally:
        signing.begin(None)
        reading.reply = None
    metadata = output["ResponseMetadata"]
    return Exchange(
        operation,
        output,
        answered,
        metadata["HTTPStatusCode"],
        metadata["HTTPHeaders"],
        metadata.get("RequestId", ""),
        attempt,
        time.perf_counter() - started,
    )


def log_tail(target: Target, log_stream_arn: str | None, lines: int) -> str:
    """Read the end of a container's log.

    Parameters
    ----------
    target : Target
        The runtime that the error came from.
    log_stream_arn : str or None
        ``LogStreamArn`` of the error: in fact a log group's, and redacted in some replies.
    lines : int
        How many of the newest lines.

    Returns
    -------
    str
    """
    group = (log_stream_arn or "").partition(":log-group:")[2].partition(":")[0]
    if not group:
        return "The service did not say where the container's log is."
    logs = beside(target, "logs")
    found: list[str] = []
    token: dict[str, str] = {}
    since = int((time.time() - 3600) * 1000)
    while True:
        request = {"logGroupName": group, "startTime": since, **token}
        output = send(logs, "FilterLogEvents", request, endpoint=group).output
        found += [event["message"].rstrip() for event in output.get("events", [])]
        if "nextToken" not in output:
            break
        token = {"nextToken": output["nextToken"]}
    return "\n".join(found[-lines:]) or f"{group} has no line of the last hour."
