"""What the service says when it does not answer: its codes, statuses and sentences, word for word.

Sentences that were seen in the service's real replies are used as they were seen. Those that nobody has published are
marked; they have the shape of their neighbours.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCOUNT = "123456789012"
"""The account of every runtime; also the one that moto's S3 answers for."""

MESSAGE_LENGTH = 2_048
"""The longest ``Message`` and ``OriginalMessage`` of the service model."""

TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container {container}. Review the latency metrics "
    "for each container in Amazon CloudWatch, resolve the issue, and try again."
)


class Refusal(Exception):  # noqa: N818 - what the service does with the request; the client makes it an error
    """A request that ends without an inference's reply.

    Parameters
    ----------
    status : int
        The HTTP status.
    code : str, optional
        The error's type; None where the front door answers before any service does.
    members : mapping
        The members of the error's JSON body.
    body : bytes, optional
        The whole body, where it is not JSON.
    """

    def __init__(
        self, status: int, code: str | None, members: Mapping[str, Any] | None = None, *, body: bytes | None = None
    ) -> None:
        super().__init__(code, members)
        self.status = status
        self.code = code
        self.members: Mapping[str, Any] = members or {}
        self.raw = body

    @property
    def body(self) -> bytes:
        """The body as rest-json has it: keys in order, as the service's captured replies are."""
        if self.raw is not None:
            return self.raw
        return json.dumps(self.members, sort_keys=True, separators=(",", ":")).encode()


def validation(message: str, error_code: str | None = None) -> Refusal:
    """Refuse a request as it stands."""
    members = {"Message": message} | ({"ErrorCode": error_code} if error_code else {})
    return Refusal(400, "ValidationError", members)


def no_endpoint(name: str) -> Refusal:
    """Refuse an endpoint that nobody deployed."""
    return validation(f"Endpoint {name} of account {ACCOUNT} not found.")


def too_large(limit: int) -> Refusal:
    """Refuse a body as the front door does: a sentence without a type, so that clients see the status as the code."""
    return Refusal(413, None, body=f"HTTP content length exceeded {limit} bytes.".encode())


def oversize_body(request_id: str) -> Refusal:
    """Refuse a body as serverless endpoints do."""
    return validation(f"Request {request_id} has oversize body.")


def throttled() -> Refusal:
    """Refuse for want of capacity; the service really sends a null message."""
    return Refusal(400, "ThrottlingException", {"message": None})


def not_ready(what: str) -> Refusal:
    """Refuse while a model loads. The sentence is ours: the service's is not published."""
    return Refusal(429, "ModelNotReadyException", {"Message": f"{what} is not ready to serve inference requests."})


def unavailable() -> Refusal:
    """Refuse for a moment."""
    return Refusal(503, "ServiceUnavailable", {"Message": "Service is currently unavailable. Please try again."})


def internal_failure() -> Refusal:
    """Fail inside the service."""
    return Refusal(500, "InternalFailure", {"Message": "An internal failure occurred. Try your request again."})


def dependency_failure() -> Refusal:
    """Fail in something the service depends on."""
    return Refusal(530, "InternalDependencyException", {"Message": "Your request caused an exception with an internal "
                                                        "dependency. Contact customer support."})  # fmt: skip


def bad_gateway() -> Refusal:
    """Fail in front of the service: a proxy's page."""
    return Refusal(502, None, body=b"<html><head><title>502 Bad Gateway</title></head></html>")


def access_denied(action: str, resource: str) -> Refusal:
    """Refuse for want of a permission."""
    message = (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/LocalRuntime/notebook is not authorized to perform: {action} on "
        f"resource: {resource} because no identity-based policy allows the {action} action"
    )
    return Refusal(403, "AccessDeniedException", {"Message": message})


def expired_token() -> Refusal:
    """Refuse credentials that were good once."""
    return Refusal(403, "ExpiredTokenException", {"message": "The security token included in the request is expired"})


def model_error(status: int, said: str, *, container: str, endpoint: str, region: str) -> Refusal:
    """Report what a container answered, in the service's words.

    Parameters
    ----------
    status : int
        The container's status; 0 when it never answered.
    said : str
        The container's body, verbatim.
    container, endpoint, region : str
        Who said it, and where.
    """
    kind = "client" if 400 <= status < 500 else "server"  # noqa: PLR2004 - HTTP's classes of status
    return Refusal(
        424,
        "ModelError",
        {
            "ErrorCode": f"{'CLIENT_ERROR' if kind == 'client' else 'INTERNAL_FAILURE'}_FROM_MODEL",
            "LogStreamArn": f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{log_group(endpoint)}",
            "Message": f'Received {kind} error ({status}) from {container} with message "{said}". '
            f"{see_logs(endpoint, region)}"[:MESSAGE_LENGTH],
            "OriginalMessage": said[:MESSAGE_LENGTH],
            "OriginalStatusCode": status,
        },
    )


def reply_too_large(*, container: str, endpoint: str, region: str) -> Refusal:
    """Report a reply that is too large to relay."""
    refusal = model_error(500, "", container=container, endpoint=endpoint, region=region)
    message = f"Received server error (500) from {container} and could not load the entire response body. "
    return Refusal(424, "ModelError", {**refusal.members, "Message": message + see_logs(endpoint, region)})


def log_group(endpoint: str) -> str:
    """Name the CloudWatch log group of an endpoint."""
    return f"/aws/sagemaker/Endpoints/{endpoint}"


def see_logs(endpoint: str, region: str) -> str:
    """Point at the endpoint's logs, as every ModelError does."""
    console = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
    return f"See {console}#logEventViewer:group={log_group(endpoint)} in account {ACCOUNT} for more information."


def default_bucket(region: str) -> str:
    """Name the bucket that the SageMaker SDK takes when it is given none."""
    return f"sagemaker-{region}-{ACCOUNT}"


def models_url(region: str, endpoint: str) -> str:
    """Name the prefix below which S3 lists a multi-model endpoint's models."""
    return f"s3://{default_bucket(region)}/{endpoint}/models/"
