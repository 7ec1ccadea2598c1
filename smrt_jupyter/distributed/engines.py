"""Dask, Spark and Ray: how each takes a partition's work, and how it is kept from repeating what has been sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smrt_jupyter import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from smrt_jupyter.distributed.part import Part

BATCH_BYTES = 64 * 1024 * 1024
"""Spark hands out 10,000 rows at a time; so much is gathered of them that there is something to send at once."""


def on_dask(frame: Any, part: Part, *, single: str | None) -> Any:
    """Score a Dask DataFrame, lazily.

    Parameters
    ----------
    frame : dask.dataframe.DataFrame
    part : Part
    single : str, optional
        The one field that is given as a Series.

    Returns
    -------
    dask.dataframe.Series or DataFrame
        With the index and the divisions of the frame.
    """
    import dask.dataframe as dd
    from dask.delayed import delayed

    meta = part.empty(frame._meta.index)  # noqa: SLF001 - Dask has no public name for it
    attempt, settle = delayed(_attempt), delayed(_settle)
    return dd.from_delayed(
        [settle(attempt(part, each), single) for each in frame.to_delayed()],
        meta=meta if single is None else meta[single],
        divisions=frame.divisions if frame.known_divisions else None,
        prefix="smrt-jupyter",
        verify_meta=False,  # the answers' types are checked where they arrive
    )


def _attempt(part: Part, frame: pd.DataFrame) -> pd.DataFrame | errors.SmrtError:
    """Score a partition; its error is a result, so that Dask keeps it and does not score again."""
    try:
        return part(frame)
    except errors.SmrtError as error:
        return error


def _settle(found: pd.DataFrame | errors.SmrtError, single: str | None) -> Any:
    if isinstance(found, errors.SmrtError):
        raise found
    return found if single is None else found[single]


def on_spark(frame: Any, part: Part) -> Any:
    """Score a Spark DataFrame, lazily, through ``mapInPandas``.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
    part : Part

    Returns
    -------
    pyspark.sql.DataFrame
        The rows, with further columns.
    """
    from pyspark.sql import types

    by_kind = {
        "f4": types.FloatType(),
        "f8": types.DoubleType(),
        "i1": types.ByteType(),
        "i2": types.ShortType(),
        "i4": types.IntegerType(),
        "i8": types.LongType(),
        "b1": types.BooleanType(),
    }
    _no_clash(frame.columns, part)
    added = []
    for field, kind in part.fields.items():
        spark_type = types.StringType() if kind is None else by_kind.get(kind.str[1:])
        if spark_type is None:
            raise ValueError(f"Spark has no type for {kind} ({field!r}).")
        added.append(types.StructField(field, spark_type))
    return frame.mapInPandas(SparkTask(part), types.StructType([*frame.schema.fields, *added]))


@dataclass(frozen=True)
class SparkTask:
    """What Spark runs for a partition: batches in, the same rows with their answers out."""

    part: Part

    def __call__(self, batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Score the batches, some of them at a time."""
        note = _note()
        if note is not None and note.exists():
            told = json.loads(note.read_text(encoding="utf-8"))["error"]
            raise errors.SmrtError(f"{told} (An earlier attempt of this task failed for good; this one sent nothing.)")
        try:
            for gathered in _gathered(batches):
                yield from self._scored(gathered)
        except errors.SmrtError as error:
            if note is not None:
                note.write_text(json.dumps({"error": f"{type(error).__name__}: {error}"}), encoding="utf-8")
            raise

    def _scored(self, batches: list[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Score batches together, and give each back as it came: joined columns of text Spark cannot convert."""
        import pandas as pd

        names = list(batches[0].columns if self.part.columns is None else self.part.columns)
        found = self.part(pd.concat([batch[names] for batch in batches], ignore_index=True))
        start = 0
        for batch in batches:
            stop = start + len(batch)
            yield _beside(batch, found.iloc[start:stop])
            start = stop


def _note() -> Path | None:
    """Say where an attempt of this task tells the next ones that it failed for good; each action has its own stages."""
    from pyspark import SparkFiles, TaskContext

    context = TaskContext.get()
    if context is None:
        return None
    return Path(SparkFiles.getRootDirectory()) / f"smrt-jupyter-{context.stageId()}-{context.partitionId()}.json"


def _gathered(batches: Iterable[pd.DataFrame]) -> Iterator[list[pd.DataFrame]]:
    held: list[pd.DataFrame] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += int(batch.memory_usage(index=False).sum())
        if size >= BATCH_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held


def on_ray(frame: Any, part: Part) -> Any:
    """Score a Ray Dataset, lazily, through ``map_batches``.

    Parameters
    ----------
    frame : ray.data.Dataset
    part : Part

    Returns
    -------
    ray.data.Dataset
        The rows, with further columns.
    """
    return frame.map_batches(RayTask(part), batch_size=None, batch_format="pandas")


@dataclass(frozen=True)
class RayTask:
    """What Ray runs for a block."""

    part: Part

    def __call__(self, block: pd.DataFrame) -> pd.DataFrame:
        """Score it."""
        _no_clash(block.columns, self.part)
        return _beside(block, self.part(block))


def _beside(frame: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(**{str(field): found[field].to_numpy() for field in found.columns})


def _no_clash(columns: Iterable[str], part: Part) -> None:
    for name in columns:
        if name in part.fields:
            raise ValueError(f"The table has a column {name!r} already: call the answers otherwise (`name=`).")
