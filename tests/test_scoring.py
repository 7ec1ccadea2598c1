"""The scoring loop over real HTTP, against the embedded runtime; in memory where its inside is the point."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from smrt_jupyter import (
    AccessDenied,
    ConnectionFailed,
    EndpointNotFound,
    Interrupted,
    LocalRuntime,
    ModelError,
    PartialResultError,
    PayloadTooLarge,
    Policy,
    Throttled,
    TimedOut,
    scoring,
)
from smrt_jupyter.local.faults import Faults
from smrt_jupyter.scoring.journal import Journal, Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from smrt_jupyter.scoring.progress import Progress

QUICK = Policy(wait_initial=0.01, wait_max=0.05)


class Model:
    """Answers the sum of a row, and remembers which rows it has run: the first column is the row's number."""

    def __init__(self, rows: int) -> None:
        self.runs = np.zeros(rows, dtype=int)
        self.sizes: list[int] = []

    def __call__(self, frame: pd.DataFrame) -> pd.Series[float]:
        np.add.at(self.runs, frame.iloc[:, 0].to_numpy().astype(int), 1)
        self.sizes.append(len(frame))
        return frame.sum(axis=1)


def no_bytes(start: int, stop: int) -> bytes:
    """Write rows of eight bytes."""
    return bytes(8 * (stop - start))


def zeros(_: object, rows: range) -> np.ndarray[Any, Any]:
    """Read a zero a row, whatever came."""
    return np.zeros(len(rows))


def echo(body: bytes, *_: object) -> Kept:
    """Answer with what was sent."""
    return Kept(body, "")


def numbered(rows: int, columns: int = 3) -> pd.DataFrame:
    values = np.random.default_rng(0).standard_normal((rows, columns))
    values[:, 0] = np.arange(rows)
    return pd.DataFrame(values, index=[f"row-{row}" for row in range(rows)])


@pytest.fixture(autouse=True)
def _no_thread_outlives_its_run() -> Iterator[None]:
    yield
    left = scoring_threads()
    for thread in left:
        thread.join(5)  # an interrupted run waits a moment for its threads, and no longer
    assert not [thread.name for thread in left if thread.is_alive()]


def scoring_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("smrt-jupyter-score")]


def test_answers_keep_the_order_and_the_index_whichever_chunk_comes_first(runtime: LocalRuntime) -> None:
    table, chance = numbered(2000), np.random.default_rng(1)
    pause = threading.Event()

    def model(frame: pd.DataFrame) -> pd.Series[float]:
        pause.wait(0.02 * chance.random())
        return frame.sum(axis=1)

    endpoint = runtime.deploy("sums", model).replace(policy=Policy(chunk_rows=40))
    answers, report = endpoint.score(table)
    pd.testing.assert_series_equal(answers, table.sum(axis=1))
    assert (report.requests, report.replies, report.rows_done) == (50, 50, 2000)


def test_no_rows_send_nothing(runtime: LocalRuntime) -> None:
    answers, report = runtime.deploy("sums", Model(1)).score(numbered(0))
    assert (len(answers), report.requests) == (0, 0)


def test_a_short_reply_fails_its_chunk_alone_and_names_the_rows(runtime: LocalRuntime) -> None:
    endpoint = runtime.deploy("sums", Model(100), faults=Faults(script=["ok", "wrong_rows"])).replace(
        policy=Policy(chunk_rows=10, concurrency=1)
    )
    table = numbered(100)
    with pytest.raises(PartialResultError, match="10 rows were sent") as caught:
        endpoint.predict(table)
    failed = list(caught.value.failed_rows)
    assert failed == list(caught.value.errors[0].rows)  # type: ignore[attr-defined]
    assert (len(failed), failed[0] % 10) == (10, 0)
    expected = table.sum(axis=1)
    expected.iloc[failed] = np.nan
    pd.testing.assert_series_equal(caught.value.partial, expected)


def test_failed_rows_are_missing_values_when_the_user_wants_the_table_back(runtime: LocalRuntime) -> None:
    endpoint = runtime.deploy("sums", Model(40), faults=Faults(script=["ok", "model_error"])).replace(
        policy=Policy(chunk_rows=10, concurrency=1)
    )
    answers, report = endpoint.score(numbered(40), on_error="return")
    assert answers.isna().to_numpy().nonzero()[0].tolist() == list(report.failed_rows)
    assert len(report.failed_rows) == 10
    assert isinstance(report.errors[0], ModelError)


def test_on_error_says_which_words_it_knows(runtime: LocalRuntime) -> None:
    with pytest.raises(ValueError, match="'raise' or 'return'"):
        runtime.deploy("sums", Model(1)).predict(numbered(1), on_error="ignore")


def test_one_request_that_fails_raises_its_own_error(runtime: LocalRuntime) -> None:
    endpoint = runtime.deploy("sums", Model(5), faults=Faults(script=["model_error"]))
    with pytest.raises(ModelError, match="Injected failure"):
        endpoint.predict(numbered(5))


def test_an_endpoint_that_is_not_there_is_asked_once(runtime: LocalRuntime) -> None:
    endpoint = runtime.endpoint("nobody").replace(policy=Policy(chunk_rows=1, concurrency=1))
    with pytest.raises(EndpointNotFound):
        endpoint.predict(numbered(100))
    assert len(runtime.requests) == 1


def test_a_permission_that_is_lost_on_the_way_stops_the_run_and_keeps_what_is_finished(runtime: LocalRuntime) -> None:
    faults = Faults(script=["ok", "ok", "access_denied"])
    endpoint = runtime.deploy("sums", Model(100), faults=faults).replace(policy=Policy(chunk_rows=10, concurrency=1))
    with pytest.raises(PartialResultError) as caught:
        endpoint.predict(numbered(100))
    assert isinstance(caught.value.errors[0], AccessDenied)
    assert len(caught.value.failed_rows) == 80
    assert caught.value.partial.notna().sum() == 20
    assert len(runtime.requests) == 3


def test_credentials_that_expire_stop_the_run_and_keep_what_is_finished(runtime: LocalRuntime) -> None:
    faults = Faults(script=["ok", "expired_token"])
    endpoint = runtime.deploy("sums", Model(30), faults=faults).replace(policy=Policy(chunk_rows=10, concurrency=1))
    with pytest.raises(PartialResultError, match="CredentialsError") as caught:
        endpoint.predict(numbered(30))
    assert caught.value.partial.notna().sum() == 10


def test_a_run_in_which_nothing_passes_ends_before_everything_is_billed(runtime: LocalRuntime) -> None:
    endpoint = runtime.deploy("sums", Model(1), faults=Faults(model_error=1.0)).replace(
        policy=Policy(chunk_rows=1, concurrency=1)
    )
    with pytest.raises(PartialResultError) as caught:
        endpoint.predict(numbered(500))
    assert len(caught.value.failed_rows) == 500
    assert len(runtime.requests) < 30


@pytest.mark.parametrize("oversize", ["413", "serverless", "reset"])
def test_a_hidden_limit_is_found_and_remembered(runtime: LocalRuntime, oversize: Any) -> None:
    """Whether the front door says 413, a serverless endpoint "oversize body", or the connection just breaks."""
    model, table = Model(60_000), numbered(60_000)
    faults = Faults(body_limit=3_000_000, oversize=oversize)
    policy = Policy(chunk_bytes=6_000_000, concurrency=2, wait_initial=0.01, attempts=2)
    endpoint = runtime.deploy("sums", model, faults=faults).replace(content_type="application/x-npy", policy=policy)
    answers, report = endpoint.score(table.loc[:, [0, 1, 2] * 8])
    assert np.allclose(answers, 8 * table.sum(axis=1))
    assert set(model.runs) == {1}
    assert 0 < report.divided < report.replies


def test_a_connection_that_cannot_be_made_is_not_taken_for_a_size_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "asks")
    with LocalRuntime() as gone:
        endpoint = gone.endpoint("sums").replace(
            content_type="application/x-npy", policy=Policy(attempts=1, chunk_bytes=2_000_000)
        )
    _, report = endpoint.score(numbered(200_000), on_error="return")
    assert report.requests <= 20
    assert report.divided == 0


def test_a_row_that_is_too_large_alone_is_named_after_everything_else_is_done(runtime: LocalRuntime) -> None:
    texts = pd.DataFrame({"number": range(50), "text": ["short"] * 50})
    texts.loc[33, "text"] = "long" * 1000
    endpoint = runtime.deploy("lengths", lambda frame: frame["text"].str.len()).replace(
        content_type="application/json", template="dataframe_split", policy=Policy(payload_limit=2000)
    )
    with pytest.raises(PartialResultError, match="row 33: This row alone") as caught:
        endpoint.predict(texts)
    assert list(caught.value.failed_rows) == [33]
    assert isinstance(caught.value.errors[0], PayloadTooLarge)
    assert caught.value.partial.notna().sum() == 49


def test_no_body_is_over_the_payload_limit(runtime: LocalRuntime) -> None:
    """The sample cannot see every row; each body is weighed once it is written."""
    sizes: list[int] = []
    table = pd.DataFrame({"text": ["x" * (1 if row % 1000 else 900) for row in range(4_000)]})
    endpoint = runtime.deploy("lengths", lambda frame: frame.iloc[:, 0].str.len()).replace(
        policy=Policy(payload_limit=1000), before_sign=lambda request: sizes.append(len(request.data))
    )
    endpoint.predict(table)
    assert max(sizes) <= 1000


def test_an_endpoint_that_refuses_by_number_is_given_what_it_takes(runtime: LocalRuntime) -> None:
    model = Model(4000)
    endpoint = runtime.deploy("sums", model, faults=Faults(capacity=3, latency=0.005)).replace(
        policy=Policy(chunk_rows=10, wait_initial=0.02)
    )
    answers, report = endpoint.score(numbered(4000))
    assert answers.notna().all()
    assert set(model.runs) == {1}
    assert report.retries["Throttled"] < 40
    assert report.concurrency[-1][1] <= 4


def test_a_concurrency_that_the_user_chose_is_never_exceeded(runtime: LocalRuntime) -> None:
    endpoint = runtime.deploy("sums", Model(500), faults=Faults(capacity=3)).replace(
        policy=Policy(chunk_rows=5, concurrency=3)
    )
    assert not endpoint.score(numbered(500))[1].retries


def test_a_refused_request_gives_its_place_to_another_while_it_waits() -> None:
    """One place, and a first request that is refused: the second is answered during its wait."""
    came: list[range] = []
    answered: list[range] = []
    second_came = threading.Event()

    def send(body: bytes, rows: range, on_retry: Callable[..., None], stop: threading.Event) -> Kept:
        from smrt_jupyter import Throttled

        came.append(rows)
        if len(came) == 1:
            on_retry(Throttled("Too many requests."), 0.0)
            second_came.wait(10)
            assert not stop.wait(0.0)
        answered.append(rows)
        second_came.set()
        return Kept(body, "")

    answers, report = scoring.score(2, no_bytes, send, zeros, policy=Policy(chunk_rows=1, concurrency=1))
    assert answered == came[::-1]
    assert (len(answers), report.requests, dict(report.retries)) == (2, 3, {"Throttled": 1})


def test_what_may_have_run_is_not_sent_again(runtime: LocalRuntime) -> None:
    model = Model(30)
    endpoint = runtime.deploy("sums", model, faults=Faults(script=["ok", "reset_after", "silence"])).replace(
        policy=Policy(chunk_rows=10, concurrency=1, read_timeout=2)
    )
    with pytest.raises(PartialResultError) as caught:
        endpoint.predict(numbered(30))
    assert model.runs.max() == 1
    assert caught.value.report.requests == 3
    assert {type(error) for error in caught.value.errors} == {ConnectionFailed, TimedOut}


def test_the_wait_for_a_model_that_scales_up_is_told(runtime: LocalRuntime) -> None:
    seen: list[Progress] = []
    endpoint = runtime.deploy("sums", Model(4), faults=Faults(script=["not_ready"] * 3)).replace(
        policy=Policy(wait_initial=1, wait_max=1)  # several times as long as between two looks at the run
    )
    answers, report = endpoint.score(numbered(4), progress=seen.append)
    assert answers.notna().all()
    assert report.retries == {"ModelNotReady": 3}
    assert any(moment.waiting_for_capacity for moment in seen)
    assert seen[-1].finished
    assert not seen[-1].waiting_for_capacity
    assert seen[-1].rows_done == 4


def test_ctrl_c_leaves_at_once_with_everything_finished() -> None:
    """One request hangs for longer than the test may take; the run does not wait for it."""

    def press(moment: Progress) -> None:
        if not moment.finished and moment.rows_done == 10 and moment.in_flight:
            raise KeyboardInterrupt

    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("sums", Model(30), faults=Faults(script=["ok", "silence"])).replace(
            policy=Policy(chunk_rows=10, concurrency=1, read_timeout=3600)
        )
        with pytest.raises(KeyboardInterrupt) as caught:
            endpoint.predict(numbered(30), progress=press)
        assert isinstance(caught.value, PartialResultError)
        assert caught.value.partial.notna().sum() == 10
        assert "10 of 30 rows" in str(caught.value)
        left = scoring_threads()
        for thread in left:
            thread.join(1)  # on a busy machine the others are still on their way out
        assert sum(thread.is_alive() for thread in left) <= 1  # whose request hangs; it ends with its connection
    for thread in left:
        thread.join(20)


def test_another_thread_can_stop_a_run() -> None:
    cancel, begun = threading.Event(), threading.Event()

    def send(body: bytes, rows: range, _: object, stop: threading.Event) -> Kept:
        if rows.start == 0:
            return Kept(body, "")
        begun.set()
        stop.wait(30)
        return Kept(body, "")

    found: list[BaseException] = []

    def run() -> None:
        try:
            scoring.score(6, no_bytes, send, zeros, policy=Policy(chunk_rows=2, concurrency=1), cancel=cancel)
        except BaseException as error:  # noqa: BLE001 - it is looked at below
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(10)
    cancel.set()
    thread.join(10)
    assert isinstance(found[0], Interrupted)


def test_a_mistake_in_our_own_code_is_raised_as_it_is() -> None:
    def read(_: object, rows: range) -> np.ndarray[Any, Any]:
        return np.ones(len(rows) // 0)

    with pytest.raises(ZeroDivisionError):
        scoring.score(6, no_bytes, echo, read, policy=Policy(chunk_rows=2))


def test_a_mistake_on_the_way_loses_nothing_that_was_answered() -> None:
    def read(_: object, rows: range) -> np.ndarray[Any, Any]:
        return np.ones(len(rows)) if rows.start < 40 else np.ones(1 // 0)

    with pytest.raises(PartialResultError, match="ZeroDivisionError") as caught:
        scoring.score(100, no_bytes, echo, read, policy=Policy(chunk_rows=10, concurrency=1))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert 30 <= np.nansum(caught.value.partial) <= 40


def test_errors_that_are_kept_do_not_keep_the_bodies_that_failed(runtime: LocalRuntime) -> None:
    """Each frame of a traceback would hold on to one: a thousand failed chunks would be the whole table."""
    endpoint = runtime.deploy("sums", Model(40), faults=Faults(script=["ok", "model_error", "model_error"])).replace(
        policy=Policy(chunk_rows=10, concurrency=1)
    )
    report = endpoint.score(numbered(40), on_error="return")[1]
    assert len(report.errors) == 2
    for error in report.errors:
        chain: BaseException | None = error
        while chain is not None:
            assert chain.__traceback__ is None
            chain = chain.__cause__ or chain.__context__


def test_rows_that_are_too_large_stop_nothing_however_many_come_first(runtime: LocalRuntime) -> None:
    texts = pd.DataFrame({"text": ["x" * 5000] * 30 + ["short"] * 70})
    endpoint = runtime.deploy("lengths", lambda frame: frame.iloc[:, 0].str.len()).replace(
        policy=Policy(chunk_rows=1, payload_limit=1000)
    )
    found, report = endpoint.score(texts, on_error="return")
    assert report.failed_rows.tolist() == list(range(30))
    assert found.iloc[30:].eq(5).all()


def test_a_row_is_named_by_its_place_in_the_table_that_was_grouped_by_its_models(runtime: LocalRuntime) -> None:
    models = {"a": lambda frame: frame.iloc[:, 0].str.len(), "b": lambda frame: frame.iloc[:, 0].str.len()}
    endpoint = runtime.deploy("many", models=models).replace(policy=Policy(chunk_rows=2, payload_limit=1000))
    texts = pd.DataFrame({"text": ["s", "x" * 5000, "s", "s"], "model": ["b", "b", "a", "a"]})
    with pytest.raises(PartialResultError, match=r"row 1: This row alone") as caught:
        endpoint.predict(texts, target_model_column="model")
    assert list(caught.value.failed_rows) == [1]


def test_a_model_that_is_not_there_fails_its_own_rows_alone(runtime: LocalRuntime) -> None:
    endpoint = runtime.deploy("many", models={"b": lambda frame: frame.iloc[:, 0]}).replace(
        policy=Policy(chunk_rows=5, concurrency=1)
    )
    table = pd.DataFrame({"x": np.arange(100.0), "model": ["b"] * 97 + ["a"] * 3})
    found, report = endpoint.score(table, target_model_column="model", on_error="return")
    assert report.failed_rows == [97, 98, 99]
    assert found.iloc[:97].tolist() == list(range(97))


def test_a_resumed_run_that_nothing_passes_is_given_up_as_soon(runtime: LocalRuntime, tmp_path: Path) -> None:
    def picky(frame: pd.DataFrame) -> pd.Series[float]:
        if (frame[0] > 0).any():
            raise ValueError("no")
        return frame[0]

    endpoint = runtime.deploy("picky", picky).replace(policy=Policy(chunk_rows=1, concurrency=1))
    for _ in range(2):
        with pytest.raises(PartialResultError):
            endpoint.predict(numbered(400), journal=tmp_path / "run.sqlite")
    assert len(runtime.requests) < 100 + 400


def test_what_meets_every_row_is_raised_although_errors_are_returned(runtime: LocalRuntime) -> None:
    with pytest.raises(EndpointNotFound):
        runtime.endpoint("nowhere").predict(numbered(10), on_error="return")


@pytest.mark.parametrize("row_bytes", [2_500_000, 1])
def test_no_more_large_bodies_are_held_than_requests_are_in_flight_and_one(row_bytes: int) -> None:
    """Memory is bounded by what is in flight: a queue of bodies would be the whole table again. Small ones may be."""
    held, most, lock = 0, 0, threading.Lock()

    def write(start: int, stop: int) -> bytes:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return bytes(row_bytes * (stop - start))

    def read(_: object, rows: range) -> np.ndarray[Any, Any]:
        nonlocal held
        with lock:
            held -= 1
        return np.zeros(len(rows))

    weighing = 6
    scoring.score(200, write, echo, read, policy=Policy(chunk_rows=2, concurrency=4))
    assert most <= 4 + 1 + weighing


def test_an_endpoint_does_not_wait_for_a_slow_disk(tmp_path: Path) -> None:
    """Each finished chunk is kept only once two more requests have begun."""
    begun = threading.Semaphore(0)

    class Slow(Journal):
        def add(self, rows: range, body: bytes, content_type: str) -> None:
            if rows.stop < 11:
                assert begun.acquire(timeout=60)
            super().add(rows, body, content_type)

    def write(start: int, stop: int) -> bytes:
        return bytes(5_000_000 * (stop - start))

    def send(body: bytes, rows: range, *_: object) -> Kept:
        if rows.start >= 2:
            begun.release()
        return Kept(b"1", "")

    with Slow.open(tmp_path / "run.sqlite", {}) as journal:
        policy = Policy(chunk_rows=1, concurrency=1)
        found, _ = scoring.score(12, write, send, lambda _, rows: np.ones(len(rows)), policy=policy, journal=journal)
    assert found.sum() == 12  # type: ignore[union-attr]


def test_boundaries_are_kept() -> None:
    """Rows for different models never share a request."""
    seen: list[range] = []

    def send(body: bytes, rows: range, *_: object) -> Kept:
        seen.append(rows)
        return Kept(body, "")

    scoring.score(100, no_bytes, send, zeros, policy=Policy(chunk_rows=40), boundaries=(0, 7, 60))
    assert sorted((rows.start, rows.stop) for rows in seen) == [(0, 7), (7, 47), (47, 60), (60, 100)]


def test_a_chunk_that_is_refused_five_times_in_a_row_is_taken_up_again_while_others_pass(runtime: LocalRuntime) -> None:
    """Every other request is refused: of five hundred chunks some fifteen have that much bad luck.

    Behind the very last there is nobody left who could pass.
    """
    table, model = numbered(500), Model(500)
    endpoint = runtime.deploy("unlucky", model, faults=Faults(throttle=0.5))
    policy = Policy(chunk_rows=1, wait_initial=0.001, wait_max=0.005)
    answers, report = endpoint.replace(policy=policy).score(table, on_error="return")
    answered = np.delete(np.arange(500), report.failed_rows)
    assert len(answered) >= 497
    assert np.allclose(answers.iloc[answered], table.sum(axis=1).iloc[answered])
    assert (model.runs[answered] == 1).all()
    assert report.retries["Throttled"] > 0


def test_an_endpoint_that_refuses_everything_ends_the_run(runtime: LocalRuntime) -> None:
    endpoint = runtime.deploy("full", Model(40), faults=Faults(throttle=1.0))
    with pytest.raises(PartialResultError) as caught:
        endpoint.replace(policy=Policy(chunk_rows=1, wait_initial=0.001, wait_max=0.005)).score(numbered(40))
    assert len(caught.value.failed_rows) == 40
    assert all(isinstance(error, Throttled) for error in caught.value.errors)


def test_attempts_that_the_user_counts_are_all_that_a_chunk_gets(runtime: LocalRuntime) -> None:
    endpoint = runtime.deploy("counted", Model(200), faults=Faults(throttle=0.7))
    with pytest.raises(PartialResultError) as caught:
        endpoint.replace(policy=Policy(chunk_rows=1, attempts=2, wait_initial=0.001)).score(numbered(200))
    assert {error.attempts for error in caught.value.errors} == {2}


def test_a_chunk_that_is_always_refused_is_sent_again_after_the_others_and_not_round_and_round() -> None:
    sent: list[int] = []
    tried, others = threading.Event(), threading.Semaphore(0)

    def send(body: bytes, rows: range, *_: Any) -> Kept:
        sent.append(rows.start)
        if rows.start == 3:
            while others.acquire(blocking=False):
                pass  # those that passed before it was tried do not count
            tried.set()
            for _ in range(8 if sent.count(3) == 1 else 0):
                assert others.acquire(timeout=60)
            raise Throttled("always")
        others.release()
        return Kept(body, "")

    def read(reply: Kept, rows: range) -> np.ndarray[Any, Any]:
        assert tried.wait(60)  # or all others may have passed before a slow thread comes to it
        return zeros(reply, rows)

    with pytest.raises(PartialResultError) as caught:
        scoring.score(300, no_bytes, send, read, policy=Policy(chunk_rows=1, concurrency=4))
    assert list(caught.value.failed_rows) == [3]
    assert 2 <= sent.count(3) <= 5  # at last once more for each of the three that were still beside it


@pytest.mark.usefixtures("python_meets_ctrl_c")
def test_ctrl_c_after_a_failure_tells_of_the_stop_first() -> None:
    def send(body: bytes, rows: range, *_: Any) -> Kept:
        if rows.start == 0:
            raise ModelError("broken")
        if rows.start == 20:
            signal.raise_signal(signal.SIGINT)
        return Kept(body, "")

    with pytest.raises(Interrupted, match=r"^Stopped with \d+ of 1,000 rows answered\. Requests that had failed .*: 1"):
        scoring.score(1000, no_bytes, send, zeros, policy=Policy(chunk_rows=1, concurrency=1))
