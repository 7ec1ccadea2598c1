"""Every error of botocore becomes one of ours: none is missed, and each says what to do."""

from __future__ import annotations

import string

import botocore.exceptions
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from smrt_jupyter import errors
from smrt_jupyter.wire import members
from smrt_jupyter.wire.translation import BY_CODE, translate


def below(kind: type) -> set[type]:
    return {each for direct in kind.__subclasses__() for each in (direct, *below(direct))}


FOREIGN = sorted(
    (kind for kind in below(botocore.exceptions.BotoCoreError) if kind.__module__ == "botocore.exceptions"),
    key=lambda kind: kind.__name__,
)

# Bugs of ours, or of an installation: no row of the table could say more than botocore's own sentence.
NO_KIND_OF_ITS_OWN = """
ApiVersionNotFoundError AwsChunkedWrapperError BaseEndpointResolverError CapacityNotAvailableError ChecksumError
DataNotFoundError EndpointProviderError EndpointResolutionError EndpointVariantError FlexibleChecksumError
InvalidChecksumConfigError InvalidDNSNameError InvalidDefaultsMode InvalidEndpointConfigurationError
InvalidEndpointDiscoveryConfigurationError InvalidExpressionError InvalidHostLabelError InvalidIMDSEndpointError
InvalidIMDSEndpointModeError InvalidMaxRetryAttemptsError InvalidProxiesConfigError InvalidRetryConfigurationError
InvalidRetryModeError InvalidS3AddressingStyleError InvalidS3UsEast1RegionalEndpointConfigError
InvalidSTSRegionalEndpointsConfigError MD5UnavailableError MissingParametersError OperationNotPageableError
PaginationError ServiceNotInRegionError StubAssertionError StubResponseError UnStubbedResponseError
UnknownClientMethodError UnknownEndpointError UnknownEndpointResolutionBuiltInName UnknownFIPSEndpointError
UnknownServiceError UnknownServiceStyle UnknownSignatureVersionError UnknownTokenProviderError UnseekableStreamError
UnsupportedOutpostResourceError UnsupportedS3AccesspointConfigurationError UnsupportedS3ArnError
UnsupportedS3ConfigurationError UnsupportedS3ControlArnError UnsupportedS3ControlConfigurationError
UnsupportedServiceProtocolsError UnsupportedSignatureVersionError WaiterConfigError WaiterError
""".split()  # noqa: SIM905 - sixty lines of quotes say less


def made(kind: type[Exception]) -> Exception:
    """Raise-able, with every placeholder of its sentence filled."""
    if kind is botocore.exceptions.WaiterError:
        return kind(name="n", reason="r", last_response={})
    fields = {name: f"<{name}>" for _, name, _, _ in string.Formatter().parse(kind.fmt) if name}
    return kind(**{name: value for name, value in fields.items() if name != "error"} | {"error": OSError("broken")})


def test_there_are_errors_to_walk():
    assert len(FOREIGN) > 60


@pytest.mark.parametrize("kind", FOREIGN, ids=lambda kind: kind.__name__)
def test_every_botocore_error_becomes_ours(kind):
    """Not only ours, but of a kind that says what to do; those that have none are listed with the reason."""
    ours = translate(made(kind), request_was_whole=False, endpoint="churn")
    assert isinstance(ours, errors.InvokeError)
    assert (type(ours) is errors.InvokeError) == (kind.__name__ in NO_KIND_OF_ITS_OWN)
    assert str(ours).startswith("endpoint 'churn': ")
    assert "\n" not in str(ours)
    assert ours.message.endswith((".", "!", "?"))


def reply(code: str, message: str | None, status: int = 400, **more: object) -> botocore.exceptions.ClientError:
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "1234"},
        **more,
    }
    return botocore.exceptions.ClientError(response, "InvokeEndpoint")


def modelled() -> list[tuple[str, int]]:
    """Name the errors of both services, with the status of each."""
    found = {}
    for service in (members.RUNTIME, members.ROUTER):
        model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
        for shape in model.error_shapes:
            found[shape.error_code] = shape.metadata.get("error", {}).get("httpStatusCode", 400)
    return sorted(found.items())


EXPECTED = {
    "AccessDeniedException": errors.AccessDenied,
    "InternalDependencyException": errors.ServiceError,
    "InternalFailure": errors.ServiceError,
    "InternalStreamFailure": errors.StreamError,
    "ModelError": errors.ModelError,
    "ModelNotReadyException": errors.ModelNotReady,
    "ModelStreamError": errors.StreamError,
    "RequestTimeoutException": errors.TimedOut,
    "ServiceUnavailable": errors.ServiceError,
    "ServiceUnavailableException": errors.ServiceError,
    "ThrottlingException": errors.Throttled,
    "ValidationError": errors.ValidationFailed,
    "ValidationException": errors.ValidationFailed,
}


@pytest.mark.parametrize(("code", "status"), modelled())
def test_every_modelled_error_of_the_service_becomes_ours(code, status):
    ours = translate(reply(code, "What happened.", status), request_was_whole=True, endpoint="churn", attempts=2)
    assert type(ours) is EXPECTED[code]
    assert ours.request_id == "1234"
    assert ours.attempts == 2
    assert ours.response["Error"]["Code"] == code
    assert str(ours).startswith("endpoint 'churn', 2 attempts: ")
    assert str(ours).endswith(" (request 1234)")


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_every_code_of_the_table_has_a_next_step(code):
    assert translate(reply(code, "What happened."), request_was_whole=True).next_step


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Endpoint churn of account 123456789012 not found.", errors.EndpointNotFound),
        ("Inference Component has no capacity to process this request. ApplicationAutoScaling", errors.ModelNotReady),
        ("Request 77 has oversize body.", errors.PayloadTooLarge),
        ("HTTP content length exceeded 5246976 bytes.", errors.PayloadTooLarge),
        ("Endpoint churn is not a multi-model endpoint.", errors.ValidationFailed),
    ],
)
def test_sentences_of_the_service_say_more_than_its_code(message, kind):
    assert type(translate(reply("ValidationError", message), request_was_whole=True)) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [(413, errors.PayloadTooLarge), (429, errors.Throttled), (502, errors.ServiceError), (509, errors.Throttled)],
)
def test_a_reply_without_a_type_is_told_by_its_status(status, kind):
    ours = translate(reply(str(status), "", status), request_was_whole=True)
    assert type(ours) is kind
    assert ours.message


SEE = (
    "See https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#x in account 1 for more information."
)


@pytest.mark.parametrize(
    ("message", "more", "status", "said", "words"),
    [
        (
            f'Received client error (404) from primary with message "{{"a": "b"}}". {SEE}',
            {},
            404,
            '{"a": "b"}',
            "The container answered 404",
        ),
        (
            f'Received server error (500) from primary with message "x". {SEE}',
            {"OriginalStatusCode": 500, "OriginalMessage": "<html><body><h1>Internal</h1> error</body></html>"},
            500,
            "<html><body><h1>Internal</h1> error</body></html>",
            "The container answered 500: Internal error.",
        ),
        (
            (
                'Received server error (0) from primary with message "Your invocation timed out while waiting for a '
                f'response from container primary.". {SEE}'
            ),
            {"OriginalStatusCode": 0},
            0,
            "Your invocation timed out while waiting for a response from container primary.",
            "within the service's 60 s",
        ),
        (
            f'Received server error (0) from model with message "the model process exited.". {SEE}',
            {},
            0,
            "the model process exited.",
            "The container never answered: the model process exited.",
        ),
        (
            f'Received client error (415) from primary with message "text/xml". {SEE}',
            {},
            415,
            "text/xml",
            "does not read this content type",
        ),
    ],
)
def test_a_model_error_gives_the_containers_own_words(message, more, status, said, words):
    ours = translate(reply("ModelError", message, 424, LogStreamArn="arn:aws:logs:x", **more), request_was_whole=True)
    assert type(ours) is errors.ModelError
    assert (ours.status, ours.model_message, ours.log_stream_arn) == (status, said, "arn:aws:logs:x")
    assert words in str(ours)
    assert "https://" not in str(ours)


def test_a_refused_permission_is_named():
    message = (
        "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: sagemaker:ListEndpoints on resource: x"
    )
    ours = translate(reply("AccessDeniedException", message, 403), request_was_whole=True)
    assert "Ask for `sagemaker:ListEndpoints`" in str(ours)


def test_a_role_that_may_not_be_assumed_is_a_matter_of_credentials():
    refused = botocore.exceptions.ClientError({"Error": {"Code": "AccessDenied", "Message": "No."}}, "AssumeRole")
    ours = translate(refused, request_was_whole=False)
    assert type(ours) is errors.CredentialsError
    assert "AssumeRole" in str(ours)


def test_a_long_page_of_a_proxy_is_folded_to_one_line():
    ours = translate(reply("502", f"<html>\n{'<p>bad</p>' * 900}</html>", 502), request_was_whole=True)
    assert len(str(ours)) < 700
    assert "\n" not in str(ours)
    assert "<" not in str(ours)
