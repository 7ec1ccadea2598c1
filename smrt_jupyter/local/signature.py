"""Signature Version 4, checked with botocore's own signer.

The signer of the AWS SDK for Python makes the canonical request from what arrived, with the time and the headers that
the caller signed, and the two signatures are compared. Only that the body's digest is taken from the body itself,
whatever a header says, is ours: a body that was altered on its way must not pass.
"""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from smrt_jupyter.local.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from botocore.compat import HTTPHeaders

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/\s,]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request,"
    r"\s*SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]+)"
)
DATE = "%Y%m%dT%H%M%SZ"
LATE, EARLY = timedelta(minutes=15), timedelta(minutes=5)
"""How far the caller's clock may be behind and ahead, as the service's refusals say."""

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


class Keys(NamedTuple):
    """The one pair of keys that a runtime knows, and the session token that goes with it.

    A named tuple whose representation hides what must stay hidden.
    """

    access_key: str
    secret_key: str
    token: str

    def __repr__(self) -> str:
        return f"Keys({self.access_key!r}, ...)"


class Arrived(NamedTuple):
    """A request as it arrived: what a signature covers."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes


class Scope(NamedTuple):
    """What a good signature was made for."""

    region: str
    service: str


class _Check(SigV4Auth):  # type: ignore[misc] # botocore has no types
    """The signer, told which headers the caller signed and what the body really is."""

    body_digest = ""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        """Take the headers that were signed: the caller has chosen them already."""
        return request.headers

    def canonical_request(self, request: AWSRequest) -> str:
        """Put the digest of the real body where a header's claim may stand."""
        claimed: str = super().canonical_request(request)
        return f"{claimed.rpartition(chr(10))[0]}\n{self.body_digest}"


class _CheckS3(_Check, S3SigV4Auth):  # type: ignore[misc] # botocore has no types
    """S3 signs the path as it is, where the others encode it twice."""


def scope_of(headers: Mapping[str, str]) -> Scope | None:
    """Read the region and the service that a request was signed for, without checking.

    Parameters
    ----------
    headers : mapping of str to str
        Lower-case names.

    Returns
    -------
    Scope or None
        None when the request is not signed.
    """
    found = AUTHORIZATION.match(headers.get("authorization", ""))
    return Scope(found["region"], found["service"]) if found else None


def verify(request: Arrived, keys: Keys, *, now: datetime | None = None) -> Scope:
    """Check a signature.

    Parameters
    ----------
    request : Arrived
        What came over the wire.
    keys : Keys
        Whose signature it must be.
    now : datetime, optional
        The service's clock.

    Returns
    -------
    Scope

    Raises
    ------
    Refusal
        The service's own: unsigned, unknown key, wrong secret, altered body, too old, too new.
    """
    headers = dict(request.headers)
    if "authorization" not in headers:
        raise Refusal(403, "MissingAuthenticationTokenException", {"message": "Missing Authentication Token"})
    found = AUTHORIZATION.fullmatch(headers["authorization"].strip())
    if not found:
        raise Refusal(
            403,
            "IncompleteSignatureException",
            {"message": "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters."},
        )
    token = headers.get("x-amz-security-token")
    if found["key"] != keys.access_key or (token is not None and not _equal(token, keys.token)):
        raise Refusal(
            403, "UnrecognizedClientException", {"message": "The security token included in the request is invalid."}
        )
    _check_time(headers.get("x-amz-date", ""), found["day"], now or datetime.now(UTC))
    signed = found["headers"].split(";")
    covered = "host" in signed and all(name in headers for name in signed)
    if not covered or not _equal(found["signature"], _signature(request, found, signed, keys)):
        raise Refusal(403, "InvalidSignatureException", {"message": MISMATCH})
    return Scope(found["region"], found["service"])


def _equal(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())


def _check_time(stamp: str, day: str, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(stamp, DATE).replace(tzinfo=UTC)
    except ValueError:
        message = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        raise Refusal(403, "IncompleteSignatureException", {"message": message}) from None
    here = now.strftime(DATE)
    message = ""
    if signed_at < now - LATE:
        bound = (now - LATE).strftime(DATE)
        message = f"Signature expired: {stamp} is now earlier than {bound} ({here} - {LATE.seconds // 60} min.)"
    elif signed_at > now + EARLY:
        bound = (now + EARLY).strftime(DATE)
        ahead = f"{here} + {EARLY.seconds // 60} min."
        message = f"Signature not yet current: {stamp} is still later than {bound} ({ahead})"
    elif not stamp.startswith(day):
        message = f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: {day}"
    if message:
        raise Refusal(403, "InvalidSignatureException", {"message": message})


def _signature(request: Arrived, found: re.Match[str], signed: Sequence[str], keys: Keys) -> str:
    s3 = found["service"] == "s3"
    signer: Any = (_CheckS3 if s3 else _Check)(
        Credentials(keys.access_key, keys.secret_key), found["service"], found["region"]
    )
    claimed = dict(request.headers).get("x-amz-content-sha256", "")
    # S3 alone lets a caller leave the body unsigned; a digest that it does claim is held against the body.
    unsigned = s3 and not re.fullmatch("[0-9a-f]{64}", claimed)
    signer.body_digest = claimed if unsigned else sha256(request.body).hexdigest()
    question = f"?{request.query}" if request.query else ""
    arrived = AWSRequest(method=request.method, url=f"http://host{request.path}{question}")
    for name, value in request.headers:
        if name in signed:
            arrived.headers.add_header(name, value)
    arrived.context["timestamp"] = dict(request.headers)["x-amz-date"]
    signature: str = signer.signature(signer.string_to_sign(arrived, signer.canonical_request(arrived)), arrived)
    return signature
