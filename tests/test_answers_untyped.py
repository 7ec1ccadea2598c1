"""Answers in CSV and text have the types that one reply of all rows gives, wherever the table was cut."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from taken_apart import plain

from smrt_jupyter import Policy, codecs
from smrt_jupyter.answers import Untyped, of_reply
from smrt_jupyter.errors import AnswerError
from smrt_jupyter.scoring.assembly import Assembly
from smrt_jupyter.scoring.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from smrt_jupyter import LocalRuntime

LABELS = ["1", "2", "10", "-3", "9007199254740993", "True", "a", "b c", "é"]
AS_WRITTEN = ["1.0", "1.50", "401.90", "1e3", "+1", "-0", "007", "nan", "inf", '""', '"a,b"', '"1"', '"x\ny"', ""]
NUMBERS = st.floats(allow_nan=False).map(repr)


def read(rows: Sequence[str], content_type: str) -> Any:
    codec = codecs.find(content_type)
    body = "\n".join([*rows, ""]).encode()
    return of_reply(codec.decode(body), len(rows), None, codec=codec, body=body)


def put_together(rows: Sequence[str], cuts: set[int], order: Any, content_type: str = "text/csv") -> Any:
    """Read rows in pieces, and put these where they belong in any order."""
    bounds = [0, *sorted(cut for cut in cuts if 0 < cut < len(rows)), len(rows)]
    places = list(pairwise(bounds))
    order.shuffle(places)
    assembly = Assembly(len(rows))
    for start, stop in places:
        assembly.place(range(start, stop), read(rows[start:stop], content_type))
    return repr(plain(assembly.finish()))


cuts = st.sets(st.integers(1, 11))
orders = st.randoms(use_true_random=False)
columns = st.one_of(
    st.lists(st.sampled_from([*LABELS, *AS_WRITTEN]), min_size=2, max_size=12),
    st.lists(st.sampled_from(["1", "2", "a"]), min_size=2, max_size=12),
    st.lists(st.sampled_from(["7.0", "8", "9.10", "1e5", "nan", "x"]), min_size=2, max_size=12),
)


@example(["9007199254740993", "nan"], {1}, Random(0))
@given(st.one_of(columns, st.lists(NUMBERS, min_size=2, max_size=12)), cuts, orders)
def test_a_column_of_csv_does_not_depend_on_the_cuts(rows: list[str], cut: set[int], order: Any) -> None:
    assert put_together(rows, cut, order) == repr(plain(read(rows, "text/csv").answers))


@example(["9007199254740993", "0.5"], ["1", "0"], {1}, Random(0))
@example(["", ""], ["nan", "a"], {1}, Random(0))
@given(columns, st.one_of(columns, st.lists(NUMBERS, min_size=2, max_size=12)), cuts, orders)
def test_columns_side_by_side_do_not_depend_on_the_cuts(
    rows: list[str], others: list[str], cut: set[int], order: Any
) -> None:
    lines = [f"{one},{other}" for one, other in zip(rows, others, strict=False)]
    assert put_together(lines, cut, order) == put_together(lines, set(), order)


@given(st.lists(st.sampled_from([*LABELS, "1.50", "007", "1e3", "infinity"]), min_size=2, max_size=12), orders)
def test_prose_of_one_row_is_whole_beside_a_numeral(rows: list[str], order: Any) -> None:
    found = put_together([*rows, "word"], set(range(14)), order, "text/plain")
    assert found == repr([*rows, "word"])


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([["1", "2"], ["a", "b"]], ["1", "2", "a", "b"]),
        ([["1", "2"], ["0.5"], ["a"]], ["1", "2", "0.5", "a"]),
        ([["1.0", "2.0"], ["a"]], ["1.0", "2.0", "a"]),
        ([["nan", "1.5"], ["a"]], ["nan", "1.5", "a"]),
        ([["1.50", '""'], ["a"]], ["1.50", None, "a"]),
        ([["True", "False"], ["1", "2"]], ["True", "False", "1", "2"]),
        ([["True", "False"], ['""', "True"]], [True, False, None, True]),
    ],
)
def test_what_stands_beside_text_is_text(parts: list[list[str]], expected: list[Any]) -> None:
    assembly, start = Assembly(sum(map(len, parts))), 0
    for rows in parts:
        assembly.place(range(start, start + len(rows)), read(rows, "text/csv"))
        start += len(rows)
    assert assembly.finish() == expected


def test_a_chunk_of_another_width_is_refused_beside_texts_too() -> None:
    assembly = Assembly(6)
    for start, rows in ((0, ["1,2", "3,4"]), (2, ["a,1", "b,2"])):
        assembly.place(range(start, start + 2), read(rows, "text/csv"))
    with pytest.raises(AnswerError, match="no named fields"):
        assembly.place(range(4, 6), read(["1", "2"], "text/csv"))
    assert assembly.finish()[0] == ["1", "3", "a", "b", None, None]


@pytest.mark.parametrize(
    ("body", "rows", "expected"),
    [
        ("yes\nno\n\n", 3, "['yes', 'no', None]"),
        ("yes\nno\n\n", 2, "['yes', 'no']"),
        ("yes\r\n\r\n\r\n", 3, "['yes', None, None]"),
        ("0.5\n\n", 2, "[0.5, nan]"),
        ("\n", 1, "[None]"),
    ],
)
def test_a_blank_line_is_an_answer_where_there_are_as_many_rows(body: str, rows: int, expected: str) -> None:
    codec = codecs.find("text/csv")
    found = of_reply(codec.decode(body.encode()), rows, None, codec=codec, body=body.encode())
    assert repr(list(getattr(found.answers, "tolist", lambda: found.answers)())) == expected


@pytest.mark.parametrize("body", ["", "yes\n", "a,b\n\n", "yes\nno\n\n\n\n"])
def test_blank_lines_never_make_up_for_answers_that_are_not_there(body: str) -> None:
    codec = codecs.find("text/csv")
    with pytest.raises(AnswerError, match="3 rows were sent"):
        of_reply(codec.decode(body.encode()), 3, None, codec=codec, body=body.encode())


def test_json_says_itself_what_is_text() -> None:
    codec = codecs.find("application/json")
    assembly = Assembly(4)
    for start, body in ((0, b"[1, 2]"), (2, b'["a", "b"]')):
        part = of_reply(codec.decode(body), 2, None, codec=codec, body=body)
        assert not isinstance(part, Untyped)
        assembly.place(range(start, start + 2), part)
    assert assembly.finish() == [1, 2, "a", "b"]


@pytest.mark.parametrize("library", ["pandas", "numpy"])
def test_columns_without_names_are_called_by_numbers_whether_or_not_one_is_text(
    runtime: LocalRuntime, library: str
) -> None:
    def model(rows: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"label": ["b" if row > 2 else "7" for row in rows[0]], "score": rows[0]})

    endpoint = runtime.deploy("labels", model).replace(accept="text/csv")
    table = pd.DataFrame({"a": range(6)}, index=list("uvwxyz"))
    found = endpoint.predict(table if library == "pandas" else table.to_numpy())
    assert found.columns.tolist() == [0, 1]
    assert found[0].tolist() == ["7", "7", "7", "b", "b", "b"]
    if library == "pandas":
        assert endpoint.predict(table.iloc[:3]).columns.tolist() == [0, 1]


@pytest.mark.parametrize("accept", ["text/csv", "text/plain", "several"])
def test_an_endpoint_answers_the_same_wherever_the_table_is_cut(
    accept: str, runtime: LocalRuntime, tmp_path: Path
) -> None:
    answers = ["1", "2", "a", "b", "3", "4.50", "5"]

    def model(frame: Any) -> str:
        after = ",0.5" if accept == "several" else ""
        return "\n".join(answers[int(place)] + after for place in frame.iloc[:, 0])

    endpoint = runtime.deploy("labels", model).replace(
        content_type="text/csv", accept="text/csv" if accept == "several" else accept
    )
    table = pd.DataFrame({"place": range(len(answers))})
    whole = endpoint.predict(table)
    cut = endpoint.replace(policy=Policy(chunk_rows=2))
    for found in (cut.predict(table), *(cut.predict(table, journal=tmp_path / "kept") for _ in range(2))):
        assert found.equals(whole)
    assert (whole.iloc[:, 0] if accept == "several" else whole).tolist() == answers
    with Journal.open(tmp_path / "kept") as journal:
        journal.export(tmp_path / "kept.csv")
    assert pd.read_csv(tmp_path / "kept.csv", dtype=str).iloc[:, 1].tolist() == answers
