"""Inference routers: a name in front of several endpoints, each in its region, tried in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smrt_jupyter.local import refusals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from smrt_jupyter.local.deployment import Deployment
    from smrt_jupyter.local.refusals import Refusal
    from smrt_jupyter.local.service import Service

ELSEWHERE = (429, 500, 502, 503, 530)
"""Statuses after which another endpoint may do better; throttling is 400 here and 429 to a router's callers."""


@dataclass(frozen=True, slots=True)
class InferenceRouter:
    """A router.

    Parameters
    ----------
    name : str
        Its own.
    targets : mapping
        Routing target names to the names of endpoints, the preferred one first.
    """

    name: str
    targets: Mapping[str, Sequence[str]]

    def choices(self, service: Service, target: str) -> Iterator[tuple[Deployment, str]]:
        """Give the endpoints to try, each with the reason for it.

        Parameters
        ----------
        service : Service
            Where they are.
        target : str
            ``RoutingTargetName``.

        Yields
        ------
        tuple of Deployment and str
            The reason is one of the service's: ``local-preferred``, ``only-healthy``, ``capacity-available``,
            ``failover``.

        Raises
        ------
        Refusal
            No such target. The sentence is ours: the service's is not published.
        """
        if target not in self.targets:
            raise refusals.validation(f"Routing target {target} of inference router {self.name} not found.")
        there = [service.deployments[name] for name in self.targets[target] if name in service.deployments]
        if len(there) == 1:
            yield there[0], "only-healthy"
            return
        free = [each for each in there if each.capacity is None or each.in_flight < each.capacity]
        for deployment in free:
            if deployment is not free[0]:
                yield deployment, "failover"
            else:
                yield deployment, "local-preferred" if deployment is there[0] else "capacity-available"


def may_go_elsewhere(refusal: Refusal) -> bool:
    """Tell a refusal that another endpoint need not repeat."""
    return refusal.status in ELSEWHERE or refusal.code == "ThrottlingException"
