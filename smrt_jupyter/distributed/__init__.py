"""The same call on a Dask DataFrame, a Spark DataFrame and a Ray Dataset, through those engines' own scheduling.

``endpoint.predict(frame)`` and ``RemoteRegressor("churn").predict(frame)`` take them too. The result is lazy: it asks
the endpoint when the engine is asked for rows, and again each time that it is (``persist`` or ``cache`` what you use
twice). Nothing is asked to find out what comes back: `predict` is told, by `answer`.

Dask keeps the index, so the answers come alone, with the same index and partitions. Spark and Ray have none: there the
answers come as further columns of the rows.

*Concurrency is per worker process.* A worker scores one partition at a time, with ``Policy.concurrency`` requests in
flight, found while running where it is None. With 8 workers and ``Policy(concurrency=4)`` the endpoint sees 32.

*The engine's retries do not multiply ours.* When a partition fails, `Policy` has retried what is worth it, so:

* Dask: scoring a partition and raising its error are two tasks. ``compute(retries=...)`` repeats the second, which
  sends nothing.
* Spark: an attempt of a task that failed for good leaves a note among the executor's files; the attempts after it raise
  the same error and send nothing. An executor on another machine does not see the note; with ``on_error="return"`` no
  task fails.
* Ray does not retry exceptions.

A worker that dies takes its partition's answers along, and the engine scores the partition again; a `journal` keeps
what was finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from smrt_jupyter.distributed import engines
from smrt_jupyter.distributed.part import Method, Part, Scorer
from smrt_jupyter.distributed.typed import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smrt_jupyter.distributed.part import Asked
    from smrt_jupyter.distributed.typed import Kind

__all__ = ["NUMBER", "Answer", "Method", "apply", "engine_of", "predict"]

Answer = str | type | np.dtype[Any] | Mapping[str, str | type | np.dtype[Any]]

NUMBER = np.dtype(np.float64)
NAME = "prediction"

_ENGINES: dict[tuple[str, str], Literal["dask", "spark", "ray"]] = {
    ("dask", "DataFrame"): "dask",
    ("pyspark", "DataFrame"): "spark",
    ("ray", "Dataset"): "ray",
    ("ray", "MaterializedDataset"): "ray",
}


def engine_of(frame: object) -> Literal["dask", "spark", "ray"] | None:
    """Name the engine that a frame belongs to, without importing any.

    Parameters
    ----------
    frame : object

    Returns
    -------
    {"dask", "spark", "ray"} or None

    Examples
    --------
    >>> engine_of([[1, 2]])
    """
    kind = type(frame)
    return _ENGINES.get((kind.__module__.partition(".")[0], kind.__name__))


def predict(  # noqa: PLR0913 - each is one thing to say
    endpoint: Asked,
    frame: Any,
    *,
    answer: Answer = NUMBER,
    name: str = NAME,
    columns: Sequence[str] | None = None,
    journal: Any = None,
    progress: bool | None = None,
    on_error: str = "raise",
    **options: Any,
) -> Any:
    """Score a frame where its partitions are.

    Parameters
    ----------
    endpoint : Endpoint
        It travels to the workers as a plain value; they find credentials and region as any process there does.
    frame : dask.dataframe.DataFrame, pyspark.sql.DataFrame or ray.data.Dataset
    answer : dtype, or mapping of str to dtype, default=float64
        What comes back for a row: one number, truth value or text (``"string"``), or several fields by name.
    name : str, default="prediction"
        What one answer a row is called.
    columns : sequence of str, optional
        The columns to send, in the model's order. None: all.
    journal : path-like, optional
        A folder, shared by the workers, in which each partition keeps its finished chunks.
    progress : bool, optional
        True is refused: the engine shows its own.
    on_error : {"raise", "return"}, default="raise"
        Whether a row that failed fails the computation, or is missing and explained in a column ``<name>_error``.
    **options
        What else `Endpoint.predict` takes.

    Returns
    -------
    dask Series or DataFrame, Spark DataFrame or Ray Dataset

    Examples
    --------
    >>> import dask.dataframe as dd, pandas as pd
    >>> from smrt_jupyter import LocalRuntime, distributed
    >>> frame = dd.from_pandas(pd.DataFrame({"a": [1.5, 2.0, 3.0]}, index=["x", "y", "z"]), npartitions=2)
    >>> with LocalRuntime() as runtime:
    ...     twice = runtime.deploy("twice", lambda frame: 2 * frame[0])
    ...     distributed.predict(twice, frame).compute()
    x    3.0
    y    4.0
    z    6.0
    Name: prediction, dtype: float64
    """
    if progress:
        raise ValueError(f"{engine_of(frame) or 'The engine'} shows its own progress: say progress=None.")
    scorer = Scorer(endpoint, on_error, journal, options)
    return apply(frame, scorer, answer=answer, name=name, columns=columns)


def apply(
    frame: Any,
    model: Scorer | Method,
    *,
    answer: Answer = NUMBER,
    name: str = NAME,
    columns: Sequence[str] | None = None,
) -> Any:
    """Run a model over the partitions of a frame.

    Parameters
    ----------
    frame : dask.dataframe.DataFrame, pyspark.sql.DataFrame or ray.data.Dataset
    model : Scorer or Method
        What a worker does with a pandas DataFrame.
    answer, name, columns
        As for `predict`.

    Returns
    -------
    dask Series or DataFrame, Spark DataFrame or Ray Dataset

    Raises
    ------
    ValueError
        When an answer's type cannot say what is asked of it.
    TypeError
        For any other table.
    """
    several = isinstance(answer, Mapping)
    told: Mapping[str, Kind] = answer if isinstance(answer, Mapping) else {name: answer}
    kinds = {str(field): kind_of(kind) for field, kind in told.items()}
    error_field = None
    if model.tells_errors:
        for field, kind in kinds.items():
            if kind is not None and kind.kind != "f":
                raise ValueError(f"{field!r} cannot be missing as {kind}: with on_error='return' say 'float64'.")
        error_field = f"{name}_error"
    engine = engine_of(frame)
    if columns is not None and engine in {"dask", "spark"}:  # Ray would have to run something to know
        missing = [name for name in columns if name not in frame.columns]
        if missing:
            raise ValueError(f"The table has no column {', '.join(map(repr, missing))}.")
    part = Part(model, kinds, error_field, None if columns is None else tuple(columns))
    match engine:
        case "dask":
            return engines.on_dask(frame, part, single=None if several or error_field else name)
        case "spark":
            return engines.on_spark(frame, part)
        case "ray":
            return engines.on_ray(frame, part)
    raise TypeError(f"{type(frame).__name__} is no Dask DataFrame, Spark DataFrame or Ray Dataset.")
