"""The content types that are built in: without NumPy, so that the first Tab of a kernel has them at once."""

from __future__ import annotations

BUILT_IN: dict[str, str] = {
    "text/csv": "csv:CSV",
    "application/csv": "csv:CSV",
    "application/json": "json:JSON",
    "text/json": "json:JSON",
    "application/jsonlines": "json:JSONLines",
    "application/x-jsonlines": "json:JSONLines",
    "application/jsonl": "json:JSONLines",
    "application/x-jsonl": "json:JSONLines",
    "application/json-lines": "json:JSONLines",
    "application/x-ndjson": "json:JSONLines",
    "application/ndjson": "json:JSONLines",
    "application/jsons": "json:JSONLines",
    "text/jsonl": "json:JSONLines",
    "application/x-npy": "numpy:Npy",
    "application/npy": "numpy:Npy",
    "application/x-npz": "npz:Npz",
    "application/x-recordio-protobuf": "recordio:RecordIO",
    "text/libsvm": "libsvm:LibSVM",
    "text/x-libsvm": "libsvm:LibSVM",
    "application/x-parquet": "arrow:Parquet",
    "application/vnd.apache.parquet": "arrow:Parquet",
    "application/parquet": "arrow:Parquet",
    "application/vnd.apache.arrow.stream": "arrow:ArrowStream",
    "application/vnd.apache.arrow.file": "arrow:ArrowFile",
    "application/x-image": "images:Image",
    "image/*": "images:Image",
    "audio/*": "audio:Audio",
    "application/vnd.sagemaker-triton.binary+json": "triton:Triton",
    "tensor/pt": "tensor:TorchTensor",
    "text/plain": "text:Text",
    "application/x-text": "text:Text",
    "text/*": "text:Text",
    "application/xml": "text:Text",
    "application/octet-stream": "text:Raw",
    "application/x-binary": "text:Raw",
    "file-path/raw-bytes": "text:Raw",
}
"""Every content type that is known from the start, and the class of `smrt_jupyter.codecs` that is loaded for it."""

NAMES = [*(name for name in BUILT_IN if not name.endswith("/*")), "image/png", "image/jpeg", "audio/wav"]
"""Those that a request can name; of a whole family, its most used ones."""
