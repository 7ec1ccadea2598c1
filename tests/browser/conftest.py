"""A real Jupyter server, a real headless Chromium, and an embedded runtime that the kernels reach as any AWS account.

The runtime lives in the process of the tests: so they hold the gates that its models wait at, and see in its records
what was sent and what was not.
"""

from __future__ import annotations

import json
import os
import queue
import re
import secrets
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import nbformat
import pytest
from environments import require
from notebook_page import NotebookPage

from smrt_jupyter import LocalRuntime

pytest.register_assert_rewrite("journey")

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import pandas as pd
    from playwright.sync_api import Browser

HERE = Path(__file__).parent
SCREENSHOTS = HERE.parent / "screenshots"
"""Each test leaves pictures here, to be looked at; git does not keep them."""

STARTING = 90
"""Seconds that a server may take to start on a busy machine."""

CHROMIUM = (
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

FOREIGN = ("AWS_", "JUPYTER", "IPYTHON")
"""Variables of whoever runs the tests, from which the server must not learn anything."""


class Models:
    """The endpoints that the notebooks talk to, and the gates that hold them up."""

    def __init__(self, runtime: LocalRuntime) -> None:
        self.runtime = runtime
        self.free_chunks = 3
        self.chunks_done = 0
        self.long_run = threading.Event()
        self.story = threading.Event()
        runtime.deploy("broken", self._fail)
        runtime.deploy("long-run", self._wait)
        runtime.deploy("teller", self._tell, takes="body", content_type="text/plain")
        runtime.deploy("echo", lambda body: body, takes="body", content_type="text/plain")
        total, largest = (lambda frame: frame.sum(axis=1)), (lambda frame: frame.max(axis=1))
        runtime.deploy("sums", total)
        runtime.deploy("weighted", variants={"blue": total, "green": largest})

    @property
    def executions(self) -> int:
        """How often any of them has run."""
        return sum(self.runtime.executions(name) for name in self.runtime.endpoints)

    def _fail(self, frame: pd.DataFrame) -> None:
        raise ValueError(f"the column plan is missing among {len(frame.columns)}")

    def _wait(self, frame: pd.DataFrame) -> Any:
        self.chunks_done += 1
        if self.chunks_done > self.free_chunks:
            self.long_run.wait(STARTING)
        return frame.sum(axis=1)

    def _tell(self, body: bytes) -> Iterator[str]:
        yield "Once upon a time"
        self.story.wait(STARTING)
        yield f" there were {len(body)} bytes."


class Server:
    """A Jupyter server on empty configuration, for as long as a ``with`` block lasts."""

    def __init__(self, command: str, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir()
        self.token = secrets.token_hex(16)
        self.command = command
        # Widget state is saved here, as Colab and nbclient do: it must hold nothing even then.
        settings = folder / "settings" / "@jupyter-widgets" / "jupyterlab-manager"
        settings.mkdir(parents=True)
        (settings / "plugin.jupyterlab-settings").write_text(json.dumps({"saveState": True}))
        notifications = folder / "settings" / "@jupyterlab" / "apputils-extension"
        notifications.mkdir(parents=True)
        (notifications / "notification.jupyterlab-settings").write_text(json.dumps({"fetchNews": "false"}))
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)},
            **environ,
            **{f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")},
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "IPYTHONDIR": str(folder / "ipython"),
            "HOME": str(folder),
        }

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "jupyter", self.command, "--no-browser", "--allow-root", "--ip=127.0.0.1"]
        options = {
            "IdentityProvider.token": self.token,
            "ServerApp.root_dir": self.notebooks,
            "ServerApp.port": 0,
            # So the state of the kernel can be asked: the page shows "idle" before there is one.
            "LabApp.expose_app_in_browser": True,
            "JupyterNotebookApp.expose_app_in_browser": True,
        }
        self.process = subprocess.Popen(
            [*command, *(f"--{name}={value}" for name, value in options.items())],
            env=self.environ,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[str] = []
        urls: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(urls,), daemon=True)
        self._reader.start()
        try:
            self.url = urls.get(timeout=STARTING)
        except queue.Empty:
            self.__exit__()
            pytest.fail(f"jupyter {self.command} did not start:\n{''.join(self.log)}")
        return self

    def _read(self, urls: queue.Queue[str]) -> None:
        for line in self.process.stderr or ():
            self.log.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                urls.put(found[0])

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(STARTING)
        self._reader.join(STARTING)
        self.process.stderr.close()

    def write(self, name: str, *cells: str) -> None:
        """Put a notebook of these cells, not run yet, where it can be opened."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.notebooks / name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Leave a picture of what a failed test saw last."""
    report = yield
    page = getattr(item, "funcargs", {}).get("notebook")
    if call.when == "call" and report.failed and page is not None:
        page.picture(f"failed-{item.name}")
    return report


@pytest.fixture(scope="module")
def models() -> Iterator[Models]:
    with LocalRuntime() as runtime:
        served = Models(runtime)
        yield served
        served.long_run.set()
        served.story.set()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = require("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def open_notebook(
    request: pytest.FixtureRequest, chromium: Browser, models: Models, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., NotebookPage]]:
    """Give a function that opens a notebook of some cells in the front end that the test's module names."""
    front_end = request.module.FRONT_END
    SCREENSHOTS.mkdir(exist_ok=True)
    with Server(front_end.command, tmp_path_factory.mktemp(front_end.command), models.runtime.environ) as server:
        context = chromium.new_context(
            viewport={"width": 1280, "height": 960},
            base_url=server.url,
            permissions=["clipboard-read", "clipboard-write"],
        )

        def open_one(name: str, *cells: str) -> NotebookPage:
            server.write(name, *cells)
            address = front_end.address.format(name=name, token=server.token)
            return NotebookPage(context.new_page(), address, server.notebooks / name, SCREENSHOTS / front_end.command)

        yield open_one
        context.close()
