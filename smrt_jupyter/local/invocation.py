"""What reaches a model, and what comes back from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One request, as a model sees it.

    A callable whose signature has a parameter named ``invocation`` is given this beside the data.

    Parameters
    ----------
    body : bytes
        The payload, untouched.
    content_type, accept : str or None
        What the caller sent, under whichever header its operation uses.
    members : mapping of str to str
        Every member of the request by its API name: ``members.get("CustomAttributes")``.
    endpoint, variant : str
        Where it arrived.
    session : dict or None
        What the model wants to remember until the caller's session closes; None without a session.
    streaming : bool
        Whether the caller asked for a stream.
    timeout : float
        Seconds that the model has.
    """

    body: bytes
    content_type: str | None = None
    accept: str | None = None
    members: Mapping[str, Any] = field(default_factory=dict)
    endpoint: str = ""
    variant: str = ""
    session: dict[str, Any] | None = None
    streaming: bool = False
    timeout: float = 60.0

    def __repr__(self) -> str:
        """Name the request; what it carries appears in no representation."""
        return f"Invocation(endpoint={self.endpoint!r}, content_type={self.content_type!r}, {len(self.body)} bytes)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """What a model may return instead of plain answers, to say more than the answers.

    Parameters
    ----------
    value : object
        The answers; bytes, text or an iterator of either are sent as they are.
    content_type : str, optional
        Of ``value``; None: chosen as for plain answers.
    custom_attributes : str, optional
        Sent back as ``X-Amzn-SageMaker-Custom-Attributes``.
    new_session_id, closed_session_id : str, optional
        For a model that keeps sessions itself: ``<id>; Expires=2030-01-01T00:00:00Z``, and the id alone.
    """

    value: Any
    content_type: str | None = None
    custom_attributes: str | None = None
    new_session_id: str | None = None
    closed_session_id: str | None = None


@dataclass(slots=True, kw_only=True)
class ContainerReply:
    """What a container gives the service: bytes, or parts of a stream.

    Parameters
    ----------
    body : bytes or iterator of bytes
        An iterator is a stream; whoever takes it closes it.
    content_type : str or None
        The container's ``Content-Type``.
    custom_attributes, new_session_id, closed_session_id : str or None
        As in `ModelReply`.
    length_known : bool
        Whether the container said how long its body is; asynchronous inference insists on that.
    rows : int or None
        How many rows the model was given; None where that is not known.
    """

    body: bytes | Iterator[bytes]
    content_type: str | None = None
    custom_attributes: str | None = None
    new_session_id: str | None = None
    closed_session_id: str | None = None
    length_known: bool = True
    rows: int | None = None

    def whole(self) -> bytes:
        """Give the body whole, whatever it came as."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)


class ContainerError(Exception):
    """A container answers with an error: raise it in a model to choose the HTTP status.

    Parameters
    ----------
    status : int
        The container's status; 0 stands for a container that never answered.
    said : str
        Its body.
    """

    def __init__(self, status: int, said: str) -> None:
        super().__init__(status, said)
        self.status = status
        self.said = said

    def __str__(self) -> str:
        return self.said
