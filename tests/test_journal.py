"""What is finished is kept, and what is kept is never sent again."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

from smrt_jupyter import Endpoint, LocalRuntime, PartialResultError, Policy, codecs
from smrt_jupyter.codecs import Codec
from smrt_jupyter.codecs.recordio import RecordIO
from smrt_jupyter.codecs.triton import Triton
from smrt_jupyter.errors import JournalError
from smrt_jupyter.local.faults import Faults
from smrt_jupyter.scoring import fingerprint
from smrt_jupyter.scoring.journal import Journal, opened
from smrt_jupyter.tables import Table

if TYPE_CHECKING:
    from pathlib import Path

TABLE = pd.DataFrame({"a": np.arange(100.0), "b": np.arange(100.0) / 7})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


def kept(file: Path) -> dict[range, bytes]:
    with Journal.open(file) as journal:
        return {rows: found.body for rows, found in journal.finished()}


def test_the_next_run_sends_only_what_is_missing(file: Path) -> None:
    policy = Policy(chunk_rows=10, concurrency=1)
    with LocalRuntime() as runtime:
        faults = Faults(script=["ok", "model_error", "ok", "model_error"])
        endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1), faults=faults).replace(policy=policy)
        with pytest.raises(PartialResultError) as caught:
            endpoint.predict(TABLE, journal=file)
        failed = list(caught.value.failed_rows)
        answers, report = endpoint.score(TABLE, journal=file)
        assert (report.requests, report.rows_resumed) == (2, 100 - len(failed))
        pd.testing.assert_series_equal(answers, TABLE.sum(axis=1))
        assert endpoint.score(TABLE, journal=file)[1].requests == 0


def test_rows_that_are_kept_count_however_the_next_run_cuts_the_table(file: Path) -> None:
    """Smaller chunks are often what a run needs after a failure; what is paid for stays."""
    with LocalRuntime() as runtime:
        faults = Faults(script=["ok", "timeout"])
        endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1), faults=faults)
        with pytest.raises(PartialResultError):
            endpoint.replace(policy=Policy(chunk_rows=50, concurrency=1)).predict(TABLE, journal=file)
        answers, report = endpoint.replace(policy=Policy(chunk_rows=7)).score(TABLE, journal=file)
        assert report.requests == 8
        assert answers.notna().all()


def test_a_reply_that_cannot_be_read_is_kept_and_a_corrected_path_reads_it(file: Path) -> None:
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("pairs", lambda frame: {"good": frame.sum(axis=1).tolist(), "bad": 1}).replace(
            accept="application/json"
        )
        with pytest.raises(Exception, match="answer"):
            endpoint.replace(path="bad").predict(TABLE, journal=file)
        answers, report = endpoint.replace(path="good").score(TABLE, journal=file)
        assert report.requests == 0
        assert np.allclose(answers, TABLE.sum(axis=1))


def test_a_reply_that_stays_unreadable_is_asked_for_again(file: Path) -> None:
    with LocalRuntime() as runtime:
        faults = Faults(script=["wrong_rows"])
        endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1), faults=faults)
        with pytest.raises(Exception, match="100 rows were sent"):
            endpoint.predict(TABLE, journal=file)
        assert endpoint.score(TABLE, journal=file)[1].requests == 1
        assert endpoint.score(TABLE, journal=file)[1].requests == 0


@pytest.mark.parametrize(
    ("table", "changes", "says"),
    [
        (TABLE.iloc[:99], {}, "the table has 99 rows, not 100"),
        (TABLE.rename(columns={"a": "c"}), {}, "the table's columns are c, b, not a, b"),
        (TABLE.astype("float32"), {}, "the table's types are float32, not float64"),
        (TABLE.replace(5.0, 5.5), {}, "a cell of the table differs"),
        (TABLE, {"name": "other"}, "name is 'other', not 'sums'"),
        (TABLE, {"target_variant": "blue"}, "target_variant is 'blue', not None"),
        (TABLE, {"content_type": "application/x-npy"}, "the table is sent as application/x-npy, not as text/csv"),
        (TABLE, {"custom_attributes": "secret"}, "custom_attributes differs"),
    ],
)
def test_another_run_is_told_what_changed(file: Path, table: Any, changes: dict[str, Any], says: str) -> None:
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1))
        endpoint.predict(TABLE, journal=file)
        with pytest.raises(JournalError) as caught:
            endpoint.replace(**changes).predict(table, journal=file)
    assert says in str(caught.value)
    assert "Name another `journal`" in str(caught.value)
    assert "secret" not in str(caught.value)


class Scaled:
    """A serializer of the SageMaker SDK's kind, with an option that nobody can see from outside."""

    CONTENT_TYPE = "text/csv"

    def __init__(self, scale: float, noise: Any = None) -> None:
        self._write = lambda rows: "\n".join(",".join(str(cell * scale) for cell in row) for row in rows)
        self._noise = noise or (lambda: "")

    def serialize(self, data: Any) -> str:
        return self._write(np.asarray(data)) + self._noise()


class Rounded(Codec):
    content_types = ("text/csv",)

    def __init__(self, digits: int) -> None:
        super().__init__()
        self.digits = digits

    def encode(self, value: Any) -> bytes:
        return value.round(self.digits).to_csv(header=False, index=False).encode()


def about(codec: Any, table: Any = TABLE) -> Any:
    """Open and close the journal of a run that sends a table through a codec."""
    found, whole = codecs.find(codec), Table.of(table)
    return lambda file: opened(file, whole, Endpoint("sums"), found.media_type.text, found.writer(whole))


@pytest.mark.parametrize(
    ("was", "again", "now"),
    [
        (Scaled(1), Scaled(1), Scaled(100)),
        (Rounded(2), Rounded(2), Rounded(3)),
        (RecordIO(dtype="float32"), RecordIO(dtype="float32"), RecordIO(dtype="float64")),
        (Triton(input_name="a"), Triton(input_name="a"), Triton(input_name="b")),
    ],
    ids=["serializer", "codec", "RecordIO", "Triton"],
)
def test_a_codec_that_writes_other_bytes_makes_another_run(file: Path, was: Any, again: Any, now: Any) -> None:
    for same in (was, again):
        with about(same)(file):
            pass
    with pytest.raises(JournalError, match="run: the same rows are written as other bytes"), about(now)(file):
        pass


def test_answers_to_other_bytes_are_never_given_as_these_ones(file: Path) -> None:
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1))
        once = endpoint.replace(content_type=Scaled(1))
        assert np.allclose(once.predict(TABLE, journal=file), TABLE.sum(axis=1))
        assert once.replace(content_type=Scaled(1)).score(TABLE, journal=file)[1].requests == 0
        with pytest.raises(JournalError, match="the serializer, has changed"):
            endpoint.replace(content_type=Scaled(100)).predict(TABLE, journal=file)


def test_what_explains_other_bytes_is_told_and_they_are_not(file: Path) -> None:
    with about("text/csv")(file):
        pass
    with pytest.raises(JournalError) as caught, about("application/json")(file):
        pass
    assert "the table is sent as application/json, not as text/csv." in str(caught.value)
    assert "same rows" not in str(caught.value)


TABULAR = [
    "text/csv",
    "application/json",
    "application/jsonlines",
    "application/x-npy",
    "application/x-npz",
    "application/x-recordio-protobuf",
    "text/libsvm",
    "application/x-parquet",
    "application/vnd.apache.arrow.stream",
    "application/vnd.apache.arrow.file",
    "application/vnd.sagemaker-triton.binary+json",
]


@pytest.mark.parametrize("content_type", TABULAR)
def test_every_codec_writes_a_row_to_the_same_bytes_in_every_process(content_type: str) -> None:
    """With other seeds of hashes, at another moment: or no run could be resumed."""
    script = (
        "import sys, numpy as np, pandas as pd\n"
        "from smrt_jupyter import codecs\n"
        "from smrt_jupyter.scoring import fingerprint\n"
        "from smrt_jupyter.tables import Table\n"
        "table = Table.of(pd.DataFrame({'a': np.arange(100.0), 'b': np.arange(100.0) / 7}))\n"
        "print(fingerprint.of_bodies(codecs.find(sys.argv[1]).writer(table), 100))\n"
    )
    other = subprocess.run([sys.executable, "-c", script, content_type], check=True, capture_output=True, text=True)
    here = fingerprint.of_bodies(codecs.find(content_type).writer(Table.of(TABLE)), len(TABLE))
    assert other.stdout.strip() == here != fingerprint.NEVER_THE_SAME


@pytest.mark.parametrize("content_type", ["text/csv", "application/x-parquet", "application/vnd.apache.arrow.stream"])
def test_a_run_is_resumed_with_another_policy_in_every_form(file: Path, content_type: str) -> None:
    with LocalRuntime() as runtime:
        faults = Faults(script=["ok", "model_error"])
        endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1), faults=faults)
        endpoint = endpoint.replace(content_type=content_type)
        with pytest.raises(PartialResultError):
            endpoint.replace(policy=Policy(chunk_rows=50, concurrency=1)).predict(TABLE, journal=file)
        answers, report = endpoint.replace(policy=Policy(chunk_rows=7)).score(TABLE, journal=file)
    assert report.rows_resumed == 50
    assert np.allclose(answers, TABLE.sum(axis=1))


def test_a_serializer_that_never_writes_the_same_twice_can_be_resumed(file: Path) -> None:
    numbers = itertools.count()
    for _ in range(2):
        with about(Scaled(1, noise=lambda: f",{next(numbers)}"))(file):
            pass


def test_a_row_that_cannot_be_written_is_the_runs_to_tell() -> None:
    def write(start: int, _stop: int) -> bytes:
        if start == 0:
            raise ValueError("no such row")
        return b"x"

    assert fingerprint.of_bodies(write, 2) != fingerprint.of_bodies(lambda *_: b"x", 2)
    assert fingerprint.of_bodies(write, 0)


def test_a_batch_of_a_file_that_is_written_as_other_bytes_is_told_apart_from_other_rows(file: Path) -> None:
    with Journal.open(file, {}) as journal:
        journal.part(range(10), "content", "bodies")
        journal.part(range(10), "content", "bodies")
        with pytest.raises(JournalError, match="the same rows are written as other bytes"):
            journal.part(range(10), "content", "others")
        with pytest.raises(JournalError, match="are not those of the journal's run"):
            journal.part(range(10), "changed", "others")


def test_no_secret_is_in_the_file(file: Path) -> None:
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1)).replace(custom_attributes="hush-hush")
        endpoint.predict(TABLE, journal=file)
        assert runtime.environ["AWS_SECRET_ACCESS_KEY"].encode() not in file.read_bytes()
    assert b"hush-hush" not in file.read_bytes()


def test_how_an_endpoint_is_reached_may_change(file: Path) -> None:
    """The next run has another profile, another policy, or an embedded runtime on another port."""
    for answered in (1, 0):
        with LocalRuntime() as runtime:
            endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1))
            changed = endpoint.replace(policy=Policy(concurrency=2 + answered), inference_id=f"run-{answered}")
            assert changed.score(TABLE, journal=file)[1].requests == answered


@pytest.mark.parametrize(
    "of", [pd.DataFrame, pl.from_pandas, pa.Table.from_pandas, lambda frame: frame.to_numpy(), scipy.sparse.csr_array]
)
def test_one_changed_cell_shows_in_every_kind_of_table(of: Any) -> None:
    numbers = pd.DataFrame({"a": np.arange(200_000.0), "b": 1.0})
    changed = numbers.copy()
    changed.iloc[123_456, 1] = 2.0
    same, again, other = (fingerprint.of_table(Table.of(of(frame))) for frame in (numbers, numbers.copy(), changed))
    assert same == again
    assert same["content"] != other["content"]
    assert {name for name in same if same[name] != other[name]} == {"content"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["a", "bc"], ["ab", "c"]),
        (["1", "2"], [1, 2]),
        ([None, "a"], ["None", "a"]),
        (pd.to_datetime(["2024-01-02", None]), pd.to_datetime([None, "2024-01-02"])),
        (pd.Categorical(["x", "y"]), pd.Categorical(["y", "x"])),
        (pd.array([1, None], dtype="Int64"), pd.array([1, 0], dtype="Int64")),
    ],
)
def test_cells_that_look_alike_are_told_apart(one: Any, other: Any) -> None:
    first, second = (fingerprint.of_table(Table.of(pd.DataFrame({"x": cells}))) for cells in (one, other))
    assert first != second


def test_threads_that_finish_together_are_all_kept(file: Path) -> None:
    with Journal.open(file, {}) as journal:

        def add(start: int) -> None:
            for row in range(start, start + 20):
                journal.add(range(row, row + 1), b"%d" % row, "")

        threads = [threading.Thread(target=add, args=(start,)) for start in range(0, 400, 20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert kept(file) == {range(row, row + 1): b"%d" % row for row in range(400)}


def test_rows_that_are_sent_again_replace_what_was_kept_of_them(file: Path) -> None:
    with Journal.open(file, {}) as journal:
        journal.add(range(10), b"unreadable", "")
        journal.add(range(5, 10), b"second half", "")
        journal.add(range(5), b"first half", "")
    assert kept(file) == {range(5): b"first half", range(5, 10): b"second half"}


def test_what_add_has_returned_for_survives_kill_9(file: Path) -> None:
    """A process is killed in the middle of its work, at a moment that nobody chose."""
    script = (
        "import sys; from smrt_jupyter.scoring.journal import Journal\n"
        "journal = Journal.open(sys.argv[1], {})\n"
        "for row in range(10**6):\n"
        "    journal.add(range(row, row + 1), b'%d' % row * 1000, '')\n"
        "    print(row, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(file)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(50)]
    process.send_signal(signal.SIGKILL)
    told += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    known = kept(file)
    rows = [int(line) for line in told if line.endswith("\n")]
    assert all(known[range(row, row + 1)] == b"%d" % row * 1000 for row in rows)
    assert len(known) - len(told) <= 1


def test_a_full_disk_stops_the_run_and_keeps_everything_finished(file: Path) -> None:
    table = pd.DataFrame({"a": np.arange(20_000.0)})
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1)).replace(policy=Policy(chunk_rows=500))
        with Journal.open(file, {}) as journal:
            journal._database.execute("PRAGMA max_page_count = 16")
            with pytest.raises(PartialResultError, match="the disk is full") as caught:
                endpoint.predict(table, journal=journal)
            known = sum(len(rows) for rows, _ in journal.finished())
        assert 0 < known <= caught.value.partial.notna().sum()
        with Journal.open(file, {}) as journal:
            answers, report = endpoint.score(table, journal=journal)
    assert answers.tolist() == table["a"].tolist()
    assert report.rows_resumed == known


def test_a_journal_in_use_is_refused(file: Path) -> None:
    with Journal.open(file, {}), pytest.raises(JournalError, match="in use by another run"):
        Journal.open(file, {})


def test_a_file_that_is_no_journal_is_left_alone(file: Path) -> None:
    file.write_text("my notes, " * 100)
    with pytest.raises(JournalError, match="not a journal"):
        Journal.open(file, {})
    assert file.read_text().startswith("my notes")


def test_another_database_is_left_alone(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE mine (x)")
    database.close()
    with pytest.raises(JournalError, match="a database, but not a journal"):
        Journal.open(file, {})


def test_a_journal_of_a_newer_version_is_refused(file: Path) -> None:
    Journal.open(file, {}).close()
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(JournalError, match="newer smrt-jupyter"):
        Journal.open(file, {})


def test_a_folder_that_does_not_exist_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be used"):
        Journal.open(tmp_path / "missing" / "run.sqlite", {})


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_what_is_kept_can_be_had_without_the_table(file: Path, suffix: str) -> None:
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1), faults=Faults(script=["ok", "model_error"]))
        with pytest.raises(PartialResultError) as caught:
            endpoint.replace(policy=Policy(chunk_rows=10, concurrency=1)).predict(TABLE, journal=file)
    out = file.with_suffix(f".{suffix}")
    with Journal.open(file) as journal:
        journal.export(out)
    readers: dict[str, Any] = {"csv": pd.read_csv, "jsonl": pd.read_json, "parquet": pd.read_parquet}
    found = readers[suffix](out, **({"lines": True} if suffix == "jsonl" else {}))
    assert set(found["row"]) == set(range(100)) - set(caught.value.failed_rows)
    assert np.allclose(found["prediction"], TABLE.sum(axis=1).iloc[found["row"]])


def test_opening_for_an_export_needs_a_file_that_is_there(file: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Journal.open(file)
    assert not os.path.exists(file)  # noqa: PTH110 - says what is meant
