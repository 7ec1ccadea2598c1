"""Who may ask: signatures, checked for the region and the service that they were made for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smrt_jupyter.local import signature
from smrt_jupyter.local.refusals import Refusal

if TYPE_CHECKING:
    from smrt_jupyter.local.exchange import Exchange
    from smrt_jupyter.local.service import Service

INLINE_DIGEST = 65_536
"""Bodies above so many bytes have their digest computed off the loop: it costs about half a millisecond a megabyte."""


async def authenticate(service: Service, http: Exchange, body: bytes, services: set[str]) -> signature.Scope:
    """Check who asks.

    Parameters
    ----------
    service : Service
        Whose keys count.
    http : Exchange
        The request.
    body : bytes
        Its body: a signature covers it.
    services : set of str
        What the signature may be scoped to.

    Returns
    -------
    Scope

    Raises
    ------
    Refusal
        The service's own.
    """
    arrived = http.arrived(body)
    if len(body) > INLINE_DIGEST:
        scope = await service.work(signature.verify, arrived, service.keys)
    else:
        scope = signature.verify(arrived, service.keys)
    message = ""
    if scope.region != service.region:
        message = f"Credential should be scoped to a valid region, not '{scope.region}'. "
    elif scope.service not in services:
        message = f"Credential should be scoped to correct service: '{min(services)}'. "
    if message:
        raise Refusal(403, "InvalidSignatureException", {"message": message})
    return scope
