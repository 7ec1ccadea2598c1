# ruff: noqa: E501 - a reply stands as it came
from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from taken_apart import plain

from smrt_jupyter import Endpoint, codecs
from smrt_jupyter.answers import at_path, per_row
from smrt_jupyter.errors import AnswerError

JSON = "application/json"


def decoded(body: str, content_type: str) -> Any:
    codec = codecs.find_reader(content_type)
    assert codec is not None
    return codec.decode(body.encode())


# What each container answers, how many rows it was asked for, and what that means.
REPLIES: list[tuple[str, str, str, int, Any]] = [
    ("XGBoost", "text/csv; charset=utf-8", "0.1\n0.2\n0.3\n", 3, ("f", [0.1, 0.2, 0.3])),
    ("XGBoost up to 1.2", "text/csv; charset=utf-8", "0.1,0.2,0.3", 3, ("f", [0.1, 0.2, 0.3])),
    ("XGBoost, one row", "text/csv", "0.025", 1, ("f", [0.025])),
    ("XGBoost, classes", "text/csv", "0.1,0.9\n0.8,0.2\n", 2, ("f", [[0.1, 0.9], [0.8, 0.2]])),
    ("XGBoost up to 1.2, classes", "text/csv", "[0.1, 0.9],[0.8, 0.2]", 2, ("f", [[0.1, 0.9], [0.8, 0.2]])),
    ("XGBoost, one row of classes", "text/csv", "0.1,0.9\n", 1, ("f", [[0.1, 0.9]])),
    (
        "XGBoost, selectable output as CSV",
        "text/csv",
        '1,"[0.4, 0.6]"\n0,"[0.9, 0.1]"\n',
        2,
        {"0": ("i", [1, 0]), "1": ("f", [[0.4, 0.6], [0.9, 0.1]])},
    ),
    (
        "XGBoost, selectable output as JSON",
        JSON,
        '{"predictions": [{"predicted_label": 1, "raw_score": NaN}, {"predicted_label": 0, "raw_score": 0.5}]}',
        2,
        {"predicted_label": ("i", [1, 0]), "raw_score": ("f", [float("nan"), 0.5])},
    ),
    ("XGBoost as JSON", JSON, '{"predictions": [{"score": 0.1}, {"score": 0.2}]}', 2, ("f", [0.1, 0.2])),
    (
        "linear learner",
        JSON,
        '{"predictions": [{"score": 0.4, "predicted_label": 0}, {"score": 0.6, "predicted_label": 1}]}',
        2,
        {"score": ("f", [0.4, 0.6]), "predicted_label": ("i", [0, 1])},
    ),
    (
        "linear learner, classes, one row",
        JSON,
        '{"predictions": [{"score": [0.25, 0.75], "predicted_label": 1}]}',
        1,
        {"score": ("f", [[0.25, 0.75]]), "predicted_label": ("i", [1])},
    ),
    (
        "k-means",
        JSON,
        '{"predictions": [{"closest_cluster": 5, "distance_to_cluster": 36.5}]}',
        1,
        {"closest_cluster": ("i", [5]), "distance_to_cluster": ("f", [36.5])},
    ),
    ("k-means as CSV", "text/csv", "5,36.5\n2,90.25\n", 2, ("f", [[5.0, 36.5], [2.0, 90.25]])),
    (
        "k-NN, verbose",
        "application/json; verbose=true",
        '{"predictions": [{"predicted_label": 0.0, "distances": [3.5, 3.75], "labels": [0.0, 1.0]}]}',
        1,
        {"predicted_label": ("f", [0.0]), "distances": ("f", [[3.5, 3.75]]), "labels": ("f", [[0.0, 1.0]])},
    ),
    ("random cut forest", JSON, '{"scores": [{"score": 0.25}, {"score": 0.5}]}', 2, ("f", [0.25, 0.5])),
    (
        "PCA",
        JSON,
        '{"projections": [{"projection": [1.0, 2.0]}, {"projection": [6.0, 7.0]}]}',
        2,
        ("f", [[1.0, 2.0], [6.0, 7.0]]),
    ),
    (
        "NTM",
        JSON,
        '{"predictions": [{"topic_weights": [0.5, 0.5]}, {"topic_weights": [0.25, 0.75]}]}',
        2,
        ("f", [[0.5, 0.5], [0.25, 0.75]]),
    ),
    (
        "object2vec",
        JSON,
        '{"predictions": [{"embeddings": [1.5, 2.5]}, {"embeddings": [3.5, 4.5]}]}',
        2,
        ("f", [[1.5, 2.5], [3.5, 4.5]]),
    ),
    (
        "DeepAR",
        JSON,
        '{"predictions": [{"quantiles": {"0.5": [1.0]}, "mean": [1.5, 2.5]}, {"quantiles": {"0.5": [2.0]}, "mean": [3.5, 4.5]}]}',
        2,
        {"quantiles": [{"0.5": [1.0]}, {"0.5": [2.0]}], "mean": ("f", [[1.5, 2.5], [3.5, 4.5]])},
    ),
    (
        "object detection",
        JSON,
        '{"prediction": [[4.0, 0.75, 0, 0, 1, 1], [0.0, 0.5, 0, 0, 1, 1]]}',
        1,
        [[[4.0, 0.75, 0, 0, 1, 1], [0.0, 0.5, 0, 0, 1, 1]]],
    ),
    ("object detection, one box", JSON, '{"prediction": [[4.0, 0.75, 0, 0, 1, 1]]}', 1, [[[4.0, 0.75, 0, 0, 1, 1]]]),
    ("object detection, nothing", JSON, '{"prediction": []}', 1, [[]]),
    (
        "one row of a `prediction` of six classes",
        JSON,
        '{"prediction": [[0.5, 0.5, 0.0, 0.0, 0.0, 0.0]]}',
        1,
        ("f", [[0.5, 0.5, 0.0, 0.0, 0.0, 0.0]]),
    ),
    (
        "Hugging Face, zero-shot, one row",
        JSON,
        '{"sequence": "x", "labels": ["a", "b"], "scores": [0.75, 0.25]}',
        1,
        {"sequence": ["x"], "labels": [["a", "b"]], "scores": ("f", [[0.75, 0.25]])},
    ),
    (
        "a label with the scores of all classes, one row",
        JSON,
        '{"predicted_label": "b", "scores": [0.25, 0.75]}',
        1,
        {"predicted_label": ["b"], "scores": ("f", [[0.25, 0.75]])},
    ),
    (
        "a field that is null in all rows",
        JSON,
        '[{"label": "a", "probability": null}, {"label": "b", "probability": null}]',
        2,
        {"label": ["a", "b"], "probability": [None, None]},
    ),
    (
        "Hugging Face, the best two labels",
        JSON,
        '[[{"label": "a", "score": 0.75}, {"label": "b", "score": 0.25}], [{"label": "a", "score": 0.5}, {"label": "c", "score": 0.25}]]',
        2,
        {"a": ("f", [0.75, 0.5]), "b": ("f", [0.25, float("nan")]), "c": ("f", [float("nan"), 0.25])},
    ),
    ("image classification: one picture", JSON, "[0.25, 0.5, 0.25]", 1, ("f", [[0.25, 0.5, 0.25]])),
    ("seq2seq", "application/jsonlines", '{"target": "eins"}\n{"target": "zwei"}', 2, ["eins", "zwei"]),
    (
        "JSON Lines of two fields",
        "application/jsonlines",
        '{"distance": 23.5, "cluster": 0.0}\n{"distance": 27.25, "cluster": 1.0}',
        2,
        {"distance": ("f", [23.5, 27.25]), "cluster": ("f", [0.0, 1.0])},
    ),
    (
        "JSON Lines, all rows on one line",
        "application/jsonlines",
        '{"predictions": [[1.5], [2.5]]}\n',
        2,
        ("f", [1.5, 2.5]),
    ),
    ("JSON Lines of numbers", "application/jsonlines", "1\n2\n", 2, ("i", [1, 2])),
    ("TensorFlow Serving", JSON, '{"predictions": [[3.5, 4.0], [5.5, 6.0]]}', 2, ("f", [[3.5, 4.0], [5.5, 6.0]])),
    ("TensorFlow Serving, one value", JSON, '{"predictions": [3.5, 4.0, 5.5]}', 3, ("f", [3.5, 4.0, 5.5])),
    ("TensorFlow Serving, lists of one", JSON, '{"predictions": [[3.5], [4.0]]}', 2, ("f", [3.5, 4.0])),
    ("TensorFlow Serving, regress", JSON, '{"results": [3.5, 4.0]}', 2, ("f", [3.5, 4.0])),
    (
        "TensorFlow Serving, by columns",
        JSON,
        '{"outputs": {"classes": ["a", "b"], "scores": [[0.25, 0.75], [0.5, 0.5]]}}',
        2,
        {"classes": ["a", "b"], "scores": ("f", [[0.25, 0.75], [0.5, 0.5]])},
    ),
    (
        "Hugging Face, the best label",
        JSON,
        '[{"label": "POSITIVE", "score": 0.75}, {"label": "NEGATIVE", "score": 0.5}]',
        2,
        {"label": ["POSITIVE", "NEGATIVE"], "score": ("f", [0.75, 0.5])},
    ),
    (
        "Hugging Face, all labels",
        JSON,
        '[[{"label": "b", "score": 0.75}, {"label": "a", "score": 0.25}], [{"label": "a", "score": 0.5}, {"label": "b", "score": 0.5}]]',
        2,
        {"a": ("f", [0.25, 0.5]), "b": ("f", [0.75, 0.5])},
    ),
    (
        "Hugging Face, all labels of one row",
        JSON,
        '[{"label": "b", "score": 0.75}, {"label": "a", "score": 0.25}]',
        1,
        {"a": ("f", [0.25]), "b": ("f", [0.75])},
    ),
    ("Hugging Face, generation", JSON, '[{"generated_text": "one"}, {"generated_text": "two"}]', 2, ["one", "two"]),
    (
        "Hugging Face, batched generation",
        JSON,
        '[[{"generated_text": "one"}], [{"generated_text": "two"}]]',
        2,
        ["one", "two"],
    ),
    ("TGI, one row", JSON, '{"generated_text": "one"}', 1, ["one"]),
    ("DJL", JSON, '{"outputs": ["one", "two"]}', 2, ["one", "two"]),
    ("TEI, embeddings", JSON, "[[0.25, 0.5], [0.75, 1.0]]", 2, ("f", [[0.25, 0.5], [0.75, 1.0]])),
    (
        "TEI, rerank",
        JSON,
        '[{"index": 1, "score": 0.75, "text": null}, {"index": 0, "score": 0.5, "text": null}]',
        2,
        ("f", [0.5, 0.75]),
    ),
    (
        "a reranker, other scores",
        JSON,
        '{"rankings": [{"index": 1, "logit": 5.0}, {"index": 0, "logit": -3.0}]}',
        2,
        ("f", [-3.0, 5.0]),
    ),
    ("text, blank answers first and last", "text/plain", "\nno\n\n", 3, ["", "no", ""]),
    (
        "OpenAI's embeddings",
        JSON,
        '{"object": "list", "data": [{"object": "embedding", "index": 1, "embedding": [0.5]}, {"object": "embedding", "index": 0, "embedding": [0.25]}]}',
        2,
        ("f", [0.25, 0.5]),
    ),
    (
        "OpenAI's chat",
        JSON,
        '{"choices": [{"message": {"role": "assistant", "content": "Rayleigh."}}]}',
        1,
        ["Rayleigh."],
    ),
    ("OpenAI's completion", JSON, '{"choices": [{"text": "Rayleigh."}]}', 1, ["Rayleigh."]),
    (
        "LightGBM, AutoGluon",
        JSON,
        '{"probabilities": [[0.25, 0.75], [0.5, 0.5]]}',
        2,
        ("f", [[0.25, 0.75], [0.5, 0.5]]),
    ),
    (
        "AutoGluon, verbose",
        "application/json;verbose",
        '{"probabilities": [[0.25, 0.75], [0.75, 0.25]], "labels": ["a", "b"], "predicted_label": ["b", "a"]}',
        2,
        {"probabilities": ("f", [[0.25, 0.75], [0.75, 0.25]]), "predicted_label": ["b", "a"]},
    ),
    ("MLflow", JSON, '{"predictions": [1, 0, 1]}', 3, ("i", [1, 0, 1])),
    (
        "MLflow, a frame",
        JSON,
        '{"predictions": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]}',
        2,
        {"a": ("i", [1, 2]), "b": ["x", "y"]},
    ),
    (
        "Triton",
        JSON,
        '{"model_name": "m", "outputs": [{"name": "OUT", "shape": [2, 2], "datatype": "FP32", "data": [1.5, 2.5, 3.5, 4.5]}]}',
        2,
        ("f", [[1.5, 2.5], [3.5, 4.5]]),
    ),
    (
        "Triton, two outputs",
        JSON,
        '{"outputs": [{"name": "A", "shape": [2, 1], "datatype": "FP32", "data": [1.5, 2.5]}, {"name": "B", "shape": [2], "datatype": "BYTES", "data": ["x", "y"]}]}',
        2,
        {"A": ("f", [1.5, 2.5]), "B": ["x", "y"]},
    ),
    (
        "Clarify",
        JSON,
        '{"version": "1.0", "predictions": {"content_type": "text/csv; charset=utf-8", "data": "0.25\\n0.5\\n"}, "explanations": {}}',
        2,
        ("f", [0.25, 0.5]),
    ),
    (
        "Clarify around JSON",
        JSON,
        '{"version": "1.0", "predictions": {"content_type": "application/json", "data": {"predictions": [{"score": 0.5}]}}, "explanations": {}}',
        1,
        ("f", [0.5]),
    ),
    ("labels as text", "text/csv", "cat\ndog\n", 2, ["cat", "dog"]),
    ("labels on one line", "text/csv", "cat,dog,cat", 3, ["cat", "dog", "cat"]),
    ("truth", JSON, "[true, false]", 2, ("b", [True, False])),
    ("long integers", JSON, "[9007199254740993, 1]", 2, ("i", [9007199254740993, 1])),
    ("a missing number", JSON, "[1.5, null]", 2, ("f", [1.5, float("nan")])),
    ("a missing text", JSON, '["a", null]', 2, ["a", None]),
    ("plain text, numbers", "text/plain", "0.5\n1.5\n", 2, ("f", [0.5, 1.5])),
    ("plain text, one row", "text/plain", "two\nlines", 1, ["two\nlines"]),
    ("plain text, a number", "text/plain", " 42\n", 1, ("i", [42])),
    ("plain text, a numeral", "text/plain", "007", 1, ["007"]),
    ("plain text, Python's number", "text/plain", "1_000", 1, ["1_000"]),
    ("plain text, a word", "text/plain", "infinity", 1, ["infinity"]),
    ("plain text, numerals", "text/plain", "007\n1_000\n", 2, ["007", "1_000"]),
    ("plain text, numbers and text", "text/plain", "42\nforty two", 2, ["42", "forty two"]),
    ("half an emoji", JSON, '["a", "\\ud83d"]', 2, ["a", "\ufffd"]),
    ("one number for one row", JSON, "0.5", 1, ("f", [0.5])),
    (
        "one object for one row",
        JSON,
        '{"summary": "short", "length": 5}',
        1,
        {"summary": ["short"], "length": ("i", [5])},
    ),
]


@pytest.mark.parametrize(
    ("content_type", "body", "rows", "wanted"), [pytest.param(*reply[1:], id=reply[0]) for reply in REPLIES]
)
def test_replies_of_the_known_containers(content_type: str, body: str, rows: int, wanted: Any) -> None:
    found = per_row(decoded(body, content_type), rows)
    if wanted is None:  # one answer, whatever is in it
        assert len(found) == 1
        return
    assert repr(plain(found)) == repr(wanted)


def every_value() -> list[Any]:
    return [
        np.array([0.5, 1.5]),
        np.array([[0.5], [1.5]]),
        pd.Series([0.5, 1.5]),
        pd.DataFrame({"score": [0.5, 1.5]}),
        pl.DataFrame({"score": [0.5, 1.5]}),
        pa.table({"score": [0.5, 1.5]}),
        sp.csr_matrix([[0.5], [1.5]]),
        {"OUTPUT__0": np.array([[0.5], [1.5]])},
        (0.5, 1.5),
    ]


@pytest.mark.parametrize("value", every_value(), ids=lambda value: type(value).__name__)
def test_whatever_a_codec_gives_is_understood(value: Any) -> None:
    assert plain(per_row(value, 2)) == ("f", [0.5, 1.5])


def test_a_table_of_several_columns_has_named_answers() -> None:
    frame = pd.DataFrame({"label": ["a", None], "score": [1, 2]})
    for table in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        assert plain(per_row(table, 2)) == {"label": ["a", None], "score": ("i", [1, 2])}


# -- what is no answer ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "rows", "told"),
    [
        ('{"predictions": [0.1, 0.2]}', 3, r"3 rows were sent.*2 in predictions"),
        ('{"predictions": [0.1, 0.2]}', 1, r"1 rows were sent.*2 in predictions"),
        ("[0.1, 0.2, 0.3]", 2, "a list of 3"),
        ('["a", "b"]', 1, "a list of 2"),
        ('{"scores": [0.1, 0.2], "model": "m"}', 1, "2 in scores"),
        ("[[0.1, 0.2], [0.3, 0.4]]", 3, "a list of 2"),
        ("[]", 2, "a list of 0"),
        ('{"predictions": []}', 1, "0 in predictions"),
        ("0.5", 2, "one float"),
        ("null", 1, "one NoneType"),
        ('{"error": "out of memory"}', 1, "an object with an error: 'out of memory'"),
        ('{"a": [1, 2], "b": [1]}', 2, r"2 in a, 1 in b"),
        ('{"outputs": [{"name": "A", "shape": [3], "data": [1, 2]}]}', 2, "an object with outputs"),
    ],
)
def test_any_other_number_of_answers_is_an_error_that_names_the_rows(body: str, rows: int, told: str) -> None:
    with pytest.raises(AnswerError, match=told) as caught:
        per_row(json.loads(body), rows)
    assert list(caught.value.rows or ()) == list(range(rows))


def test_a_short_csv_is_an_error() -> None:
    with pytest.raises(AnswerError, match=r"3 rows were sent and an array of shape \(2, 1\)"):
        per_row(decoded("0.1\n0.2\n", "text/csv"), 3)
    with pytest.raises(AnswerError, match="a table of 2 rows"):
        per_row(decoded("a,b\nc,d\n", "text/csv"), 3)
    with pytest.raises(AnswerError, match="bytes of an unknown content type"):
        per_row(b"\x00\x01", 2)


def test_a_path_to_nothing_is_not_an_empty_answer() -> None:
    with pytest.raises(AnswerError, match="1 rows were sent"):
        per_row({"predictions": [{"score": 1}]}, 1, "predictions[].scores[]")


@pytest.mark.parametrize("opening", ["[", '{"predictions":'])
def test_a_reply_nested_too_deep_is_an_error(opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    with pytest.raises(AnswerError, match="nested too deep"):
        per_row(decoded(opening * 900 + "[1]" + closing * 900, JSON), 2)


def test_a_sparse_reply_that_claims_a_huge_width_stays_sparse() -> None:
    reply = decoded("0 1:1 100000000000:1\n", "text/libsvm")
    for look in (lambda: per_row(reply, 1), lambda: at_path(reply, "[0]")):
        with pytest.raises(AnswerError, match="1 x 100,000,000,000 would become 800,000,000,000 bytes"):
            look()


def test_values_of_a_reply_are_not_told_in_an_error() -> None:
    with pytest.raises(AnswerError) as caught:
        per_row({"predictions": ["secret"]}, 2)
    assert "secret" not in str(caught.value)


# -- paths ------------------------------------------------------------------------------------------------------------


def test_a_path_points_at_the_answers() -> None:
    reply = {"result": {"items": [{"p": 0.5, "q": "a"}, {"p": 1.5, "q": "b"}]}}
    assert plain(per_row(reply, 2, "result.items[].p")) == ("f", [0.5, 1.5])
    assert plain(per_row(reply, 2, "result.items[].{label: q}")) == ["a", "b"]
    assert plain(per_row(np.array([[0.5, 9.0], [1.5, 9.0]]), 2, "[*][0]")) == ("f", [0.5, 1.5])
    assert plain(per_row(pd.DataFrame({"a": [1, 2], "b": [3, 4]}), 2, "[].b")) == ("i", [3, 4])
    assert at_path({"OUT": np.array([1, 2])}, "OUT[1]") == 2


def test_a_path_into_a_table_finds_every_cell() -> None:
    assert at_path(decoded("a,inf\nb,-inf\n,1\n", "text/csv"), '[*]."1"') == [float("inf"), float("-inf"), 1]
    frame = pd.DataFrame(
        {"t": ["a", None], "n": [np.nan, 2], "d": pd.to_datetime(["2024-01-02", None]), "l": [[1], None]}
    )
    assert at_path(frame, "[0].[t, n, l]") == ["a", None, [1]]
    assert at_path(frame, "[1].[t, n, l, d]") == [None, 2, None, None]
    assert at_path(frame, "[0].d") == json.loads(codecs.find(JSON).encode(frame))[0][2]


@pytest.mark.parametrize(
    ("path", "told"), [("a[", "is not JMESPath"), ("nothing", "leads nowhere"), ("abs(a)", "does not fit")]
)
def test_a_path_that_does_not_lead_to_answers_says_so(path: str, told: str) -> None:
    with pytest.raises(AnswerError, match=told):
        at_path({"a": "text"}, path)


def test_a_path_that_is_no_jmespath_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(AnswerError, match="is not JMESPath"):
        Endpoint("any", path="predictions[")
