"""Where a table is cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smrt_jupyter import Policy
from smrt_jupyter.scoring import chunks
from smrt_jupyter.scoring.chunks import Weight


def text(start: int, stop: int) -> bytes:
    """Rows of different length, as texts have."""
    return b"".join(b"%d," % row * (1 + row % 7) for row in range(start, stop))


@given(
    rows=st.integers(0, 5000),
    chunk_rows=st.none() | st.integers(1, 600),
    chunk_bytes=st.none() | st.integers(1, 9000),
    boundaries=st.lists(st.integers(0, 5000), max_size=4),
)
def test_every_row_is_in_one_chunk_and_no_chunk_is_over_the_limits(
    rows: int, chunk_rows: int | None, chunk_bytes: int | None, boundaries: list[int]
) -> None:
    policy = Policy(chunk_rows=chunk_rows, chunk_bytes=chunk_bytes)
    starts = sorted({row for row in boundaries if row < rows})
    cut = chunks.cut(rows, Weight(10.0, 8.0, 8.0), policy, starts)
    assert list(itertools.chain(*cut)) == list(range(rows))
    assert all(len(chunk) <= (chunk_rows or rows) for chunk in cut)
    assert all(10 + 8 * len(chunk) <= chunk_bytes or len(chunk) == 1 for chunk in cut if chunk_bytes)
    assert set(starts) <= {chunk.start for chunk in cut}


@given(rows=st.integers(2, 5000), chunk_rows=st.integers(3, 600))
def test_no_chunk_has_one_row_when_it_can_be_avoided(rows: int, chunk_rows: int) -> None:
    """The default container for scikit-learn reads a body of one row as one column."""
    for policy in (Policy(chunk_rows=chunk_rows), Policy(chunk_bytes=40 * chunk_rows)):
        assert all(len(chunk) > 1 for chunk in chunks.cut(rows, Weight(0.0, 8.0, 8.0), policy))


def test_chunk_rows_is_taken_by_its_word() -> None:
    assert [len(chunk) for chunk in chunks.cut(1200, Weight(0.0, 8.0, 8.0), Policy(chunk_rows=500))] == [500, 500, 200]


def test_the_sample_finds_what_a_row_weighs_and_what_every_body_has_anyway() -> None:
    weight = chunks.weigh(100_000, lambda start, stop: bytes(500 + 40 * (stop - start)), Policy())
    assert (round(weight.fixed), round(weight.row)) == (500, 40)


def test_rows_that_are_heavier_further_down_are_reckoned_with() -> None:
    """A table sorted by the length of its text must not be cut by its first rows alone."""

    def write(start: int, stop: int) -> bytes:
        return b"".join(b"x" * (10 if row < 90_000 else 1000) for row in range(start, stop))

    weight = chunks.weigh(100_000, write, Policy())
    assert weight.row_heaviest == pytest.approx(1000, rel=0.2)
    assert max(map(len, chunks.cut(100_000, weight, Policy(chunk_bytes=100_000)))) <= 120


def test_the_cut_is_the_same_every_time() -> None:
    first, second = (chunks.cut(5000, chunks.weigh(5000, text, Policy()), Policy(chunk_bytes=5000)) for _ in range(2))
    assert first == second


def test_the_sample_never_asks_for_more_rows_than_a_chunk_may_have() -> None:
    """A template for one record cannot write two."""
    asked: list[int] = []

    def write(start: int, stop: int) -> bytes:
        asked.append(stop - start)
        return b"one record"

    chunks.weigh(1000, write, Policy(chunk_rows=1))
    assert set(asked) == {1}


def test_a_small_table_is_shared_by_several_requests_and_a_tiny_one_is_not() -> None:
    weight = Weight(0.0, 400.0, 400.0)
    assert len(chunks.cut(100, weight, Policy())) == 1
    assert len(chunks.cut(50_000, weight, Policy())) == chunks.CHUNKS_WANTED
    assert len(chunks.cut(1_000_000, weight, Policy())) == pytest.approx(400e6 / chunks.CHUNK_BYTES, rel=0.05)


@given(rows=st.integers(1, 200), pieces=st.integers(1, 50))
def test_pieces_of_a_chunk_are_nearly_equal(rows: int, pieces: int) -> None:
    divided = chunks.divide(range(7, 7 + rows), pieces)
    assert list(itertools.chain(*divided)) == list(range(7, 7 + rows))
    assert max(map(len, divided)) - min(map(len, divided)) <= 1


@given(st.data())
def test_what_is_missing_and_what_is_finished_make_the_whole(data: st.DataObject) -> None:
    """Chunks of this run may be cut in another way than those that an earlier run finished."""
    rows = data.draw(st.integers(1, 60))
    done = data.draw(st.sets(st.integers(0, rows - 1)))
    step = data.draw(st.integers(1, 10))
    cut = [range(start, min(rows, start + step)) for start in range(0, rows, step)]
    left = chunks.missing(cut, [range(row, row + 1) for row in sorted(done)])
    assert list(itertools.chain(*left)) == sorted(set(range(rows)) - done)
    assert all(any(piece[0] in chunk and piece[-1] in chunk for chunk in cut) for piece in left)
