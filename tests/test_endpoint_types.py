"""What is of the wrong type is refused in one line of ours, before anything is sent."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from smrt_jupyter import Endpoint, LocalRuntime, errors
from smrt_jupyter.endpoint.destination import TEXTS

NOT_TEXT = {"content_type", "accept", "template", "policy", "before_sign", "after_reply"}


def test_every_field_is_of_a_type_that_is_checked_somewhere() -> None:
    assert {each.name for each in dataclasses.fields(Endpoint)} == {*TEXTS, *NOT_TEXT}


@pytest.mark.parametrize("field", [each for each in TEXTS if each != "name"])
@pytest.mark.parametrize("value", [5, True, b"one", ["one"]])
def test_a_field_that_is_no_text_is_refused_by_its_name(field: str, value: Any) -> None:
    with pytest.raises(errors.ValidationFailed) as refused:
        Endpoint("churn", **{field: value})
    assert str(refused.value).startswith(f"endpoint 'churn': `{field}` must be text, not {type(value).__name__}.")


@pytest.mark.parametrize("name", [None, 5, b"churn"])
def test_a_name_that_is_no_text_is_refused(name: Any) -> None:
    with pytest.raises(errors.ValidationFailed, match=f"^`name` must be text, not {type(name).__name__}"):
        Endpoint(name)


@pytest.mark.parametrize("hook", ["before_sign", "after_reply"])
def test_a_hook_that_cannot_be_called_is_refused(hook: str) -> None:
    with pytest.raises(errors.ValidationFailed, match=f"`{hook}` cannot be called: it is str"):
        Endpoint("churn", **{hook: "print"})


@pytest.mark.parametrize("journal", [True, 5, ["run.sqlite"]])
def test_a_journal_that_is_no_file_is_refused(runtime: LocalRuntime, journal: Any) -> None:
    endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1))
    with pytest.raises(
        errors.JournalError, match=f"`journal` must be the name of a file, not {type(journal).__name__}"
    ):
        endpoint.predict([[1, 2]], journal=journal)
    assert not runtime.requests


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("filename", 5, "text"),
        ("s3_output_path_extension", 5, "text"),
        ("input_location", 5, "text"),
        ("request_ttl_seconds", "60", "a whole number"),
        ("invocation_timeout_seconds", 60.5, "a whole number"),
    ],
)
def test_a_member_of_the_wrong_type_is_refused_by_its_name(option: str, value: Any, wanted: str) -> None:
    nobody = Endpoint("later", endpoint_url="http://127.0.0.1:1", region="us-east-1")
    data = None if option == "input_location" else b"1"
    with pytest.raises(errors.ValidationFailed, match=f"`{option}` must be {wanted}, not {type(value).__name__}"):
        nobody.invoke_async(data, **{option: value})


@pytest.mark.parametrize("prefix", [5, "bucket/prefix"])
def test_a_place_for_inputs_that_is_none_is_refused_whether_it_is_needed_or_not(
    runtime: LocalRuntime, prefix: Any
) -> None:
    endpoint = runtime.deploy("later", lambda frame: frame.sum(axis=1), asynchronous=True)
    with pytest.raises(errors.ValidationFailed, match="Write it as `s3://bucket/key`"):
        endpoint.predict([[1, 2]], s3_input_prefix=prefix)
    assert not runtime.requests
