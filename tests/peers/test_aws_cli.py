"""The AWS CLI, both commands of the runtime with each of their options, and those of the control plane and S3."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from environments import python_with

from smrt_jupyter.local.protocol import RUNTIME, operations

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PACKAGE = "awscli==1.46.3"


@pytest.fixture(scope="session")
def cli() -> Path:
    return python_with("awscli", PACKAGE).with_name("aws")


def run(cli: Path, environ: dict[str, str], home: Path, *words: Any) -> Any:
    command = [str(cli), *words, "--output", "json"]
    done = subprocess.run(command, env={**environ, "HOME": str(home)}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def options_of(cli: Path, environ: dict[str, str], home: Path, command: Any) -> Any:
    """Ask the CLI itself which options it has."""
    told = {**environ, "HOME": str(home), "PAGER": "cat"}
    words = [str(cli), "sagemaker-runtime", command, "help"]
    shown = subprocess.run(words, env=told, capture_output=True, text=True, check=False).stdout
    text = re.sub(".\x08", "", shown)  # a terminal's bold
    known = {member.name for operation in operations(RUNTIME) for member in operation.takes}
    return {name for name in known if re.search(rf"\[?{dashed(name)} <value>", text)}


def dashed(member: Any) -> Any:
    return "--" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", member).lower()


def test_invoke_endpoint_with_every_option(cli: Path, serve: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    environ = serve("mirror")
    members = {
        "ContentType": "text/csv", "Accept": "application/json", "CustomAttributes": "trace=1,user=me",
        "TargetVariant": "AllTraffic", "InferenceId": "inference-1", "EnableExplanations": "`true`",
    }  # fmt: skip
    words = [word for name, value in members.items() for word in (dashed(name), value)]
    code, out, err = run(
        cli, environ, tmp_path, "sagemaker-runtime", "invoke-endpoint", "--endpoint-name", "one",
        "--body", "1,2", *words, str(tmp_path / "out.json"),
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "ContentType": "application/json", "InvokedProductionVariant": "AllTraffic", "CustomAttributes": "seen"
    }  # fmt: skip
    seen = json.loads((tmp_path / "out.json").read_text())
    assert (seen["members"], seen["body"]) == (members, "1,2")


OF_ONE_KIND = {
    "--target-model": ("--model", "a.tar.gz"),
    "--target-container-hostname": ("--container", "first"),
    "--inference-component-name": ("--component", "part"),
    "--target-variant": ("--variant", "blue"),
}


@pytest.mark.parametrize("option", OF_ONE_KIND)
def test_invoke_endpoint_with_the_option_of_one_kind_of_endpoint(
    cli: Path, serve: Callable[..., dict[str, str]], tmp_path: Path, option: str
) -> None:
    kind, value = OF_ONE_KIND[option]
    environ = serve(None, kind, f"{value}=peer_models:same", kind, "other=peer_models:mirror")
    code, _, err = run(
        cli, environ, tmp_path, "sagemaker-runtime", "invoke-endpoint",
        "--endpoint-name", "one", "--body", "answered", option, value, str(tmp_path / "out"),
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert (tmp_path / "out").read_text() == "answered"


def test_a_session_over_several_commands(cli: Path, serve: Callable[..., dict[str, str]], tmp_path: Path) -> Any:
    environ = serve("mirror")

    def ask(session_id: Any, body: Any = "x") -> Any:
        _, out, _ = run(
            cli, environ, tmp_path, "sagemaker-runtime", "invoke-endpoint", "--endpoint-name", "one", "--body", body,
            "--session-id", session_id, str(tmp_path / "out"),
        )  # fmt: skip
        return json.loads(out)

    session_id = ask("NEW_SESSION")["NewSessionId"].partition(";")[0]
    assert json.loads((tmp_path / "out").read_text())["members"]["SessionId"] == "NEW_SESSION"
    assert "NewSessionId" not in ask(session_id)
    assert ask(session_id, '{"requestType": "CLOSE"}')["ClosedSessionId"] == session_id


def test_no_option_of_either_command_is_left_out(
    cli: Path, serve: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    """The options are the CLI's own list: one that a newer CLI has, and that no test here sends, fails this test."""
    environ = serve("mirror")
    sent = {
        "invoke-endpoint": {
            "EndpointName", "Body", "ContentType", "Accept", "CustomAttributes", "TargetVariant", "InferenceId",
            "EnableExplanations", "TargetModel", "TargetContainerHostname", "InferenceComponentName", "SessionId",
        },
        "invoke-endpoint-async": {
            "EndpointName", "Body", "InputLocation", "ContentType", "Accept", "CustomAttributes", "InferenceId",
            "S3OutputPathExtension", "Filename", "RequestTTLSeconds", "InvocationTimeoutSeconds",
        },
    }  # fmt: skip
    for command, members in sent.items():
        assert options_of(cli, environ, tmp_path, command) == members


def test_invoke_endpoint_async_with_every_option(
    cli: Path, serve: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    environ = serve("mirror", "--asynchronous")
    members = {
        "ContentType": "text/csv", "Accept": "application/json", "CustomAttributes": "trace=1",
        "InferenceId": "inference-1", "S3OutputPathExtension": "2026/11", "Filename": "mine.json",
        "RequestTTLSeconds": "600", "InvocationTimeoutSeconds": "30",
    }  # fmt: skip
    words = [word for name, value in members.items() for word in (dashed(name), value)]
    (tmp_path / "in.csv").write_text("1,2")
    bucket = "s3://sagemaker-us-east-1-123456789012"
    assert run(cli, environ, tmp_path, "s3", "cp", str(tmp_path / "in.csv"), f"{bucket}/in.csv")[0] == 0
    for given in (("--input-location", f"{bucket}/in.csv"), ("--body", "1,2")):
        code, out, err = run(
            cli,
            environ,
            tmp_path,
            "sagemaker-runtime",
            "invoke-endpoint-async",
            "--endpoint-name",
            "one",
            *given,
            *words,
        )
        assert (code, err) == (0, "")
        reply = json.loads(out)
        assert reply["InferenceId"] == "inference-1"
        assert reply["OutputLocation"] == f"{bucket}/one/output/2026/11/mine.json"
        path = reply["OutputLocation"].removeprefix(f"{bucket}/")
        waited = run(cli, environ, tmp_path, "s3api", "wait", "object-exists", "--bucket", bucket[5:], "--key", path)
        assert waited == (0, "", "")
        assert run(cli, environ, tmp_path, "s3", "cp", reply["OutputLocation"], str(tmp_path / "out"))[0] == 0
        seen = json.loads((tmp_path / "out").read_text())
        assert seen["body"] == "1,2"
        numbers = {"RequestTTLSeconds": 600, "InvocationTimeoutSeconds": 30}
        sent = {"InputLocation": given[1]} if given[0] == "--input-location" else {}
        assert seen["members"] == members | numbers | sent


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "(InvalidSignatureException)"),
        ({"AWS_ACCESS_KEY_ID": "wrong"}, "(UnrecognizedClientException)"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "(InvalidSignatureException)"),
        ({}, "(ModelError)"),
    ],
)
def test_errors_are_the_services(
    cli: Path, serve: Callable[..., dict[str, str]], tmp_path: Path, change: dict[str, str], text: str
) -> None:
    environ = serve("picky") | change
    given = run(
        cli, environ, tmp_path, "sagemaker-runtime", "invoke-endpoint", "--endpoint-name", "one",
        "--content-type", "application/json", "--body", '{"status": 507}', str(tmp_path / "out"),
    )  # fmt: skip
    assert given[0] == 255
    assert text in given[2]


def test_the_control_plane_and_the_logs(cli: Path, serve: Callable[..., dict[str, str]], tmp_path: Path) -> Any:
    environ = serve("picky")

    def ask(*words: Any) -> Any:
        code, out, err = run(cli, environ, tmp_path, *words)
        assert (code, err) == (0, "")
        return json.loads(out)

    assert [each["EndpointName"] for each in ask("sagemaker", "list-endpoints")["Endpoints"]] == ["one"]
    assert ask("sagemaker", "describe-endpoint", "--endpoint-name", "one")["EndpointStatus"] == "InService"
    run(
        cli, environ, tmp_path, "sagemaker-runtime", "invoke-endpoint", "--endpoint-name", "one", "--content-type",
        "application/json", "--body", '{"status": 500}', str(tmp_path / "out"),
    )  # fmt: skip
    events = ask("logs", "filter-log-events", "--log-group-name", "/aws/sagemaker/Endpoints/one")["events"]
    assert any("as you wish" in event["message"] for event in events)
