"""Clients of boto3: made once in a process for each target, shared by its threads, made anew when keys are refused."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import botocore.exceptions
import botocore.session
from botocore.config import Config

from smrt_jupyter import errors
from smrt_jupyter.policy import DEFAULT_ATTEMPTS
from smrt_jupyter.wire import members
from smrt_jupyter.wire.reading import Reading
from smrt_jupyter.wire.signing import Signing, keys_of
from smrt_jupyter.wire.target import Target, check_address, local_environment
from smrt_jupyter.wire.translation import misconfigured, translate

if TYPE_CHECKING:
    from smrt_jupyter.wire.signing import Keys

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

signing = Signing()
reading = Reading()
"""What the clients tell of the request that a thread is sending, and of its reply."""

_connections: dict[tuple[Any, ...], Connection] = {}
_making = threading.Lock()


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


def with_other_keys(target: Target, refused: Keys | None, *, wanted: bool) -> Connection | None:
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
    client.meta.events.register("before-sign", signing)
    client.meta.events.register("before-parse", reading)
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
