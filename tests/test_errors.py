"""What a user meets on a bad day: one line, which names the cause and the next step."""

from __future__ import annotations

import ast
import inspect
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from smrt_jupyter import AsyncInference, Endpoint, LocalRuntime, Policy, errors
from smrt_jupyter.local.faults import Faults

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

NO_MORE = Policy(attempts=1, wait_for_capacity=0)


def told(kind: type[errors.SmrtError], ask: Any) -> str:
    """Give the one line that a notebook shows."""
    with pytest.raises(kind) as caught:
        ask()
    assert type(caught.value) is kind
    [line] = caught.value._render_traceback_()
    assert line == f"{kind.__name__}: {caught.value}"
    assert "\n" not in line
    return line


def sums(frame: pd.DataFrame) -> pd.Series:
    return frame.sum(axis=1)


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")


def test_no_credentials():
    line = told(errors.CredentialsError, lambda: Endpoint("churn", region="us-east-1").invoke(b"1"))
    assert line == (
        "CredentialsError: endpoint 'churn': Unable to locate credentials. "
        "Sign in (`aws sso login`, `aws configure`) or name a `profile` and a `region`."
    )


def test_no_region(signed_in):
    line = told(errors.CredentialsError, lambda: Endpoint("churn").invoke(b"1"))
    assert line == (
        "CredentialsError: endpoint 'churn': You must specify a region. "
        "Name a `region`, set AWS_REGION, or run `aws configure set region REGION`."
    )


def test_an_unknown_profile(signed_in):
    line = told(errors.CredentialsError, lambda: Endpoint("churn", region="us-east-1", profile="werk").invoke(b"1"))
    assert "endpoint 'churn': The config profile (werk) could not be found." in line
    assert "`aws configure list-profiles`" in line


def test_half_of_the_credentials(clean_aws: Path):
    (clean_aws / "credentials").write_text("[default]\naws_access_key_id = AKIDEXAMPLE\n")
    line = told(errors.CredentialsError, lambda: Endpoint("churn", region="us-east-1").invoke(b"1"))
    assert "aws_secret_access_key" in line


def test_a_config_file_that_cannot_be_read(clean_aws: Path, signed_in):
    (clean_aws / "config").write_text("[default\nregion")
    line = told(errors.CredentialsError, lambda: Endpoint("churn").invoke(b"1"))
    assert "Unable to parse config file" in line


def test_a_role_that_needs_a_sign_in_that_is_over(clean_aws: Path):
    (clean_aws / "config").write_text(
        "[profile work]\nsso_session = it\nsso_account_id = 1\nsso_role_name = r\nregion = us-east-1\n"
        "[sso-session it]\nsso_region = us-east-1\nsso_start_url = https://example.com/start\n"
    )
    line = told(errors.CredentialsError, lambda: Endpoint("churn", profile="work").invoke(b"1"))
    assert "aws sso login" in line


def test_an_unknown_endpoint(runtime: LocalRuntime):
    line = told(errors.EndpointNotFound, lambda: runtime.endpoint("chrun").invoke([[1]]))
    assert line.startswith("EndpointNotFound: endpoint 'chrun': ")
    assert "Endpoint chrun of account 123456789012 not found." in line
    assert "`Endpoint.list()`" in line


def faulty(fault: str, **options: Any) -> Any:
    """Ask an endpoint with which this goes wrong."""
    with LocalRuntime() as runtime:
        endpoint = runtime.deploy("churn", sums, faults=Faults(script=[fault] * 9)).replace(
            **{"policy": NO_MORE, **options}
        )
        return endpoint.invoke([[1, 2]])


@pytest.mark.parametrize(
    ("fault", "kind", "words", "next_step"),
    [
        ("access_denied", errors.AccessDenied, "not authorized to perform: sagemaker:InvokeEndpoint", "Ask for `sagem"),
        ("expired_token", errors.CredentialsError, "The security token included in the request is expired.", "Sign in"),
        ("model_error", errors.ModelError, "The container answered 500", "`error.logs()`"),
        ("timeout", errors.ModelError, "did not answer within the service's 60 s", "`invoke_async` (up to an hour)"),
        ("throttle", errors.Throttled, "Too many requests.", "`Policy(concurrency=...)`"),
        ("not_ready", errors.ModelNotReady, "not ready", "`Policy(wait_for_capacity=...)`"),
        ("unavailable", errors.ServiceError, "currently unavailable", "request id"),
        ("internal", errors.ServiceError, "internal failure", "request id"),
        ("dependency", errors.ServiceError, "internal dependency", "request id"),
        ("bad_gateway", errors.ServiceError, "Bad Gateway.", "Try again"),
        ("reset_after", errors.ConnectionFailed, "Connection was closed", "retry_read_timeout"),
    ],
)
def test_what_the_service_says(fault, kind, words, next_step):
    line = told(kind, lambda: faulty(fault))
    assert line.startswith(f"{kind.__name__}: endpoint 'churn'")
    assert words in line
    assert next_step in line
    assert "wJalr" not in line


def test_a_silence():
    line = told(errors.TimedOut, lambda: faulty("silence", policy=Policy(attempts=1, read_timeout=0.5)))
    assert "Raise `Policy(read_timeout=...)`" in line


def test_nobody_there(signed_in):
    gone = Endpoint("churn", region="us-east-1", endpoint_url="http://127.0.0.1:9", policy=NO_MORE)
    line = told(errors.ConnectionFailed, lambda: gone.invoke(b"1"))
    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:9/endpoints/churn/invocations".' in line
    assert "`endpoint_url`" in line


def test_an_address_that_is_none(signed_in):
    line = told(
        errors.ValidationFailed, lambda: Endpoint("churn", region="us-east-1", endpoint_url="runtime").invoke(b"1")
    )
    assert "Invalid endpoint: runtime" in line


def test_a_model_that_does_not_read_the_content_type(runtime: LocalRuntime):
    def picky(frame: pd.DataFrame) -> None:
        from smrt_jupyter.local.invocation import ContainerError

        raise ContainerError(415, "Content-type application/json not supported")

    line = told(errors.ModelError, lambda: runtime.deploy("picky", picky).invoke([[1]]))
    assert "does not read this content type (415)" in line
    assert "Name another `content_type`." in line


def test_a_session_that_expired(runtime: LocalRuntime):
    line = told(errors.ValidationFailed, lambda: runtime.deploy("churn", sums).invoke([[1]], session_id="gone"))
    assert "does not exist or has expired" in line


def test_new_credentials_in_the_same_file_are_taken_after_the_old_ones_were_refused(clean_aws: Path):
    """A notebook whose token expired goes on after signing in, without a restart."""
    with LocalRuntime() as runtime:
        runtime.deploy("churn", sums)
        keys = runtime.environ

        def write(secret: str) -> None:
            names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
            values = (keys["AWS_ACCESS_KEY_ID"], secret, keys["AWS_SESSION_TOKEN"])
            lines = [f"{name} = {value}" for name, value in zip(names, values, strict=True)]
            (clean_aws / "credentials").write_text("\n".join(["[default]", *lines, ""]))

        # Another spelling of the address, so that it is not known as an embedded runtime of this process.
        endpoint = Endpoint("churn", region="us-east-1", endpoint_url=f"http://localhost:{runtime.port}")
        write("of yesterday")
        told(errors.CredentialsError, lambda: endpoint.invoke([[1, 2]]))
        write(keys["AWS_SECRET_ACCESS_KEY"])
        assert endpoint.invoke([[1, 2]]).value == {"predictions": [3]}


# -- the tree --------------------------------------------------------------------------------------------------------


KINDS = [getattr(errors, name) for name in errors.__all__]


def test_the_drawing_is_the_tree():
    """The module's docstring draws the classes, each below the one that it stands under."""
    lines = [line for line in errors.__doc__.splitlines() if line.startswith("    ")]
    drawn = [(len(line) - len(line.lstrip()), line.split()[0]) for line in lines]
    above: list[tuple[int, type]] = []
    for depth, name in drawn:
        kind = getattr(errors, name)
        above = [each for each in above if each[0] < depth]
        assert not above or kind.__bases__[0] is above[-1][1]
        above.append((depth, kind))
    assert {name for _, name in drawn} == set(errors.__all__)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_pickles_whole(kind):
    """Errors cross processes: joblib, Dask, Spark."""
    error = kind("What happened.")
    error.endpoint, error.rows, error.attempts = "churn", range(2), 3
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if issubclass(kind, errors.InvokeError) and kind is not errors.InvokeError]
)
def test_every_invoke_error_has_a_next_step(kind):
    assert kind("What happened.").next_step or kind is errors.AsyncInferenceError


def test_the_errors_import_nothing():
    """So that any module may import them."""
    tree = ast.parse(inspect.getsource(errors))
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert named <= {"__future__", "typing", "collections.abc"}


def test_rows_are_named_as_a_person_would():
    assert "rows 3, 17, 20 and 2 more" in str(errors.TimedOut("No answer.", endpoint="e", rows=[3, 17, 20, 21, 22]))
    assert "row 7" in str(errors.AnswerError("Two answers.", rows=[7]))


def test_an_async_inference_that_never_came_says_where_it_was_looked_for(runtime: LocalRuntime):
    location = f"s3://{runtime.default_bucket}/never.out"
    inference = AsyncInference(location, region=runtime.region, endpoint_url=runtime.url)
    line = told(errors.AsyncInferenceError, lambda: inference.result(0))
    assert f"No answer at {location}: waited 0 s." in line


def test_a_partial_result_says_what_to_do_about_its_first_cause(runtime: LocalRuntime) -> None:
    def model(frame: pd.DataFrame) -> Any:
        if (frame[0] > 1).any():
            raise RuntimeError("too large")
        return frame[0]

    endpoint = runtime.deploy("some", model).replace(policy=Policy(chunk_rows=1))
    with pytest.raises(errors.PartialResultError) as caught:
        endpoint.predict([[0.0], [1.0], [2.0]])
    assert caught.value.cause_step == "`error.errors[0].logs()` shows the end of the container's log."
    assert caught.value.errors[0].logs
    assert str(caught.value).endswith(
        f"RuntimeError: too large. {caught.value.cause_step} {errors.PartialResultError.next_step}"
    )
    assert "\n" not in str(caught.value)


def test_an_advice_about_a_request_that_is_not_told_of_is_not_given() -> None:
    first = errors.Throttled("Too many requests.")
    assert (
        errors.PartialResultError("Stopped by ValueError: x.", errors=[first]).next_step
        == errors.PartialResultError.next_step
    )
    assert errors.PartialResultError("by: Too many requests.", errors=[first], next_step="No.").next_step == "No."
