"""Where the threads of a run are, as the operating system tells it."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from smrt_jupyter import Policy, scoring
from smrt_jupyter.scoring import processor
from smrt_jupyter.scoring.journal import Kept

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a thread be told where to run")

CHUNKS = 304
AT_ONCE = 4  # a run never has fewer requests in flight for a queue that it believes to see


class Witness:
    """Notes, for each step of a run, on which processors its thread might be."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = sizes
        self.seen: dict[str, set[frozenset[int]]] = {"write": set(), "send": set(), "read": set()}
        self.together = threading.Barrier(AT_ONCE)

    def note(self, step: str) -> None:
        self.seen[step].add(frozenset(os.sched_getaffinity(0)))

    def write(self, start: int, _: int) -> bytes:
        self.note("write")
        return bytes(self.sizes[start % len(self.sizes)])

    def send(self, body: bytes, *_: object) -> Kept:
        self.together.wait(timeout=60)
        self.note("send")
        return Kept(body, "application/octet-stream")

    def read(self, _: object, rows: range) -> np.ndarray[Any, Any]:
        self.note("read")
        return np.zeros(len(rows))

    def run(self) -> dict[str, set[frozenset[int]]]:
        found, _ = scoring.score(CHUNKS, self.write, self.send, self.read, policy=Policy(chunk_rows=1))
        assert len(found) == CHUNKS
        return self.seen


@pytest.fixture(autouse=True)
def _the_choice_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "FOR", float("inf"))


def everywhere() -> set[frozenset[int]]:
    return {frozenset(os.sched_getaffinity(0))}


def test_small_bodies_are_sent_from_one_processor_and_all_else_is_done_on_any() -> None:
    seen = Witness(400).run()
    (where,) = seen["send"]
    assert len(where) == 1
    assert where <= next(iter(everywhere()))
    assert seen["write"] == seen["read"] == everywhere()


def test_large_bodies_are_sent_from_any_processor() -> None:
    seen = Witness(processor.SMALL + 1).run()
    assert seen["send"] == seen["write"] == seen["read"] == everywhere()


def test_small_bodies_among_large_ones_keep_no_thread_on_their_processor() -> None:
    seen = Witness(400, processor.SMALL + 1).run()
    assert seen["send"] >= everywhere()
    assert seen["write"] == seen["read"] == everywhere()


def test_the_system_is_asked_for_a_processor_anew_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "FOR", 0.0)
    assert Witness(400).run()["send"] == everywhere()


def test_a_system_that_does_not_tell_any_more_loses_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does whose process may open no more files."""
    monkeypatch.setattr(processor, "FOR", 0.0)

    class Fails(Witness):
        def send(self, body: bytes, *_: object) -> Kept:
            monkeypatch.setattr(processor, "STATUS", Path("/proc/there/is/none"))
            return super().send(body)

    Fails(400).run()


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
