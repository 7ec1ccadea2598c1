"""What a finished request leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


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
