"""scikit-learn's own conformance suite over all four estimators, against a real endpoint of the embedded runtime.

`EXPECTED_FAILURES` is empty. What the suite asks of learning, an accuracy after `fit`, the estimators decline with the
tag that scikit-learn has for it, ``poor_score``: `fit` sends nothing. `RemoteClassifier` runs twice: as a classifier of
two classes in front of one fixed model, and, for the checks that want to see three or four, in front of a model that
does learn, trained and deployed by the test.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from smrt_jupyter import LocalRuntime, RemoteClassifier, RemoteEstimator, RemoteRegressor, RemoteTransformer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

EXPECTED_FAILURES: dict[str, str] = {}

served: list[LocalRuntime] = []
ran: list[str] = []


def numbers(rows: pd.DataFrame) -> np.ndarray:
    """Answer rows of any width, each by itself, missing values included."""
    return np.nan_to_num(rows.to_numpy(dtype=float)).sum(axis=1) / 2


def scores(rows: pd.DataFrame) -> np.ndarray:
    return 1 / (1 + np.exp(-numbers(rows)))


def vectors(rows: pd.DataFrame) -> np.ndarray:
    return np.column_stack([numbers(rows), scores(rows), -numbers(rows)])


class TaughtClassifier(RemoteClassifier):
    """A `RemoteClassifier` whose `fit` also trains a model here and puts it behind the endpoint."""

    def fit(self, X: Any, y: Any = None) -> TaughtClassifier:  # noqa: N803 - scikit-learn's name
        super().fit(X, y)
        try:
            rows = X if hasattr(X, "tocsr") else np.asarray(X, dtype=float)
        except (TypeError, ValueError):  # one check only asks whether a dictionary in a cell gets as far as this
            return self
        model = make_pipeline(SimpleImputer(keep_empty_features=True), LogisticRegression()).fit(rows, y)
        served[0].deploy("taught", lambda rows: model.predict_proba(rows.to_numpy(dtype=float)))
        return self


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    with LocalRuntime() as opened:
        opened.deploy("numbers", numbers)
        opened.deploy("scores", scores)
        opened.deploy("vectors", vectors)
        served.append(opened)
        yield opened
        served.clear()


@pytest.fixture(autouse=True)
def found_by_name(clean_aws: Path, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a plain name be enough, as it is in a user's notebook: the environment says where."""
    for name, value in runtime.environ.items():
        monkeypatch.setenv(name, value)


@parametrize_with_checks(
    [
        RemoteEstimator("numbers"),
        RemoteRegressor("numbers"),
        RemoteTransformer("vectors"),
        RemoteClassifier("scores", threshold=0.5),
        TaughtClassifier("taught"),
    ],
    expected_failed_checks=lambda _: EXPECTED_FAILURES,
)
def test_scikit_learns_conformance_suite(estimator: Any, check: Any) -> None:
    check(estimator)
    ran.append(f"{type(estimator).__name__} {estimator_checks._check_name(check)}")


# These fit on names and then transform an array, and the other way round: every estimator warns of that.
@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
@pytest.mark.filterwarnings("ignore:X has feature names, but:UserWarning")
@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_transformer_get_feature_names_out,
        estimator_checks.check_transformer_get_feature_names_out_pandas,
        estimator_checks.check_set_output_transform,
        estimator_checks.check_set_output_transform_pandas,
        estimator_checks.check_set_output_transform_polars,
        estimator_checks.check_global_output_transform_pandas,
        estimator_checks.check_global_set_output_transform_polars,
        estimator_checks.check_inplace_ensure_writeable,
    ],
)
def test_checks_that_scikit_learn_keeps_for_its_own_transformers(check: Any) -> None:
    check("RemoteTransformer", RemoteTransformer("vectors"))


@pytest.mark.parametrize(
    "estimator",
    [
        RemoteEstimator("numbers", reorder=False),
        RemoteRegressor("numbers", reorder=False),
        RemoteTransformer("vectors", reorder=False),
        RemoteClassifier("scores", threshold=0.5, reorder=False),
    ],
)
def test_without_reordering_column_names_are_kept_as_strictly_as_by_scikit_learns_own(estimator: Any) -> None:
    estimator_checks.check_dataframe_column_names_consistency(type(estimator).__name__, estimator)


def test_array_api_inputs_are_taken() -> None:
    """scikit-learn skips that check unless SciPy was told before its first import: so it has a process of its own."""
    script = """
from sklearn.utils.estimator_checks import check_array_api_input
from smrt_jupyter import RemoteClassifier, RemoteEstimator, RemoteRegressor, RemoteTransformer
for estimator in (RemoteEstimator("numbers"), RemoteRegressor("numbers"), RemoteTransformer("vectors"),
                  RemoteClassifier("scores", threshold=0.5)):
    check_array_api_input(type(estimator).__name__, estimator, array_namespace="numpy", expect_only_array_outputs=False)
    print(type(estimator).__name__)
"""
    told = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    expected = ["RemoteEstimator", "RemoteRegressor", "RemoteTransformer", "RemoteClassifier"]
    assert told.stdout.split() == expected, told.stderr


def test_the_suite_has_run(request: pytest.FixtureRequest) -> None:
    """A suite that collects nothing passes too; this counts what ran, for each class."""
    suite = test_scikit_learns_conformance_suite.__name__
    if sum(item.name.startswith(suite) for item in request.session.items) < 200:
        pytest.skip("the suite was not selected whole")
    kinds = ["RemoteEstimator", "RemoteRegressor", "RemoteTransformer", "RemoteClassifier", "TaughtClassifier"]
    counted = {kind: sum(told.startswith(f"{kind} ") for told in ran) for kind in kinds}
    assert all(count >= 35 for count in counted.values()), counted
    must = {"check_estimator_cloneable", "check_estimators_pickle", "check_n_features_in_after_fitting"}
    for kind in kinds:
        assert must <= {told.split()[1] for told in ran if told.startswith(f"{kind} ")}
