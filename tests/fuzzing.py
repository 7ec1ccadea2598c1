"""Bodies that are almost right: each codec's own, broken a little, always the same ones for the same seed."""

from __future__ import annotations

import io
import random
import traceback
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp

from smrt_jupyter import codecs
from smrt_jupyter.codecs.given import DECODED_FLOOR
from smrt_jupyter.errors import CodecError

_FRAME = pd.DataFrame({"n": [1, 2], "x": [0.5, None], "s": ["a", 'b,"c'], "flag": [True, None]})
_MATRIX = np.array([[1.5, -2.0, 0.0], [3.25, np.nan, 1e300]])
_SPARSE = sp.csr_matrix(np.array([[0, 1.5, 0], [0, 0, 0], [2.5, 0, 1]]))
_PICTURE = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
_COLUMNS = pa.table({"x": [0.5, None], "s": ["a", "bc"], "c": pa.array(["u", "v"]).dictionary_encode()})


def _parquet(**options: Any) -> bytes:
    """Write a file as other writers do: with dictionaries, statistics, another version of pages."""
    out = io.BytesIO()
    pq.write_table(_COLUMNS, out, **options)
    return out.getvalue()


def _compressed(new: Any) -> bytes:
    out = io.BytesIO()
    with new(out, _COLUMNS.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(_COLUMNS)
    return out.getvalue()


VALUES: dict[str, list[Any]] = {
    "CSV": [_FRAME, _MATRIX, 'a,b\n"x\ny",2\n,\n'],
    "JSON": [
        {"predictions": [{"score": 0.5, "label": "a"}, {"score": 1e-5}]},
        _MATRIX[:, [0]],
        '[NaN, -Infinity, "\\ud83d"]',
    ],
    "JSONLines": [[{"score": 0.5}, {"score": 1}], '{"a": [1, {"b": null}]}\n\n{"a": NaN}\n'],
    "Npy": [_MATRIX, np.array(["a", "bc"]), np.zeros((2, 0)), np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])],
    "Npz": [_SPARSE, {"a": np.arange(3), "b": _MATRIX}],
    "RecordIO": [_MATRIX, _SPARSE, np.array([[1, -2], [300, 4]]), {"score": [0.5, 0.25], "label": np.array([1, 0])}],
    "LibSVM": [_MATRIX, _SPARSE],
    "Parquet": [
        _FRAME,
        pd.DataFrame({"t": [["a"], ["b", "c"]], "d": pd.to_datetime(["2020-01-01", None])}),
        _parquet(),
        _parquet(compression="zstd", data_page_version="2.0"),
        _parquet(use_dictionary=False, column_encoding={"s": "DELTA_BYTE_ARRAY"}),
    ],
    "ArrowStream": [_FRAME, pd.DataFrame({"t": [["a"], ["b", "c"]]}), _compressed(pa.ipc.new_stream)],
    "ArrowFile": [_FRAME, pd.DataFrame({"t": [["a"], ["b", "c"]]}), _compressed(pa.ipc.new_file)],
    "Image": [_PICTURE],
    "Audio": [b"RIFF\x24\x00\x00\x00WAVEfmt "],
    "Triton": [{"a": _MATRIX, "b": np.array(["x", "yz"])}],
    "TorchTensor": [_MATRIX],
    "Text": ["Größe ✓"],
    "Raw": [b"\x00\xff"],
}
CONTENT_TYPES = {"Image": ["image/png", "image/jpeg", "image/gif", "image/bmp", "image/tiff", "image/webp"]}
CONTENT_TYPES |= {"Audio": ["audio/wav"]}
CONTENT_TYPES |= {"Triton": ["application/vnd.sagemaker-triton.binary+json;json-header-size=350"]}
CONTENT_TYPES |= {"Text": ["text/plain", "text/plain; charset=utf-16"]}
COMPRESSED = {"Npz", "Parquet", "ArrowStream", "ArrowFile", "Image"}
"""These may become `DECODED_FLOOR` bytes however small they are."""

_WAYS = 8
_MEASURE_EVERY = 400
_EXTREMES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1]


def places() -> dict[str, str]:
    """Name every codec of the literal table, and where its class is."""
    return {place.partition(":")[2]: place for place in codecs.BUILT_IN.values()}


def originals(name: str) -> list[tuple[codecs.Codec, bytes]]:
    """Write the values of a codec, under each of its content types."""
    types = CONTENT_TYPES.get(name) or [
        next(each for each, place in codecs.BUILT_IN.items() if place == places()[name])
    ]
    return [(codec, codec.encode(value)) for codec in map(codecs.find, types) for value in VALUES[name]]


def broken(body: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Break a body in one to four places."""
    made = bytearray(body)
    for _ in range(1 + int(chance.random() ** 2 * 4)):
        at = int(chance.random() * (len(made) + 1))
        how = int(chance.random() * _WAYS)
        if how == 0:
            made[at : at + 1] = bytes([int(chance.random() * 256)])
        elif how == 1 and at < len(made):
            made[at] ^= 1 << int(chance.random() * 8)
        elif how == 2:
            del made[at:]
        elif how == 3:
            del made[at : at + 1 + int(chance.random() * 8)]
        elif how == 4:
            size = chance.choice((1, 2, 4, 8))
            number = chance.choice(_EXTREMES) & (1 << 8 * size) - 1
            made[at : at + size] = number.to_bytes(size, chance.choice(("little", "big")))
        elif how == 5:
            made[at:at] = made[max(0, at - 1 - int(chance.random() * 32)) : at]
        elif how == 6:
            other = chance.choice(others)
            start = int(chance.random() * len(other))
            made[at : at + 16] = other[start : start + 16]
        else:
            made[at:at] = bytes([int(chance.random() * 256)]) * int(chance.random() * 6)
    return bytes(made)


def fuzz(name: str, seed: int, count: int) -> list[str]:
    """Decode many broken bodies; tell of the first that raises, or allocates, what it should not."""
    chance = random.Random(f"{name} {seed}")
    bodies = originals(name)
    for codec, body in bodies:
        codec.decode(body)  # whatever is imported or cached is there before anything is measured
    others = [body for _, body in bodies]
    floor = 1_000_000 + (DECODED_FLOOR if name in COMPRESSED else 0)
    for number in range(count):
        codec, body = chance.choice(bodies)
        body = broken(body, others, chance)
        measured = number % _MEASURE_EVERY == 0
        if measured:
            tracemalloc.start()
        try:
            codec.decode(body)
        except CodecError:
            pass
        except BaseException:  # noqa: BLE001 - that nothing else is raised is the point of this
            return [f"{codec!r}.decode({body!r})\n{traceback.format_exc()}"]
        finally:
            peak = tracemalloc.get_traced_memory()[1] if measured else 0
            tracemalloc.stop()
        if peak > floor + 64 * len(body):
            return [f"{codec!r}.decode({body!r}) allocated {peak:,} bytes"]
    return []
