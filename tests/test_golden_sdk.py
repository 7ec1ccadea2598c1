"""Bytes of the SageMaker SDK's own serializers, made by the SDK itself in an environment of its own."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sdk import run_in_sdk

from smrt_jupyter import codecs
from smrt_jupyter.codecs.recordio import RecordIO
from smrt_jupyter.errors import CodecError

# What is evaluated on both sides; `Tensor` is a stand-in, because torch itself is a gigabyte.
FRAME = "pd.DataFrame({'a': [1, 2], 'b': [1.5, 2.0], 'c': ['x,y', 'say \"hi\"']})"
SAME: dict[str, list[str]] = {
    "CSVSerializer": [
        FRAME,
        "pd.DataFrame({'a': [1, -2], 'b': [1.5, 1e-20], 'c': [1e16, 123456.789]})",
        "pd.DataFrame({'name': ['a', None], 'x': [None, 0.1]})",
        "pd.DataFrame({'name': ['a', 'b'], 'flag': [True, False]})",
        "pd.DataFrame({'name': ['a', 'b'], 'day': pd.to_datetime(['2020-01-02', '2021-03-04'])})",
        "pd.DataFrame({'name': ['a', 'b'], 'at': pd.to_datetime(['2020-01-02 03:04:05', '2021-03-04 00:00:00'])})",
        "pd.DataFrame({'n': [9007199254740993, 1], 'x': [0.5, 0.25], 's': ['a', 'b']})",
        "np.array([[1.0, 2.5], [float('nan'), 1e-20]])",
        "np.array([[0.1, 0.2]], dtype='float32')",
        "np.array([1.0, 2.5, 3.0])",
        "np.array([[1, 2], [3, 4]])",
        "np.array([[1e16, 1e15, 1e-4, 1e-5, float('inf'), -0.0]])",
        "np.arange(12.0).reshape(2, 3, 2)",
        "[[1, 2.5], [3, 4.0]]",
        "[['a', 'b,c'], ['d', 'e \"f\"']]",
        "[1, 2, 3]",
        "'1,2\\n3,4'",
        "['1,2', '3,4']",
        "io.BytesIO(b'1,2')",
    ],
    "NumpySerializer": [
        "np.array([[1.0, 2.5], [3.0, 4.0]])",
        "np.array([1, 2, 3])",
        "np.array([[True, False]])",
        "np.arange(24, dtype='float32').reshape(2, 3, 4)",
        "np.asfortranarray(np.arange(6.0).reshape(2, 3))",
        "np.array(['a', 'bc'])",
        "[[1.5, 2.0], [3.0, 4.0]]",
        "[1, 2, 3]",
    ],
    "JSONSerializer": [
        "{'instances': [[1, 2.5], [3, None]]}",
        "{'instances': np.array([[1.0, 2.0], [3.5, 4.0]])}",
        "{'inputs': 'Gr\\u00f6\\u00dfe \\u2713', 'parameters': {'max_new_tokens': 5, 'stop': None, 'sample': True}}",
        "[[1, 2], [3, 4]]",
        "[1.0, 1e-05, 1e16, 1e22, 123456789.123]",
        "'text'",
        "{}",
        "None",
    ],
    "JSONLinesSerializer": [
        "[{'source': 'a', 'k': 2}, {'source': 'b', 'k': 3}]",
        "[[1.0, 2.5], [3.0, 4.0]]",
        "['a', 'b']",
        '\'{"a": 1}\\n{"a": 2}\'',
    ],
    "SparseMatrixSerializer": [
        "sp.csr_matrix(np.eye(3))",
        "sp.csc_matrix(np.eye(3, dtype='float32'))",
        "sp.coo_matrix(np.eye(3))",
    ],
    "LibSVMSerializer": ["'0 1:1.5 2:3\\n1 1:2.0\\n'", "io.BytesIO(b'0 1:1.5')"],
    "DataSerializer": ["b'\\x00\\x01\\xff'"],
    "StringSerializer": ["'Gr\\u00f6\\u00dfe'"],
    "IdentitySerializer": ["b'\\x00\\x01\\xff'"],
    "TorchTensorSerializer": ["Tensor(np.arange(6, dtype='float32').reshape(2, 3))"],
    "RecordSerializer": [
        "np.array([[1.5, -2.0, float('nan')], [float('inf'), 1e-300, 0.0]])",
        "np.arange(300 * 7, dtype='float32').reshape(7, 300)",
        "np.arange(5000.0).reshape(1, 5000)",
        "np.array([[0, 1, 127], [128, -1, 2**31 - 1], [-2**31, 300, 16384]])",
        "np.arange(3000).reshape(10, 300) - 1500",
        "np.array([1.0, 2.0])",
    ],
}
# The same value in other bytes, and why; the last entry says how both are read.
SAME_VALUE: dict[str, tuple[list[str], Any]] = {
    # Without the spaces a matrix is a fifth smaller, and there is a limit on bytes.
    "JSONSerializer": (["np.array([[1.0, 2.5], [3.0, 4.0]])", "np.array([[1, 2], [3, 4]])"], json.loads),
    # The SDK's order is that in which pandas happens to hold the columns; ours is always row by row.
    "NumpySerializer": (
        ["pd.DataFrame({'a': [1.0, 2.0], 'b': [3.0, 4.0]})"],
        lambda body: np.load(io.BytesIO(body)).tolist(),
    ),
}
# Where the SDK is right for nobody, and why.
CORRECTED: dict[str, dict[str, str]] = {
    "CSVSerializer": {
        "pd.DataFrame({'a': [1.0, None]})": "an empty line is no row to most readers",
        "pd.DataFrame({'a': [1.0, None], 'b': [True, False]})": "a container reads numbers: nan and 1, not True",
        "pd.DataFrame({'a': ['x\\ry']})": "a lone carriage return ends a line in most readers",
    },
    "JSONSerializer": {"{'x': float('nan')}": "NaN is not JSON"},
}
CONTENT_TYPES = {
    "CSVSerializer": "text/csv",
    "NumpySerializer": "application/x-npy",
    "JSONSerializer": "application/json",
    "JSONLinesSerializer": "application/jsonlines",
    "SparseMatrixSerializer": "application/x-npz",
    "LibSVMSerializer": "text/libsvm",
    "DataSerializer": "file-path/raw-bytes",
    "StringSerializer": "text/plain",
    "IdentitySerializer": "application/octet-stream",
    "TorchTensorSerializer": "tensor/pt",
    "RecordSerializer": "application/x-recordio-protobuf",
}

SERIALIZE = """
import base64, io, types, importlib.machinery
import numpy as np, pandas as pd, scipy.sparse as sp

class Tensor:
    def __init__(self, array): self.array = array
    def detach(self): return self
    def numpy(self): return self.array

torch = types.ModuleType("torch")
torch.__spec__ = importlib.machinery.ModuleSpec("torch", None)
torch.Tensor = Tensor
torch.from_numpy = Tensor
from sagemaker import serializers, base_serializers
sys.modules["torch"] = torch

def serialized(name, expression):
    body = getattr(serializers, name)().serialize(eval(expression))
    body = body.read() if hasattr(body, "read") else body
    return base64.b64encode(body.encode() if isinstance(body, str) else body).decode()

answer = {
    "bodies": {name: {each: serialized(name, each) for each in expressions} for name, expressions in given.items()},
    "names": sorted(
        name for name, value in vars(base_serializers).items()
        if isinstance(value, type) and issubclass(value, base_serializers.BaseSerializer)
        and name not in ("BaseSerializer", "SimpleBaseSerializer")
    ),
    "content_types": {name: getattr(serializers, name)().CONTENT_TYPE for name in given},
}
"""

RECORDS = """
import base64, io
from sagemaker.serializer_utils import read_records
from google.protobuf.json_format import MessageToDict
answer = [
    [MessageToDict(record) for record in read_records(io.BytesIO(base64.b64decode(body)))] for body in given
]
"""

SPARSE = """
import base64, io
import numpy as np, scipy.sparse as sp
from sagemaker.serializer_utils import write_numpy_to_dense_tensor, write_spmatrix_to_sparse_tensor
answer = []
for features, labels in given:
    features, labels, out = eval(features), eval(labels), io.BytesIO()
    write = write_spmatrix_to_sparse_tensor if sp.issparse(features) else write_numpy_to_dense_tensor
    write(out, features, labels)
    answer.append(base64.b64encode(out.getvalue()).decode())
"""


class Tensor:
    """What a codec sees of a torch tensor."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def detach(self) -> Tensor:
        return self

    def cpu(self) -> Tensor:
        return self

    def numpy(self) -> Any:
        return self.array


Tensor.__module__ = "torch"
NAMES = {"np": np, "pd": pd, "sp": sp, "io": io, "Tensor": Tensor}


@pytest.fixture(scope="module")
def sdk() -> Any:
    given = {name: [*SAME[name], *SAME_VALUE.get(name, ([],))[0], *CORRECTED.get(name, {})] for name in SAME}
    return run_in_sdk(SERIALIZE, given)


def ours(name: str, expression: str) -> bytes:
    return codecs.find(CONTENT_TYPES[name]).encode(eval(expression, dict(NAMES)))


@pytest.mark.parametrize(("name", "expression"), [(name, each) for name in SAME for each in SAME[name]])
def test_the_bytes_are_those_of_the_sdk(sdk: Any, name: str, expression: str) -> None:
    assert ours(name, expression) == base64.b64decode(sdk["bodies"][name][expression])


@pytest.mark.parametrize(
    ("name", "expression", "read"),
    [(name, each, read) for name, (each_of, read) in SAME_VALUE.items() for each in each_of],
)
def test_the_value_is_that_of_the_sdk(sdk: Any, name: str, expression: str, read: Any) -> None:
    assert read(ours(name, expression)) == read(base64.b64decode(sdk["bodies"][name][expression]))


@pytest.mark.parametrize(("name", "expression"), [(name, each) for name in CORRECTED for each in CORRECTED[name]])
def test_what_is_corrected_differs_still(sdk: Any, name: str, expression: str) -> None:
    """Once the SDK does it as we do, the entry goes."""
    try:
        body = ours(name, expression)
    except CodecError:
        return
    assert body != base64.b64decode(sdk["bodies"][name][expression])


def test_every_serializer_of_the_sdk_is_compared(sdk: Any) -> None:
    assert sdk["names"] == sorted(SAME)
    assert sdk["content_types"] == CONTENT_TYPES


SPARSE_CASES = [
    ("sp.csr_matrix(np.array([[0, 0, 1.0, 0, 4.0]], dtype='float32'))", "None"),
    ("sp.csr_matrix(np.diag([1.5, 0.0, 2.5]))", "None"),
    ("sp.csr_matrix(np.eye(40, 400) * 3)", "np.arange(40) - 20"),
    ("sp.csc_matrix(np.eye(4, 300, dtype='float32'))", "np.arange(4.0)"),
    ("sp.csr_matrix(np.diag([1, -2, 70000]))", "None"),
    ("np.arange(6.0).reshape(3, 2)", "np.array([0, 1, -1])"),
    ("np.arange(6.0).reshape(3, 2)", "np.array([0.5, 1.5, 2.5])"),
    ("np.arange(6, dtype='float32').reshape(3, 2)", "np.array([0.5, 1.5, 2.5], dtype='float32')"),
]


def test_sparse_records_are_those_of_the_sdk() -> None:
    expected = run_in_sdk(SPARSE, [case for case in SPARSE_CASES if case[1] == "None"])
    made = [ours("RecordSerializer", features) for features, labels in SPARSE_CASES if labels == "None"]
    assert [base64.b64decode(body) for body in expected] == made


def test_labelled_records_are_those_of_the_sdk() -> None:
    cases = [case for case in SPARSE_CASES if case[1] != "None" and case[0].startswith("np.")]
    expected = run_in_sdk(SPARSE, cases)
    for (features, labels), body in zip(cases, expected, strict=True):
        columns = dict(enumerate(eval(features, dict(NAMES)).T))
        frame = pd.DataFrame({**columns, "y": eval(labels, dict(NAMES))})
        assert codecs.find(RecordIO(label="y")).encode(frame) == base64.b64decode(body)


def test_the_sdk_reads_our_records() -> None:
    codec = codecs.find("application/x-recordio-protobuf")
    bodies = [
        codec.encode(np.array([[1.5, -2.0]])),
        codec.encode(sp.csr_matrix(np.array([[0, 3, 0]]))),
        codec.encode({"score": np.array([0.5]), "predicted_label": np.array([1])}),
    ]
    dense, sparse, answers = run_in_sdk(RECORDS, [base64.b64encode(body).decode() for body in bodies])
    assert dense == [{"features": {"values": {"float64Tensor": {"values": [1.5, -2.0]}}}}]
    assert sparse == [{"features": {"values": {"int32Tensor": {"values": [3], "keys": ["1"], "shape": ["3"]}}}}]
    assert answers == [
        {
            "label": {
                "score": {"float64Tensor": {"values": [0.5]}},
                "predicted_label": {"int32Tensor": {"values": [1]}},
            }
        }
    ]
