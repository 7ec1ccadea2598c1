"""Every operation and every member that botocore knows arrives, and goes back, at its own place on the wire.

The lists are botocore's: a member that a newer botocore adds is tested the day it is installed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest

from smrt_jupyter.local import ModelReply
from smrt_jupyter.local.server import Front

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from speaking import Wire

    from smrt_jupyter.local import Runtime

SERVICES = ("sagemaker-runtime", "sagemaker-inference-router-runtime")
CANDIDATES = ("x1", "s3://bucket/key", "NEW_SESSION", "text/csv", "5f1c2a")
JAVA = {r"\p{ASCII}": r"[\x00-\x7f]", r"\p{Print}": r"\x20-\x7e", r"\z": r"\Z"}
FIXED = {"EndpointName": "everything", "InferenceRouterName": "everything", "RoutingTargetName": "target"}


def models() -> Iterator[Any]:
    known = botocore.session.get_session()
    for service in SERVICES:
        if service in known.get_available_services():
            model = known.get_service_model(service)
            yield from (pytest.param(service, model.operation_model(name), id=name) for name in model.operation_names)


OPERATIONS = list(models())


def value_for(name: Any, shape: Any) -> Any:
    if name in FIXED:
        return FIXED[name]
    if shape.type_name == "blob":
        return b"1,2"
    if shape.type_name == "integer":
        return shape.metadata["min"]
    pattern = shape.metadata.get("pattern", ".*")
    for java, python in JAVA.items():
        pattern = pattern.replace(java, python)
    return next(text for text in CANDIDATES if re.fullmatch(pattern, text))


PATTERN = "satisfy regular expression pattern:"


def snake(name: Any) -> Any:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def deploy_for(runtime: Runtime, operation: Any, member: Any) -> None:
    """Deploy what takes the member: a target belongs to one kind of endpoint."""
    reply = ModelReply(
        value=b"3", content_type="text/csv", custom_attributes="said=1",
        new_session_id="abc; Expires=2030-01-01T00:00:00Z", closed_session_id="def",
    )  # fmt: skip
    kinds = {
        "TargetModel": {"models": {"x1": lambda _: reply}},
        "TargetVariant": {"variants": {"x1": lambda _: reply}},
        "TargetContainerHostname": {"containers": {"x1": lambda _: reply}},
        "InferenceComponentName": {"components": {"x1": lambda _: reply}},
    }
    kind = kinds.get(member, {"model": lambda _: reply})
    runtime.deploy("everything", **kind, takes="body", asynchronous="Async" in operation.name)
    runtime.deploy_router("everything", {"target": ["everything"]})


def call(runtime: Runtime, boto: Callable[..., Any], service: Any, operation: Any, members: Any) -> Any:
    return getattr(boto(runtime, service), snake(operation.name))(**members)


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_each_member_arrives(runtime: Runtime, boto: Callable[..., Any], service: Any, operation: Any) -> None:
    required = {
        name: value_for(name, operation.input_shape.members[name]) for name in operation.input_shape.required_members
    }
    if "Async" in operation.name and "Body" in operation.input_shape.members:
        required["Body"] = b"1,2"
    for name, shape in operation.input_shape.members.items():
        members = {**required, name: value_for(name, shape)}
        if name == "InputLocation":
            members.pop("Body", None)
        deploy_for(runtime, operation, name)
        if name == "SessionId":
            runtime._opened.deployments["everything"].sessions.open("AllTraffic", members[name])
        reply = call(runtime, boto, service, operation, members)
        for part in reply["Body"] if "Stream" in operation.name else ():
            assert part == {"PayloadPart": {"Bytes": b"3"}}
        arrived = dict(runtime.requests[-1].members)
        members.pop("Body", None)
        assert arrived == members, name


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_each_member_of_a_reply_goes_back(
    runtime: Runtime, boto: Callable[..., Any], service: Any, operation: Any
) -> None:
    members = {
        name: value_for(name, operation.input_shape.members[name]) for name in operation.input_shape.required_members
    }
    if "Async" in operation.name:
        members["InputLocation"] = "s3://bucket/key"
    deploy_for(runtime, operation, None)
    reply = call(runtime, boto, service, operation, members)
    if "Stream" in operation.name:
        assert [part["PayloadPart"]["Bytes"] for part in reply["Body"]] == [b"3"]
    assert reply.keys() - {"ResponseMetadata"} == operation.output_shape.members.keys()


def test_each_operation_is_answered() -> None:
    assert {operation.id for operation in OPERATIONS} <= set(Front.ANSWERS)


@pytest.mark.parametrize(
    ("headers", "value", "member", "bound"),
    [
        ({"Target-Variant": "x" * 64}, f" '{'x' * 64}'", "targetVariant", "have length less than or equal to 63"),
        ({"Target-Variant": "-x"}, " '-x'", "targetVariant", f"{PATTERN} ^[a-zA-Z0-9](-*[a-zA-Z0-9])*"),
        ({"Custom-Attributes": "x" * 1025}, "", "customAttributes", "have length less than or equal to 1024"),
        ({"Session-Id": "a b"}, " 'a b'", "sessionId", f"{PATTERN} ^(NEW_SESSION)$|^[a-zA-Z0-9](-*[a-zA-Z0-9])*$"),
    ],
)
def test_a_member_that_the_model_forbids_is_refused(
    wire: Wire, headers: Any, value: str, member: str, bound: str
) -> None:
    reply = wire.send("/endpoints/any/invocations", b"x", **amzn(headers))
    assert (reply.status_code, reply.headers["x-amzn-errortype"]) == (400, "ValidationError")
    told = f"Value{value} at '{member}' failed to satisfy constraint: Member must {bound}"
    assert reply.json() == {"Message": f"1 validation error detected: {told}"}


def amzn(headers: dict[str, str]) -> dict[str, str]:
    return {f"X-Amzn-SageMaker-{name}": value for name, value in headers.items()}


def test_all_that_is_forbidden_is_named_at_once(wire: Wire) -> None:
    reply = wire.send("/endpoints/any/invocations", b"x", **amzn({"Target-Variant": "-x", "Inference-Id": "x" * 65}))
    assert reply.json()["Message"].startswith("2 validation errors detected: Value '-x' at 'targetVariant' failed ")
    assert "; Value 'xxx" in reply.json()["Message"]


def test_numbers_are_checked_too(wire: Wire) -> None:
    header = {"X-Amzn-SageMaker-RequestTTLSeconds": "59"}
    reply = wire.send("/endpoints/any/async-invocations", b"x", **header)
    assert reply.json()["Message"].endswith("Member must have value greater than or equal to 60")
    reply = wire.send("/endpoints/any/async-invocations", b"x", **{"X-Amzn-SageMaker-RequestTTLSeconds": "soon"})
    assert reply.status_code == 400


def test_a_stream_joins_a_session_and_opens_none(wire: Wire) -> None:
    reply = wire.send(
        "/endpoints/any/invocations-response-stream", b"x", **{"X-Amzn-SageMaker-Session-Id": "NEW_SESSION"}
    )
    assert "at 'sessionId' failed to satisfy constraint" in reply.json()["Message"]


def test_an_address_that_is_no_operation_is_said_so(wire: Wire) -> None:
    reply = wire.send("/endpoints/any/other", b"x")
    assert (reply.status_code, reply.headers["x-amzn-errortype"]) == (404, "UnknownOperationException")
