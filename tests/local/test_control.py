"""The control plane: what boto3 reads of the endpoints that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from speaking import echo

from smrt_jupyter.local import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable


def test_endpoints_are_listed_filtered_sorted_and_in_pages(runtime: Runtime, boto: Callable[..., Any]) -> Any:
    for name in ("churn", "fraud", "churn-eu"):
        runtime.deploy(name, echo)
    client = boto(runtime, "sagemaker")

    def names(**members: Any) -> Any:
        return [each["EndpointName"] for each in client.list_endpoints(**members)["Endpoints"]]

    assert names() == ["churn-eu", "fraud", "churn"]
    assert names(SortBy="Name", SortOrder="Ascending") == ["churn", "churn-eu", "fraud"]
    assert names(NameContains="Churn", SortOrder="Ascending") == ["churn", "churn-eu"]
    assert names(StatusEquals="Failed") == []
    pages = client.get_paginator("list_endpoints").paginate(PaginationConfig={"PageSize": 2})
    assert [len(page["Endpoints"]) for page in pages] == [2, 1]
    first = client.list_endpoints()["Endpoints"][-1]
    assert names(CreationTimeAfter=first["CreationTime"]) == ["churn-eu", "fraud", "churn"]
    assert names(CreationTimeBefore=first["CreationTime"]) == ["churn"]
    assert first["EndpointArn"] == "arn:aws:sagemaker:us-east-1:123456789012:endpoint/churn"
    assert first["EndpointStatus"] == "InService"


def test_an_endpoint_is_described_by_what_it_is_made_of(runtime: Runtime, boto: Callable[..., Any]) -> None:
    client = boto(runtime, "sagemaker")
    runtime.deploy("plain", echo)
    plain = client.describe_endpoint(EndpointName="plain")
    assert [each["VariantName"] for each in plain["ProductionVariants"]] == ["AllTraffic"]
    assert not {"AsyncInferenceConfig", "ExplainerConfig"} & plain.keys()
    runtime.deploy("two", variants={"a": (echo, 0.9), "b": (echo, 0.1)})
    weights = {
        v["VariantName"]: v["CurrentWeight"] for v in client.describe_endpoint(EndpointName="two")["ProductionVariants"]
    }
    assert weights == pytest.approx({"a": 0.9, "b": 0.1})
    runtime.deploy("later", echo, asynchronous=True)
    config = client.describe_endpoint(EndpointName="later")["AsyncInferenceConfig"]
    assert config["OutputConfig"]["S3OutputPath"] == f"s3://{runtime.default_bucket}/later/output"
    runtime.deploy("small", echo, serverless={"MemorySizeInMB": 1024, "MaxConcurrency": 5})
    variant = client.describe_endpoint(EndpointName="small")["ProductionVariants"][0]
    assert variant["CurrentServerlessConfig"] == {"MemorySizeInMB": 1024, "MaxConcurrency": 5}
    runtime.deploy("told", echo, explainer=lambda frame: frame)
    assert "ClarifyExplainerConfig" in client.describe_endpoint(EndpointName="told")["ExplainerConfig"]


def test_configurations_and_models_are_described(runtime: Runtime, boto: Callable[..., Any]) -> None:
    client = boto(runtime, "sagemaker")
    runtime.deploy("two", variants={"a": echo, "b": echo})
    config = client.describe_endpoint_config(EndpointConfigName="two")
    names = [variant["ModelName"] for variant in config["ProductionVariants"]]
    assert names == ["two-a", "two-b"]
    assert client.describe_model(ModelName="two-b")["PrimaryContainer"]["Mode"] == "SingleModel"
    runtime.deploy("direct", containers={"first": echo, "second": echo})
    model = client.describe_model(ModelName="direct")
    assert [each["ContainerHostname"] for each in model["Containers"]] == ["first", "second"]
    assert model["InferenceExecutionConfig"] == {"Mode": "Direct"}


def test_components_are_listed_and_described(runtime: Runtime, boto: Callable[..., Any]) -> None:
    client = boto(runtime, "sagemaker")
    runtime.deploy("one", components={"warm": echo, "cold": None})
    runtime.deploy("other", components={"third": echo})
    listed = client.list_inference_components(EndpointNameEquals="one")["InferenceComponents"]
    assert [each["InferenceComponentName"] for each in listed] == ["warm", "cold"]
    copies = [
        client.describe_inference_component(InferenceComponentName=name)["RuntimeConfig"]["CurrentCopyCount"]
        for name in ("warm", "cold")
    ]
    assert copies == [1, 0]
    config = client.describe_endpoint_config(EndpointConfigName="one")
    assert "ModelName" not in config["ProductionVariants"][0]


def test_what_is_not_there_is_said_in_the_services_words(runtime: Runtime, boto: Callable[..., Any]) -> None:
    client = boto(runtime, "sagemaker")
    for call, members, text in [
        ("describe_endpoint", {"EndpointName": "x"}, 'endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/x"'),
        ("describe_endpoint_config", {"EndpointConfigName": "x"}, 'endpoint configuration "x"'),
        ("describe_model", {"ModelName": "x"}, 'model "x"'),
        ("describe_inference_component", {"InferenceComponentName": "x"}, 'inference component "x"'),
    ]:
        with pytest.raises(ClientError) as error:
            getattr(client, call)(**members)
        assert error.value.response["Error"] == {"Code": "ValidationException", "Message": f"Could not find {text}."}
    with pytest.raises(boto(runtime, "logs").exceptions.ResourceNotFoundException):
        boto(runtime, "logs").filter_log_events(logGroupName="/aws/sagemaker/Endpoints/x")
    with pytest.raises(ClientError, match=r"does not answer SageMaker\.CreateModel"):
        client.create_model(ModelName="x")


def test_another_region_is_another_address_in_everything(boto: Callable[..., Any]) -> None:
    with Runtime(region="eu-west-1") as runtime:
        runtime.deploy("one", echo, asynchronous=True)
        described = boto(runtime, "sagemaker").describe_endpoint(EndpointName="one")
        assert described["EndpointArn"] == "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/one"
        bucket = boto(runtime, "s3").get_bucket_location(Bucket="sagemaker-eu-west-1-123456789012")
        assert bucket["LocationConstraint"] == "eu-west-1"


def test_the_log_is_read_in_pages_and_between_times(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", echo, takes="body")
    for _ in range(5):
        boto(runtime).invoke_endpoint(EndpointName="one", Body=b"x")
    client, group = boto(runtime, "logs"), "/aws/sagemaker/Endpoints/one"
    pages = client.get_paginator("filter_log_events").paginate(logGroupName=group, PaginationConfig={"PageSize": 4})
    events = [event for page in pages for event in page["events"]]
    assert [event["message"][:17] for event in events] == ["one is in service"] + ['"POST /invocation'] * 5
    last = events[-1]["timestamp"]
    assert client.filter_log_events(logGroupName=group, startTime=last + 1)["events"] == []
