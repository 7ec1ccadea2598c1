"""The embedded runtime: the server side of the protocol. It never imports the client; they meet on the socket.

The extra ``[local]`` brings what it needs: starlette and uvicorn to serve, httpx to reach containers, moto for S3. The
names are loaded when they are first used, so that a `Faults` can be made without a server.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smrt_jupyter.local.faults import Faults
    from smrt_jupyter.local.invocation import ContainerError, Invocation, ModelReply
    from smrt_jupyter.local.limits import Limits
    from smrt_jupyter.local.runtime import Runtime

_HOME = {
    "ContainerError": "invocation",
    "Faults": "faults",
    "Invocation": "invocation",
    "Limits": "limits",
    "ModelReply": "invocation",
    "Runtime": "runtime",
}

__all__ = ["ContainerError", "Faults", "Invocation", "Limits", "ModelReply", "Runtime"]

if not TYPE_CHECKING:  # a type checker that saw this would take any name for a public one

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
        return value
