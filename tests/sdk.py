"""The SageMaker Python SDK, in an environment of its own: what this project is compared with, and never imports.

The environment is made once and kept: in the folder that ``SMRT_TEST_CACHE`` names, else in
``~/.cache/smrt-jupyter-tests``.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

VERSION = "2.257.7"
PACKAGES = (f"sagemaker=={VERSION}", "scipy")


def sdk_python() -> Path:
    """Give the interpreter of an environment that has the SDK; where it cannot be made, skip, or fail in CI."""
    cache = Path(os.environ.get("SMRT_TEST_CACHE") or Path.home() / ".cache" / "smrt-jupyter-tests")
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"sagemaker-{VERSION}"
    python = folder / "bin" / "python"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at once must not make it twice
        if not _has_sdk(python):
            try:
                subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
                subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], check=True, capture_output=True)
            except subprocess.CalledProcessError as error:
                missing = f"the SageMaker SDK cannot be installed: {error.stderr.decode(errors='replace')[-500:]}"
                if os.environ.get("CI") == "true":
                    pytest.fail(missing)
                pytest.skip(missing)
    return python


def _has_sdk(python: Path) -> bool:
    if not python.exists():
        return False
    code = "import importlib.metadata as m, sys; m.version('scipy'); sys.exit(m.version('sagemaker') != sys.argv[1])"
    return subprocess.run([str(python), "-c", code, VERSION], check=False, capture_output=True).returncode == 0


def run_in_sdk(code: str, given: Any) -> Any:
    """Run code there that reads ``given`` and sets ``answer``: what JSON carries, so that no versions have to match."""
    frame = f"""
import json, os, sys
os.environ["SAGEMAKER_SUPPRESS_V2_WARNING"] = "1"
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
answers_to, sys.stdout = sys.stdout, sys.stderr  # the SDK prints while it is imported
given = json.load(sys.stdin)
{code}
json.dump(answer, answers_to)
"""
    done = subprocess.run(
        [str(sdk_python()), "-c", frame], input=json.dumps(given), capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
