"""Answers of the same rows are the same, however many of them a request carried."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from taken_apart import plain

from smrt_jupyter.answers import Untyped, of_reply, per_row
from smrt_jupyter.errors import AnswerError
from smrt_jupyter.scoring.assembly import Assembly


def join(parts: list[Any]) -> Any:
    answers = [part.answers if isinstance(part, Untyped) else part for part in parts]
    sizes = [len(next(iter(part.values())) if isinstance(part, dict) else part) for part in answers]
    assembly = Assembly(sum(sizes))
    for place, part in enumerate(parts):
        start = sum(sizes[:place])
        assembly.place(range(start, start + sizes[place]), part)
    return assembly.finish()


@pytest.mark.parametrize("found", [0, 1, 2, 3])
@pytest.mark.parametrize("region", ["box", "mask"])
def test_what_was_found_in_a_picture_is_one_list_of_any_length(found: int, region: str) -> None:
    finding = {"label": "cat", "score": 0.5, region: {"xmin": 1}}
    assert per_row([finding] * found, 1) == [[finding] * found]
    assert per_row([[finding] * found, [finding]], 2) == [[finding] * found, [finding]]


def test_chunks_are_put_together_in_order() -> None:
    assert plain(join([])) == ("f", [])
    assert plain(join([np.array([1, 2]), np.array([3])])) == ("i", [1, 2, 3])
    assert plain(join([np.array([1, 2]), np.array([0.5])])) == ("f", [1.0, 2.0, 0.5])
    assert plain(join([np.ones((1, 2)), np.zeros((1, 2))])) == ("f", [[1.0, 1.0], [0.0, 0.0]])
    assert join([["a"], ["b", None]]) == ["a", "b", None]
    assert plain(join([{"l": ["a"], "s": np.array([1])}, {"s": np.array([2]), "l": ["b"]}])) == {
        "l": ["a", "b"],
        "s": ("i", [1, 2]),
    }


def chunks_of(rows: list[Any], size: int) -> Any:
    """Answer rows as a container does that is sent so many at once."""
    return join([per_row(rows[at : at + size], len(rows[at : at + size])) for at in range(0, len(rows), size)])


LABELLED = [[{"label": label, "score": 0.5} for label in labels] for labels in ("ab", "ac", "bc", "ab")]


@pytest.mark.parametrize(
    "rows",
    [
        [{"l": "x", "p": None}, {"l": "y", "p": None}, {"l": "z", "p": 0.5}, {"l": "z", "p": None}],
        LABELLED,
        [2**53 + 1, 1, 0.5, 2.0],
        [True, False, None, True],
        [True, False, 0.5, 2.0],
        [None, None, 1.5, 2.0],
        ["a", None, None, None],
    ],
    ids=repr,
)
def test_answers_do_not_depend_on_where_the_table_was_cut(rows: list[Any]) -> None:
    whole = per_row(rows, len(rows))
    assert {repr(plain(chunks_of(rows, size))) for size in (2, 3)} == {repr(plain(whole))}


def test_rows_of_one_a_request_have_the_columns_of_all_labels() -> None:
    one_by_one = join([per_row(labels, 1) for labels in LABELLED])
    assert repr(plain(one_by_one)) == repr(plain(per_row(LABELLED, 4)))


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([np.ones((1, 2)), np.ones((1, 3))], "3 values a row, and replies before it had 2"),
        ([np.ones((1, 2)), np.ones(1)], "one value a row, and replies before it had 2"),
        ([{"a": [1], "b": [2]}, np.ones(1)], "no named fields"),
    ],
)
def test_chunks_of_csv_that_do_not_fit_together_are_an_error(parts: Any, told: str) -> None:
    with pytest.raises(AnswerError, match=told):
        join([Untyped(part) for part in parts])


@pytest.mark.parametrize(
    "values",
    [
        np.arange(24.0).reshape(4, 3, 2),
        np.arange(4).astype("M8[D]"),
        np.arange(4) * 1j,
        [np.ones(2), np.ones(2), np.ones(3), np.ones(2)],
        [np.float32(1), np.float32(2), np.float32(3), None],
    ],
    ids=["token embeddings", "days", "complex", "arrays in a list", "NumPy's numbers in a list"],
)
def test_arrays_of_any_shape_are_answers(values: Any) -> None:
    parts = [of_reply(values[at : at + 2], 2, None, codec=None, body=b"") for at in (0, 2)]
    found, wanted = join(parts), per_row(values, 4)
    assert len(found) == 4
    assert repr([np.asarray(cell).tolist() for cell in found]) == repr([np.asarray(cell).tolist() for cell in wanted])
