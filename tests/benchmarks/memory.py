"""How much memory a run takes above its table, and whether a file larger than memory stays small.

    python tests/benchmarks/memory.py [--file-gb 5] [--only table|file]

Tables of 1 and 10 million rows: at most the answers plus 192 MiB with the default `Policy`, plus 48 MiB with one that
asks for little. A Parquet file of 5 GB: `predict_file` under 400 MiB in all, in time that grows with the file.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Self

from null_server import serve

COLUMNS = 20
MIB = 1024 * 1024
LITTLE = {"chunk_bytes": 500_000, "concurrency": 4}


class Peak:
    """The largest resident memory while a block runs, without that of files that are only mapped."""

    def __enter__(self) -> Self:
        self.before = self.most = resident()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self) -> None:
        while not self.over.wait(0.005):
            self.most = max(self.most, resident())

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def resident() -> int:
    pages = Path("/proc/self/statm").read_text().split()
    return int(pages[1]) * resource.getpagesize()


def score_table(url: str, rows: int, content_type: str, policy: dict[str, int]) -> dict[str, float]:
    import numpy as np

    from smrt_jupyter import Endpoint, Policy

    table = np.random.default_rng(0).standard_normal((rows, COLUMNS))
    endpoint = Endpoint("null-20", endpoint_url=url, content_type=content_type, policy=Policy(**policy))
    endpoint.predict(table[:1000])
    started = time.perf_counter()
    with Peak() as peak:
        answers = endpoint.predict(table)
    return {"above": (peak.most - peak.before) / MIB, "answers": answers.nbytes / MIB,
            "seconds": time.perf_counter() - started}  # fmt: skip


def score_file(url: str, source: str, content_type: str) -> dict[str, float]:
    from smrt_jupyter import Endpoint, predict_file

    endpoint = Endpoint("null-20", endpoint_url=url, content_type=content_type)
    started = time.perf_counter()
    report = predict_file(endpoint, source, f"{source}.scored.parquet", journal=f"{source}.sqlite")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"all": peak / MIB, "seconds": time.perf_counter() - started, "rows": report.rows_done}


def write_file(path: Path, gigabytes: float) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    chance = np.random.default_rng(0)
    names = [f"x{column}" for column in range(COLUMNS)]
    schema = pa.schema([(name, pa.float64()) for name in names])
    rows = 250_000
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for _ in range(int(gigabytes * 1e9 / (8 * COLUMNS * rows))):
            values = chance.standard_normal((COLUMNS, rows))
            writer.write_table(pa.table(dict(zip(names, values, strict=True)), schema))


def apart(what: str, *arguments: object) -> dict[str, float]:
    """Run one measurement in a process of its own, so that none inherits another's memory."""
    command = [sys.executable, __file__, "--run", json.dumps([what, *arguments])]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--file-gb", type=float, default=5.0)
    parser.add_argument("--only", choices=["table", "file"])
    told = parser.parse_args()
    if told.run:
        what, *arguments = json.loads(told.run)
        print(json.dumps({"score_table": score_table, "score_file": score_file}[what](*arguments)))
        sys.exit()
    with serve() as url:
        if told.only != "file":
            print("MiB above the table and its answers: at most 192 by default, 48 where the policy asks for little")
            for content_type in ("text/csv", "application/x-npy"):
                for rows in (1_000_000, 10_000_000):
                    for label, policy in (("default", {}), ("little", LITTLE)):
                        found = apart("score_table", url, rows, content_type, policy)
                        above, seconds = found["above"] - found["answers"], found["seconds"]
                        print(f"{content_type:20} {rows:>12,} {label:8} {above:>7.0f}  ({seconds:.1f} s)", flush=True)
        if told.only != "table":
            print("a Parquet file: MiB of the whole process, at most 400")
            with tempfile.TemporaryDirectory() as folder:
                for share in (0.2, 1.0):
                    path = Path(folder) / "in.parquet"
                    write_file(path, told.file_gb * share)
                    found = apart("score_file", url, str(path), "text/csv")
                    size = path.stat().st_size / 1e9
                    told_speed = f"{found['seconds']:.0f} s, {size / found['seconds'] * 1000:,.0f} MB/s"
                    print(f"{size:6.1f} GB {found['rows']:>12,} rows {found['all']:>7.0f}  ({told_speed})", flush=True)
                    for left in Path(folder).iterdir():
                        left.unlink()
