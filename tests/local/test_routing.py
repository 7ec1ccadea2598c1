"""Who answers: variants by weight, inference components, models of one endpoint, containers, and routers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from speaking import echo

from smrt_jupyter.local import Faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from smrt_jupyter.local import Runtime


def answer(text: Any) -> Any:
    return lambda _: text


def ask(client: Any, **members: Any) -> Any:
    reply = client.invoke_endpoint(**({"EndpointName": "one", "Body": b"x"} | members))
    return reply["Body"].read().decode(), reply["InvokedProductionVariant"]


def refused(client: Any, **members: Any) -> Any:
    with pytest.raises(ClientError) as error:
        ask(client, **members)
    told = error.value.response
    assert (told["Error"]["Code"], told["ResponseMetadata"]["HTTPStatusCode"]) == ("ValidationError", 400)
    return told["Error"]["Message"]


def test_variants_answer_by_weight(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", variants={"a": (answer("a"), 0.9), "b": (answer("b"), 0.1), "c": (answer("c"), 0)})
    client = boto(runtime)
    seen = [ask(client) for _ in range(200)]
    assert all(text == variant for text, variant in seen)
    counts = {name: sum(text == name for text, _ in seen) for name in "abc"}
    assert counts["a"] > 150
    assert 0 < counts["b"] < 50
    assert counts["c"] == 0
    assert ask(client, TargetVariant="c") == ("c", "c")
    assert refused(client, TargetVariant="d") == "Variant d of endpoint one not found."


def test_a_component_must_be_named_where_there_are_some_and_nowhere_else(
    runtime: Runtime, boto: Callable[..., Any]
) -> None:
    runtime.deploy("one", components={"warm": answer("warm"), "cold": None})
    runtime.deploy("plain", echo, takes="body")
    client = boto(runtime)
    assert ask(client, InferenceComponentName="warm") == ("warm", "AllTraffic")
    assert refused(client).startswith("Inference Component Name header is required for endpoints to which you plan to")
    assert refused(client, InferenceComponentName="cold") == (
        "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress (if "
        "configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
    )
    assert refused(client, EndpointName="plain", InferenceComponentName="warm") == (
        "Inference Component Name header is not allowed for endpoints to which you dont plan to deploy inference "
        "components. Please remove the Inference Component Name header and try again."
    )
    assert "not found" in refused(client, InferenceComponentName="other")


def test_a_multi_model_endpoint_needs_a_target_model(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", models={"a.tar.gz": answer("a"), "fr/b.tar.gz": answer("b")})
    client = boto(runtime)
    assert ask(client, TargetModel="a.tar.gz")[0] == "a"
    assert ask(client, TargetModel="/fr/b.tar.gz")[0] == "b"
    assert refused(client).endswith("is missing a target model header.")
    assert refused(client, TargetModel="c.tar.gz").startswith("Failed to download model data")


def test_the_models_of_an_endpoint_are_listed_in_s3(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", models={"a.tar.gz": answer("a"), "fr/b.tar.gz": answer("b")})
    url = boto(runtime, "sagemaker").describe_model(ModelName="one")["PrimaryContainer"]["ModelDataUrl"]
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    listed = boto(runtime, "s3").list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    assert [each["Key"].removeprefix(prefix) for each in listed] == ["a.tar.gz", "fr/b.tar.gz"]
    runtime.deploy("two", models={"late.tar.gz": answer("late")})
    listed = boto(runtime, "s3").list_objects_v2(Bucket=bucket, Prefix="two/models/")["Contents"]
    assert [each["Key"] for each in listed] == ["two/models/late.tar.gz"]


def test_containers_are_invoked_directly(runtime: Runtime, boto: Callable[..., Any]) -> None:
    def broken(_: Any) -> None:
        raise ValueError("no")

    runtime.deploy("one", containers={"first": answer("1"), "second": answer("2"), "broken": broken})
    runtime.deploy("plain", echo, takes="body")
    client = boto(runtime)
    assert ask(client, TargetContainerHostname="second")[0] == "2"
    assert "requires a target container hostname" in refused(client)
    assert "not found" in refused(client, TargetContainerHostname="third")
    assert "directly" in refused(client, EndpointName="plain", TargetContainerHostname="first")
    with pytest.raises(ClientError, match=r"Received server error \(500\) from broken with message"):
        ask(client, TargetContainerHostname="broken")


def test_a_router_prefers_the_first_endpoint_and_says_why(runtime: Runtime, boto: Callable[..., Any]) -> Any:
    runtime.deploy("one", answer("one"))
    runtime.deploy("two", answer("two"))
    runtime.deploy_router("router", {"both": ["one", "two"], "single": ["two"], "gone": ["none"]})
    client = boto(runtime, "sagemaker-inference-router-runtime")

    def route(target: Any) -> Any:
        reply = client.invoke_inference_router(InferenceRouterName="router", RoutingTargetName=target, Body=b"x")
        return (
            reply["Body"].read().decode(),
            reply["RoutingReason"],
            reply["InvokedRoutedResourceArn"].rpartition("/")[2],
        )

    assert route("both") == ("one", "local-preferred", "one")
    assert route("single") == ("two", "only-healthy", "two")
    runtime.deploy("one", answer("one"), faults=Faults(unavailable=1.0))
    assert route("both") == ("two", "failover", "two")
    runtime.deploy("one", answer("one"), faults=Faults(capacity=0))
    assert route("both") == ("two", "capacity-available", "two")
    with pytest.raises(client.exceptions.ValidationException, match="Routing target other"):
        route("other")
    with pytest.raises(client.exceptions.ServiceUnavailableException):
        route("gone")
    with pytest.raises(client.exceptions.ValidationException, match="Inference router nowhere"):
        client.invoke_inference_router(InferenceRouterName="nowhere", RoutingTargetName="both", Body=b"x")


def test_a_router_does_not_repeat_what_a_model_refused(runtime: Runtime, boto: Callable[..., Any]) -> None:
    def broken(_: Any) -> None:
        raise ValueError("no")

    runtime.deploy("one", broken)
    runtime.deploy("two", answer("two"))
    runtime.deploy_router("router", {"both": ["one", "two"]})
    client = boto(runtime, "sagemaker-inference-router-runtime")
    with pytest.raises(client.exceptions.ModelError):
        client.invoke_inference_router(InferenceRouterName="router", RoutingTargetName="both", Body=b"x")
    assert runtime.executions("two") == 0


@pytest.mark.parametrize("given", [{}, {"model": echo, "variants": {"a": echo}}])
def test_an_endpoint_is_made_of_one_kind_of_thing(runtime: Runtime, given: Any) -> None:
    with pytest.raises(ValueError, match="Deploy one of model, variants, components, models, containers, not"):
        runtime.deploy("one", **given)
