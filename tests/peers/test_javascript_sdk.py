"""The AWS SDK for JavaScript v3: all three operations, and errors before and inside a stream."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from environments import node_modules_with, require

from smrt_jupyter.local import Faults, Runtime

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = "@aws-sdk/client-sagemaker-runtime@3.1162.0"
SCRIPT = Path(__file__).parent / "javascript" / "ask.mjs"


@pytest.fixture(scope="session")
def script() -> Any:
    """Put the script where Node finds the SDK: it looks for packages beside the script."""
    require("node")
    folder = node_modules_with("javascript", require("npm"), PACKAGE)
    return shutil.copy(SCRIPT, folder / SCRIPT.name)


def ask(script: str, environ: dict[str, str], operation: Any, **members: Any) -> Any:
    given = json.dumps([operation, {"EndpointName": "one", **members}])
    done = subprocess.run(
        [require("node"), str(script), given], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_invoke_endpoint(script: str, serve: Callable[..., dict[str, str]]) -> None:
    members = {
        "ContentType": "text/csv", "Accept": "application/json", "CustomAttributes": "trace=1",
        "TargetVariant": "AllTraffic", "InferenceId": "i1", "EnableExplanations": "`true`", "SessionId": "NEW_SESSION",
    }  # fmt: skip
    reply = ask(script, serve("mirror"), "InvokeEndpoint", Body="1,2", **members)
    assert json.loads(reply["body"]) == {"body": "1,2", "members": members, "decoded": "DataFrame"}
    assert (reply["ContentType"], reply["CustomAttributes"]) == ("application/json", "seen")
    assert (reply["InvokedProductionVariant"], reply["status"]) == ("AllTraffic", 200)
    assert "; Expires=" in reply["NewSessionId"]
    assert len(reply["requestId"]) == 36


def test_invoke_endpoint_with_response_stream(script: str, serve: Callable[..., dict[str, str]]) -> None:
    environ = serve("speak")
    members = {"ContentType": "application/json", "Accept": "application/jsonlines"}
    body = json.dumps({"inputs": "Why is the sky bläulich?"})
    reply = ask(script, environ, "InvokeEndpointWithResponseStream", Body=body, **members)
    text = "".join(reply["parts"]).encode("latin-1").decode()
    assert [json.loads(line)["outputs"][0] for line in text.splitlines()] == body[12:-2].encode().decode(
        "unicode-escape"
    ).split()
    assert (reply["ContentType"], reply["InvokedProductionVariant"]) == ("application/jsonlines", "AllTraffic")
    failed = ask(
        script, environ, "InvokeEndpointWithResponseStream", Body='{"inputs": "a", "fail": "later"}', **members
    )
    assert "".join(failed["parts"]) == '{"outputs": ["a"]}\n'
    assert (failed["error"]["name"], failed["error"]["ErrorCode"]) == ("ModelStreamError", "StreamBroken")
    assert "RuntimeError: out of memory" in failed["error"]["message"]
    early = ask(
        script, environ, "InvokeEndpointWithResponseStream", Body='{"inputs": "a", "fail": "at once"}', **members
    )
    assert (early["error"]["name"], early["error"]["OriginalStatusCode"]) == ("ModelError", 424)


def test_invoke_endpoint_async(script: str, serve: Callable[..., dict[str, str]]) -> None:
    members = {
        "ContentType": "text/csv", "Accept": "application/json", "InferenceId": "i1", "Filename": "mine.json",
        "S3OutputPathExtension": "a/b", "RequestTTLSeconds": 600, "InvocationTimeoutSeconds": 30,
    }  # fmt: skip
    reply = ask(script, serve("mirror", "--asynchronous"), "InvokeEndpointAsync", Body="1,2", **members)
    assert reply == {
        "parts": [], "status": 202, "InferenceId": "i1", "requestId": reply["requestId"],
        "OutputLocation": "s3://sagemaker-us-east-1-123456789012/one/output/a/b/mine.json",
        "FailureLocation": "s3://sagemaker-us-east-1-123456789012/one/failure/i1-error.out",
    }  # fmt: skip


def test_errors_are_the_sdks_own_classes_and_keep_what_the_body_says(
    script: str, serve: Callable[..., dict[str, str]]
) -> None:
    environ = serve("picky")
    failed = ask(script, environ, "InvokeEndpoint", Body='{"status": 507}', ContentType="application/json")["error"]
    assert (failed["name"], failed["status"]) == ("ModelError", 424)
    assert (failed["ErrorCode"], failed["OriginalStatusCode"]) == ("INTERNAL_FAILURE_FROM_MODEL", 507)
    unknown = ask(script, environ, "InvokeEndpoint", EndpointName="none", Body="x")["error"]
    assert (unknown["name"], unknown["message"]) == (
        "ValidationError", "Endpoint none of account 123456789012 not found."
    )  # fmt: skip
    wrong = ask(script, environ | {"AWS_SECRET_ACCESS_KEY": "wrong"}, "InvokeEndpoint", Body="x")["error"]
    assert (wrong["name"], wrong["status"]) == ("InvalidSignatureException", 403)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("internal", "InternalFailure"), ("unavailable", "ServiceUnavailable"), ("throttle", "ThrottlingException"),
        ("not_ready", "ModelNotReadyException"), ("dependency", "InternalDependencyException"),
    ],
)  # fmt: skip
def test_refusals_of_the_service(script: str, kind: Any, name: Any) -> None:
    with Runtime(faults=Faults(**{kind: 1.0})) as runtime:
        runtime.deploy("one", lambda _: "x")
        environ = {"PATH": "/usr/bin", **runtime.environ}
        assert ask(script, environ, "InvokeEndpoint", Body="x")["error"]["name"] == name


def test_a_truncated_stream_is_noticed(script: str) -> None:
    with Runtime(faults=Faults(truncate=1.0)) as runtime:
        runtime.deploy("one", lambda _: iter(["a", "b"]))
        environ = {"PATH": "/usr/bin", **runtime.environ}
        reply = ask(script, environ, "InvokeEndpointWithResponseStream", Body="x")
    assert reply["parts"] == ["a"]
    assert reply["error"]["message"] == "Truncated event message received."
