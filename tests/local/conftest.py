"""Fixtures of the embedded runtime's own tests: boto3 and bare HTTP ask it, never this project's client."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from speaking import Wire

from smrt_jupyter.local import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    """Open the server alone."""
    with Runtime() as opened:
        yield opened


@pytest.fixture
def boto() -> Iterator[Callable[..., Any]]:
    """Make boto3 clients of a runtime that send each request once."""
    with ExitStack() as stack:

        def make(runtime: Runtime, service: str = "sagemaker-runtime", read_timeout: float = 30, **changes: Any) -> Any:
            told = runtime.environ
            keys = {
                "aws_access_key_id": told["AWS_ACCESS_KEY_ID"],
                "aws_secret_access_key": told["AWS_SECRET_ACCESS_KEY"],
                "region_name": told["AWS_REGION"],
                "endpoint_url": runtime.url,
            }
            config = Config(retries={"total_max_attempts": 1}, read_timeout=read_timeout, max_pool_connections=64)
            client = boto3.client(service, config=config, **(keys | changes))
            stack.callback(client.close)
            return client

        yield make


@pytest.fixture
def wire(runtime: Runtime) -> Iterator[Wire]:
    """Speak bare HTTP to the runtime."""
    speaking = Wire(runtime)
    yield speaking
    speaking.http.close()
