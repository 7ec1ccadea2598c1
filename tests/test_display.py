"""How values are shown: as what they are, and never as more."""

from __future__ import annotations

import base64
import html.parser
import io
import json
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from smrt_jupyter.control_plane import Description, Variant
from smrt_jupyter.display import bundle, bytes_told, facts, markdown

EVIL = (
    '<script>alert(1)</script><img src=x onerror=alert(2)>" onmouseover="x" &amp; '
    "\x1b]0;title\x07 $\\href{javascript:x}{y}$"
)
DRAWN = {
    "div",
    "small",
    "pre",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "details",
    "summary",
    "ul",
    "li",
    "span",
    "p",
}


class Page(html.parser.HTMLParser):
    """What a browser would make of it: its elements, their attributes and its text."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._in_style = False
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.text += data

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements} - {"style"}


SHAPES: dict[str, Any] = {
    "text": lambda text: text,
    "bytes": lambda text: text.encode(),
    "json": lambda text: {text: [text, {"x": text}]},
    "long json": lambda text: [{text: text, "rows": list(range(200))}] * 50,
    "json in a tuple": lambda text: (text, None, True, 1.5),
    "frame": lambda text: pd.DataFrame({text: [text, text]}, index=[text, "y"]),
    "series": lambda text: pd.Series([text], name=text),
    "frame of lists": lambda text: pd.DataFrame({"a": [[text], {text: text}]}),
    "polars": lambda text: pl.DataFrame({text: [text]}),
    "polars series": lambda text: pl.Series(text, [text]),
    "arrow": lambda text: pa.table({text: [text]}),
    "arrow column": lambda text: pa.chunked_array([[text]]),
    "array": lambda text: np.array([[text, "b"]]),
    "array of objects": lambda text: np.array([text, None], dtype=object),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_that_is_shown_is_html_script_terminal_code_or_mathematics(shape: str) -> None:
    """Whatever a model sends, and wherever it puts it."""
    shown = bundle(SHAPES[shape](EVIL), f"200 · {EVIL}")
    assert set(shown) == {"text/plain", "text/html"}
    page = Page(shown["text/html"])
    assert page.tags <= DRAWN
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "\x1b" not in shown["text/plain"] + shown["text/html"]
    assert "\x07" not in shown["text/plain"] + shown["text/html"]
    assert page.elements[0] == ("div", {"class": "smrt-jupyter tex2jax_ignore mathjax_ignore"})


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_can_be_shown(value: object) -> None:
    shown = bundle(value, "")
    assert Page(shown["text/html"]).tags <= DRAWN


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"score": [0.25, 0.75]}, index=["x", "y"]),
        pd.Series([0.25, 0.75], ["x", "y"]),
        pl.DataFrame({"score": [0.25, 0.75]}),
        pa.table({"score": [0.25, 0.75]}),
        np.array([0.25, 0.75]),
        np.array([[0.25], [0.75]]),
    ],
    ids=lambda table: f"{type(table).__module__}.{type(table).__name__}",
)
def test_a_table_is_shown_with_its_index(table: object) -> None:
    shown = bundle(table, "2 rows")
    page = Page(shown["text/html"])
    index = ["x", "y"] if "pandas" in type(table).__module__ else ["0", "1"]
    assert page.tags >= {"table", "th", "td"}
    assert all(word in page.text.split() for word in [*index, "0.25", "0.75"])
    assert shown["text/plain"].endswith("2 rows")


@pytest.mark.parametrize(
    ("answers", "head"),
    [
        (pd.Series([0.5] * 100), "prediction"),
        (pd.Series([0.5] * 100, name=""), "prediction"),
        (pd.Series([0.5] * 3, name="score"), "score"),
        (pl.Series([0.5] * 3), "prediction"),
        (pl.Series("score", [0.5] * 3), "score"),
        (pa.chunked_array([[0.5] * 3]), "prediction"),
    ],
)
def test_one_answer_a_row_stands_below_its_name_or_the_word_prediction(answers: object, head: str) -> None:
    shown = Page(bundle(answers, "")["text/html"])
    assert [tag for tag, _ in shown.elements].count("thead") == 1
    assert shown.text.split()[0] == head


def test_a_long_table_shows_its_ends_and_its_size() -> None:
    page = Page(bundle(pd.DataFrame({"a": range(100_000)}), "")["text/html"])
    assert "99999" in page.text
    assert "100,000 rows x 1 column" in page.text
    assert "100,000 rows x 1 columns" not in page.text
    assert len(page.text) < 2000


def test_what_is_large_is_cut_so_that_a_notebook_stays_small() -> None:
    for value in ("x" * 5_000_000, b"x" * 5_000_000, list(range(500_000)), {"a": ["y" * 100] * 50_000}):
        shown = bundle(value, "")
        assert sum(map(len, shown.values())) < 60_000


def test_long_json_is_folded_and_short_json_is_not() -> None:
    assert "details" not in Page(bundle({"label": "cat", "score": 0.5}, "")["text/html"]).tags
    page = Page(
        bundle({"rows": [{"label": f"label {place}", "score": place} for place in range(300)]}, "")["text/html"]
    )
    assert ("details", {"open": None, "style": "display: inline-block; vertical-align: top"}) == page.elements[2]
    assert "… 200 more" in page.text
    assert "label 0" in page.text


def test_json_in_a_terminal_is_json() -> None:
    value = {"ä": [1, None, True, 2.5], "b": "c"}
    assert json.loads(bundle(value, "")["text/plain"]) == value


def test_json_that_nests_deep_is_shown_in_a_few_lines() -> None:
    """Whatever it nests in, and also where nobody could print it whole."""
    lists: Any = []
    mappings: Any = {}
    for _ in range(100_000):
        lists, mappings = [lists, 1], {"a": mappings}
    circle: list[Any] = [1, 2, 3]
    circle.append(circle)
    for value in (json.loads("[" * 600 + "]" * 600), json.loads('{"a":' * 600 + "1" + "}" * 600)):
        shown = bundle({"answer": value, "rest": list(range(100))}, "")
        assert json.loads(shown["text/plain"])["answer"] == value
        assert sum(map(len, shown.values())) < 60_000
    for value in (lists, mappings, circle, {(1, 2): "a key that JSON has not"}):
        assert sum(map(len, bundle(value, "").values())) < 60_000


def test_what_turns_the_direction_of_a_text_is_shown_and_not_obeyed() -> None:
    for letter in "\u202a\u202e\u2066\u2069\ud800\udfff":
        told = f"\\u{ord(letter):04x}"
        frame = pd.DataFrame({"a": [f"x{letter}y"]}, dtype=object)
        for value in (f"a{letter}b", {"a": f"{letter}b"}, [letter * 300] * 5, frame):
            shown = bundle(value, f"200 {letter}")
            assert all(letter not in form and told in form for form in shown.values())
            assert all(form.encode() for form in shown.values())


def test_images_are_drawn_and_svg_is_not() -> None:
    from PIL import Image

    picture = Image.new("RGB", (4, 3), "red")
    file = io.BytesIO()
    picture.save(file, "PNG")
    for value in (picture, file.getvalue()):
        [source] = [
            attributes["src"] for tag, attributes in Page(bundle(value, "")["text/html"]).elements if tag == "img"
        ]
        assert source is not None
        head, _, body = source.partition(",")
        assert head == "data:image/png;base64"
        assert Image.open(io.BytesIO(base64.b64decode(body))).size == (4, 3)
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"></svg>'
    assert Page(bundle(svg, "")["text/html"]).tags <= DRAWN


def test_what_has_no_form_of_its_own_is_shown_as_text() -> None:
    assert "(2, 2, 2)" not in bundle(np.zeros((2, 2, 2)), "")["text/plain"]
    assert Page(bundle(scipy.sparse.csr_matrix((3, 3)), "")["text/html"]).tags == {"div", "pre"}


def test_a_cut_through_a_character_is_still_text() -> None:
    assert bytes_told("äöü".encode(), 3) == "ä … (3 more bytes)"


def test_a_line_end_at_the_end_leaves_no_empty_line_above_the_footer() -> None:
    assert bundle(b"0.5\n0.25\n", "200")["text/plain"] == "0.5\n0.25\n200"
    assert facts({"first_body": "1,2\n3,4\n"})["text/plain"] == "first body  1,2\n            3,4"


def test_a_description_is_a_table_of_facts() -> None:
    told = {
        "name": "churn",
        "variants": (Variant("blue", 1.0, 2, "ml.m5.large"), Variant("green", 0.0)),
        "content_types": ("text/csv", EVIL),
    }
    shown = facts(told)
    page = Page(shown["text/html"])
    assert page.tags <= DRAWN
    assert all(word in page.text for word in ("content types", "blue", "green", "ml.m5.large", "instance type"))
    assert "nan" not in page.text
    assert "green" in shown["text/plain"]
    assert "churn" in Description("churn")._repr_mimebundle_()["text/plain"]


def test_markdown_is_rendered_without_html_scripts_pictures_or_mathematics() -> None:
    source = (
        "# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx < 1 & y\n```\n\n[in](http://x.org) <http://y.org>\n"
        + EVIL
    )
    source += "\n[bad](javascript:alert(1)) ![spy](http://127.0.0.1/spy.png) [data](data:text/html;base64,x)"
    page = Page(markdown(source, "200")["text/html"])
    assert page.tags <= DRAWN | {"h1", "code", "a", "em", "strong"}
    assert {attributes.get("href") for tag, attributes in page.elements if tag == "a"} == {
        "http://x.org",
        "http://y.org",
        "http://127.0.0.1/spy.png",  # a link, that nothing follows by itself
    }
    assert "x < 1 & y" in page.text
    assert page.elements[0][1]["class"] == "smrt-jupyter tex2jax_ignore mathjax_ignore"
