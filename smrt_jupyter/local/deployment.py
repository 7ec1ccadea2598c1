"""One endpoint: what serves it, who is asked for which request, and what happened."""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smrt_jupyter.local import asynchronous, explanations, refusals, sessions
from smrt_jupyter.local.backends import Backend, ModelOptions, open_backend
from smrt_jupyter.local.faults import FaultPlan, Faults
from smrt_jupyter.local.invocation import ContainerError, ContainerReply, Invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from smrt_jupyter.local.limits import Limits

VARIANT = "AllTraffic"
CONTAINER = "primary"
LOG_LINES = 10_000


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers a request."""

    backend: Backend
    variant: str
    container: str = CONTAINER
    component: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What an endpoint is made of: exactly one of the first five is given.

    Parameters
    ----------
    model : object, optional
        One model for everything.
    variants : mapping, optional
        Variant names to a model, or to a model and its weight.
    components : mapping, optional
        Inference components; None instead of a model: scaled to zero.
    models : mapping, optional
        A multi-model endpoint: artifact paths to models.
    containers : mapping, optional
        A multi-container endpoint that is invoked directly: host names to models.
    explainer : callable, optional
        Takes the rows as a DataFrame, gives an attribution a row and feature: the endpoint answers as SageMaker
        Clarify's do.
    serverless : bool or mapping
        True, or ``MemorySizeInMB`` and ``MaxConcurrency``.
    async_config : mapping, optional
        ``AsyncInferenceConfig``: the endpoint takes asynchronous requests only.
    model_options : ModelOptions
        How each model is asked.
    faults : Faults
        What goes wrong.
    """

    model: Any = None
    variants: Mapping[str, Any] | None = None
    components: Mapping[str, Any] | None = None
    models: Mapping[str, Any] | None = None
    containers: Mapping[str, Any] | None = None
    explainer: Callable[..., Any] | None = None
    serverless: Mapping[str, int] | None = None
    async_config: Mapping[str, Any] | None = None
    model_options: ModelOptions = field(default_factory=ModelOptions)
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        """Refuse two answers to one question, and none."""
        kinds = ("model", "variants", "components", "models", "containers")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            told = " and ".join(given) if given else "nothing"
            msg = f"Deploy one of {', '.join(kinds)}, not {told}."
            raise ValueError(msg)
        if self.async_config is not None:
            asynchronous.check_config(self.async_config)


class Deployment:
    """An endpoint that answers.

    Parameters
    ----------
    name, region : str
        Whose name it goes by, and where.
    serving : Serving
        What it is made of.
    limits : Limits
        What the service allows.
    """

    def __init__(self, name: str, serving: Serving, *, region: str, limits: Limits) -> None:
        self.name = name
        self.region = region
        self.serving = serving
        self.limits = limits
        self.created = datetime.now(UTC)
        self.plan = FaultPlan(serving.faults)
        self.sessions = sessions.Sessions(limits.session_seconds)
        self.in_flight = 0
        self.executions = 0
        self.rows = 0
        self.log: deque[tuple[int, str]] = deque(maxlen=LOG_LINES)
        self._lock = threading.Lock()
        self._chance = random.Random(serving.faults.seed)  # noqa: S311 - the same run again is the point
        self._opened: list[Backend] = []
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        self.note(f"{name} is in service")

    def _open(self) -> None:
        serving = self.serving
        variants = (serving.variants or {}).items()
        weighted = {name: given if isinstance(given, tuple) else (given, 1.0) for name, given in variants}
        self.weights = {name: float(weight) for name, (_, weight) in weighted.items()} or {VARIANT: 1.0}
        self._variants = {name: self._backend(model) for name, (model, _) in weighted.items()}
        if serving.model is not None:
            self._variants[VARIANT] = self._backend(serving.model)
        self._components = {
            name: None if model is None else self._backend(model) for name, model in (serving.components or {}).items()
        }
        self._models = {name: self._backend(model) for name, model in (serving.models or {}).items()}
        self._containers = {name: self._backend(model) for name, model in (serving.containers or {}).items()}

    def _backend(self, model: object) -> Backend:
        backend = open_backend(model, self.serving.model_options, ping_seconds=self.limits.ping_seconds)
        self._opened.append(backend)
        return backend

    def close(self) -> None:
        """Give back what the models hold."""
        for backend in self._opened:
            backend.close()

    @property
    def payload_limit(self) -> int:
        """How many bytes of a request are let in."""
        documented = self.limits.payload if self.serving.serverless is None else self.limits.serverless_payload
        hidden = self.serving.faults.body_limit
        return documented if hidden is None else min(documented, hidden)

    @property
    def capacity(self) -> int | None:
        """How many requests run at once; None: as many as come."""
        if self.serving.faults.capacity is not None:
            return self.serving.faults.capacity
        return (self.serving.serverless or {}).get("MaxConcurrency")

    def route(self, members: Mapping[str, Any], request_id: str) -> Route:
        """Choose who answers.

        Parameters
        ----------
        members : mapping
            The request's, by their API names.
        request_id : str
            For the sentences that name it.

        Returns
        -------
        Route

        Raises
        ------
        Refusal
            A target that is not there, is missing, or does not belong to this kind of endpoint.
        """
        target = members.get("TargetModel")
        if self._models:
            return self._multi_model(target, request_id)
        if target is not None:
            message = f"Endpoint {self.name} is not a multi-model endpoint and does not support target model header."
            raise refusals.validation(message, "TARGET_MODEL_HEADER_NOT_SUPPORTED")
        host = members.get("TargetContainerHostname")
        if self._containers:
            return self._multi_container(host)
        if host is not None:
            # Ours, as the next ones that name a container or a variant: the service's sentences are not published.
            raise refusals.validation(f"Endpoint {self.name} does not invoke its containers directly.")
        component = members.get("InferenceComponentName")
        if self._components:
            return self._component(component)
        if component is not None:
            message = (
                "Inference Component Name header is not allowed for endpoints to which you dont plan to deploy "
                "inference components. Please remove the Inference Component Name header and try again."
            )
            raise refusals.validation(message)
        variant = members.get("TargetVariant") or self._pick(members.get("SessionId"))
        if variant not in self._variants:
            raise refusals.validation(f"Variant {variant} of endpoint {self.name} not found.")
        return Route(self._variants[variant], variant)

    def _multi_model(self, target: str | None, request_id: str) -> Route:
        if target is None:
            raise refusals.validation(f"Request {request_id} is missing a target model header.")
        backend = self._models.get(target.removeprefix("/"))
        if backend is None:
            message = f"Failed to download model data: there is no object {target} below the endpoint's ModelDataUrl."
            raise refusals.validation(message)
        return Route(backend, VARIANT)

    def _multi_container(self, host: str | None) -> Route:
        if host is None:
            raise refusals.validation(f"Endpoint {self.name} requires a target container hostname header.")
        if host not in self._containers:
            raise refusals.validation(f"Container {host} of endpoint {self.name} not found.")
        return Route(self._containers[host], VARIANT, host)

    def _component(self, name: str | None) -> Route:
        if name is None:
            message = (
                "Inference Component Name header is required for endpoints to which you plan to deploy inference "
                "components. Please include Inference Component Name header or consider using SageMaker models."
            )
            raise refusals.validation(message)
        if name not in self._components:
            raise refusals.validation(f"Inference Component {name} of endpoint {self.name} not found.")
        backend = self._components[name]
        if backend is None:
            message = (
                "Inference Component has no capacity to process this request. ApplicationAutoScaling may be "
                "in-progress (if configured) or try to increase the capacity by invoking "
                "UpdateInferenceComponentRuntimeConfig API."
            )
            raise refusals.validation(message)
        return Route(backend, VARIANT, component=name)

    def _pick(self, session_id: str | None) -> str:
        """Pick a variant by weight; a session stays where it began."""
        known = self.sessions.variant_of(session_id) if session_id else None
        if known:
            return known
        if len(self.weights) == 1:
            return next(iter(self.weights))
        return self._chance.choices(list(self.weights), list(self.weights.values()))[0]

    def run(self, route: Route, invocation: Invocation) -> ContainerReply:
        """Ask the model, in a worker thread.

        Parameters
        ----------
        route : Route
            Who answers.
        invocation : Invocation
            What is asked.

        Returns
        -------
        ContainerReply

        Raises
        ------
        Refusal
            ModelError, when the model raises or the container answers with an error.
        """
        began = time.monotonic()
        try:
            reply = route.backend.invoke(invocation)
            reply.body = started(reply.body) if invocation.streaming else reply.whole()
            if self.serving.explainer is not None:
                reply = explanations.explain(self.serving.explainer, self.serving.model_options.like, invocation, reply)
        except refusals.Refusal:
            raise
        except Exception as error:
            raise self.failed(error, route.container) from error
        finally:
            with self._lock:
                self.executions += 1
        if reply.rows:
            with self._lock:
                self.rows += reply.rows
        self.note(f'"POST /invocations HTTP/1.1" 200 {(time.monotonic() - began) * 1000:.1f} ms')
        return reply

    def failed(self, error: Exception, container: str = CONTAINER) -> refusals.Refusal:
        """Log what a model raised, and make it the service's ModelError.

        Parameters
        ----------
        error : Exception
            A `ContainerError` says its own status and body; any other is a server error with its own words.
        container : str
            Who raised it.

        Returns
        -------
        Refusal
        """
        if isinstance(error, ContainerError):
            status, said = error.status, error.said
        else:
            status, said = 500, f"{type(error).__name__}: {error}"
        for line in "".join(traceback.format_exception(type(error), error, _trace_of_model(error))).splitlines():
            self.note(line)
        self.note(f'"POST /invocations HTTP/1.1" {status}')
        if status == 0 and not said:
            said = refusals.TIMED_OUT.format(container=container)
        return refusals.model_error(status, said, container=container, endpoint=self.name, region=self.region)

    def note(self, line: str) -> None:
        """Write a line to the container's log."""
        self.log.append((time.time_ns() // 1_000_000, line))


def _trace_of_model(error: Exception) -> TracebackType | None:
    """Leave out the frames of the runtime: a container's log begins with the model's own."""
    trace, here = error.__traceback__, str(Path(__file__).parent)
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(here):
        trace = trace.tb_next
    return trace


def started(body: bytes | Iterator[bytes]) -> Iterator[bytes]:
    """Pull the first part of a stream: a model that fails before it is refused as a whole, not in the stream."""
    if isinstance(body, bytes):
        return iter([body])
    first = next(body, b"")
    return Stream(first, body)


class Stream:
    """A stream whose first part has been pulled.

    Parameters
    ----------
    first : bytes
        The part.
    rest : iterator of bytes
        All others; closed with the stream.
    """

    def __init__(self, first: bytes, rest: Iterator[bytes]) -> None:
        self._first: bytes | None = first
        self._rest = rest

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return next(self._rest)

    def close(self) -> None:
        """Tell the model that nobody listens."""
        close = getattr(self._rest, "close", None)
        if close is not None:
            close()
