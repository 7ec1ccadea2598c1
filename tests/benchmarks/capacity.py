"""How well an unknown capacity is found: at least 80% of the ideal throughput with under 5% of requests throttled.

    python tests/benchmarks/capacity.py [--requests 1000]

The server, in a process of its own, runs 2, 8 or 32 requests of 50 ms at once and throttles more; the client knows
nothing of it and has the default `Policy`, but for small chunks.
"""

import argparse
import time

import numpy as np
from null_server import counts, serve

from smrt_jupyter import Endpoint, Policy

WAIT = 50
ROWS_A_REQUEST = 20

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000)
    requests = parser.parse_args().requests
    table = np.random.default_rng(0).standard_normal((requests * ROWS_A_REQUEST, 20))
    with serve() as url:
        print(f"{requests:,} requests of {WAIT} ms\n")
        print(f"{'capacity':>8} {'of ideal':>9} {'throttled':>10} {'most at once':>13}")
        for capacity in (2, 8, 32):
            name = f"null-{WAIT}-{capacity}"
            endpoint = Endpoint(name, endpoint_url=url, policy=Policy(chunk_rows=ROWS_A_REQUEST))
            started = time.perf_counter()
            endpoint.predict(table)
            seconds = time.perf_counter() - started
            answered, refused, most = counts(url, name)
            ideal, share = requests * WAIT / 1000 / capacity, refused / (answered + refused)
            print(f"{capacity:>8} {ideal / seconds:>9.0%} {share:>10.1%} {most:>13}", flush=True)
