"""The SageMaker Python SDK, in an environment of its own: what this project is compared with, and never imports."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from environments import python_with

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "2.257.7"


def sdk_python() -> Path:
    """Give the interpreter of an environment that has the SDK."""
    return python_with(f"sagemaker-{VERSION}", f"sagemaker=={VERSION}", "scipy")


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
