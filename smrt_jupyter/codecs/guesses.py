"""Which content type data goes out as when the user names none."""

from __future__ import annotations

from typing import Any

from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables import is_sparse, is_table

_SUFFIXES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".ndjson": "application/jsonlines",
    ".npy": "application/x-npy",
    ".npz": "application/x-npz",
    ".parquet": "application/x-parquet",
    ".arrow": "application/vnd.apache.arrow.file",
    ".libsvm": "text/libsvm",
    ".svm": "text/libsvm",
    ".txt": "text/plain",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
}

_SIGNATURES = (
    (b"\x93NUMPY", "application/x-npy"),
    (b"PAR1", "application/x-parquet"),
    (b"ARROW1", "application/vnd.apache.arrow.file"),
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x0a\x23\xd7\xce", "application/x-recordio-protobuf"),
)


def for_data(data: Any) -> str:  # noqa: PLR0911 - one return for each sort of data
    """Choose a content type for data when the user names none.

    Parameters
    ----------
    data : object

    Returns
    -------
    str
        Tables and arrays go as CSV, sparse matrices as npz, arrays of more dimensions as npy, lists, mappings and
        numbers as JSON, paths by their suffix, images and tensors as such; text and bytes by what they look like.

    Examples
    --------
    >>> for_data([[1, 2]]), for_data("5.1,3.5"), for_data('{"inputs": "hi"}'), for_data("Good morning")
    ('application/json', 'text/csv', 'application/json', 'text/plain')
    """
    kinds = {one.__module__.partition(".")[0] for one in type(data).__mro__}
    if is_sparse(data):
        return "application/x-npz"
    if is_table(data):
        return "text/csv"
    if isinstance(data, str):
        return _look(data.encode("utf-8", "surrogatepass"), otherwise="text/plain")
    if isinstance(data, bytes | bytearray | memoryview):
        return _look(bytes(data), otherwise="application/octet-stream")
    if hasattr(data, "__fspath__"):
        return _SUFFIXES.get(str(data)[str(data).rfind(".") :].lower(), "application/octet-stream")
    if "PIL" in kinds:
        return "image/png"
    if "torch" in kinds:
        return "tensor/pt"
    if "numpy" in kinds and getattr(data, "ndim", 0) > 0:
        return "application/x-npy"
    return "application/octet-stream" if hasattr(data, "read") else "application/json"


def _look(body: bytes, otherwise: str) -> str:
    """Guess what text or bytes are from how they begin; JSON and numbers are read to be sure."""
    from smrt_jupyter.codecs.csv_reader import only_numbers
    from smrt_jupyter.codecs.json import loads

    for signature, content_type in _SIGNATURES:
        if body.startswith(signature):
            return content_type
    start = body.lstrip()[:1]
    if start in (b"{", b"["):
        for text, content_type in ((body, "application/json"), (body.split(b"\n")[0], "application/jsonlines")):
            try:
                loads(text)
            except CodecError:
                continue
            return content_type
    return "text/csv" if body and only_numbers(body) else otherwise
