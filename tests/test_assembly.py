"""Answers of many chunks, put where they belong."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from taken_apart import plain

from smrt_jupyter import codecs
from smrt_jupyter.answers import Untyped, of_reply, per_row
from smrt_jupyter.errors import AnswerError
from smrt_jupyter.scoring import assembly as assembly_module
from smrt_jupyter.scoring.assembly import Assembly


def assembled(rows: int, *parts: tuple[int, Any]) -> Any:
    assembly = Assembly(rows)
    for start, part in parts:
        answers = part.answers if isinstance(part, Untyped) else part
        size = len(next(iter(answers.values()))) if isinstance(answers, dict) else len(answers)
        assembly.place(range(start, start + size), part)
    return assembly.finish()


@given(st.permutations(range(6)))
def test_the_order_in_which_chunks_come_does_not_matter(order: list[int]) -> None:
    parts = {0: np.array([1.5, 2.0]), 2: np.array([3.0]), 3: np.array([4.0, 5.0, 6.0])}
    came = [(start, parts[start]) for start in order if start in parts]
    assert assembled(6, *came).tolist() == [1.5, 2.0, 3.0, 4.0, 5.0, 6.0]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([np.array([1, 2]), np.array([0.5])], np.array([1.0, 2.0, 0.5])),
        ([np.array([True]), np.array([False])], np.array([True, False])),
        ([np.array(["a"]), np.array(["longer"])], np.array(["a", "longer"])),
        ([np.array([1], dtype="f4"), np.array([0.1])], np.array([1.0, 0.1])),
    ],
)
def test_chunks_of_different_types_meet_in_one_that_holds_both(parts: list[Any], expected: Any) -> None:
    found = assembled(len(expected), *((sum(map(len, parts[:place])), part) for place, part in enumerate(parts)))
    assert found.dtype == expected.dtype
    assert found.tolist() == expected.tolist()


BIG = 2**53 + 1


@pytest.mark.parametrize(
    "parts",
    [
        [np.array([BIG]), np.array([0.5])],
        [np.array([0.5]), np.array([-BIG])],
        [np.array([BIG]), np.array([2**63 + 1], dtype=np.uint64)],
        [np.array([1]), np.array([0.5]), np.array([BIG])],
        [np.array([1]), np.array([BIG]), np.array([0.5])],
        [np.array([0.5, 1.5], dtype="f4"), np.array([[BIG]])[0]],
        [np.zeros((1, 2)), np.array([[BIG, 1]])],
    ],
)
def test_whole_numbers_that_no_float_can_stand_for_stay_themselves(parts: list[Any]) -> None:
    found = assembled(sum(map(len, parts)), *((sum(map(len, parts[:place])), part) for place, part in enumerate(parts)))
    assert found == [value for part in parts for value in part.tolist()]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (np.array([1.5]), [np.nan, 1.5]),
        (np.array([7]), [np.nan, 7.0]),
        (np.array([2**60 + 1]), [None, 2**60 + 1]),
        (np.array([True]), [None, True]),
        (np.array(["a"]), [None, "a"]),
        (["text"], [None, "text"]),
        (np.array([[1.0, 2.0]]), [[np.nan, np.nan], [1.0, 2.0]]),
    ],
)
def test_rows_that_never_came_are_missing_values_and_the_others_are_unchanged(part: Any, expected: list[Any]) -> None:
    found = assembled(2, (1, part))
    assert repr(found if isinstance(found, list) else found.tolist()) == repr(expected)


def test_moments_that_never_came_are_not_a_time() -> None:
    found = assembled(2, (0, np.array(["2024-01-02"], dtype="M8[D]")))
    assert found[0] == np.datetime64("2024-01-02")
    assert np.isnat(found[1])


def test_fields_are_put_together_each_by_itself_and_may_be_missing() -> None:
    found = assembled(3, (0, {"label": ["a"], "score": np.array([0.1])}), (2, {"label": ["c"]}))
    assert found["label"] == ["a", None, "c"]
    assert repr(found["score"].tolist()) == "[0.1, nan, nan]"


def test_a_list_after_an_array_makes_the_whole_a_list() -> None:
    assert assembled(3, (0, np.array([1.0])), (1, [[1, 2], [3]])) == [1.0, [1, 2], [3]]


@pytest.mark.parametrize("nulls_come_first", [True, False])
@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (np.array([1.5, 2.5]), [np.nan, np.nan, 1.5, 2.5]),
        (np.array([1, 2]), [np.nan, np.nan, 1.0, 2.0]),
        (np.array([1, 2**53 + 1]), [None, None, 1, 2**53 + 1]),
        (np.array([True, False]), [None, None, True, False]),
        (["a", "b"], [None, None, "a", "b"]),
        ([None, None], [None] * 4),
    ],
)
def test_a_chunk_of_nulls_says_no_type(part: Any, expected: list[Any], nulls_come_first: bool) -> None:  # noqa: FBT001
    parts = [(0, [None, None]), (2, part)]
    found = assembled(4, *(parts if nulls_come_first else reversed(parts)))
    assert isinstance(found, np.ndarray) == isinstance(expected[0], float)
    assert repr(list(found.tolist() if isinstance(found, np.ndarray) else found)) == repr(expected)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.zeros((1, 2)), np.zeros((1, 3))),
        (np.zeros(1), np.zeros((1, 2))),
        (np.zeros(1), {"score": np.zeros(1), "label": ["a"]}),
        ({"score": np.zeros(1), "label": ["a"]}, np.zeros(1)),
    ],
)
def test_a_chunk_of_another_shape_is_refused_where_no_single_reply_could_have_both(first: Any, second: Any) -> None:
    with pytest.raises(AnswerError, match="before it"):
        assembled(2, (0, Untyped(first)), (1, Untyped(second)))


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (np.ones((1, 2)), np.ones((1, 3)), [[1.0, 1.0], [1.0, 1.0, 1.0]]),
        (np.ones((1, 1)), np.ones((1, 2)), [[1.0], [1.0, 1.0]]),
        (np.ones(1), np.ones((1, 2)), [1.0, [1.0, 1.0]]),
        (np.ones(1), {"score": np.ones(1), "label": ["a"]}, [1.0, {"score": 1.0, "label": "a"}]),
        ({"score": np.ones(1), "label": [None]}, ["why"], [{"score": 1.0}, "why"]),
        (np.ones((1, 2)), [[]], [[1.0, 1.0], []]),
        ([[]], [["a"]], [[], ["a"]]),
    ],
)
def test_what_one_reply_could_have_beside_one_another_is_a_list(
    first: Any,
    second: Any,
    expected: list[Any],
    backwards: bool,  # noqa: FBT001 - pytest passes it by its name
) -> None:
    parts = [(0, first), (1, second)]
    assert assembled(2, *(reversed(parts) if backwards else parts)) == expected


def test_a_field_that_only_later_chunks_have_is_missing_before() -> None:
    found = assembled(4, (0, {"label": ["a", "b"]}), (2, {"label": ["c", "d"], "score": np.array([0.5, 0.25])}))
    assert list(found) == ["label", "score"]
    assert repr(found["score"].tolist()) == "[nan, nan, 0.5, 0.25]"


def test_the_only_field_of_all_chunks_needs_no_name() -> None:
    assert assembled(2, (0, {"label": ["a"]}), (1, {"label": ["b"]})) == ["a", "b"]


def test_nothing_at_all_is_all_missing() -> None:
    assert np.isnan(assembled(3)).all()
    assert len(assembled(0)) == 0


def test_fields_stand_in_the_order_of_the_rows_whichever_reply_comes_first() -> None:
    assembly = Assembly(4)
    assembly.place(range(2, 4), {"c": np.ones(2), "a": np.ones(2)})
    assembly.place(range(2), {"a": np.ones(2), "b": np.ones(2)})
    assert list(assembly.finish()) == ["a", "b", "c"]


@pytest.mark.parametrize("nulls_come_first", [True, False])
def test_a_chunk_of_nulls_fits_beside_named_fields(nulls_come_first: bool) -> None:  # noqa: FBT001
    parts = [(0, [None, None]), (2, {"a": np.array([1.5, 2.5]), "b": ["x", "y"]})]
    found = assembled(4, *(parts if nulls_come_first else reversed(parts)))
    assert repr({name: list(cells) for name, cells in found.items()}) == repr(
        {"a": [np.float64("nan"), np.float64("nan"), np.float64(1.5), np.float64(2.5)], "b": [None, None, "x", "y"]}
    )


def test_a_chunk_that_does_not_fit_leaves_nothing_behind() -> None:
    assembly = Assembly(4)
    assembly.place(range(2), Untyped({"a": np.array([1.5, 2.5]), "b": np.array([3.0, 4.0])}))
    with pytest.raises(AnswerError, match="2 values a row"):
        assembly.place(range(2, 4), Untyped({"a": np.array([5.5, 6.5]), "b": np.ones((2, 2))}))
    assert assembly.missing() == [range(2, 4)]
    assert {name: repr(cells.tolist()) for name, cells in assembly.finish().items()} == {
        "a": "[1.5, 2.5, nan, nan]",
        "b": "[3.0, 4.0, nan, nan]",
    }


def test_chunks_of_whole_numbers_among_floats_are_not_all_looked_at_again_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[int] = []
    is_exact = assembly_module._is_exact_in_float
    monkeypatch.setattr(assembly_module, "_is_exact_in_float", lambda part: looked.append(len(part)) or is_exact(part))
    assembled(2000, *((row, np.array([0.5]) if row % 2 else np.array([1])) for row in range(2000)))
    assert len(looked) < 2 * 2000


FLOATS = st.sampled_from([0.5, 0.25, 2.5])
OBJECTS = st.fixed_dictionaries(
    {}, optional={"label": st.sampled_from("AB"), "score": FLOATS, "error": st.just("too long")}
).filter(bool)
CELLS = (
    FLOATS | st.none(),
    st.sampled_from([1, 2, 7]) | st.none(),
    st.booleans() | st.none(),
    st.sampled_from(["a", "", "b"]) | st.none(),
    st.lists(FLOATS, max_size=3),
    OBJECTS | st.none(),
    OBJECTS.map(lambda cell: [cell]) | st.just([]),
)


@given(st.sampled_from(CELLS).flatmap(lambda cells: st.lists(cells, min_size=1, max_size=7)), st.data())
def test_answers_in_json_do_not_depend_on_the_cuts(rows: list[Any], data: st.DataObject) -> None:
    """Fields that only some rows have, nulls, lists of any length: as if one reply had come for all rows."""
    cuts = data.draw(st.sets(st.integers(1, len(rows) - 1))) if len(rows) > 1 else set()
    edges = [0, *sorted(cuts), len(rows)]
    codec, assembly = codecs.find("application/json"), Assembly(len(rows))
    for start, stop in data.draw(st.permutations(list(pairwise(edges)))):
        body = orjson.dumps(rows[start:stop])
        part = of_reply(codec.decode(body), stop - start, None, codec=codec, body=body)
        assembly.place(range(start, stop), part)
    assert repr(plain(assembly.finish())) == repr(plain(per_row(rows, len(rows))))
