"""Servers of other people, as the container behind an endpoint: MLflow's scoring server, and inference-server."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from environments import python_with

from smrt_jupyter.local import Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MLFLOW = ("mlflow-skinny==3.17.2", "scikit-learn", "pandas", "flask")
INFERENCE_SERVER = ("inference-server==1.3.3",)

ANNOUNCE = """
import socket
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
"""
SERVE_MLFLOW = f"""
import mlflow, pandas, uvicorn
from mlflow.pyfunc.scoring_server import init

class Sums(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input.sum(axis=1).to_numpy()

mlflow.pyfunc.save_model("model", python_model=Sums())
app = init(mlflow.pyfunc.load_model("model"))
{ANNOUNCE}
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
"""
SERVE_INFERENCE_SERVER = f"""
import json
import inference_server
from werkzeug.serving import make_server

class Plugin:
    @inference_server.plugin_hook
    def model_fn(model_dir):
        return lambda rows: [sum(row) for row in rows]

    @inference_server.plugin_hook
    def input_fn(input_data, content_type):
        assert content_type == "text/csv", content_type
        return [[float(cell) for cell in line.split(",")] for line in input_data.decode().splitlines()]

    @inference_server.plugin_hook
    def predict_fn(data, model):
        return model(data)

    @inference_server.plugin_hook
    def output_fn(prediction, accept):
        if "application/json" in accept:
            return json.dumps({{"predictions": prediction}}).encode(), "application/json"
        return "".join(f"{{each}}\\n" for each in prediction).encode(), "text/csv"

inference_server._plugin.manager().register(Plugin)  # else a plugin is a package of its own, with an entry point
inference_server.warmup()
{ANNOUNCE}
make_server("127.0.0.1", 0, inference_server.create_app(), threaded=True, fd=listening.fileno()).serve_forever()
"""


@contextmanager
def running(python: Any, code: Any, folder: Any) -> Iterator[Any]:
    """Run a server of theirs until the test ends, and give its address."""
    with subprocess.Popen(
        [str(python), "-W", "ignore", "-c", code], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        try:
            port = server.stdout.readline().strip()
            assert re.fullmatch(r"\d+", port), server.stderr.read()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()
            server.communicate()


@pytest.fixture
def ask() -> Iterator[Any]:
    with Runtime() as runtime:
        told = runtime.environ
        client = boto3.client(
            "sagemaker-runtime",
            region_name=told["AWS_REGION"],
            aws_access_key_id=told["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=told["AWS_SECRET_ACCESS_KEY"],
            endpoint_url=runtime.url,
            config=Config(retries={"total_max_attempts": 1}),
        )

        def invoke(address: Any, body: Any, **members: Any) -> Any:
            if not runtime.endpoints:
                runtime.deploy("one", address)
            reply = client.invoke_endpoint(EndpointName="one", Body=body, **members)
            return reply["ContentType"], reply["Body"].read()

        invoke.errors = client.exceptions
        yield invoke
        client.close()


def test_mlflow_answers_behind_an_endpoint(ask: Any, tmp_path: Path) -> None:
    with running(python_with("mlflow", *MLFLOW), SERVE_MLFLOW, tmp_path) as address:
        for key, value in {
            "dataframe_split": {"columns": ["a", "b"], "data": [[1.5, 2.0], [3.0, 4.0]]},
            "dataframe_records": [{"a": 1.5, "b": 2.0}, {"a": 3.0, "b": 4.0}],
        }.items():
            content_type, body = ask(address, json.dumps({key: value}), ContentType="application/json")
            assert (content_type, json.loads(body)) == ("application/json", {"predictions": [3.5, 7.0]})
        content_type, body = ask(address, "a,b\n1.5,2.0\n", ContentType="text/csv")  # MLflow wants a header
        assert json.loads(body) == {"predictions": [3.5]}
        with pytest.raises(ask.errors.ModelError) as error:
            ask(address, "<x/>", ContentType="application/xml")
    assert error.value.response["OriginalStatusCode"] == 415
    assert "application/xml" in error.value.response["OriginalMessage"]


def test_inference_server_answers_behind_an_endpoint(ask: Any, tmp_path: Path) -> None:
    python = python_with("inference-server", *INFERENCE_SERVER)
    with running(python, SERVE_INFERENCE_SERVER, tmp_path) as address:
        members = {"ContentType": "text/csv", "Accept": "text/csv"}
        assert ask(address, "1.5,2\n3,4\n", **members) == ("text/csv; charset=utf-8", b"3.5\n7.0\n")
        content_type, body = ask(address, "1.5,2\n", ContentType="text/csv", Accept="application/json")
        assert (content_type, json.loads(body)) == ("application/json", {"predictions": [3.5]})
        with pytest.raises(ask.errors.ModelError) as error:
            ask(address, "1.5,2\n", ContentType="application/json")
    assert error.value.response["OriginalStatusCode"] == 500
