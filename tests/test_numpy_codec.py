from __future__ import annotations

import io
import pickle
import struct
import zipfile
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from smrt_jupyter import codecs
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Table

NPY = codecs.find("application/x-npy")
NPZ = codecs.find("application/x-npz")
DTYPES = nps.boolean_dtypes() | nps.integer_dtypes() | nps.unsigned_integer_dtypes() | nps.floating_dtypes()


def written(table: Any, start: int = 0, stop: int | None = None, codec: codecs.Codec = NPY) -> Any:
    """Write rows of a table, and read them with NumPy itself."""
    seen = Table.of(table)
    body = codec.writer(seen)(start, len(seen) if stop is None else stop)
    return np.load(io.BytesIO(body), allow_pickle=False) if codec is NPY else sp.load_npz(io.BytesIO(body))


def npy(header: str, data: bytes = b"", version: int = 1) -> bytes:
    text = header.encode()
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + data


def saved(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


# -- one array --------------------------------------------------------------------------------------------------------


@given(nps.arrays(DTYPES, nps.array_shapes(max_dims=3, max_side=4, min_side=0)))
def test_the_bytes_are_those_of_numpy_save_and_come_back(array: Any) -> None:
    out = io.BytesIO()
    np.save(out, array)
    assert NPY.encode(array) == out.getvalue()
    back: Any = NPY.decode(out.getvalue())
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", "bcd"]),
        np.array([b"a", b"bcd"]),
        np.array(["2024-01-02", "NaT"], dtype="datetime64[s]"),
        np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(1.5),
        np.zeros((0, 3)),
    ],
)
def test_arrays_of_every_other_sort_come_back(array: Any) -> None:
    back: Any = NPY.decode(NPY.encode(array))
    assert (back.dtype, back.shape, back.tolist()) == (array.dtype, array.shape, array.tolist())
    assert back.flags.writeable


def test_every_version_of_the_format_is_read() -> None:
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }\n"
    for version in (1, 2, 3):
        assert NPY.decode(npy(header, struct.pack("<d", 1.5), version)).tolist() == [1.5]  # type: ignore[attr-defined]


def test_a_table_is_always_an_array_of_two_dimensions() -> None:
    frame = pd.DataFrame({"a": [1.5, 2.5, 3.5], "b": [4.0, 5.0, 6.0]})
    assert written(frame, 1, 3).tolist() == [[2.5, 5.0], [3.5, 6.0]]
    assert written(frame["a"]).shape == (3, 1)
    assert written(np.array([1, 2])).tolist() == [[1], [2]]
    assert written([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert written(sp.csr_matrix(np.eye(2)), 1).tolist() == [[0.0, 1.0]]
    assert written(frame, 0, 0).shape == (0, 2)


def test_columns_of_different_numbers_get_the_type_that_holds_all() -> None:
    frame = pd.DataFrame({"i": [1, 2], "f": np.array([0.5, 1.5], dtype="float32"), "b": [True, False]})
    assert written(frame).dtype == np.float64
    assert written(frame).tolist() == [[1, 0.5, 1], [2, 1.5, 0]]
    assert written(frame[["i", "b"]]).dtype == np.int64
    missing = pd.DataFrame({"i": pd.array([1, None], dtype="Int64"), "n": pd.Series([None, None], dtype=object)})
    for table in (missing, pl.DataFrame({"i": [1, None], "n": [None, None]})):
        np.testing.assert_array_equal(written(table), [[1, np.nan], [np.nan, np.nan]])


def test_text_alone_and_dates_alone_are_carried() -> None:
    assert written(pd.DataFrame({"a": ["x", "yz"], "b": ["", "ä"]})).tolist() == [["x", ""], ["yz", "ä"]]
    days = pd.DataFrame({"d": pd.to_datetime(["2024-01-02", None])})
    assert written(days).astype("datetime64[D]").astype(str).tolist() == [["2024-01-02"], ["NaT"]]


@pytest.mark.parametrize(
    ("frame", "column"),
    [
        (pd.DataFrame({"n": [1, 2], "t": ["a", "b"]}), "t"),
        (pd.DataFrame({"t": ["a", "b"], "n": [1, 2]}), "n"),
        (pd.DataFrame({"n": [1.5, 2.5], "big": [2**53 + 1, 1]}), "big"),
        (pd.DataFrame({"big": pd.array([2**53 + 1, None], dtype="Int64")}), "big"),
        (pd.DataFrame({"t": ["a", None]}), "t"),
        (pd.DataFrame({"l": [[1], [2]]}), "l"),
        (pd.DataFrame({"d": pd.to_datetime(["2024-01-02"]).tz_localize("Europe/Berlin")}), "d"),
    ],
)
def test_the_column_that_does_not_fit_is_named_before_anything_is_written(frame: pd.DataFrame, column: str) -> None:
    with pytest.raises(CodecError) as caught:
        NPY.writer(Table.of(frame))
    assert caught.value.column == column


@pytest.mark.parametrize("value", [np.array([None]), [[1], [1, 2]], ["a", None], {"a": 1}])
def test_objects_are_refused_because_they_would_be_pickles(value: Any) -> None:
    with pytest.raises(CodecError):
        NPY.encode(value)


OBJECTS = io.BytesIO()
np.save(OBJECTS, np.array([{}], dtype=object), allow_pickle=True)
BROKEN = {
    "nothing": b"",
    "another file": b"PK\x03\x04" + bytes(100),
    "a pickle": pickle.dumps([1]),
    "an array of objects": OBJECTS.getvalue(),
    "more than there is": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"),
    "a product beyond 64 bits": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }"),
    "a negative side": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -8), }", bytes(64)),
    "sides that are no numbers": npy("{'descr': '<f8', 'fortran_order': False, 'shape': ('a',), }"),
    "no side": npy("{'descr': '<f8', 'fortran_order': False, 'shape': 1, }", bytes(8)),
    "an expression": npy("__import__('os').abort()"),
    "no mapping": npy("[1, 2]"),
    "keys missing": npy("{'descr': '<f8'}"),
    "an unknown type": npy("{'descr': '<q99', 'fortran_order': False, 'shape': (1,), }", bytes(8)),
    "a type of gigabytes": npy("{'descr': '|V2000000000', 'fortran_order': False, 'shape': (1,), }"),
    "cells of no size": npy("{'descr': '|V0', 'fortran_order': False, 'shape': (1000000000000,), }"),
    "an enormous side beside an empty one": npy(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 0, 9), }"
    ),
    "depth": npy("(" * 9000 + ")" * 900),
    "signs": npy("-" * 9000 + "1"),
    "a header that goes on": b"\x93NUMPY\x01\x00\xff\xff{}",
    "an unknown version": npy("{}", version=9),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_or_hostile_file_is_refused(body: bytes) -> None:
    with pytest.raises(CodecError):
        NPY.decode(body)


# -- several arrays, and sparse matrices ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix", "coo_matrix", "csr_array", "csc_array"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int32", "bool"])
def test_a_sparse_matrix_is_read_by_scipy_and_comes_back(form: str, dtype: str) -> None:
    matrix = getattr(sp, form)(sp.random(30, 7, density=0.2, random_state=1).astype(dtype))
    body = NPZ.encode(matrix)
    assert (sp.load_npz(io.BytesIO(body)) != matrix).nnz == 0
    back: Any = NPZ.decode(body)
    assert type(back) is type(matrix)
    assert (back.dtype, back.toarray().tolist()) == (matrix.dtype, matrix.toarray().tolist())


def test_rows_of_a_table_become_a_sparse_matrix() -> None:
    matrix = sp.random(30, 7, density=0.2, random_state=1, format="csc")
    assert written(matrix, 3, 9, codec=NPZ).toarray().tolist() == matrix.toarray()[3:9].tolist()
    assert written(pd.DataFrame({"a": [0.0, 2.5], "b": [1, 0]}), codec=NPZ).toarray().tolist() == [[0, 1], [2.5, 0]]
    with pytest.raises(CodecError):
        written(pd.DataFrame({"a": ["x"]}), codec=NPZ)


def test_arrays_by_name_come_back_and_one_alone_without_its_name() -> None:
    arrays = {"scores": np.array([[0.5, 0.5]]), "labels": np.array([1])}
    back: Any = NPZ.decode(NPZ.encode(arrays))
    assert {name: array.tolist() for name, array in back.items()} == {"scores": [[0.5, 0.5]], "labels": [1]}
    alone: Any = NPZ.decode(saved(arr_0=np.arange(3)))
    assert alone.tolist() == [0, 1, 2]


def test_an_archive_that_unpacks_to_far_more_than_it_has_is_not_unpacked() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "a.npy", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (200000000,), }", bytes(200_000_000))
        )
    with pytest.raises(CodecError, match="unpacks to"):
        NPZ.decode(out.getvalue())


def csr(**changes: Any) -> bytes:
    parts = {
        "format": np.array(b"csr"),
        "shape": np.array([2, 3]),
        "data": np.array([1.0, 2.0]),
        "indices": np.array([0, 2], dtype="int32"),
        "indptr": np.array([0, 1, 2], dtype="int32"),
    } | changes
    return saved(**{name: part for name, part in parts.items() if part is not None})


MATRICES = {
    "an index outside": csr(indices=np.array([0, 3], dtype="int32")),
    "a negative index": csr(indices=np.array([0, -1], dtype="int32")),
    "pointers that go back": csr(indptr=np.array([0, 2, 1], dtype="int32")),
    "pointers beyond the data": csr(indptr=np.array([0, 1, 99], dtype="int32")),
    "too few pointers": csr(indptr=np.array([0, 1], dtype="int32")),
    "no data": csr(data=None),
    "an unknown format": csr(format=np.array(b"__class__")),
    "a format that is not text": csr(format=np.array(7)),
    "a shape of one side": csr(shape=np.array([2])),
    "rows without end": csr(format=np.array(b"csc"), shape=np.array([10**15, 2])),
    "coordinates outside": csr(format=np.array(b"coo"), row=np.array([0, 9]), col=np.array([0, 1])),
}


@pytest.mark.parametrize("body", MATRICES.values(), ids=MATRICES.keys())
def test_a_sparse_matrix_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(CodecError):
        NPZ.decode(body)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(body: bytes) -> None:
    for codec in (NPY, NPZ):
        with pytest.raises(CodecError):
            codec.decode(body)


def test_floats_of_16_bits_are_sparse_as_floats_of_32() -> None:
    table = pl.DataFrame({"x": np.array([0.5, 2.0], dtype=np.float16)}).to_arrow()
    codec = codecs.find("application/x-npz")
    found = codec.decode(codec.encode(table))
    assert found.dtype == np.float32
    assert found.toarray().tolist() == [[0.5], [2.0]]


def test_lists_of_objects_are_not_told_to_be_of_different_lengths() -> None:
    with pytest.raises(CodecError, match=r"^NumPy's format carries an array of Python objects only as a pickle"):
        codecs.find("application/x-npy").encode([{}, {}])
