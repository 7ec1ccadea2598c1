"""One request out, one reply in: clients, credentials and the one retry loop.

The only module that talks through boto3. Threads, not asyncio: boto3 blocks, and a notebook's event loop is already
running. botocore's own retries are off, because two retry loops multiply, and because botocore repeats a read timeout:
an inference that has run, and been billed, is run again.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import botocore.exceptions
import botocore.session
from botocore.config import Config

from smrt_jupyter import errors
from smrt_jupyter.policy import DEFAULT_ATTEMPTS, Policy, Verdict
from smrt_jupyter.wire.body import Payload
from smrt_jupyter.wire.target import LOCAL_RUNTIME, Target, beside, local_environment
from smrt_jupyter.wire.translation import translate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from botocore.awsrequest import AWSRequest

__all__ = [
    "LOCAL_RUNTIME",
    "Connection",
    "Exchange",
    "Target",
    "beside",
    "connect",
    "forget",
    "local_environment",
    "log_tail",
    "profiles",
    "regions",
    "send",
]

# A client is remade when one of these changes, as it does when a notebook's cell sets it.
ENVIRONMENT = (
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME",
    "AWS_ENDPOINT_URL_SAGEMAKER",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_MAX_ATTEMPTS",
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One finished request and its reply.

    Attributes
    ----------
    operation : str
        The API's name of it.
    output : dict
        The reply's members as boto3 parses them.
    body : bytes
        The reply's payload; empty for a stream, whose events stay in ``output``.
    status : int
        HTTP status.
    headers : mapping of str to str
        The reply's, in lower case.
    request_id : str
        The service's id of the request.
    attempts : int
        How often it was sent.
    elapsed : float
        Seconds that the attempt took which was answered.
    """

    operation: str
    output: dict[str, Any]
    body: bytes
    status: int
    headers: Mapping[str, str]
    request_id: str
    attempts: int
    elapsed: float


@dataclass(frozen=True, slots=True)
class Connection:
    """A client, and the attempts that the user's AWS configuration asks for."""

    client: Any
    attempts: int


_connections: dict[tuple[Any, ...], Connection] = {}
_making = threading.Lock()
_hook = threading.local()


def _forget_connections() -> None:
    """Sockets must not be shared with a parent process."""
    global _making  # noqa: PLW0603 - a lock held by another thread at the fork would never open
    _making = threading.Lock()
    _connections.clear()


os.register_at_fork(after_in_child=_forget_connections)


def connect(target: Target) -> Connection:
    """Give the client for a target: made once in a process, shared by its threads.

    Parameters
    ----------
    target : Target
        Where, and how patiently.

    Returns
    -------
    Connection

    Raises
    ------
    CredentialsError
        For an unknown profile, or no region.
    """
    key = (target, *map(os.environ.get, ENVIRONMENT))
    found = _connections.get(key)
    if found is None:
        with _making:
            found = _connections.get(key)
            if found is None:
                try:
                    found = _connections[key] = _make(target)
                except (botocore.exceptions.BotoCoreError, ValueError) as error:
                    raise translate(error, request_was_whole=False) from error
    return found


def forget(target: Target) -> None:
    """Drop the clients for a target: their credentials were refused, and new ones may come in the same file."""
    with _making:
        for key in [key for key in _connections if key[0] == target]:
            del _connections[key]


def _make(target: Target) -> Connection:
    local = local_environment(target.endpoint_url)
    session = (
        boto3.Session(botocore_session=_without_profile()) if local else boto3.Session(profile_name=target.profile)
    )
    region = target.region or local.get("AWS_REGION") or os.environ.get("AWS_REGION") or session.region_name
    service_variable = f"AWS_ENDPOINT_URL_{target.service.upper().replace('-', '_')}"
    client = session.client(
        target.service,
        region_name=region,
        endpoint_url=local.get(service_variable, target.endpoint_url),
        aws_access_key_id=local.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=local.get("AWS_SECRET_ACCESS_KEY"),
        config=Config(
            connect_timeout=target.connect_timeout,
            read_timeout=target.read_timeout,
            max_pool_connections=target.connections,
            retries={"total_max_attempts": 1, "mode": "standard"},
            tcp_keepalive=True,
            # Put together once: botocore would build it twice for every request, an eighth of what a small one costs.
            user_agent=f"{session._session.user_agent()} smrt-jupyter",  # noqa: SLF001 - boto3 has no public way to it
        ),
    )
    client.meta.events.register("before-sign", _call_hook)
    configured = session._session.get_config_variable("max_attempts")  # noqa: SLF001 - boto3 has no public way to it
    return Connection(client, int(configured) if configured else DEFAULT_ATTEMPTS)


def _call_hook(request: AWSRequest, **_: Any) -> None:
    hook = getattr(_hook, "before_sign", None)
    if hook is not None:
        hook(request)


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
    attempt, tried, not_ready_since = 0, 0, 0.0
    while True:
        attempt += 1
        try:
            return _once(connection.client, operation, parameters, attempt, before_sign)
        except _Failed as failed:
            error = translate(failed.cause, request_was_whole=failed.request_was_whole, attempts=attempt, **context)
            error.__cause__ = failed.cause
        if isinstance(error, errors.CredentialsError):
            forget(target)
        if isinstance(error, errors.ModelError):
            error._read_logs = partial(log_tail, target)  # noqa: SLF001 - errors.py imports nothing, so this is its reader
        verdict = policy.verdict(error)
        now = time.monotonic()
        if verdict is Verdict.WHEN_READY:
            not_ready_since = not_ready_since or now
            wait = policy.wait(attempt)
            give_up = now + wait - not_ready_since > policy.wait_for_capacity
        else:
            tried += 1
            wait = policy.wait(tried)
            give_up = verdict is Verdict.STOP or tried >= allowed
        if give_up:
            raise error
        if on_retry:
            on_retry(error, wait)
        if stop is None:
            time.sleep(wait)
        elif stop.wait(wait):
            raise error


class _Failed(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, cause: Exception, *, request_was_whole: bool) -> None:
        self.cause = cause
        self.request_was_whole = request_was_whole


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
    _hook.before_sign = before_sign
    try:
        output = call(**parameters)
        answer = output.get("Body")
        answered = answer.read() if hasattr(answer, "read") else b""
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise _Failed(error, request_was_whole=payload is None or payload.was_whole) from error
    finally:
        _hook.before_sign = None
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


def _without_profile() -> botocore.session.Session:
    """Make a session that asks for no profile: one that AWS_PROFILE names need not exist for an embedded runtime."""
    return botocore.session.Session(session_vars={"profile": (None, None, None, None)})


def regions() -> list[str]:
    """Name the regions that have the service."""
    found: list[str] = boto3.Session().get_available_regions("sagemaker-runtime")
    return found


def profiles() -> list[str]:
    """Name the profiles of the user's AWS configuration."""
    found: list[str] = boto3.Session().available_profiles
    return found
