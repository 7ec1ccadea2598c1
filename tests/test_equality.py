"""Through CSV, JSON, JSON Lines and npy, an endpoint's predictions are the local model's, to the last bit.

The models are fitted trees behind scikit-learn's own encoders, whose answers do not depend on how a matrix lies in
memory, and, where the cells themselves are the question, a model that answers its input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder
from sklearn.tree import DecisionTreeRegressor

from smrt_jupyter import CodecError, Endpoint, LocalRuntime, Policy, RemoteRegressor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTENT_TYPES = ["text/csv", "application/json", "application/jsonlines", "application/x-npy"]
NO_NPY = CONTENT_TYPES[:-1]

LIBRARIES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "numpy": lambda frame: frame.to_numpy(),
    "polars": pl.from_pandas,
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}

AWKWARD = np.array(
    [
        0.1,
        -0.0,
        1 / 3,
        1e22,
        1e-7,
        5e-324,
        1.7976931348623157e308,
        123456789.123456789,
        2.0,
        np.nan,
        -1e-300,
        2**53 + 1.0,
    ]
)

MIXED = pd.DataFrame(
    {
        "age": [31, 54, 27, 54, 8],
        "income": [2500.5, np.nan, 1 / 3, -0.0, 1e30],
        "member": [True, False, True, True, False],
        "plan": pd.Categorical(["basic", "plus", None, "basic", "plus"], categories=["plus", "basic", "never"]),
        "since": pd.to_datetime(
            ["2024-02-29", "1969-12-31 23:59:59.999999", None, "2024-07-01 12:00:00", "2000-01-01 00:00:00.123456"],
            format="mixed",
        ),
        "note": ['he said "no, thanks"', "Zürich, 東京 🎈", None, "two\nlines", " spaced "],
    },
    index=["x", "y", "y", "z", "x"],
)
"""With an index that is not the default one, has duplicates, and must come back as it went."""


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    with LocalRuntime() as opened:
        yield opened


def fitted(table: pd.DataFrame) -> Any:
    """Fit a tree that tells every row of a table from every other, whatever the types of its columns."""
    codes = make_pipeline(
        FunctionTransformer(lambda texts: texts.astype(object).where(texts.notna(), "missing")),  # None or nan
        OrdinalEncoder(),
    )
    seconds = FunctionTransformer(lambda dates: dates.apply(lambda each: each.astype("int64")))
    columns = ColumnTransformer(
        [
            ("text", codes, make_column_selector(dtype_exclude=["number", "bool", "datetime"])),
            ("dates", seconds, make_column_selector(dtype_include="datetime")),
        ],
        remainder="passthrough",
    )
    target = np.random.default_rng(0).normal(size=len(table))
    return make_pipeline(columns, DecisionTreeRegressor(random_state=0)).fit(table, target)


def echo(rows: pd.DataFrame) -> Any:
    return rows.to_numpy()


def same_bits(found: Any, expected: Any) -> None:
    """Compare as bytes: -0.0 is not 0.0, and nan is nan."""
    found, expected = np.ascontiguousarray(found), np.ascontiguousarray(expected)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


def told_like(found: Any, table: Any) -> None:
    """Check that answers come in the table's own library, with its index."""
    if isinstance(table, pd.DataFrame):
        assert isinstance(found, pd.Series | pd.DataFrame)
        pd.testing.assert_index_equal(found.index, table.index, exact=True)
    elif isinstance(table, pl.DataFrame):
        assert isinstance(found, pl.Series | pl.DataFrame)
    elif isinstance(table, pa.Table):
        assert isinstance(found, pa.ChunkedArray | pa.Table)
    else:
        assert isinstance(found, np.ndarray)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("rows", [1, 1000])
@pytest.mark.parametrize("columns", [1, 4])
def test_numbers(runtime: LocalRuntime, content_type: str, library: str, rows: int, columns: int) -> None:
    """One row, one column and many of both; chunks of seven rows cut the table where it hurts."""
    rng = np.random.default_rng(rows)
    values = rng.normal(size=(rows, columns)) * 10.0 ** rng.integers(-20, 20, size=(rows, columns))
    values[rng.random(values.shape) < 0.1] = np.nan
    frame = pd.DataFrame(values, columns=list("abcd")[:columns], index=rng.integers(0, 5, rows))
    model = DecisionTreeRegressor(random_state=0).fit(values, rng.normal(size=rows))
    endpoint = runtime.deploy("tree", lambda given: model.predict(given.to_numpy())).replace(
        content_type=content_type, policy=Policy(chunk_rows=700 if rows > 700 else 7)
    )
    table = LIBRARIES[library](frame)
    found = endpoint.predict(table)
    told_like(found, table)
    same_bits(np.asarray(found), model.predict(values))
    same_bits(RemoteRegressor(endpoint).predict(table), model.predict(values))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_floats_are_carried_to_the_last_bit_both_ways(runtime: LocalRuntime, content_type: str, library: str) -> None:
    frame = pd.DataFrame({"a": AWKWARD, "b": AWKWARD[::-1]}, index=np.arange(len(AWKWARD)) * 3)
    endpoint = runtime.deploy("echo", echo).replace(content_type=content_type, policy=Policy(chunk_rows=5))
    found = endpoint.predict(LIBRARIES[library](frame))
    same_bits(np.asarray(found), frame.to_numpy())


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("dtype", ["int64", "int8", "uint16", "bool", "float32"])
def test_numbers_of_every_width_are_carried(runtime: LocalRuntime, content_type: str, library: str, dtype: str) -> None:
    cells = np.array([[0, 1], [1, 0], [1, 1]]).astype(dtype)
    if dtype == "int64":
        cells *= 2**62
    frame = pd.DataFrame(cells, columns=["a", "b"])
    endpoint = runtime.deploy("echo", lambda rows: rows.to_numpy().astype(dtype), like=frame).replace(
        content_type=content_type
    )
    found = np.asarray(endpoint.predict(LIBRARIES[library](frame)))
    assert found.astype(dtype).tolist() == cells.tolist()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("content_type", NO_NPY)
@pytest.mark.parametrize("chunk_rows", [None, 1, 2])
def test_a_table_of_everything(runtime: LocalRuntime, content_type: str, library: str, chunk_rows: int | None) -> None:
    """Missing values, truth values, dates, categories, quoted and non-ASCII text, in any chunks."""
    model = fitted(MIXED)
    endpoint = runtime.deploy("mixed", model, like=MIXED).replace(
        content_type=content_type, policy=Policy(chunk_rows=chunk_rows)
    )
    table = LIBRARIES[library](MIXED)
    found = endpoint.predict(table)
    told_like(found, table)
    same_bits(np.asarray(found), model.predict(MIXED))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("content_type", NO_NPY)
@pytest.mark.parametrize("column", MIXED.columns)
def test_a_single_column_of_each_kind(runtime: LocalRuntime, content_type: str, library: str, column: str) -> None:
    """One column is where CSV has no delimiter, and an empty cell is an empty line."""
    frame = MIXED[[column]]
    model = fitted(frame)
    endpoint = runtime.deploy("single", model, like=frame).replace(content_type=content_type)
    table = LIBRARIES[library](frame)
    found = endpoint.predict(table)
    told_like(found, table)
    same_bits(np.asarray(found), model.predict(frame))


@pytest.mark.parametrize("content_type", NO_NPY)
@pytest.mark.parametrize("join", [pd.concat, lambda parts: pl.concat(map(pl.from_pandas, parts), rechunk=False)])
def test_a_table_put_together_of_pieces(runtime: LocalRuntime, content_type: str, join: Callable[[Any], Any]) -> None:
    """Its columns of text lie in several places."""
    parts = [MIXED.iloc[:2], MIXED.iloc[2:3], MIXED.iloc[3:]]
    model = fitted(MIXED)
    endpoint = runtime.deploy("pieces", model, like=MIXED).replace(content_type=content_type)
    same_bits(np.asarray(endpoint.predict(join(parts))), model.predict(MIXED))


@pytest.mark.parametrize("content_type", NO_NPY)
def test_text_comes_back_as_it_went(runtime: LocalRuntime, content_type: str) -> None:
    notes = pd.DataFrame(
        {"note": ['"', '""', "a,b", "'", "\\", "a\r\nb", " x ", "日本語", "null", "NaN", "1e5", "007"]}
    )
    endpoint = runtime.deploy("upper", lambda rows: rows["note"].str.upper(), like=notes).replace(
        content_type=content_type, accept="application/json"
    )
    assert endpoint.predict(notes).tolist() == notes["note"].str.upper().tolist()


@pytest.mark.parametrize("content_type", NO_NPY)
def test_only_csv_takes_empty_text_for_a_missing_cell(runtime: LocalRuntime, content_type: str) -> None:
    """CSV has one way to write both, and its readers take it for missing."""
    notes = pd.DataFrame({"number": [1, 2, 3], "note": ["a", "", None]})
    endpoint = runtime.deploy("missing", lambda rows: rows["note"].isna().to_numpy(), like=notes)
    found = endpoint.replace(content_type=content_type, accept="application/json").predict(notes)
    assert found.tolist() == [False, content_type == "text/csv", True]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_zero_rows_need_no_endpoint(content_type: str, library: str) -> None:
    nobody = Endpoint("nobody", region="us-east-1", endpoint_url="http://127.0.0.1:9", content_type=content_type)
    table = LIBRARIES[library](MIXED[["age", "income"]].iloc[:0])
    found = nobody.predict(table)
    told_like(found, table)
    assert len(found) == 0


@pytest.mark.parametrize("column", ["plan", "since", "note"])
@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_what_npy_cannot_carry_is_an_error_that_names_the_column(column: str, library: str) -> None:
    nobody = Endpoint("nobody", region="us-east-1", endpoint_url="http://127.0.0.1:9", content_type="application/x-npy")
    with pytest.raises(CodecError, match=column) as refused:
        nobody.predict(LIBRARIES[library](MIXED[["age", column]]))
    assert refused.value.column == column


@pytest.mark.parametrize(
    ("content_type", "cells"),
    [
        ("application/json", [1.0, np.inf]),
        ("application/jsonlines", [1.0, -np.inf]),
        ("application/json", [b"bytes", b""]),
        ("text/csv", [{"a": 1}, {}]),
        ("text/csv", [1 + 2j, 0j]),
        ("application/json", [1 + 2j, 0j]),
        ("application/x-npy", [object(), 1]),
    ],
)
def test_what_a_content_type_cannot_carry_is_an_error_that_names_the_column(content_type: str, cells: Any) -> None:
    nobody = Endpoint("nobody", region="us-east-1", endpoint_url="http://127.0.0.1:9", content_type=content_type)
    with pytest.raises(CodecError) as refused:
        nobody.predict(pd.DataFrame({"fine": [1, 2], "odd": pd.Series(cells)}))
    assert refused.value.column == "odd"
    assert "'odd'" in str(refused.value)
