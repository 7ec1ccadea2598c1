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
from smrt_jupyter.wire import members
from smrt_jupyter.wire.body import Payload
from smrt_jupyter.wire.exchange import Exchange
from smrt_jupyter.wire.reading import Reading
from smrt_jupyter.wire.signing import Signing, keys_of
from smrt_jupyter.wire.target import LOCAL_RUNTIME, Target, beside, check_address, local_environment
from smrt_jupyter.wire.translation import misconfigured, translate

if TYPE_CHECKING:
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
class Connection:
    """A client, and the attempts that the user's AWS configuration asks for."""

    client: Any
    attempts: int


MOST_CONNECTIONS = 32
"""Clients that are kept: each holds several MiB, and a notebook that starts runtimes all day has ever new addresses."""

_connections: dict[tuple[Any, ...], Connection] = {}
_making = threading.Lock()
_signing = Signing()
_reading = Reading()


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
                    made = _make(target)
                except botocore.exceptions.BotoCoreError as error:
                    raise translate(error, request_was_whole=False) from error
                except ValueError as error:
                    raise misconfigured(error, target.endpoint_url) from error
                if len(_connections) >= MOST_CONNECTIONS:
                    del _connections[next(iter(_connections))]  # whoever uses it keeps it
                found = _connections[key] = made
    return found


def _forget(connection: Connection) -> None:
    """Drop a client, and only this one: another thread may have its successor in use already."""
    with _making:
        for key in [key for key, each in _connections.items() if each is connection]:
            del _connections[key]


def _with_other_keys(target: Target, refused: Keys | None, *, wanted: bool) -> Connection | None:
    """Connect again after keys were refused: new ones may have come in the same file, or from the same provider.

    Of the threads that meet the refusal together the first connects again, and the others find its client. A client
    with the refused keys is never left behind, so the next request asks for keys anew in any case.

    Parameters
    ----------
    target : Target
        Where to.
    refused : tuple or None
        What the request was signed with; None when there was nothing to sign it with.
    wanted : bool
        Whether there is to be another attempt. Once is enough: keys that keep changing are not worth a loop.

    Returns
    -------
    Connection or None
        None when there are no other keys.
    """
    try:
        for _ in range(2):  # the one that is at hand, which another thread may have made just now, and a new one
            found = connect(target)
            try:
                if keys_of(found.client._request_signer) != refused:  # noqa: SLF001 - as in keys_of
                    return found if wanted else None
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                pass  # the provider has none to give: the refusal says so already
            _forget(found)
    except errors.InvokeError:
        pass  # there is nothing to connect with any more; the refusal is what the user has to know
    return None


def _make(target: Target) -> Connection:
    local = local_environment(target.endpoint_url)
    session = (
        boto3.Session(botocore_session=_without_profile()) if local else boto3.Session(profile_name=target.profile)
    )
    attempts = _configured_attempts(session)
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
            # The runtime's members are checked already, by `members`; to do it twice is a fortieth of a small request.
            parameter_validation=target.service not in (members.RUNTIME, members.ROUTER),
            # Put together once: botocore would build it twice for every request, an eighth of what a small one costs.
            user_agent=f"{session._session.user_agent()} smrt-jupyter",  # noqa: SLF001 - boto3 has no public way to it
        ),
    )
    check_address(client.meta.endpoint_url)
    client.meta.events.register("before-sign", _signing)
    client.meta.events.register("before-parse", _reading)
    return Connection(client, attempts)


def _configured_attempts(session: boto3.Session) -> int:
    """Read how often the user's AWS configuration asks to try."""
    try:
        configured = session._session.get_config_variable("max_attempts")  # noqa: SLF001 - boto3 has no public way to it
        return int(configured) if configured else DEFAULT_ATTEMPTS
    except ValueError as error:
        told = os.environ.get("AWS_MAX_ATTEMPTS")
        named = "The profile's `max_attempts`" if told is None else f"AWS_MAX_ATTEMPTS, {told!r},"
        raise errors.ValidationFailed(
            f"{named} is no whole number.", next_step="Correct it in the AWS configuration, or take it out."
        ) from error


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
            others = _with_other_keys(target, refused, wanted=not has_other_keys)
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
    _signing.begin(before_sign)
    try:
        output = call(**parameters)
        _reading.reply = None
        answer = output.get("Body")
        answered = answer.read() if hasattr(answer, "read") else b""
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        whole = payload is None or payload.was_whole
        raise _Failed(error, request_was_whole=whole, keys=_signing.keys) from error
    except Exception as error:
        unread = _reading.failure()
        if unread is None:
            raise  # a hook of the caller's, say
        refusal = botocore.exceptions.ClientError(unread, operation)
        raise _Failed(refusal, request_was_whole=True, keys=_signing.keys) from error
    finally:
        _signing.begin(None)
        _reading.reply = None
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
