"""The command line, as a person or a script would use it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import boto3
import joblib
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from smrt_jupyter import Policy, SmrtError
from smrt_jupyter.demo.models import Babbler, tumours
from smrt_jupyter.lab import lab
from smrt_jupyter.local.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from smrt_jupyter import LocalRuntime

COMMAND = (sys.executable, "-W", "error", "-m", "smrt_jupyter")


def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, timeout=300, env=os.environ | environ, check=False
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work as a person with an empty home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def model(home: Path) -> Path:
    features, target = load_diabetes(return_X_y=True)
    joblib.dump(LinearRegression().fit(features, target), home / "model.joblib")
    return home / "model.joblib"


def test_the_demo_does_the_main_job_and_leaves_nothing_behind(home: Path) -> None:
    done = run("demo")
    assert (done.stderr, done.returncode) == ("", 0)
    assert "569 of 569 rows: remote equals local, labels and probabilities, bit for bit." in done.stdout
    assert "%%sagemaker tumours" in done.stdout
    assert "6 sent, 6 answered" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert list(home.iterdir()) == []


def test_the_demo_needs_nothing_of_aws_and_minds_nothing_of_it(home: Path) -> None:
    """Variables of another account, a wrong region or a proxy that nobody answers change nothing."""
    done = run(
        "demo",
        AWS_REGION="nowhere-9",
        AWS_ENDPOINT_URL="http://127.0.0.1:1",
        AWS_ACCESS_KEY_ID="x",
        AWS_SECRET_ACCESS_KEY="y",
    )
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_what_others_need_and_serves_until_it_is_told_to_stop(
    model: Path, monkeypatch: pytest.MonkeyPatch, ending: signal.Signals
) -> None:
    """A script reads the lines up to ``ready``; plain boto3 then needs nothing but these variables."""
    with subprocess.Popen(
        [*COMMAND, "serve", str(model), "--name", "diabetes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout is not None
        assert serving.stderr is not None
        lines = []
        while (line := serving.stdout.readline().rstrip("\n")) != "ready":
            assert re.fullmatch(r"export [A-Z0-9_]+=\S+", line), line
            lines.append(line)
        for line in lines:
            name, _, value = line.removeprefix("export ").partition("=")
            monkeypatch.setenv(name, value)
        features, _ = load_diabetes(return_X_y=True)
        client = boto3.session.Session().client("sagemaker-runtime")
        body = ",".join(map(repr, features[0].tolist()))
        reply = client.invoke_endpoint(EndpointName="diabetes", ContentType="text/csv", Body=body)
        expected = joblib.load(model).predict(features[:1])[0]
        assert float(reply["Body"].read()) == expected
        serving.send_signal(ending)
        assert serving.wait(timeout=30) == 0
        assert serving.stderr.read() == ""
        assert serving.stdout.read() == ""


def test_serve_takes_the_port_that_it_is_given(model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", str(model), "--name", "x", "--port", port)
    assert done.returncode == 1
    assert re.fullmatch(r"smrt-jupyter: .*address.*in use.*\n", done.stderr, re.IGNORECASE)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "the following arguments are required"),
        (("dmeo",), 2, "invalid choice: 'dmeo'"),
        (("serve", "model.joblib"), 2, "required: --name"),
        (("serve", "model.joblib", "--nam", "x"), 2, "required: --name"),
        (
            ("serve", "model.joblib", "--name", "x", "--porrt", "1"),
            2,
            "there is no option --porrt. Did you mean --port?",
        ),
        (("serve", "none.joblib", "--name", "x"), 1, "none.joblib"),
        (("serve", "none.joblib", "--name", "x", "--port", "99999"), 2, "99999 is no port; there are 1 to 65535"),
        (("serve", "--name", "x"), 1, "Deploy one of model, variants, components, models, containers"),
        (("serve", "--name", "x", "--variant", "blue"), 2, "blue is not NAME=MODEL"),
        (("serve", "math:sqrt", "--name", "x", "--variant", "blue=math:sqrt"), 1, "Deploy one of"),
        (("serve", "nowhere:model", "--name", "x"), 1, "nowhere"),
        (("serve", "math:sqrt", "--name", "not_allowed"), 1, "not_allowed"),
        (("predict", "churn", "none.csv", "out.csv"), 1, "none.csv cannot be read: No such file or directory. Check"),
        (("predict", "churn", "in.csv", "no/out.csv"), 1, "/no. Make it, or name another."),
        (("predict", "churn", "in.csv", "folder.csv"), 1, "folder.csv is a folder. Name a file in it."),
        (("predict", "x", "in.csv", "out.csv", "--timeout=9"), 2, "no option --timeout. Did you mean --read-timeout?"),
        (("predict", "x", "in.csv", "out.csv", "--attempts", "0"), 2, "--attempts: must be above 0, not 0"),
        (("predict", "x", "in.csv", "out.csv", "--chunk-rows", "1.5"), 2, "--chunk-rows: 1.5 is not a whole number"),
        (("predict", "x", "in.csv", "out.csv", "--wait-max", "long"), 2, "--wait-max: long is not a number"),
        (("predict", "churn", "in.csv", "out.csv"), 1, "Name a `--region`, set AWS_REGION, or run"),
    ],
)
def test_a_mistake_is_one_line_on_stderr(home: Path, words: tuple[str, ...], code: int, message: str) -> None:
    (home / "in.csv").write_text("a\n1\n")
    (home / "folder.csv").mkdir()
    done = run(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_error_shows_where_it_comes_from_on_request(home: Path) -> None:
    done = run("--traceback", "serve", "none.joblib", "--name", "x")
    assert "Traceback (most recent call last)" in done.stderr


def test_help_names_every_command_and_option(home: Path) -> None:
    assert all(word in run("--help").stdout for word in ("demo", "lab", "serve", "predict"))
    told = run("predict", "--help").stdout
    assert all(word in told for word in ("--journal", "--region", "--target-variant", "--content-type", "--path"))
    assert all(f"--{each.name.replace('_', '-')}" in told for each in fields(Policy))


def test_the_tumours_are_those_that_scikit_learn_ships() -> None:
    found = tumours()
    assert found.frame.shape == (569, 10)
    assert found.labels.value_counts().to_dict() == {"benign": 357, "malignant": 212}
    assert (found.pipeline.predict(found.frame) == found.labels).mean() > 0.95


def test_the_babbler_says_only_what_it_has_read() -> None:
    babbler = Babbler(pace=0)
    words = list(babbler.words("What of the samples?", seed=3))
    assert words == list(babbler.words("What of the samples?", seed=3))
    assert all(
        third in babbler.next[first, second] for first, second, third in zip(words, words[1:], words[2:], strict=False)
    )


def ask(url: str) -> Any:
    """Get JSON from a server that says where it is a moment before it is there."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(url) as reply:
                return json.load(reply)
        except urllib.error.URLError:
            time.sleep(0.1)
    return pytest.fail(f"nobody answers at {url}")


def test_lab_opens_the_notebooks_with_models_served(home: Path) -> None:
    """JupyterLab answers, holds copies of the notebooks, and its kernels reach the models by their names alone."""
    command = [*COMMAND[:1], "-m", "smrt_jupyter", "lab", "--folder", "here", "--", "--no-browser", "--allow-root"]
    options = ["--ServerApp.port=0", "--IdentityProvider.token=known", "--ip=127.0.0.1"]
    environ = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True, env=os.environ | environ) as lab:
        assert lab.stderr is not None
        told = ""
        while not (found := re.search(r"http://127\.0\.0\.1:\d+(?=/lab)", told)):
            line = lab.stderr.readline()
            assert line, told
            told += line
        assert re.search(r"Served at http://127\.0\.0\.1:\d+: tumours, babbler, row-sums\.", told)
        try:
            names = {each["name"] for each in ask(f"{found[0]}/api/contents?token=known")["content"]}
        finally:
            lab.send_signal(signal.SIGTERM)
            told += lab.stderr.read()
        assert lab.wait(timeout=60) == 0, told
    assert {"01_quickstart.ipynb", "08_aws.ipynb"} <= names
    assert (home / "here" / "01_quickstart.ipynb").exists()


def test_lab_says_what_it_lacks(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without JupyterLab: how to get it, and nothing is opened."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SmrtError, match=r"JupyterLab is not installed. pip install 'smrt-jupyter\[lab\]'"):
        lab()
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (
            ("sums", "--path", "nowhere", "--accept", "application/json"),
            r"Point `--path` \(JMESPath\) at the answers\.( \(request [\w-]+\))?$",
        ),
        (("none",), r"the `--region` and the `--profile`: `aws sagemaker list-endpoints` shows what is there\."),
    ],
)
def test_an_error_advises_what_can_be_done_on_a_command_line(
    home: Path, runtime: LocalRuntime, words: tuple[str, ...], advice: str
) -> None:
    runtime.deploy("sums", lambda frame: frame.sum(axis="columns"))
    (home / "in.csv").write_text("a,b\n1,2\n")
    done = run("predict", words[0], "in.csv", "out.csv", *words[1:], **runtime.environ)
    assert done.returncode == 1
    assert re.search(advice, done.stderr)


def test_predict_scores_a_file_and_sends_only_what_is_missing(home: Path, runtime: LocalRuntime) -> None:
    runtime.deploy("sums", lambda frame: frame.sum(axis="columns"))
    pd.DataFrame({"id": [7, 8, 9], "a": [1, 2, 3], "b": [0.5, 0.5, 0.5]}).to_csv(home / "in.csv", index=False)
    words = ("predict", "sums", "in.csv", "out.csv", "--columns", "a", "b", "--keep", "id", "--journal", "run.journal")
    words += ("--accept", "application/json")
    done = run(*words, **runtime.environ)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "3 of 3" in done.stdout
    assert pd.read_csv(home / "out.csv").to_dict("list") == {"id": [7, 8, 9], "prediction": [1.5, 2.5, 3.5]}
    sent = len(runtime.requests)
    assert runtime.requests[-1].members["Accept"] == "application/json"
    assert run(*words, **runtime.environ).returncode == 0
    assert len(runtime.requests) == sent


def test_predict_tries_as_hard_as_it_is_told(home: Path, runtime: LocalRuntime) -> None:
    sizes: list[int] = []
    runtime.deploy("sizes", lambda frame: sizes.append(len(frame)) or frame[0])
    (home / "in.csv").write_text("a\n" + "1\n" * 12)
    options = ("--chunk-rows", "4", "--concurrency", "1", "--retry-read-timeout")
    assert run("predict", "sizes", "in.csv", "out.csv", *options, **runtime.environ).returncode == 0
    assert sizes == [4, 4, 4]


def test_a_refusal_advises_the_options_that_say_how_hard_to_try(home: Path, runtime: LocalRuntime) -> None:
    runtime.deploy("busy", lambda frame: frame.sum(axis="columns"), faults=Faults(script=["ok", *["throttle"] * 9]))
    (home / "in.csv").write_text("a\n1\n2\n3\n")
    options = ("--chunk-rows", "1", "--concurrency", "1", "--attempts", "1")
    done = run("predict", "busy", "in.csv", "out.csv", *options, **runtime.environ)
    assert done.returncode == 1
    advice = "Lower `--concurrency`, raise `--attempts`, or give the endpoint more instances. out.csv has the others. "
    assert f"{advice}With --journal FILE" in done.stderr


class Slow:
    """A model that answers when it may."""

    def __init__(self) -> None:
        self.asked, self.may_answer = threading.Event(), threading.Event()

    def __call__(self, frame: pd.DataFrame) -> Any:
        self.asked.set()
        self.may_answer.wait(60)
        return frame.sum(axis="columns")


@pytest.fixture
def slow(home: Path, runtime: LocalRuntime) -> Iterator[Slow]:
    """Deploy a slow model, and one that is not."""
    (home / "in.csv").write_text("a\n1\n2\n")
    model = Slow()
    runtime.deploy("slow", model)
    runtime.deploy("sums", lambda frame: frame.sum(axis="columns"))
    yield model
    model.may_answer.set()


def begun(slow: Slow, runtime: LocalRuntime) -> subprocess.Popen[str]:
    """Begin a run that waits for an answer."""
    words = ("predict", "slow", "in.csv", "out.csv", "--journal", "run.journal")
    process = subprocess.Popen([*COMMAND, *words], stderr=subprocess.PIPE, text=True, env=os.environ | runtime.environ)
    assert slow.asked.wait(60)
    return process


def test_what_a_killed_run_has_left_is_gone_after_the_next(home: Path, runtime: LocalRuntime, slow: Slow) -> None:
    with begun(slow, runtime) as dead:
        dead.kill()
    assert len(list(home.glob(".out.csv.*"))) == 1
    slow.may_answer.set()
    words = ("predict", "slow", "in.csv", "out.csv", "--journal", "run.journal")
    assert run(*words, **runtime.environ).returncode == 0
    assert not list(home.glob(".out.csv.*"))
    assert pd.read_csv(home / "out.csv")["prediction"].tolist() == [1, 2]


@pytest.mark.parametrize("journal", [(), ("--journal", "other.journal")], ids=["none", "another"])
def test_a_run_takes_nothing_away_from_another_that_is_alive(
    home: Path, runtime: LocalRuntime, slow: Slow, journal: tuple[str, ...]
) -> None:
    with begun(slow, runtime) as alive:
        assert run("predict", "sums", "in.csv", "out.csv", *journal, **runtime.environ).returncode == 0
        same = run("predict", "slow", "in.csv", "out.csv", "--journal", "run.journal", **runtime.environ)
        assert "is in use" in same.stderr
        assert len(list(home.glob(".out.csv.*"))) == 1
        (home / "out.csv").unlink()
        slow.may_answer.set()
        assert alive.wait(60) == 0
    assert pd.read_csv(home / "out.csv")["prediction"].tolist() == [1, 2]
    assert not list(home.glob(".out.csv.*"))


@pytest.mark.usefixtures("python_meets_ctrl_c")
def test_ctrl_c_is_one_line_and_its_own_exit_code(runtime: LocalRuntime, slow: Slow) -> None:
    with begun(slow, runtime) as stopped:
        stopped.send_signal(signal.SIGINT)
        assert stopped.stderr is not None
        said = stopped.stderr.read()
    assert stopped.returncode == 130
    assert said == (
        "smrt-jupyter: Stopped with 0 of 2 rows answered. run.journal has kept what is finished: "
        "the same command again sends only the rest.\n"
    )


@pytest.mark.usefixtures("python_meets_ctrl_c")  # what ignores it, as a shell's background does, hands that on
@pytest.mark.parametrize("imported", ["numpy", "botocore", "smrt_jupyter.endpoint"])
def test_ctrl_c_while_modules_are_imported_is_one_line(home: Path, imported: str) -> None:
    script = f"""
import os, signal, sys

class Pressing:
    def find_spec(self, name, *_):
        if name == {imported!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Pressing())
from smrt_jupyter.cli import main
sys.exit(main(["predict", "x", "in.csv", "out.csv", "--region", "us-east-1"]))
"""
    (home / "in.csv").write_text("a\n1\n")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "smrt-jupyter: stopped\n")
