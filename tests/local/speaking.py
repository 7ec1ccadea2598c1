"""Bare HTTP to a runtime, and the simplest model: what several of these tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

if TYPE_CHECKING:
    from smrt_jupyter.local import Runtime


def echo(body: bytes) -> bytes:
    """Answer with what was asked."""
    return body


class Wire:
    """Bare HTTP to a runtime, signed by botocore, so that a test sees what no SDK shows."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.http = httpx.Client(base_url=runtime.url, trust_env=False, timeout=30)

    def signed(self, path: str, body: bytes = b"", **headers: str) -> httpx.Request:
        """Make a request to sagemaker that is good as it is."""
        told = self.runtime.environ
        request = AWSRequest("POST", self.runtime.url + path, headers=headers, data=body)
        keys = Credentials(told["AWS_ACCESS_KEY_ID"], told["AWS_SECRET_ACCESS_KEY"])
        SigV4Auth(keys, "sagemaker", self.runtime.region).add_auth(request)
        return self.http.build_request("POST", path, content=body, headers=dict(request.headers.items()))

    def send(self, path: str, body: bytes = b"", **headers: str) -> httpx.Response:
        """Send such a request."""
        return self.http.send(self.signed(path, body, **headers))
