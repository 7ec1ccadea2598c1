"""A table whose rows name their models, and one whose answers come with explanations."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from smrt_jupyter import Endpoint, LocalRuntime, Policy, errors, explanations
from smrt_jupyter.local.invocation import ContainerError


def times(factor: float):
    return lambda frame: factor * frame.sum(axis=1)


@pytest.fixture
def models(runtime: LocalRuntime) -> Endpoint:
    return runtime.deploy("models", models={"de.tar.gz": times(10), "fr.tar.gz": times(100), "it.tar.gz": times(1000)})


FACTORS = {"de.tar.gz": 10.0, "fr.tar.gz": 100.0, "it.tar.gz": 1000.0}


@pytest.fixture
def table() -> pd.DataFrame:
    chance = np.random.default_rng(1)
    return pd.DataFrame(
        {"a": np.arange(200.0), "model": chance.choice(list(FACTORS), 200), "b": chance.normal(size=200)},
        index=[f"r{number}" for number in range(200)],
    )


def expected(table: pd.DataFrame) -> np.ndarray:
    return ((table["a"] + table["b"]) * table["model"].map(FACTORS)).to_numpy()


@pytest.mark.parametrize("chunk_rows", [None, 7])
def test_rows_go_to_the_model_that_they_name_and_answers_come_back_in_order(runtime, models, table, chunk_rows):
    found = models.replace(policy=Policy(chunk_rows=chunk_rows)).predict(table, target_model_column="model")
    np.testing.assert_allclose(found, expected(table))
    assert found.index.equals(table.index)
    assert runtime.rows_executed("models") == 200
    assert {each.members["TargetModel"] for each in runtime.requests} == set(FACTORS)


@pytest.mark.parametrize("library", [pl.from_pandas, pa.Table.from_pandas, lambda table: table.to_dict("records")])
def test_tables_of_other_libraries_are_grouped_too(models, table, library):
    found = models.predict(library(table.reset_index(drop=True)), target_model_column="model")
    np.testing.assert_allclose(np.asarray(found, dtype=float), expected(table))


def test_the_column_may_hold_categories(models, table):
    found = models.predict(table.astype({"model": "category"}), target_model_column="model")
    np.testing.assert_allclose(found, expected(table))


def test_the_column_may_be_a_position_of_nothing_but_names(models, table):
    with pytest.raises(errors.CodecError, match="modell"):
        models.predict(table, target_model_column="modell")


def test_a_cell_that_names_no_model_is_an_error_before_anything_is_sent(runtime, models, table):
    table.loc["r3", "model"] = None
    with pytest.raises(errors.CodecError, match="column 'model': row 3 names no model"):
        models.predict(table, target_model_column="model")
    assert not runtime.requests


def test_an_empty_table_sends_nothing(runtime, models, table):
    assert len(models.predict(table[:0], target_model_column="model")) == 0
    assert not runtime.requests


def test_rows_that_fail_are_named_where_they_are_in_the_table(runtime, table):
    def broken(frame: pd.DataFrame) -> None:
        raise ContainerError(400, "the French model is broken")

    endpoint = runtime.deploy("models", models={"de.tar.gz": times(10), "fr.tar.gz": broken, "it.tar.gz": times(1000)})
    with pytest.raises(errors.PartialResultError, match="the French model is broken") as caught:
        endpoint.predict(table, target_model_column="model")
    french = np.flatnonzero(table["model"] == "fr.tar.gz")
    assert list(caught.value.failed_rows) == french.tolist()
    assert list(caught.value.errors[0].rows) == french.tolist()
    assert list(caught.value.report.failed_rows) == french.tolist()
    partial = caught.value.partial
    assert partial.index.equals(table.index)
    assert np.isnan(partial.to_numpy()[french]).all()
    others = np.flatnonzero(table["model"] != "fr.tar.gz")
    np.testing.assert_allclose(partial.to_numpy()[others], expected(table)[others])


def test_a_journal_resumes_a_grouped_run(runtime, models, table, tmp_path):
    journal = tmp_path / "run.sqlite"
    endpoint = models.replace(policy=Policy(chunk_rows=10))
    first = endpoint.predict(table, target_model_column="model", journal=journal)
    before = runtime.rows_executed("models")
    again = endpoint.predict(table, target_model_column="model", journal=journal)
    assert runtime.rows_executed("models") == before
    pd.testing.assert_series_equal(first, again)


def test_several_answers_a_row_come_back_in_order(runtime, table):
    def both(frame: pd.DataFrame) -> np.ndarray:
        return np.column_stack([frame.sum(axis=1) - 1, frame.sum(axis=1) + 1])

    endpoint = runtime.deploy("models", models=dict.fromkeys(FACTORS, both))
    found = endpoint.predict(table, target_model_column="model")
    np.testing.assert_allclose(found[0] + 1, table["a"] + table["b"])
    np.testing.assert_allclose(found[1] - 1, table["a"] + table["b"])
    assert found.index.equals(table.index)


# -- explanations ----------------------------------------------------------------------------------------------------


def importance(frame: pd.DataFrame) -> np.ndarray:
    return frame.to_numpy(dtype=float) / 10


@pytest.fixture
def explained(runtime: LocalRuntime) -> Endpoint:
    endpoint = runtime.deploy("explained", lambda frame: frame.sum(axis=1), explainer=importance)
    return endpoint.replace(content_type="text/csv", accept="text/csv")


def test_a_clarify_reply_is_predictions_and_a_table_of_attributions(explained):
    reply = explained.invoke([[1.0, 2.0], [3.0, 4.0]], enable_explanations="`true`")
    told = reply.explanations
    assert np.asarray(told.predictions, dtype=float).ravel().tolist() == [3.0, 7.0]
    assert told.content_type.startswith("text/csv")
    assert told.attributions.to_numpy().tolist() == [[0.1, 0.2], [0.3, 0.4]]
    assert reply.value["version"] == "1.0"


def test_records_that_are_not_explained_are_rows_of_nothing(explained):
    told = explained.invoke([[1.0, 2.0], [3.0, 4.0]], enable_explanations="[0]>`5`").explanations
    assert told.attributions.isna().all(axis=1).tolist() == [True, False]


def test_nothing_explained_is_an_empty_table(explained):
    told = explained.invoke([[1.0, 2.0]], enable_explanations="`false`").explanations
    assert told.attributions.empty
    assert np.asarray(told.predictions, dtype=float).ravel().tolist() == [3.0]


def test_an_ordinary_reply_has_no_explanations(models):
    assert models.invoke([[1.0]], target_model="de.tar.gz").explanations is None


def test_a_table_is_scored_by_an_endpoint_that_explains(explained):
    table = pd.DataFrame({"a": [1.0, 3.0], "b": [2.0, 4.0]}, index=["x", "y"])
    found = explained.replace(enable_explanations="`true`").predict(table)
    assert found.tolist() == [3.0, 7.0]
    assert found.index.tolist() == ["x", "y"]


def test_the_documented_reply_is_read():
    """From the developer guide: clarify-online-explainability-examples."""
    said = json.loads(
        '{"version": "1.0","predictions": {"content_type": "text/csv; charset=utf-8","data": "0.6380207487381995"},'
        '"explanations": {}}'
    )
    told = explanations.read(said)
    assert np.asarray(told.predictions, dtype=float).ravel().tolist() == [0.6380207487381995]
    assert told.attributions.empty


def test_classes_and_the_parts_of_a_text_are_told_apart():
    def part(start: int, text: str, *values: float) -> dict:
        return {"attribution": list(values), "description": {"partial_text": text, "start_idx": start}}

    told = explanations.read(
        {
            "version": "1.0",
            "predictions": {"content_type": "application/jsonlines", "data": '{"label": "good"}\n'},
            "label_headers": ["bad", "good"],
            "explanations": {
                "kernel_shap": [
                    [
                        {"feature_header": "age", "attributions": [{"attribution": [0.25, -0.25]}]},
                        {
                            "feature_header": "review",
                            "attributions": [part(0, "fine", 0.5, 1.5), part(5, "too", 0.25, 0.5)],
                        },
                    ],
                    None,
                ]
            },
        }
    )
    table = told.attributions
    assert table.columns.tolist() == [("age", "bad"), ("age", "good"), ("review", "bad"), ("review", "good")]
    assert table.iloc[0].tolist() == [0.25, -0.25, 0.75, 2.0]
    assert table.iloc[1].isna().all()
    assert told.parts[["row", "feature", "class", "start", "text", "attribution"]].to_numpy().tolist() == [
        [0, "review", "bad", 0, "fine", 0.5],
        [0, "review", "good", 0, "fine", 1.5],
        [0, "review", "bad", 5, "too", 0.25],
        [0, "review", "good", 5, "too", 0.5],
    ]


@pytest.mark.parametrize("value", [None, [], {}, {"version": "1.0"}, {"predictions": [1]}, "text", b"bytes"])
def test_what_is_no_clarify_reply_is_left_alone(value):
    assert explanations.read(value) is None
