"""Asynchronous inference: a queue for each endpoint, and the two places in S3 where its answers go."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smrt_jupyter.local import faults, refusals
from smrt_jupyter.local.invocation import Invocation
from smrt_jupyter.local.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smrt_jupyter.local.deployment import Deployment, Route
    from smrt_jupyter.local.service import Service

CONCURRENCY = 4
"""How many run at once where ``MaxConcurrentInvocationsPerInstance`` does not say."""

DEFAULT_SECONDS = 900
DEFAULT_TTL = 21_600
CONFIG = {
    "OutputConfig": {"S3OutputPath", "S3FailurePath"},
    "ClientConfig": {"MaxConcurrentInvocationsPerInstance"},
}
NO_LENGTH = "The response from container {container} did not specify the required Content-Length header"
NO_ANSWER = (
    "Amazon SageMaker could not get a response from the {endpoint} endpoint. This can occur when CPU or memory "
    "utilization is high."
)


def check_config(config: Mapping[str, Any]) -> None:
    """Refuse what an endpoint here could not do.

    Parameters
    ----------
    config : mapping
        ``AsyncInferenceConfig``.

    Raises
    ------
    ValueError
        No output path, or something that is not answered here, such as notifications.
    """
    unknown = [name for name in config if name not in CONFIG]
    unknown += [f"{name}.{key}" for name, known in CONFIG.items() for key in config.get(name, {}) if key not in known]
    if unknown:
        msg = f"The embedded runtime has no {', '.join(unknown)}: it has S3 and no other service to tell."
        raise ValueError(msg)
    if not str(config.get("OutputConfig", {}).get("S3OutputPath", "")).startswith("s3://"):
        msg = "async_config needs {'OutputConfig': {'S3OutputPath': 's3://bucket/prefix'}}."
        raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the caller is told at once."""

    inference_id: str
    output_location: str
    failure_location: str | None

    @property
    def members(self) -> dict[str, Any]:
        """The reply, by the API's names."""
        return {
            "InferenceId": self.inference_id,
            "OutputLocation": self.output_location,
            "FailureLocation": self.failure_location,
        }


class Queues:
    """The queues of a runtime. Each waiting request is a task; only what runs holds a thread.

    Parameters
    ----------
    service : Service
        Whose endpoints answer.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._slots: dict[int, asyncio.Semaphore] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, deployment: Deployment, members: Mapping[str, Any], body: bytes, request_id: str) -> Ticket:
        """Take a request.

        Parameters
        ----------
        deployment : Deployment
            Whose queue.
        members : mapping
            The request's.
        body : bytes
            The inline payload; empty when there is an ``InputLocation``.
        request_id : str
            For the sentences that name it.

        Returns
        -------
        Ticket

        Raises
        ------
        Refusal
            What the service would not take. The two sentences here are ours: the service's are not published.
        """
        config = deployment.serving.async_config
        if config is None:
            raise refusals.validation(f"Endpoint {deployment.name} does not take asynchronous invocations.")
        if bool(body) == ("InputLocation" in members):
            raise refusals.validation("Exactly one of InputLocation and Body must be given.")
        limit = self._service.limits.inline_payload
        if len(body) > limit:
            bound = f"Member must have length less than or equal to {limit}"
            raise refusals.validation(
                f"1 validation error detected: Value at 'body' failed to satisfy constraint: {bound}"
            )
        kind = deployment.plan.next(streaming=False)
        if kind not in ("model_error", "timeout"):  # those happen later, to what was taken
            injected = faults.refusal(
                kind, endpoint=deployment.name, region=self._service.region, action="InvokeEndpointAsync"
            )
            if injected is not None:
                raise injected
        route = deployment.route(members, request_id)
        ticket = _ticket(config["OutputConfig"], members)
        job = _Job(self._service, deployment, route, dict(members), body, ticket, kind)
        task = asyncio.ensure_future(self._run(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return ticket

    async def _run(self, job: _Job) -> None:
        client = (job.deployment.serving.async_config or {}).get("ClientConfig", {})
        slots = self._slots.setdefault(
            id(job.deployment), asyncio.Semaphore(client.get("MaxConcurrentInvocationsPerInstance", CONCURRENCY))
        )
        taken = time.monotonic()
        async with slots:
            wanted = job.members.get("RequestTTLSeconds", DEFAULT_TTL)
            if time.monotonic() - taken > min(wanted, self._service.limits.request_ttl_seconds):
                job.deployment.note(f"Request {job.ticket.inference_id} expired in the queue")
                return
            await job.run()


@dataclass(slots=True)
class _Job:
    service: Service
    deployment: Deployment
    route: Route
    members: dict[str, Any]
    body: bytes
    ticket: Ticket
    fault: str

    async def run(self) -> None:
        """Ask the model and put what it says where the ticket promises."""
        await self.service.pause(self.deployment.serving.faults.latency)
        wanted = self.members.get("InvocationTimeoutSeconds", DEFAULT_SECONDS)
        seconds = min(float(wanted), self.service.limits.async_seconds)
        try:
            body, content_type = await asyncio.wait_for(self.service.work(self._ask, seconds), seconds)
        except Refusal as refusal:
            said = refusal.members.get("OriginalMessage") or refusal.members.get("Message") or str(refusal.code)
            await self._fail(said)
        except TimeoutError:
            await self._fail(NO_ANSWER.format(endpoint=self.deployment.name))
        else:
            s3 = await self.service.s3()
            await self.service.work(s3.put, self.ticket.output_location, body, content_type)

    def _ask(self, seconds: float) -> tuple[bytes, str | None]:
        content_type = self.members.get("ContentType")
        location = self.members.get("InputLocation")
        if location is not None:
            stored = self.service.open_s3().get(location)
            if stored is None:
                raise refusals.validation(f"Failed to download the input data: there is no object {location}.")
            # The SageMaker SDK says the content type to S3 and not to the service.
            self.body, content_type = stored.body, content_type or stored.content_type
        injected = faults.refusal(
            self.fault, endpoint=self.deployment.name, region=self.service.region, action="InvokeEndpointAsync"
        )
        if injected is not None:
            raise injected
        invocation = Invocation(
            body=self.body,
            content_type=content_type,
            accept=self.members.get("Accept"),
            members={name: value for name, value in self.members.items() if name != "Body"},
            endpoint=self.deployment.name,
            variant=self.route.variant,
            timeout=seconds,
        )
        reply = self.deployment.run(self.route, invocation)
        if not reply.length_known:
            message = NO_LENGTH.format(container=self.route.container)
            self.deployment.note(message)
            raise refusals.validation(message)
        body = reply.whole()
        if self.fault == "wrong_rows":
            body = faults.one_answer_less(body, reply.content_type)
        return body, reply.content_type

    async def _fail(self, said: str) -> None:
        if self.ticket.failure_location is not None:
            s3 = await self.service.s3()
            await self.service.work(s3.put, self.ticket.failure_location, said.encode(), "text/plain")


def _ticket(output: Mapping[str, str], members: Mapping[str, Any]) -> Ticket:
    """Say where the answer, or the failure, will be."""
    inference_id = members.get("InferenceId") or str(uuid.uuid4())
    folders = [output["S3OutputPath"].rstrip("/"), members.get("S3OutputPathExtension", "").strip("/")]
    name = members.get("Filename") or f"{inference_id}.out"
    failure = output.get("S3FailurePath")
    return Ticket(
        inference_id,
        "/".join([*filter(None, folders), name]),
        f"{failure.rstrip('/')}/{inference_id}-error.out" if failure else None,
    )
