"""An S3 API beside the runtime: moto's, at the same address, loaded when somebody first asks for it.

One address for everything is what lets a client find it all with nothing but variables; the credential scope of a
signature says which service is meant. moto keeps one S3 a process, so the last runtime to close empties it.
"""

from __future__ import annotations

import io
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from urllib.parse import quote, unquote_to_bytes, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NOT_FOUND, FORBIDDEN = 404, 403


class Stored(NamedTuple):
    """An object."""

    body: bytes
    content_type: str | None


class Answer(NamedTuple):
    """What the S3 API said."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


class S3:
    """moto's S3, with the bucket that SageMaker's SDK expects.

    Parameters
    ----------
    bucket : str
        There from the start.
    region : str
        Where the bucket is.
    """

    _open: ClassVar[int] = 0
    _lock: ClassVar[threading.Lock] = threading.Lock()
    _calls: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, bucket: str, region: str) -> None:
        self._application = _moto()
        with S3._lock:
            S3._open += 1
        where = f"<LocationConstraint>{region}</LocationConstraint>"
        where = f"<CreateBucketConfiguration>{where}</CreateBucketConfiguration>"
        self._scope = f"AWS4-HMAC-SHA256 Credential=local/20260101/{region}/s3/aws4_request, SignedHeaders=, Signature="
        self._own("PUT", f"/{bucket}", b"" if region == "us-east-1" else where.encode())

    def close(self) -> None:
        """Forget everything, when no other runtime of this process needs it."""
        from moto.s3.models import s3_backends

        with S3._lock:
            S3._open -= 1
            if S3._open == 0:
                s3_backends.reset()

    def get(self, location: str) -> Stored | None:
        """Read an object.

        Parameters
        ----------
        location : str
            ``s3://bucket/key``, or its ``https`` address.

        Returns
        -------
        Stored or None
            None when it is not there.
        """
        answer = self._own("GET", path_of(location))
        if answer.status != 200:  # noqa: PLR2004 - HTTP's word for yes
            return None
        return Stored(answer.body, {name.lower(): value for name, value in answer.headers}.get("content-type"))

    def put(self, location: str, body: bytes, content_type: str | None = None) -> None:
        """Write an object.

        Parameters
        ----------
        location : str
            ``s3://bucket/key``.
        body : bytes
            Its content.
        content_type : str, optional
            Kept with it.

        Raises
        ------
        OSError
            There is no such bucket.
        """
        headers = {"content-type": content_type} if content_type else {}
        answer = self._own("PUT", path_of(location), body, headers)
        if answer.status != 200:  # noqa: PLR2004 - HTTP's word for yes
            msg = f"Could not write {location}: {answer.body.decode(errors='replace')}"
            raise OSError(msg)

    def _own(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        scoped = [("authorization", self._scope), *(headers or {}).items()]
        return self.call(method, path, "", scoped, body)

    def call(self, method: str, path: str, query: str, headers: Iterable[tuple[str, str]], body: bytes) -> Answer:
        """Pass a request to moto, as a WSGI server does.

        Parameters
        ----------
        method, path, query : str
            As they came over the wire, still encoded.
        headers : iterable of pairs of str
            Lower-case names.
        body : bytes
            The payload.

        Returns
        -------
        Answer
        """
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "RAW_URI": f"{path}?{query}" if query else path,
            "REQUEST_URI": f"{path}?{query}" if query else path,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "127.0.0.1",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in headers:
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, lines: list[tuple[str, str]], _: object = None) -> None:
            started.append((status, lines))

        # One at a time: moto puts an object first and says its content type then, and a reader may come between.
        with S3._calls:
            parts = self._application(environ, start)
            try:
                content = b"".join(parts)
            finally:
                if hasattr(parts, "close"):
                    parts.close()
        status, lines = started[-1]
        return Answer(int(status.split()[0]), lines, content)


def path_of(location: str) -> str:
    """Turn an object's location into the path of a request.

    Parameters
    ----------
    location : str
        ``s3://bucket/key``, ``https://bucket.s3.region.amazonaws.com/key`` or ``https://s3.../bucket/key``.

    Returns
    -------
    str
        Encoded.

    Examples
    --------
    >>> path_of("s3://bucket/a key"), path_of("https://bucket.s3.eu-west-1.amazonaws.com/key")
    ('/bucket/a%20key', '/bucket/key')
    """
    parts = urlsplit(location, allow_fragments=False)
    if parts.scheme == "s3":
        key = location.removeprefix(f"s3://{parts.netloc}")
        return f"/{parts.netloc}{quote(key)}"
    bucket = "" if parts.netloc.startswith("s3") else "/" + parts.netloc.partition(".s3")[0]
    return bucket + parts.path


def _moto() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what other people's modules do when they are imported is not ours to fail on
        try:
            from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        except ImportError as error:
            msg = "the embedded runtime's S3 is moto's: pip install 'smrt-jupyter[local]'"
            raise ImportError(msg) from error
    return DomainDispatcherApplication(create_backend_app)
