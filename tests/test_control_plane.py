"""What the control plane says, with whatever permissions there are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from raw_server import RawServer, Request, error, http

from smrt_jupyter import Endpoint, LocalRuntime, errors
from smrt_jupyter.control_plane import Description, Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def sums(frame: pd.DataFrame) -> pd.Series:
    return frame.sum(axis=1)


# -- against the embedded runtime ------------------------------------------------------------------------------------


def test_endpoints_are_listed_newest_first(runtime: LocalRuntime):
    for name in ("first", "second", "third"):
        runtime.deploy(name, sums)
    listed = Endpoint.list(endpoint_url=runtime.url, region=runtime.region)
    assert list(listed.columns) == ["name", "status", "created", "modified"]
    assert listed["name"].tolist() == ["third", "second", "first"]
    assert set(listed["status"]) == {"InService"}
    assert pd.api.types.is_datetime64_any_dtype(listed["created"])


def test_an_account_without_endpoints_gives_an_empty_table(runtime: LocalRuntime):
    listed = Endpoint.list(endpoint_url=runtime.url, region=runtime.region)
    assert len(listed) == 0
    assert list(listed.columns) == ["name", "status", "created", "modified"]


def test_all_pages_of_a_listing_are_read(runtime: LocalRuntime):
    names = [f"endpoint-{number}" for number in range(120)]
    for name in names:
        runtime.deploy(name, sums)
    assert sorted(Endpoint.list(endpoint_url=runtime.url, region=runtime.region)["name"]) == sorted(names)


def test_variants_are_described_with_their_weights(runtime: LocalRuntime):
    described = runtime.deploy("churn", variants={"blue": (sums, 3), "green": (sums, 1)}).describe()
    assert (described.name, described.status) == ("churn", "InService")
    assert [(each.name, each.weight, each.instances) for each in described.variants] == [
        ("blue", 3, 1),
        ("green", 1, 1),
    ]
    assert not described.asynchronous
    assert not described.explains
    assert described.not_permitted == ()


def test_components_and_models_and_containers_are_described(runtime: LocalRuntime):
    components = runtime.deploy("components", components={"small": sums, "large": sums}).describe()
    assert sorted(components.components) == ["large", "small"]
    models = runtime.deploy("models", models={"a.tar.gz": sums, "b/c.tar.gz": sums}).describe()
    assert sorted(models.target_models) == ["a.tar.gz", "b/c.tar.gz"]
    containers = runtime.deploy("containers", containers={"first": sums, "second": sums}).describe()
    assert sorted(containers.variants[0].containers) == ["first", "second"]


def test_what_an_endpoint_takes_and_gives_is_described(runtime: LocalRuntime):
    later = runtime.deploy("later", sums, asynchronous=True).describe()
    assert later.asynchronous
    assert later.s3_output_path.startswith("s3://")
    explained = runtime.deploy("explained", sums, explainer=lambda frame: np.zeros(frame.shape)).describe()
    assert explained.explains
    serverless = runtime.deploy("serverless", sums, serverless=True).describe()
    assert serverless.variants[0].instances is None


def test_an_endpoint_that_does_not_exist_is_an_error(runtime: LocalRuntime):
    with pytest.raises(errors.EndpointNotFound, match="nobody"):
        runtime.endpoint("nobody").describe()


# -- against a control plane that says what a test wants -------------------------------------------------------------

ENDPOINT = {
    "EndpointName": "churn",
    "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/churn",
    "EndpointConfigName": "churn-config",
    "EndpointStatus": "Failed",
    "FailureReason": "The primary container did not pass the ping health check.",
    "CreationTime": 1.7e9,
    "LastModifiedTime": 1.7e9,
    "ProductionVariants": [{"VariantName": "blue", "CurrentWeight": 1.0, "CurrentInstanceCount": 0}],
    "ExplainerConfig": {"ClarifyExplainerConfig": {"ShapConfig": {"ShapBaselineConfig": {}}}},
}
CONFIG = {
    "EndpointConfigName": "churn-config",
    "EndpointConfigArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/churn-config",
    "CreationTime": 1.7e9,
    "ProductionVariants": [{"VariantName": "blue", "ModelName": "model-1", "InstanceType": "ml.m5.large"}],
    "DataCaptureConfig": {
        "InitialSamplingPercentage": 1,
        "DestinationS3Uri": "s3://b/c",
        "CaptureOptions": [],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
    },
}
MODEL = {
    "ModelName": "model-1",
    "ModelArn": "arn:aws:sagemaker:us-east-1:123456789012:model/model-1",
    "CreationTime": 1.7e9,
    "PrimaryContainer": {"Image": "1.dkr.ecr/xgboost:1.7-1", "ModelPackageName": "package-1"},
}
PACKAGE = {
    "ModelPackageName": "package-1",
    "ModelPackageArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/package-1",
    "CreationTime": 1.7e9,
    "ModelPackageStatus": "Completed",
    "ModelPackageStatusDetails": {"ValidationStatuses": []},
    "InferenceSpecification": {
        "Containers": [],
        "SupportedContentTypes": ["text/csv", "text/libsvm"],
        "SupportedResponseMIMETypes": ["text/csv"],
    },
}
EVERYTHING = {
    "DescribeEndpoint": ENDPOINT,
    "DescribeEndpointConfig": CONFIG,
    "DescribeModel": MODEL,
    "DescribeModelPackage": PACKAGE,
    "ListInferenceComponents": {"InferenceComponents": []},
}


def denied(action: str) -> bytes:
    """Refuse as services of the JSON protocol do: the type is in the body."""
    told = f"User: x is not authorized to perform: sagemaker:{action} on resource: z"
    return error(400, None, __type="AccessDeniedException", Message=told)


@pytest.fixture
def describe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Description]]:
    """Describe an endpoint by a control plane that answers these calls and denies all others."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    opened = []

    def start(said: dict[str, Any]) -> Description:
        def answer(request: Request) -> bytes:
            operation = request.headers["x-amz-target"].removeprefix("SageMaker.")
            if operation not in said:
                return denied(operation)
            return http(200, json.dumps(said[operation]).encode(), {"Content-Type": "application/x-amz-json-1.1"})

        server = RawServer(answer).__enter__()
        opened.append(server)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", server.url)
        return Endpoint("churn", region="us-east-1").describe()

    yield start
    for server in opened:
        server.__exit__()


def test_everything_that_is_told_is_described(describe):
    found = describe(EVERYTHING)
    assert found.status == "Failed"
    assert found.failure_reason == "The primary container did not pass the ping health check."
    assert found.variants == (Variant("blue", 1.0, 0, "ml.m5.large", "model-1", "1.dkr.ecr/xgboost:1.7-1"),)
    assert found.content_types == ("text/csv", "application/json", "text/libsvm")
    assert found.accepts == ("text/csv",)
    assert found.explains
    assert found.not_permitted == ()


@pytest.mark.parametrize("call", list(EVERYTHING))
def test_a_call_that_is_denied_is_named_and_the_others_told_all_the_same(describe, call):
    found = describe({name: said for name, said in EVERYTHING.items() if name != call})
    assert call in found.not_permitted
    if call != "DescribeEndpoint":
        assert found.status == "Failed"
        assert found.variants[0].name == "blue"


def test_nothing_is_permitted_and_nothing_raises(describe):
    found = describe({})
    assert (found.name, found.status, found.variants) == ("churn", None, ())
    assert "DescribeEndpoint" in found.not_permitted


def test_a_listing_that_is_denied_is_an_error_that_names_the_permission(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with RawServer(lambda _: denied("ListEndpoints")) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", server.url)
        with pytest.raises(errors.AccessDenied, match="Ask for `sagemaker:ListEndpoints`"):
            Endpoint.list(region="us-east-1")


def test_a_vpc_address_of_the_runtime_is_not_asked_for_its_control_plane(describe, monkeypatch):
    described = describe(EVERYTHING)
    again = Endpoint("churn", region="us-east-1", endpoint_url="http://127.0.0.1:1").describe()
    assert again == described


def test_a_description_shows_itself_in_a_notebook(describe):
    shown = describe(EVERYTHING)._repr_mimebundle_()
    assert "churn" in shown["text/plain"]
    assert "text/html" in shown
