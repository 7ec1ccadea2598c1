"""Files larger than memory, batch by batch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import boto3
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smrt_jupyter import (
    AccessDenied,
    CodecError,
    Endpoint,
    EndpointNotFound,
    LocalRuntime,
    PartialResultError,
    Policy,
    file_formats,
    predict_file,
)
from smrt_jupyter.errors import JournalError
from smrt_jupyter.local.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROWS = 5000


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_formats, "BATCH_BYTES", 20_000)
    monkeypatch.setattr(file_formats, "READ_BYTES", 30_000)


@pytest.fixture
def frame() -> pd.DataFrame:
    chance = np.random.default_rng(0)
    return pd.DataFrame({"id": np.arange(ROWS), "x": chance.standard_normal(ROWS), "y": chance.standard_normal(ROWS)})


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with LocalRuntime() as runtime:
        yield runtime.deploy("sums", lambda frame: frame.sum(axis=1))


WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "parquet": lambda frame, path: frame.to_parquet(path, index=False, row_group_size=1300),
    "csv": lambda frame, path: frame.to_csv(path, index=False),
}
READERS: dict[str, Callable[[Any], pd.DataFrame]] = {"parquet": pd.read_parquet, "csv": pd.read_csv}


@pytest.mark.parametrize("source", ["parquet", "csv"])
@pytest.mark.parametrize("destination", ["parquet", "csv"])
def test_a_file_is_scored_in_row_order(
    tmp_path: Path, frame: pd.DataFrame, endpoint: Endpoint, source: str, destination: str
) -> None:
    into, out = tmp_path / f"in.{source}", tmp_path / f"out.{destination}"
    WRITERS[source](frame, into)
    report = predict_file(endpoint, into, out, columns=["x", "y"], keep=["id"])
    found = READERS[destination](out)
    assert list(found.columns) == ["id", "prediction"]
    assert found["id"].tolist() == list(range(ROWS))
    assert np.allclose(found["prediction"], frame["x"] + frame["y"])
    assert report.rows_done == report.rows == ROWS
    assert sorted(os.listdir(tmp_path)) == sorted([into.name, out.name])  # noqa: PTH208 - names are enough


def test_types_hold_for_the_whole_csv_file(tmp_path: Path) -> None:
    """A column of integers whose last row has a fraction is a column of floats from its first row on."""
    sent: list[str] = []
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("sums", lambda frame: frame.iloc[:, 0] * 0.0).replace(
            before_sign=lambda request: sent.append(bytes(request.data.data).decode())
        )
        rows = ["1,a,", *["2,b,"] * ROWS, "3.5,c,7"]
        (tmp_path / "in.csv").write_text("number,text,late\n" + "\n".join(rows) + "\n")
        predict_file(endpoint, tmp_path / "in.csv", tmp_path / "out.csv", columns=["number"])
    assert {line for body in sent for line in body.split()} == {"1.0", "2.0", "3.5"}


@pytest.mark.parametrize("source", ["parquet", "csv"])
def test_how_a_moment_is_written_holds_for_the_whole_file(tmp_path: Path, source: str) -> None:
    """One time of day in the last row gives all rows their time; a file of days alone has none."""
    sent: list[str] = []
    days = pd.Series(pd.date_range("2024-01-01", periods=ROWS, freq="D").as_unit("us"))
    took = pd.Series(pd.to_timedelta(np.arange(ROWS), unit="s").as_unit("us"))
    frame = pd.DataFrame({"alone": days, "at": days, "when": days})
    frame.loc[ROWS - 1, "at"] += pd.Timedelta("01:02:03")
    frame.loc[ROWS - 2, "when"] += pd.Timedelta("4ms")
    if source == "parquet":
        frame["took"] = took
        frame.loc[ROWS - 3, "took"] += pd.Timedelta("5us")
    WRITERS[source](frame, tmp_path / f"in.{source}")
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("ones", lambda frame: frame.iloc[:, 0].notna().astype(float)).replace(
            before_sign=lambda request: sent.append(bytes(request.data.data).decode())
        )
        report = predict_file(endpoint, tmp_path / f"in.{source}", tmp_path / "out.csv")
    assert report.rows_done == ROWS
    rows = [line.split(",") for body in sent for line in body.splitlines()]
    assert len(rows) == ROWS
    assert [len(cell) for cell in rows[0][:3]] == [10, 19, 23]
    assert {tuple(map(len, row[:3])) for row in rows} == {(10, 19, 23)}
    if source == "parquet":
        assert {len(row[3].partition(".")[2]) for row in rows} == {6}


def test_a_csv_file_without_a_header_is_read_from_its_first_line(tmp_path: Path, endpoint: Endpoint) -> None:
    (tmp_path / "in.csv").write_text("1,2\n3,4\n")
    predict_file(endpoint, tmp_path / "in.csv", tmp_path / "out.csv", header=False)
    assert pd.read_csv(tmp_path / "out.csv")["prediction"].tolist() == [3, 7]


@pytest.mark.parametrize("rows", [1, 2])
def test_few_rows_are_scored(tmp_path: Path, frame: pd.DataFrame, endpoint: Endpoint, rows: int) -> None:
    frame.iloc[:rows].to_parquet(tmp_path / "in.parquet", index=False)
    predict_file(endpoint, tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert len(pd.read_parquet(tmp_path / "out.parquet")) == rows


def test_no_rows_make_a_file_without_rows(tmp_path: Path, frame: pd.DataFrame, endpoint: Endpoint) -> None:
    frame.iloc[:0].to_parquet(tmp_path / "in.parquet", index=False)
    assert predict_file(endpoint, tmp_path / "in.parquet", tmp_path / "out.parquet").requests == 0
    assert pd.read_parquet(tmp_path / "out.parquet").shape == (0, 1)


def test_no_batch_has_one_row() -> None:
    """The default container for scikit-learn reads a body of one row as one column."""
    schema = pa.schema([("a", pa.int64())])
    for rows in range(2, 40):
        whole = pa.table({"a": range(rows)}, schema=schema)
        cut = list(file_formats._even(whole.to_batches(max_chunksize=3), schema, 5))
        assert all(len(table) > 1 for table in cut)
        assert pa.concat_tables(cut).equals(whole)


def test_several_values_and_named_fields_a_row_are_columns(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame[["x", "y"]].to_parquet(tmp_path / "in.parquet", index=False)
    with LocalRuntime() as runtime:
        pairs = runtime.deploy("pairs", lambda frame: frame.to_numpy())
        predict_file(pairs, tmp_path / "in.parquet", tmp_path / "pairs.parquet")
        labels = runtime.deploy("labels", lambda frame: [{"label": "a", "score": 0.5}] * len(frame))
        predict_file(labels.replace(accept="application/json"), tmp_path / "in.parquet", tmp_path / "labels.csv")
    found = pd.read_parquet(tmp_path / "pairs.parquet")
    assert list(found.columns) == ["prediction_0", "prediction_1"]
    assert np.allclose(found, frame[["x", "y"]])
    assert list(pd.read_csv(tmp_path / "labels.csv").columns) == ["label", "score"]


def test_rows_that_fail_are_missing_in_a_whole_file_and_named_in_the_error(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    with LocalRuntime() as runtime:
        faults = Faults(script=["ok", "ok", "model_error"])
        endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1), faults=faults)
        with pytest.raises(PartialResultError) as caught:
            predict_file(endpoint, tmp_path / "in.parquet", tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet")["prediction"]
    assert len(found) == ROWS
    assert found.isna().to_numpy().nonzero()[0].tolist() == list(caught.value.failed_rows)
    assert 0 < len(caught.value.failed_rows) < ROWS


def test_the_next_run_sends_only_what_is_missing(tmp_path: Path, frame: pd.DataFrame) -> None:
    files = tmp_path / "in.parquet", tmp_path / "out.parquet"
    frame.to_parquet(files[0], index=False)
    with LocalRuntime() as runtime:
        faults = Faults(script=["ok"] * 7 + ["access_denied"])
        endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1), faults=faults).replace(
            policy=Policy(concurrency=1, chunk_rows=100)
        )
        with pytest.raises(PartialResultError) as caught:
            predict_file(endpoint, *files, journal=tmp_path / "run.sqlite")
        assert isinstance(caught.value.errors[0], AccessDenied)
        assert not files[1].exists()
        report = predict_file(endpoint, *files, journal=tmp_path / "run.sqlite")
    assert 0 < report.rows_resumed < ROWS
    assert np.allclose(pd.read_parquet(tmp_path / "out.parquet")["prediction"], frame.sum(axis=1))


def test_a_file_that_changed_is_not_mixed_with_the_run_before(
    tmp_path: Path, frame: pd.DataFrame, endpoint: Endpoint
) -> None:
    for value in (0.5, 0.75):
        frame.loc[4321, "x"] = value
        frame.to_parquet(tmp_path / "in.parquet", index=False)
        arguments = (endpoint, tmp_path / "in.parquet", tmp_path / f"{value}.parquet")
        if value == 0.5:
            predict_file(*arguments, journal=tmp_path / "run.sqlite")
        else:
            with pytest.raises(JournalError, match=r"rows \d+ to \d+ of the file"):
                predict_file(*arguments, journal=tmp_path / "run.sqlite")
            assert not arguments[2].exists()


def test_a_file_in_s3_is_read_and_written_there(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    frame.to_csv(tmp_path / "in.csv", index=False)
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1))
        s3 = boto3.client(
            "s3", endpoint_url=runtime.environ["AWS_ENDPOINT_URL_S3"], region_name="us-east-1",
            aws_access_key_id=runtime.environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=runtime.environ["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip
        s3.create_bucket(Bucket="scoring")
        for name in ("in.parquet", "in.csv"):
            s3.upload_file(str(tmp_path / name), "scoring", name)
            predict_file(endpoint, f"s3://scoring/{name}", f"s3://scoring/deep/{name}")
            s3.download_file("scoring", f"deep/{name}", str(tmp_path / f"out-{name}"))
            found = READERS[name.split(".")[1]](tmp_path / f"out-{name}")
            assert np.allclose(found["prediction"], frame.sum(axis=1))
        with pytest.raises(FileNotFoundError, match=r"s3://scoring/missing\.csv"):
            predict_file(endpoint, "s3://scoring/missing.csv", tmp_path / "out.csv")
        s3.close()


def test_what_cannot_be_meant_is_said_before_anything_is_sent(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1))
        source = tmp_path / "in.parquet"
        with pytest.raises(CodecError, match="neither Parquet nor CSV"):
            predict_file(endpoint, source, tmp_path / "out.xlsx")
        with pytest.raises(ValueError, match="no column 'z'"):
            predict_file(endpoint, source, tmp_path / "out.csv", columns=["z"])
        with pytest.raises(ValueError, match="The destination is the source"):
            predict_file(endpoint, source, source)
        with pytest.raises(FileNotFoundError):
            predict_file(endpoint, tmp_path / "missing.parquet", tmp_path / "out.csv")
        with pytest.raises(ValueError, match=r"s3://bucket/key"):
            predict_file(endpoint, "s3://in.parquet", tmp_path / "out.csv")
        assert not runtime.requests


def test_an_endpoint_that_is_not_there_leaves_no_file(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    (tmp_path / "out.parquet").write_text("the file of yesterday")
    with LocalRuntime() as runtime, pytest.raises(EndpointNotFound):
        predict_file(runtime.endpoint("nobody"), tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").read_text() == "the file of yesterday"
    assert len(list(tmp_path.iterdir())) == 2


def test_memory_holds_a_few_batches_whatever_the_size_of_the_file(tmp_path: Path) -> None:
    """Batches are let go once they are written: at most three at a time are there."""
    rows = 100_000
    table = pa.table({"x": np.arange(float(rows)), "y": np.ones(rows)})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=2000)
    del table
    before = pa.total_allocated_bytes()
    most: list[int] = []
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1)).replace(
            before_sign=lambda _: most.append(pa.total_allocated_bytes() - before), policy=Policy(concurrency=2)
        )
        predict_file(endpoint, tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert max(most) < 16 * rows / 4
