"""The magics, in a real shell, against the embedded runtime."""

from __future__ import annotations

import atexit
import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from smrt_jupyter import AsyncInference, Endpoint, LocalRuntime, PartialResultError, Policy, errors, magic
from smrt_jupyter.codecs.libsvm import LibSVM
from smrt_jupyter.endpoint import NO_MEMBERS
from smrt_jupyter.errors import OptionError
from smrt_jupyter.magic.options import known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Cells:
    """A notebook: runs cells, raises what they raise, and keeps what they show."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.names = shell.user_ns
        self.shown = ""
        self.outputs: list[dict[str, Any]] = []

    def __call__(self, code: str) -> Any:
        with capture_output() as captured:
            result = self.shell.run_cell(code)
        self.shown = captured.stdout + captured.stderr
        self.outputs = [output.data for output in captured.outputs]
        result.raise_error()
        return result.result


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    InteractiveShell.clear_instance()
    opened = magic.plain_shell(str(tmp_path / "ipython"))
    yield opened
    atexit.unregister(opened.atexit_operations)  # a second of work, for each shell that a test has left behind
    InteractiveShell.clear_instance()


@pytest.fixture
def cells(shell: InteractiveShell) -> Cells:
    run = Cells(shell)
    run("%load_ext smrt_jupyter")
    return run


@pytest.fixture
def sums(runtime: LocalRuntime, cells: Cells) -> Endpoint:
    endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1))
    cells.names["sums"] = endpoint
    cells.names["runtime"] = runtime
    return endpoint


@pytest.fixture
def echo(runtime: LocalRuntime, cells: Cells) -> Callable[[], Any]:
    """Deploy an endpoint that answers with what it was sent, and give a look at the last request."""
    seen = []

    def answer(body: bytes, invocation: Any) -> bytes:
        seen.append(invocation)
        return body

    cells.names["echo"] = runtime.deploy("echo", answer, takes="body", content_type="application/json")
    return lambda: seen[-1]


TABLE = pd.DataFrame({"a": [1.5, 2.0], "b": [3.0, 4.0]}, index=["x", "y"])


# -- what is sent -------------------------------------------------------------------------------------------------


def test_a_cell_is_one_request(cells: Cells, sums: Endpoint, runtime: LocalRuntime) -> None:
    value = cells("%%sagemaker sums\n1,2\n3,4\n")
    np.testing.assert_array_equal(np.ravel(value), [3, 7])
    assert len(runtime.requests) == 1


def test_a_table_comes_back_with_its_index_in_as_many_requests_as_it_takes(
    cells: Cells, sums: Endpoint, runtime: LocalRuntime
) -> None:
    cells("from smrt_jupyter import Policy; few = sums.replace(policy=Policy(chunk_rows=1))")
    cells.names["table"] = TABLE
    value = cells("%sagemaker few --data table")
    pd.testing.assert_series_equal(value, pd.Series([4.5, 6.0], ["x", "y"]))
    assert len(runtime.requests) == 2


def test_data_may_be_any_expression(cells: Cells, sums: Endpoint) -> None:
    cells.names["table"] = TABLE
    value = cells('%sagemaker sums --data table[["a", "b"]][table.a > 1.6]')
    pd.testing.assert_series_equal(value, pd.Series([6.0], ["y"]))


def test_data_may_be_a_file(cells: Cells, sums: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"1,2\n3,4\n")
    value = cells("%sagemaker sums --data fileb://rows.csv --content-type text/csv")
    np.testing.assert_array_equal(np.ravel(value), [3, 7])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("found = %sagemaker sums -d given", [6.5, 8.0]),
        ("table = given\n  found = %sagemaker sums -d table", [6.5, 8.0]),
        ("found = %sagemaker sums -d [given][0]+table", [11.0, 14.0]),
        ("found = %sagemaker sums -d (lambda:given)()", [6.5, 8.0]),
        ("asked = sums\n  found = %sagemaker asked -d given", [6.5, 8.0]),
        ("found = %sagemaker --panel chosen\n  found = found.endpoint", "sums"),
    ],
)
def test_the_names_of_a_function_come_before_those_of_the_notebook(
    cells: Cells, sums: Endpoint, lines: str, expected: object
) -> None:
    cells.names["table"] = TABLE
    found = cells(f"def score(given, chosen):\n  {lines}\n  return found\nscore(table + 1, sums)")
    assert (found.name if isinstance(found, Endpoint) else found.tolist()) == expected
    assert cells("table").equals(TABLE)


def test_a_name_that_a_function_does_not_have_is_an_error(cells: Cells, sums: Endpoint) -> None:
    with pytest.raises(OptionError, match=r"name 'givn' is not defined. Did you mean given\?"):
        cells("def score(given):\n  %sagemaker sums -d givn\nscore(1)")
    with pytest.raises(OptionError, match=r"name 'given' is not defined. It is evaluated"):
        cells("%sagemaker sums -d given")


def test_the_value_can_be_assigned(cells: Cells, sums: Endpoint) -> None:
    cells.names["table"] = TABLE
    cells("x = %sagemaker sums -d table")
    pd.testing.assert_series_equal(cells.names["x"], pd.Series([4.5, 6.0], ["x", "y"]))
    assert (cells.shown, cells.outputs) == ("", [])


def test_out_stores_the_value_and_shows_nothing(cells: Cells, sums: Endpoint) -> None:
    cells.names["table"] = TABLE
    assert cells("%sagemaker sums --data table --out scored") is None
    assert list(cells.names["scored"]) == [4.5, 6.0]
    assert (cells.shown, cells.outputs) == ("", [])


@pytest.mark.parametrize(
    ("text", "content_type"),
    [
        ('{"a": [1]}', "application/json"),
        ("1,2", "text/csv"),
        ("Why?", "text/plain"),
        ("{}\n{}", "application/jsonlines"),
    ],
)
def test_the_text_of_a_cell_tells_its_content_type(
    cells: Cells, echo: Callable[[], Any], text: str, content_type: str
) -> None:
    cells(f"%%sagemaker echo --raw\n{text}")
    assert echo().content_type == content_type
    assert echo().body == text.encode()


def test_json_braces_are_never_touched(cells: Cells, echo: Callable[[], Any]) -> None:
    cells("x = 1")
    value = cells('%%sagemaker echo\n{"a": {"b": "{x} $x {{x}}"}}')
    assert value == {"a": {"b": "{x} $x {{x}}"}}


def test_expand_puts_values_in(cells: Cells, echo: Callable[[], Any]) -> None:
    cells("""prompt = 'say "hi"'""")
    value = cells('%%sagemaker echo --expand\n{"messages": [{"content": "{{prompt}}"}]}')
    assert value == {"messages": [{"content": 'say "hi"'}]}


def test_braces_and_dollars_in_the_line_are_never_touched(cells: Cells, echo: Callable[[], Any]) -> None:
    cells("records = 'wrong'; rows = [[1, 2]]")
    value = cells("""%sagemaker echo --data rows --template '{"rows": $records, "x": "{rows}"}'""")
    assert value == {"rows": [[1, 2]], "x": "{rows}"}


def test_a_template_takes_the_text_of_a_cell(cells: Cells, echo: Callable[[], Any]) -> None:
    value = cells("%%sagemaker echo --template messages\nWhy is the sky blue?")
    assert value == {"messages": [{"role": "user", "content": "Why is the sky blue?"}]}


def test_every_member_is_passed_on(cells: Cells, echo: Callable[[], Any]) -> None:
    given = {
        "CustomAttributes": "trace=1",
        "InferenceId": "id-1",
        "Accept": "application/json",
        "ContentType": "application/json;verbose=1",
        "EnableExplanations": "`true`",
        "TargetVariant": "AllTraffic",
    }
    options = {member: re.sub("(?<!^)([A-Z])", r"-\1", member).lower() for member in given}  # as the AWS CLI does
    words = [f"--{options[member]} {value}" for member, value in given.items()]
    cells(f"%%sagemaker echo {' '.join(words)}\n[1]")
    assert {member: echo().members[member] for member in given} == given


def test_every_field_of_an_endpoint_has_its_option() -> None:
    """A field that is added to `Endpoint` and not to the magic fails here."""
    options = {option[2:].replace("-", "_") for option in known(magic.parser())}
    fields = set(Endpoint.__dataclass_fields__)
    assert fields - NO_MEMBERS <= options
    assert (fields & NO_MEMBERS) - options == {"name", "policy", "before_sign", "after_reply"}


def test_underscores_are_as_good_as_hyphens(cells: Cells, echo: Callable[[], Any]) -> None:
    cells("%%sagemaker echo --inference_id=id-2\n[1]")
    assert echo().members["InferenceId"] == "id-2"


def test_a_content_type_may_be_an_object_of_the_notebook(cells: Cells, echo: Callable[[], Any]) -> None:
    """As the SageMaker SDK's serializers are: ``CONTENT_TYPE`` and ``serialize``."""

    class Shouting:
        CONTENT_TYPE = "text/loud"

        def serialize(self, data: list[str]) -> bytes:
            return "!".join(data).upper().encode()

    cells.names["shouting"] = Shouting()
    cells("%sagemaker echo --data ['a','b'] --content-type shouting --raw")
    assert (echo().content_type, echo().body) == ("text/loud", b"A!B")


# -- where it goes ------------------------------------------------------------------------------------------------


def test_the_configured_address_serves_plain_names(cells: Cells, sums: Endpoint) -> None:
    cells("%config SageMakerMagics.endpoint_url = runtime.url")
    cells("del sums")
    np.testing.assert_array_equal(np.ravel(cells("%%sagemaker sums\n1,2")), [3])


def test_an_option_outweighs_the_shortcut_and_the_shortcut_outweighs_the_configuration(
    cells: Cells, runtime: LocalRuntime, tmp_path: Path
) -> None:
    runtime.deploy("split-test", variants={"blue": lambda _: [1], "green": lambda _: [2]})
    cells.names["runtime"] = runtime
    (tmp_path / "smrt-jupyter.toml").write_text(
        f'[short]\nendpoint = "split-test"\nendpoint-url = "{runtime.url}"\ntarget-variant = "green"\n'
        "[short.policy]\nattempts = 1\n"
    )
    cells('%config SageMakerMagics.endpoint_url = "http://127.0.0.1:1"')
    assert cells("%%sagemaker short\n1") == [2]
    assert cells("%%sagemaker short --target-variant blue\n1") == [1]


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('[short]\nregoin = "x"', "has 'regoin', which is nothing that can be set. Did you mean region?"),
        ("[short.policy]\nattempt = 1", "Did you mean attempts?"),
        ("[short.policy]\nattempts = 0", ".smrt-jupyter.toml: [short.policy]: attempts must be above 0"),
        ('[short.policy]\nattempts = "3"', ".toml: [short.policy]: attempts must be a whole number, not '3'"),
        ("[short.policy]\nattempts = true", ".toml: [short.policy]: attempts must be a whole number, not True"),
        ('[short.policy]\nread_timeout = "x"', ".toml: [short.policy]: read_timeout must be a number, not 'x'"),
        ("[short.policy]\nretry_read_timeout = 1", ": retry_read_timeout must be true or false, not 1"),
        ("[short]\npolicy = 5", ".toml: [short]: policy must be a table of its own, not 5"),
        ("[short]\nregion = 5", ".toml: [short]: region must be a text, not 5"),
        ("[short]\nendpoint = 5", ".toml: [short]: endpoint must be a text, not 5"),
        ("[short]\ncontent-type = 5", ".toml: [short]: content_type must be a text, not 5"),
        ("[short]\ntemplate = 5", ".toml: [short]: template must be a text or a table, not 5"),
        ("short = " + "[" * 5000, "cannot be read"),
        ("[short", "cannot be read"),
        ('region = "x"', "stands outside any table"),
    ],
)
def test_a_mistake_in_the_shortcuts_is_named(cells: Cells, tmp_path: Path, toml: str, message: str) -> None:
    (tmp_path / ".smrt-jupyter.toml").write_text(toml)
    with pytest.raises(OptionError) as caught:
        cells("%%sagemaker short\n1")
    assert message in str(caught.value)
    assert len(caught.value._render_traceback_()) == 1


def test_a_shortcuts_file_that_is_named_and_missing_is_an_error(cells: Cells) -> None:
    cells('%config SageMakerMagics.shortcuts = "none.toml"')
    with pytest.raises(OptionError, match=r"no file none\.toml"):
        cells("%%sagemaker x\n1")


# -- what is shown ------------------------------------------------------------------------------------------------


def test_a_table_is_shown_with_its_index_and_a_footer(cells: Cells, sums: Endpoint) -> None:
    cells.names["table"] = TABLE
    cells("%sagemaker sums --data table")
    [shown] = cells.outputs
    assert "<th>x</th>" in shown["text/html"]
    assert re.search(r"\n2 rows · 1 request · [\d,.]+ m?s · 16 bytes sent$", shown["text/plain"])
    assert "<th>prediction</th>" in shown["text/html"]


def test_what_a_model_sends_is_text_and_nothing_else(cells: Cells, runtime: LocalRuntime) -> None:
    evil = '<img src=x onerror="alert(1)"><script>alert(2)</script> $\\href{javascript:alert(3)}{x}$ \x1b[31m'
    cells.names["evil"] = runtime.deploy("evil", lambda _: {"<b>key</b>": evil}, takes="value")
    cells.names["page"] = runtime.deploy("page", lambda _: evil, takes="value", content_type="text/html")
    for name in ("evil", "page"):
        cells(f"%%sagemaker {name}\n[1]")
        [shown] = cells.outputs
        assert set(shown) == {"text/plain", "text/html"}
        assert "<img" not in shown["text/html"]
        assert "<script" not in shown["text/html"]
        assert "<b>" not in shown["text/html"]
        assert "mathjax_ignore" in shown["text/html"]
        assert "\x1b" not in shown["text/plain"] + shown["text/html"]


def test_other_values_look_as_they_always_do(cells: Cells, sums: Endpoint) -> None:
    """The looks belong to the one value, in the one cell."""
    cells.names["table"] = TABLE
    cells("kept = %sagemaker sums --data table\n_ = kept")
    cells("kept")
    assert "request" not in cells.shown
    cells("%sagemaker sums --data table\n'text'")
    assert "request" not in cells.shown + str(cells.outputs)


def test_null_is_shown_too(cells: Cells, runtime: LocalRuntime) -> None:
    cells.names["null"] = runtime.deploy("null", lambda _: b"null", takes="body", content_type="application/json")
    assert cells("%%sagemaker null\n[1]") is None
    assert cells.outputs[0]["text/plain"].startswith("null\n200 · ")


def test_raw_is_the_bytes_as_they_came(cells: Cells, echo: Callable[[], Any]) -> None:
    assert cells('%%sagemaker echo --raw\n{"a":1}') == b'{"a":1}'


def test_path_points_at_the_answers(cells: Cells, echo: Callable[[], Any]) -> None:
    assert cells('%%sagemaker echo --path "rows[*].score"\n{"rows": [{"score": 1}, {"score": 2}]}') == [1, 2]


@pytest.mark.parametrize("rest", ["", "\n", "\n  \n"])
def test_a_cell_magic_without_a_cell_does_what_its_line_says(cells: Cells, sums: Endpoint, rest: str) -> None:
    """IPython itself refuses a cell magic whose cell is empty."""
    cells(f"%%sagemaker --help{rest}")
    assert cells.shown.startswith("%%sagemaker ENDPOINT")
    assert cells(f"%%sagemaker sums --list{rest}")["name"].tolist() == ["sums"]
    cells.names["table"] = TABLE
    assert len(cells(f"%%sagemaker sums --data table{rest}")) == len(TABLE)
    with pytest.raises(errors.OptionError, match="There is nothing to send"):
        cells(f"%%sagemaker sums{rest}")


def test_help_fits_a_screen(cells: Cells) -> None:
    cells("%sagemaker --help")
    lines = cells.shown.splitlines()
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 110
    assert all(option in cells.shown for option in known(magic.parser()))


def test_the_columns_of_the_help_are_aligned(cells: Cells) -> None:
    cells("%sagemaker --help")
    explained = [re.match(r"  (-\w, |    )--\S+( \S+)? {2,}(?=\S)", line) for line in cells.shown.splitlines()]
    assert len({found.end() for found in explained if found}) == 1
    assert cells.shown.strip() == magic.SageMakerMagics.sagemaker.__doc__  # what `%%sagemaker?` shows


# -- instead of sending -------------------------------------------------------------------------------------------


def test_a_dry_run_sends_nothing_and_tells_what_would_be_sent(
    cells: Cells, sums: Endpoint, runtime: LocalRuntime
) -> None:
    cells("from smrt_jupyter import Policy; few = sums.replace(policy=Policy(chunk_rows=1000))")
    cells.names["table"] = pd.DataFrame({"a": np.arange(2500), "b": 1.5})
    told = cells("%sagemaker few --data table --dry-run")
    assert not runtime.requests
    assert (told.requests, told.rows, told.content_type) == (3, 2500, "text/csv")
    assert told.first.startswith(b"0,1.5\n1,1.5\n")
    cells("%sagemaker few --data table")
    assert sum(request.size for request in runtime.requests) == told.size


def test_a_dry_run_refuses_what_sending_would_refuse(cells: Cells, sums: Endpoint) -> None:
    with pytest.raises(errors.ValidationFailed, match="inference_id"):
        cells(f"%%sagemaker sums --dry-run --inference-id {'x' * 65}\n1")


@pytest.mark.parametrize(
    "form", ["%%sagemaker sums --code --accept application/json\n1,2", "%sagemaker sums -d table --code"]
)
def test_code_does_the_same_elsewhere(
    cells: Cells, sums: Endpoint, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Both halves of it, as they are shown, send the bytes that the magic sends."""
    cells.names["table"] = TABLE
    bodies: list[bytes] = []
    runtime.deploy("sums", lambda body: bodies.append(body) or [0, 0], takes="body")
    cells(form.replace("--code", ""))
    [sent] = bodies
    code = str(cells(form))
    for name, value in runtime.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers the keys of another test
    ours, bare = code.split("# With boto3")
    for half in (ours, bare):
        bodies.clear()
        exec(half, {"table": TABLE})  # what is shown is to be run
        assert bodies == [sent]


class Serializer:
    """As the SageMaker SDK's are: what it looks like is no code."""

    CONTENT_TYPE = "text/csv"

    def __init__(self, rows: int = 1) -> None:
        self.rows = rows

    def serialize(self, data: Any) -> str:
        return "7,8\n" * self.rows


@pytest.mark.parametrize(
    "form",
    [
        "%sagemaker sums -d table --code --content-type LibSVM(label='b')",
        "%sagemaker sums -d table --code --content-type libsvm --accept Serializer()",
        "%sagemaker sums -d [1] --code --content-type Serializer()",
        "%sagemaker sums -d [1] --code --content-type Serializer(rows=1000)",
        "%sagemaker held -d [1] --code",
        '%%sagemaker sums --code --template instances\n{"a": [NaN, null], "b": {"c": NaN}}',
        '%%sagemaker sums --code --template \'{"rows": $records}\'\n[[1, NaN], [NaN, "x"]]',
        "%%sagemaker sums --code\n" + "1,2\n" * 1000,
        "%sagemaker sums --code --data file://rows.csv",
    ],
)
def test_both_halves_of_the_code_run_whatever_the_notebook_says(
    cells: Cells, sums: Endpoint, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    bodies: list[bytes] = []
    runtime.deploy("sums", lambda body: bodies.append(body) or [0, 0], takes="body")
    Path("rows.csv").write_bytes(b"1,2\n" * 1000)
    held = sums.replace(content_type=Serializer(), before_sign=lambda request: None)
    names = {"table": TABLE, "LibSVM": LibSVM, "libsvm": LibSVM(label="a"), "Serializer": Serializer, "held": held}
    cells.names.update(names)
    for name, value in runtime.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    cells(form.replace("--code", ""))
    [sent] = bodies
    for half in str(cells(form)).split("# With boto3"):
        bodies.clear()
        exec(half, dict(names))
        assert bodies == [sent]


MIXED = pd.DataFrame(
    {
        "area": [50.5, None, 1e-7, 80.0, 120.0],
        "rooms": [2, 3, 5, 1, 2],
        "sold": [True, False, True, True, False],
        "town": ["Köln", None, 'a "b", c', "", "Ulm"],
    },
    index=list("vwxyz"),
)
NUMBERS = MIXED[["area", "rooms"]]
WITHOUT_THIS_PACKAGE = {
    "text/csv": {
        "mixed": MIXED,
        "numbers": NUMBERS,
        "booleans": MIXED[["rooms", "sold"]],
        "dates": pd.DataFrame({"at": pd.date_range("2024-01-01", periods=5, freq="h"), "rooms": range(5)}),
        "series": MIXED["town"],
        "array": NUMBERS.to_numpy(),
        "polar": pl.DataFrame({"rows": [1.5, 2.0], "row": ["a", "b"]}),
        "arrow": pa.table({"a": [1.5, 2.0]}),
    },
    "text/csv;header=present": {"mixed": MIXED, "numbers": NUMBERS},
    "application/json": {
        "rows": MIXED[["rooms", "town"]],
        "numbers": MIXED[["rooms"]],
        "array": MIXED[["rooms"]].to_numpy(),
        "polar": pl.DataFrame({"rows": [1.5, 2.0], "row": ["a", "b"]}),
        "arrow": pa.table({"rows": [1.5, None], "row": ["a", "b"]}),
        "mapping": {"inputs": ["ü", 1.5, None]},
    },
    "application/json --template instances": {"rows": MIXED[["rooms", "town"]], "lists": [[1, 2], [3, 4]]},
    "application/json --template features": {"mixed": MIXED[["rooms", "sold"]], "array": np.arange(6).reshape(3, 2)},
    "application/json --template dataframe_split": {"mixed": MIXED[["rooms", "town"]]},
    "application/json --template dataframe_records": {"mixed": MIXED[["rooms", "town"]]},
    "application/json --template inputs": {"series": MIXED["town"].fillna("")},
    "application/jsonlines": {"mixed": MIXED[["rooms", "town"]], "array": np.arange(6).reshape(3, 2)},
    "application/x-npy": {
        "numbers": NUMBERS,
        "booleans": MIXED[["area", "sold"]],
        "series": MIXED["rooms"],
        "array": NUMBERS.to_numpy(),
        "cube": np.zeros((2, 3, 4)),
        "polar": pl.DataFrame({"a": [1.5, 2.0], "b": [0.5, 1.0]}),
    },
}


@pytest.mark.parametrize("endpoint", ["echo", "few"])
@pytest.mark.parametrize(
    ("content_type", "name"), [(each, name) for each, named in WITHOUT_THIS_PACKAGE.items() for name in named]
)
def test_the_code_for_boto3_sends_the_same_bytes_without_this_package(  # noqa: PLR0913, PLR0917 - fixtures
    cells: Cells,
    runtime: LocalRuntime,
    monkeypatch: pytest.MonkeyPatch,
    endpoint: str,
    content_type: str,
    name: str,
) -> None:
    """Also in several requests, and whatever the variable is called."""
    bodies: list[bytes] = []
    whole = runtime.deploy("echo", lambda body: bodies.append(body) or b"[]", takes="body")
    data = WITHOUT_THIS_PACKAGE[content_type][name]
    cells.names |= {"echo": whole, "few": whole.replace(policy=Policy(chunk_rows=2, concurrency=1)), name: data}
    for name_of, value in runtime.environ.items():
        monkeypatch.setenv(name_of, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with contextlib.suppress(errors.SmrtError):  # nobody answers a row each here
        cells(f"%sagemaker {endpoint} --data {name} --content-type {content_type}")
    sent = sorted(bodies)
    bare = str(cells(f"%sagemaker {endpoint} --data {name} --content-type {content_type} --code"))
    bare = bare.partition("# With boto3")[2]
    assert "smrt_jupyter" not in bare
    bodies.clear()
    exec(bare, {name: data})  # what is shown is to be run
    assert sorted(bodies) == sent


def test_the_code_for_boto3_says_why_it_needs_this_package(cells: Cells, sums: Endpoint) -> None:
    cells.names["table"] = TABLE
    code = str(cells("%sagemaker sums -d table --code --content-type application/x-recordio-protobuf"))
    assert "# pandas, NumPy and json alone do not write these bytes, so this package does.\n" in code


def test_the_code_of_many_requests_is_a_short_loop(cells: Cells, sums: Endpoint) -> None:
    cells.names["few"] = sums.replace(policy=Policy(chunk_rows=10))
    cells.names["table"] = pd.DataFrame({"a": range(1000)})
    code = str(cells("%sagemaker few -d table --code"))
    assert "for start in range(0, 1000, 10):\n    rows = table.iloc[start : start + 10]\n" in code
    assert "# Tried on 16 of these 100 bodies.\n" in code
    cells.names["table"] = cells.names["table"][:0]
    assert "for start, stop in []:" in str(cells("%sagemaker few -d table --code"))


def environment_of(runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in runtime.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


def test_the_code_of_a_stream_prints_it_in_both_halves(
    cells: Cells, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A letter of two bytes may come in two parts."""

    def words(body: bytes) -> Iterator[bytes]:
        yield from (b"gr\xc3", b"\xbcn ", body)

    cells.names["words"] = runtime.deploy("words", words, takes="body", content_type="text/plain")
    environment_of(runtime, monkeypatch)
    ours, bare = str(cells("%%sagemaker words --stream --code\nIs it?")).split("# With boto3")
    assert not runtime.requests
    for half in (ours, bare):
        capsys.readouterr()
        exec(half, {})
        assert capsys.readouterr().out == "grün Is it?"
    kept: dict[str, Any] = {}
    exec(str(cells("%%sagemaker words --stream --code --out said\nIs it?")).partition("# With boto3")[0], kept)
    assert kept["said"] == "grün Is it?"


@pytest.mark.parametrize(
    "options",
    [
        "-d table --async --inference-id mine --filename again",
        "-d large --async --s3-input s3://{bucket}/in",
        "--async --input-location s3://{bucket}/here --content-type text/csv",
        "-d table",
        "-d large --s3-input s3://{bucket}/in",
    ],
)
def test_the_code_for_an_asynchronous_endpoint_is_asynchronous_in_both_halves(
    cells: Cells, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    """Also where the line does not say that it is one, for it refuses anything else."""
    runtime.deploy("later", lambda frame: frame.sum(axis=1), asynchronous=True)
    monkeypatch.setattr("smrt_jupyter.magic.shown.PATIENCE", 60.0)  # a busy machine is not what is tested
    bucket = runtime.default_bucket
    environment_of(runtime, monkeypatch)
    boto3.client("s3").put_object(Bucket=bucket, Key="here", Body=b"1.5,3.0\n2.0,4.0\n")
    names = {"table": TABLE, "large": pd.concat([TABLE] * 10_000)}
    cells.names.update(names)
    code = str(cells(f"%sagemaker later {options} --code".format(bucket=bucket)))
    assert "invoke_endpoint(" not in code
    ours, bare = code.split("# With boto3")
    assert "smrt_jupyter" not in bare
    made: dict[str, Any] = dict(names)
    exec(ours, made)
    found = made["inference"].result(timeout=30).value if "inference" in made else made["answer"]
    made = dict(names)
    exec(bare, made)
    output = AsyncInference(made["location"]).result(timeout=30).value
    np.testing.assert_array_equal(_numbers_of(output), _numbers_of(found))


def _numbers_of(answer: Any) -> Any:
    return np.ravel(answer["predictions"] if isinstance(answer, dict) else answer)


def test_requests_of_one_loop_have_outputs_of_their_own(
    cells: Cells, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment_of(runtime, monkeypatch)
    later = runtime.deploy("later", lambda frame: frame.sum(axis=1), asynchronous=True)
    cells.names |= {"few": later.replace(policy=Policy(chunk_rows=1), inference_id="mine"), "table": TABLE}
    bare = str(cells("%sagemaker few -d table --code")).partition("# With boto3")[2]
    made: dict[str, Any] = {"table": TABLE}
    exec(bare, made)
    assert len(set(made["locations"])) == len(TABLE)


def test_the_code_says_what_boto3_alone_does_not_do(cells: Cells, sums: Endpoint) -> None:
    cells.names["table"] = TABLE.assign(model="one")
    ours, bare = str(cells("%sagemaker sums -d table --journal run.db --code")).split("# With boto3")
    assert "endpoint.predict(table, journal='run.db')" in ours
    assert "# It keeps no journal: this sends every row again.\n" in bare
    ours, bare = str(cells("%sagemaker sums -d table --target-model-column model --code")).split("# With boto3")
    assert "endpoint.predict(table, target_model_column='model')" in ours
    assert "invoke_endpoint" not in bare


def test_list_and_describe_say_what_there_is(cells: Cells, sums: Endpoint) -> None:
    listed = cells("%sagemaker sums --list")
    assert list(listed["name"]) == ["sums"]
    assert listed["created"].dt.tz is not None
    told = cells.outputs[0]["text/plain"]
    assert re.search(
        r"sums  InService  \d{4}-\d\d-\d\d \d\d:\d\d \w+  \d{4}-\d\d-\d\d \d\d:\d\d \w+\n1 endpoint$", told
    )
    assert "..." not in told
    described = cells("%sagemaker sums --describe")
    assert described.status == "InService"
    assert "AllTraffic" in cells.outputs[0]["text/html"] if cells.outputs else "AllTraffic" in cells.shown


def test_a_list_of_no_endpoints_says_so(cells: Cells, runtime: LocalRuntime) -> None:
    cells(f"%sagemaker --list --endpoint-url {runtime.url}")
    assert "There are no endpoints in this region" in cells.outputs[0]["text/plain"]


def test_a_column_that_is_a_number_can_name_the_models(cells: Cells, runtime: LocalRuntime) -> None:
    cells.names["many"] = runtime.deploy("many", models={"a.tar.gz": lambda _: [1], "b.tar.gz": lambda _: [2]})
    cells.names["table"] = pd.DataFrame([[0.5, "b.tar.gz"], [0.5, "a.tar.gz"]])
    assert cells("%sagemaker many --data table --target-model-column 1").tolist() == [2, 1]


def test_an_error_advises_options_and_not_parameters_of_python(
    cells: Cells, sums: Endpoint, runtime: LocalRuntime
) -> None:
    cells.names["table"] = TABLE
    with pytest.raises(errors.AnswerError, match=r"Point `--path` .* look at the whole with `--raw`\."):
        cells("%sagemaker sums --data table --path nowhere")
    with pytest.raises(errors.CredentialsError, match=r"Name a `--region`, set AWS_REGION"):
        cells("%sagemaker other --data table")
    cells.names["later"] = runtime.deploy("later", lambda frame: frame.sum(axis=1), asynchronous=True)
    with pytest.raises(errors.ValidationFailed, match=r"Use `--async`, or `--data TABLE`\."):
        cells("%%sagemaker later\n1,2")
    with pytest.raises(errors.ValidationFailed, match=r"Leave `--async` out\."):
        cells("%%sagemaker sums --async\n1,2")
    with pytest.raises(errors.PayloadTooLarge, match=r"Say where: `--s3-input`, such as s3://"):
        cells(f"%%sagemaker later --async\n{'1,2 ' * 50_000}")


def test_an_error_of_some_rows_is_one_line_with_the_advice_for_its_first_cause(
    cells: Cells, sums: Endpoint, runtime: LocalRuntime
) -> None:
    def fails(frame: pd.DataFrame) -> pd.Series[Any]:
        if (frame[0] == 2).any():
            raise ValueError("two is too much")
        return frame[0]

    cells.names["picky"] = runtime.deploy("picky", fails).replace(policy=Policy(chunk_rows=1))
    cells.names["table"] = pd.DataFrame({"a": [1, 2, 3]})
    with pytest.raises(PartialResultError) as caught:
        cells("%sagemaker picky --data table")
    [line] = caught.value._render_traceback_()
    assert "\n" not in line
    assert line.endswith(
        "two is too much. `_error.errors[0].logs()` shows the end of the container's log. "
        "`_error.partial` has the rest, `_error.errors` the causes; with `--journal` the next run sends only these."
    )


def test_a_journal_makes_the_second_run_send_nothing(cells: Cells, sums: Endpoint, runtime: LocalRuntime) -> None:
    cells.names["table"] = TABLE
    cells("%sagemaker sums --data table --journal run.journal --out first")
    cells("%sagemaker sums --data table --journal run.journal --out second")
    assert len(runtime.requests) == 1
    pd.testing.assert_series_equal(cells.names["first"], cells.names["second"])


def test_a_stream_is_shown_as_it_comes_and_returned_whole(cells: Cells, runtime: LocalRuntime) -> None:
    def tell(_: Any) -> Iterator[str]:
        yield from ("Once ", "upon \x1b[31m", "a time")

    cells.names["teller"] = runtime.deploy("teller", tell)
    value = cells("text = %sagemaker teller --stream --data [[1]]\ntext")
    assert value == "Once upon \x1b[31ma time"
    assert cells.shown.startswith("Once upon \\x1b[31ma time\n")


def test_markdown_is_rendered_only_on_request_and_never_its_html(cells: Cells, runtime: LocalRuntime) -> None:
    text = "# Title\n<script>alert(1)</script> [x](javascript:alert(2)) ![x](http://127.0.0.1/spy.png) *y*"
    cells.names["writer"] = runtime.deploy("writer", lambda _: text, takes="value", content_type="text/plain")
    cells("%%sagemaker writer\nWrite")
    assert "<h1>" not in cells.outputs[0]["text/html"]
    cells("%%sagemaker writer --markdown\nWrite")
    shown = cells.outputs[0]["text/html"]
    assert "<h1>Title</h1>" in shown
    assert "<em>y</em>" in shown
    assert not any(bad in shown for bad in ("<script", 'href="javascript', "<img"))


def test_an_asynchronous_inference_is_a_handle_now_and_an_answer_later(cells: Cells, runtime: LocalRuntime) -> None:
    cells.names["later"] = runtime.deploy("later", lambda frame: frame.sum(axis=1), asynchronous=True)
    handle = cells("%%sagemaker later --async --inference-id mine\n1,2\n3,4")
    assert handle.inference_id == "mine"
    np.testing.assert_array_equal(np.ravel(handle.result(timeout=30).value), [3, 7])
    cells.names["table"] = TABLE
    handle = cells("%sagemaker later --data table --async")
    assert len(handle.result(timeout=30).value) == len(TABLE)


def test_a_table_goes_through_an_asynchronous_endpoint_in_chunks_too(cells: Cells, runtime: LocalRuntime) -> None:
    cells.names["later"] = runtime.deploy("later", lambda frame: frame.sum(axis=1), asynchronous=True)
    cells.names["table"] = TABLE
    for line in (
        "%sagemaker later --data table",
        f"%sagemaker later --data table --s3-input s3://{runtime.default_bucket}/in",
    ):
        pd.testing.assert_series_equal(cells(line), TABLE.sum(axis=1).astype(float), check_names=False)


# -- what goes wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%sagemaker sums --regoin x", "There is no option --regoin. Did you mean --region?"),
        ("%sagemaker sums --attempts 2", "no option --attempts; `Policy` has `attempts`. Set it in the table [NAME."),
        ("%sagemaker sums --timeout 2", "There is no option --timeout; `Policy` has `read_timeout`."),
        ("%sagemaker sums --zzzz 2", "There is no option --zzzz. `%sagemaker --help` shows"),
        ("%sagemaker sums --data", "--data/-d has no value."),
        ("%sagemaker sums --raw=yes --data table", "--raw takes no value, not even 'yes'."),
        ("%sagemaker later --async --request-ttl-seconds x", "--request-ttl-seconds takes a whole number, not 'x'."),
        ("%sagemaker sums extra --data table", "extra is one word too many: sums is the endpoint."),
        ("%sagemaker sums table", "What is sent is named with `--data table`."),
        ("%sagemaker sums --data tble", "Did you mean table? It is evaluated as Python;"),
        ("%sagemaker sums --data tabel", "NameError: name 'tabel' is not defined. Did you mean table?"),
        ("%sagemaker sums --data table.nothing", "AttributeError"),
        ("%sagemaker sums", "There is nothing to send."),
        ("%sagemaker --data table", "No endpoint is named."),
        ("%sagemaker sums --data table --out 1x", "--out 1x is no name that Python could use."),
        ("%sagemaker sums --data table --stream --dry-run", "--stream and --dry-run exclude one another."),
        ("%sagemaker sums --data table --markdown", "--markdown means nothing for a table."),
        ("%sagemaker sums --data [1] --journal x", "--journal means nothing for one request"),
        ("%sagemaker sums --data [1] --s3-input s3://b/p", "--s3-input means nothing for one request"),
        ("%sagemaker sums --data table --filename x", "--filename means nothing without --async."),
        ("%sagemaker sums --data table --async --raw", "--raw means nothing beside --async."),
        ("%sagemaker sums --data table --stream --async --code", "--stream and --async exclude one another."),
        ("%sagemaker sums --data table --stream --code --journal x", "--journal means nothing beside --stream."),
        ("%sagemaker sums --data [1] --code --journal x", "--journal means nothing for one request"),
        ("%sagemaker sums --data table --async --journal x", "--journal means nothing beside --async."),
        ("%sagemaker sums --describe --data table", "--data means nothing beside --describe."),
        ("%sagemaker sums --data table --expand", "--expand is for the text of a cell"),
        ("%%sagemaker sums --expand\n[{{oben}}]", "The cell names {{oben}}, which is not defined. `%sagemaker"),
        ("%%sagemaker sums --expand\n[{{tble}}]", "The cell names {{tble}}, which is not defined. Did you mean table?"),
        ("%%sagemaker sums --expand\n[{{v+1}}]", "The cell has {{v+1}}, and --expand replaces names alone. Give the"),
        ("%%sagemaker sums --data table\n1,2", "Both the cell and --data hold data."),
        ('%%sagemaker sums\n{"a":', "begins as JSON and is none"),
        ("%%sagemaker sums\n" + "[" * 100_000, "begins as JSON and is none"),
        ("%%sagemaker sums --template instances\n" + "[" * 100_000, "begins as JSON and is none"),
        ("%sagemaker sums --data table --content-type json", "not defined. Did you mean application/json?"),
        ("%sagemaker sums --data table --accept csv", "not defined. Did you mean text/csv?"),
        ("import json\n%sagemaker sums --data table --content-type json", "a module. Did you mean application/json?"),
        ("%sagemaker sums --data table --out class", "--out class is no name that Python could use."),
        ("%sagemaker other --list", "other is one word too many"),
    ],
)
def test_a_mistake_is_one_line_and_sends_nothing(
    cells: Cells, sums: Endpoint, runtime: LocalRuntime, line: str, message: str
) -> None:
    cells.names["table"] = TABLE
    with pytest.raises(OptionError) as caught:
        cells(line)
    assert message in str(caught.value)
    assert len(caught.value._render_traceback_()) == 1
    assert cells.shown.count("\n") <= 2
    assert not runtime.requests


def test_an_endpoint_of_the_notebook_is_known_by_its_name_too(cells: Cells, runtime: LocalRuntime) -> None:
    """Whatever the variable is called; and a name that is nearly one of theirs is told."""
    cells.names["held"] = runtime.deploy("sums-2", lambda frame: frame.sum(axis=1))
    cells.names["table"] = TABLE
    assert cells("%sagemaker sums-2 --data table").tolist() == [4.5, 6.0]
    with pytest.raises(errors.InvokeError, match=r"Did you mean sums-2\?"):
        cells("%sagemaker sums-3 --data table")


def test_the_error_stays_at_hand(cells: Cells, runtime: LocalRuntime) -> None:
    """What the message tells to call can be called."""

    def fails(frame: pd.DataFrame) -> pd.Series[Any]:
        if (frame[0] == 2).any():
            raise ValueError("two is too much")
        return frame[0]

    from smrt_jupyter import Policy

    cells.names["picky"] = runtime.deploy("picky", fails).replace(policy=Policy(chunk_rows=1))
    cells.names["table"] = pd.DataFrame({"a": [1, 2, 3]}, index=list("xyz"))
    with pytest.raises(PartialResultError, match=r"`_error\.partial` has the rest"):
        cells("%sagemaker picky --data table")
    partial = cells("_error.partial")
    assert list(partial.index) == ["x", "y", "z"]
    assert partial["x"] == 1
    assert partial.isna().sum() == 1
    with pytest.raises(errors.ModelError, match=r"`_error\.logs\(\)`"):
        cells("%%sagemaker picky\n2")


# -- loading and unloading ----------------------------------------------------------------------------------------


def test_loading_is_light(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from smrt_jupyter import magic\n"
        f"shell = magic.plain_shell({str(tmp_path)!r})\n"
        "shell.run_line_magic('load_ext', 'smrt_jupyter')\n"
        "print(sorted({'boto3', 'botocore', 'pandas', 'sklearn', 'numpy', 'ipywidgets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_unloading_gives_everything_back(shell: InteractiveShell) -> None:
    def state() -> tuple[Any, ...]:
        return (
            {kind: dict(found) for kind, found in shell.magics_manager.magics.items()},
            dict(shell.magics_manager.registry),
            list(shell.configurables),
            list(shell.Completer.custom_matchers),
            {name: list(found) for name, found in shell.events.callbacks.items()},
            dict(shell.display_formatter.ipython_display_formatter.type_printers),
        )

    run = Cells(shell)
    run("%load_ext storemagic")  # IPython loads its own magics when one of them is first used
    run("%reload_ext storemagic")
    run("%unload_ext storemagic")
    before = state()
    for _ in range(2):
        run("%load_ext smrt_jupyter")
        run("%reload_ext smrt_jupyter")
        assert state() != before
        run("%unload_ext smrt_jupyter")
        assert state() == before


def test_it_loads_itself_when_it_is_first_used(tmp_path: Path) -> None:
    InteractiveShell.clear_instance()
    lazy = Config(
        {"MagicsManager": {"lazy_magics": {"sagemaker": "smrt_jupyter"}}, "HistoryManager": {"enabled": False}}
    )
    shell = InteractiveShell.instance(config=lazy, ipython_dir=str(tmp_path))
    run = Cells(shell)
    run("%sagemaker --help")
    assert run.shown.startswith("%%sagemaker ENDPOINT")
    atexit.unregister(shell.atexit_operations)
    InteractiveShell.clear_instance()


def test_no_secret_is_shown(cells: Cells, sums: Endpoint, runtime: LocalRuntime) -> None:
    cells.names["table"] = TABLE
    told = ""
    for line in ("--data table", "--data table --dry-run", "--data table --code", "--describe", "--list"):
        cells(f"%sagemaker sums {line}")
        told += cells.shown + json.dumps(cells.outputs, default=str)
    assert runtime.environ["AWS_SECRET_ACCESS_KEY"] not in told
