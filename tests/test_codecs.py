from __future__ import annotations

import pickle
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from PIL import Image

from smrt_jupyter import codecs
from smrt_jupyter.codecs import Codec, MediaType, accepted, find, find_reader, for_data, reader_of, register_codec
from smrt_jupyter.errors import CodecError


class Loud(Codec):
    """Text in capitals."""

    content_types = ("text/x-loud", "loud/*")

    def encode(self, value: object) -> bytes:
        return str(value).upper().encode()

    def decode(self, body: bytes) -> object:
        return body.decode().lower()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget afterwards what a test registers."""
    monkeypatch.setattr(codecs, "_registered", {})
    monkeypatch.setattr(codecs, "_names", list(codecs._names))
    codecs._published.cache_clear()


@pytest.mark.parametrize("content_type", codecs.CONTENT_TYPES)
def test_every_name_has_a_codec_that_keeps_the_parameters(content_type: str) -> None:
    codec = find(f"{content_type}; Charset=UTF-8;verbose")
    assert codec.media_type.text == f"{content_type}; Charset=UTF-8;verbose" or "json-header-size" in str(codec)
    assert (codec.media_type.essence, codec.media_type.parameters["charset"]) == (content_type, "UTF-8")
    reader = find_reader(content_type.upper())
    assert type(reader) is type(codec)


@pytest.mark.parametrize("place", sorted(set(codecs.BUILT_IN.values())))
def test_a_class_knows_the_names_under_which_the_table_has_it(place: str) -> None:
    names = {essence for essence, other in codecs.BUILT_IN.items() if other == place}
    assert names <= set(codecs._load(place).content_types)


@pytest.mark.parametrize(
    ("content_type", "told"),
    [
        ("csv", "text/csv"),
        ("text/cvs", "text/csv"),
        ("jsonlines", "application/jsonlines"),
        ("nonsense/x", "register_codec"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_known_one(content_type: str, told: str) -> None:
    with pytest.raises(CodecError, match=told):
        find(content_type)


def test_a_reader_is_found_by_the_family_where_the_name_is_unknown() -> None:
    assert type(find_reader("application/vnd.example+json")).__name__ == "JSON"
    assert type(find_reader("text/event-stream")).__name__ == "Text"
    assert type(find_reader("image/x-strange")).__name__ == "Image"
    assert find_reader("application/x-strange") is None
    assert find_reader("") is None


@pytest.mark.usefixtures("registry")
def test_a_registered_codec_comes_before_the_built_in_ones() -> None:
    assert register_codec(Loud) is Loud
    assert find("text/x-loud; a=b").encode("hi") == b"HI"
    assert type(find_reader("loud/anything")) is Loud
    assert "text/x-loud" in codecs.CONTENT_TYPES
    assert "loud/*" not in codecs.CONTENT_TYPES

    @register_codec
    class OwnCSV(Loud):
        content_types = ("text/csv",)

    assert type(find("text/csv")) is OwnCSV
    with pytest.raises(CodecError, match="names no content types"):
        register_codec(Codec)


@pytest.mark.usefixtures("registry")
def test_a_codec_of_another_distribution_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    def published(group: str) -> list[EntryPoint]:
        assert group == "smrt_jupyter.codecs"
        return [EntryPoint(name, f"{__name__}:Loud", group) for name in ("text/x-loud", "loud/*")]

    monkeypatch.setattr(codecs, "entry_points", published)
    assert type(find("text/x-loud")).__name__ == "Loud"
    assert type(find_reader("loud/anything")).__name__ == "Loud"
    codecs._published.cache_clear()


@pytest.mark.usefixtures("registry")
def test_a_broken_distribution_takes_only_its_own_content_type_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / "broken-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    points = f"[smrt_jupyter.codecs]\ntext/x-broken = no_such_module:Mine\ntext/x-loud = {__name__}:Loud\n"
    (metadata / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert {"text/x-broken", "text/x-loud", "text/csv"} <= set(codecs.CONTENT_TYPES)
        assert type(find("text/x-loud")).__name__ == "Loud"
        assert type(find_reader("text/html")).__name__ == "Text"
        with pytest.raises(CodecError, match="Did you mean text/csv"):
            find("text/cvs")
        with pytest.raises(CodecError, match="'text/x-broken', which broken publishes, cannot be loaded: Mod"):
            find("text/x-broken")
    finally:
        codecs._published.cache_clear()


def test_a_quoted_parameter_may_hold_a_semicolon() -> None:
    media_type = MediaType(r'text/csv; a="x;\"y\""; header=present; verbose')
    assert dict(media_type.parameters) == {"a": 'x;"y"', "header": "present", "verbose": ""}
    assert dict(MediaType('text/csv; a="x; b=1').parameters) == {"a": "x", "b": "1"}


def test_a_codec_is_a_value() -> None:
    codec = find("text/csv; header=present")
    assert codec == find("text/csv; header=present") != find("text/csv")
    assert hash(codec) == hash(find("text/csv; header=present"))
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert find(codec) is codec
    templated = find("application/json", template="features")
    assert templated != find("application/json")
    assert pickle.loads(pickle.dumps(templated)) == templated
    assert find(find("application/json"), template="features") == templated


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (pd.DataFrame({"a": [1]}), "text/csv"),
        (pd.Series([1]), "text/csv"),
        (np.ones((2, 2)), "text/csv"),
        (np.ones((2, 2, 2)), "application/x-npy"),
        (sp.csr_matrix(np.eye(2)), "application/x-npz"),
        ({"inputs": "hi"}, "application/json"),
        ([[1, 2]], "application/json"),
        (0.5, "application/json"),
        ('{"inputs": "hi"}', "application/json"),
        ('{"a": 1}\n{"a": 2}\n', "application/jsonlines"),
        ("5.1,3.5\n4.9,3.0\n", "text/csv"),
        ("Why is the sky blue?", "text/plain"),
        ("{not json", "text/plain"),
        ("", "text/plain"),
        (b"[1, 2]", "application/json"),
        (b"\x00\x01", "application/octet-stream"),
        (b"\x93NUMPY...", "application/x-npy"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"PAR1", "application/x-parquet"),
        (Path("rows.jsonl"), "application/jsonlines"),
        (Path("cat.JPG"), "image/jpeg"),
        (Path("unknown"), "application/octet-stream"),
        (Image.new("RGB", (1, 1)), "image/png"),
    ],
    ids=repr,
)
def test_data_calls_for_a_content_type(data: Any, content_type: str) -> None:
    assert for_data(data) == content_type
    find(content_type)


class Deserializer:
    """Of the SageMaker SDK's kind."""

    ACCEPT = ("text/x-a", "text/x-b")

    def deserialize(self, stream: Any, content_type: str) -> Any:
        return content_type, stream.read()


@pytest.mark.parametrize(
    ("accept", "header"),
    [
        (None, None),
        ("text/csv, application/json", "text/csv, application/json"),
        (Loud(), "text/x-loud"),
        (Deserializer(), "text/x-a, text/x-b"),
        (["text/csv", Loud()], "text/csv, text/x-loud"),
    ],
    ids=repr,
)
def test_what_is_accepted_is_told_as_a_header(accept: Any, header: str | None) -> None:
    assert accepted(accept) == header


def test_the_replys_own_content_type_decides_who_reads_it() -> None:
    """A codec that was asked for reads its own types alone; a deserializer was brought to read whatever comes."""
    reader = reader_of(Loud(), "text/x-loud; a=b")
    assert reader is not None
    assert (reader.decode(b"HI"), reader.media_type.text) == ("hi", "text/x-loud; a=b")
    assert reader_of(Loud(), "application/json") is None
    assert reader_of("text/csv", "application/json") is None
    assert reader_of(None, "") is None
    brought = reader_of(Deserializer(), "application/json")
    assert brought is not None
    assert brought.decode(b"{}") == ("application/json", b"{}")


def test_a_media_type_is_taken_apart_once_and_kept_as_it_was_written() -> None:
    media_type = MediaType(' Text/CSV ;label_size=0; note="a b" ;verbose;')
    assert media_type.essence == "text/csv"
    assert dict(media_type.parameters) == {"label_size": "0", "note": "a b", "verbose": ""}
    assert media_type.text == ' Text/CSV ;label_size=0; note="a b" ;verbose;'
