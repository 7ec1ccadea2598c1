"""Where the threads of a run are, as the operating system tells it."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from smrt_jupyter import Policy, scoring
from smrt_jupyter.scoring.journal import Kept
from smrt_jupyter.scoring.processor import SMALL

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a thread be told where to run")

CHUNKS = 32


class Witness:
    """Notes, for each step of a run, on which processors its thread might be."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.seen: dict[str, set[frozenset[int]]] = {"write": set(), "send": set(), "read": set()}
        self.all_at_once = threading.Barrier(8)

    def note(self, step: str) -> None:
        self.seen[step].add(frozenset(os.sched_getaffinity(0)))

    def write(self, _start: int, _stop: int) -> bytes:
        self.note("write")
        return bytes(self.size)

    def send(self, body: bytes, *_: object) -> Kept:
        self.all_at_once.wait(timeout=60)
        self.note("send")
        return Kept(body, "application/octet-stream")

    def read(self, _: object, rows: range) -> np.ndarray[Any, Any]:
        self.note("read")
        return np.zeros(len(rows))

    def run(self) -> dict[str, set[frozenset[int]]]:
        found, _ = scoring.score(
            CHUNKS, self.write, self.send, self.read, policy=Policy(chunk_rows=1, concurrency=8, chunk_bytes=None)
        )
        assert len(found) == CHUNKS
        return self.seen


def everywhere() -> set[frozenset[int]]:
    return {frozenset(os.sched_getaffinity(0))}


def test_small_bodies_are_sent_from_one_processor_and_all_else_is_done_on_any() -> None:
    seen = Witness(400).run()
    (where,) = seen["send"]
    assert len(where) == 1
    assert where <= next(iter(everywhere()))
    assert seen["write"] == seen["read"] == everywhere()


def test_large_bodies_are_sent_from_any_processor() -> None:
    seen = Witness(SMALL + 1).run()
    assert seen["send"] == seen["write"] == seen["read"] == everywhere()


def test_a_thread_that_fails_to_send_may_run_anywhere_again() -> None:
    """The thread that takes the next chunk is the one whose request failed."""
    seen: list[frozenset[int]] = []

    def write(start: int, _: int) -> bytes:
        seen.append(frozenset(os.sched_getaffinity(0)))
        return bytes(400 + start)

    def send(body: bytes, *_: object) -> Kept:
        raise OSError("no network")

    with pytest.raises(OSError, match="no network"):
        scoring.score(4, write, send, lambda _, rows: np.zeros(len(rows)), policy=Policy(chunk_rows=1, concurrency=1))
    assert set(seen) == everywhere()


@pytest.mark.parametrize("refusal", [PermissionError(1, "Operation not permitted"), OSError(22, "Invalid argument")])
def test_a_machine_that_forbids_it_answers_all_the_same(monkeypatch: pytest.MonkeyPatch, refusal: OSError) -> None:
    def forbidden(*_: object) -> Callable[..., None]:
        raise refusal

    monkeypatch.setattr(os, "sched_setaffinity", forbidden)
    seen = Witness(400).run()
    assert seen["send"] == everywhere()
