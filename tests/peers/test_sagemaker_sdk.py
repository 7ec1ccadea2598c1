"""The SageMaker Python SDK v2, in an environment of its own: Predictor, streams and AsyncPredictor."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from sdk import sdk_python

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CODE = """
import io, json, sys
import numpy as np, pandas as pd, scipy.sparse
import sagemaker
from sagemaker import serializers as s, deserializers as d
from sagemaker.predictor import Predictor

# Without a bucket the SDK asks STS who is asking, at an address of AWS that no variable changes.
session = sagemaker.Session(default_bucket="sagemaker-us-east-1-123456789012")
answers = {}
"""


def run(environ: dict[str, str], home: Path, code: Any) -> Any:
    script = f"{CODE}\n{code}\nprint(json.dumps(answers))"
    told = {**environ, "HOME": str(home), "SAGEMAKER_SUPPRESS_V2_WARNING": "1"}
    done = subprocess.run(
        [str(sdk_python()), "-W", "ignore", "-c", script], env=told, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_predictor_with_each_serializer(serve: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    code = """
rows = [[1.0, 2.5], [3.0, 4.25]]
inputs = {
    "CSVSerializer": rows, "NumpySerializer": np.array(rows), "JSONSerializer": {"instances": rows},
    "JSONLinesSerializer": [{"a": 1.0}, {"a": 2.0}], "SparseMatrixSerializer": scipy.sparse.csr_matrix(rows),
    "LibSVMSerializer": "1 1:2.5", "StringSerializer": "Why?", "IdentitySerializer": b"raw",
}
for name, value in inputs.items():
    predictor = Predictor("one", session, serializer=getattr(s, name)(), deserializer=d.StreamDeserializer())
    stream, content_type = predictor.predict(value, inference_id="i1", custom_attributes="trace=1")
    answers[name] = [content_type, stream.read().decode("latin-1")]
from sagemaker.amazon.common import RecordSerializer
predictor = Predictor("one", session, serializer=RecordSerializer(), deserializer=d.StreamDeserializer())
stream, content_type = predictor.predict(np.array(rows, dtype="float32"))
answers["RecordSerializer"] = [content_type, stream.read().decode("latin-1")]
"""
    seen = {name: json.loads(body) for name, (_, body) in run(serve("mirror"), tmp_path, code).items()}
    types = {name: each["members"].get("ContentType") for name, each in seen.items()}
    assert types == {
        "CSVSerializer": "text/csv", "NumpySerializer": "application/x-npy", "JSONSerializer": "application/json",
        "JSONLinesSerializer": "application/jsonlines", "SparseMatrixSerializer": "application/x-npz",
        "LibSVMSerializer": "text/libsvm", "StringSerializer": "text/plain",
        "IdentitySerializer": "application/octet-stream", "RecordSerializer": "application/x-recordio-protobuf",
    }  # fmt: skip
    assert {name: each["decoded"] for name, each in seen.items() if each["decoded"] != "DataFrame"} == {
        "StringSerializer": "str", "IdentitySerializer": "bytes"
    }  # fmt: skip
    assert seen["CSVSerializer"]["body"] == "1.0,2.5\n3.0,4.25"
    assert seen["CSVSerializer"]["members"] == {
        "Accept": "*/*", "ContentType": "text/csv", "InferenceId": "i1", "CustomAttributes": "trace=1"
    }  # fmt: skip


def test_predictor_with_the_deserializers_that_read_predictions(
    serve: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    code = """
rows = [[1.0, 2.5], [3.0, 4.25]]
for name in ("JSONDeserializer", "JSONLinesDeserializer", "NumpyDeserializer", "BytesDeserializer"):
    predictor = Predictor("one", session, serializer=s.CSVSerializer(), deserializer=getattr(d, name)())
    given = predictor.predict(rows)
    given = given.decode() if isinstance(given, bytes) else given
    answers[name] = given.tolist() if name == "NumpyDeserializer" else given
"""
    assert run(serve("sums"), tmp_path, code) == {
        "JSONDeserializer": {"predictions": [3.5, 7.25]},
        "JSONLinesDeserializer": [3.5, 7.25],
        "NumpyDeserializer": [3.5, 7.25],
        "BytesDeserializer": "3.5\n7.25\n",
    }


def test_predict_stream(serve: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    code = """
from sagemaker.iterators import ByteIterator, LineIterator
predictor = Predictor("one", session, serializer=s.JSONSerializer())
value = {"inputs": "Why is the sky blue?"}
answers["bytes"] = b"".join(predictor.predict_stream(value, iterator=ByteIterator)).decode()
answers["lines"] = [line.decode() for line in predictor.predict_stream(value, iterator=LineIterator)]
"""
    given = run(serve("speak"), tmp_path, code)
    lines = [json.dumps({"outputs": [word]}) for word in ("Why", "is", "the", "sky", "blue?")]
    assert given == {"bytes": "".join(f"{line}\n" for line in lines), "lines": lines}


def test_async_predictor(serve: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    code = """
from sagemaker.predictor_async import AsyncPredictor
from sagemaker.async_inference import WaiterConfig
from sagemaker.exceptions import AsyncInferenceModelError
quick = WaiterConfig(max_attempts=20, delay=1)
kinds = {"serializer": s.JSONSerializer(), "deserializer": d.JSONDeserializer()}
predictor = AsyncPredictor(Predictor("one", session, **kinds), "one")
answers["waited"] = predictor.predict({"a": 1}, waiter_config=quick)
later = predictor.predict_async({"a": 2})
answers["locations"] = [later.output_path, later.failure_path]
answers["later"] = later.get_result(quick)
try:
    predictor.predict({"status": 500}, waiter_config=quick)
except AsyncInferenceModelError as error:
    answers["error"] = str(error)
import os
sys.stdout.flush(); print(json.dumps(answers)); sys.stdout.flush(); os._exit(0)  # the SDK's pollers would keep it
"""
    given = run(serve("picky", "--asynchronous"), tmp_path, code)
    assert (given["waited"], given["later"]) == ({"a": 1}, {"a": 2})
    assert all(place.startswith("s3://sagemaker-us-east-1-123456789012/one/") for place in given["locations"])
    assert "as you wish" in given["error"]


def test_errors_of_a_predictor(serve: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    code = """
from botocore.exceptions import ClientError
for name, value in (("one", {"status": 507}), ("none", {})):
    try:
        Predictor(name, session, serializer=s.JSONSerializer()).predict(value)
    except ClientError as error:
        answers[name] = [error.response["Error"]["Code"], error.response["Error"]["Message"]]
"""
    given = run(serve("picky"), tmp_path, code)
    assert given["none"] == ["ValidationError", "Endpoint none of account 123456789012 not found."]
    assert given["one"][0] == "ModelError"
    assert 'Received server error (507) from primary with message "{"error": "as you wish"}"' in given["one"][1]
