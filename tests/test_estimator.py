"""The estimators by themselves: what is checked before anything is sent, and what an endpoint's answers become."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union

from smrt_jupyter import (
    AnswerError,
    Endpoint,
    LocalRuntime,
    ModelError,
    PartialResultError,
    Policy,
    RemoteClassifier,
    RemoteEstimator,
    RemoteRegressor,
    RemoteTransformer,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KINDS = [RemoteEstimator, RemoteRegressor, RemoteClassifier, RemoteTransformer]
UNREACHABLE = Endpoint("nobody", region="us-east-1", endpoint_url="http://127.0.0.1:9", policy=Policy(attempts=1))
PEOPLE = pd.DataFrame({"age": [31, 54], "plan": ["basic", 'Ünï "plus"'], "paid": [1.5, None]}, index=[7, 7])


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    with LocalRuntime() as opened:
        yield opened


@pytest.fixture
def answering(runtime: LocalRuntime) -> Callable[[Any], Endpoint]:
    """Make an endpoint that gives the same answers whatever it is sent."""
    json = "application/json"
    return lambda answers: runtime.deploy("fixed", lambda rows: answers).replace(accept=json)


@pytest.fixture
def seen(runtime: LocalRuntime) -> tuple[Endpoint, list[pd.DataFrame]]:
    """Make an endpoint that remembers the rows that it was sent."""
    kept: list[pd.DataFrame] = []

    def remember(rows: pd.DataFrame) -> np.ndarray:
        kept.append(rows)
        return np.zeros(len(rows))

    return runtime.deploy("seen", remember), kept


# -- fit --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_fit_sends_nothing(kind: Any) -> None:
    model = kind(UNREACHABLE)
    assert model.fit(PEOPLE, [0, 1]) is model
    assert model.n_features_in_ == 3
    assert model.feature_names_in_.tolist() == ["age", "plan", "paid"]


@pytest.mark.parametrize(
    "table",
    [PEOPLE, pl.DataFrame({"a": [1], "b": ["x"]}), pa.table({"a": [1], "b": ["x"]}), sparse.csr_array(np.eye(3))],
)
def test_fit_takes_tables_of_every_library(table: Any) -> None:
    assert RemoteEstimator(UNREACHABLE).fit(table).n_features_in_ == table.shape[1]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (PEOPLE.iloc[:0], "0 sample"),
        (PEOPLE[[]], "0 feature"),
        (PEOPLE["age"], "2-dimensional"),
        ([1, 2, 3], "Reshape your data"),
        (np.zeros((2, 2, 2)), "dim 3"),
        ([[1, 2], [3]], "Expected 2D array"),
    ],
)
def test_fit_refuses_what_is_no_table(table: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RemoteEstimator(UNREACHABLE).fit(table)


def test_fit_refuses_a_target_of_another_length() -> None:
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        RemoteEstimator(UNREACHABLE).fit(PEOPLE, [1])


def test_a_regressor_takes_several_targets_and_refuses_missing_ones() -> None:
    RemoteRegressor(UNREACHABLE).fit(PEOPLE, [[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(ValueError, match="NaN"):
        RemoteRegressor(UNREACHABLE).fit(PEOPLE, [1.0, np.nan])


# -- what is sent -----------------------------------------------------------------------------------------------------


def test_a_mixed_table_arrives_as_it_was(seen: Any) -> None:
    """Text, whole numbers and missing values are not made floats on the way."""
    endpoint, kept = seen
    RemoteEstimator(endpoint.replace(content_type="application/json", template="dataframe_split")).predict(PEOPLE)
    pd.testing.assert_frame_equal(kept[0], PEOPLE.reset_index(drop=True), check_dtype=False)
    assert kept[0]["age"].dtype == np.int64


def test_rows_of_a_list_keep_the_types_of_their_cells(seen: Any) -> None:
    """NumPy would make text of them all."""
    endpoint, kept = seen
    RemoteEstimator(endpoint.replace(content_type="application/json")).predict([[1, "a", 2.5], [3, "b", None]])
    assert kept[0].to_numpy(dtype=object)[0].tolist() == [1, "a", 2.5]
    assert kept[0][1].tolist() == ["a", "b"]


def test_a_plain_name_is_enough(runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime.deploy("by-name", lambda rows: rows[0] + 1)
    for name, value in runtime.environ.items():
        monkeypatch.setenv(name, value)
    assert RemoteRegressor("by-name").predict([[1.0]]).tolist() == [2.0]


def test_zero_rows_send_nothing() -> None:
    none = PEOPLE.iloc[:0]
    assert RemoteEstimator(UNREACHABLE).predict(none).shape == (0,)
    assert RemoteRegressor(UNREACHABLE).predict(none).dtype == np.float64
    model = RemoteClassifier(UNREACHABLE, classes=["no", "maybe", "yes"])
    assert model.predict(none).shape == (0,)
    assert model.predict(none).dtype == np.dtype("<U5")
    assert model.predict_proba(none).shape == (0, 3)
    assert model.decision_function(none).shape == (0, 3)
    assert RemoteTransformer(UNREACHABLE, feature_names_out=["x", "y"]).transform(none).shape == (0, 2)


def test_the_report_says_what_the_last_run_did(seen: Any) -> None:
    endpoint, kept = seen
    model = RemoteEstimator(endpoint.replace(policy=Policy(chunk_rows=2)))
    with pytest.raises(AttributeError, match="predict first"):
        _ = model.report_
    model.predict(np.zeros((5, 2)))
    assert model.report_.rows == 5
    assert model.report_.requests == len(kept)


def test_a_failed_run_keeps_its_answers_and_its_report(runtime: LocalRuntime) -> None:
    def refuse_negative(rows: pd.DataFrame) -> Any:
        if (rows[0] < 0).any():
            raise ValueError("negative")
        return rows[0]

    endpoint = runtime.deploy("picky", refuse_negative).replace(policy=Policy(chunk_rows=2, concurrency=1))
    model = RemoteRegressor(endpoint)
    with pytest.raises(PartialResultError) as failed:
        model.predict([[0.0], [1.0], [-2.0], [3.0], [4.0], [5.0]])
    assert list(failed.value.failed_rows) == [2, 3]
    assert isinstance(failed.value.errors[0], ModelError)
    np.testing.assert_array_equal(failed.value.partial, [0.0, 1.0, np.nan, np.nan, 4.0, 5.0])
    assert model.report_.rows_done == 4


def test_an_interrupted_run_is_resumed_from_its_journal(seen: Any, tmp_path: Any) -> None:
    endpoint, kept = seen
    model = RemoteEstimator(endpoint, journal=tmp_path / "run.sqlite")
    table = np.arange(10.0).reshape(5, 2)
    first = model.predict(table)
    requests = len(kept)
    np.testing.assert_array_equal(model.predict(table), first)
    assert len(kept) == requests


# -- the guard of names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table])
@pytest.mark.parametrize("told", [True, False])
def test_columns_are_put_in_order_by_name(seen: Any, library: Any, told: bool) -> None:  # noqa: FBT001 - parametrized
    endpoint, kept = seen
    in_order, mixed = library({"a": [1.0], "b": [2.0], "c": [3.0]}), library({"c": [3.0], "a": [1.0], "b": [2.0]})
    model = (
        RemoteEstimator(endpoint, feature_names=["a", "b", "c"]) if told else RemoteEstimator(endpoint).fit(in_order)
    )
    model.predict(mixed)
    assert kept[0].to_numpy().tolist() == [[1.0, 2.0, 3.0]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("told", [True, False])
def test_missing_and_extra_columns_are_named_before_anything_is_sent(kind: Any, told: bool) -> None:  # noqa: FBT001
    names = ["age", "plan", "paid"]
    model = kind(UNREACHABLE, feature_names=names) if told else kind(UNREACHABLE).fit(PEOPLE)
    ask = model.transform if kind is RemoteTransformer else model.predict
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- height\n.*now missing:\n- plan\n"):
        ask(PEOPLE.rename(columns={"plan": "height"}))
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- more\n$"):
        ask(PEOPLE.assign(more=1))
    with pytest.raises(ValueError, match=r"now missing:\n- age\n- paid\n$"):
        ask(PEOPLE[["plan"]])


def test_a_long_list_of_names_is_cut() -> None:
    wide = pd.DataFrame(np.zeros((1, 50)), columns=[f"c{place:02}" for place in range(50)])
    with pytest.raises(ValueError, match="- c19\n- and 30 more\n") as failed:
        RemoteEstimator(UNREACHABLE, feature_names=["other"]).predict(wide)
    assert "c20" not in str(failed.value)


def test_another_order_is_an_error_where_reordering_is_off() -> None:
    model = RemoteEstimator(UNREACHABLE, reorder=False).fit(PEOPLE)
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(PEOPLE[["plan", "age", "paid"]])
    with pytest.raises(ValueError, match="must be in the same order"):
        RemoteEstimator(UNREACHABLE, feature_names=["plan", "age", "paid"], reorder=False).predict(PEOPLE)


@pytest.mark.parametrize("table", [np.zeros((1, 2)), sparse.csr_array(np.eye(2)), [[1, 2]]])
def test_tables_without_names_must_have_as_many_columns(table: Any) -> None:
    with pytest.raises(ValueError, match="X has 2 features, but RemoteEstimator is expecting 3 features"):
        RemoteEstimator(UNREACHABLE, feature_names=["a", "b", "c"]).predict(table)


def test_names_that_repeat_are_told_apart_by_nobody() -> None:
    twice = pd.DataFrame([[1, 2, 3]], columns=["a", "a", "b"])
    with pytest.raises(ValueError, match="two columns have this name"):
        RemoteEstimator(UNREACHABLE, feature_names=["b", "a"]).predict(twice)


def test_told_names_are_what_fit_records() -> None:
    model = RemoteEstimator(UNREACHABLE, feature_names=["paid", "age", "plan"]).fit(PEOPLE)
    assert model.feature_names_in_.tolist() == ["paid", "age", "plan"]


# -- regression -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([1.5, 2.5], [1.5, 2.5]),
        ([[1.5], [2.5]], [1.5, 2.5]),
        ([[1.5, 2.0], [2.5, 3.0]], [[1.5, 2.0], [2.5, 3.0]]),
        ([{"score": 1.5}, {"score": 2.5}], [1.5, 2.5]),
        (["1.5", "2.5"], [1.5, 2.5]),
    ],
)
@pytest.mark.parametrize(
    "table", [PEOPLE, pl.from_pandas(PEOPLE), pa.table(PEOPLE), np.zeros((2, 2)), sparse.eye_array(2)]
)
def test_numbers_come_back_as_an_array(answering: Any, answers: Any, expected: Any, table: Any) -> None:
    found = RemoteRegressor(answering(answers)).predict(table)
    assert isinstance(found, np.ndarray)
    assert found.tolist() == expected


def test_a_regressor_says_when_the_answers_are_no_numbers(answering: Any) -> None:
    with pytest.raises(AnswerError, match="does not answer numbers"):
        RemoteRegressor(answering(["high", "low"])).predict(PEOPLE)


def test_several_fields_come_side_by_side(answering: Any) -> None:
    found = RemoteEstimator(answering([{"word": "a", "chance": 0.5}, {"word": "b", "chance": 0.25}])).predict(PEOPLE)
    assert found.tolist() == [["a", 0.5], ["b", 0.25]]


# -- classification ---------------------------------------------------------------------------------------------------

NAMED = {"classes": ["stays", "leaves"]}


@pytest.mark.parametrize(
    ("answers", "options", "expected"),
    [
        ([0.25, 0.75], NAMED, ["stays", "leaves"]),
        ([0.5, 0.75], NAMED, ["stays", "leaves"]),
        ([0.25, 0.75], NAMED | {"threshold": 0.9}, ["stays", "stays"]),
        ([-2.0, 3.0], NAMED | {"threshold": 0.0}, ["stays", "leaves"]),
        ([[0.75, 0.25], [0.25, 0.75]], NAMED, ["stays", "leaves"]),
        ([[0.75, 0.25], [0.25, 0.75]], NAMED | {"threshold": 0.2}, ["leaves", "leaves"]),
        ([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]], {"classes": ["x", "z", "y"]}, ["x", "y"]),
        (["leaves", "stays"], NAMED, ["leaves", "stays"]),
        ([1, 0], NAMED, ["leaves", "stays"]),
        ([True, False], NAMED, ["leaves", "stays"]),
        ([3, 7], {"classes": [7, 3]}, [3, 7]),
        (["3", "7"], {"classes": [7, 3]}, [3, 7]),
        ([[-2.0, 3.0], [1.0, -1.0]], NAMED | {"answers": "scores"}, ["leaves", "stays"]),
        ([2.0, 0.0], {"classes": [0, 1, 2]}, [2, 0]),
        ([2.0, 0.0], {"classes": ["x", "z", "y"]}, ["y", "x"]),
        ([2, 1], {"classes": ["1", "2", "3"]}, ["2", "1"]),
        ([0, 1], {"classes": ["1", "0"]}, ["0", "1"]),
        (["2", "1"], {"classes": ["1", "2"]}, ["2", "1"]),
        ([2, 0], {"classes": ["1", "b", "3"]}, ["3", "1"]),
        ([-1.0, 1.0], {"classes": [-1, 1], "answers": "labels"}, [-1, 1]),
        ([0, 1], NAMED | {"answers": "scores"}, ["stays", "leaves"]),
        ([{"predicted_label": 1, "score": 0.9}, {"predicted_label": 0, "score": 0.6}], NAMED, ["leaves", "stays"]),
        (
            [{"predicted_label": 0, "score": 0.4}, {"predicted_label": 0, "score": 0.1}],
            NAMED | {"threshold": 0.3},
            ["leaves", "stays"],
        ),
        ([{"label": "leaves", "score": 0.9}, {"label": "stays", "score": 0.8}], NAMED, ["leaves", "stays"]),
        ([{"stays": 0.9, "leaves": 0.1}, {"stays": 0.2, "leaves": 0.8}], NAMED, ["stays", "leaves"]),
        (["anything", "else"], {}, ["anything", "else"]),
        ([4, 5], {}, [4, 5]),
    ],
)
def test_answers_become_labels(answering: Any, answers: Any, options: Any, expected: Any) -> None:
    found = RemoteClassifier(answering(answers), **options).predict(PEOPLE)
    assert isinstance(found, np.ndarray)
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("answers", "options", "expected"),
    [
        ([0.25, 0.75], NAMED, [[0.25, 0.75], [0.75, 0.25]]),
        ([0.25, 0.75], {"classes": [0, 1]}, [[0.75, 0.25], [0.25, 0.75]]),
        ([[0.75, 0.25], [0.25, 0.75]], NAMED, [[0.25, 0.75], [0.75, 0.25]]),
        ([[0.5, 0.25, 0.25], [0.0, 0.25, 0.75]], {"classes": ["x", "z", "y"]}, [[0.5, 0.25, 0.25], [0.0, 0.75, 0.25]]),
        (
            [{"predicted_label": 1, "score": 0.75}, {"predicted_label": 0, "score": 0.5}],
            {"classes": [0, 1]},
            [[0.25, 0.75], [0.5, 0.5]],
        ),
        ([{"label": "leaves", "score": 0.75}, {"label": "stays", "score": 1.0}], NAMED, [[0.75, 0.25], [0.0, 1.0]]),
        ([0.25, 0.75], {}, [[0.75, 0.25], [0.25, 0.75]]),
    ],
)
def test_answers_become_probabilities_of_the_sorted_classes(
    answering: Any, answers: Any, options: Any, expected: Any
) -> None:
    assert RemoteClassifier(answering(answers), **options).predict_proba(PEOPLE).tolist() == expected


def test_the_classes_are_sorted_and_there_before_anything_is_asked() -> None:
    assert RemoteClassifier(UNREACHABLE, classes=["stays", "leaves"]).classes_.tolist() == ["leaves", "stays"]
    assert RemoteClassifier(UNREACHABLE).fit(PEOPLE, ["b", "a"]).classes_.tolist() == ["a", "b"]
    with pytest.raises(AttributeError, match=r"classes=\[\.\.\.\]"):
        _ = RemoteClassifier(UNREACHABLE).classes_


@pytest.mark.parametrize(
    ("answers", "options", "said"),
    [
        ([0.25, 0.75], {}, "not known of which classes"),
        (["leaves", "unknown"], NAMED, "row 1: The model answers 'unknown'"),
        ([2, 0], NAMED, "row 0: The model answers 2"),
        ([0.5, 1.5, 0.7], {"classes": [0, 1, 2]}, "rows 0, 1, 2: The model answers 0.5"),
        ([[0.5, 0.5]] * 2, {"classes": [0, 1, 2]}, "there are 3 classes"),
        ([1.5, 0.5], NAMED, "row 0: The model answers scores that are no probabilities"),
        ([0.5, None], NAMED, "no score for row 1"),
        ([[1, 0.9], [0, 0.6]], NAMED, "2 numbers a row, which add up to 1.9"),
        ([{"height": 1.0, "width": 2.0}] * 2, NAMED, "fields 'height', 'width'"),
        ([{"predicted_label": "unknown", "score": 0.5}] * 2, NAMED, "'unknown', which is none of the classes"),
    ],
)
def test_answers_that_are_not_the_classes_are_errors(
    runtime: LocalRuntime, answers: Any, options: Any, said: str
) -> None:
    endpoint = runtime.deploy("fixed", lambda rows: answers).replace(accept="application/json")
    table = np.zeros((len(answers), 2))
    with pytest.raises(AnswerError, match=said):
        RemoteClassifier(endpoint, **options).predict(table)


def test_labels_are_no_probabilities(answering: Any) -> None:
    model = RemoteClassifier(answering(["leaves", "stays"]), **NAMED)
    with pytest.raises(AnswerError, match="labels, so there are no scores"):
        model.predict_proba(PEOPLE)
    margins = RemoteClassifier(answering([-2.0, 3.0]), **NAMED)
    with pytest.raises(AnswerError, match="no probabilities"):
        margins.predict_proba(PEOPLE)


def test_a_row_has_the_same_label_whichever_rows_stand_beside_it(runtime: LocalRuntime) -> None:
    """A score of exactly 1 is a score, also where the classes are 1 and 2 and it stands alone."""
    endpoint = runtime.deploy("echo", lambda rows: rows[0].astype(float))
    model = RemoteClassifier(endpoint, classes=[1, 2])
    scores = np.array([[1.0], [0.25], [0.0], [0.75]])
    together = model.predict(scores)
    assert together.tolist() == [2, 1, 1, 2]
    assert np.concatenate([model.predict(row.reshape(1, 1)) for row in scores]).tolist() == together.tolist()


@pytest.mark.parametrize("classes", [["a", "b"], ["b", "a"]])
def test_the_decision_is_above_zero_where_the_second_class_is_predicted(answering: Any, classes: Any) -> None:
    for answers in ([0.1, 0.9], [[0.9, 0.1], [0.1, 0.9]]):
        for threshold in (None, 0.95, 0.05):
            model = RemoteClassifier(answering(answers), classes=classes, threshold=threshold)
            decided = model.classes_[(model.decision_function(PEOPLE) > 0).astype(int)]
            assert decided.tolist() == model.predict(PEOPLE).tolist()


def test_the_decision_needs_classes() -> None:
    with pytest.raises(NotFittedError, match="classes"):
        RemoteClassifier(UNREACHABLE).decision_function(PEOPLE)


def test_fit_refuses_labels_that_the_model_does_not_have() -> None:
    with pytest.raises(ValueError, match=r"\['no'\], which are not among classes"):
        RemoteClassifier(UNREACHABLE, classes=["yes", "maybe"]).fit(PEOPLE, ["yes", "no"])
    with pytest.raises(ValueError, match="1 class"):
        RemoteClassifier(UNREACHABLE).fit(PEOPLE, ["yes", "yes"])
    with pytest.raises(ValueError, match="Only binary"):
        RemoteClassifier(UNREACHABLE, threshold=0.5).fit(np.eye(3), [0, 1, 2])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"threshold": "x"}, r"The 'threshold' parameter of RemoteClassifier must be a float .* Got 'x' instead"),
        ({"threshold": float("nan")}, "'threshold' parameter .* must be a float .* Got nan instead"),
        ({"threshold": 0.5, "classes": ["a", "b", "c"]}, "'threshold' parameter .* must be None for 3 classes"),
        ({"classes": "ab"}, "'classes' parameter .* must be an array-like or None. Got 'ab' instead"),
        ({"classes": ["a", "a"]}, "'classes' parameter .* must be distinct labels"),
        ({"classes": [["a"], ["b"]]}, "'classes' parameter .* must be a sequence of labels"),
        ({"classes": {"a"}}, "'classes' parameter .* must be a sequence of labels"),
        ({"classes": []}, "'classes' parameter .* must be a sequence of labels"),
        ({"classes": [None, "a"]}, "'classes' parameter .* must be labels of one type"),
        ({"answers": "bogus"}, "'answers' parameter .* must be a str among .* Got 'bogus' instead"),
        ({"endpoint": 5}, "'endpoint' parameter .* must be an instance of 'str' or .* Got 5 instead"),
        ({"feature_names": "age"}, "'feature_names' parameter .* must be an array-like or None"),
        ({"reorder": "no"}, "'reorder' parameter .* must be an instance of 'bool'"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "predict", "predict_proba", "decision_function"])
def test_a_parameter_that_cannot_be_meant_is_refused_before_anything_is_sent(
    seen: tuple[Endpoint, list[pd.DataFrame]], wrong: dict[str, Any], said: str, method: str
) -> None:
    """As by scikit-learn's own estimators: not where it is set, and in one line."""
    endpoint, sent = seen
    model = RemoteClassifier(endpoint).set_params(**wrong)
    with pytest.raises(ValueError, match=said) as caught:
        getattr(model, method)(PEOPLE)
    assert "\n" not in str(caught.value)
    assert not sent


def test_names_that_cannot_be_meant_are_refused_before_anything_is_sent(
    seen: tuple[Endpoint, list[pd.DataFrame]],
) -> None:
    endpoint, sent = seen
    with pytest.raises(ValueError, match="'feature_names_out' parameter of RemoteTransformer must be an array-like"):
        RemoteTransformer(endpoint, feature_names_out="x").transform(PEOPLE)
    assert not sent


def test_numbers_that_ensembles_put_in_the_place_of_text_are_understood(answering: Any) -> None:
    """Voting, stacking and `cross_val_predict` number the sorted labels before they call `fit`."""
    model = RemoteClassifier(answering([0.25, 0.75]), **NAMED).fit(PEOPLE, np.array([0, 1]))
    assert model.classes_.tolist() == [0, 1]
    assert model.predict(PEOPLE).tolist() == [1, 0]


def test_a_local_classifier_behind_an_endpoint_gives_what_it_gives_here(runtime: LocalRuntime) -> None:
    rng = np.random.default_rng(0)
    table, target = rng.normal(size=(90, 2)), np.repeat(["c", "a", "b"], 30)
    table += np.repeat([[3.0, 0.0], [0.0, 3.0], [-3.0, -3.0]], 30, axis=0)
    local = LogisticRegression().fit(table, target)
    labels = RemoteClassifier(runtime.deploy("labels", local)).fit(table, target)
    chances = RemoteClassifier(runtime.deploy("chances", local, method="predict_proba")).fit(table, target)
    np.testing.assert_array_equal(labels.predict(table), local.predict(table))
    np.testing.assert_array_equal(chances.predict(table), local.predict(table))
    np.testing.assert_array_equal(chances.predict_proba(table), local.predict_proba(table))


# -- embeddings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "names"),
    [
        ([[1.0, 2.0], [3.0, 4.0]], ["remotetransformer0", "remotetransformer1"]),
        ([{"x": 1.0, "y": 2.0}, {"x": 3.0, "y": 4.0}], ["x", "y"]),
    ],
)
def test_embeddings_are_named(answering: Any, answers: Any, names: Any) -> None:
    model = RemoteTransformer(answering(answers))
    with pytest.raises(NotFittedError, match="transform first"):
        model.get_feature_names_out()
    assert model.transform(PEOPLE).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert model.get_feature_names_out().tolist() == names


def test_told_names_of_embeddings_are_known_before_anything_is_asked(answering: Any) -> None:
    model = RemoteTransformer(answering([[1.0, 2.0], [3.0, 4.0]]), feature_names_out=["x", "y"])
    assert model.get_feature_names_out().tolist() == ["x", "y"]
    assert model.set_output(transform="pandas").transform(PEOPLE).columns.tolist() == ["x", "y"]
    with pytest.raises(AnswerError, match="answers 2 columns; feature_names_out has 1"):
        model.set_params(feature_names_out=["x"]).transform(PEOPLE)


def test_one_number_a_row_is_one_column(answering: Any) -> None:
    assert RemoteTransformer(answering([1.0, 2.0])).transform(PEOPLE).tolist() == [[1.0], [2.0]]


def test_a_matrix_a_row_is_no_embedding(answering: Any) -> None:
    with pytest.raises(AnswerError, match="no vector"):
        RemoteTransformer(answering([[[1.0, 2.0], [3.0, 4.0]]] * 2)).transform(PEOPLE)


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_knows_the_names_that_its_original_has_learned(answering: Any, copied: Any) -> None:
    model = RemoteTransformer(answering([{"x": 1.0, "y": 2.0}, {"x": 3.0, "y": 4.0}]))
    early = copied(model)
    model.transform(PEOPLE)
    assert copied(model).get_feature_names_out().tolist() == ["x", "y"]
    assert vars(copied(model)) == vars(early)
    for ignorant in (early, clone(model)):
        with pytest.raises(NotFittedError, match="transform first"):
            ignorant.get_feature_names_out()


@pytest.mark.usefixtures("fresh_processes")
def test_names_that_were_learned_in_another_process_come_back_with_the_estimator(answering: Any) -> None:
    numbers = pd.DataFrame({"a": [1.0, 2.0], "b": [4.0, 3.0]})
    model = RemoteTransformer(answering([{"x": 1.0, "y": 2.0}, {"x": 3.0, "y": 4.0}]))
    union = make_union(model, PCA(1), n_jobs=2).set_output(transform="pandas")
    found = union.fit_transform(numbers)
    assert found.columns.tolist() == ["remotetransformer__x", "remotetransformer__y", "pca__pca0"]
    assert union.get_feature_names_out().tolist() == found.columns.tolist()


def test_what_a_mask_hides_is_missing(seen: tuple[Endpoint, list[pd.DataFrame]]) -> None:
    endpoint, kept = seen
    RemoteEstimator(endpoint).predict(np.ma.array([[1.0, 1e9]], mask=[[False, True]]))
    assert repr(kept[0].to_numpy().tolist()) == "[[1.0, nan]]"
