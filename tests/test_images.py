"""Images and audio: from files, bytes, Pillow images and arrays, and back."""

from __future__ import annotations

import importlib.util
import io
import struct
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image as PillowImage

from smrt_jupyter.codecs.audio import Audio
from smrt_jupyter.codecs.images import Image
from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import Table

if TYPE_CHECKING:
    from pathlib import Path

    from smrt_jupyter.codecs.base import Codec

PICTURE = np.random.default_rng(0).integers(0, 256, size=(5, 7, 3), dtype=np.uint8)


def file(form: str, array: Any = PICTURE) -> bytes:
    out = io.BytesIO()
    PillowImage.fromarray(array).save(out, form)
    return out.getvalue()


def png(width: int, height: int) -> bytes:
    """A PNG that claims a size, with the pixels of another."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [None, 1, 3, 4])
def test_an_array_comes_back_pixel_by_pixel(channels: int | None) -> None:
    shape = (5, 7) if channels is None else (5, 7, channels)
    array = np.random.default_rng(0).integers(0, 256, size=shape, dtype=np.uint8)
    back = Image("image/png").decode(Image("image/png").encode(array))
    assert np.array_equal(array.squeeze(), np.asarray(back))


@pytest.mark.parametrize(
    ("content_type", "form"),
    [("image/png", "PNG"), ("image/jpeg", "JPEG"), ("image/gif", "GIF"), ("image/webp", "WEBP"), ("image/bmp", "BMP")],
)
def test_the_content_type_decides_the_format(content_type: str, form: str) -> None:
    assert Image(content_type).decode(Image(content_type).encode(PICTURE)).format == form


def test_an_image_keeps_its_own_format_where_the_content_type_leaves_it_open() -> None:
    picture = PillowImage.open(io.BytesIO(file("JPEG")))
    assert Image("application/x-image").encode(picture).startswith(b"\xff\xd8")
    assert Image("application/x-image").encode(PICTURE).startswith(b"\x89PNG")


def test_jpeg_drops_what_it_cannot_hold() -> None:
    see_through = np.dstack([PICTURE, PICTURE[:, :, 0]])
    assert Image("image/jpeg").decode(Image("image/jpeg").encode(see_through)).mode == "RGB"


@pytest.mark.parametrize("codec", [Image("image/jpeg"), Audio("audio/wav")])
def test_a_file_goes_out_as_it_is(codec: Codec, tmp_path: Path) -> None:
    path, body = tmp_path / "file", b"\xff\xd8 whatever is in it"
    path.write_bytes(body)
    for given in (path, str(path), body, bytearray(body), io.BytesIO(body)):
        assert codec.encode(given) == body


@pytest.mark.parametrize("codec", [Image("image/png"), Audio("audio/wav")])
def test_a_column_of_files_is_one_request_each(codec: Codec, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"of a path")
    write = codec.writer(Table.of(pd.Series([b"bytes", str(path)])))
    assert [write(0, 1), write(1, 2)] == [b"bytes", b"of a path"]
    with pytest.raises(CodecError, match="one file a request"):
        write(0, 2)


@pytest.mark.parametrize("codec", [Image("image/png"), Audio("audio/wav")])
def test_a_table_is_refused(codec: Codec) -> None:
    with pytest.raises(CodecError, match="one file a request"):
        codec.writer(Table.of(pd.DataFrame({"a": [1.0], "b": [2.0]})))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("/no/such/file.png", "cannot be read"),
        (np.zeros((2, 3)), "float64"),
        (np.zeros((2, 3, 2), np.uint8), r"\(2, 3, 2\)"),
        (np.zeros((0, 3), np.uint8), r"\(0, 3\)"),
        ({"image": 1}, "dict is no image"),
    ],
)
def test_what_is_no_image_is_refused(value: Any, told: str) -> None:
    with pytest.raises(CodecError, match=told):
        Image("image/png").encode(value)


@pytest.mark.parametrize(
    "body",
    [b"", b"not an image", file("PNG")[:60], file("JPEG")[:100], b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n"],
)
def test_a_broken_body_is_refused(body: bytes) -> None:
    with pytest.raises(CodecError, match="no image that Pillow can read"):
        Image("image/png").decode(body)


def test_a_size_is_not_believed_before_it_is_checked() -> None:
    tracemalloc.start()
    with pytest.raises(CodecError, match="limit"):
        Image("image/png").decode(png(9_000, 9_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_without_pillow_the_bytes_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "PIL" else real(name, *rest))
    assert Image("image/png").decode(b"\x89PNG") == b"\x89PNG"


def test_audio_comes_back_as_bytes() -> None:
    assert Audio("audio/mpeg").decode(b"ID3") == b"ID3"
    with pytest.raises(CodecError, match="list is no audio"):
        Audio().encode([0.0, 0.5])


@pytest.mark.parametrize("body", [b"", b"a text", b"GIF89a"])
def test_a_body_that_is_no_image_is_told_in_words(body: bytes) -> None:
    with pytest.raises(CodecError, match="no image that Pillow can read: it ") as caught:
        Image("image/png").decode(body)
    assert "object at" not in str(caught.value)
    assert (repr(body[:8]) if body else "it is empty") in str(caught.value)
