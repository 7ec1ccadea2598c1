"""What is behind the protocol: the endpoints of one runtime, and the way of a request through one of them."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from smrt_jupyter.local import faults as injected_faults
from smrt_jupyter.local import refusals, sessions
from smrt_jupyter.local.asynchronous import Queues
from smrt_jupyter.local.container import ContainerBackend
from smrt_jupyter.local.invocation import ContainerReply, Invocation
from smrt_jupyter.local.refusals import default_bucket, models_url
from smrt_jupyter.local.s3 import S3

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from smrt_jupyter.local.deployment import Deployment, Route
    from smrt_jupyter.local.exchange import Exchange
    from smrt_jupyter.local.faults import Faults
    from smrt_jupyter.local.limits import Limits
    from smrt_jupyter.local.routers import InferenceRouter
    from smrt_jupyter.local.signature import Keys

THREADS = 256
"""Models run here. Threads start when they are needed, so the number only bounds; a client has up to 64 in flight."""

REMEMBERED = 10_000

_T = TypeVar("_T")


@dataclass(slots=True, kw_only=True)
class Recorded:
    """A request that came, and how it ended: for tests and for the curious.

    Parameters
    ----------
    operation : str
        The API's name.
    members : mapping
        The request's members but its body.
    size : int
        Bytes of the body.
    status : int
        HTTP status of the reply; 0 when the connection was broken before.
    code : str or None
        The error's type.
    """

    operation: str
    members: Mapping[str, Any]
    size: int = 0
    status: int = 0
    code: str | None = None


@dataclass(slots=True)
class Asked:
    """An inference that ran."""

    deployment: Deployment
    route: Route
    reply: ContainerReply
    fault: str


class Service:
    """The endpoints of a runtime.

    Parameters
    ----------
    region : str
        The only one that its signatures are good for.
    keys : Keys
        Who may call.
    limits : Limits
        What is allowed.
    faults : Faults
        What goes wrong where no endpoint says.
    """

    def __init__(self, *, region: str, keys: Keys, limits: Limits, faults: Faults) -> None:
        self.region = region
        self.keys = keys
        self.limits = limits
        self.faults = faults
        self.deployments: dict[str, Deployment] = {}
        self.recorded: deque[Recorded] = deque(maxlen=REMEMBERED)
        self.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="smrt-model")
        self.stopping = asyncio.Event()
        self.queues = Queues(self)
        self.routers: dict[str, InferenceRouter] = {}
        self._s3: S3 | None = None
        self._s3_lock = threading.Lock()

    def close(self) -> None:
        """Give back what the models hold, and wait for those that still run."""
        for deployment in self.deployments.values():
            deployment.close()
        self.pool.shutdown(wait=True, cancel_futures=True)
        if self._s3 is not None:
            self._s3.close()

    def open_s3(self) -> S3:
        """Give the S3 API; the first call loads it. It blocks: call it off the loop."""
        with self._s3_lock:
            opened = self._s3
            if opened is None:
                opened = S3(default_bucket(self.region), self.region)
                for deployment in self.deployments.values():
                    self._list_models(opened, deployment)
                self._s3 = opened
            return opened

    async def s3(self) -> S3:
        """Give the S3 API, from the loop."""
        if self._s3 is not None:
            return self._s3
        return await self.work(self.open_s3)

    def deployment(self, name: str) -> Deployment:
        """Find an endpoint; refuse in the service's words where there is none."""
        found = self.deployments.get(name)
        if found is None:
            raise refusals.no_endpoint(name)
        return found

    def record(self, request: Recorded, status: int) -> None:
        """Remember a request that is over."""
        request.status = status
        self.recorded.append(request)

    def add(self, deployment: Deployment) -> None:
        """Put an endpoint where requests find it; one of the same name goes."""
        replaced = self.deployments.get(deployment.name)
        self.deployments[deployment.name] = deployment
        with self._s3_lock:
            if self._s3 is not None:
                self._list_models(self._s3, deployment)
        if replaced:
            replaced.close()

    def _list_models(self, s3: S3, deployment: Deployment) -> None:
        for artifact in deployment.serving.models or {}:
            s3.put(f"{models_url(self.region, deployment.name)}{artifact}", b"")

    async def work(self, call: Callable[..., _T], *arguments: Any) -> _T:
        """Run something that blocks, off the loop."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, call, *arguments)

    async def pause(self, seconds: float) -> None:
        """Wait, but not longer than the runtime lives."""
        if seconds > 0:
            try:
                await asyncio.wait_for(self.stopping.wait(), seconds)
            except TimeoutError:
                return

    async def until_gone(self, http: Exchange) -> NoReturn:
        """Say nothing until the client hangs up, or the runtime closes.

        Raises
        ------
        Broken
            Then.
        """
        stopping = asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait([http.gone(), stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        http.reset()

    async def ask(
        self, deployment: Deployment, members: Mapping[str, Any], body: bytes, http: Exchange, *, action: str
    ) -> Asked:
        """Take a request through an endpoint: faults, capacity, session, model, limits.

        Parameters
        ----------
        deployment : Deployment
            The endpoint.
        members : mapping
            The request's members.
        body : bytes
            The payload.
        http : Exchange
            For faults that break the connection.
        action : str
            The operation's name.

        Returns
        -------
        Asked

        Raises
        ------
        Refusal
            Whatever the service would say.
        """
        streaming = action == "InvokeEndpointWithResponseStream"
        if deployment.serving.async_config is not None:
            # The sentence is ours: the documents only say that such endpoints take asynchronous invocations only.
            message = f"Endpoint {deployment.name} is asynchronous: it can only receive asynchronous invocations."
            raise refusals.validation(message)
        kind = deployment.plan.next(streaming=streaming)
        injected = injected_faults.refusal(kind, endpoint=deployment.name, region=self.region, action=action)
        if injected is not None:
            raise injected
        if kind == "reset":
            http.reset()
        route = deployment.route(members, http.request_id)
        if deployment.capacity is not None and deployment.in_flight >= deployment.capacity:
            raise refusals.throttled()
        deployment.in_flight += 1
        http.at_end(lambda: self._leave(deployment))
        await self.pause(deployment.serving.faults.latency)
        session = self._session(deployment, route, members)
        invocation = Invocation(
            body=body,
            content_type=members.get("ContentType"),
            accept=members.get("Accept"),
            members={name: value for name, value in members.items() if name != "Body"},
            endpoint=deployment.name,
            variant=route.variant,
            session=None if session is None else session.state,
            streaming=streaming,
            timeout=self.limits.invocation_seconds,
        )
        reply = await self._answer(deployment, route, invocation, kind)
        _note_session(deployment, invocation, reply, session)
        if isinstance(reply.body, bytes) and len(reply.body) > self.limits.response_payload:
            raise refusals.reply_too_large(container=route.container, endpoint=deployment.name, region=self.region)
        if kind == "reset_after":
            http.reset()
        if kind == "silence":
            await self.until_gone(http)
        return Asked(deployment, route, reply, kind)

    @staticmethod
    def _leave(deployment: Deployment) -> None:
        deployment.in_flight -= 1

    async def _answer(self, deployment: Deployment, route: Route, invocation: Invocation, kind: str) -> ContainerReply:
        def run() -> ContainerReply:
            if sessions.asked(invocation.body) and invocation.session is not None:
                return ContainerReply(body=b"{}", content_type="application/json")
            reply = deployment.run(route, invocation)
            if kind == "wrong_rows" and isinstance(reply.body, bytes):
                reply.body = injected_faults.one_answer_less(reply.body, reply.content_type)
            return reply

        try:
            return await asyncio.wait_for(self.work(run), self.limits.invocation_seconds)
        except TimeoutError:
            said = refusals.TIMED_OUT.format(container=route.container)
            deployment.note(said)
            raise refusals.model_error(
                0, said, container=route.container, endpoint=deployment.name, region=self.region
            ) from None

    @staticmethod
    def _session(deployment: Deployment, route: Route, members: Mapping[str, Any]) -> sessions.Session | None:
        """Find or open the request's session; containers keep theirs themselves."""
        session_id = members.get("SessionId")
        if session_id is None or isinstance(route.backend, ContainerBackend):
            return None
        if session_id == sessions.NEW:
            return deployment.sessions.open(route.variant)
        return deployment.sessions.get(session_id)


def _note_session(
    deployment: Deployment, invocation: Invocation, reply: ContainerReply, session: sessions.Session | None
) -> None:
    """Say what became of the session, and remember where a container's new one stays."""
    if session is None:
        if reply.new_session_id:
            deployment.sessions.open(invocation.variant, reply.new_session_id.partition(";")[0].strip())
    elif invocation.members["SessionId"] == sessions.NEW:
        reply.new_session_id = reply.new_session_id or session.told
    elif sessions.asked(invocation.body) == "CLOSE" or reply.closed_session_id:
        reply.closed_session_id = session.id
    if reply.closed_session_id:
        deployment.sessions.close(reply.closed_session_id)
