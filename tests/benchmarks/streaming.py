"""How promptly a stream's first text is there, and what a long stream costs in memory.

The embedded runtime runs in another process, on the same clock. Text is there less than 50 ms after the model produced
it; 200 MB pass through `stream()` with less than 20 MB of growth, whether they come in large parts or in small ones.

    python tests/benchmarks/streaming.py
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time

from smrt_jupyter import Endpoint

SECONDS_AT_MOST = 0.050
GROWTH_AT_MOST = 20_000_000
MEGABYTES = 200
STREAMS = 20

SERVER = """
import json, sys, time
from smrt_jupyter import LocalRuntime
from smrt_jupyter.local.invocation import ModelReply

def tokens(body):
    def produce():
        for number in range(10):
            time.sleep(0.03)
            yield f'data: {{"token": {{"text": "{time.monotonic()} "}}}}\\n\\n'
        yield "data: [DONE]\\n\\n"
    return ModelReply(value=produce(), content_type="text/event-stream")

def long(body):
    size = int(body)
    part = b"x" * (size - 1) + b"\\n"
    return ModelReply(value=(part for _ in range(200_000_000 // size)), content_type="text/plain")

with LocalRuntime() as runtime:
    runtime.deploy("tokens", tokens, takes="body")
    runtime.deploy("long", long, takes="body")
    print(json.dumps(runtime.environ), flush=True)
    sys.stdin.read()
"""


def peak() -> int:
    """Say how many bytes this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def promptness() -> bool:
    """Measure how long after its production each text is there."""
    endpoint = Endpoint("tokens")
    first, all_of_them = [], []
    for _ in range(STREAMS):
        delays: list[float] = []
        with endpoint.stream(b"1", content_type="text/plain") as stream:
            delays.extend(time.monotonic() - float(text) for text in stream.text())
        first.append(delays[0])
        all_of_them += delays
    told = f"first text: median {statistics.median(first) * 1e3:.1f} ms, worst {max(first) * 1e3:.1f} ms"
    print(
        f"{told}; all texts: median {statistics.median(all_of_them) * 1e3:.1f} ms (at most {SECONDS_AT_MOST * 1e3:.0f})"
    )
    return statistics.median(first) < SECONDS_AT_MOST


def growth(size: int, way: str) -> bool:
    """Measure what a long stream adds to the most that was held before."""
    endpoint = Endpoint("long")
    endpoint.stream(str(size).encode(), content_type="text/plain").close()
    before, started, total = peak(), time.perf_counter(), 0
    with endpoint.stream(str(size).encode(), content_type="text/plain") as stream:
        for piece in stream if way == "bytes" else getattr(stream, way)():
            total += len(piece)
    seconds = time.perf_counter() - started
    grown = peak() - before
    print(
        f"{MEGABYTES} MB in parts of {size:>9,} as {way:<5}: {seconds:5.1f} s, {total / 1e6 / seconds:6.0f} MB/s, "
        f"{grown / 1e6:5.1f} MB of growth (at most {GROWTH_AT_MOST / 1e6:.0f})"
    )
    return grown < GROWTH_AT_MOST and total >= MEGABYTES * 1_000_000 * (1 - 1 / size) - 1


def main() -> int:
    """Measure, print, and say with the exit status whether it holds."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        os.environ.update(json.loads(server.stdout.readline()))
        held = [promptness()]
        held += [growth(size, way) for size in (2_000, 1_000_000) for way in ("bytes", "lines", "text")]
    finally:
        server.stdin.close()
        server.wait()
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
