"""JupyterLab on the notebooks, with an embedded runtime and a few models behind it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from smrt_jupyter.demo.models import Babbler, tumours
from smrt_jupyter.errors import SmrtError
from smrt_jupyter.local_runtime import LocalRuntime

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = "smrt-jupyter-notebooks"


def notebooks() -> Path:
    """Find the notebooks: inside the installed package, or beside it in a clone.

    Returns
    -------
    Path
    """
    package = Path(__file__).parent
    return next(place for place in (package / "notebooks", package.parent / "notebooks") if any(place.glob("*.ipynb")))


def deploy(runtime: LocalRuntime) -> None:
    """Serve the models that the notebooks and a curious person may ask.

    Parameters
    ----------
    runtime : LocalRuntime
        Open.
    """
    runtime.deploy("tumours", tumours().pipeline, method="predict_proba")
    runtime.deploy("babbler", Babbler(), takes="value", content_type="text/event-stream")
    runtime.deploy("row-sums", lambda frame: frame.sum(axis="columns"))


def lab(folder: str | None = None, options: Sequence[str] = ()) -> int:
    """Open JupyterLab, and wait until it ends.

    Parameters
    ----------
    folder : str, optional
        Where the notebooks are put: copies, so that trying things out changes nothing here. Those that are there stay.
    options : sequence of str
        For JupyterLab.

    Returns
    -------
    int
        Its exit code.

    Raises
    ------
    SmrtError
        When JupyterLab is not installed.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise SmrtError("JupyterLab is not installed.", next_step="pip install 'smrt-jupyter[lab]'")
    place = Path(folder or FOLDER)
    place.mkdir(parents=True, exist_ok=True)
    for notebook in sorted(notebooks().glob("*.ipynb")):
        if not (place / notebook.name).exists():
            shutil.copy(notebook, place)
    with LocalRuntime() as runtime:
        deploy(runtime)
        print(f"Served at {runtime.url}: {', '.join(runtime.endpoints)}. Try: %sagemaker --list", file=sys.stderr)  # noqa: T201
        command = [sys.executable, "-m", "jupyterlab", "--notebook-dir", str(place), *options]
        with subprocess.Popen(command, env=os.environ | runtime.environ) as process:  # noqa: S603 - our own words
            before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
            try:
                return _wait(process)
            finally:
                signal.signal(signal.SIGTERM, before)


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for JupyterLab: on Ctrl-C the terminal tells it, too, and it asks before it ends."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue
