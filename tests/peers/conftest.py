"""What other people's clients talk to: ``smrt-jupyter serve``, in a process of its own, known by its variables only."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent


@contextmanager
def serving(model: str | None, *options: str) -> Iterator[dict[str, str]]:
    """Run ``serve`` for a model of `peer_models` under the name ``one``, and give its variables."""
    models = [] if model is None else [f"peer_models:{model}"]
    command = [sys.executable, "-m", "smrt_jupyter", "serve", *models, "--name", "one", *options]
    with subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        try:
            told: dict[str, str] = {}
            for line in server.stdout:
                if line == "ready\n":
                    break
                name, _, value = line.removeprefix("export ").partition("=")
                told[name] = shlex.split(value)[0]
            else:
                pytest.fail(f"serve ended: {server.stderr.read()}")
            yield {"PATH": os.environ["PATH"], **told}
        finally:
            server.send_signal(signal.SIGTERM)
            _, complaints = server.communicate(timeout=30)
        assert complaints == ""


@pytest.fixture
def serve() -> Iterator[Callable[..., dict[str, str]]]:
    """Serve models until the test ends."""
    with ExitStack() as stack:
        yield lambda *words: stack.enter_context(serving(*words))
