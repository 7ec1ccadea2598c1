"""The embedded runtime: the server side of the protocol. It never imports the client; they meet on the socket.

The extra ``[local]`` brings what it needs: starlette and uvicorn to serve, httpx to reach containers, moto for S3.
"""

from __future__ import annotations

from smrt_jupyter.local.faults import Faults
from smrt_jupyter.local.invocation import ContainerError, Invocation, ModelReply
from smrt_jupyter.local.limits import Limits
from smrt_jupyter.local.runtime import Runtime

__all__ = ["ContainerError", "Faults", "Invocation", "Limits", "ModelReply", "Runtime"]
