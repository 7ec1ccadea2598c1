"""What a run tells, during and after."""

from __future__ import annotations

import io
import sys
import threading
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from smrt_jupyter import LocalRuntime, ModelError, Policy, RunReport
from smrt_jupyter.local.faults import Faults
from smrt_jupyter.scoring.progress import Progress, watcher

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = pd.DataFrame(np.random.default_rng(0).standard_normal((400, 3)))


def sums(frame: pd.DataFrame) -> pd.Series[float]:
    return frame.sum(axis=1)


def moment(**changes: Any) -> Progress:
    known = Progress(100, 50, 10, 4.0, in_flight=8, retries=0, waiting_for_capacity=False, finished=False)
    return replace(known, **changes)


def test_the_numbers_are_those_that_the_endpoint_saw(runtime: LocalRuntime) -> None:
    faults = Faults(script=["throttle", "ok", "unavailable"])
    endpoint = runtime.deploy("sums", sums, faults=faults).replace(policy=Policy(chunk_rows=50, wait_initial=0.01))
    report = endpoint.score(TABLE)[1]
    assert report.requests == len(runtime.requests) == 10
    assert report.bytes_sent == sum(request.size for request in runtime.requests)
    assert report.retries == {"Throttled": 1, "ServiceError": 1}
    assert (report.replies, len(report.latencies), report.rows_done) == (8, 8, 400)
    assert 0 < report.latency(50) <= report.latency(99) < report.elapsed
    assert max(in_flight for _, _, in_flight in report.concurrency) <= 8


def test_a_report_is_a_small_table_in_a_terminal_and_in_a_notebook() -> None:
    error = ModelError("<script>alert(1)</script>", status=500)
    report = RunReport(rows=2000, rows_done=1000, elapsed=2.0, failed_rows=range(1000), errors=[error])
    assert "1,000 of 2,000" in repr(report)
    assert "rows a second     500" in repr(report)
    assert "<script>" not in report._repr_html_()
    assert "&lt;script&gt;" in report._repr_html_()


def test_a_long_run_keeps_the_course_of_its_concurrency_in_bounds() -> None:
    report = RunReport()
    for second in range(100_000):
        report.note_concurrency(second, 8, 8)
    seconds = [point[0] for point in report.concurrency]
    assert len(seconds) < 3000
    assert seconds == sorted(seconds)
    assert seconds[-1] == 99_999
    assert seconds[0] < 100


def test_a_report_draws_itself(runtime: LocalRuntime) -> None:
    report = runtime.deploy("sums", sums).replace(policy=Policy(chunk_rows=20)).score(TABLE)[1]
    figure = report.plot()
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    assert picture.getvalue().startswith(b"\x89PNG")
    assert [axes.get_xlabel() for axes in figure.axes] == ["seconds", "latency of a request (ms)"]
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    assert report.plot(axes) is axes
    assert RunReport().plot() is not None


def test_a_report_without_matplotlib_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"smrt-jupyter\[plot\]"):
        RunReport().plot()


def test_a_function_is_told_how_far_the_run_is(runtime: LocalRuntime) -> None:
    seen: list[Progress] = []
    told = threading.Semaphore(0)
    endpoint = runtime.deploy("sums", sums).replace(
        before_sign=lambda _: told.acquire(timeout=10), policy=Policy(chunk_rows=100, concurrency=2)
    )  # no request leaves before there was something to see

    def watch(moment: Progress) -> None:
        seen.append(moment)
        told.release()

    endpoint.predict(TABLE, progress=watch)
    assert len(seen) > 2
    assert [moment.rows_done for moment in seen] == sorted(moment.rows_done for moment in seen)
    assert [moment.finished for moment in seen] == [False] * (len(seen) - 1) + [True]
    assert seen[-1].rows_done == seen[-1].rows == 400


def test_pace_and_time_left_leave_out_what_a_journal_knew() -> None:
    assert moment().rows_per_second == 10.0
    assert moment().seconds_left == 5.0
    assert moment(rows_done=10).seconds_left is None
    assert moment(rows=0).seconds_left is None


def told(capsys: pytest.CaptureFixture[str], show: Callable[[Progress], object], *moments: Progress) -> str:
    for each in moments:
        show(each)
    return capsys.readouterr().err


def test_a_bar_shows_rows_requests_and_retries(capsys: pytest.CaptureFixture[str]) -> None:
    show = watcher(100, "churn", progress=True)
    text = told(capsys, show, moment(retries=3), moment(rows_done=100, finished=True))
    assert "churn:  50%" in text
    assert "in flight 8, retries 3" in text
    assert "100/100" in text


def test_a_bar_says_that_it_waits_for_capacity(capsys: pytest.CaptureFixture[str]) -> None:
    show = watcher(100, "churn", progress=True)
    text = told(capsys, show, moment(waiting_for_capacity=True), moment(finished=True))
    assert "waiting for capacity" in text


def test_nobody_watching_means_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    for progress in (None, False):
        assert not told(capsys, watcher(100, "churn", progress=progress), moment(), moment(finished=True))


def test_a_terminal_gets_a_bar_once_the_run_takes_a_while(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    show = watcher(100, "churn")
    assert not told(capsys, show, moment(elapsed=0.5))
    assert "churn" in told(capsys, show, moment(elapsed=5.0), moment(elapsed=6.0, finished=True))
    assert not told(capsys, watcher(100, "churn"), moment(elapsed=1.0, finished=True))


def test_a_run_that_is_over_before_anybody_looks_says_what_was_in_flight(runtime: LocalRuntime) -> None:
    _, report = runtime.deploy("sums", sums).score(TABLE)
    assert report.most_in_flight >= 1
    assert "at most 0" not in repr(report)
    assert f"at most {report.most_in_flight};" in repr(report)


def test_requests_that_are_under_way_together_are_counted(runtime: LocalRuntime) -> None:
    together = threading.Barrier(3)
    endpoint = runtime.deploy("sums", sums).replace(
        before_sign=lambda _: together.wait(30), policy=Policy(chunk_rows=ceil(len(TABLE) / 3), concurrency=3)
    )
    assert endpoint.score(TABLE)[1].most_in_flight == 3
