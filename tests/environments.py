"""Environments of other people's software: made once, kept for each user, never mixed with this project's own.

They are kept in the folder that ``SMRT_TEST_CACHE`` names, else in ``~/.cache/smrt-jupyter-tests``.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def require(program: str) -> str:
    """Find a program that the machine may lack: without it a test is skipped at home, and fails in CI."""
    found = shutil.which(program)
    if found is None:
        _missing(f"{program} is not installed")
    return found


def _missing(what: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def python_with(name: str, *packages: str) -> Path:
    """Give the interpreter of an environment that has these packages and nothing of ours."""
    with _kept(name, packages) as (folder, missing):
        python = folder / "bin" / "python"
        if missing or not python.exists():  # the interpreter that it was made with may be gone
            _make([sys.executable, "-m", "venv", "--clear", str(folder)])
            _make([str(python), "-m", "pip", "install", "--quiet", *packages])
    return python


def node_modules_with(name: str, npm: str, *packages: str) -> Path:
    """Give a folder in which Node finds these packages."""
    with _kept(name, packages) as (folder, missing):
        if missing:
            folder.mkdir(parents=True, exist_ok=True)
            _make([npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent", *packages])
    return folder


@contextmanager
def _kept(name: str, packages: Sequence[str]) -> Iterator[tuple[Path, bool]]:
    """Lock the folder, and say whether what it holds is yet to be made; its stamp is written when all went well."""
    cache = Path(os.environ.get("SMRT_TEST_CACHE") or Path.home() / ".cache" / "smrt-jupyter-tests")
    cache.mkdir(parents=True, exist_ok=True)
    stamp, wanted = cache / f"{name}.made", " ".join(packages)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield cache / name, not stamp.exists() or stamp.read_text() != wanted
        stamp.write_text(wanted)


def _make(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        _missing(f"{' '.join(command[:4])} ... failed: {done.stderr[-500:]}")
