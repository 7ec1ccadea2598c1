"""What the text of a cell is taken for, and what is put into it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smrt_jupyter.errors import OptionError
from smrt_jupyter.magic.cell import content_type, expand


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"inputs": "Why?"}', "application/json"),
        ("[[1, 2], [3, 4]]", "application/json"),
        ('"a string"', "application/json"),
        ('{"a": 1}\n{"a": 2}', "application/jsonlines"),
        ("1,2,3", "text/csv"),
        ("5.1", "text/csv"),
        ("5.1,setosa\n4.9,virginica", "text/csv"),
        ('"a, b",1\n"c",2', "text/csv"),
        (",1\n2,", "text/csv"),
        ("Why is the sky blue?", "text/plain"),
        ("Hello, world", "text/plain"),
        ("1,2\n3", "text/plain"),
        ('"Why?" he said.', "text/plain"),
        ("word " * 40_000, "text/plain"),
        ('"Why?" he said. ' + "word " * 40_000, "text/plain"),
        ('"' + "7" * 200_000 + '" he said.', "text/plain"),
    ],
)
def test_the_text_tells_its_content_type(text: str, expected: str) -> None:
    assert content_type(text) == expected


@pytest.mark.parametrize("text", ['{"a": 1', "[1, 2,]", "{'a': 1}", "[" * 100_000, "[1]\n" + "[" * 100_000])
def test_broken_json_is_an_error_before_anything_is_sent(text: str) -> None:
    with pytest.raises(OptionError, match=r"begins as JSON and is none: .*--content-type"):
        content_type(text)


def test_braces_of_json_are_left_alone() -> None:
    text = '{"a": {"b": {"c": "{x} {} {{}}"}}}'
    assert expand(text, {"x": 1}) == text


@given(st.text())
def test_no_value_breaks_out_of_its_string(value: str) -> None:
    """Whatever the value holds, the cell stays the same JSON around it."""
    told = json.loads(expand('{"prompt": "Q: {{value}}", "n": {{value}}}', {"value": value}))
    assert told == {"prompt": f"Q: {value}", "n": value}


def test_values_outside_of_strings_become_json() -> None:
    names = {"rows": pd.DataFrame({"a": [1, 2]}), "array": np.array([1.5]), "one": np.float64(2.0), "none": None}
    assert expand("[{{rows}}, {{ array }}, {{one}}, {{none}}]", names) == "[[[1], [2]], [1.5], 2.0, null]"


def test_a_text_takes_the_text_of_a_value() -> None:
    assert expand("Tell me of {{topic}}.", {"topic": "trees"}) == "Tell me of trees."


def test_an_unknown_name_is_an_error_with_the_one_that_was_meant() -> None:
    with pytest.raises(OptionError, match=r"names \{\{custmer\}\}, which is not defined. Did you mean customer\?"):
        expand("{{custmer}}", {"customer": 1})


def test_what_json_has_not_is_an_error() -> None:
    with pytest.raises(OptionError, match="x cannot be written as JSON"):
        expand("[{{x}}]", {"x": float("nan")})
