"""Files larger than memory, batch by batch."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smrt_jupyter import (
    AccessDenied,
    AnswerError,
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


def test_a_cell_that_cannot_be_carried_fails_its_own_rows_alone(tmp_path: Path) -> None:
    """Where it stands late in the file; in the first rows it is an error before anything is sent."""
    frame = pd.DataFrame({"x": np.arange(float(ROWS))})
    frame.loc[ROWS - 10, "x"] = np.inf
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("same", lambda frame: frame.iloc[:, 0]).replace(content_type="application/json")
        with pytest.raises(PartialResultError, match=r"infinity.*rows are counted from row") as caught:
            predict_file(endpoint, tmp_path / "in.parquet", tmp_path / "out.parquet")
        assert ROWS - 10 in caught.value.failed_rows
        assert len(caught.value.failed_rows) < ROWS // 2
        found = pd.read_parquet(tmp_path / "out.parquet")["prediction"]
        assert found.isna().sum() == len(caught.value.failed_rows)
        frame.loc[0, "x"] = np.inf
        frame.to_parquet(tmp_path / "in.parquet", index=False)
        before = len(runtime.requests)
        with pytest.raises(CodecError, match="infinity"):
            predict_file(endpoint, tmp_path / "in.parquet", tmp_path / "out.parquet")
        assert len(runtime.requests) == before


def test_a_run_that_nothing_passes_leaves_the_destination_as_it_was(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    (tmp_path / "out.csv").write_text("of yesterday\n")
    with LocalRuntime() as runtime:
        broken = runtime.deploy("broken", lambda _: 1 / 0)
        with pytest.raises(PartialResultError) as caught:
            predict_file(broken, tmp_path / "in.parquet", tmp_path / "out.csv")
    assert caught.value.partial is None
    assert (tmp_path / "out.csv").read_text() == "of yesterday\n"


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


def failing(answer: Callable[[pd.DataFrame], Any], lost: range) -> Callable[[pd.DataFrame], Any]:
    """Make a model that fails for every request in which the first column has a number of `lost`."""

    def model(rows: pd.DataFrame) -> Any:
        if rows[0].isin(lost).any():
            raise RuntimeError("not these")
        return answer(rows)

    return model


@pytest.mark.parametrize("lost", [range(1500), range(2000, 4000)], ids=["first", "later"])
@pytest.mark.parametrize("destination", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("answer", "columns"),
    [
        (lambda rows: rows[0] / 2, ["prediction"]),
        (lambda rows: rows[0].astype(int).tolist(), ["prediction"]),
        (lambda rows: ["high"] * len(rows), ["prediction"]),
        (lambda rows: rows.to_numpy(), ["prediction_0", "prediction_1", "prediction_2"]),
        (lambda rows: [{"label": "a", "score": 0.5}] * len(rows), ["label", "score"]),
        (lambda rows: [[[1, 2]], [[3]]] * (len(rows) // 2) + [[]] * (len(rows) % 2), ["prediction"]),
    ],
    ids=["numbers", "whole", "text", "vectors", "fields", "lists"],
)
def test_a_batch_without_any_answer_is_missing_in_a_whole_file(  # noqa: PLR0913, PLR0917 - what may differ
    tmp_path: Path, frame: pd.DataFrame, lost: range, destination: str, answer: Any, columns: list[str]
) -> None:
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    out = tmp_path / f"out.{destination}"
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("some", failing(answer, lost)).replace(accept="application/json")
        report = predict_file(endpoint, tmp_path / "in.parquet", out, keep=["id"], on_error="return")
    found = READERS[destination](out)
    assert list(found.columns) == ["id", *columns]
    assert found["id"].tolist() == list(range(ROWS))
    assert len(lost) <= len(report.failed_rows) < ROWS
    for column in columns:
        assert found[column].isna().to_numpy().nonzero()[0].tolist() == report.failed_rows.tolist()


@pytest.mark.parametrize("destination", ["parquet", "csv"])
def test_a_file_without_any_answer_has_a_column_of_missing_numbers(
    tmp_path: Path, frame: pd.DataFrame, destination: str
) -> None:
    frame.iloc[:1500].to_parquet(tmp_path / "in.parquet", index=False)
    out = tmp_path / f"out.{destination}"
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("none", failing(len, range(ROWS)))
        predict_file(endpoint, tmp_path / "in.parquet", out, keep=["id"], on_error="return")
    found = READERS[destination](out)
    assert found.dtypes.astype(str).to_dict() == {"id": "int64", "prediction": "float64"}
    assert found["id"].tolist() == list(range(1500))
    assert found["prediction"].isna().all()


BIG = 2**53 + 1
NESTED = "list<element: list<element: double>>"


@pytest.mark.parametrize("destination", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("answers", "kind", "expected"),
    [
        ([0, 1, 2], "int64", [0, 1, 2]),
        ([BIG, 1, 2], "int64", [BIG, 1, 2]),
        ([0, 0.5, 2], "double", [0.0, 0.5, 2.0]),
        ([0.5, 1, 2], "double", [0.5, 1.0, 2.0]),
        ([True, 2, 0.5], "string", ["true", "2", "0.5"]),
        ([True, False, True], "bool", [True, False, True]),
        ([0, "high", 0.5], "string", ["0", "high", "0.5"]),
        ([BIG, 0.5, 1], "string", [str(BIG), "0.5", "1"]),
        ([0.5, BIG, 1], "string", ["0.5", str(BIG), "1"]),
        ([-1, 2**64 - 1, 1], "string", ["-1", str(2**64 - 1), "1"]),
        ([None, None, 7], "double", [None, None, 7.0]),
        ([[[1], []], [[0.5], []], [[], [2]]], NESTED, [[[1.0], []], [[0.5], []], [[], [2.0]]]),
        ([[[BIG], []], [[0.5], []], [[], [2]]], "string", [f"[[{BIG}], []]", "[[0.5], []]", "[[], [2]]"]),
    ],
)
def test_answers_that_differ_from_batch_to_batch_meet_in_a_type_that_loses_nothing(  # noqa: PLR0913, PLR0917 - what may differ
    tmp_path: Path, frame: pd.DataFrame, destination: str, answers: list[Any], kind: str, expected: list[Any]
) -> None:
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    out = tmp_path / f"out.{destination}"

    def model(rows: pd.DataFrame) -> list[dict[str, Any]]:
        answer = answers[min(int(rows[0].min()) // 1500, 2)]
        return [{"it": answer, "other": 0}] * len(rows)

    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("mixed", model).replace(accept="application/json", policy=Policy(chunk_rows=250))
        predict_file(endpoint, tmp_path / "in.parquet", out)
    if destination == "csv":
        texts = pd.read_csv(out, dtype=str, keep_default_na=False)["it"]
        told = [texts[0], texts[2500], texts[ROWS - 1]]
        if kind == "string":
            assert told == expected
        else:
            assert [json.loads(text or "null") for text in told] == expected
        return
    found = pq.read_table(out)["it"]
    assert str(found.type) == kind
    rows = found.to_pylist()
    assert len(rows) == ROWS
    assert [rows[0], rows[2500], rows[-1]] == expected


@pytest.mark.parametrize("even", [range(1500), range(2000, ROWS)], ids=["first", "later"])
def test_lists_that_are_of_one_length_in_some_batches_are_lists_all_the_same(
    tmp_path: Path, frame: pd.DataFrame, even: range
) -> None:
    frame.to_parquet(tmp_path / "in.parquet", index=False)

    def model(rows: pd.DataFrame) -> list[list[float]]:
        some = rows[0].isin(even).any()
        return [[row, 0.5][: 2 if some else row % 2 + 1] for row in rows[0].astype(int)]

    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("lists", model).replace(accept="application/json")
        predict_file(endpoint, tmp_path / "in.parquet", tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["prediction"][0] for row in found] == list(range(ROWS))
    assert {len(row["prediction"]) for row in found} == {1, 2}
    assert {len(row) for row in found} == {1}


@pytest.mark.parametrize("destination", ["parquet", "csv"])
@pytest.mark.parametrize("numerals", [range(1500), range(2000, ROWS)], ids=["first", "later"])
def test_labels_that_are_numerals_in_whole_batches_stay_in_their_column_beside_the_scores(
    tmp_path: Path, frame: pd.DataFrame, numerals: range, destination: str
) -> None:
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    out = tmp_path / f"out.{destination}"

    def model(rows: pd.DataFrame) -> pd.DataFrame:
        numbers = rows[0].astype(int)
        return pd.DataFrame({"label": ["7" if row in numerals else "b" for row in numbers], "score": numbers / 8})

    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("labels", model).replace(accept="text/csv", policy=Policy(chunk_rows=250))
        predict_file(endpoint, tmp_path / "in.parquet", out)
    found = READERS[destination](out)
    assert found.columns.tolist() == ["prediction_0", "prediction_1"]
    assert found["prediction_0"].tolist() == ["7" if row in numerals else "b" for row in range(ROWS)]
    assert found["prediction_1"].tolist() == [row / 8 for row in range(ROWS)]


@pytest.mark.parametrize("late", [[1.0, 2.0, 3.0], {"label": "a", "score": 0.5}])
def test_answers_of_another_shape_than_before_end_the_run(tmp_path: Path, frame: pd.DataFrame, late: Any) -> None:
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy(
            "shapes", lambda rows: [late if rows[0].max() >= 4000 else [1.0, 2.0]] * len(rows)
        ).replace(accept="application/json")
        with pytest.raises(AnswerError):
            predict_file(endpoint, tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_a_field_that_only_some_replies_have_is_missing_elsewhere(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.to_parquet(tmp_path / "in.parquet", index=False)

    def model(rows: pd.DataFrame) -> list[dict[str, Any]]:
        return [{"early": 1, "both": 2} if rows[0].max() < 2000 else {"both": 3, "late": "x"}] * len(rows)

    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("fields", model).replace(accept="application/json")
        predict_file(endpoint, tmp_path / "in.parquet", tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert found[0] == {"early": 1, "both": 2, "late": None}
    assert found[-1] == {"early": None, "both": 3, "late": "x"}
    assert len(found) == ROWS


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
        with pytest.raises(CodecError, match=r"s3://scoring/missing\.csv cannot be read: No such object in S3\. Check"):
            predict_file(endpoint, "s3://scoring/missing.csv", tmp_path / "out.csv")
        s3.close()


def test_what_cannot_be_meant_is_said_before_anything_is_sent(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1))
        source = tmp_path / "in.parquet"
        (tmp_path / "folder.csv").mkdir()
        with pytest.raises(CodecError, match="neither Parquet nor CSV"):
            predict_file(endpoint, source, tmp_path / "out.xlsx")
        with pytest.raises(ValueError, match="no column 'z'"):
            predict_file(endpoint, source, tmp_path / "out.csv", columns=["z"])
        with pytest.raises(ValueError, match="The destination is the source"):
            predict_file(endpoint, source, source)
        for unreadable in ("missing.parquet", "folder.csv"):
            with pytest.raises(CodecError, match=rf"{unreadable} cannot be read: .* Check the name\.$"):
                predict_file(endpoint, tmp_path / unreadable, tmp_path / "out.csv")
        with pytest.raises(CodecError, match=r"There is no folder .*no\. Make it, or name another\."):
            predict_file(endpoint, source, tmp_path / "no" / "out.csv")
        with pytest.raises(CodecError, match=r"folder\.csv is a folder\. Name a file in it\."):
            predict_file(endpoint, source, tmp_path / "folder.csv")
        with pytest.raises(ValueError, match=r"s3://bucket/key"):
            predict_file(endpoint, "s3://in.parquet", tmp_path / "out.csv")
        assert not runtime.requests


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="here is no folder in which nobody may make a file")
@pytest.mark.parametrize("journal", [None, "run.journal"])
def test_a_folder_that_takes_no_file_is_found_before_anything_is_sent(
    tmp_path: Path, frame: pd.DataFrame, journal: str | None
) -> None:
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1))
        with pytest.raises(CodecError, match=r"Nothing can be written into /proc: .* Name another folder\.") as caught:
            predict_file(endpoint, tmp_path / "in.parquet", "/proc/out.csv", journal=journal and tmp_path / journal)
        assert isinstance(caught.value.__cause__, OSError)
        assert not runtime.requests


@pytest.mark.parametrize("way", ["dots", "link"])
def test_the_source_is_not_written_over_whatever_it_is_called(
    tmp_path: Path, frame: pd.DataFrame, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.chdir(tmp_path)
    frame.to_csv("in.csv", index=False)
    Path("link.csv").symlink_to("in.csv")
    with pytest.raises(ValueError, match="The destination is the source"):
        predict_file(endpoint, "in.csv", {"dots": "./in.csv", "link": "link.csv"}[way])
    assert len(pd.read_csv("in.csv")) == ROWS


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize("destination", ["parquet", "csv"])
def test_a_destination_has_the_permissions_of_any_new_file_or_of_the_one_before(
    tmp_path: Path, frame: pd.DataFrame, endpoint: Endpoint, destination: str
) -> None:
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    out = tmp_path / f"out.{destination}"
    (tmp_path / "new").touch()
    predict_file(endpoint, tmp_path / "in.parquet", out)
    assert stat.S_IMODE(out.stat().st_mode) == stat.S_IMODE((tmp_path / "new").stat().st_mode)
    out.chmod(0o640)
    (tmp_path / "link").symlink_to(out)
    (tmp_path / "link").rename(tmp_path / f"link.{destination}")
    predict_file(endpoint, tmp_path / "in.parquet", tmp_path / f"link.{destination}")
    assert stat.S_IMODE(out.stat().st_mode) == 0o640
    assert (tmp_path / f"link.{destination}").is_symlink()


def test_a_column_that_is_called_as_an_answer_is_not_kept(tmp_path: Path, frame: pd.DataFrame) -> None:
    """What every endpoint may answer is refused before anything is sent, a field's name once it is known."""
    frame.assign(prediction=0, score=0).to_parquet(tmp_path / "in.parquet", index=False)
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("scores", lambda rows: [{"label": "a", "score": 0.5}] * len(rows)).replace(
            accept="application/json"
        )
        files = endpoint, tmp_path / "in.parquet", tmp_path / "out.csv"
        for keep, said in [
            (["prediction"], "'prediction' cannot be kept"),
            (["id", "id"], "'id' is to be kept twice"),
            (["z"], "no column 'z' to keep"),
        ]:
            with pytest.raises(ValueError, match=said):
                predict_file(*files, keep=keep)
        assert not runtime.requests
        with pytest.raises(ValueError, match="'score' cannot be kept"):
            predict_file(*files, keep=["score"])
    assert os.listdir(tmp_path) == ["in.parquet"]  # noqa: PTH208 - names are enough


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


# -- files that cannot be read, and columns that cannot be sent -------------------------------------------------------

UNREADABLE: dict[str, tuple[bytes, str]] = {
    "broken.parquet": (b"PAR1 nonsense", r"broken\.parquet cannot be read as Parquet: .+\. Check that it is whole\."),
    "empty.csv": (b"", r"empty\.csv cannot be read as CSV: .+\. Check that it is whole, and that all its lines"),
    "ragged.csv": (b"x,y\n1,2\n1,2,3\n", r"ragged\.csv cannot be read as CSV: .+ got 3.+\. Check that it is whole"),
    "names.csv": ("x,Größe\n1,2\n".encode("latin-1"), r"names\.csv cannot be read as CSV: .+ in UTF-8\."),
    "latin.csv": ("x,y\n1,Größe\n".encode("latin-1"), r"column 'y': .*latin\.csv is not UTF-8\. Save it as UTF-8"),
    "twice.csv": (b"x,x\n1,2\n", r"column 'x': .*twice\.csv has two columns of this name\. Rename one of them\."),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    content, said = UNREADABLE[name]
    (tmp_path / name).write_bytes(content)
    with LocalRuntime() as runtime:
        with pytest.raises(CodecError, match=said) as caught:
            predict_file(runtime.deploy("any", lambda frame: frame.sum(axis=1)), tmp_path / name, tmp_path / "out.csv")
        assert not runtime.requests
    assert "\n" not in str(caught.value)


def test_a_parquet_file_that_is_broken_in_its_middle_is_named(
    endpoint: Endpoint, tmp_path: Path, frame: pd.DataFrame
) -> None:
    frame.to_parquet(tmp_path / "in.parquet", index=False, row_group_size=1300)
    body = bytearray((tmp_path / "in.parquet").read_bytes())
    middle = len(body) // 2
    body[middle : middle + 20_000] = b"\xff" * 20_000
    (tmp_path / "in.parquet").write_bytes(body)
    with pytest.raises(CodecError, match=r"in\.parquet cannot be read as Parquet"):
        predict_file(endpoint, tmp_path / "in.parquet", tmp_path / "out.csv")


def test_a_parquet_file_with_two_columns_of_one_name_is_refused_with_the_name(tmp_path: Path) -> None:
    pq.write_table(pa.table([[1, 2], [3, 4], [5, 6]], names=["a", "a", "b"]), tmp_path / "in.parquet")
    for columns in (None, ["b"]):
        with LocalRuntime() as runtime, pytest.raises(CodecError, match=r"column 'a': .*in\.parquet has two columns"):
            predict_file(runtime.endpoint("any"), tmp_path / "in.parquet", tmp_path / "out.csv", columns=columns)


def test_no_column_and_one_column_twice_are_refused(endpoint: Endpoint, tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(tmp_path / "in.csv", index=False)
    with pytest.raises(CodecError, match=r"No column of .*in\.csv is to be sent"):
        predict_file(endpoint, tmp_path / "in.csv", tmp_path / "out.csv", columns=[])
    with pytest.raises(ValueError, match="'x' is to be sent twice"):
        predict_file(endpoint, tmp_path / "in.csv", tmp_path / "out.csv", columns=["x", "x"])


def test_text_that_is_not_utf_8_matters_only_where_it_is_sent(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes("x,y\n1,Größe\n2,b\n".encode("latin-1"))
    assert predict_file(endpoint, tmp_path / "in.csv", tmp_path / "out.csv", columns=["x"]).rows_done == 2
