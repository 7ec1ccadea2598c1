"""How fast a table is scored, against the SageMaker SDK v2's loop and the limit of this machine, in one run.

    python tests/benchmarks/scoring.py --sdk-python /path/to/venv/with/sagemaker-2/bin/python [--grid]

1,000,000 x 20 numbers, to a server in a process of its own that answers the right number of rows without computing.
Floors: CSV 15 times the SDK's rows a second at 20 and at 100 ms a request, at 20 ms npy float64 60 times and float32
90 times.
`--grid` compares the default `Policy` with every combination of chunk size and concurrency: at least 85% of the best.
`--row-a-request` is an endpoint for a language model: 64 at once, 50 ms each.
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import boto3
import numpy as np
import pandas as pd
from botocore.config import Config
from null_server import counts, serve

from smrt_jupyter import Endpoint, Policy

ROWS = 1_000_000
ROUNDS = 3
ROUNDS_OF_GRID = 7  # the best of many medians is a lucky one, the luckier the fewer rounds it stands for
FLOORS = {("text/csv", 20): 15, ("text/csv", 100): 15, ("application/x-npy", 20): 60, ("application/x-npy", 100): 0,
          ("float32", 20): 90}  # fmt: skip


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def bare(url: str, name: str, bodies: list[bytes], content_type: str, connections: int = 16) -> float:
    """Send bodies that are ready made with the standard library's client: what the machine can do."""
    todo, lock = iter(bodies), threading.Lock()

    def work() -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        while True:
            with lock:
                body = next(todo, None)
            if body is None:
                return
            connection.request("POST", f"/endpoints/{name}/invocations", body, {"Content-Type": content_type})
            connection.getresponse().read()

    def together() -> None:
        threads = [threading.Thread(target=work) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return timed(together)


def bodies_of(endpoint: Endpoint, table: object) -> list[bytes]:
    from smrt_jupyter.scoring import chunks
    from smrt_jupyter.tables import Table

    whole = Table.of(table)
    write = endpoint.codec_for(table).writer(whole)
    cut = chunks.cut(len(whole), chunks.weigh(len(whole), write, endpoint.policy), endpoint.policy)
    return [write(rows.start, rows.stop) for rows in cut]


def against_sdk(url: str, sdk_python: str | None, rows: int) -> None:
    table = pd.DataFrame(np.random.default_rng(0).standard_normal((rows, 20)))
    halves = {"text/csv": table, "application/x-npy": table, "float32": table.astype("float32")}
    print(f"{rows:,} x 20; median of {ROUNDS}\n")
    print(f"{'':20} {'ms':>4} {'rows/s':>12} {'x SDK':>7} {'floor':>6} {'of bare HTTP':>13}")
    for wait in (20, 100):
        name, baseline = f"null-{wait}", float("nan")
        if sdk_python:
            ran = subprocess.run(
                [sdk_python, os.path.join(os.path.dirname(__file__), "sdk_loop.py"), url, name, str(rows)],  # noqa: PTH118, PTH120
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            baseline = json.loads(ran.stdout.splitlines()[-1])["rows_per_second"]
            print(f"{'SDK v2 loop':20} {wait:>4} {baseline:>12,.0f} {1:>7.1f}")
        for label, data in halves.items():
            content_type = "application/x-npy" if label == "float32" else label
            endpoint = Endpoint(name, endpoint_url=url, content_type=content_type)
            endpoint.predict(data[:100])
            seconds = statistics.median(timed(lambda d=data, e=endpoint: e.predict(d)) for _ in range(ROUNDS))
            limit = bare(url, name, bodies_of(endpoint, data), content_type)
            floor = FLOORS.get((label, wait), 0)
            speed = rows / seconds
            print(f"{label:20} {wait:>4} {speed:>12,.0f} {speed / baseline:>7.1f} {floor:>6} {limit / seconds:>13.0%}")


def grid(url: str, rows: int) -> None:
    """Compare the default with every setting, in turns, because the machine's own speed drifts."""
    table = pd.DataFrame(np.random.default_rng(0).standard_normal((rows, 20)))
    settings = {
        f"{size} MB x {concurrency}": Policy(chunk_bytes=size * 1_000_000, concurrency=concurrency)
        for size in (1, 2, 4, 6)
        for concurrency in (8, 16, 32)
    } | {"default": Policy()}
    for content_type in ("text/csv", "application/x-npy"):
        for wait in (20, 100):
            endpoint = Endpoint(f"null-{wait}", endpoint_url=url, content_type=content_type)
            endpoint.predict(table[:100])
            found: dict[str, list[float]] = {name: [] for name in settings}
            for _ in range(ROUNDS_OF_GRID):
                for name, policy in settings.items():
                    one = endpoint.replace(policy=policy)
                    found[name].append(timed(lambda one=one: one.predict(table)))
            middle = {name: statistics.median(seconds) for name, seconds in found.items()}
            ours = middle.pop("default")
            best = min(middle, key=middle.__getitem__)
            told = f"best {best}: {rows / middle[best]:,.0f} rows/s; default {rows / ours:,.0f}"
            print(f"{content_type:20} {wait:>4} ms  {told}: {middle[best] / ours:.0%} of it", flush=True)


def row_a_request(url: str, rows: int) -> None:
    """Score an endpoint for a language model; the CPU's limit is what 64 threads with boto3 alone reach."""
    name = "null-50-64"
    endpoint = Endpoint(name, endpoint_url=url, content_type="text/csv", policy=Policy(chunk_rows=1))
    table = pd.DataFrame(np.random.default_rng(0).standard_normal((rows, 20)))
    endpoint.predict(table[:10])
    bodies = bodies_of(endpoint, table)
    config = Config(max_pool_connections=64, retries={"total_max_attempts": 1})
    client = boto3.client("sagemaker-runtime", endpoint_url=url, config=config)

    def ask(body: bytes) -> None:
        client.invoke_endpoint(EndpointName=name, Body=body, ContentType="text/csv")["Body"].read()

    found: list[tuple[float, float]] = []
    for _ in range(ROUNDS):  # in turns, because the machine's own speed drifts
        with ThreadPoolExecutor(64) as pool:
            alone = timed(lambda pool=pool: list(pool.map(ask, bodies)))
        found.append((rows / timed(lambda: endpoint.predict(table)), rows / alone))
    ours, limit = (statistics.median(speeds) for speeds in zip(*found, strict=True))
    answered, refused, most = counts(url, name)
    least = min(64 / 0.05, limit)
    print(f"a row a request: {ours:,.0f} a second; 64 / 50 ms is 1,280, boto3 alone in 64 threads {limit:,.0f}")
    print(f"  {ours / least:.0%} of the lower; {refused / (answered + refused):.1%} refused, at most {most} at once")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sdk-python", help="an interpreter with sagemaker 2; without it there is no comparison")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--grid", action="store_true")
    parser.add_argument("--row-a-request", action="store_true")
    told = parser.parse_args()
    with serve() as address:
        if told.grid:
            grid(address, told.rows)
        elif told.row_a_request:
            row_a_request(address, min(told.rows, 10_000))
        else:
            against_sdk(address, told.sdk_python, told.rows)
