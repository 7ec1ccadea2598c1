"""What the control plane says: which endpoints there are, and what one of them is.

Everything here is optional: a user may be allowed to invoke and nothing else. A call that is refused is named, and what
the others said is given all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from smrt_jupyter import display, errors, wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd


@dataclass(frozen=True)
class Variant:
    """One production variant.

    Attributes
    ----------
    name : str
    weight : float or None
        Its current share of the traffic, relative to the others.
    instances : int or None
        How many it runs on now; 0: scaled to zero. None: serverless.
    instance_type : str or None
        None also when the endpoint's configuration may not be read.
    model, image : str or None
        The model's name, and its container's image.
    containers : tuple of str
        Host names for ``target_container_hostname``; empty unless the containers are invoked directly.
    """

    name: str
    weight: float | None = None
    instances: int | None = None
    instance_type: str | None = None
    model: str | None = None
    image: str | None = None
    containers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Description:
    """What the control plane says of an endpoint, as far as the permissions reach.

    Attributes
    ----------
    name : str
    status : str or None
        ``InService`` and so on; None when `DescribeEndpoint` is refused.
    failure_reason : str or None
    variants : tuple of Variant
    components : tuple of str
        Inference components, for ``inference_component_name``.
    target_models : tuple of str
        Models of a multi-model endpoint, for ``target_model``.
    asynchronous : bool
        Whether it takes asynchronous invocations only.
    s3_output_path : str or None
        Where those answer.
    explains : bool
        Whether SageMaker Clarify answers with explanations.
    content_types, accepts : tuple of str
        What a model package declares, or data capture is told to expect; empty when nothing declares it.
    not_permitted : tuple of str
        The calls that were refused.
    """

    name: str
    status: str | None = None
    failure_reason: str | None = None
    variants: tuple[Variant, ...] = ()
    components: tuple[str, ...] = ()
    target_models: tuple[str, ...] = ()
    asynchronous: bool = False
    s3_output_path: str | None = None
    explains: bool = False
    content_types: tuple[str, ...] = ()
    accepts: tuple[str, ...] = ()
    not_permitted: tuple[str, ...] = field(default=(), compare=False)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        told = {name: value for name, value in vars(self).items() if value not in (None, (), False)}
        return display.facts(told)


class _Asker:
    """Asks the control plane and remembers what was refused."""

    def __init__(self, target: wire.Target, endpoint: str) -> None:
        self.target = target
        self.endpoint = endpoint
        self.refused: list[str] = []

    def __call__(self, operation: str, service: str = "sagemaker", **parameters: Any) -> dict[str, Any]:
        try:
            return wire.send(wire.beside(self.target, service), operation, parameters, endpoint=self.endpoint).output
        except errors.AccessDenied:
            self.refused.append(operation)
            return {}


def pages(target: wire.Target, operation: str, listed: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    """Walk the pages of a listing.

    Parameters
    ----------
    target : Target
        The runtime beside which the control plane is asked.
    operation, listed : str
        The API's names of the call and of its list.
    **parameters
        Of the call.

    Yields
    ------
    dict
        One item of the list.
    """
    token: dict[str, str] = {}
    while True:
        output = wire.send(wire.beside(target, "sagemaker"), operation, {**parameters, **token}).output
        yield from output.get(listed, [])
        if not output.get("NextToken"):
            return
        token = {"NextToken": output["NextToken"]}


def endpoint_names(target: wire.Target) -> list[str]:
    """Name the endpoints of an account in a region, newest first.

    Parameters
    ----------
    target : Target
        The runtime.

    Returns
    -------
    list of str
    """
    listing = pages(target, "ListEndpoints", "Endpoints", SortBy="CreationTime", SortOrder="Descending")
    return [each["EndpointName"] for each in listing]


def list_endpoints(target: wire.Target) -> pd.DataFrame:
    """List endpoints as a table: see `Endpoint.list`."""
    import pandas as pd

    listing = pages(target, "ListEndpoints", "Endpoints", SortBy="CreationTime", SortOrder="Descending")
    rows = [(e["EndpointName"], e["EndpointStatus"], e["CreationTime"], e["LastModifiedTime"]) for e in listing]
    return pd.DataFrame(rows, columns=["name", "status", "created", "modified"])


def describe(name: str, target: wire.Target) -> Description:
    """Gather what the control plane says of one endpoint: see `Endpoint.describe`."""
    ask = _Asker(target, name)
    endpoint = ask("DescribeEndpoint", EndpointName=name)
    config: dict[str, Any] = {}
    if "EndpointConfigName" in endpoint:
        config = ask("DescribeEndpointConfig", EndpointConfigName=endpoint["EndpointConfigName"])
    configured = {each["VariantName"]: each for each in config.get("ProductionVariants", [])}
    variants, content_types, accepts, target_models = [], list(_captured(config)), [], []
    for told in endpoint.get("ProductionVariants", []):
        set_up = configured.get(told["VariantName"], {})
        variant = Variant(
            told["VariantName"],
            told.get("CurrentWeight"),
            told.get("CurrentInstanceCount"),
            set_up.get("InstanceType"),
            set_up.get("ModelName"),
        )
        if variant.model:
            model = ask("DescribeModel", ModelName=variant.model)
            containers = model.get("Containers") or [model.get("PrimaryContainer", {})]
            direct = model.get("InferenceExecutionConfig", {}).get("Mode") == "Direct"
            variant = replace(
                variant,
                image=containers[0].get("Image"),
                containers=tuple(c["ContainerHostname"] for c in containers if direct and "ContainerHostname" in c),
            )
            for container in containers:
                declared, answered = _declared(ask, container)
                content_types += declared
                accepts += answered
                target_models += _models(ask, container)
        variants.append(variant)
    components = ask("ListInferenceComponents", EndpointNameEquals=name).get("InferenceComponents", [])
    asynchronous = endpoint.get("AsyncInferenceConfig", {})
    return Description(
        name,
        endpoint.get("EndpointStatus"),
        endpoint.get("FailureReason"),
        tuple(variants),
        tuple(each["InferenceComponentName"] for each in components),
        tuple(dict.fromkeys(target_models)),
        bool(asynchronous),
        asynchronous.get("OutputConfig", {}).get("S3OutputPath"),
        "ExplainerConfig" in endpoint,
        tuple(dict.fromkeys(content_types)),
        tuple(dict.fromkeys(accepts)),
        tuple(dict.fromkeys(ask.refused)),
    )


def _captured(config: dict[str, Any]) -> Iterator[str]:
    """Give the content types that data capture is told to expect: a hint."""
    headers = config.get("DataCaptureConfig", {}).get("CaptureContentTypeHeader", {})
    yield from headers.get("CsvContentTypes", [])
    yield from headers.get("JsonContentTypes", [])


def _declared(ask: _Asker, container: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Give the content types that a model package declares: the only place where AWS keeps them."""
    package = container.get("ModelPackageName")
    if not package:
        return [], []
    told = ask("DescribeModelPackage", ModelPackageName=package).get("InferenceSpecification", {})
    return told.get("SupportedContentTypes", []), told.get("SupportedResponseMIMETypes", [])


def _models(ask: _Asker, container: dict[str, Any]) -> list[str]:
    """List the first thousand models below a multi-model container's prefix."""
    prefix = container.get("ModelDataUrl", "")
    if container.get("Mode") != "MultiModel" or not prefix.startswith("s3://"):
        return []
    bucket, _, key = prefix.removeprefix("s3://").partition("/")
    listed = ask("ListObjectsV2", "s3", Bucket=bucket, Prefix=key).get("Contents", [])
    return [each["Key"].removeprefix(key).lstrip("/") for each in listed if not each["Key"].endswith("/")]
