"""SageMaker Clarify's explanations, where they differ from the documented ones; test_routing.py has those."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from smrt_jupyter import explanations
from smrt_jupyter.errors import AnswerError


def told(*records: Any, **more: Any) -> explanations.Explanations:
    found = explanations.read(
        {
            "version": "1.0",
            "predictions": {"content_type": "text/csv", "data": "0.5"},
            "explanations": {"kernel_shap": list(records)},
            **more,
        }
    )
    assert found is not None
    return found


def feature(name: str, *attributions: Any) -> dict[str, Any]:
    return {"feature_header": name, "attributions": [{"attribution": each} for each in attributions]}


@pytest.mark.parametrize(
    "age",
    [
        {"feature_header": "age"},
        {"feature_header": "age", "attributions": None},
        {"feature_header": "age", "attributions": [{}]},
        feature("age", None),
        feature("age", [None]),
    ],
)
def test_a_feature_without_values_is_a_column_of_missing_ones(age: dict[str, Any]) -> None:
    table = told([age, feature("plan", [0.25])]).attributions
    assert table.columns.tolist() == ["age", "plan"]
    np.testing.assert_array_equal(table.to_numpy(), [[np.nan, 0.25]])


def test_what_one_record_lacks_of_a_feature_is_missing_there_and_keeps_its_place() -> None:
    without = [{"feature_header": "age", "attributions": None}, feature("plan", [1, None])]
    table = told(without, [feature("age", [3, 4]), feature("plan", [5, 6])], label_headers=["no", "yes"]).attributions
    assert table.columns.tolist() == [("age", "no"), ("age", "yes"), ("plan", "no"), ("plan", "yes")]
    np.testing.assert_array_equal(table.to_numpy(), [[np.nan, np.nan, 1, np.nan], [3, 4, 5, 6]])


def test_one_value_need_not_be_in_a_list() -> None:
    assert told([feature("age", 0.5)]).attributions.to_dict("list") == {"age": [0.5]}


def test_two_features_of_one_name_are_two_columns() -> None:
    table = told([feature("age", [0.5]), feature("age", [0.75])], [feature("age", [1])]).attributions
    assert table.columns.tolist() == ["age", "age"]
    np.testing.assert_array_equal(table.to_numpy(), [[0.5, 0.75], [1, np.nan]])


def test_a_part_need_not_say_where_it_starts() -> None:
    part = {"attribution": 0.5, "description": {"partial_text": "fine"}}
    parts = told([{"feature_header": "review", "attributions": [part]}]).parts
    assert parts[["feature", "text", "attribution"]].to_numpy().tolist() == [["review", "fine", 0.5]]


@pytest.mark.parametrize("record", [5, [5], ["x"], [feature("age", ["x"])], [feature("age", {"a": 1})]])
def test_what_is_not_of_clarifys_shape_says_so(record: Any) -> None:
    for table in ("attributions", "parts"):
        with pytest.raises(AnswerError, match="Clarify's explanation of row 1 is not of its documented shape"):
            getattr(told(None, record), table)
