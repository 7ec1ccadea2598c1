"""The line behind the magic: words, quotes, brackets, and what was probably meant."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError

from smrt_jupyter import magic
from smrt_jupyter.errors import OptionError
from smrt_jupyter.magic.options import deed_of, did_you_mean, parse, split


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("churn  --raw", ["churn", "--raw"]),
        ('x --data customers[["age", "plan"]]', ["x", "--data", 'customers[["age", "plan"]]']),
        ("x --data customers[customers.age > 40]", ["x", "--data", "customers[customers.age > 40]"]),
        ("x --data 'a b'", ["x", "--data", "a b"]),
        ('x --path="a b"', ["x", "--path=a b"]),
        ('x --custom-attributes "say \\"hi\\""', ["x", "--custom-attributes", 'say "hi"']),
        ("""x --data {"a": ')'}""", ["x", "--data", """{"a": ')'}"""]),
        ('x --data "a"+"b"', ["x", "--data", '"a"+"b"']),
        ('x --template {"rows": $records}', ["x", "--template", '{"rows": $records}']),
        ("", []),
    ],
)
def test_words_end_at_spaces_outside_of_quotes_and_brackets(line: str, words: list[str]) -> None:
    assert split(line) == words


@pytest.mark.parametrize("line", ["x --data frame[", "x --path 'a", "x --data f(1, 2"])
def test_what_stays_open_is_an_error(line: str) -> None:
    with pytest.raises(OptionError, match="The line ends before its"):
        split(line)


def test_nothing_is_suggested_where_nothing_comes_near() -> None:
    assert did_you_mean("--zzzz", ["--region"]) == ""


@pytest.mark.parametrize("name", ["1x", "class", "a-b"])
def test_the_value_is_stored_only_under_what_python_takes_as_a_name(name: str) -> None:
    told = parse(magic.parser(), f"x --data [1] --out {name}", UsageError)
    with pytest.raises(OptionError, match=f"--out {name} is no name that Python could use"):
        deed_of(told)
