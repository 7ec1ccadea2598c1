"""A folder with SageMaker's ``inference.py``: the hooks that its containers call, and what they do without them."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from typing import TYPE_CHECKING, Any

from smrt_jupyter.local import rows
from smrt_jupyter.local.invocation import ContainerError, ContainerReply, Invocation
from smrt_jupyter.local.replies import reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

PICKLES = (".joblib", ".pkl", ".pickle")
HOOKS = ("model_fn", "input_fn", "predict_fn", "output_fn", "transform_fn")


class HooksBackend:
    """Serves a model folder as the framework containers do.

    ``model_fn(model_dir)`` loads the model once; for each request ``input_fn(body, content_type)``,
    ``predict_fn(data, model)`` and ``output_fn(prediction, accept)`` run, or ``transform_fn(model, body, content_type,
    accept)`` alone. A hook that is missing does what the containers' own does, and a hook with one parameter more
    gets the `Invocation` as its context.

    Parameters
    ----------
    folder : Path
        With ``inference.py`` or ``code/inference.py``, beside the model's files.
    """

    def __init__(self, folder: Path) -> None:
        scripts = [path for path in (folder / "code" / "inference.py", folder / "inference.py") if path.is_file()]
        if not scripts:
            msg = f"{folder} has neither inference.py nor code/inference.py."
            raise FileNotFoundError(msg)
        self._module = _load(scripts[0])
        hooks = {name: getattr(self._module, name, None) for name in HOOKS}
        if hooks["transform_fn"] and any(hooks[name] for name in ("input_fn", "predict_fn", "output_fn")):
            msg = f"{scripts[0]} has transform_fn and a hook that it replaces: keep one way."
            raise ValueError(msg)
        self._transform: Callable[..., Any] | None = hooks["transform_fn"]
        self._input: Callable[..., Any] = hooks["input_fn"] or default_input
        self._predict: Callable[..., Any] = hooks["predict_fn"] or default_predict
        self._output: Callable[..., Any] = hooks["output_fn"] or default_output
        self._model = _call(hooks["model_fn"] or default_model, str(folder), context=None)

    def invoke(self, invocation: Invocation) -> ContainerReply:
        """Run the hooks."""
        kind = invocation.content_type or rows.JSON
        accept = invocation.accept if invocation.accept not in (None, "", "*/*") else rows.JSON
        body: Any = invocation.body
        if _is_text(kind):
            body = invocation.body.decode()  # the containers hand text as text
        if self._transform:
            given = _call(self._transform, self._model, body, kind, accept, context=invocation)
        else:
            data = _call(self._input, body, kind, context=invocation)
            answers = _call(self._predict, data, self._model, context=invocation)
            given = _call(self._output, answers, accept, context=invocation)
        if isinstance(given, tuple):
            given, accept = given
        return reply(given, invocation, content_type=accept)

    def close(self) -> None:
        """Forget the module."""
        sys.modules.pop(self._module.__name__, None)


def default_model(model_dir: str) -> object:
    """Load the one joblib or pickle file of the folder: the user's own, as everything in it."""
    import pathlib

    import joblib

    found = [path for path in sorted(pathlib.Path(model_dir).iterdir()) if path.suffix in PICKLES]
    if len(found) != 1:
        kinds = ", ".join(PICKLES)
        msg = f"{model_dir} has {len(found)} files of {kinds}: write model_fn(model_dir) to load the model."
        raise ValueError(msg)
    return joblib.load(found[0])


def default_input(body: bytes | str, content_type: str) -> object:
    """Decode to an array where there are rows, as the containers do."""
    raw = body.encode() if isinstance(body, str) else body
    value = rows.decode(raw, content_type)
    if isinstance(value, bytes):
        raise ContainerError(415, f"Content type {content_type} is not supported by this framework.")
    frame = rows.as_frame(value)
    return value if frame is None else frame.to_numpy()


def default_predict(data: object, model: Any) -> object:
    """Ask ``model.predict``, or the model itself."""
    return model.predict(data) if hasattr(model, "predict") else model(data)


def default_output(prediction: Any, accept: str) -> tuple[bytes, str]:
    """Encode: JSON as the bare list that the containers' own hook writes."""
    if rows.JSON in accept and hasattr(prediction, "tolist"):
        prediction = prediction.tolist()
    return rows.encode(prediction, accept=accept, content_type=None, tabular=hasattr(prediction, "shape"))


def _is_text(content_type: str) -> bool:
    essence = content_type.partition(";")[0].strip().lower()
    return essence.startswith("text/") or essence in (rows.JSON, "application/jsonlines")


def _call(hook: Callable[..., Any], *arguments: Any, context: object) -> Any:
    """Call a hook, with the context as a last argument where it takes one more."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    takes = sum(parameter.kind in positional for parameter in inspect.signature(hook).parameters.values())
    return hook(*arguments, context) if takes > len(arguments) else hook(*arguments)


def _load(script: Path) -> ModuleType:
    """Import the script under a name of its own: two folders may both have an ``inference``."""
    name = f"smrt_jupyter_inference_{hashlib.sha256(str(script.resolve()).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, script)
    assert spec is not None  # noqa: S101 - a path that ends in .py always has one
    assert spec.loader is not None  # noqa: S101 - likewise
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(script.parent))  # the script may import its neighbours
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(script.parent))
    return module
