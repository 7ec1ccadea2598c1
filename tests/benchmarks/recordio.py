"""How fast recordio-protobuf is written and read, against the SageMaker SDK v2, in one run, in turns.

    python tests/benchmarks/recordio.py [--rounds 7]

Floor: dense floats 50 times the SDK's rows a second, byte for byte the same. 30 columns; 7,000 rows are a chunk of
about 2 MB. Integers are written 4 times as fast at least: where each byte goes depends on all numbers before it, and to
put three bytes of each number into their places takes NumPy about as long as 50 times the SDK's speed leaves for all.
Nothing is read slower than by the SDK.
The SDK runs in a process of its own (made by `tests/sdk.py` where it is not there yet); in each of its turns a side
writes and reads the same rows five times, as a loop over chunks does, and times itself.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from sdk import sdk_python

from smrt_jupyter.codecs.recordio import RecordIO
from smrt_jupyter.tables import Table

COLUMNS = 30
REPEATS = 5
FLOORS = {"float64": 50, "float32": 50, "int64": 4}

MAKE = """
matrix = (np.random.default_rng(0).standard_normal((rows, columns)) * 1000).astype(dtype)
written, read = [], []
for _ in range(repeats):
    started = time.perf_counter()
    body = write(matrix)
    written.append(time.perf_counter() - started)
    started = time.perf_counter()
    back(body)
    read.append(time.perf_counter() - started)
"""
THERE = f"""
import hashlib, io, os, statistics, sys, time
os.environ["SAGEMAKER_SUPPRESS_V2_WARNING"] = "1"
answers, sys.stdout = sys.stdout, sys.stderr
import numpy as np
from sagemaker.serializers import RecordSerializer
from sagemaker.deserializers import RecordDeserializer
def write(matrix): return RecordSerializer().serialize(matrix).read()
def back(body): return RecordDeserializer().deserialize(io.BytesIO(body), "application/x-recordio-protobuf")
print("ready", file=answers, flush=True)
make = compile({MAKE!r}, "make", "exec")
for line in sys.stdin:
    dtype, rows, columns, repeats = line.split()[0], *map(int, line.split()[1:])
    exec(make)
    digest = hashlib.sha256(body).hexdigest()
    print(statistics.median(written), statistics.median(read), digest, file=answers, flush=True)
"""


def ours(dtype: str, rows: int) -> tuple[float, float, str]:
    codec = RecordIO()

    def write(matrix: Any) -> bytes:
        return codec.writer(Table.of(matrix))(0, rows)

    names: dict[str, Any] = {"np": np, "time": time, "dtype": dtype, "rows": rows, "columns": COLUMNS}
    names |= {"repeats": REPEATS, "write": write, "back": codec.decode}
    exec(MAKE, names)
    digest = hashlib.sha256(names["body"]).hexdigest()
    return statistics.median(names["written"]), statistics.median(names["read"]), digest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    command, pipe = [str(sdk_python()), "-c", THERE], subprocess.PIPE
    there = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
    assert there.stdin is not None
    assert there.stdout is not None
    there.stdout.readline()
    failed = 0
    print(f"{'':8} {'rows':>8} {'SDK rows/s':>12} {'ours rows/s':>12} {'written':>9} {'read':>9}")
    for dtype, floor in FLOORS.items():
        for rows in (3_000, 7_000, 27_000):
            theirs, own = [], []
            for _ in range(rounds):
                print(dtype, rows, COLUMNS, REPEATS, file=there.stdin, flush=True)
                written, read, digest = there.stdout.readline().split()
                theirs.append((float(written), float(read)))
                own.append(ours(dtype, rows))
                assert own[-1][2] == digest, "the bytes differ"
            wrote, got = (statistics.median(each[side] for each in theirs) for side in (0, 1))
            wrote_own, got_own = (statistics.median(each[side] for each in own) for side in (0, 1))
            ratio, read_ratio = wrote / wrote_own, got / got_own
            failed += ratio < floor or read_ratio < 1
            told = f"  below the floor of {floor}" if ratio < floor else ""
            told += "  read slower" if read_ratio < 1 else ""
            speeds = f"{rows / wrote:12,.0f} {rows / wrote_own:12,.0f}"
            print(f"{dtype:8} {rows:8,} {speeds} {ratio:8.1f}x {read_ratio:8.1f}x{told}")
    there.stdin.close()
    there.wait()
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
