"""A policy that cannot be meant is refused when it is made."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from smrt_jupyter import Policy

WHOLE = ("attempts", "concurrency", "concurrency_max", "chunk_rows", "chunk_bytes", "payload_limit")
SECONDS = ("wait_initial", "wait_max", "wait_for_capacity", "connect_timeout", "read_timeout")


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [1.5, "5", math.nan, True, [1], 2.0])
def test_what_is_counted_is_a_whole_number(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be a whole number, not "):
        Policy(**{name: value})


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", ["5", math.nan, True, None, 1j])
def test_seconds_are_a_number(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be a number, not "):
        Policy(**{name: value})


@pytest.mark.parametrize("name", ["retry_read_timeout", "retry_model_errors"])
@pytest.mark.parametrize("value", ["no", 1, None])
def test_a_switch_is_on_or_off(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be True or False, not "):
        Policy(**{name: value})


@pytest.mark.parametrize("name", [*WHOLE, *SECONDS])
def test_nothing_is_below_zero(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be (above|at least) 0, not -1$"):
        Policy(**{name: -1})


@pytest.mark.parametrize("name", ["connect_timeout", "read_timeout", "wait_initial"])
def test_a_socket_cannot_wait_for_ever(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be a number of seconds, not inf"):
        Policy(**{name: math.inf})


def test_what_can_be_meant_is_taken() -> None:
    policy = Policy(attempts=np.int64(3), wait_max=0, wait_for_capacity=math.inf, read_timeout=5, chunk_rows=None)
    assert policy.wait(3) == 0
    assert Policy().chunk_rows is None
