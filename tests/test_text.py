from __future__ import annotations

import datetime as dt
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from smrt_jupyter import codecs
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Table

if TYPE_CHECKING:
    from pathlib import Path

TEXT = codecs.find("text/plain")
RAW = codecs.find("application/octet-stream")


def test_text_is_its_bytes_in_the_charset_of_the_content_type() -> None:
    for name, body in (("utf-8", "Größe".encode()), ("latin-1", b"Gr\xf6\xdfe"), ("UTF-16", "Größe".encode("utf-16"))):
        codec = codecs.find(f"text/plain; charset={name}")
        assert codec.encode("Größe") == body
        assert codec.decode(body) == "Größe"
    assert TEXT.decode(b"\xef\xbb\xbfa") == "a"


@pytest.mark.parametrize("charset", ["zlib", "punycode", "unicode_escape", "rot13", "nonsense"])
def test_what_is_no_charset_is_refused_though_python_has_a_codec_for_it(charset: str) -> None:
    codec = codecs.find(f"text/plain; charset={charset}")
    with pytest.raises(CodecError, match="charset"):
        codec.encode("a")
    with pytest.raises(CodecError, match="charset"):
        codec.decode(b"a")


def test_a_character_that_the_charset_lacks_is_named() -> None:
    with pytest.raises(CodecError, match="'✓' has no bytes in ascii"):
        codecs.find("text/plain; charset=ascii").encode("✓")
    with pytest.raises(CodecError, match="not utf-8 at byte 1"):
        TEXT.decode(b"a\xff")


def test_bytes_files_and_paths_are_sent_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"\x00\xff")
    with path.open("rb") as file:
        for given in (
            b"\x00\xff",
            bytearray(b"\x00\xff"),
            memoryview(b"\x00\xff"),
            io.BytesIO(b"\x00\xff"),
            path,
            file,
        ):
            assert RAW.encode(given) == b"\x00\xff"
    assert RAW.encode("ä") == TEXT.encode(io.StringIO("ä")) == "ä".encode()
    assert RAW.decode(b"\x00\xff") == b"\x00\xff"


@pytest.mark.parametrize("codec", [TEXT, RAW], ids=repr)
@pytest.mark.parametrize("value", [5, {"a": 1}, [1], None])
def test_anything_else_is_refused(codec: codecs.Codec, value: Any) -> None:
    with pytest.raises(CodecError, match=type(value).__name__):
        codec.encode(value)


def test_each_cell_of_one_column_is_a_request() -> None:
    for codec, column in ((TEXT, pd.Series(["a", "ä"])), (RAW, pd.Series([b"a", "ä".encode()]))):
        writer = codec.writer(Table.of(column))
        assert [writer(0, 1), writer(1, 2)] == [b"a", "ä".encode()]
        assert codec.rows_at_once == 1
        with pytest.raises(CodecError, match="one row a request, and 2 are given"):
            writer(0, 2)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), "the table has 2"),
        (pd.DataFrame({"a": [1.5]}), r"column 'a'.*floats"),
        (np.ones(2), "floats"),
    ],
)
def test_other_tables_are_refused_before_anything_is_written(table: Any, told: str) -> None:
    with pytest.raises(CodecError, match=told):
        TEXT.writer(Table.of(table))


@pytest.mark.parametrize("codec", [TEXT, RAW], ids=repr)
def test_a_missing_cell_is_named_by_its_row(codec: codecs.Codec) -> None:
    writer = codec.writer(Table.of(pd.Series(["a", None], name="note")))
    with pytest.raises(CodecError, match=r"column 'note'.*row 1"):
        writer(1, 2)


def test_a_column_of_other_things_than_text_says_which() -> None:
    days = pd.Series([dt.date(2024, 1, 2)], dtype=object)
    with pytest.raises(CodecError, match=r"this column holds date values \(first in row 0\)"):
        codecs.find("text/plain").writer(Table.of(days))
