"""The estimators in scikit-learn's own tools, which give for the endpoint what they give for the local model."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import joblib
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, StackingClassifier, StackingRegressor, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import PartialDependenceDisplay, partial_dependence, permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.validation import check_is_fitted

from smrt_jupyter import LocalRuntime, Policy, RemoteClassifier, RemoteEstimator, RemoteRegressor, RemoteTransformer

if TYPE_CHECKING:
    from collections.abc import Iterator

mpl.use("Agg")


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    with LocalRuntime() as opened:
        yield opened


@pytest.fixture(scope="module")
def diabetes() -> tuple[pd.DataFrame, pd.Series]:
    table, target = load_diabetes(return_X_y=True, as_frame=True)
    return table.iloc[:120], target.iloc[:120]


@pytest.fixture(scope="module")
def regression(diabetes: Any) -> DecisionTreeRegressor:
    """A tree, whose answers do not depend on how a matrix lies in memory, as the last bit of a dot product does."""
    return DecisionTreeRegressor(max_depth=5, random_state=0).fit(*diabetes)


@pytest.fixture(scope="module")
def regressor(runtime: LocalRuntime, regression: DecisionTreeRegressor) -> RemoteRegressor:
    return RemoteRegressor(runtime.deploy("diabetes", regression), progress=False)


@pytest.fixture(scope="module")
def cancer() -> tuple[pd.DataFrame, pd.Series]:
    table, target = load_breast_cancer(return_X_y=True, as_frame=True)
    return table.iloc[::4], target.iloc[::4].map({0: "malignant", 1: "benign"})


@pytest.fixture(scope="module")
def classification(cancer: Any) -> Any:
    return HistGradientBoostingClassifier(max_iter=20).fit(cancer[0].to_numpy(), cancer[1])


@pytest.fixture(scope="module")
def classifier(runtime: LocalRuntime, classification: Any) -> RemoteClassifier:
    """A classifier whose endpoint answers one score a row, of the label that comes first in the alphabet."""
    endpoint = runtime.deploy("cancer", lambda rows: classification.predict_proba(rows.to_numpy())[:, 0])
    return RemoteClassifier(endpoint, classes=["malignant", "benign"], progress=False)


def test_the_kinds_are_told_apart(regressor: Any, classifier: Any) -> None:
    assert is_regressor(regressor)
    assert is_classifier(classifier)
    assert not is_regressor(RemoteEstimator("any"))
    assert not is_classifier(RemoteTransformer("any"))


def test_a_model_that_was_never_fitted_here_predicts_in_a_pipeline(
    regressor: Any, regression: Any, diabetes: Any
) -> None:
    table, _ = diabetes
    pipeline = make_pipeline("passthrough", clone(regressor))
    check_is_fitted(pipeline)
    np.testing.assert_array_equal(pipeline.predict(table), regression.predict(table))


def test_a_pipeline_that_encodes_text_first(runtime: LocalRuntime) -> None:
    people = pd.DataFrame({"age": [20.0, 40.0, 60.0], "plan": ["basic", "plus", "basic"]})
    encode = ColumnTransformer([("plan", OneHotEncoder(), ["plan"])], remainder="passthrough").fit(people)
    endpoint = runtime.deploy("encoded", lambda rows: rows.to_numpy(dtype=float) @ [1.0, 10.0, 100.0])
    pipeline = make_pipeline(encode, RemoteRegressor(endpoint))
    np.testing.assert_array_equal(pipeline.predict(people), [2001.0, 4010.0, 6001.0])


@pytest.mark.parametrize("scoring", ["r2", "neg_mean_absolute_error", "neg_root_mean_squared_error"])
def test_cross_val_score_of_a_regressor(regressor: Any, regression: Any, diabetes: Any, scoring: str) -> None:
    """Every fold's score is what the one model behind the endpoint scores on it."""
    table, target = diabetes
    remote = cross_val_score(regressor, table, target, cv=3, scoring=scoring, error_score="raise")
    local = cross_val_score(FrozenEstimator(regression), table, target, cv=3, scoring=scoring)
    np.testing.assert_array_equal(remote, local)


@pytest.mark.parametrize("scoring", ["accuracy", "balanced_accuracy", "roc_auc", "neg_log_loss", "f1_macro"])
def test_cross_val_score_of_a_classifier(classifier: Any, classification: Any, cancer: Any, scoring: str) -> None:
    """The classes are named in another order than the alphabet's, which scorers take for granted."""
    table, target = cancer
    remote = cross_val_score(classifier, table, target, cv=3, scoring=scoring, error_score="raise")
    local = cross_val_score(FrozenEstimator(classification), table.to_numpy(), target, cv=3, scoring=scoring)
    np.testing.assert_allclose(remote, local, rtol=1e-12)
    if scoring == "roc_auc":
        assert remote.min() > 0.9


def test_cross_val_predict_gives_probabilities_in_the_order_of_the_classes(
    classifier: Any, classification: Any, cancer: Any
) -> None:
    table, target = cancer
    remote = cross_val_predict(classifier, table, target, cv=3, method="predict_proba")
    np.testing.assert_allclose(remote, classification.predict_proba(table.to_numpy()), atol=1e-15)


@pytest.mark.parametrize("multiclass", ["ovr", "ovo"])
def test_roc_auc_of_three_classes_named_out_of_order(runtime: LocalRuntime, multiclass: str) -> None:
    """The endpoint's scores come in the order of `classes`; scorers want the alphabet's."""
    table, codes = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])
    local = LogisticRegression(max_iter=1000).fit(table[::2, :2], names[codes[::2]])
    order = [2, 0, 1]
    endpoint = runtime.deploy("iris", lambda rows: local.predict_proba(rows.to_numpy())[:, order])
    remote = RemoteClassifier(endpoint, classes=names[order].tolist())
    scorer = get_scorer(f"roc_auc_{multiclass}")
    assert scorer(remote, table[1::2, :2], names[codes[1::2]]) == scorer(local, table[1::2, :2], names[codes[1::2]])
    np.testing.assert_array_equal(remote.predict(table[:, :2]), local.predict(table[:, :2]))


def test_permutation_importance(regressor: Any, regression: Any, diabetes: Any) -> None:
    table, target = diabetes
    remote = permutation_importance(regressor, table, target, n_repeats=2, random_state=0)
    local = permutation_importance(regression, table, target, n_repeats=2, random_state=0)
    np.testing.assert_array_equal(remote.importances, local.importances)


@pytest.mark.usefixtures("fresh_processes")
def test_permutation_importance_in_parallel(regressor: Any, regression: Any, diabetes: Any) -> None:
    """Processes of joblib get the estimator as a pickle and make clients of their own."""
    table, target = diabetes
    remote = permutation_importance(regressor, table, target, n_repeats=1, random_state=0, n_jobs=2)
    local = permutation_importance(regression, table, target, n_repeats=1, random_state=0)
    np.testing.assert_array_equal(remote.importances, local.importances)


@pytest.mark.parametrize("kind", ["average", "individual"])
def test_partial_dependence(regressor: Any, regression: Any, diabetes: Any, kind: str) -> None:
    table, _ = diabetes
    remote = partial_dependence(regressor, table, ["bmi"], grid_resolution=5, kind=kind)
    local = partial_dependence(regression, table, ["bmi"], grid_resolution=5, kind=kind, method="brute")
    np.testing.assert_array_equal(remote[kind], local[kind])


def test_partial_dependence_display_of_both_kinds(regressor: Any, classifier: Any, diabetes: Any, cancer: Any) -> None:
    import matplotlib.pyplot as plt

    shown = PartialDependenceDisplay.from_estimator(regressor, diabetes[0], ["bmi", ("bmi", "bp")], grid_resolution=4)
    assert shown.axes_.shape == (1, 2)
    shown = PartialDependenceDisplay.from_estimator(classifier, cancer[0], ["mean radius"], grid_resolution=4)
    low, high = shown.lines_[0, 0].get_ydata()[[0, -1]]
    assert low != high
    plt.close("all")


def test_stacking_of_models_fitted_elsewhere(regressor: Any, regression: Any, diabetes: Any) -> None:
    table, target = diabetes
    remote = StackingRegressor([("remote", regressor)], LinearRegression(), cv="prefit").fit(table, target)
    local = StackingRegressor([("local", regression)], LinearRegression(), cv="prefit").fit(table, target)
    np.testing.assert_array_equal(remote.predict(table), local.predict(table))


def test_stacking_of_classifiers(classifier: Any, classification: Any, cancer: Any) -> None:
    table, target = cancer
    remote = StackingClassifier([("remote", classifier)], LogisticRegression(), cv="prefit").fit(table, target)
    local = StackingClassifier([("local", classification)], LogisticRegression(), cv="prefit").fit(
        table.to_numpy(), target
    )
    np.testing.assert_array_equal(remote.predict(table), local.predict(table.to_numpy()))


def test_voting_beside_a_local_model(classifier: Any, classification: Any, cancer: Any) -> None:
    table, target = cancer
    both = VotingClassifier(
        [("remote", classifier), ("local", LogisticRegression(max_iter=5000))], voting="soft", weights=[1, 0]
    )
    np.testing.assert_array_equal(both.fit(table, target).predict(table), classification.predict(table.to_numpy()))


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration_of_a_frozen_endpoint(classifier: Any, classification: Any, cancer: Any, method: str) -> None:
    """Calibration starts from `decision_function`: of an endpoint that is its score, of the local model its own."""
    table, target = cancer
    calibrated = CalibratedClassifierCV(FrozenEstimator(classifier), method=method).fit(table, target)
    chances = calibrated.predict_proba(table)
    assert calibrated.classes_.tolist() == ["benign", "malignant"]
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)
    ranks = np.corrcoef(chances[:, 0], classification.predict_proba(table.to_numpy())[:, 0])
    assert ranks[0, 1] > 0.95


def test_a_threshold_is_tuned(classifier: Any, cancer: Any) -> None:
    table, target = cancer
    tuned = TunedThresholdClassifierCV(classifier, cv="prefit", refit=False, scoring="balanced_accuracy").fit(
        table, target
    )
    assert 0 < tuned.best_threshold_ < 1


def test_a_grid_search_over_a_parameter_of_the_estimator(classifier: Any, cancer: Any) -> None:
    table, target = cancer
    search = GridSearchCV(classifier, {"threshold": [0.05, 0.5, 0.95]}, cv=2, error_score="raise").fit(table, target)
    assert search.best_params_["threshold"] == 0.5


@pytest.mark.usefixtures("fresh_processes")
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib_runs_it_in_other_processes_and_threads(
    regressor: Any, regression: Any, diabetes: Any, backend: str
) -> None:
    table, _ = diabetes
    parts = [table.iloc[:40], table.iloc[40:80], table.iloc[80:]]
    found = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(regressor.predict)(part) for part in parts)
    np.testing.assert_array_equal(np.concatenate(found), regression.predict(table))


def test_it_is_kept_by_joblib_and_pickle(classifier: Any, cancer: Any, tmp_path: Any) -> None:
    table, target = cancer
    fitted = clone(classifier).fit(table, target)
    expected = fitted.predict(table)
    joblib.dump(fitted, tmp_path / "model.joblib")
    for kept in (joblib.load(tmp_path / "model.joblib"), pickle.loads(pickle.dumps(fitted))):
        assert kept.endpoint == fitted.endpoint
        assert kept.classes_.tolist() == ["benign", "malignant"]
        assert kept.feature_names_in_.tolist() == list(table.columns)
        np.testing.assert_array_equal(kept.predict(table), expected)


def test_a_pickle_holds_no_client_and_no_report(regressor: Any, diabetes: Any) -> None:
    before = pickle.dumps(regressor)
    regressor.predict(diabetes[0])
    assert pickle.dumps(regressor) == before


def test_a_clone_is_asked_the_same_way_and_has_forgotten_what_fit_saw(regressor: Any, diabetes: Any) -> None:
    changed = clone(regressor).set_params(
        endpoint=regressor.endpoint.replace(policy=Policy(chunk_rows=7)), progress=None
    )
    copied = clone(changed.fit(*diabetes))
    assert copied.get_params() == changed.get_params()
    assert not hasattr(copied, "n_features_in_")
    assert not hasattr(copied, "report_")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_embeddings_come_in_the_library_that_set_output_names(runtime: LocalRuntime, library: str) -> None:
    endpoint = runtime.deploy("embedding", lambda rows: np.column_stack([rows.to_numpy(), rows.to_numpy() ** 2]))
    table = pd.DataFrame({"a": [1.5, 2.5], "b": [3.0, 4.0]}, index=["x", "y"])
    model = RemoteTransformer(endpoint).set_output(transform=library)
    found = model.fit_transform(table)
    assert type(found).__module__.startswith(library)
    assert list(found.columns) == [f"remotetransformer{place}" for place in range(4)]
    np.testing.assert_array_equal(found.to_numpy(), [[1.5, 3.0, 2.25, 9.0], [2.5, 4.0, 6.25, 16.0]])
    if library == "pandas":
        assert found.index.tolist() == ["x", "y"]


def test_embeddings_feed_a_local_model(runtime: LocalRuntime, diabetes: Any) -> None:
    table, target = diabetes
    endpoint = runtime.deploy("squares", lambda rows: np.column_stack([rows.to_numpy(), rows.to_numpy() ** 2]))
    remote = make_pipeline(RemoteTransformer(endpoint), LinearRegression()).fit(table, target)
    local = LinearRegression().fit(np.column_stack([table, table**2]), target)
    np.testing.assert_allclose(remote.predict(table), local.predict(np.column_stack([table, table**2])))
    names = remote[:-1].get_feature_names_out()
    assert names[0] == "remotetransformer0"
    assert len(names) == 20
