"""What can be served: a function, an estimator, a file, a name, a folder with hooks, or a container.

Each becomes a `Backend`: one blocking call that takes an `Invocation` and gives a `ContainerReply`. To serve another
kind of model, write a class with `invoke` and `close`, and one line in `open_backend`.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from smrt_jupyter.local import rows
from smrt_jupyter.local.container import ContainerBackend
from smrt_jupyter.local.hooks import PICKLES, HooksBackend
from smrt_jupyter.local.invocation import ContainerError, ContainerReply, Invocation
from smrt_jupyter.local.replies import reply

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """How a model is asked.

    Parameters
    ----------
    method : str, optional
        Which method of an estimator answers; None: ``predict``, or ``transform`` where there is no ``predict``.
    takes : {"frame", "value", "body"}, optional
        What a callable is given: rows as a DataFrame, what the content type decodes to, or the bytes. None: rows where
        the body has some, else the decoded value.
    like : DataFrame, optional
        A table whose columns' names and types the rows get: what CSV and JSON cannot say of dates and categories.
    content_type : str, optional
        Of replies that are bytes, text or a stream.
    """

    method: str | None = None
    takes: Literal["frame", "value", "body"] | None = None
    like: pd.DataFrame | None = None
    content_type: str | None = None


class Backend(Protocol):
    """A model behind an endpoint."""

    def invoke(self, invocation: Invocation) -> ContainerReply:
        """Answer one request, in a worker thread; raise `ContainerError` to choose the status."""

    def close(self) -> None:
        """Give back what the model holds."""


def open_backend(model: object, options: ModelOptions, *, ping_seconds: float) -> Backend:
    """Make a model servable.

    Parameters
    ----------
    model : callable, estimator, path, str or Backend
        See the module.
    options : ModelOptions
        How it is asked.
    ping_seconds : float
        How long a container may take to answer ``/ping``.

    Returns
    -------
    Backend

    Raises
    ------
    ValueError, TypeError, FileNotFoundError
        What cannot be served, and what can.
    """
    if isinstance(model, str) and model.startswith(("http://", "https://")):
        _only(options, (), "a container")
        return ContainerBackend(model, ping_seconds=ping_seconds)
    if isinstance(model, str | Path):
        return _open_name(model, options)
    if callable(getattr(model, "invoke", None)) and callable(getattr(model, "close", None)):
        _only(options, (), "a backend")
        return model  # type: ignore[return-value] # has what the protocol asks for
    if any(hasattr(model, method) for method in ("predict", "transform")):
        _only(options, ("method", "like", "content_type"), "an estimator")
        return EstimatorBackend(model, options)
    if callable(model):
        _only(options, ("takes", "like", "content_type"), "a callable")
        return FunctionBackend(model, options)
    msg = (
        f"{type(model).__name__} cannot be served. Give a callable, a fitted estimator, a path to a joblib or pickle "
        "file, 'module:name', a folder with inference.py, or a container's URL."
    )
    raise TypeError(msg)


def _only(options: ModelOptions, known: tuple[str, ...], what: str) -> None:
    """Refuse an option that would have no effect."""
    unknown = [field.name for field in fields(options) if field.name not in known]
    given = [name for name in unknown if getattr(options, name) is not None]
    if given:
        msg = f"{what} is served without {', '.join(given)}: that would have no effect."
        raise ValueError(msg)


def _open_name(model: str | Path, options: ModelOptions) -> Backend:
    path = Path(model).expanduser()
    if path.is_dir():
        _only(options, (), "a folder with inference.py")
        return HooksBackend(path)
    if path.is_file() and path.suffix in PICKLES:
        # The one place where anything is unpickled: the user's own file, named by the user.
        import joblib

        return open_backend(joblib.load(path), options, ping_seconds=0.0)
    module, colon, name = str(model).partition(":")
    if path.exists() or not colon or not all(part.isidentifier() for part in [*module.split("."), *name.split(".")]):
        msg = (
            f"{str(model)!r} is no model: give a file ({', '.join(PICKLES)}), a folder with inference.py, "
            "'module:name' or 'http://host:port'."
        )
        raise FileNotFoundError(msg)
    return open_backend(_import(module, name), options, ping_seconds=0.0)


def _import(module: str, name: str) -> object:
    here = str(Path.cwd())
    added = here not in sys.path
    if added:  # a console script does not have the working directory there, and `python -m` does
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        msg = f"Could not import {name!r} from {module!r}: {error}"
        raise ValueError(msg) from error
    finally:
        if added:
            sys.path.remove(here)
    return found


class FunctionBackend:
    """Serves a callable, or a generator function that streams.

    Parameters
    ----------
    call : callable
        Takes the data, and the `Invocation` under that name where its signature has it.
    options : ModelOptions
        How it is asked.
    """

    def __init__(self, call: Callable[..., Any], options: ModelOptions) -> None:
        self._call = call
        self._options = options
        self._coroutine = inspect.iscoroutinefunction(call)
        try:
            self._wants_invocation = "invocation" in inspect.signature(call).parameters
        except (TypeError, ValueError):  # some built-in callables have no signature
            self._wants_invocation = False
        if inspect.isasyncgenfunction(call):
            msg = f"{call.__name__} is an asynchronous generator; a generator function (def, yield) streams."
            raise TypeError(msg)

    def invoke(self, invocation: Invocation) -> ContainerReply:
        """Ask the callable."""
        data, count = self._data(invocation)
        extra = {"invocation": invocation} if self._wants_invocation else {}
        given = self._call(data, **extra)
        if self._coroutine:
            given = asyncio.run(given)
        return reply(given, invocation, rows_given=count, content_type=self._options.content_type)

    def close(self) -> None:
        """Hold nothing."""

    def _data(self, invocation: Invocation) -> tuple[object, int | None]:
        """Read what the callable takes, and how many rows that is."""
        if self._options.takes == "body":
            return invocation.body, None
        value = rows.decode(invocation.body, invocation.content_type)
        frame = None if self._options.takes == "value" else rows.as_frame(value, like=self._options.like)
        if frame is not None:
            return frame, len(frame)
        if self._options.takes == "frame":
            raise ContainerError(415, _no_rows(invocation))
        return value, None


class EstimatorBackend:
    """Serves a fitted estimator: scikit-learn's, or anything with ``predict``.

    Parameters
    ----------
    estimator : object
        Fitted.
    options : ModelOptions
        Which method answers, and the columns' types.
    """

    def __init__(self, estimator: Any, options: ModelOptions) -> None:
        method = options.method or ("predict" if hasattr(estimator, "predict") else "transform")
        if not hasattr(estimator, method):
            msg = f"{type(estimator).__name__} has no method {method!r}."
            raise ValueError(msg)
        self._ask = getattr(estimator, method)
        self._options = options
        names = getattr(estimator, "feature_names_in_", None)
        self._names: list[str] | None = None if names is None else list(names)
        self._width: int | None = getattr(estimator, "n_features_in_", None)

    def invoke(self, invocation: Invocation) -> ContainerReply:
        """Ask the estimator."""
        value = rows.decode(invocation.body, invocation.content_type)
        frame = rows.as_frame(value, self._names, self._options.like)
        if frame is None:
            raise ContainerError(415, _no_rows(invocation))
        if frame.shape[1] == 1 and self._width not in (None, 1) and len(frame) == self._width:
            # One flat list is one row, where only that fits: the scikit-learn container does the same.
            frame = rows.as_frame(frame.to_numpy().reshape(1, -1), self._names, self._options.like)
            assert frame is not None  # noqa: S101 - a 2-D array always is a table
        if self._names is None and self._options.like is None:
            # Fitted without names: it wants an array, and would warn about any name.
            answers = self._ask(value if hasattr(value, "tocsr") else frame.to_numpy())
        else:
            answers = self._ask(frame)
        return reply(answers, invocation, rows_given=len(frame), content_type=self._options.content_type)

    def close(self) -> None:
        """Hold nothing."""


def _no_rows(invocation: Invocation) -> str:
    told = invocation.content_type or "no content type"
    return f"Unsupported content type: {told} holds no rows. Send text/csv, application/json or application/x-npy."
