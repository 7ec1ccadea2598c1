"""Somebody else's server behind an endpoint: a container that answers ``/ping`` and ``/invocations``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx

from smrt_jupyter.local.invocation import ContainerError, ContainerReply, Invocation
from smrt_jupyter.local.protocol import RUNTIME, operations

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSED = ("CustomAttributes", "TargetModel", "SessionId", "EnableExplanations")
"""The members that reach a container, beside the content type and accept; the service strips all other headers."""

EXITED = "An error occurred while handling request as the model process exited."


class ContainerBackend:
    """Serves what another process answers.

    Parameters
    ----------
    url : str
        Where it listens, such as ``http://127.0.0.1:8080``.
    ping_seconds : float
        How long it may take to answer ``/ping`` with 200.
    multi_model : bool, default=False
        Whether it loads models by name: then requests go to ``/models/{name}/invoke``.
    """

    def __init__(self, url: str, *, ping_seconds: float, multi_model: bool = False) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        self._client = httpx.Client(base_url=url, limits=limits, trust_env=False)
        self._multi_model = multi_model
        members = {member.name: member.wire_name for op in operations(RUNTIME) for member in op.takes}
        self._wire_names = {name: members[name] for name in PASSED}
        try:
            self._wait_until_healthy(ping_seconds)
        except BaseException:
            self._client.close()
            raise

    def invoke(self, invocation: Invocation) -> ContainerReply:
        """Pass the request on, and the reply back."""
        headers = {"Accept-Encoding": "identity"}
        if invocation.content_type is not None:
            headers["Content-Type"] = invocation.content_type
        if invocation.accept is not None:
            headers["Accept"] = invocation.accept
        for name, wire_name in self._wire_names.items():
            if name in invocation.members:
                headers[wire_name] = str(invocation.members[name])
        path = "/invocations"
        if self._multi_model and "TargetModel" in invocation.members:
            path = f"/models/{quote(invocation.members['TargetModel'], safe='')}/invoke"
        request = self._client.build_request(
            "POST", path, content=invocation.body, headers=headers, timeout=invocation.timeout
        )
        try:
            response = self._client.send(request, stream=True)
            return self._reply(response, streaming=invocation.streaming)
        except httpx.TimeoutException as error:
            raise ContainerError(0, "") from error  # an empty word: the service says its own sentence
        except httpx.TransportError as error:
            raise ContainerError(0, EXITED) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _reply(self, response: httpx.Response, *, streaming: bool) -> ContainerReply:
        headers = response.headers
        body: bytes | Iterator[bytes]
        if response.is_success and streaming:
            body = _Parts(response)
        else:
            try:
                body = response.read()
            finally:
                response.close()
        if not response.is_success:
            raise ContainerError(response.status_code, response.text)
        return ContainerReply(
            body=body,
            content_type=headers.get("content-type"),
            custom_attributes=headers.get("x-amzn-sagemaker-custom-attributes"),
            # The documented header, and the one that AWS's newer containers send.
            new_session_id=headers.get("x-amzn-sagemaker-session-id") or headers.get("x-amzn-sagemaker-new-session-id"),
            closed_session_id=headers.get("x-amzn-sagemaker-closed-session-id"),
            length_known="content-length" in headers,
        )

    def _wait_until_healthy(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        said = ""
        while True:
            try:
                answer = self._client.get("/ping", timeout=2.0)
                if answer.is_success:
                    return
                said = f"HTTP {answer.status_code}"
            except httpx.TransportError as error:
                said = str(error) or type(error).__name__
            if time.monotonic() > deadline:
                msg = f"{self._client.base_url.join('/ping')} did not answer with 200 within {seconds:g} s: {said}"
                raise ValueError(msg)
            time.sleep(0.1)


class _Parts:
    """The parts of a reply as they come. Closing it closes the connection, also before the first part."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._parts = response.iter_raw()

    def __iter__(self) -> _Parts:
        return self

    def __next__(self) -> bytes:
        return next(self._parts)

    def close(self) -> None:
        """Stop the container's work: nobody listens."""
        self._response.close()
