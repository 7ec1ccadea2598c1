"""What boto3 raises, in our words: the one place where foreign errors become ours.

Two tables, most specific first: one by the code that the service sent, one by the class that botocore raised before or
instead of a reply. A test walks botocore's exceptions and the modelled errors of the service, and fails for one that
none of the rows catches.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import botocore.exceptions as foreign

from smrt_jupyter import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smrt_jupyter.errors import InvokeError

Context = dict[str, Any]

BY_CODE: dict[str, type[InvokeError]] = {
    "ModelError": errors.ModelError,
    "ModelNotReadyException": errors.ModelNotReady,
    "ModelStreamError": errors.StreamError,
    "InternalStreamFailure": errors.StreamError,
    "ThrottlingException": errors.Throttled,
    "Throttling": errors.Throttled,
    "TooManyRequestsException": errors.Throttled,
    "RequestLimitExceeded": errors.Throttled,
    "AccessDeniedException": errors.AccessDenied,
    "AccessDenied": errors.AccessDenied,
    "ExpiredToken": errors.CredentialsError,
    "ExpiredTokenException": errors.CredentialsError,
    "IncompleteSignature": errors.CredentialsError,
    "IncompleteSignatureException": errors.CredentialsError,
    "InvalidAccessKeyId": errors.CredentialsError,
    "InvalidClientTokenId": errors.CredentialsError,
    "InvalidSignatureException": errors.CredentialsError,
    "InvalidToken": errors.CredentialsError,
    "MissingAuthenticationToken": errors.CredentialsError,
    "MissingAuthenticationTokenException": errors.CredentialsError,
    "SignatureDoesNotMatch": errors.CredentialsError,
    "TokenRefreshRequired": errors.CredentialsError,
    "UnrecognizedClientException": errors.CredentialsError,
    "RequestTimeout": errors.TimedOut,
    "RequestTimeoutException": errors.TimedOut,
    "ResourceNotFound": errors.EndpointNotFound,
    "ResourceNotFoundException": errors.EndpointNotFound,
    "ValidationError": errors.ValidationFailed,
    "ValidationException": errors.ValidationFailed,
}

BY_STATUS: dict[int, type[InvokeError]] = {
    400: errors.ValidationFailed,
    401: errors.CredentialsError,
    403: errors.AccessDenied,
    404: errors.EndpointNotFound,
    408: errors.TimedOut,
    413: errors.PayloadTooLarge,
    424: errors.ModelError,
    429: errors.Throttled,
    509: errors.Throttled,
}

# Sentences of the service that say more than their code, which is ValidationError for all of them.
BY_SENTENCE: tuple[tuple[re.Pattern[str], type[InvokeError]], ...] = (
    (re.compile(r"^(Endpoint .* of account .* not found|Could not find endpoint)", re.DOTALL), errors.EndpointNotFound),
    (re.compile(r"has no capacity to process this request"), errors.ModelNotReady),
    (re.compile(r"oversize body|HTTP content length exceeded"), errors.PayloadTooLarge),
)

# What helps where the service refuses a request for what it is, by its sentence.
STEPS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bnot (take|accept|support) async", re.IGNORECASE), "Use `invoke`, or `predict` for a table."),
    (re.compile(r"\basync", re.IGNORECASE), "Use `invoke_async`, or `predict` for a table."),
    (
        re.compile(r"\bsession\b.*(not exist|not found|expired|closed|invalid)", re.IGNORECASE),
        "Open another: `endpoint.session()`, or NEW_SESSION as the `session_id`.",
    ),
)

# IAM's actions, where they are not those of SageMaker that have the operation's name.
ACTIONS = {
    "InvokeEndpointWithResponseStream": "sagemaker:InvokeEndpoint",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "FilterLogEvents": "logs:FilterLogEvents",
}

BY_CLASS: tuple[tuple[type[Exception], type[InvokeError]], ...] = (
    (foreign.NoCredentialsError, errors.CredentialsError),
    (foreign.PartialCredentialsError, errors.CredentialsError),
    (foreign.CredentialRetrievalError, errors.CredentialsError),
    (foreign.RefreshWithMFAUnsupportedError, errors.CredentialsError),
    (foreign.MetadataRetrievalError, errors.CredentialsError),
    (foreign.NoAuthTokenError, errors.CredentialsError),
    (foreign.TokenRetrievalError, errors.CredentialsError),
    (foreign.SSOError, errors.CredentialsError),
    (getattr(foreign, "LoginError", foreign.SSOError), errors.CredentialsError),  # `aws login`, since botocore 1.41
    (foreign.UnknownCredentialError, errors.CredentialsError),
    (foreign.MissingDependencyException, errors.CredentialsError),  # a way to sign in that needs awscrt
    (foreign.ProfileNotFound, errors.CredentialsError),
    (foreign.InvalidConfigError, errors.CredentialsError),
    (foreign.ConfigParseError, errors.CredentialsError),
    (foreign.ConfigNotFound, errors.CredentialsError),
    (foreign.NoRegionError, errors.CredentialsError),
    (foreign.InvalidRegionError, errors.CredentialsError),
    (foreign.UnknownRegionError, errors.CredentialsError),
    (foreign.ConnectTimeoutError, errors.ConnectionFailed),
    (foreign.ReadTimeoutError, errors.TimedOut),
    (foreign.IncompleteReadError, errors.ConnectionFailed),
    (foreign.ResponseStreamingError, errors.ConnectionFailed),
    (foreign.ConnectionError, errors.ConnectionFailed),
    (foreign.HTTPClientError, errors.ConnectionFailed),
    (foreign.ParamValidationError, errors.ValidationFailed),
    (foreign.ValidationError, errors.ValidationFailed),
    (foreign.BotoCoreError, errors.InvokeError),
)

# Calls that botocore makes by itself, before ours, to get credentials.
FOR_CREDENTIALS = frozenset(
    {"AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "CreateToken", "GetRoleCredentials"}
)

# There was no connection to send anything on.
NEVER_SENT = (
    foreign.EndpointConnectionError,
    foreign.ConnectTimeoutError,
    foreign.ProxyConnectionError,
    foreign.SSLError,
)

SECONDS_OF_A_CONTAINER = 60
LONGEST_MESSAGE = 400

LARGE_BODY = 1_000_000
"""Bytes from which on a connection that breaks while they are being sent may break because of them."""


def misconfigured(error: ValueError, endpoint_url: str | None) -> InvokeError:
    """Say in our words that there is no client for an address.

    Parameters
    ----------
    error : ValueError
        What botocore, or Python, found wrong with it.
    endpoint_url : str or None
        The address; None: it is the AWS configuration's.

    Returns
    -------
    InvokeError
    """
    told = "An `endpoint_url` of the AWS configuration" if endpoint_url is None else f"`endpoint_url` {endpoint_url!r}"
    return errors.ValidationFailed(
        f"{told} is no address: {_sentence(error)}", next_step="Write it as `https://host` or `http://host:port`."
    )


def translate(
    error: Exception, *, request_was_whole: bool, inference: bool = True, size: int = 0, **context: Any
) -> InvokeError:
    """Say in our words what boto3 raised.

    Parameters
    ----------
    error : Exception
        A ``ClientError`` or any other of botocore's.
    request_was_whole : bool
        Whether the last byte of the request had left when it was raised.
    inference : bool, default=True
        Whether the request runs an inference.
    size : int, default=0
        Bytes of the request's body.
    **context
        Endpoint, rows, attempts: as for `InvokeError`.

    Returns
    -------
    InvokeError
    """
    made = _translated(error, context)
    if isinstance(made, errors.ConnectionFailed):
        was_sent = not isinstance(error, NEVER_SENT)
        made.request_was_whole = was_sent and request_was_whole
        made.request_was_cut = was_sent and not request_was_whole
        if made.request_was_cut and size > LARGE_BODY:
            made.next_step = (
                f"A body of {size:,} bytes was on its way, which may be too large: `predict` cuts a table to size, and "
                "`invoke_async` takes up to 1 GB. Else check the network."
            )
        elif made.request_was_whole and inference:
            made.next_step = "The inference may have run: `Policy(retry_read_timeout=True)` sends such a request again."
    elif isinstance(made, errors.TimedOut) and not inference:
        made.next_step = "Check the network, or raise `Policy(read_timeout=...)`."
    return made


def _translated(error: Exception, context: Context) -> InvokeError:
    if isinstance(error, foreign.ClientError):
        if error.operation_name in FOR_CREDENTIALS:
            return errors.CredentialsError(_sentence(error), response=error.response, **context)
        return _from_reply(error.response, error.operation_name, context)
    kind = next((ours for theirs, ours in BY_CLASS if isinstance(error, theirs)), errors.InvokeError)
    told = _sentence(error)
    if isinstance(error, foreign.ReadTimeoutError) and error.kwargs.get("endpoint_url") is None:
        told = "The reply had begun, and its rest did not come in time."  # botocore knows no address any more
    made = kind(told, **context)
    if isinstance(error, foreign.NoRegionError):
        made.next_step = "Name a `region`, set AWS_REGION, or run `aws configure set region REGION`."
    elif isinstance(error, foreign.ProfileNotFound):
        made.next_step = "`aws configure list-profiles` shows what there is."
    return made


def _sentence(error: Exception) -> str:
    """End botocore's text as a sentence; it says neither payload nor secret."""
    told = " ".join(str(error).split())
    return told if told.endswith((".", "!", "?")) else f"{told}."


def _from_reply(response: Mapping[str, Any], operation: str, context: Context) -> InvokeError:
    told = response.get("Error", {})
    metadata = response.get("ResponseMetadata", {})
    code, message = str(told.get("Code", "")), str(told.get("Message") or "")
    status = int(metadata.get("HTTPStatusCode", 0))
    context = {**context, "response": response, "request_id": metadata.get("RequestId") or context.get("request_id")}
    kind = next((ours for sentence, ours in BY_SENTENCE if sentence.search(message)), None)
    kind = kind or BY_CODE.get(code) or BY_STATUS.get(status)
    kind = kind or (errors.ServiceError if status >= 500 else errors.InvokeError)  # noqa: PLR2004 - HTTP's own number
    if kind is errors.ModelError:
        return _from_container(response, message, context)
    if kind is errors.StreamError:
        return errors.StreamError(message or code, error_code=response.get("ErrorCode") or code, **context)
    made = kind(one_line(message) or _without_words(kind, code, status), **context)
    if kind is errors.AccessDenied:
        action = re.search(r"not authorized to perform: ([\w-]+:\w+)", message)
        missing = action.group(1) if action else ACTIONS.get(operation, f"sagemaker:{operation}")
        made.next_step = f"Ask for `{missing}`, or use another `profile`."
    elif kind is errors.ValidationFailed:
        made.next_step = next((step for sentence, step in STEPS if sentence.search(message)), made.next_step)
    return made


def _without_words(kind: type[InvokeError], code: str, status: int) -> str:
    """Serverless endpoints throttle with a null message, and proxies answer without a body."""
    if kind is errors.Throttled:
        return "Too many requests."
    return f"{code or 'An error'} (HTTP {status}) without a message."


def _from_container(response: Mapping[str, Any], message: str, context: Context) -> InvokeError:
    status = response.get("OriginalStatusCode")
    if status is None:
        found = re.search(r"Received (?:client|server) error \((\d+)\)", message)
        status = int(found.group(1)) if found else None
    said = response.get("OriginalMessage") or _quoted(message)
    words, next_step = one_line(said), None
    if status == 0 and "timed out" in message:
        told = f"The container did not answer within the service's {SECONDS_OF_A_CONTAINER} s."
        next_step = "Send fewer rows a request (`Policy(chunk_rows=...)`) or use `invoke_async` (up to an hour)."
    elif status == 0:
        told = f"The container never answered: {words}"
    elif status == 415:  # noqa: PLR2004 - HTTP's own number
        told = f"The container does not read this content type (415): {words}"
        next_step = "Name another `content_type`."
    elif status is None:
        told = f"The container failed: {words or 'neither its status nor its words came.'}"
    else:
        told = f"The container answered {status}: {words}"
    if not words and status is not None:
        told = f"{told.removesuffix(': ')} without a word."
    return errors.ModelError(
        told,
        status=status,
        model_message=said,
        log_stream_arn=response.get("LogStreamArn"),
        next_step=next_step,
        **context,
    )


def _quoted(message: str) -> str:
    """Take the container's own words out of the service's sentence, which quotes them unescaped."""
    found = re.search(r'with message "(.*)"\. See https://', message, re.DOTALL)
    return found.group(1) if found else message


def one_line(text: str) -> str:
    """Fold a message to one line, without markup, at a length that fits an error."""
    plain = re.sub(r"<[^<>]{1,200}>", " ", text) if text.lstrip().startswith("<") else text
    folded = " ".join(plain.split())
    if len(folded) > LONGEST_MESSAGE:
        folded = f"{folded[:LONGEST_MESSAGE]}…"
    return folded if not folded or folded.endswith((".", "!", "?", "…", "}", "]")) else f"{folded}."
