"""The control plane, as far as a client asks it: which endpoints there are, what they are made of, and their logs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from smrt_jupyter.local import refusals
from smrt_jupyter.local.deployment import VARIANT, Deployment
from smrt_jupyter.local.refusals import ACCOUNT, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from smrt_jupyter.local.service import Service

PAGE = 100
IMAGE = "smrt-jupyter/local-runtime:latest"


def answer(service: Service, target: str, body: bytes) -> bytes:
    """Answer one call.

    Parameters
    ----------
    service : Service
        Whose endpoints are told of.
    target : str
        ``X-Amz-Target``: a service and an operation.
    body : bytes
        The members, as JSON.

    Returns
    -------
    bytes

    Raises
    ------
    Refusal
        Unknown operation, unknown name, or a body that is not JSON.
    """
    operation = OPERATIONS.get(target)
    if operation is None:
        told = f"The embedded runtime does not answer {target}." if target else "There is no operation at this address."
        raise Refusal(404, "UnknownOperationException", {"message": told})
    try:
        members = json.loads(body or b"{}")
    except ValueError as error:
        raise Refusal(400, "SerializationException", {"message": str(error)}) from error
    return json.dumps(operation(service, members)).encode()


def arn(service: Service, kind: str, name: str) -> str:
    """Name a resource as AWS does."""
    return f"arn:aws:sagemaker:{service.region}:{ACCOUNT}:{kind}/{name.lower()}"


def _listed(deployment: Deployment, service: Service) -> dict[str, Any]:
    created = deployment.created.timestamp()
    return {
        "EndpointName": deployment.name,
        "EndpointArn": arn(service, "endpoint", deployment.name),
        "CreationTime": created,
        "LastModifiedTime": created,
        "EndpointStatus": "InService",
    }


def list_endpoints(service: Service, members: Mapping[str, Any]) -> dict[str, Any]:
    """ListEndpoints, with its filters, order and pages."""
    found = [
        each for each in (_listed(deployment, service) for deployment in service.deployments.values())
        if members.get("NameContains", "").lower() in each["EndpointName"].lower()
        and members.get("StatusEquals", each["EndpointStatus"]) == each["EndpointStatus"]
        and all(_within(each, members, name) for name in ("CreationTime", "LastModifiedTime"))
    ]  # fmt: skip
    key = {"Name": "EndpointName", "Status": "EndpointStatus"}.get(members.get("SortBy", ""), "CreationTime")
    found.sort(key=lambda each: each[key], reverse=members.get("SortOrder", "Descending") == "Descending")
    return _page(found, members, "Endpoints")


def _within(each: Mapping[str, Any], members: Mapping[str, Any], name: str) -> bool:
    return bool(members.get(f"{name}After", 0) <= each[name] <= members.get(f"{name}Before", float("inf")))


def _page(found: list[dict[str, Any]], members: Mapping[str, Any], name: str) -> dict[str, Any]:
    start, size = int(members.get("NextToken", 0)), int(members.get("MaxResults", PAGE))
    more = {"NextToken": str(start + size)} if start + size < len(found) else {}
    return {name: found[start : start + size], **more}


def _deployment(service: Service, name: str, what: str) -> Deployment:
    """Find an endpoint by the name of something that is part of it."""
    found = service.deployments.get(name)
    if found is None:
        raise Refusal(400, "ValidationException", {"message": f'Could not find {what} "{name}".'})
    return found


def describe_endpoint(service: Service, members: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeEndpoint."""
    name = members["EndpointName"]
    found = service.deployments.get(name)
    if found is None:
        told = f'Could not find endpoint "{arn(service, "endpoint", name)}".'
        raise Refusal(400, "ValidationException", {"message": told})
    described = _listed(found, service) | {"EndpointConfigName": found.name, "ProductionVariants": _variants(found)}
    if found.serving.async_config is not None:
        described["AsyncInferenceConfig"] = found.serving.async_config
    if found.serving.explainer is not None:
        described["ExplainerConfig"] = _explainer()
    return described


def _variants(found: Deployment) -> list[dict[str, Any]]:
    variants: list[dict[str, Any]] = []
    for name, weight in found.weights.items():
        variant: dict[str, Any] = {"VariantName": name, "CurrentWeight": weight, "DesiredWeight": weight}
        if found.serving.serverless is not None:
            variant["CurrentServerlessConfig"] = dict(found.serving.serverless)
        else:
            variant |= {"CurrentInstanceCount": 1, "DesiredInstanceCount": 1}
        variants.append(variant)
    return variants


def _explainer() -> dict[str, Any]:
    return {"ClarifyExplainerConfig": {"ShapConfig": {"ShapBaselineConfig": {}}}}


def describe_endpoint_config(service: Service, members: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeEndpointConfig: each endpoint has one of its own name."""
    found = _deployment(service, members["EndpointConfigName"], "endpoint configuration")
    variants: list[dict[str, Any]] = []
    for name, weight in found.weights.items():
        variant: dict[str, Any] = {"VariantName": name, "InitialVariantWeight": weight}
        if found.serving.components is None:  # a variant without a model is what tells inference components
            variant["ModelName"] = found.name if name == VARIANT else f"{found.name}-{name}"
        if found.serving.serverless is not None:
            variant["ServerlessConfig"] = dict(found.serving.serverless)
        else:
            variant |= {"InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        variants.append(variant)
    described: dict[str, Any] = {
        "EndpointConfigName": found.name,
        "EndpointConfigArn": arn(service, "endpoint-config", found.name),
        "CreationTime": found.created.timestamp(),
        "ProductionVariants": variants,
    }
    if found.serving.async_config is not None:
        described["AsyncInferenceConfig"] = found.serving.async_config
    if found.serving.explainer is not None:
        described["ExplainerConfig"] = _explainer()
    return described


def describe_model(service: Service, members: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeModel: each variant has one of its own name."""
    name = members["ModelName"]
    owners = [
        each
        for each in service.deployments.values()
        if name in (each.name, *(f"{each.name}-{variant}" for variant in each.weights))
    ]
    found = owners[0] if owners else _deployment(service, name, "model")
    described: dict[str, Any] = {
        "ModelName": name,
        "ModelArn": arn(service, "model", name),
        "CreationTime": found.created.timestamp(),
        "ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/LocalRuntime",
    }
    if found.serving.containers is not None:
        described["Containers"] = [
            {"ContainerHostname": host, "Image": IMAGE, "Mode": "SingleModel"} for host in found.serving.containers
        ]
        described["InferenceExecutionConfig"] = {"Mode": "Direct"}
    elif found.serving.models is not None:
        models = refusals.models_url(service.region, found.name)
        described["PrimaryContainer"] = {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": models}
    else:
        described["PrimaryContainer"] = {"Image": IMAGE, "Mode": "SingleModel"}
    return described


def _components(service: Service) -> Iterable[dict[str, Any]]:
    for found in service.deployments.values():
        for name, model in (found.serving.components or {}).items():
            created = found.created.timestamp()
            yield {
                "CreationTime": created,
                "InferenceComponentArn": arn(service, "inference-component", name),
                "InferenceComponentName": name,
                "EndpointArn": arn(service, "endpoint", found.name),
                "EndpointName": found.name,
                "VariantName": VARIANT,
                "InferenceComponentStatus": "InService",
                "LastModifiedTime": created,
                "_copies": int(model is not None),
            }


def list_inference_components(service: Service, members: Mapping[str, Any]) -> dict[str, Any]:
    """ListInferenceComponents, with its filters and pages."""
    filters = {
        "EndpointNameEquals": "EndpointName",
        "VariantNameEquals": "VariantName",
        "StatusEquals": "InferenceComponentStatus",
    }
    found = [
        {name: value for name, value in each.items() if name != "_copies"}
        for each in _components(service)
        if members.get("NameContains", "") in each["InferenceComponentName"]
        and all(members.get(name, each[field]) == each[field] for name, field in filters.items())
    ]
    return _page(found, members, "InferenceComponents")


def describe_inference_component(service: Service, members: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeInferenceComponent."""
    name = members["InferenceComponentName"]
    for each in _components(service):
        if each["InferenceComponentName"] == name:
            copies = each.pop("_copies")
            return each | {
                "Specification": {"ModelName": name},
                "RuntimeConfig": {"DesiredCopyCount": copies, "CurrentCopyCount": copies},
            }
    raise Refusal(400, "ValidationException", {"message": f'Could not find inference component "{name}".'})


def filter_log_events(service: Service, members: Mapping[str, Any]) -> dict[str, Any]:
    """CloudWatch Logs' FilterLogEvents, over the endpoint's container log, oldest first."""
    group = members.get("logGroupName") or members.get("logGroupIdentifier", "").rpartition(":log-group:")[2]
    found = service.deployments.get(group.removeprefix(refusals.log_group("")))
    if found is None:
        message = "The specified log group does not exist."
        raise Refusal(400, "ResourceNotFoundException", {"message": message})
    wanted = re.findall(r'"[^"]+"|[^\s"]+', members.get("filterPattern", ""))
    terms = [term.strip('"') for term in wanted]
    start, end = members.get("startTime", 0), members.get("endTime", float("inf"))
    events = [
        {
            "eventId": f"{number:056d}",
            "ingestionTime": at,
            "logStreamName": f"{VARIANT}/i-local",
            "message": line,
            "timestamp": at,
        }
        for number, (at, line) in enumerate(list(found.log))
        if start <= at <= end and all(term in line for term in terms)
    ]
    first, size = int(members.get("nextToken", 0)), int(members.get("limit", 10_000))
    more = {"nextToken": str(first + size)} if first + size < len(events) else {}
    return {"events": events[first : first + size], "searchedLogStreams": [], **more}


OPERATIONS: dict[str, Callable[[Service, Mapping[str, Any]], dict[str, Any]]] = {
    "SageMaker.ListEndpoints": list_endpoints,
    "SageMaker.DescribeEndpoint": describe_endpoint,
    "SageMaker.DescribeEndpointConfig": describe_endpoint_config,
    "SageMaker.DescribeModel": describe_model,
    "SageMaker.ListInferenceComponents": list_inference_components,
    "SageMaker.DescribeInferenceComponent": describe_inference_component,
    "Logs_20140328.FilterLogEvents": filter_log_events,
}
"""Every call that is answered, by its target; adding one is a function and a line."""
