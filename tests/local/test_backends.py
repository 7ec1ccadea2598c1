"""What can be served: functions, estimators, files, names, folders with hooks, and containers; and in which words."""

from __future__ import annotations

import io
import json
import textwrap
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd
import pytest
from botocore.exceptions import ClientError
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from smrt_jupyter.local import ContainerError, Limits, ModelReply, Runtime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

FRAME = pd.DataFrame({"age": [31, 42, 53], "income": [0.1, 1e-20, 1 / 3]})


@pytest.fixture(scope="module")
def regression() -> Any:
    return HistGradientBoostingRegressor(max_iter=20).fit(*load_iris(return_X_y=True, as_frame=True))


def ask(client: Any, body: Any, **members: Any) -> Any:
    reply = client.invoke_endpoint(EndpointName="one", Body=body, **members)
    return reply["ContentType"], reply["Body"].read()


def said(client: Any, body: Any = b"x", **members: Any) -> Any:
    with pytest.raises(client.exceptions.ModelError) as error:
        ask(client, body, **members)
    return error.value.response["OriginalStatusCode"], error.value.response["OriginalMessage"]


def npy(array: Any) -> Any:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


REQUESTS = {
    "headerless CSV": ("text/csv", lambda table: table.to_csv(header=False, index=False).encode()),
    "CSV with a charset": ("text/csv; charset=utf-8", lambda table: table.to_csv(header=False, index=False).encode()),
    "JSON arrays": ("application/json", lambda table: json.dumps(table.to_numpy().tolist()).encode()),
    "JSON records": ("application/json", lambda table: json.dumps(table.to_dict("records")).encode()),
    "instances": ("application/json", lambda table: json.dumps({"instances": table.to_numpy().tolist()}).encode()),
    "features": (
        "application/json",
        lambda table: json.dumps({"instances": [{"features": row} for row in table.to_numpy().tolist()]}).encode(),
    ),
    "values": (
        "application/json",
        lambda table: json.dumps(
            {"instances": [{"data": {"features": {"values": row}}} for row in table.to_numpy().tolist()]}
        ).encode(),
    ),
    "dataframe_split": (
        "application/json",
        lambda table: json.dumps({"dataframe_split": table.to_dict("split")}).encode(),
    ),
    "dataframe_records": (
        "application/json",
        lambda table: json.dumps({"dataframe_records": table.to_dict("records")}).encode(),
    ),
    "JSON Lines of records": (
        "application/jsonlines",
        lambda table: "\n".join(json.dumps(row) for row in table.to_dict("records")).encode(),
    ),
    "JSON Lines of arrays": (
        "application/jsonlines",
        lambda table: "\n".join(json.dumps(row) for row in table.to_numpy().tolist()).encode(),
    ),
    "npy": ("application/x-npy", lambda table: npy(table.to_numpy())),
}
REPLIES = {
    "text/csv": lambda body: np.array([float(line) for line in body.decode().splitlines()]),
    "application/json": lambda body: np.array(json.loads(body)["predictions"]),
    "application/jsonlines": lambda body: np.array([json.loads(line) for line in body.splitlines()]),
    "application/x-npy": lambda body: np.load(io.BytesIO(body)),
}


@pytest.mark.parametrize("accept", REPLIES)
@pytest.mark.parametrize("shape", REQUESTS)
def test_an_estimator_answers_as_it_does_here_to_the_last_bit(
    runtime: Runtime, boto: Callable[..., Any], regression: Any, shape: Any, accept: Any
) -> None:
    table = load_iris(return_X_y=True, as_frame=True)[0].iloc[::7]
    content_type, write = REQUESTS[shape]
    runtime.deploy("one", regression)
    given_type, body = ask(boto(runtime), write(table), ContentType=content_type, Accept=accept)
    assert given_type.partition(";")[0] == accept
    np.testing.assert_array_equal(REPLIES[accept](body), regression.predict(table), strict=True)
    assert runtime.rows_executed("one") == len(table)


@pytest.mark.parametrize("row", [FRAME.iloc[:1], FRAME], ids=["one row", "three"])
def test_a_reply_without_a_wish_has_the_requests_own_type(runtime: Runtime, boto: Callable[..., Any], row: Any) -> None:
    runtime.deploy("one", LinearRegression().fit(FRAME, [1.0, 2.0, 3.0]))
    for content_type, write in REQUESTS.values():
        for accept in ({}, {"Accept": "*/*"}):
            given = ask(boto(runtime), write(row), ContentType=content_type, **accept)[0]
            assert given.partition(";")[0] == content_type.partition(";")[0]


def test_the_exact_bytes_of_each_reply(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", lambda frame: frame.iloc[:, 0] / 3)
    body = b"1,x\n2,y\n"
    replies = {accept: ask(boto(runtime), body, ContentType="text/csv", Accept=accept) for accept in REPLIES}
    assert replies["text/csv"] == ("text/csv; charset=utf-8", b"0.3333333333333333\n0.6666666666666666\n")
    assert replies["application/json"] == (
        "application/json", b'{"predictions": [0.3333333333333333, 0.6666666666666666]}'
    )  # fmt: skip
    assert replies["application/jsonlines"][1] == b"0.3333333333333333\n0.6666666666666666\n"


def test_several_answers_a_row(runtime: Runtime, boto: Callable[..., Any]) -> None:
    table, labels = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(table, labels)
    runtime.deploy("one", model, method="predict_proba")
    body = table.iloc[:2].to_csv(header=False, index=False)
    expected = model.predict_proba(table.iloc[:2])
    csv = ask(boto(runtime), body, ContentType="text/csv", Accept="text/csv")[1]
    assert [list(map(float, line.split(","))) for line in csv.decode().splitlines()] == expected.tolist()
    text = ask(boto(runtime), body, ContentType="text/csv", Accept="application/json")[1]
    assert json.loads(text) == {"predictions": expected.tolist()}


def test_several_named_answers_a_row(runtime: Runtime, boto: Callable[..., Any]) -> Any:
    def judge(frame: Any) -> Any:
        return {"score": frame.iloc[:, 0] / 4, "predicted_label": ["yes, sir", "no"]}

    runtime.deploy("one", judge)
    body, client = b"1\n2\n", boto(runtime)
    assert ask(client, body, ContentType="text/csv")[1] == b'0.25,"yes, sir"\n0.5,no\n'
    told = [{"score": 0.25, "predicted_label": "yes, sir"}, {"score": 0.5, "predicted_label": "no"}]
    assert json.loads(ask(client, body, ContentType="text/csv", Accept="application/json")[1]) == {"predictions": told}
    lines = ask(client, body, ContentType="text/csv", Accept="application/jsonlines")[1]
    assert [json.loads(line) for line in lines.splitlines()] == told


def test_labels_are_answers_too(runtime: Runtime, boto: Callable[..., Any]) -> None:
    model = LogisticRegression().fit(FRAME, ["stays", "leaves", "stays"])
    runtime.deploy("one", model)
    body = FRAME.to_csv(header=False, index=False)
    expected = model.predict(FRAME).tolist()
    assert ask(boto(runtime), body, ContentType="text/csv")[1].decode().splitlines() == expected
    reply = ask(boto(runtime), body, ContentType="text/csv", Accept="application/x-npy")[1]
    assert np.load(io.BytesIO(reply)).tolist() == expected


def test_the_first_wish_that_can_be_kept_is_kept(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", lambda frame: frame.sum(axis="columns"))
    members = {"ContentType": "text/csv", "Accept": "application/x-own, application/json, text/csv"}
    assert ask(boto(runtime), b"1,2\n", **members) == ("application/json", b'{"predictions": [3]}')
    status, message = said(boto(runtime), b"1,2\n", ContentType="text/csv", Accept="application/x-own")
    assert (status, message.partition(":")[0]) == (
        406, "Accept type application/x-own is not supported. Supported",
    )  # fmt: skip


def test_a_body_that_holds_no_rows_is_refused_by_an_estimator(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", LinearRegression().fit(FRAME, [1.0, 2.0, 3.0]))
    for body, members in [(b"1,2\n", {}), (b"\x00", {"ContentType": "application/octet-stream"}),
                          (b'{"inputs": "Why?"}', {"ContentType": "application/json"})]:  # fmt: skip
        status, message = said(boto(runtime), body, **members)
        assert status == 415
        assert message.startswith("Unsupported content type: ")
    status, message = said(boto(runtime), b'{"instances": [', ContentType="application/json")
    assert status == 415
    assert message.startswith("The body is not application/json: ")


def test_an_estimator_fitted_without_names_gets_arrays_and_warns_of_nothing(
    runtime: Runtime, boto: Callable[..., Any], recwarn: Any
) -> None:
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(FRAME.to_numpy(), [1.0, 2.0, 3.0])
    runtime.deploy("one", model)
    for content_type, write in REQUESTS.values():
        _, body = ask(boto(runtime), write(FRAME), ContentType=content_type, Accept="application/json")
        assert json.loads(body)["predictions"] == model.predict(FRAME.to_numpy()).tolist()
    assert [str(warning.message) for warning in recwarn] == []


def test_one_flat_list_is_one_row_where_only_that_fits(runtime: Runtime, boto: Callable[..., Any]) -> None:
    model = LinearRegression().fit(FRAME, [1.0, 2.0, 3.0])
    runtime.deploy("one", model)
    _, body = ask(boto(runtime), b"[31, 0.1]", ContentType="application/json")
    assert json.loads(body)["predictions"] == model.predict(FRAME.iloc[:1]).tolist()


def test_a_transformer_transforms(runtime: Runtime, boto: Callable[..., Any]) -> None:
    model = StandardScaler().fit(FRAME)
    runtime.deploy("one", model)
    _, body = ask(boto(runtime), FRAME.to_csv(header=False, index=False), ContentType="text/csv")
    rows = [list(map(float, line.split(","))) for line in body.decode().splitlines()]
    assert rows == model.transform(FRAME).tolist()


def test_types_that_text_cannot_say_come_from_a_table_that_has_them(runtime: Runtime, boto: Callable[..., Any]) -> None:
    table = pd.DataFrame(
        {
            "code": pd.Categorical(["1", "2", "1"]),
            "when": pd.to_datetime(["2024-01-01", "2024-02-29", "2025-01-01"]),
            "text": ["10", "x", "30"],
        }
    )
    seen = []
    runtime.deploy("one", lambda frame: seen.append(frame) or frame.index.to_numpy(), like=table.iloc[:0])
    ask(boto(runtime), table.to_csv(header=False, index=False), ContentType="text/csv")
    ask(boto(runtime), table.iloc[[0, 2]].to_csv(header=False, index=False), ContentType="text/csv")
    assert said(boto(runtime), b"1,soon,x\n", ContentType="text/csv")[0] == 400
    pd.testing.assert_frame_equal(seen[0], table)
    pd.testing.assert_frame_equal(seen[1], table.iloc[[0, 2]].reset_index(drop=True))
    encoder = make_column_transformer((OneHotEncoder(), ["code"])).fit(table)
    runtime.deploy("one", encoder, like=table)
    _, body = ask(boto(runtime), table.to_csv(header=False, index=False), ContentType="text/csv")
    assert body == b"1.0,0.0\n0.0,1.0\n1.0,0.0\n"


@pytest.mark.parametrize(
    ("takes", "given", "expected"),
    [
        (None, (b"1,2\n", "text/csv"), "DataFrame"),
        (None, (b'{"inputs": "Why?"}', "application/json"), "dict"),
        (None, (b"Why?", "text/plain"), "str"),
        (None, (b"Why?", "application/x-own"), "bytes"),
        ("value", (b'{"instances": [[1, 2]]}', "application/json"), "dict"),
        ("body", (b"1,2\n", "text/csv"), "bytes"),
        ("frame", (b"[[1, 2]]", "application/json"), "DataFrame"),
    ],
)
def test_a_callable_is_given_rows_a_value_or_the_bytes(
    runtime: Runtime, boto: Callable[..., Any], takes: Any, given: tuple[bytes, str], expected: str
) -> None:
    runtime.deploy("one", lambda data: type(data).__name__, takes=takes)
    body, content_type = given
    assert ask(boto(runtime), body, ContentType=content_type)[1].decode() == expected


def test_a_callable_that_wants_rows_gets_nothing_else(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", lambda frame: frame, takes="frame")
    assert said(boto(runtime), b"Why?", ContentType="text/plain")[0] == 415


def test_a_value_that_is_not_an_answer_a_row_is_sent_as_it_is(runtime: Runtime, boto: Callable[..., Any]) -> None:
    runtime.deploy("one", lambda value: [{"generated_text": value["inputs"].upper()}])
    assert ask(boto(runtime), b'{"inputs": "Why?"}', ContentType="application/json") == (
        "application/json", b'[{"generated_text": "WHY?"}]'
    )  # fmt: skip


def test_a_model_may_see_the_request_and_say_more_than_its_answers(runtime: Runtime, boto: Callable[..., Any]) -> Any:
    def attentive(frame: Any, invocation: Any) -> Any:
        assert (invocation.endpoint, invocation.variant) == ("one", "AllTraffic")
        assert b"1,2" not in repr(invocation).encode()
        return ModelReply(value=frame.sum(axis="columns"), custom_attributes=invocation.members["CustomAttributes"])

    runtime.deploy("one", attentive)
    reply = boto(runtime).invoke_endpoint(
        EndpointName="one", Body=b"1,2\n", ContentType="text/csv", CustomAttributes="trace=7"
    )
    assert (reply["CustomAttributes"], reply["Body"].read()) == ("trace=7", b"3\n")


def test_a_coroutine_function_answers(runtime: Runtime, boto: Callable[..., Any]) -> Any:
    async def model(frame: Any) -> Any:
        return frame.sum(axis="columns")

    runtime.deploy("one", model)
    assert ask(boto(runtime), b"1,2\n", ContentType="text/csv")[1] == b"3\n"


def test_a_model_may_choose_its_status(runtime: Runtime, boto: Callable[..., Any]) -> None:
    def choosy(_: Any) -> None:
        raise ContainerError(422, '{"error": "too short"}')

    runtime.deploy("one", choosy)
    assert said(boto(runtime)) == (422, '{"error": "too short"}')


def test_files_and_names_are_served(
    runtime: Runtime, boto: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = LinearRegression().fit(FRAME, [1.0, 2.0, 3.0])
    joblib.dump(model, tmp_path / "model.joblib")
    (tmp_path / "own_models.py").write_text("class Doubler:\n    def twice(frame):\n        return frame * 2\n")
    monkeypatch.chdir(tmp_path)
    for served in ("model.joblib", tmp_path / "model.joblib"):
        runtime.deploy("one", served)
        body = ask(boto(runtime), FRAME.to_csv(header=False, index=False), ContentType="text/csv")[1]
        assert list(map(float, body.splitlines())) == model.predict(FRAME).tolist()
    runtime.deploy("one", "own_models:Doubler.twice")
    assert ask(boto(runtime), b"1,2\n", ContentType="text/csv")[1] == b"2,4\n"


@pytest.mark.parametrize(
    ("model", "error", "text"),
    [
        (object(), TypeError, "object cannot be served. Give a callable, a fitted estimator"),
        ("missing.joblib", FileNotFoundError, "'missing.joblib' is no model: give a file"),
        ("no_such_module:model", ValueError, "Could not import 'model' from 'no_such_module'"),
        ("json:no_such_name", ValueError, "Could not import 'no_such_name' from 'json'"),
        ("http://127.0.0.1:9", ValueError, "http://127.0.0.1:9/ping did not answer with 200 within 0 s"),
    ],
)
def test_what_cannot_be_served_is_said_before_anything_is_asked(model: Any, error: Any, text: Any) -> None:
    with Runtime(limits=Limits(ping_seconds=0)) as runtime:
        with pytest.raises(error, match=text.replace("(", r"\(")):
            runtime.deploy("one", model)
        assert runtime.endpoints == ()


@pytest.mark.parametrize(
    ("model", "option"),
    [
        (LinearRegression(), {"takes": "frame"}),
        (lambda frame: frame, {"method": "predict"}),
        (LinearRegression(), {"method": "predict_proba"}),
    ],
)
def test_an_option_without_an_effect_is_refused(runtime: Runtime, model: Any, option: Any) -> None:
    with pytest.raises(ValueError, match=r"is served without|has no method"):
        runtime.deploy("one", model, **option)


def test_an_asynchronous_generator_is_refused(runtime: Runtime) -> Iterator[Any]:
    async def model(_: Any) -> AsyncIterator[Any]:
        yield "a"

    with pytest.raises(TypeError, match="model is an asynchronous generator; a generator function"):
        runtime.deploy("one", model)


HOOKS = """
    import json, neighbour

    def model_fn(model_dir):
        return neighbour.FACTOR

    def input_fn(data, content_type):
        assert isinstance(data, str), type(data)
        return json.loads(data), content_type

    def predict_fn(data, model, context):
        assert context.members["EndpointName"] == "one"
        return [number * model for number in data[0]]

    def output_fn(prediction, accept):
        return json.dumps({"out": prediction}), accept
"""


def folder(tmp_path: Path, script: str, inside: Any = ".") -> Any:
    (tmp_path / inside).mkdir(exist_ok=True)
    (tmp_path / inside / "inference.py").write_text(textwrap.dedent(script))
    (tmp_path / inside / "neighbour.py").write_text("FACTOR = 3\n")
    return tmp_path


@pytest.mark.parametrize("inside", [".", "code"])
def test_a_folder_with_hooks_is_served(runtime: Runtime, boto: Callable[..., Any], tmp_path: Path, inside: Any) -> None:
    runtime.deploy("one", folder(tmp_path, HOOKS, inside))
    reply = ask(boto(runtime), b"[1, 2]", ContentType="application/json")
    assert reply == ("application/json", b'{"out": [3, 6]}')


def test_transform_fn_does_it_alone(runtime: Runtime, boto: Callable[..., Any], tmp_path: Path) -> None:
    script = """
        def model_fn(model_dir):
            return "model"

        def transform_fn(model, data, content_type, accept):
            return f"{model} {data} {content_type} {accept}", "text/plain"
    """
    runtime.deploy("one", folder(tmp_path, script))
    reply = ask(boto(runtime), b"a", ContentType="text/plain", Accept="text/html")
    assert reply == ("text/plain", b"model a text/plain text/html")


def test_missing_hooks_do_what_the_containers_do(runtime: Runtime, boto: Callable[..., Any], tmp_path: Path) -> None:
    model = LinearRegression().fit(FRAME.to_numpy(), [1.0, 2.0, 3.0])
    joblib.dump(model, tmp_path / "model.joblib")
    runtime.deploy("one", folder(tmp_path, ""))
    expected = model.predict(FRAME.to_numpy()).tolist()
    body = FRAME.to_csv(header=False, index=False)
    reply = ask(boto(runtime), body, ContentType="text/csv")
    assert (reply[0], json.loads(reply[1])) == ("application/json", expected)
    reply = ask(boto(runtime), body, ContentType="text/csv", Accept="text/csv")
    assert list(map(float, reply[1].splitlines())) == expected
    reply = ask(boto(runtime), npy(FRAME.to_numpy()), ContentType="application/x-npy", Accept="application/x-npy")
    assert np.load(io.BytesIO(reply[1])).tolist() == expected
    assert said(boto(runtime), b"x", ContentType="application/x-own")[0] == 415


def test_hooks_that_contradict_each_other_are_refused(runtime: Runtime, tmp_path: Path) -> None:
    script = """
        def predict_fn(data, model): ...
        def transform_fn(model, data, content_type, accept): ...
    """
    with pytest.raises(ValueError, match="has transform_fn and a hook that it replaces"):
        runtime.deploy("one", folder(tmp_path, script))
    with pytest.raises(FileNotFoundError, match=r"has neither inference.py nor code/inference.py"):
        runtime.deploy("one", tmp_path / "code" if (tmp_path / "code").mkdir() is None else tmp_path)


class Container(BaseHTTPRequestHandler):
    """Somebody's container: says what it saw."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(200, b"", {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"fail":
            self.answer(503, b"busy", {})
        elif body == b"stream":
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (b"data: 1\n\n", b"data: 2\n\n"):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        elif body == b"die":
            self.close_connection = True
        else:
            seen = {
                name.lower(): value
                for name, value in self.headers.items()
                if name.lower().startswith("x-") or name in ("Accept", "Content-Type")
            }
            told = {"path": self.path, "body": body.decode(), **seen}
            self.answer(200, json.dumps(told).encode(), {
                "Content-Type": "application/json", "X-Amzn-SageMaker-Custom-Attributes": "seen",
                "X-Amzn-SageMaker-Session-Id": "abc; Expires=2030-01-01T00:00:00Z", "X-Other": "dropped",
            })  # fmt: skip

    def answer(self, status: Any, body: Any, headers: Any) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def container() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Container) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_container_is_asked_as_the_service_asks_one(
    runtime: Runtime, boto: Callable[..., Any], container: str
) -> None:
    runtime.deploy("one", container)
    reply = boto(runtime).invoke_endpoint(
        EndpointName="one", Body=b"1,2", ContentType="text/csv", Accept="application/json", CustomAttributes="mine",
        InferenceId="i1", EnableExplanations="`true`", SessionId="NEW_SESSION",
    )  # fmt: skip
    assert json.loads(reply["Body"].read()) == {
        "path": "/invocations",
        "body": "1,2",
        "content-type": "text/csv",
        "accept": "application/json",
        "x-amzn-sagemaker-custom-attributes": "mine",
        "x-amzn-sagemaker-enable-explanations": "`true`",
        "x-amzn-sagemaker-session-id": "NEW_SESSION",
    }
    assert (reply["ContentType"], reply["CustomAttributes"]) == ("application/json", "seen")
    assert reply["NewSessionId"] == "abc; Expires=2030-01-01T00:00:00Z"
    assert "x-other" not in reply["ResponseMetadata"]["HTTPHeaders"]


def test_a_container_that_fails_or_dies_is_reported(runtime: Runtime, boto: Callable[..., Any], container: str) -> None:
    runtime.deploy("one", container)
    assert said(boto(runtime), b"fail") == (503, "busy")
    assert said(boto(runtime), b"die") == (
        0, "An error occurred while handling request as the model process exited."
    )  # fmt: skip


def test_a_container_streams(runtime: Runtime, boto: Callable[..., Any], container: str) -> None:
    runtime.deploy("one", container)
    reply = boto(runtime).invoke_endpoint_with_response_stream(EndpointName="one", Body=b"stream")
    assert reply["ContentType"] == "text/event-stream"
    assert b"".join(part["PayloadPart"]["Bytes"] for part in reply["Body"]) == b"data: 1\n\ndata: 2\n\n"
    assert ask(boto(runtime), b"stream")[1] == b"data: 1\n\ndata: 2\n\n"


def test_an_asynchronous_inference_needs_a_container_that_says_its_length(
    runtime: Runtime, boto: Callable[..., Any], container: str
) -> None:
    runtime.deploy("one", container, asynchronous=True)
    s3 = boto(runtime, "s3")
    reply = boto(runtime).invoke_endpoint_async(EndpointName="one", Body=b"stream")
    bucket, _, key = reply["FailureLocation"].removeprefix("s3://").partition("/")
    s3.get_waiter("object_exists").wait(Bucket=bucket, Key=key, WaiterConfig={"Delay": 0.05})
    assert b"did not specify the required Content-Length header" in s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_a_container_that_is_too_slow_times_out(boto: Callable[..., Any]) -> None:
    release = threading.Event()

    class Slow(Container):
        def do_POST(self) -> None:
            release.wait(20)
            self.close_connection = True

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server,
        Runtime(limits=Limits(invocation_seconds=0.3)) as runtime,
    ):
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        runtime.deploy("one", f"http://127.0.0.1:{server.server_address[1]}")
        status, message = said(boto(runtime))
        release.set()
        server.shutdown()
        thread.join()
    assert (status, message[:26]) == (0, "Your invocation timed out ")


def test_a_backend_of_ones_own_is_served(runtime: Runtime, boto: Callable[..., Any]) -> Any:
    from smrt_jupyter.local.invocation import ContainerReply

    class Own:
        closed = False

        def invoke(self, invocation: Any) -> Any:
            return ContainerReply(body=invocation.body[::-1], content_type="text/x-own")

        def close(self) -> None:
            self.closed = True

    own = Own()
    runtime.deploy("one", own)
    assert ask(boto(runtime), b"abc") == ("text/x-own", b"cba")
    runtime.delete("one")
    assert own.closed
    with pytest.raises(ClientError, match="Endpoint one of account 123456789012 not found"):
        ask(boto(runtime), b"abc")
