"""LibSVM's text: what tables and sparse matrices become, and what is read back."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from smrt_jupyter.codecs.libsvm import LibSVM
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Table


def test_a_sparse_matrix_has_the_bytes_of_scikit_learn() -> None:
    matrix = sp.random(30, 12, 0.3, format="csr", random_state=0)
    expected = io.BytesIO()
    dump_svmlight_file(matrix, np.zeros(30, int), expected, zero_based=False)
    assert sixteen_digits(matrix) == [line.rstrip() for line in expected.getvalue().splitlines()]


def sixteen_digits(matrix: sp.csr_matrix) -> list[bytes]:
    """Ours, in the sixteen digits that scikit-learn writes; ours are shorter and exact."""
    lines = []
    for line in LibSVM().encode(matrix).decode().splitlines():
        name, *pairs = line.split()
        cells = [pair.split(":") for pair in pairs]
        lines.append(" ".join([name, *(f"{index}:{float(value):.16g}" for index, value in cells)]).encode())
    return lines


def test_scikit_learn_reads_what_is_written() -> None:
    matrix = sp.random(30, 12, 0.3, format="csr", random_state=0)
    back, labels = load_svmlight_file(io.BytesIO(LibSVM().encode(matrix)), n_features=12)
    assert (back != matrix).nnz == 0
    assert not labels.any()


def test_a_table_writes_its_zeros_and_says_what_is_missing() -> None:
    """XGBoost takes what is absent for missing in one container, and for zero in another."""
    assert LibSVM().encode(pd.DataFrame({"a": [0, 1], "b": [None, 2.5]})) == b"0 1:0 2:nan\n0 1:1 2:2.5\n"


def test_one_column_becomes_the_label() -> None:
    assert LibSVM(label="y").encode(pd.DataFrame({"a": [0.5], "y": [1], "b": [True]})) == b"1 1:0.5 2:1\n"


def test_floats_are_the_shortest_text_that_is_exact() -> None:
    assert LibSVM().encode(np.array([[0.1, 1e-20]], dtype="float32")) == b"0 1:0.1 2:1e-20\n"
    values = np.random.default_rng(0).integers(0, 2**63, size=(50, 4), dtype=np.int64).view(np.float64)
    values = values[np.isfinite(values).all(axis=1)]
    assert np.array_equal(values, LibSVM().decode(LibSVM().encode(values)))


def test_chunks_put_together_are_the_whole() -> None:
    for table in (pd.DataFrame({"a": [1, None, 3], "b": [1.5, 2, 3]}), sp.csr_matrix(np.eye(3))):
        write = LibSVM().writer(Table.of(table))
        assert write(0, 3) == write(0, 1) + write(1, 2) + write(2, 3)


def test_rows_without_any_value_stay_rows() -> None:
    assert LibSVM().encode(sp.csr_matrix((2, 3))) == b"0\n0\n"
    assert LibSVM().decode(b"0\n0 2:1\n0\n").shape == (3, 2)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"1 1:0.5 2:2", [[0.5, 2]]),
        (b"0 0:0.5 1:2\n1 1:1\r\n", [[0.5, 2], [0, 1]]),
        (b"1:0.5 2:2 # a comment\n\n", [[0.5, 2]]),
        (b"0,3 3:1", [[0, 0, 1]]),
        (b"-1 1:nan 2:inf", [[np.nan, np.inf]]),
    ],
)
def test_what_writers_differ_in_is_read(body: bytes, expected: list[list[float]]) -> None:
    back = LibSVM().decode(body)
    dense = back.toarray() if sp.issparse(back) else back
    assert np.array_equal(expected, dense, equal_nan=True)


@pytest.mark.parametrize("body", [b"\xff\xfe", b"1 a:1", b"1 1:x", b"one 1:1", b"1 1:1 2", b"1 99999999999999999999:1"])
def test_a_broken_line_is_named(body: bytes) -> None:
    with pytest.raises(CodecError, match="Line 2 is not LibSVM"):
        LibSVM().decode(b"0 1:1\n" + body)


def test_a_negative_index_is_refused() -> None:
    with pytest.raises(CodecError, match="an index is negative"):
        LibSVM().decode(b"1 -1:1")


def test_text_is_refused_by_the_name_of_its_column() -> None:
    with pytest.raises(CodecError, match="column 'plan'"):
        LibSVM().encode(pd.DataFrame({"a": [1], "plan": ["x"]}))


def test_what_is_libsvm_already_goes_out_as_it_is() -> None:
    assert LibSVM().encode("1 1:0.5") == b"1 1:0.5"
