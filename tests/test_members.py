"""Every member of every operation, as botocore's own model has them, is carried: in Python, in the magic, on both sides
of the wire.

No member is named here but those that have a place of their own; one that AWS adds, and we do not carry, fails.
"""

from __future__ import annotations

import inspect
from typing import Any

import botocore
import pytest
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from raw_server import RawServer

from smrt_jupyter import AsyncInference, Endpoint, LocalRuntime, Reply, ReplyStream, errors, magic
from smrt_jupyter.local.invocation import ModelReply
from smrt_jupyter.wire import members

MODELS = {
    service: ServiceModel(Loader().load_service_model(service, "service-2"), service)
    for service in (members.RUNTIME, members.ROUTER)
}

# Members that have another name in Python, because they are what a user calls something else.
ELSEWHERE = {"EndpointName": "name", "InferenceRouterName": "name", "Body": "data"}

OPERATIONS = [(service, name) for service, model in MODELS.items() for name in model.operation_names]
ASYNC = {"InvokeEndpointAsync", "InvokeInferenceRouterAsync"}
STREAM = {"InvokeEndpointWithResponseStream"}


def inputs(service: str, operation: str) -> dict[str, Shape]:
    return MODELS[service].operation_model(operation).input_shape.members


def outputs(service: str, operation: str) -> dict[str, Shape]:
    return MODELS[service].operation_model(operation).output_shape.members


EVERY_INPUT = [
    pytest.param(service, operation, member, id=f"{operation}.{member}")
    for service, operation in OPERATIONS
    for member in inputs(service, operation)
]
EVERY_OUTPUT = [
    pytest.param(service, operation, member, id=f"{operation}.{member}")
    for service, operation in OPERATIONS
    for member in outputs(service, operation)
]


def value_of(member: str, shape: Shape) -> Any:
    """Make a value that the service would take."""
    if shape.type_name == "integer":
        return shape.metadata["min"]
    fixed = {"ContentType": "text/csv", "Accept": "text/csv", "InputLocation": "s3://bucket/in.csv"}
    return fixed.get(member, f"a-{len(member)}")


def ask(endpoint: Endpoint, operation: str, **changes: Any) -> Reply | ReplyStream | AsyncInference:
    """Call the verb that an operation belongs to."""
    if operation.startswith("InvokeInferenceRouter"):
        changes.setdefault("routing_target_name", "target")
    if operation in ASYNC:
        routed = operation == "InvokeInferenceRouterAsync"
        if routed and "input_location" not in changes:
            changes["input_location"] = "s3://bucket/in.csv"
        return endpoint.invoke_async(None if "input_location" in changes else b"1,2", **changes)
    verb = endpoint.stream if operation in STREAM else endpoint.invoke
    return verb(b"1,2", **changes)


@pytest.fixture(autouse=True)
def credentials(clean_aws: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def test_the_operations_are_those_that_are_known():
    """A new operation of the service has to become a verb, or to be left out on purpose."""
    assert sorted(operation for _, operation in OPERATIONS) == [
        "InvokeEndpoint",
        "InvokeEndpointAsync",
        "InvokeEndpointWithResponseStream",
        "InvokeInferenceRouter",
        "InvokeInferenceRouterAsync",
    ]


@pytest.mark.parametrize(("service", "operation", "member"), EVERY_INPUT)
def test_every_member_of_a_request_has_its_name_in_python(service, operation, member):
    name = ELSEWHERE.get(member, xform_name(member))
    verb = Endpoint.invoke_async if operation in ASYNC else Endpoint.invoke
    assert name in {*Endpoint.__dataclass_fields__, *inspect.signature(verb).parameters}


@pytest.mark.parametrize(("service", "operation", "member"), EVERY_INPUT)
def test_every_member_of_a_request_has_its_option_in_the_magic(service, operation, member):
    if member in ELSEWHERE:
        return  # the endpoint's name comes first, and the cell or --data is the body
    assert f"--{xform_name(member, '-')}" in magic.parser()._option_string_actions


@pytest.mark.parametrize(("service", "operation", "member"), EVERY_INPUT)
def test_every_member_of_a_request_reaches_its_place_on_the_wire(service, operation, member):
    shape = inputs(service, operation)[member]
    name, place = xform_name(member), shape.serialization
    changes = {} if member in ELSEWHERE else {name: value_of(member, shape)}
    with RawServer(lambda request: reply_with(service, operation)) as server:
        ask(Endpoint("churn", endpoint_url=server.url), operation, **changes)
    [request] = server.requests
    if place.get("location") == "uri":
        assert request.line.split("/")[2] == "churn"
    elif place.get("location") == "header":
        assert request.headers[place["name"].lower()] == str(changes[name])
        assert place["name"].lower() in request.headers["authorization"] or not place["name"].startswith("X-Amz")
    else:
        assert member == "Body"
        assert request.body == b"1,2"


HEADERS_THAT_DIFFER = [
    ("InvokeEndpoint", "accept", "accept"),
    ("InvokeEndpoint", "content_type", "content-type"),
    ("InvokeEndpoint", "inference_component_name", "x-amzn-sagemaker-inference-component"),
    ("InvokeEndpointWithResponseStream", "accept", "x-amzn-sagemaker-accept"),
    ("InvokeEndpointWithResponseStream", "content_type", "content-type"),
    ("InvokeEndpointAsync", "accept", "x-amzn-sagemaker-accept"),
    ("InvokeEndpointAsync", "content_type", "x-amzn-sagemaker-content-type"),
    ("InvokeEndpointAsync", "input_location", "x-amzn-sagemaker-inputlocation"),
]


@pytest.mark.parametrize(("operation", "name", "header"), HEADERS_THAT_DIFFER)
def test_headers_that_surprise_are_spelled_as_the_service_documents_them(operation, name, header):
    """Written out from the documentation, where botocore's model is no witness for itself."""
    value = "s3://b/k" if name == "input_location" else "text/csv" if name in {"accept", "content_type"} else "a"
    with RawServer(lambda request: reply_with(members.RUNTIME, operation)) as server:
        ask(Endpoint("churn", endpoint_url=server.url), operation, **{name: value})
    assert server.requests[0].headers[header] == value


@pytest.mark.parametrize(("service", "operation", "member"), EVERY_INPUT)
def test_the_embedded_runtime_reads_every_member_of_a_request(runtime, service, operation, member):
    """What it then makes of the member is another matter: here it must have understood it."""
    runtime.deploy("churn", lambda frame: frame.sum(axis=1), asynchronous=operation in ASYNC)
    runtime.deploy_router("router", {"target": ["churn"]})
    routed = service == members.ROUTER
    shape = inputs(service, operation)[member]
    changes = {} if member in ELSEWHERE else {xform_name(member): value_of(member, shape)}
    if member == "RoutingTargetName":
        changes = {"routing_target_name": "target"}
    try:
        answered = ask(runtime.endpoint("router" if routed else "churn"), operation, **changes)
        if isinstance(answered, ReplyStream):
            answered.read()
    except errors.InvokeError:
        assert changes  # a session, a variant, a model that does not exist: the member was read, which is the point
    asked = next(each for each in runtime.requests if each.operation == operation)
    if member == "Body":
        assert asked.size == (0 if operation == "InvokeInferenceRouterAsync" else 3)
    elif member in ELSEWHERE:
        assert asked.members[member] == ("router" if routed else "churn")
    else:
        assert asked.members[member] == changes[xform_name(member)]


# -- and back --------------------------------------------------------------------------------------------------------

# Members of a reply that are told in other words.
IN_OTHER_WORDS = {"NewSessionId": ("new_session_id", "id-1"), "Body": ("body", b"0.5")}


def reply_with(service: str, operation: str) -> bytes:
    """Answer with every member that the operation's reply may have."""
    model = MODELS[service].operation_model(operation)
    lines, body = [], b"0.5"
    for member, shape in outputs(service, operation).items():
        if shape.serialization.get("location") == "header":
            lines.append(f"{shape.serialization['name']}: {answer_of(member)}")
    if operation in ASYNC:
        body = b'{"InferenceId": "InferenceId-1"}'
    if operation in STREAM:
        body = b""
    status = model.http.get("responseCode", 200)
    return "\r\n".join([f"HTTP/1.1 {status} OK", f"Content-Length: {len(body)}", *lines, "", ""]).encode() + body


def answer_of(member: str) -> str:
    if member.endswith("Location"):
        return f"s3://bucket/{member}"
    return {"NewSessionId": "id-1; Expires=2030-01-02T03:04:05Z", "ContentType": "text/plain"}.get(
        member, f"{member}-1"
    )


@pytest.mark.parametrize(("service", "operation", "member"), EVERY_OUTPUT)
def test_every_member_of_a_reply_comes_back(service, operation, member):
    with RawServer(lambda request: reply_with(service, operation)) as server:
        answered = ask(Endpoint("churn", endpoint_url=server.url), operation)
        if isinstance(answered, ReplyStream) and member == "Body":
            assert answered.read() == b""
            return
    name, expected = IN_OTHER_WORDS.get(member, (xform_name(member), answer_of(member)))
    assert getattr(answered, name) == expected


def test_the_embedded_runtime_gives_every_member_of_a_reply(runtime: LocalRuntime):
    said = ModelReply(
        value=b"0.5",
        content_type="text/plain",
        custom_attributes="trace=1",
        new_session_id="id-1; Expires=2030-01-02T03:04:05Z",
        closed_session_id="id-0",
    )
    endpoint = runtime.deploy("churn", lambda frame: said)
    reply = endpoint.invoke(b"1,2", content_type="text/csv")
    for member in outputs(members.RUNTIME, "InvokeEndpoint"):
        assert getattr(reply, xform_name(member)), member
    assert reply.custom_attributes == "trace=1"
    assert reply.session_expires.isoformat() == "2030-01-02T03:04:05+00:00"
    runtime.deploy_router("router", {"target": ["churn"]})
    routed = runtime.endpoint("router").invoke(b"1,2", content_type="text/csv", routing_target_name="target")
    for member in outputs(members.ROUTER, "InvokeInferenceRouter"):
        assert getattr(routed, xform_name(member)), member
    stream = endpoint.stream(b"1,2", content_type="text/csv")
    for member in outputs(members.RUNTIME, "InvokeEndpointWithResponseStream"):
        assert member == "Body" or getattr(stream, xform_name(member)), member
    assert stream.read() == b"0.5"


# -- before anything is sent -----------------------------------------------------------------------------------------


def refused(operation: str = "InvokeEndpoint", **changes: Any) -> pytest.ExceptionInfo[errors.ValidationFailed]:
    nobody = Endpoint(changes.pop("name", "churn"), region="us-east-1", endpoint_url="http://127.0.0.1:1")
    with pytest.raises(errors.ValidationFailed) as caught:
        ask(nobody, operation, **changes)
    assert "\n" not in str(caught.value)
    return caught


LIMITED = [
    pytest.param(service, operation, member, id=f"{operation}.{member}")
    for service, operation in OPERATIONS
    for member, shape in inputs(service, operation).items()
    if shape.type_name == "string" and "max" in shape.metadata
]


@pytest.mark.parametrize(("service", "operation", "member"), LIMITED)
def test_a_value_that_is_too_long_is_refused_before_it_is_sent(service, operation, member):
    """boto3 checks no upper limit and no pattern, and would send it."""
    longest = inputs(service, operation)[member].metadata["max"]
    start = {"InputLocation": "s3://bucket/", "ContentType": "text/csv; x="}.get(member, "")
    long = start + "a" * (longest + 1 - len(start))
    changes = {"name" if member in ELSEWHERE else xform_name(member): long}
    told = str(refused(operation, **changes).value)
    assert f"has {longest + 1} characters; the service takes {longest}" in told


NUMBERS = [
    pytest.param(operation, member, bound, id=f"{operation}.{member}.{bound}")
    for service, operation in OPERATIONS
    for member, shape in inputs(service, operation).items()
    if shape.type_name == "integer"
    for bound in ("min", "max")
]


@pytest.mark.parametrize(("operation", "member", "bound"), NUMBERS)
def test_a_number_out_of_range_is_refused_before_it_is_sent(operation, member, bound):
    service = members.RUNTIME if operation == "InvokeEndpointAsync" else members.ROUTER
    limit = inputs(service, operation)[member].metadata[bound]
    told = refused(operation, **{xform_name(member): limit - 1 if bound == "min" else limit + 1})
    assert str(limit) in str(told.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "my endpoint"}, "form that the service takes"),
        ({"name": "-a"}, "form that the service takes"),
        ({"name": ""}, "form that the service takes"),
        ({"target_variant": "blue\r\nX-Evil: 1"}, "target_variant"),
        ({"target_model": " leading"}, "target_model"),
        ({"custom_attributes": "näive"}, "visible ASCII"),
        ({"custom_attributes": "a\nb"}, "visible ASCII"),
        ({"custom_attributes": "tab\tbed"}, "visible ASCII"),
        ({"inference_id": ""}, "at least 1"),
        ({"session_id": "no spaces"}, "session_id"),
        ({"enable_explanations": ""}, "at least 1"),
    ],
)
def test_what_the_service_would_refuse_is_named_in_one_line(changes, words):
    assert words in str(refused(**changes).value)


@pytest.mark.parametrize("value", ["a" * 1024, "a b", "!~"])
def test_what_the_service_would_take_is_sent(value):
    with RawServer(lambda request: reply_with(members.RUNTIME, "InvokeEndpoint")) as server:
        Endpoint("churn", endpoint_url=server.url).invoke(b"1", custom_attributes=value)
    assert server.requests[0].headers["x-amzn-sagemaker-custom-attributes"] == value


def test_a_value_that_may_be_a_secret_is_not_repeated():
    assert "s3cret" not in str(refused(custom_attributes="s3cret\n").value)


@pytest.mark.parametrize(("member", "version"), members.NEEDS.items())
def test_a_member_that_the_installed_botocore_lacks_is_told_with_the_version_that_has_it(member, version, monkeypatch):
    monkeypatch.setattr(botocore, "__version__", "1.30.0")
    told = members._unknown(member, "InvokeEndpoint", "churn")
    assert f"came to botocore with {version}; 1.30.0 is installed" in str(told)
    assert f"pip install -U 'boto3>={version}'" in str(told)


def test_an_operation_that_the_installed_botocore_lacks_is_told():
    with pytest.raises(errors.ValidationFailed, match=r"does not know InvokeTomorrow.*pip install -U"):
        members.operation_model(members.RUNTIME, "InvokeTomorrow")


def test_a_body_that_no_endpoint_takes_is_refused_before_it_is_sent():
    with pytest.raises(errors.PayloadTooLarge, match=r"26,214,401 bytes.*`predict`.*`invoke_async`"):
        Endpoint("churn", region="us-east-1", endpoint_url="http://127.0.0.1:1").invoke(b"x" * (25 * 1024 * 1024 + 1))
