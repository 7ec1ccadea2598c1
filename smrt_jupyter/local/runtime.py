"""The embedded runtime: the service's real protocol on this machine, over any model, with no AWS account."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import socket
import string
import threading
from typing import TYPE_CHECKING, Any, Literal, Self

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from smrt_jupyter.local.backends import ModelOptions
from smrt_jupyter.local.deployment import Deployment, Serving
from smrt_jupyter.local.faults import Faults
from smrt_jupyter.local.limits import Limits
from smrt_jupyter.local.protocol import RUNTIME, operations
from smrt_jupyter.local.refusals import default_bucket
from smrt_jupyter.local.routers import InferenceRouter
from smrt_jupyter.local.server import application
from smrt_jupyter.local.service import Recorded, Service
from smrt_jupyter.local.signature import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    import pandas as pd

LOOPBACK = "127.0.0.1"
SERVED = ("SageMaker Runtime", "SageMaker Inference Router Runtime", "SageMaker", "S3", "CloudWatch Logs", "STS")
"""Ids of the services that a runtime answers for; an SDK reads each one's address from a variable of that name."""

GRACE = 1
"""Seconds that requests get to end when the runtime closes."""


class Runtime:
    """Serves models as SageMaker endpoints, on the loopback interface, as long as a ``with`` block lasts.

    Parameters
    ----------
    port : int, default=0
        0: one that is free.
    region : str, default="us-east-1"
        The region that callers sign for.
    faults : Faults, optional
        What goes wrong on every endpoint that is deployed without its own.
    limits : Limits, optional
        The service's limits, to be shortened in tests.

    Attributes
    ----------
    url : str
        Where it listens.
    environ : dict of str to str
        What another process exports to reach it: region, keys, and the address of each service.

    Examples
    --------
    >>> with Runtime() as runtime:
    ...     runtime.deploy("sums", lambda frame: frame.sum(axis="columns"))
    ...     runtime.endpoints
    ('sums',)
    """

    def __init__(
        self,
        port: int = 0,
        region: str = "us-east-1",
        *,
        faults: Faults | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.region = region
        self.faults = faults or Faults()
        self.limits = limits or Limits()
        self._wanted_port = port
        self._keys = Keys(
            "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16)),
            secrets.token_urlsafe(30),
            secrets.token_urlsafe(60),
        )
        self._service: Service | None = None

    def __repr__(self) -> str:
        where = self.url if self._service else "closed"
        return f"<{type(self).__name__} {where} {self.region}>"

    def __enter__(self) -> Self:
        if self._service is not None:
            return self  # a second server would leave the first without anybody to stop it
        listener = socket.create_server((LOOPBACK, self._wanted_port), backlog=2048)
        # asyncio does so itself, but not for a socket whose protocol number is 0, as this one's is: without it a reply
        # in two writes waits 40 ms for the caller's delayed acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = listener.getsockname()[1]
        self._service = Service(region=self.region, keys=self._keys, limits=self.limits, faults=self.faults)
        config = uvicorn.Config(
            application(self._service),
            http=_Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",  # uvicorn says at "error" that it ends requests when it is told to end
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,  # longer than an SDK keeps an idle connection: it must not use one that just ended
            timeout_graceful_shutdown=GRACE,
        )
        self._server = _Server(config, self._service)
        self._thread = threading.Thread(
            target=self._server.serve_until_stopped, args=(listener,), name=f"smrt-runtime-{self.port}", daemon=True
        )
        self._thread.start()
        self._server.ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        service, self._service = self._service, None
        if service is not None:
            self._server.stop()
            self._thread.join()
            service.close()

    @property
    def _opened(self) -> Service:
        if self._service is None:
            msg = f"{type(self).__name__} serves inside a `with` block."
            raise RuntimeError(msg)
        return self._service

    @property
    def url(self) -> str:
        """Where it listens."""
        self._opened  # noqa: B018 - a closed runtime has no address
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def environ(self) -> dict[str, str]:
        """What another process, in any language, exports to reach this runtime. It holds the secret key."""
        return {
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self._keys.access_key,
            "AWS_SECRET_ACCESS_KEY": self._keys.secret_key,
            # Also where no token is needed: one that the caller's environment has from elsewhere would be refused.
            "AWS_SESSION_TOKEN": self._keys.token,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
            **{f"AWS_ENDPOINT_URL_{service.upper().replace(' ', '_')}": self.url for service in SERVED},
        }

    @property
    def default_bucket(self) -> str:
        """The S3 bucket that is there from the start; asynchronous replies go there unless told otherwise."""
        return default_bucket(self.region)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The names of the endpoints."""
        return tuple(self._opened.deployments)

    @property
    def requests(self) -> Sequence[Recorded]:
        """The last requests to the runtime's operations, oldest first."""
        return tuple(self._opened.recorded)

    def executions(self, name: str) -> int:
        """Count how often an endpoint's models have run."""
        return self._opened.deployments[name].executions

    def rows_executed(self, name: str) -> int:
        """Count the rows that an endpoint's models have answered."""
        return self._opened.deployments[name].rows

    def in_flight(self, name: str) -> int:
        """Count the requests that an endpoint is working on."""
        return self._opened.deployments[name].in_flight

    def logs(self, name: str) -> str:
        """Give an endpoint's container log: what CloudWatch has of it."""
        return "\n".join(line for _, line in list(self._opened.deployments[name].log))

    def deploy(  # noqa: PLR0913 - each says one thing of an endpoint; all but the name have defaults
        self,
        name: str,
        model: Any = None,
        *,
        variants: Mapping[str, Any] | None = None,
        components: Mapping[str, Any] | None = None,
        models: Mapping[str, Any] | None = None,
        containers: Mapping[str, Any] | None = None,
        method: str | None = None,
        takes: Literal["frame", "value", "body"] | None = None,
        like: pd.DataFrame | None = None,
        content_type: str | None = None,
        explainer: Callable[..., Any] | None = None,
        serverless: bool | Mapping[str, int] = False,
        asynchronous: bool = False,
        async_config: Mapping[str, Any] | None = None,
        faults: Faults | None = None,
    ) -> Any:
        """Serve a model under an endpoint's name; a name that is taken gets the new model.

        Parameters
        ----------
        name : str
            As SageMaker allows: letters, digits and hyphens, up to 63.
        model : callable, estimator, path or str
            A callable on a DataFrame (or on what the content type decodes to), a generator function (streams), a
            fitted estimator, a path to a joblib or pickle file of one, ``"module:name"``, a folder with SageMaker's
            ``inference.py`` hooks, or the URL of a container that answers ``/ping`` and ``/invocations``. A callable
            with a parameter named ``invocation`` also gets the request; it may return a `ModelReply`, and raise a
            `ContainerError`.
        variants : mapping, optional
            Instead of ``model``: variant names to models, or to pairs of a model and its weight.
        components : mapping, optional
            Instead of ``model``: inference components; None for a model means scaled to zero.
        models : mapping, optional
            Instead of ``model``: a multi-model endpoint, artifact paths to models.
        containers : mapping, optional
            Instead of ``model``: containers invoked directly, host names to models.
        method : str, optional
            Of an estimator: ``predict`` unless told otherwise.
        takes : {"frame", "value", "body"}, optional
            What a callable is given: rows as a DataFrame, the decoded value, or the bytes. None: rows where there are.
        like : DataFrame, optional
            A table whose columns' names and types the rows get: what CSV and JSON cannot say of dates and categories.
        content_type : str, optional
            Of a model's bytes, text or stream.
        explainer : callable, optional
            Takes the rows, gives an attribution for each row and feature: replies are SageMaker Clarify's.
        serverless : bool or mapping, default=False
            The limits of serverless inference; a mapping of ``MemorySizeInMB`` and ``MaxConcurrency`` sets them.
        asynchronous : bool, default=False
            Takes asynchronous invocations only, and answers below `default_bucket`.
        async_config : mapping, optional
            The same, with ``AsyncInferenceConfig`` as the API has it.
        faults : Faults, optional
            What goes wrong here, instead of what goes wrong everywhere.

        Raises
        ------
        ValueError, TypeError, FileNotFoundError
            A name that SageMaker would refuse, or a model that cannot be served.
        """
        service = self._opened
        if complaint := _endpoint_name().complaint(name):
            raise ValueError(complaint)
        if asynchronous and async_config is None:
            async_config = {
                "OutputConfig": {
                    "S3OutputPath": f"s3://{self.default_bucket}/{name}/output",
                    "S3FailurePath": f"s3://{self.default_bucket}/{name}/failure",
                }
            }
        serving = Serving(
            model=model,
            variants=variants,
            components=components,
            models=models,
            containers=containers,
            explainer=explainer,
            serverless=({"MemorySizeInMB": 2048, "MaxConcurrency": 20} if serverless is True else serverless) or None,
            async_config=async_config,
            model_options=ModelOptions(method=method, takes=takes, like=like, content_type=content_type),
            faults=faults or self.faults,
        )
        service.add(Deployment(name, serving, region=self.region, limits=self.limits))

    def deploy_router(self, name: str, targets: Mapping[str, str | Sequence[str]]) -> Any:
        """Put an inference router in front of endpoints.

        Parameters
        ----------
        name : str
            The router's.
        targets : mapping of str to str or sequence of str
            Routing target names to the name of an endpoint, or to several, the preferred one first.

        Raises
        ------
        ValueError, TypeError
            A name that SageMaker would refuse, or what is no endpoint's name.
        """
        service = self._opened
        tried = {target: (names,) if isinstance(names, str) else tuple(names) for target, names in targets.items()}
        for each in (name, *itertools.chain.from_iterable(tried.values())):
            if not isinstance(each, str):
                msg = f"An inference router's targets are names of endpoints, not {type(each).__name__}."
                raise TypeError(msg)
            if complaint := _endpoint_name().complaint(each):
                raise ValueError(complaint)
        service.routers[name] = InferenceRouter(name, tried)

    def delete(self, name: str) -> None:
        """Take an endpoint away.

        Parameters
        ----------
        name : str
            Of an endpoint that is there.
        """
        self._opened.deployments.pop(name).close()


def _endpoint_name() -> Any:
    invoke = next(operation for operation in operations(RUNTIME) if operation.name == "InvokeEndpoint")
    return next(member for member in invoke.takes if member.name == "EndpointName")


class _Connection(AutoHTTPProtocol):  # type: ignore[misc,valid-type] # which class it is depends on what is installed
    """uvicorn's connection, with its transport in the request's state: what breaks on purpose must be in reach."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Remember the transport."""
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """uvicorn, which says when it listens and can be told to stop from another thread."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._service = service

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what waits for nothing, then what is left."""
        self._service.stopping.set()
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()  # its client does not read: what is left to send would keep the loop for ever
        await asyncio.sleep(0)

    def serve_until_stopped(self, listener: socket.socket) -> None:
        """Serve, on a loop of its own; whoever waits for the start is told also when there is none."""
        try:
            self.run(sockets=[listener])
        finally:
            listener.close()
            self.ready.set()

    def stop(self) -> None:
        """Ask for the end."""
        self.should_exit = True
