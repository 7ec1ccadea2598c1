"""What a worker does with a partition, whichever engine the worker is of."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from smrt_jupyter import errors
from smrt_jupyter.distributed import typed
from smrt_jupyter.scoring import fingerprint
from smrt_jupyter.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from smrt_jupyter.scoring.report import RunReport

_turn = threading.Lock()
"""Held while a worker process scores a partition: what is in flight is then what `Policy` says, on many threads too."""


class Asked(Protocol):
    """What is needed of an `Endpoint`."""

    @property
    def score(self) -> Callable[..., tuple[Any, RunReport]]:
        """Scores a table."""


@dataclass(frozen=True)
class Scorer:
    """An endpoint, as a worker uses it."""

    endpoint: Asked
    on_error: str
    journal: Any
    options: Mapping[str, Any]

    @property
    def tells_errors(self) -> bool:
        """Whether failed rows are explained in a column of their own."""
        return self.on_error == "return"

    def __call__(self, frame: pd.DataFrame) -> tuple[Any, Sequence[errors.SmrtError]]:
        """Score a partition, and say what failed."""
        journal = None if self.journal is None else journal_of(self.journal, frame)
        try:
            found, report = self.endpoint.score(
                frame, journal=journal, progress=False, on_error=self.on_error, **self.options
            )
        except errors.SmrtError as error:  # one that met every row, so that there is nothing to return
            if not self.tells_errors:
                raise
            return np.full(len(frame), np.nan), [error]
        return found, report.errors


@dataclass(frozen=True)
class Method:
    """A method of an estimator, as a worker uses it."""

    estimator: Any
    name: str

    tells_errors: ClassVar[bool] = False

    def __call__(self, frame: pd.DataFrame) -> tuple[Any, Sequence[errors.SmrtError]]:
        """Ask the estimator about a partition; several threads may share it, so its journal is set on a copy."""
        from copy import copy

        own = copy(self.estimator)
        own.progress = False
        if own.journal is not None:
            own.journal = journal_of(own.journal, frame)
        return getattr(own, self.name)(frame), ()


@dataclass(frozen=True)
class Part:
    """What a worker does with one partition.

    Attributes
    ----------
    model : Scorer or Method
        Answers for a pandas DataFrame.
    kinds : mapping of str to dtype or None
        The fields that come back; None is text.
    error_field : str, optional
        The field that says why a row has no answer.
    columns : tuple of str, optional
        What is sent.
    """

    model: Scorer | Method
    kinds: Mapping[str, np.dtype[Any] | None]
    error_field: str | None
    columns: tuple[str, ...] | None

    @property
    def fields(self) -> dict[str, np.dtype[Any] | None]:
        """All that comes back, by name."""
        return {**self.kinds, **({} if self.error_field is None else {self.error_field: None})}

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Score it; a partition without rows sends nothing."""
        if len(frame) == 0:
            return self.empty(frame.index)
        with _turn:
            found, failed = self.model(frame if self.columns is None else frame[list(self.columns)])
        reasons = _reasons(failed, len(frame))
        if None not in reasons and len(self.kinds) > 1 and np.ndim(found) == 1:  # nothing came, so no field has a name
            found = np.full((len(frame), len(self.kinds)), np.nan)
        told = typed.frame_of(found, self.kinds, frame.index)
        if self.error_field is not None:
            told[self.error_field] = typed.text(reasons, frame.index)
        return told

    def empty(self, index: pd.Index[Any]) -> pd.DataFrame:
        """Give the form of what comes back, without a row."""
        import pandas as pd

        none = index[:0]
        columns: dict[str, Any] = {field: np.empty(0, kind) for field, kind in self.fields.items() if kind is not None}
        columns |= {field: typed.text([], none) for field, kind in self.fields.items() if kind is None}
        return pd.DataFrame(columns, index=none)[list(self.fields)]


def journal_of(folder: Any, frame: pd.DataFrame) -> Path:
    """Name a partition's journal after its content, which is the same whichever worker scores it.

    Parameters
    ----------
    folder : path-like
    frame : DataFrame

    Returns
    -------
    Path
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    about = json.dumps(fingerprint.of_table(Table.of(frame)), sort_keys=True)
    return Path(folder) / f"{hashlib.blake2b(about.encode(), digest_size=16).hexdigest()}.sqlite"


def _reasons(failed: Sequence[errors.SmrtError], rows: int) -> list[str | None]:
    told: list[str | None] = [None] * rows
    for error in failed:
        for row in getattr(error, "rows", None) or range(rows):
            told[row] = f"{type(error).__name__}: {error}"
    return told
