"""Fixtures that every test may use: a clean AWS environment, an embedded runtime."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from smrt_jupyter import LocalRuntime


# How long an example takes is the machine's affair. A change is judged by the same examples each time it is; who works
# on one has new examples in each run, and can mend what they find.
settings.register_profile("patient", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("patient")


@pytest.fixture
def python_meets_ctrl_c() -> Iterator[None]:
    """Have Python's own handler of Ctrl-C: Spark leaves its own behind, which asks a context that has gone."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def clean_aws(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run every test as on a machine that has never seen AWS: no variable, no file, no instance metadata."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return home


@pytest.fixture
def runtime() -> Iterator[LocalRuntime]:
    """Open an embedded runtime for one test."""
    from smrt_jupyter import LocalRuntime

    with LocalRuntime() as opened:
        yield opened


@pytest.fixture
def fresh_processes() -> Iterator[None]:
    """Have joblib begin new processes: those that it keeps know the runtimes of the tests in which they began."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)
    yield
    get_reusable_executor().shutdown(wait=True)
