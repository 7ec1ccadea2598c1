"""What a call of `Endpoint.invoke` costs beside the bare boto3 call: at most 1.15 times as much.

Both send the same 100 bytes to the same embedded runtime, which runs in another process. They take turns, a round each,
and the best round of each counts: what the machine does besides disturbs single rounds, and never makes one faster.

    python tests/benchmarks/invoke.py [rounds]
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from smrt_jupyter import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = 40
AT_MOST = 1.15
BODY = b"1.5," * 24 + b"1.5\n"

SERVER = """
import json, sys
from smrt_jupyter import LocalRuntime
from smrt_jupyter.local.invocation import ModelReply
said = ModelReply(value=b"0.5\\n", content_type="text/csv")
with LocalRuntime() as runtime:
    runtime.deploy("echo", lambda body: said, takes="body")
    print(json.dumps(runtime.environ), flush=True)
    sys.stdin.read()
"""


def seconds(call: Callable[[], object]) -> float:
    """Time one round; give the seconds of one call."""
    started = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - started) / CALLS


def main(rounds: int) -> int:
    """Measure, print, and say with the exit status whether it holds."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        import json

        os.environ.update(json.loads(server.stdout.readline()))
        client = boto3.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}, read_timeout=70))
        endpoint = Endpoint("echo", content_type="text/csv")

        def bare() -> bytes:
            return client.invoke_endpoint(EndpointName="echo", ContentType="text/csv", Body=BODY)["Body"].read()

        def ours() -> bytes:
            return endpoint.invoke(BODY).body

        assert len(BODY) == 100
        assert bare() == ours() == b"0.5\n"
        best_bare = best_ours = float("inf")
        for _ in range(rounds):
            best_bare, best_ours = min(best_bare, seconds(bare)), min(best_ours, seconds(ours))
    finally:
        server.stdin.close()
        server.wait()
    ratio = best_ours / best_bare
    print(
        f"boto3 {best_bare * 1e6:7.0f} µs a call\nours  {best_ours * 1e6:7.0f} µs a call\n"
        f"ratio {ratio:.3f} (at most {AT_MOST})"
    )
    return 0 if ratio <= AT_MOST else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 60))
