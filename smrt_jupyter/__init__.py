"""The notebook and scikit-learn face of Amazon SageMaker endpoints.

Every public name is here and is loaded when it is first used, so ``import smrt_jupyter`` alone costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from smrt_jupyter.errors import (
    AccessDenied,
    AnswerError,
    AsyncInferenceError,
    CodecError,
    ConnectionFailed,
    CredentialsError,
    EndpointNotFound,
    Interrupted,
    InvokeError,
    JournalError,
    ModelError,
    ModelNotReady,
    OptionError,
    PartialResultError,
    PayloadTooLarge,
    ServiceError,
    SmrtError,
    StreamError,
    Throttled,
    TimedOut,
    ValidationFailed,
)

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from smrt_jupyter.async_inference import AsyncInference
    from smrt_jupyter.codecs import Codec, register_codec
    from smrt_jupyter.endpoint import Endpoint
    from smrt_jupyter.estimator import RemoteClassifier, RemoteEstimator, RemoteRegressor, RemoteTransformer
    from smrt_jupyter.files import predict_file
    from smrt_jupyter.local_runtime import LocalRuntime
    from smrt_jupyter.panel import EndpointPanel
    from smrt_jupyter.policy import Policy
    from smrt_jupyter.reply import Reply
    from smrt_jupyter.scoring.report import RunReport
    from smrt_jupyter.stream import ReplyStream

_HOME = {
    "AsyncInference": "async_inference",
    "Codec": "codecs",
    "Endpoint": "endpoint",
    "EndpointPanel": "panel",
    "LocalRuntime": "local_runtime",
    "Policy": "policy",
    "RemoteClassifier": "estimator",
    "RemoteEstimator": "estimator",
    "RemoteRegressor": "estimator",
    "RemoteTransformer": "estimator",
    "Reply": "reply",
    "ReplyStream": "stream",
    "RunReport": "scoring.report",
    "predict_file": "files",
    "register_codec": "codecs",
}

__all__ = [
    "AccessDenied",
    "AnswerError",
    "AsyncInference",
    "AsyncInferenceError",
    "Codec",
    "CodecError",
    "ConnectionFailed",
    "CredentialsError",
    "Endpoint",
    "EndpointNotFound",
    "EndpointPanel",
    "Interrupted",
    "InvokeError",
    "JournalError",
    "LocalRuntime",
    "ModelError",
    "ModelNotReady",
    "OptionError",
    "PartialResultError",
    "PayloadTooLarge",
    "Policy",
    "RemoteClassifier",
    "RemoteEstimator",
    "RemoteRegressor",
    "RemoteTransformer",
    "Reply",
    "ReplyStream",
    "RunReport",
    "ServiceError",
    "SmrtError",
    "StreamError",
    "Throttled",
    "TimedOut",
    "ValidationFailed",
    "predict_file",
    "register_codec",
]


if not TYPE_CHECKING:  # a type checker that saw this would take any name for a public one

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            return version("smrt-jupyter")
        if name not in _HOME:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Put ``%sagemaker`` and ``%%sagemaker`` into a shell: ``%load_ext smrt_jupyter``."""
    from smrt_jupyter import magic

    magic.load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take them out again, with their completion: ``%unload_ext smrt_jupyter``."""
    from smrt_jupyter import magic

    magic.unload(shell)
