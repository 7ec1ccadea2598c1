from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from smrt_jupyter import codecs
from smrt_jupyter.codecs.template import PRESETS, Template

if TYPE_CHECKING:
    from smrt_jupyter import LocalRuntime
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Table

PEOPLE = pd.DataFrame({"age": [31, 54], "plan": ["basic", None]})
TEXTS = pd.Series(["good", 'say "hi"'], name="review")


def written(table: Any, template: Any, content_type: str = "application/json", rows: slice = slice(None)) -> Any:
    seen = Table.of(table)
    start, stop, _ = rows.indices(len(seen))
    return codecs.find(content_type, template=template).writer(seen)(start, stop).decode()


def value(*args: Any, **options: Any) -> Any:
    return json.loads(written(*args, **options))


# -- Clarify's syntax; the examples are those of its developer guide ---------------------------------------------------


@pytest.mark.parametrize(
    ("content", "record", "wanted"),
    [
        ("$records", "$features", [[31, "basic"], [54, None]]),
        ("$records", "$features_kvp", [{"age": 31, "plan": "basic"}, {"age": 54, "plan": None}]),
        (
            '{"instances": $records}',
            '{"features": $features}',
            {"instances": [{"features": [31, "basic"]}, {"features": [54, None]}]},
        ),
        (
            '{"rows": $records, "seed": 7}',
            '{"x": "${age}", "y": ["${plan}"]}',
            {"rows": [{"x": 31, "y": ["basic"]}, {"x": 54, "y": [None]}], "seed": 7},
        ),
        (
            '{"instances": $records}',
            '{"names": $feature_names, "values": $features}',
            {
                "instances": [
                    {"names": ["age", "plan"], "values": [31, "basic"]},
                    {"names": ["age", "plan"], "values": [54, None]},
                ]
            },
        ),
    ],
)
def test_content_and_record_templates_of_clarify(content: str, record: str, wanted: Any) -> None:
    assert value(PEOPLE, {"content_template": content, "record_template": record}) == wanted


def test_a_record_template_alone_makes_a_list_of_records() -> None:
    assert value(PEOPLE, {"record_template": "$features_kvp"})[1] == {"age": 54, "plan": None}


def test_one_record_a_request_has_no_list_around_it() -> None:
    template = {"content_template": '{"instance": $record}', "record_template": '{"f": $features}'}
    assert value(PEOPLE, template, rows=slice(0, 1)) == {"instance": {"f": [31, "basic"]}}
    assert codecs.find("application/json", template=template).rows_at_once == 1
    with pytest.raises(CodecError, match="one row a request, and 2 are given"):
        written(PEOPLE, template)


def test_json_lines_have_a_record_a_line() -> None:
    lines = written(PEOPLE, '{"data": {"features": $features}}', "application/jsonlines").split("\n")
    assert list(map(json.loads, lines)) == [{"data": {"features": [31, "basic"]}}, {"data": {"features": [54, None]}}]
    assert written(PEOPLE, "instances", "application/jsonlines") == '[31,"basic"]\n[54,null]'
    assert written(TEXTS, "messages", "application/jsonlines").count("\n") == 1


def test_a_template_may_be_a_structure_text_of_one_or_a_template() -> None:
    structure = {"rows": "$records", "model": "v2", "nested": [1, {"a": None}]}
    wanted = {"rows": [[31, "basic"], [54, None]], "model": "v2", "nested": [1, {"a": None}]}
    for template in (structure, json.dumps(structure), Template.of(structure)):
        assert value(PEOPLE, template) == wanted


def test_a_column_inside_a_text_is_its_text() -> None:
    template = '{"inputs": "${plan} at ${age}: ${plan}!"}'
    assert value(PEOPLE, template, rows=slice(0, 1)) == {"inputs": "basic at 31: basic!"}
    assert value(PEOPLE, template, rows=slice(1, 2)) == {"inputs": " at 54: !"}
    quoted = pd.DataFrame({"t": ['"x"\n\\']})
    assert value(quoted, {"inputs": 'Say: "${t}"'}) == {"inputs": 'Say: ""x"\n\\"'}


def test_dollar_signs_that_are_no_placeholders_stay() -> None:
    assert value(PEOPLE, {"price": "$5", "word": "$other", "rows": "$records"})["word"] == "$other"


# -- presets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "wanted"),
    [
        ("instances", {"instances": [[31, "basic"], [54, None]]}),
        ("features", {"instances": [{"features": [31, "basic"]}, {"features": [54, None]}]}),
        ("dataframe_split", {"dataframe_split": {"columns": ["age", "plan"], "data": [[31, "basic"], [54, None]]}}),
        ("dataframe_records", {"dataframe_records": [{"age": 31, "plan": "basic"}, {"age": 54, "plan": None}]}),
        ("inputs", {"inputs": [{"age": 31, "plan": "basic"}, {"age": 54, "plan": None}]}),
    ],
)
def test_presets(preset: str, wanted: Any) -> None:
    assert value(PEOPLE, preset) == wanted


def test_a_table_of_one_column_is_a_list_of_inputs() -> None:
    assert value(TEXTS, "inputs") == {"inputs": ["good", 'say "hi"']}


def test_messages_are_one_text_or_one_conversation_a_request() -> None:
    wanted = {"messages": [{"role": "user", "content": "good"}]}
    assert value(TEXTS, "messages", rows=slice(0, 1)) == wanted
    talk = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "good"}]
    assert value(pd.Series([talk]), "messages") == {"messages": talk}
    assert json.loads(codecs.find("application/json", template="messages").encode("good")) == wanted
    with pytest.raises(CodecError, match="one column"):
        written(PEOPLE, "messages")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_finished_body_is_not_wrapped_again(preset: str) -> None:
    codec = codecs.find("application/json", template=preset)
    name = "messages" if preset == "messages" else next(iter(PRESETS[preset][0]))
    body = {name: "anything", "parameters": {"top_k": 1}}
    assert json.loads(codec.encode(body)) == body
    assert codec.encode(b"raw") == b"raw"


@pytest.mark.parametrize("content_type", ["application/json", "application/jsonlines"])
@pytest.mark.parametrize("preset", [preset for preset in PRESETS if preset != "messages"])
def test_numbers_alone_are_written_like_numbers_beside_text(preset: str, content_type: str) -> None:
    """The fast way through a matrix and the way cell by cell give the same."""
    numbers = pd.DataFrame({"a": [1.5, float("nan"), 0.0], "b": [2.0, -0.0, 0.25]})
    assert written(numbers, preset, content_type) == written(numbers.astype(object), preset, content_type)


def test_no_rows_are_an_empty_list_in_the_same_body() -> None:
    assert value(PEOPLE[:0], "dataframe_split") == {"dataframe_split": {"columns": ["age", "plan"], "data": []}}
    assert written(np.empty((0, 2)), "instances") == '{"instances":[]}'


def test_rows_given_one_by_one_are_a_table() -> None:
    codec = codecs.find("application/json", template="features")
    assert json.loads(codec.encode([[1, 2]])) == {"instances": [{"features": [1, 2]}]}
    assert json.loads(codec.encode({"a": 1, "b": 2})) == {"instances": [{"features": [1, 2]}]}


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("instance", "Did you mean instances"),
        ('{"a": $recrods}', r"unknown placeholder \$recrods.*Did you mean \$records"),
        ('{"a": $records', "neither a preset nor JSON"),
        ('{"a": 1}', "nowhere where the rows go"),
        ({"content_template": '{"a": 1}', "record_template": "$features"}, "nowhere where the rows go"),
    ],
)
def test_a_template_that_is_none_says_what_to_write(template: Any, told: str) -> None:
    with pytest.raises(CodecError, match=told):
        codecs.find("application/json", template=template)


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ('{"a": "${size}"}', "column 'size'.*age, plan"),
        ({"a": "$records", "b": "$records"}, "once"),
        ({"a": "$records", "b": "$features"}, "once"),
    ],
)
def test_a_template_that_does_not_fit_the_table_is_refused_before_anything_is_written(template: Any, told: str) -> None:
    codec = codecs.find("application/json", template=template)
    with pytest.raises(CodecError, match=told):
        codec.writer(Table.of(PEOPLE))


def test_names_are_needed_where_the_template_asks_for_them() -> None:
    with pytest.raises(CodecError, match="needs column names"):
        written(np.ones((1, 2)), "dataframe_records")
    assert value(np.ones((1, 2)), "dataframe_split")["dataframe_split"]["columns"] == [0, 1]


def test_a_template_is_refused_where_there_is_no_json() -> None:
    with pytest.raises(CodecError, match=r"template makes JSON, and text/csv is not"):
        codecs.find("text/csv", template="instances")


# -- in a run ---------------------------------------------------------------------------------------------------------


def test_a_table_goes_row_by_row_where_a_request_has_room_for_one(runtime: LocalRuntime) -> None:
    chat = runtime.deploy(
        "chat", lambda body: {"choices": [{"message": {"content": body["messages"][0]["content"][::-1]}}]}
    )
    answers = chat.replace(template="messages").predict(pd.Series(["abc", "def"], index=["x", "x"]))
    assert answers.tolist() == ["cba", "fed"]
    assert list(answers.index) == ["x", "x"]
    echo = runtime.deploy("echo", lambda text: text.upper())
    assert echo.replace(content_type="text/plain", accept="text/plain").predict(pd.Series(["a", "b"])).tolist() == [
        "A",
        "B",
    ]


# -- columns of one name ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [["a", "a"], [1, "1"]])
@pytest.mark.parametrize(
    "template", ["dataframe_records", '{"content_template": "$records", "record_template": "${K}"}']
)
def test_two_columns_of_one_name_never_become_one_of_a_record(
    runtime: LocalRuntime, names: list[Any], template: str
) -> None:
    endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1))
    table = pd.DataFrame([[1, 2]], columns=names)
    with pytest.raises(CodecError, match=f"column '{names[1]}': two columns have this name"):
        endpoint.predict(table, template=template.replace("${K}", f"${{{names[1]}}}"))
    assert not runtime.requests


def test_two_columns_of_one_name_are_carried_where_a_row_is_a_list() -> None:
    table = pd.DataFrame([[1, "x"]], columns=["a", "a"])
    assert value(table, "dataframe_split") == {"dataframe_split": {"columns": ["a", "a"], "data": [[1, "x"]]}}


@pytest.mark.parametrize("template", ["dataframe_records", "dataframe_split"])
def test_a_name_that_is_not_unicode_is_told(template: str) -> None:
    table = pd.DataFrame([[1, 2]], columns=pd.Index(["\ud83d", "b"], dtype=object))
    with pytest.raises(CodecError, match="half of a surrogate pair") as caught:
        written(table, template)
    assert caught.value.column == "\ud83d"
