"""How well an unknown capacity is found: at least 80% of the ideal throughput with under 5% of requests throttled.

    python tests/benchmarks/capacity.py [--seconds 6] [--rounds 3]

The server, in a process of its own, runs 2, 8 or 32 requests of 50 ms at once and throttles more; the client knows
nothing of it and has the default `Policy`, but for small chunks. Beside it stands what boto3 alone reaches that is told
the capacity and sends ready bodies from as many threads. Each run has as many requests as the endpoint could answer in
the same time: to find the capacity of 32 takes a fifth of a second, and so does the wait of a request that is refused
last, which together are a tenth of a run of 1,000 requests.
"""

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import numpy as np
from botocore.config import Config
from null_server import counts, serve

from smrt_jupyter import Endpoint, Policy

WAIT = 50
ROWS_A_REQUEST = 20


def alone(url: str, capacity: int, requests: int, body: bytes) -> float:
    """Time boto3 with nothing to find out and nothing to write."""
    config = Config(max_pool_connections=capacity, retries={"total_max_attempts": 1})
    client = boto3.client("sagemaker-runtime", endpoint_url=url, config=config)

    def ask(_: int) -> None:
        client.invoke_endpoint(EndpointName=f"null-{WAIT}", Body=body, ContentType="text/csv")["Body"].read()

    with ThreadPoolExecutor(capacity) as pool:
        list(pool.map(ask, range(capacity)))
        started = time.perf_counter()
        list(pool.map(ask, range(requests)))
        return time.perf_counter() - started


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6, help="what a run would take at the full capacity")
    parser.add_argument("--rounds", type=int, default=3)
    told = parser.parse_args()
    ideal, rounds = told.seconds, told.rounds
    with serve() as url:
        print(f"{ideal:g} s of requests of {WAIT} ms; median of {rounds}\n")
        print(
            f"{'capacity':>8} {'of ideal':>9} {'worst':>6} {'boto3 alone':>12} {'throttled':>10} {'most at once':>13}"
        )
        for capacity in (2, 8, 32):
            name = f"null-{WAIT}-{capacity}"
            endpoint = Endpoint(name, endpoint_url=url, policy=Policy(chunk_rows=ROWS_A_REQUEST))
            requests = round(ideal * capacity / WAIT * 1000)
            table = np.random.default_rng(0).standard_normal((requests * ROWS_A_REQUEST, 20))
            body = b"\n".join(b",".join(b"%.17g" % cell for cell in row) for row in table[:ROWS_A_REQUEST])
            found, limits = [], []
            refused = answered = 0
            for _ in range(rounds):  # in turns, because the machine's own speed drifts
                before = counts(url, name)
                started = time.perf_counter()
                endpoint.predict(table)
                found.append(ideal / (time.perf_counter() - started))
                after = counts(url, name)
                answered, refused = answered + after[0] - before[0], refused + after[1] - before[1]
                limits.append(ideal / alone(url, capacity, requests, body))
            share, most = refused / (answered + refused), counts(url, name)[2]
            ours, limit = statistics.median(found), statistics.median(limits)
            print(f"{capacity:>8} {ours:>9.0%} {min(found):>6.0%} {limit:>12.0%} {share:>10.1%} {most:>13}", flush=True)
