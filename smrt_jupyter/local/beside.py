"""What is beside the runtime's own operations, at the same address: the control plane, the logs, S3 and STS."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from smrt_jupyter.local import control, signature
from smrt_jupyter.local.exchange import Broken, Exchange
from smrt_jupyter.local.gate import authenticate
from smrt_jupyter.local.refusals import Refusal
from smrt_jupyter.local.s3 import FORBIDDEN, NOT_FOUND

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from smrt_jupyter.local.service import Service

SERVICES = {"sagemaker", "logs"}
STORAGE = {"s3", "sts"}
XML = [("content-type", "application/xml")]
XML_CODES = {"InvalidSignatureException": "SignatureDoesNotMatch", "UnrecognizedClientException": "InvalidAccessKeyId"}
"""What S3 calls the refusals of other services."""


class Beside:
    """What is beside the runtime's own operations: the control plane, the logs, and S3.

    Parameters
    ----------
    service : Service
        Who answers.
    """

    def __init__(self, service: Service) -> None:
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        http = Exchange(scope, receive, send)
        try:
            body = await http.body(None)
            asked = signature.scope_of(http.headers)
            if asked is not None and asked.service in STORAGE:
                await self._storage(http, body, asked.service)
            else:
                await authenticate(self.service, http, body, SERVICES)
                answer = control.answer(self.service, http.headers.get("x-amz-target", ""), body)
                await http.reply(200, [("content-type", "application/x-amz-json-1.1")], answer)
        except Refusal as refusal:
            typed = {"__type": refusal.code, **refusal.members} if refusal.raw is None else refusal.members
            await http.refuse(Refusal(refusal.status, refusal.code, typed, body=refusal.raw))
        except Broken:
            return
        finally:
            http.close()

    async def _storage(self, http: Exchange, body: bytes, service: str) -> None:
        """Pass a request for S3, or for who is asking, to moto; its own refusals are XML."""
        try:
            await authenticate(self.service, http, body, {service})
        except Refusal as refusal:
            code = XML_CODES.get(refusal.code or "", refusal.code or "")
            error = _error(code, refusal.members.get("message", ""))
            # STS speaks the query protocol, which wraps its errors once more.
            wrapped = error if service == "s3" else f"<ErrorResponse>{error}</ErrorResponse>"
            await http.reply(refusal.status, XML, wrapped.encode())
            return
        s3 = await self.service.s3()
        answer = await self.service.work(s3.call, http.method, http.path, http.query, http.pairs, body)
        missing = answer.status == NOT_FOUND and (http.method == "HEAD" or b"<Code>NoSuchKey</Code>" in answer.body)
        if missing and self.service.faults.s3_forbidden:
            await http.reply(FORBIDDEN, XML, _error("AccessDenied", "Access Denied").encode())
            return
        ours = ("date", "server", "connection")
        lines = [(name, value) for name, value in answer.headers if name.lower() not in ours]
        await http.start(answer.status, lines)
        await http.part(answer.body, more=False)


def _error(code: str, message: str) -> str:
    return f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
