"""A million rows through everything that a network and a service can do, and a process that is killed on the way."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from smrt_jupyter import LocalRuntime, PartialResultError, Policy
from smrt_jupyter.local.faults import Faults
from smrt_jupyter.scoring.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

    from smrt_jupyter import Endpoint

ROWS = 1_000_000
CHUNK = 5_000
KILLS = 10
LATE = ROWS // 20
"""Rows that a run may go on for after the alarm; then it is held up until somebody came who was slow to hear it."""

FAULTY = Faults(throttle=0.2, unavailable=0.05, reset=0.02, latency=0.01, body_limit=120_000)

CLIENT = f"""
import sys, numpy as np, pandas as pd
from smrt_jupyter import Endpoint, Policy
name, region, url, journal, out, most = sys.argv[1:]
policy = Policy(chunk_rows={CHUNK}, wait_initial=0.01, concurrency_max=int(most))
endpoint = Endpoint(name, region=region, endpoint_url=url, policy=policy)
number = np.arange({ROWS}, dtype=float)
table = pd.DataFrame({{"number": number, "half": number / 2}})
endpoint.predict(table, journal=journal).to_frame("sum").to_parquet(out)
"""


class Model:
    """Answers sums, and counts how often each row has been run; `alarm` is an event for when so many have."""

    def __init__(self) -> None:
        self.runs = np.zeros(ROWS, dtype=int)
        self.done = 0
        self.alarm: tuple[int, threading.Event] = (ROWS * 100, threading.Event())
        self.go_on = threading.Event()
        self.lock = threading.Lock()

    def alarm_after(self, rows: int) -> threading.Event:
        """Give an event for when so many more have been run."""
        with self.lock:
            self.alarm = self.done + rows, threading.Event()
            self.go_on.clear()
        return self.alarm[1]

    def __call__(self, frame: pd.DataFrame) -> pd.Series[float]:
        numbers = frame.iloc[:, 0].to_numpy().astype(int)
        with self.lock:
            self.runs[numbers] += 1
            self.done += len(numbers)
            if self.done >= self.alarm[0]:
                self.alarm[1].set()
            too_far = self.done >= self.alarm[0] + LATE
        if too_far:
            self.go_on.wait(120)
        return frame.sum(axis=1)


def client(runtime: LocalRuntime, endpoint: Endpoint, journal: Path, out: Path, *, most: int) -> list[str]:
    """Give the command that scores the table in a process of its own, with so many requests in flight at most."""
    told = (endpoint.name, runtime.region, runtime.url, str(journal), str(out), str(most))
    return [sys.executable, "-c", CLIENT, *told]


def table() -> pd.DataFrame:
    number = np.arange(ROWS, dtype=float)
    return pd.DataFrame({"number": number, "half": number / 2})


def test_a_million_rows_are_answered_right_in_order_and_once_through_all_faults(tmp_path: Path) -> None:
    """Throttled 20%, 503 5%, reset 2%, slow answers, a limit nobody told; what may have run is left to the next run."""
    model, rows = Model(), table()
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("sums", model, faults=FAULTY).replace(
            policy=Policy(chunk_rows=CHUNK * 2, wait_initial=0.01, wait_max=0.5, attempts=20)
        )
        answers = None
        for _ in range(20):
            try:
                answers, report = endpoint.score(rows, journal=tmp_path / "run.sqlite")
                break
            except PartialResultError as error:
                partial, failed = error.partial, np.asarray(error.failed_rows)
                assert partial.iloc[failed].isna().all()
                assert np.array_equal(partial.drop(failed), rows.sum(axis=1).drop(failed))
    assert answers is not None
    pd.testing.assert_series_equal(answers, rows.sum(axis=1))
    assert model.runs.tolist() == [1] * ROWS
    assert report.errors == []


def test_a_run_killed_at_ten_random_moments_goes_on_and_sends_nothing_finished_again(tmp_path: Path) -> None:
    """What the journal had when the process was killed is never run again; the answers are those of one whole run."""
    model, chance = Model(), random.Random(5)
    journal, out = tmp_path / "run.sqlite", tmp_path / "out.parquet"
    runs_when_finished = np.zeros(ROWS, dtype=int)
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("sums", model, faults=Faults(throttle=0.1, latency=0.005))
        command = client(runtime, endpoint, journal, out, most=64)
        for _ in range(KILLS):
            alarm = model.alarm_after(chance.randrange(1, ROWS // 12))
            process = subprocess.Popen(command)
            assert alarm.wait(120)
            process.send_signal(signal.SIGKILL)
            process.wait()
            model.go_on.set()
            with Journal.open(journal) as kept:
                for known, _ in kept.finished():
                    part = slice(known.start, known.stop)
                    first = runs_when_finished[part] == 0
                    runs_when_finished[part][first] = model.runs[part][first]
        model.alarm = (ROWS * 100, threading.Event())
        subprocess.run(command, check=True)
    finished = runs_when_finished > 0
    assert 0 < finished.sum() < ROWS
    assert np.array_equal(model.runs[finished], runs_when_finished[finished])
    assert np.array_equal(pd.read_parquet(out)["sum"], table().sum(axis=1))


@pytest.mark.skipif(os.name != "posix", reason="only a POSIX system sends SIGINT to one process")
def test_ctrl_c_in_a_terminal_ends_the_process_and_the_next_run_goes_on(tmp_path: Path) -> None:
    model = Model()
    journal, out = tmp_path / "run.sqlite", tmp_path / "out.parquet"
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("sums", model, faults=Faults(latency=0.02))
        command = client(runtime, endpoint, journal, out, most=16)
        alarm = model.alarm_after(ROWS // 10)
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert alarm.wait(120)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        model.go_on.set()
        assert process.returncode != 0
        assert "Interrupted: Stopped with" in said
        model.alarm = (ROWS * 100, threading.Event())
        subprocess.run(command, check=True)
    assert (model.runs > 1).sum() <= 17 * CHUNK  # what was in flight; nothing that was finished
    assert np.array_equal(pd.read_parquet(out)["sum"], table().sum(axis=1))
