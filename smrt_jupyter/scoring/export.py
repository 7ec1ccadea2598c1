"""What a journal keeps, as a table in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import orjson
import pandas as pd

from smrt_jupyter import answers, codecs
from smrt_jupyter.codecs import adapter
from smrt_jupyter.file_formats import named
from smrt_jupyter.scoring.assembly import Assembly

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

    from smrt_jupyter.scoring.batches import RawReply


def export(
    finished: Callable[[], Iterable[tuple[range, RawReply]]], destination: str | os.PathLike[str], path: str | None
) -> int:
    """Do what `Journal.export` promises.

    Parameters
    ----------
    finished : callable
        Gives what was kept, in row order: `Journal.finished`.
    destination : path-like
    path : str or None

    Returns
    -------
    int
        How many rows were written.
    """
    numbers = [number for rows, _ in finished() for number in rows]
    assembly, start = Assembly(len(numbers)), 0
    for rows, kept in finished():
        reader = codecs.find_reader(kept.content_type)
        value = adapter.decode(reader, kept.body) if reader else kept.body
        part = answers.of_reply(value, len(rows), path, codec=reader, body=kept.body)
        assembly.place(range(start, start + len(rows)), part)
        start += len(rows)
    columns = {name: list(values) for name, values in named(assembly.finish()).items()} if numbers else {}
    whole = pd.DataFrame({"row": np.array(numbers, dtype=np.int64), **columns})
    match Path(destination).suffix.lower():
        case ".csv":
            whole.to_csv(destination, index=False)
        case ".parquet":
            whole.to_parquet(destination, index=False)
        case ".jsonl":
            # Not pandas' own writer: it rounds floats.
            lines = (orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY) for line in whole.to_dict("records"))
            Path(destination).write_bytes(b"".join(line + b"\n" for line in lines))
        case suffix:
            raise ValueError(f"A journal is exported to .csv, .jsonl or .parquet, not to {suffix!r}.")
    return len(whole)
