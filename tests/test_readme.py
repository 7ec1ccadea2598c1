"""The README keeps its word: the table of errors is what the errors say."""

from __future__ import annotations

from pathlib import Path

from smrt_jupyter import errors

README = Path(__file__).parent.parent / "README.md"


def test_the_table_of_errors_has_a_cure_for_each() -> None:
    """Every error stands there with the first sentence of its description and its usual next step."""
    told = README.read_text(encoding="utf-8").partition("<!-- errors -->\n")[2].partition("<!-- end -->")[0]
    rows = {line.split("`")[1]: line for line in told.splitlines() if line.startswith("| `")}
    assert set(rows) == set(errors.__all__) - {"SmrtError", "InvokeError"}
    for name, row in rows.items():
        kind = getattr(errors, name)
        assert f"| {kind.__doc__.strip().splitlines()[0]} |" in row
        assert f"| {kind.next_step or 'The error names it.'} |" in row


def test_the_two_commands_stand_there_word_for_word() -> None:
    """Each of them alone does all the set-up."""
    text = README.read_text(encoding="utf-8")
    assert "    python3 -m venv .venv && .venv/bin/pip install '.[local]' && .venv/bin/smrt-jupyter demo\n" in text
    assert "    python3 -m venv .venv && .venv/bin/pip install -e '.[local,test]' && .venv/bin/pytest\n" in text
    gate = (README.parent / ".ci" / "run").read_text(encoding="utf-8")
    assert "python3 -m venv .venv && .venv/bin/pip install -e '.[local,test]'\n" in gate
