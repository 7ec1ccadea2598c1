"""Ctrl-C at any moment of a run: it ends, and everything that was answered is in the error."""

from __future__ import annotations

import random
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from smrt_jupyter import errors
from smrt_jupyter.policy import Policy
from smrt_jupyter.scoring import score, score_batches
from smrt_jupyter.scoring.batches import Batch
from smrt_jupyter.scoring.journal import Kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smrt_jupyter.answers import Answers

pytestmark = pytest.mark.usefixtures("python_meets_ctrl_c")

ROWS = 400
CHUNK = 4
TABLE = np.arange(ROWS, dtype=float)


def write(start: int, stop: int) -> bytes:
    return TABLE[start:stop].tobytes()


def read(reply: Kept, _rows: range) -> Answers:
    return np.frombuffer(reply.body)


def press() -> None:
    # To the main thread: of a signal to the process the system may choose the thread, and prefers this one.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


class Pressing:
    """Answers, and presses Ctrl-C at one request."""

    def __init__(self, at: int) -> None:
        self.at, self.requests, self.lock = at, 0, threading.Lock()

    def __call__(self, body: bytes, *_: object) -> Kept:
        with self.lock:
            self.requests += 1
            now = self.requests == self.at
        if now:
            press()
        time.sleep(0.0003)
        return Kept(body, "application/octet-stream")


def test_whenever_ctrl_c_is_pressed_the_run_is_interrupted_and_holds_what_was_answered() -> None:
    """As a `KeyboardInterrupt` it met the inside of a lock in one run of fifty."""
    chance = random.Random(8)
    for _ in range(300):
        send = Pressing(chance.randrange(1, ROWS // CHUNK + 1))
        with pytest.raises(errors.Interrupted) as stopped:
            score(ROWS, write, send, read, policy=Policy(chunk_rows=CHUNK))
        partial = np.asarray(stopped.value.partial)
        gone = np.isnan(partial)
        assert np.array_equal(partial[~gone], TABLE[~gone])
        assert np.array_equal(np.flatnonzero(gone), stopped.value.failed_rows)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_in_the_last_moment_is_not_swallowed() -> None:
    """In a loop of many predictions the user would have to press again."""

    def read_and_press(reply: Kept, rows: range) -> Answers:
        if rows.stop == ROWS:
            press()
        return read(reply, rows)

    with pytest.raises(errors.Interrupted) as stopped:
        score(ROWS, write, Pressing(0), read_and_press, policy=Policy(chunk_rows=ROWS))
    assert np.array_equal(np.asarray(stopped.value.partial), TABLE)


def test_a_second_ctrl_c_ends_what_the_first_waits_for() -> None:
    """A batch that is read from somewhere slow keeps the caller's thread."""
    reading, noted, never = threading.Event(), threading.Event(), threading.Event()
    met: list[int] = []

    def batches() -> Iterator[Batch]:
        yield Batch(range(ROWS), write, read)
        reading.set()
        for _ in range(600):
            if met:
                noted.set()  # for the handler is done when this thread comes here again
            never.wait(0.1)  # not all in one: a signal that comes in the instant before a wait is met after it

    def handler(number: int, frame: Any) -> None:
        met.append(number)
        signal.default_int_handler(number, frame)

    def press_twice() -> None:
        reading.wait()
        press()
        noted.wait()  # else the system may make one of the two
        press()

    before = signal.signal(signal.SIGINT, handler)
    insisting = threading.Thread(target=press_twice)
    insisting.start()
    began = time.monotonic()
    try:
        with pytest.raises(errors.Interrupted):
            score_batches(
                batches(),
                lambda *_: None,
                Pressing(0),
                policy=Policy(chunk_rows=CHUNK),
                rows=None,
                bytes_in_flight=1 << 20,
            )
    finally:
        signal.signal(signal.SIGINT, before)
    insisting.join()
    assert time.monotonic() - began < 30  # half of what the batch would have taken


def test_another_handler_of_ctrl_c_stays() -> None:
    met: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: met.append(number))
    try:
        answers, _ = score(ROWS, write, Pressing(3), read, policy=Policy(chunk_rows=CHUNK))
    finally:
        signal.signal(signal.SIGINT, before)
    assert met == [signal.SIGINT]
    assert np.array_equal(np.asarray(answers), TABLE)


def test_the_interrupt_that_another_handler_raises_is_noted() -> None:
    met: list[int] = []

    def handler(number: int, frame: Any) -> None:
        met.append(number)
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(errors.Interrupted):
            score(ROWS, write, Pressing(3), read, policy=Policy(chunk_rows=CHUNK))
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert met == [signal.SIGINT]
