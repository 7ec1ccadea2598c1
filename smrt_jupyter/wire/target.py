"""Where a service is, and how long to wait for it; an embedded runtime says of itself where its services are."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

LOCAL_RUNTIME = "SMRT_JUPYTER_LOCAL_RUNTIME_"
"""Prefix of the variable, ending in a port, through which an embedded runtime tells this process and its children how
to reach it. So it needs no AWS variable, and a client of the cloud beside it keeps its own credentials."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a service is and how long to wait for it: all that makes one client differ from another.

    Parameters
    ----------
    service : str
        botocore's name of the service.
    region, profile, endpoint_url : str, optional
        As boto3 has them; None: as boto3 finds them.
    connect_timeout, read_timeout : float
        Seconds.
    connections : int
        Requests that may be in flight at once; botocore's own default of 10 would make threads queue.
    """

    service: str
    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 70.0
    connections: int = 64


def local_environment(endpoint_url: str | None) -> dict[str, str]:
    """Read what an embedded runtime of this process, or of its parent, tells about itself.

    Parameters
    ----------
    endpoint_url : str or None
        Any address.

    Returns
    -------
    dict of str to str
        The variables that reach it; empty when the address is not such a runtime's.
    """
    if not endpoint_url:
        return {}
    try:
        port = urlsplit(endpoint_url).port
    except ValueError:
        return {}
    told = os.environ.get(f"{LOCAL_RUNTIME}{port}")
    found: dict[str, str] = json.loads(told) if told else {}
    return found if found.get("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME") == endpoint_url else {}


def beside(target: Target, service: str) -> Target:
    """Name another service of the same account: the control plane, S3, the logs.

    An ``endpoint_url`` is the runtime's own and not taken along, unless it is an embedded runtime's, which says where
    its others are.

    Parameters
    ----------
    target : Target
        The runtime.
    service : str
        botocore's name of the other.

    Returns
    -------
    Target
    """
    local = local_environment(target.endpoint_url)
    return replace(target, service=service, endpoint_url=target.endpoint_url if local else None)


def check_address(url: str) -> None:
    """Refuse an address that only fails when it is asked, and not as one.

    Parameters
    ----------
    url : str
        Of a service.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> check_address("https://runtime.sagemaker.us-east-1.amazonaws.com")
    >>> check_address("ftp://127.0.0.1")
    Traceback (most recent call last):
        ...
    ValueError: 'ftp' is neither http nor https
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"{parts.scheme!r} is neither http nor https")
    parts.port  # noqa: B018 - it is read, and checked, when it is asked for
