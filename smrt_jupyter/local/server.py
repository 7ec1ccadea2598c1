"""The front door: which HTTP request is which operation, who may ask, and how the answer goes out."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, ClassVar

from starlette.routing import Route, Router

from smrt_jupyter.local import control, eventstream, faults, refusals
from smrt_jupyter.local.beside import Beside
from smrt_jupyter.local.exchange import Broken, Exchange
from smrt_jupyter.local.gate import authenticate
from smrt_jupyter.local.protocol import ROUTER, RUNTIME, Operation, operations
from smrt_jupyter.local.refusals import Refusal
from smrt_jupyter.local.routers import may_go_elsewhere
from smrt_jupyter.local.service import Asked, Recorded, Service
from smrt_jupyter.local.streams import Parts, break_off

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from smrt_jupyter.local.deployment import Deployment
    from smrt_jupyter.local.routers import InferenceRouter

logger = logging.getLogger(__name__)


def application(service: Service) -> ASGIApp:
    """Make the ASGI application of a runtime.

    Parameters
    ----------
    service : Service
        What it serves.

    Returns
    -------
    ASGI application
    """
    fronts = [
        Front(service, operation)
        for name in (RUNTIME, ROUTER)
        for operation in operations(name)
        if operation.name in Front.ANSWERS
    ]
    return Router(
        [Route(front.operation.path, front, methods=[front.operation.method]) for front in fronts],
        redirect_slashes=False,
        default=Beside(service),
    )


class Front:
    """One operation at the front door.

    Parameters
    ----------
    service : Service
        Who answers.
    operation : Operation
        From botocore's service model.
    """

    def __init__(self, service: Service, operation: Operation) -> None:
        self.service = service
        self.operation = operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        http = Exchange(scope, receive, send)
        record = Recorded(operation=self.operation.name, members=dict(http.path_params))
        http.at_end(lambda: self.service.record(record, http.status))
        try:
            body = await self._body(http)
            record.size = len(body)
            await authenticate(self.service, http, body, {"sagemaker"})
            members = self.operation.parse(http.path_params, http.headers, body)
            record.members = {name: value for name, value in members.items() if name != "Body"}
            await self.ANSWERS[self.operation.name](self, http, members, body)
        except Refusal as refusal:
            refusal = self._named_as_modelled(refusal)
            record.code = refusal.code
            await http.refuse(refusal)
        except Broken:
            pass  # on purpose, or by the client: the record says status 0, or that of a stream's head
        except Exception:
            logger.exception("%s failed inside the embedded runtime", self.operation.name)
            record.code = "InternalFailure"
            if http.status == 0:
                await http.refuse(refusals.internal_failure())
            else:
                http.hang_up()
        finally:
            http.close()

    async def _body(self, http: Exchange) -> bytes:
        """Read the body, under the limit of the endpoint that the path names."""
        deployment = self.service.deployments.get(http.path_params.get("EndpointName", ""))
        if self.operation.name.endswith("Async"):
            return await http.body(self.service.limits.payload, refusals.too_large(self.service.limits.payload))
        limit = deployment.payload_limit if deployment else self.service.limits.payload
        return await http.body(limit, self._oversize(deployment, http, limit))

    @staticmethod
    def _oversize(deployment: Deployment | None, http: Exchange, limit: int) -> Refusal | None:
        how = deployment.serving.faults.oversize if deployment else "413"
        if how == "reset":
            return None
        if how == "serverless" or (deployment and deployment.serving.serverless is not None):
            return refusals.oversize_body(http.request_id)
        return refusals.too_large(limit)

    async def _invoke(self, http: Exchange, members: dict[str, Any], body: bytes) -> None:
        deployment = self.service.deployment(members["EndpointName"])
        asked = await self.service.ask(deployment, members, body, http, action=self.operation.name)
        await self._reply(http, asked, {})

    async def _reply(self, http: Exchange, asked: Asked, more: Mapping[str, Any]) -> None:
        payload = asked.reply.body
        assert isinstance(payload, bytes)  # noqa: S101 - only a streaming operation gets an iterator
        output = {**self._output(asked), **more, "Body": payload}
        await http.reply(self.operation.status, self.operation.headers(output), self.operation.body(output))

    @staticmethod
    def _output(asked: Asked) -> dict[str, Any]:
        """Say what every reply says, by the API's names; the operation's model picks those that it has."""
        return {
            "ContentType": asked.reply.content_type,
            "InvokedProductionVariant": asked.route.variant,
            "CustomAttributes": asked.reply.custom_attributes,
            "NewSessionId": asked.reply.new_session_id,
            "ClosedSessionId": asked.reply.closed_session_id,
        }

    async def _stream(self, http: Exchange, members: dict[str, Any], body: bytes) -> None:
        deployment = self.service.deployment(members["EndpointName"])
        deadline = time.monotonic() + self.service.limits.stream_seconds
        asked = await self.service.ask(deployment, members, body, http, action=self.operation.name)
        headers = [("content-type", eventstream.CONTENT_TYPE), *self.operation.headers(self._output(asked))]
        await http.start(self.operation.status, headers)
        parts = Parts(self.service, http, asked, deadline)
        after = deployment.serving.faults.stream_after
        try:
            sent = 0
            while asked.fault not in faults.STREAM or sent < after:
                frame, last = await parts.next()
                await http.part(frame, more=not last)
                if last:
                    return
                sent += 1
            await break_off(asked.fault, self.service, http)
        finally:
            parts.close()

    async def _submit(self, http: Exchange, members: dict[str, Any], body: bytes) -> None:
        deployment = self.service.deployment(members["EndpointName"])
        await self._take(http, deployment, members, body)

    async def _take(self, http: Exchange, deployment: Deployment, members: dict[str, Any], body: bytes) -> None:
        ticket = self.service.queues.submit(deployment, members, body, http.request_id)
        headers = [("content-type", "application/json"), *self.operation.headers(ticket.members)]
        await http.reply(self.operation.status, headers, self.operation.body(ticket.members))

    def _router(self, members: Mapping[str, Any]) -> InferenceRouter:
        name = members["InferenceRouterName"]
        if name not in self.service.routers:
            raise refusals.validation(f"Inference router {name} of account {refusals.ACCOUNT} not found.")
        return self.service.routers[name]

    async def _invoke_router(self, http: Exchange, members: dict[str, Any], body: bytes) -> None:
        last = refusals.unavailable()
        for deployment, reason in self._router(members).choices(self.service, members["RoutingTargetName"]):
            try:
                asked = await self.service.ask(deployment, members, body, http, action=self.operation.name)
            except Refusal as refusal:
                if not may_go_elsewhere(refusal):
                    raise
                last = refusal
            else:
                resource = control.arn(self.service, "endpoint", deployment.name)
                await self._reply(http, asked, {"InvokedRoutedResourceArn": resource, "RoutingReason": reason})
                return
        raise last

    async def _submit_router(self, http: Exchange, members: dict[str, Any], body: bytes) -> None:
        for deployment, _ in self._router(members).choices(self.service, members["RoutingTargetName"]):
            await self._take(http, deployment, members, body)
            return
        raise refusals.unavailable()

    def _named_as_modelled(self, refusal: Refusal) -> Refusal:
        """Give a refusal the name and status that this operation's service has for it: routers have their own."""
        if refusal.code is None or self.operation.service == RUNTIME:
            return refusal
        names = (refusal.code, f"{refusal.code}Exception", refusal.code.replace("Error", "Exception"))
        for name in names:
            if name in self.operation.errors:
                return Refusal(self.operation.errors[name], name, refusal.members)
        return refusal

    ANSWERS: ClassVar[Mapping[str, Callable[[Front, Exchange, dict[str, Any], bytes], Awaitable[None]]]] = {
        "InvokeEndpoint": _invoke,
        "InvokeEndpointWithResponseStream": _stream,
        "InvokeEndpointAsync": _submit,
        "InvokeInferenceRouter": _invoke_router,
        "InvokeInferenceRouterAsync": _submit_router,
    }
    """Every operation that is answered; one that a newer botocore adds gets 404 until it has a line here."""
