"""The notebooks, run from top to bottom in a real kernel, and what is stored in them."""

from __future__ import annotations

import ast
import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from IPython.core.error import UsageError
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

if TYPE_CHECKING:
    from collections.abc import Callable

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
ON_AWS = "08_aws"
OFFLINE = [each for each in NOTEBOOKS if each.stem != ON_AWS]
LONGEST = 120
"""Seconds that a notebook may take."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a notebook in a kernel of this interpreter, in an empty home."""
    spec = tmp_path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    kernel = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(kernel | {"display_name": "Python 3"}))
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "work").mkdir()

    def execute(notebook: Any, **options: Any) -> Any:
        resources = {"metadata": {"path": str(tmp_path / "work")}}
        return NotebookClient(
            notebook, timeout=LONGEST, kernel_name="python3", resources=resources, coalesce_streams=True, **options
        ).execute()

    return execute


def of_cells(*cells: str) -> Any:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def kinds(cell: Any) -> list[tuple[str, ...]]:
    """Say what a cell shows, without what differs from run to run; progress bars come only where a run takes long."""
    return [
        (output.output_type, *sorted(set(output.get("data", ())) - {"application/vnd.jupyter.widget-view+json"}))
        for output in cell.outputs
        if "rows/s]" not in str(output.get("data", {}).get("text/plain", ""))
    ]


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 8


@pytest.mark.parametrize("path", OFFLINE, ids=lambda path: path.stem)
def test_a_notebook_runs_offline_and_shows_what_is_stored_in_it(path: Path, run: Callable[..., Any]) -> None:
    """From an empty home, in under two minutes, without a word on stderr."""
    stored = nbformat.read(path, as_version=4)
    began = time.monotonic()
    done = run(nbformat.read(path, as_version=4))
    assert time.monotonic() - began < LONGEST
    assert not [output for cell in done.cells for output in cell.get("outputs", ()) if output.get("name") == "stderr"]
    for before, after in zip(stored.cells, done.cells, strict=True):
        if after.cell_type == "code":
            assert kinds(after) == kinds(before), after.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_opens_with_what_it_shows_and_compiles(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    for cell in notebook.cells:
        if cell.cell_type == "code":
            ast.parse(TransformerManager().transform_cell(cell.source))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_option_in_a_notebook_exists(path: Path) -> None:
    """Also in the one that no test can run."""
    from smrt_jupyter import magic
    from smrt_jupyter.magic.options import parse

    for cell in nbformat.read(path, as_version=4).cells:
        for line in re.findall(r"^%%?sagemaker (.*)$", cell.source, re.MULTILINE) if cell.cell_type == "code" else ():
            parse(magic.parser(), line, UsageError)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_stored_notebook_holds_no_secret_and_nothing_of_this_machine(path: Path) -> None:
    text = path.read_text()
    assert "AKIA" not in text
    assert "secret" not in text.lower()
    assert not re.search(r"/(home|root|Users|work)/", text)
    assert len(text) < 300_000


# -- a kernel as people meet it -----------------------------------------------------------------------------------

SETTING = """
import pandas as pd
from smrt_jupyter import LocalRuntime, Policy
runtime = LocalRuntime().start()
%load_ext smrt_jupyter
"""


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%sagemaker sums --regoin x", "OptionError: There is no option --regoin. Did you mean --region?"),
        (
            "%config SageMakerMagics.endpoint_url = runtime.url\n%sagemaker nowhere --data [1]",
            "EndpointNotFound: endpoint 'nowhere'",
        ),
        ("%sagemaker fails --data table", "ModelError: endpoint 'fails', rows 0 to 2"),
        ("%%sagemaker fails\n1,2", "The container answered 500: ValueError: no luck today."),
        ("%sagemaker sums --data table --out 1", "OptionError: --out 1 is no name"),
        ("%sagemaker sums --data tabel", "Did you mean table?"),
        ("%sagemaker sums --data table --region us-east-1 --content-type application/x-npy", "CodecError: column 'b'"),
        ("sums.replace(name='nowhere').predict(table)", "EndpointNotFound"),
    ],
)
def test_run_all_stops_at_an_error_that_takes_one_line(run: Callable[..., Any], cell: str, said: str) -> None:
    """nbclient is what papermill and ``jupyter execute`` stand on."""
    notebook = of_cells(
        SETTING,
        "def fails(frame):\n    raise ValueError('no luck today')\n\n"
        "fails = runtime.deploy('fails', fails)\n"
        "sums = runtime.deploy('sums', lambda frame: frame.sum(axis=1))\n"
        "table = pd.DataFrame({'a': [1, 2, 3], 'b': list('xyz')})",
        cell,
        "print('never')",
    )
    with pytest.raises(CellExecutionError):
        run(notebook)
    [output] = notebook.cells[2].outputs
    assert output.output_type == "error"
    assert said in "\n".join(output.traceback)
    assert len("\n".join(output.traceback).splitlines()) == 1
    assert not notebook.cells[3].outputs


def test_papermill_stops_too(run: Callable[..., Any], tmp_path: Path) -> None:
    del run  # its home and kernel are what is wanted
    import papermill

    nbformat.write(of_cells(SETTING, "%sagemaker --no-such-option", "print('never')"), tmp_path / "in.ipynb")
    with pytest.raises(papermill.PapermillExecutionError):
        papermill.execute_notebook(
            str(tmp_path / "in.ipynb"), str(tmp_path / "out.ipynb"), kernel_name="python3", progress_bar=False
        )


def test_an_interrupt_leaves_a_prompt_at_once_and_keeps_the_finished_rows(run: Callable[..., Any]) -> None:
    """A person presses the stop button in the middle of a long run."""
    notebook = of_cells(
        SETTING,
        """
import _thread, os, signal, threading, time

started = threading.Barrier(3)
go_on = threading.Event()


def ended(_):
    global prompt
    prompt = time.monotonic()  # here, for the way to the next cell is the front end's


get_ipython().events.register("post_run_cell", ended)


def slow(frame):
    if frame[0].iloc[0] >= 20:
        started.wait()  # for the other request, so that the two before have been answered
        go_on.wait(60)
    return frame[0]


slow = runtime.deploy("slow", slow).replace(policy=Policy(chunk_rows=10, concurrency=2))
table = pd.DataFrame({"a": range(60)})


def stop():
    started.wait()
    global stopped
    stopped = time.monotonic()
    os.kill(os.getpid(), signal.SIGINT)


threading.Thread(target=stop).start()
""",
        "%sagemaker slow --data table",
        "print(prompt - stopped < 1)\ngo_on.set()",
        "print(_error.partial.notna().sum(), type(_error).__name__, isinstance(_error, KeyboardInterrupt))",
    )
    run(notebook, allow_errors=True)
    [output] = notebook.cells[2].outputs
    assert output.output_type == "error"
    assert len("\n".join(output.traceback).splitlines()) == 1
    assert notebook.cells[3].outputs[0].text == "True\n"
    assert notebook.cells[4].outputs[0].text == "20 Interrupted True\n"


def test_an_interrupted_request_takes_one_line(run: Callable[..., Any]) -> None:
    notebook = of_cells(
        SETTING,
        """
import os, signal, threading

go_on = threading.Event()


def slow(frame):
    os.kill(os.getpid(), signal.SIGINT)
    go_on.wait(60)
    return frame[0]


slow = runtime.deploy("slow", slow)
""",
        "%%sagemaker slow\n1,2",
        "go_on.set()",
    )
    run(notebook, allow_errors=True)
    [output] = notebook.cells[2].outputs
    assert output.traceback == ["KeyboardInterrupt: stopped; the request that was under way may have run."]


def test_a_saved_notebook_holds_no_key(run: Callable[..., Any]) -> None:
    notebook = of_cells(
        SETTING + "\nsums = runtime.deploy('sums', lambda frame: frame.sum(axis=1))\nruntime",
        "%sagemaker sums --data [[1,2]]",
        "%sagemaker sums --list",
        "%sagemaker sums --describe",
        "%sagemaker sums --data [[1,2]] --code",
        "sums",
        "print(''.join(reversed(runtime.environ['AWS_SECRET_ACCESS_KEY'])))",
    )
    done = run(notebook)
    secret = done.cells[-1].outputs[0].text.strip()[::-1]
    assert len(secret) > 20
    assert secret not in json.dumps(done)
