"""Tab, in a real shell, with a control plane that answers, refuses, or does neither."""

from __future__ import annotations

import atexit
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from smrt_jupyter import LocalRuntime, codecs, magic
from smrt_jupyter.codecs.template import PRESETS
from smrt_jupyter.magic.completion import PATIENCE, TEMPLATES, Background, Completer
from smrt_jupyter.magic.options import known

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROMPT = 0.1
"""Seconds within which Tab answers."""


class Tab:
    """Presses Tab in a shell."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.names = shell.user_ns

    def __call__(self, line: str, *, cell: str = "") -> list[str]:
        """Give the texts that are offered at the end of a line."""
        before = f"{cell}\n" if cell else ""
        with provisionalcompleter():
            found = list(self.shell.Completer.completions(before + line, len(before + line)))
        return [(before + line)[: each.start][len(before + line) :] + each.text for each in found]

    def soon(self, line: str) -> list[str]:
        """Press it until the background has answered."""
        self(line)
        for thread in threading.enumerate():
            if thread.name == "smrt-jupyter-completion":
                thread.join(30)
        return self(line)


@pytest.fixture
def tab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tab]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    InteractiveShell.clear_instance()
    shell = magic.plain_shell(str(tmp_path / "ipython"))
    shell.run_line_magic("load_ext", "smrt_jupyter")
    yield Tab(shell)
    atexit.unregister(shell.atexit_operations)  # a second of work, for each shell that a test has left behind
    InteractiveShell.clear_instance()


@pytest.fixture
def configured(tab: Tab, runtime: LocalRuntime) -> Tab:
    tab.names["runtime"] = runtime
    runtime.deploy("churn", variants={"blue": sum, "green": sum})
    runtime.deploy("shared", components={"first-part": sum, "second-part": sum})
    runtime.deploy("many", models={"a.tar.gz": sum, "b.tar.gz": sum})
    runtime.deploy("pair", containers={"left": sum, "right": sum})
    tab.shell.run_line_magic("config", "SageMakerMagics.endpoint_url = runtime.url")
    return tab


def test_options_are_offered_once(tab: Tab) -> None:
    offered = tab("%sagemaker churn --data x --")
    assert set(known(magic.parser())) - {"--data"} == set(offered)
    assert tab("%%sagemaker churn --target-v") == ["--target-variant"]
    assert tab("%sagemaker churn --dr") == ["--dry-run"]


@pytest.mark.parametrize("line", ["%sagemaker c", "%%sagemaker c", "x = %sagemaker c", "frame['a'] = %sagemaker c"])
def test_endpoints_are_offered_in_every_form_of_the_magic(configured: Tab, line: str) -> None:
    assert configured.soon(line) == ["churn"]


def test_it_works_on_any_line_of_a_cell(configured: Tab) -> None:
    configured.soon("%sagemaker ")
    assert configured("%sagemaker ch", cell="import os\nx = 1") == ["churn"]


def test_variables_and_shortcuts_are_endpoints_too(tab: Tab, runtime: LocalRuntime, tmp_path: Path) -> None:
    tab.names["mine"] = runtime.deploy("deployed", sum)
    tab.names["minus"] = 1
    (tmp_path / "smrt-jupyter.toml").write_text('[mild]\nregion = "eu-west-1"\n')
    assert tab("%sagemaker mi") == ["mild", "mine"] or tab("%sagemaker mi") == ["mine", "mild"]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("%sagemaker churn --target-variant ", {"blue", "green"}),
        ("%sagemaker churn --target-variant=g", {"green"}),
        ("%sagemaker shared --inference-component-name ", {"first-part", "second-part"}),
        ("%sagemaker many --target-model ", {"a.tar.gz", "b.tar.gz"}),
        ("%sagemaker pair --target-container-hostname ", {"left", "right"}),
    ],
)
def test_what_an_endpoint_has_is_offered(configured: Tab, line: str, offered: set[str]) -> None:
    assert set(configured.soon(line)) == offered


def test_tables_of_the_notebook_are_offered(tab: Tab) -> None:
    frame = pd.DataFrame({"a": [1]})
    tab.names |= {"frame": frame, "series": frame["a"], "polar": pl.DataFrame(), "array": np.zeros(2), "rows": [[1]]}
    tab.names |= {"number": 1, "_hidden": frame, "text": "x", "function": len}
    assert set(tab("%sagemaker churn --data ")) == {"frame", "series", "polar", "array", "rows"}
    assert tab("%sagemaker churn -d fr") == ["frame"]


def test_content_types_and_templates_are_offered(tab: Tab) -> None:
    assert set(tab("%sagemaker churn --content-type text/")) == {
        name for name in codecs.CONTENT_TYPES if name.startswith("text/")
    }
    assert tab("%sagemaker churn --accept application/x-np") == ["application/x-npy", "application/x-npz"]
    assert set(tab("%sagemaker churn --template ")) == set(PRESETS) == set(TEMPLATES)


def test_regions_and_profiles_are_offered(tab: Tab, clean_aws: Path) -> None:
    (clean_aws / "config").write_text("[profile analytics]\nregion=eu-west-1\n")
    assert tab.soon("%sagemaker churn --profile a") == ["analytics"]
    assert "eu-west-1" in tab.soon("%sagemaker churn --region eu-w")


@pytest.mark.parametrize("line", ["%sagemaker ", "x = %sagemaker ", "%%sagemaker "])
def test_while_no_endpoint_is_known_options_are_offered_and_none_of_pythons_names(tab: Tab, line: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        tab.shell.run_line_magic("config", f"SageMakerMagics.endpoint_url = {url!r}")
        tab.names["something"] = 1
        offered = tab(line)
    assert "--list" in offered
    assert set(offered) <= set(known(magic.parser()))


def test_endpoints_come_without_options_once_they_are_known(configured: Tab) -> None:
    assert not {each for each in configured.soon("%sagemaker ") if each.startswith("-")}


def test_nothing_is_offered_for_a_name_that_is_new(tab: Tab) -> None:
    tab.names["frame"] = pd.DataFrame()
    assert "frame" not in tab("%sagemaker churn --journal ")


def test_other_lines_are_completed_as_ever(tab: Tab) -> None:
    tab.names["something"] = 1
    assert "something" in tab("print(somet")
    assert "%sagemaker" in tab("%sagem")
    assert "--dry-run" not in tab("# %sagemaker churn --dr")


def test_a_control_plane_that_does_not_answer_costs_less_than_a_tenth_of_a_second(tab: Tab) -> None:
    """It takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        tab.soon("%sagemaker x --profile ")  # boto3 is loaded once, in the background
        completer = Completer(magic.parser())
        for line in ("%sagemaker x", "%sagemaker churn --target-variant "):
            assert min(_seconds(completer, line, url) for _ in range(5)) < PROMPT


def _seconds(completer: Completer, line: str, url: str) -> float:
    began = time.perf_counter()
    completer.complete(line, {}, {"endpoint_url": url, "region": "us-east-1"})
    return time.perf_counter() - began


def test_what_is_refused_is_not_mentioned(tab: Tab, capsys: pytest.CaptureFixture[str]) -> None:
    """No credentials, no region: Tab is silent."""
    assert tab.soon("%sagemaker ch") == []
    tab.soon("%sagemaker churn --target-variant ")
    assert capsys.readouterr() == ("", "")


def test_an_answer_is_asked_for_once() -> None:
    asked = []
    background = Background(patience=10)
    for _ in range(3):
        assert background.get("key", lambda: asked.append(1) or "answer") == "answer"
    assert len(asked) == 1


def test_an_answer_that_is_late_is_there_at_the_next_tab() -> None:
    go_on = threading.Event()
    background = Background(patience=0.0)
    assert background.get("key", lambda: go_on.wait(10) and "answer") is None
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "smrt-jupyter-completion":
            thread.join()
    assert background.get("key", lambda: pytest.fail("it is known")) == "answer"


def test_completing_an_option_loads_nothing_heavy(tmp_path: Path) -> None:
    code = f"""
import sys
from smrt_jupyter import magic
shell = magic.plain_shell({str(tmp_path)!r})
shell.run_line_magic("load_ext", "smrt_jupyter")
shell.Completer.use_jedi = False
shell.complete("--dr", "%sagemaker churn --dr")
print(sorted({{"boto3", "pandas", "sklearn"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_the_first_tab_of_a_kernel_waits_for_neither_an_import_nor_the_network(tmp_path: Path) -> None:
    """The content types take NumPy to load; the control plane takes connections and says nothing."""
    code = """
import os, socket, time
from smrt_jupyter import magic
from smrt_jupyter.magic.completion import Completer
silent = socket.create_server(("127.0.0.1", 0))
usual = {"endpoint_url": f"http://127.0.0.1:{silent.getsockname()[1]}", "region": "us-east-1"}
completer = Completer(magic.parser())
began = time.perf_counter()
_, offered = completer.complete("%sagemaker churn --content-type app", {}, usual)
print(time.perf_counter() - began, *(text for text, _ in offered), flush=True)
os._exit(0)
"""
    taken = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
        seconds, *offered = done.stdout.split()
        taken.append(float(seconds))
        assert offered == [name for name in codecs.BUILT_IN if name.startswith("app")]
    assert min(taken) < PROMPT


def test_content_types_are_offered_while_the_endpoint_has_not_answered(tab: Tab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = Completer(magic.parser()).complete("%sagemaker x --content-type text/c", {}, {"endpoint_url": url})
    assert found == ("text/c", [("text/csv", "value")])


def test_patience_leaves_room_below_a_tenth_of_a_second() -> None:
    assert PATIENCE < PROMPT


def test_names_are_any() -> None:
    """A name of the notebook may hold anything, also what dislikes to be looked at."""

    class Touchy:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(name)

    from smrt_jupyter.magic.completion import _is_endpoint, _is_sendable

    assert not _is_sendable("touchy", Touchy())
    assert not _is_endpoint("touchy", Touchy())
