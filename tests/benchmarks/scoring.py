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
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from null_server import counts, serve

from smrt_jupyter import Endpoint, Policy

ROWS = 1_000_000
ROUNDS = 3
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
    table = pd.DataFrame(np.random.default_rng(0).standard_normal((rows, 20)))
    for content_type in ("text/csv", "application/x-npy"):
        for wait in (20, 100):
            endpoint = Endpoint(f"null-{wait}", endpoint_url=url, content_type=content_type)
            endpoint.predict(table[:100])
            found = {}
            for size in (1, 2, 4, 6):
                for concurrency in (4, 8, 16, 32):
                    policy = Policy(chunk_bytes=size * 1_000_000, concurrency=concurrency)
                    one = endpoint.replace(policy=policy)
                    found[size, concurrency] = min(timed(lambda one=one: one.predict(table)) for _ in range(2))
            ours = min(timed(lambda endpoint=endpoint: endpoint.predict(table)) for _ in range(2))
            best = min(found, key=found.__getitem__)
            told = f"best {best[0]} MB x {best[1]}: {rows / found[best]:,.0f} rows/s; default {rows / ours:,.0f}"
            print(f"{content_type:20} {wait:>4} ms  {told}: {found[best] / ours:.0%} of it", flush=True)


def row_a_request(url: str, rows: int) -> None:
    name = "null-50-64"
    endpoint = Endpoint(name, endpoint_url=url, content_type="text/csv", policy=Policy(chunk_rows=1))
    table = pd.DataFrame(np.random.default_rng(0).standard_normal((rows, 20)))
    endpoint.predict(table[:10])
    seconds = timed(lambda: endpoint.predict(table))
    bodies = bodies_of(endpoint, table)
    cpu = (
        len(bodies)
        / timed(lambda: [endpoint.replace(name="null-0").invoke(body) for body in bodies[:2000]])
        * (min(2000, rows) / len(bodies))
    )
    answered, refused, most = counts(url, name)
    print(f"a row a request: {rows / seconds:,.0f} a second; 64 / 50 ms = 1,280; one thread without waiting {cpu:,.0f}")
    print(f"  {answered:,} answered, {refused / (answered + refused):.1%} refused, at most {most} at once")


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
