"""Explanations: as SageMaker Clarify's endpoints answer, or passed through to the model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from smrt_jupyter.local import Runtime


def attribute(frame: Any) -> Any:
    return frame * 10


def sums(frame: Any) -> Any:
    return frame.sum(axis="columns")


def ask(client: Any, body: Any = b"1,2\n3,4\n", **members: Any) -> Any:
    kinds = {"ContentType": "text/csv", "Accept": "text/csv"}
    reply = client.invoke_endpoint(EndpointName="one", Body=body, **(kinds | members))
    return reply["ContentType"], reply["Body"].read()


def features(*values: Any) -> Any:
    return [{"attributions": [{"attribution": [value]}]} for value in values]


def test_an_endpoint_with_an_explainer_answers_as_clarify_does(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", sums, explainer=attribute)
    content_type, body = ask(boto(runtime))
    assert content_type == "application/json"
    assert json.loads(body) == {
        "version": "1.0",
        "predictions": {"content_type": "text/csv; charset=utf-8", "data": "3\n7\n"},
        "explanations": {"kernel_shap": [features(10.0, 20.0), features(30.0, 40.0)]},
    }


def test_the_caller_chooses_which_records_are_explained(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", sums, explainer=attribute)
    chosen = json.loads(ask(boto(runtime), EnableExplanations="[0]>`5`")[1])
    assert chosen["explanations"] == {"kernel_shap": [None, features(30.0, 40.0)]}
    for nothing in ("`false`", "[0]>`50`"):
        assert json.loads(ask(boto(runtime), EnableExplanations=nothing)[1])["explanations"] == {}
    with pytest.raises(ClientError, match="not a JMESPath expression"):
        ask(boto(runtime), EnableExplanations="[0")


def test_features_have_their_names_where_the_rows_do(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", sums, explainer=attribute)
    members = {"ContentType": "application/jsonlines", "Accept": "application/jsonlines"}
    body = json.loads(ask(boto(runtime), b'{"age": 1, "income": 2}\n', **members)[1])
    first = body["explanations"]["kernel_shap"][0]
    assert [feature["feature_header"] for feature in first] == ["age", "income"]


def test_other_content_types_are_refused(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", sums, explainer=attribute)
    with pytest.raises(ClientError, match="ContentType and Accept must each be one of text/csv, application/jsonlines"):
        ask(boto(runtime), b"[[1, 2]]", ContentType="application/json")


def test_without_an_explainer_the_member_reaches_the_model(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", lambda _, invocation: invocation.members["EnableExplanations"])
    assert ask(boto(runtime), EnableExplanations="`true`")[1] == b"`true`"
