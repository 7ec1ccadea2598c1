"""How fast tables become CSV and JSON, and CSV answers become numbers, against the SageMaker SDK v2, in turns.

    python tests/benchmarks/codecs.py [--rounds 7]

The floors are times the SDK's speed. The SDK runs in a process of its own (made by `tests/sdk.py` where it is not
there yet), on the same data; in each of its turns a side does the same thing three times and takes the middle one. A
table is written as `predict` writes it, in chunks: 28,000 rows by 7,000, some 4 MB each. Time is the processor's: both
sides keep to one thread, and it is disturbed least by whatever else runs on the machine. What both make is compared:
CSV byte for byte, JSON and answers value for value, floats to the last bit.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from sdk import sdk_python

CASES: dict[str, tuple[str, str, float]] = {
    # name: data, what is done, floor
    "CSV of floats, a frame": ("floats", "csv", 18),
    "CSV of floats, an array": ("array", "csv", 18),
    "CSV of a mixed frame": ("mixed", "csv", 6),
    "CSV of a mixed frame, with Arrow": ("mixed", "csv with Arrow", 12),
    "JSON of a matrix": ("array", "json", 18),
    "JSON Lines of a matrix": ("array", "json lines", 10),
    "CSV answer of 3,000 rows": ("answers 3000", "read", 25),
    "CSV answer of 100,000 rows": ("answers 100000", "read", 25),
}

REPEATS = 3

BOTH = """
import hashlib, io, json, os, statistics, sys, time, warnings
os.environ["SAGEMAKER_SUPPRESS_V2_WARNING"] = "1"
answers, sys.stdout = sys.stdout, sys.stderr
import numpy as np, pandas as pd
rng = np.random.default_rng(0)
rows, chunk = 28_000, 7_000
mixed = {f"f{n}": rng.standard_normal(rows) * 100 for n in range(13)}
mixed |= {f"i{n}": rng.integers(-1000, 10**6, rows) for n in range(6)}
mixed |= {f"s{n}": rng.choice(["basic", "premium", "none of these", "say, two"], rows) for n in range(4)}
mixed |= {"gone": np.where(rng.random(rows) < 0.1, np.nan, rng.random(rows)), "flag": rng.random(rows) < 0.5}
mixed["at"] = pd.date_range("2024-01-01", periods=rows, freq="min")
mixed["code"] = pd.Categorical(rng.choice(list("abc"), rows))
matrix = rng.standard_normal((rows, 30)) * 100
data = {"floats": pd.DataFrame(matrix), "array": matrix, "mixed": pd.DataFrame(mixed)}
for count in (3000, 100000):
    data[f"answers {count}"] = "\\n".join(map(repr, rng.random(count).tolist())).encode()
def made(what, value):
    if what == "read":
        return hashlib.sha256(np.asarray(value).ravel().tobytes()).hexdigest()
    texts = [part.decode() if isinstance(part, bytes) else part for part in value]
    if what.startswith("json"):
        texts = [repr([json.loads(line) for line in text.split("\\n")]) for text in texts]
    return hashlib.sha256("".join(texts).encode()).hexdigest()
for line in sys.stdin:
    name, what, repeats = line.rstrip("\\n").split("|")
    given, found = data[name], []
    for _ in range(int(repeats)):
        started = time.process_time()
        value = do[what](given)
        found.append(time.process_time() - started)
    print(statistics.median(found), made(what, value), file=answers, flush=True)
"""
THERE = """
from sagemaker import deserializers, serializers
def write(serializer, table):
    cut = table.iloc if isinstance(table, pd.DataFrame) else table
    return [serializer.serialize(cut[start : start + chunk]) for start in range(0, rows, chunk)]
do = {
    "csv": lambda table: write(serializers.CSVSerializer(), table),
    "json": lambda table: write(serializers.JSONSerializer(), table),
    "json lines": lambda table: write(serializers.JSONLinesSerializer(), table.tolist()),
    "read": lambda body: deserializers.NumpyDeserializer().deserialize(io.BytesIO(body), "text/csv"),
}
do["csv with Arrow"] = do["csv"]
"""
HERE = """
import pyarrow
from smrt_jupyter import codecs
from smrt_jupyter.codecs import csv_arrow
from smrt_jupyter.tables import Table
def write(content_type, table, way="plain"):
    csv_arrow.CELLS_LOADED = csv_arrow.CELLS_NOT_LOADED = 0 if way == "Arrow" else 1 << 62
    writer = codecs.find(content_type).writer(Table.of(table))
    return [writer(start, start + chunk) for start in range(0, rows, chunk)]
do = {
    "csv": lambda table: write("text/csv", table),
    "csv with Arrow": lambda table: write("text/csv", table, "Arrow"),
    "json": lambda table: write("application/json", table),
    "json lines": lambda table: write("application/jsonlines", table),
    "read": lambda body: codecs.find_reader("text/csv; charset=utf-8").decode(body),
}
"""


class Side:
    """One of the two, in a process of its own."""

    def __init__(self, python: str, how: str) -> None:
        head, _, tail = BOTH.partition("rng =")
        self.process = subprocess.Popen(
            [python, "-c", f"{head}{how}rng ={tail}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def turn(self, data: str, what: str, repeats: int) -> tuple[float, str]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(data, what, repeats, sep="|", file=self.process.stdin, flush=True)
        seconds, digest = self.process.stdout.readline().split()
        return float(seconds), digest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    there, here = Side(str(sdk_python()), THERE), Side(sys.executable, HERE)
    failed = 0
    print(f"{'':34} {'SDK ms':>9} {'ours ms':>9} {'times':>7} {'from':>6} {'to':>6} {'floor':>6}")
    for name, (data, what, floor) in CASES.items():
        times: list[tuple[float, float]] = []
        for _ in range(rounds):
            theirs, wanted = there.turn(data, what, REPEATS)
            ours, digest = here.turn(data, what, REPEATS)
            assert digest == wanted, f"{name}: not the same"
            times.append((theirs, ours))
        ratios: list[Any] = sorted(theirs / ours for theirs, ours in times)
        middle = statistics.median(ratios)
        failed += middle < floor
        theirs, ours = (statistics.median(side) * 1000 for side in zip(*times, strict=True))
        told = f"{middle:>6.1f}x {ratios[0]:>5.1f}x {ratios[-1]:>5.1f}x {floor:>5.0f}x"
        print(f"{name:34} {theirs:>9.2f} {ours:>9.2f} {told}{'' if middle >= floor else '  <-- below'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
