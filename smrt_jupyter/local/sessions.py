"""Stateful sessions: an id, what the model wants to remember under it, and when it is forgotten."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from smrt_jupyter.local import refusals

NEW = "NEW_SESSION"
EXPIRES = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(slots=True)
class Session:
    """One caller's session.

    Parameters
    ----------
    id : str
        What the caller sends.
    variant : str
        Where it started: it stays there.
    expires : datetime
        Moves on with each request.
    state : dict
        The model's own.
    """

    id: str
    variant: str
    expires: datetime
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """What the caller is told when it opens."""
        return f"{self.id}; Expires={self.expires.strftime(EXPIRES)}"


class Sessions:
    """The sessions of one endpoint.

    Parameters
    ----------
    seconds : float
        How long a session lives after its last request.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._open)

    def open(self, variant: str, session_id: str | None = None) -> Session:
        """Start a session.

        Parameters
        ----------
        variant : str
            Where it stays.
        session_id : str, optional
            What the container calls it; None: a new id.

        Returns
        -------
        Session
        """
        session = Session(session_id or str(uuid.uuid4()), variant, self._later())
        with self._lock:
            self._open[session.id] = session
        return session

    def get(self, session_id: str) -> Session:
        """Find a session, and keep it alive.

        Parameters
        ----------
        session_id : str
            From the caller.

        Returns
        -------
        Session

        Raises
        ------
        Refusal
            Never opened, closed, or expired. The sentence is ours: the service's is not published.
        """
        with self._lock:
            session = self._open.get(session_id)
            if session is not None and session.expires < datetime.now(UTC):
                del self._open[session_id]
                session = None
            if session is None:
                raise refusals.validation(f"Session {session_id} does not exist or has expired.")
            session.expires = self._later()
        return session

    def variant_of(self, session_id: str) -> str | None:
        """Say where a session stays; None when it is not known."""
        session = self._open.get(session_id)
        return session.variant if session else None

    def close(self, session_id: str) -> None:
        """Forget a session."""
        with self._lock:
            self._open.pop(session_id, None)

    def _later(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._seconds)


def asked(body: bytes) -> str | None:
    """Read what a payload asks of its session, in the convention of the documented containers.

    Parameters
    ----------
    body : bytes
        ``{"requestType": "NEW_SESSION"}`` or ``{"requestType": "CLOSE"}``; or any other payload.

    Returns
    -------
    str or None
        The request type; None when it is the model's to answer.
    """
    if b'"requestType"' not in body:
        return None
    try:
        value = json.loads(body)
    except ValueError:
        return None
    kind = value.get("requestType") if isinstance(value, dict) else None
    return kind if kind in (NEW, "CLOSE") else None
