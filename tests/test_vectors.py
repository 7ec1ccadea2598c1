"""Requests and replies that are documented, captured or of containers' own tests: ``vectors.jsonl``, every line.

A small container serves each reply behind the embedded runtime, and the client has to give what its source means.
"""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from raw_server import RawServer, http

from smrt_jupyter import Endpoint, LocalRuntime, Policy, codecs, errors
from smrt_jupyter.answers import per_row

if TYPE_CHECKING:
    from collections.abc import Iterator

VECTORS = [json.loads(line) for line in (Path(__file__).parent / "vectors.jsonl").read_text("utf-8").splitlines()]

# The documentation writes an ellipsis where numbers stand, and names where values do.
ELLIPSES = {
    11: [("prob_1", "0.75"), ("prob_2", "0.25")],
    13: [("[...]", "[1.5, 2.5]")],
}
UNSHOWN = {32: "application/json"}
"""The notebook does not show the content type of this reply; that of its container is no secret."""


def content(number: int, side: str) -> bytes:
    """Give the bytes of a request or a reply."""
    text = VECTORS[number][side]
    if isinstance(text, dict):
        return base64.b64decode(text["base64"])
    for sign, number_there in ELLIPSES.get(number, []) if side == "response" else []:
        text = text.replace(sign, number_there)
    return text.encode()


class Container:
    """Answers ``/invocations`` with one reply, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.parts, self.content_type = 200, [b""], None
        container = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self) -> None:
                container.headers = dict(self.headers)
                container.body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(container.status)
                if container.content_type is not None:
                    self.send_header("Content-Type", container.content_type)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for part in [*container.parts, b""]:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    self.wfile.flush()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def says(self, number: int, status: int = 200) -> None:
        response = VECTORS[number]["response"]
        parts = [part.encode() for part in response] if isinstance(response, list) else [content(number, "response")]
        self.status, self.parts = status, parts
        self.content_type = VECTORS[number]["response_content_type"] or UNSHOWN.get(number)


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    opened = Container()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def opened() -> Iterator[LocalRuntime]:
    with LocalRuntime() as runtime:
        yield runtime


@pytest.fixture
def endpoint(opened: LocalRuntime, container: Container) -> Endpoint:
    if "vector" not in opened.endpoints:
        opened.deploy("vector", container.url)
    return opened.endpoint("vector")


# How many rows the reply answers, and the answers that its source means.
ANSWERS: dict[int, tuple[int, Any]] = {
    0: (2, [0.0, 2.0]),
    1: (
        2,
        {
            "predicted_label": [0.0, 2.0],
            "distances": [[3.11792408, 3.89746071, 6.32548437], [1.08470316, 3.04917915, 5.25393973]],
            "labels": [[0.0, 1.0, 0.0], [2.0, 2.0, 0.0]],
        },
    ),
    2: (2, {"closest_cluster": [5, 2], "distance_to_cluster": [36.5, 90.3]}),
    3: (2, {"distance_to_cluster": [23.40593910217285, 27.250282287597656], "closest_cluster": [0.0, 0.0]}),
    4: (1, {"score": [0.4], "predicted_label": [0]}),
    5: (1, [9.528051376342773]),
    6: (1, {"score": [[0.04544410854578018, 0.3947080075740814, 0.5598478317260742]], "predicted_label": [2]}),
    7: (1, [0.8006305694580078]),
    8: (2, [[1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 0.0]]),
    9: (
        2,
        {
            "dot_product": [0.0, 2.0],
            "entity_embedding": [[1.0, 0.0, 0.0], [1.0, 0.0, 1.0]],
            "ip_embedding": [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]],
        },
    ),
    11: (2, {"prob": [[0.75, 0.25]] * 2, "label": [["__label__1", "__label__2"]] * 2}),
    12: (2, ["predicted_sequence_0", "predicted_sequence_1"]),
    13: (1, {"quantiles": [{"0.9": [1.5, 2.5], "0.5": [1.5, 2.5]}], "samples": [[1.5, 2.5]], "mean": [[1.5, 2.5]]}),
    14: (
        1,
        [
            [
                [
                    4.0,
                    0.86419455409049988,
                    0.3088374733924866,
                    0.07030484080314636,
                    0.7110607028007507,
                    0.9345266819000244,
                ],
                [
                    0.0,
                    0.73376623392105103,
                    0.5714187026023865,
                    0.40427327156066895,
                    0.827075183391571,
                    0.9712159633636475,
                ],
            ]
        ],
    ),
    15: (1, [0.6380207487381995]),
    16: (1, [0.0254181120544672]),
    17: (1, [0.07675473392009735]),
    18: (3, [0.1, 0.2, 0.3]),
    19: (3, [0.1, 0.2, 0.3]),
    20: (2, [[3.5, 4.0, 5.5], [3.5, 4.0, 5.5]]),
    21: (2, [[3.5, 4.0, 5.5], [3.5, 4.0, 5.5]]),
    22: (1, [[3.0, 4.0, 5.5]]),
    23: (3, [3.5, 4.0, 5.5]),
    24: (2, [3.5, 4.0]),
    32: (
        2,
        [
            (
                "Amazon.com is the best online source for books.\n\nAmazon.co.uk is another top choice for UK/EU "
                "customers\n\n*Prices are correct as of the time that the last HTML code was changed as shown on the "
                "Amazon"
            ),
            (
                "Amazon.com is the best place to shop for the Shutterfly 25-Inch by 63-Inch Photo Display in "
                "(Item #B00QMNSMSI). With rich quality and state-of-the-art features,"
            ),
        ],
    ),
    39: (1, [float(np.float32(0.4))]),
}
# Python values that become a request byte for byte.
PRODUCED: dict[int, Any] = {
    18: np.array([[1, 2], [3, 4], [5, 6]]),
    19: [[1, 2], [3, 4], [5, 6]],
    15: np.array([[1, 2, 3, 4]]),
    16: pd.DataFrame([[json.loads(cell) for cell in VECTORS[16]["request"].split(",")]]),
    20: {"instances": [[1.0, 2.0, 5.0], [1.0, 2.0, 5.0]]},
    21: [[1.0, 2.0, 5.0], [1.0, 2.0, 5.0]],
    22: np.array([[0.0, 2.0, 5.0]]),
    23: np.array([[1.0], [2.0], [5.0]]),
    24: {"signature_name": "tensorflow/serving/regress", "examples": [{"x": 1.0}, {"x": 2.0}]},
    30: {"query": "What is Deep Learning?", "texts": ["Deep Learning is not...", "Deep learning is..."]},
    38: sp.csr_matrix(([1.0, 4.0], [2, 4], [0, 2]), shape=(1, 5), dtype="float32"),
}
STREAMED = {
    25: ["Deep ", " Learning", " is", " field."],
    26: ["This", "opportunity", "is"],
    27: [" problem"],
    28: ["."],
    40: [" a"],
}
CONTAINER_ERRORS = {29: 422, 37: 500}
SERVICE_ERRORS = {
    33: (400, "ValidationError", errors.ValidationFailed, "does not support target model header"),
    34: (424, "ModelError", errors.ModelError, "502"),
    35: (424, "ModelError", errors.ModelError, "404"),
}
REQUESTS = [number for number, vector in enumerate(VECTORS) if vector["request"] is not None]


def test_every_line_is_used() -> None:
    replies = {*ANSWERS, *STREAMED, *CONTAINER_ERRORS, *SERVICE_ERRORS, 31, 36, 41, 42}
    assert replies == {number for number, vector in enumerate(VECTORS) if vector["response"] is not None}


def plain(value: Any) -> Any:
    """Turn answers into lists, whatever library they are in."""
    if isinstance(value, pd.DataFrame):
        return {name: plain(column.tolist()) for name, column in value.items()}
    if isinstance(value, np.ndarray | pd.Series):
        return plain(value.tolist())
    return [plain(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("number", ANSWERS)
def test_a_reply_gives_the_answers_that_its_source_means(endpoint: Endpoint, container: Container, number: int) -> None:
    rows, expected = ANSWERS[number]
    container.says(number)
    accept = VECTORS[number]["accept"]
    assert plain(endpoint.replace(accept=accept).predict(np.ones((rows, 2)))) == expected
    assert container.headers.get("Accept") == accept or accept is None


@pytest.mark.parametrize("number", [number for number in ANSWERS if VECTORS[number]["response_content_type"]])
def test_a_reply_is_decoded_by_its_own_content_type(endpoint: Endpoint, container: Container, number: int) -> None:
    container.says(number)
    reply = endpoint.invoke("anything")
    assert reply.body == content(number, "response")
    assert reply.content_type == VECTORS[number]["response_content_type"]
    if "json" in reply.content_type:
        lines = content(number, "response").decode().splitlines() if "lines" in reply.content_type else None
        assert reply.value == ([json.loads(line) for line in lines] if lines else json.loads(reply.body))
    rows, expected = ANSWERS[number]
    found = per_row(reply.value, rows)
    assert plain({name: plain(each) for name, each in found.items()} if isinstance(found, dict) else found) == expected


@pytest.mark.parametrize("number", REQUESTS)
def test_a_request_reaches_the_container_byte_for_byte(endpoint: Endpoint, container: Container, number: int) -> None:
    """Text and bytes are sent as they are, under the content type that is named, with what else the line asks for."""
    container.says(0)
    vector = VECTORS[number]
    extra = vector.get("extra", {})
    endpoint.invoke(
        vector["request"] if isinstance(vector["request"], str) else content(number, "request"),
        content_type=vector["content_type"],
        accept=vector["accept"],
        custom_attributes=extra.get("CustomAttributes"),
        enable_explanations=extra.get("EnableExplanations"),
    )
    assert container.body == content(number, "request")
    assert container.headers["Content-Type"] == vector["content_type"]
    assert container.headers.get("X-Amzn-SageMaker-Custom-Attributes") == extra.get("CustomAttributes")
    assert container.headers.get("X-Amzn-SageMaker-Enable-Explanations") == extra.get("EnableExplanations")


@pytest.mark.parametrize("number", PRODUCED)
def test_a_request_is_produced_byte_for_byte(endpoint: Endpoint, container: Container, number: int) -> None:
    container.says(0)
    endpoint.invoke(PRODUCED[number], content_type=VECTORS[number]["content_type"])
    assert container.body == content(number, "request")


@pytest.mark.parametrize(
    "number", [number for number in REQUESTS if VECTORS[number]["content_type"] == "application/json"]
)
def test_the_value_of_a_request_is_the_same_when_it_is_produced(
    endpoint: Endpoint, container: Container, number: int
) -> None:
    """The documentation sets its spaces by hand."""
    container.says(0)
    value = json.loads(VECTORS[number]["request"])
    endpoint.invoke(value, content_type="application/json")
    assert json.loads(container.body) == value


def test_the_csv_with_a_header_of_hugging_face_is_read() -> None:
    frame = codecs.find("text/csv; header=present").decode(content(31, "request"))
    assert {name: list(cells) for name, cells in frame.items()} == VECTORS[31]["response"]["decoded"]


@pytest.mark.parametrize("number", set(STREAMED) - {40})
def test_a_stream_gives_the_text_that_its_source_means(endpoint: Endpoint, container: Container, number: int) -> None:
    container.says(number)
    request = VECTORS[number]["request"] or "{}"
    with endpoint.stream(request, content_type="application/json") as stream:
        assert list(stream.text()) == STREAMED[number]
    assert container.body == request.encode()


def service(number: int, status: int = 200, **headers: str) -> RawServer:
    """What the service says itself, no container: as the line has it."""
    told = {"Content-Type": VECTORS[number]["response_content_type"], "x-amzn-RequestId": "1234", **headers}
    return RawServer(lambda _: http(status, content(number, "response"), told))


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@pytest.mark.usefixtures("credentials")
def test_a_frame_is_read_off_the_wire() -> None:
    with service(40, **{"X-Amzn-SageMaker-Content-Type": "application/jsonlines"}) as server:
        assert list(Endpoint("vector", endpoint_url=server.url).stream("{}").text()) == STREAMED[40]


@pytest.mark.usefixtures("credentials")
def test_an_exception_frame_is_an_error_of_the_stream() -> None:
    with service(41) as server, pytest.raises(errors.StreamError, match="m") as caught:
        Endpoint("vector", endpoint_url=server.url).stream("{}").read()
    assert caught.value.error_code == "StreamBroken"


@pytest.mark.parametrize("number", CONTAINER_ERRORS)
def test_a_containers_error_is_told_as_it_said_it(endpoint: Endpoint, container: Container, number: int) -> None:
    container.says(number, CONTAINER_ERRORS[number])
    with pytest.raises(errors.ModelError) as caught:
        endpoint.invoke("{}")
    assert caught.value.status == CONTAINER_ERRORS[number]
    assert caught.value.model_message == content(number, "response").decode()


def test_an_endpoint_at_zero_is_told_apart_from_an_error_of_the_model(endpoint: Endpoint, container: Container) -> None:
    container.says(36, 400)
    with pytest.raises(errors.ModelNotReady, match="no capacity"):
        endpoint.invoke("{}", policy=Policy(wait_for_capacity=0))


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("number", SERVICE_ERRORS)
def test_a_services_error_is_the_one_that_it_names(number: int) -> None:
    status, code, kind, told = SERVICE_ERRORS[number]
    with service(number, status, **{"x-amzn-ErrorType": code}) as server, pytest.raises(kind, match=told) as caught:
        Endpoint("vector", endpoint_url=server.url).invoke("{}")
    parsed = json.loads(content(number, "response"))
    if "OriginalStatusCode" in parsed:
        assert isinstance(caught.value, errors.ModelError)
        assert caught.value.status == parsed["OriginalStatusCode"]
        assert caught.value.model_message == parsed["OriginalMessage"]


def test_a_failure_object_is_what_the_container_said(opened: LocalRuntime, container: Container) -> None:
    container.says(42, 400)
    endpoint = opened.deploy("later", container.url, asynchronous=True)
    with pytest.raises(errors.AsyncInferenceError) as caught:
        endpoint.invoke_async({"task": "initialization"}).result(timeout=30)
    assert content(42, "response").decode() in str(caught.value.model_message)
