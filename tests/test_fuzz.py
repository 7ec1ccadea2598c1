"""No body makes a decoder do anything but answer or refuse: a hundred thousand broken bodies for each codec."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import zipfile
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fuzzing import VALUES, fuzz, originals, places

from smrt_jupyter import codecs
from smrt_jupyter.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Iterator

BODIES = 100_000
PARTS = 4


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, list[Future[list[str]]]]]:
    """All codecs at once, on all processors: a crash of a decoder ends a worker, and not the tests."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        tasks = {
            name: [pool.submit(fuzz, name, seed, BODIES // PARTS) for seed in range(PARTS)] for name in sorted(places())
        }
        yield tasks
        pool.shutdown(cancel_futures=True)


def test_every_codec_of_the_table_is_broken() -> None:
    assert sorted(VALUES) == sorted(places())


@pytest.mark.parametrize("name", sorted(places()))
def test_broken_bodies_raise_nothing_but_the_codecs_own_error(name: str, running: Any) -> None:
    assert [told for part in running[name] for told in part.result()] == []


@pytest.mark.parametrize("name", sorted(places()))
def test_every_beginning_of_a_body_is_answered_or_refused(name: str) -> None:
    for codec, body in originals(name):
        for stop in range(min(len(body), 1500)):
            try:
                codec.decode(body[:stop])
            except CodecError:
                continue


class Trap:
    """What a pickle can do: anything. This one makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def npy_of_objects(trap: Trap) -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([trap], dtype=object), allow_pickle=True)
    return out.getvalue()


def npz_of_objects(trap: Trap) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("data.npy", npy_of_objects(trap))
    return out.getvalue()


@pytest.mark.parametrize("content_type", codecs.CONTENT_TYPES)
def test_a_pickle_is_never_read(content_type: str, tmp_path: Path) -> None:
    trap = Trap(tmp_path / "sprung")
    codec = codecs.find(content_type)
    for body in (pickle.dumps(trap), npy_of_objects(trap), npz_of_objects(trap)):
        try:
            codec.decode(body)
        except CodecError:
            continue
    assert not trap.path.exists()
