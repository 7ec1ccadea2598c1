"""What a call would send: requests, rows and bytes, and how the first body begins. Nothing is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from smrt_jupyter import display, scoring
from smrt_jupyter.endpoint import Endpoint, encode
from smrt_jupyter.endpoint.bodies import writer
from smrt_jupyter.tables import Table, is_table

if TYPE_CHECKING:
    from smrt_jupyter.answers import Answers


@dataclass(frozen=True)
class DryRun:
    """What would be sent.

    Attributes
    ----------
    endpoint : Endpoint
    content_type : str
    requests : int
    rows : int or None
        None when it is one request of something that is no table.
    size : int
        Bytes of all bodies together.
    first : bytes
        How the first body begins.
    cuts : tuple of (int, int)
        The rows of each request, from start up to stop.
    """

    endpoint: Endpoint
    content_type: str
    requests: int
    rows: int | None
    size: int
    first: bytes
    cuts: tuple[tuple[int, int], ...] = ()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        told = {
            "nothing_sent": repr(self.endpoint),
            "content_type": self.content_type,
            "requests": f"{self.requests:,}",
            "rows": None if self.rows is None else f"{self.rows:,}",
            "bytes": f"{self.size:,}",
            "first_body": display.bytes_told(self.first, display.BYTES_SHOWN)
            + (" …" if len(self.first) < self.size else ""),
        }
        return display.facts({name: value for name, value in told.items() if value is not None})


@dataclass(frozen=True)
class _Nothing:
    """The reply of a wire that sends nothing."""

    body: bytes = b""
    content_type: str = ""


def dry_run(endpoint: Endpoint, data: Any, *, one_request: bool = False) -> DryRun:
    r"""Say what a call would send.

    Parameters
    ----------
    endpoint : Endpoint
        Where it would go.
    data : object
        What would be sent.
    one_request : bool, default=False
        Whether a table, too, would travel whole.

    Returns
    -------
    DryRun
        Of the very bodies that would be sent: a table goes the way of `Endpoint.predict`, up to the wire.

    Examples
    --------
    >>> found = dry_run(Endpoint("churn"), np.array([[1, 2], [3, 4]]))
    >>> found.requests, found.content_type, found.first
    (1, 'text/csv', b'1,2\n3,4')
    """
    codec = endpoint.codec_for(data)
    shown = display.BYTES_SHOWN
    rows = len(Table.of(data)) if is_table(data) else None
    if rows is None or one_request:
        body = encode(codec, data)
        endpoint.request("InvokeEndpoint", codec, body=body)
        return DryRun(endpoint, codec.media_type.text, 1, rows, len(body), body[:shown])
    endpoint.request("InvokeEndpoint", codec)
    bodies: dict[tuple[int, int], tuple[int, bytes]] = {}

    def weigh(body: bytes, rows: range, *_: object) -> _Nothing:
        bodies[rows.start, rows.stop] = len(body), body[:shown] if rows.start == 0 else b""
        return _Nothing()

    def read(_: object, rows: range) -> Answers:
        return np.zeros(len(rows))

    write = writer(codec, Table.of(data))
    scoring.score(rows, write, weigh, read, policy=codec.bounded(endpoint.policy), progress=False)
    size = sum(length for length, _ in bodies.values())
    cuts = tuple(sorted(bodies))
    return DryRun(endpoint, codec.media_type.text, len(cuts), rows, size, bodies[cuts[0]][1] if cuts else b"", cuts)
