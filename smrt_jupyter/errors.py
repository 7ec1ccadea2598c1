"""Everything that can go wrong, drawn.

::

    SmrtError                        catch this one to catch all of them
      CodecError (ValueError)        the table and the content type do not fit; ``.column .rows``
      AnswerError (ValueError)       the reply is not one answer a row; ``.rows``
      OptionError (ValueError)       an option of the magic cannot be meant; nothing was sent
      JournalError (ValueError)      a journal of another run, in use, or on a full disk
      InvokeError                    the endpoint refused, failed or stayed silent
        CredentialsError             no credentials, expired ones, an unknown profile, no region
        AccessDenied                 the credentials lack a permission
        EndpointNotFound             no endpoint of that name in that region and account
        ValidationFailed             the service refused the request as it stands
        PayloadTooLarge              one request is larger than the endpoint takes
        Throttled                    more requests than the endpoint takes
        ModelNotReady                the model is loading, or scaled to zero
        ModelError                   the container answered with an error; ``.status .model_message .logs()``
        ServiceError                 the service itself failed
        TimedOut                     no answer in time; the inference may have run
        ConnectionFailed             the connection could not be made, or broke
        StreamError                  a stream broke, stalled or was cut short; ``.error_code``
        AsyncInferenceError          the failure object of an asynchronous inference, or its deadline
      PartialResultError             some rows failed; ``.partial .failed_rows .errors`` hold the rest
        Interrupted (KeyboardInterrupt)  the user stopped the run

Every error says what happened, to which endpoint and rows, and the next step. This module imports nothing, so that
any other may import it; errors of boto3 become these in :mod:`smrt_jupyter.wire` and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "AccessDenied",
    "AnswerError",
    "AsyncInferenceError",
    "CodecError",
    "ConnectionFailed",
    "CredentialsError",
    "EndpointNotFound",
    "Interrupted",
    "InvokeError",
    "JournalError",
    "ModelError",
    "ModelNotReady",
    "OptionError",
    "PartialResultError",
    "PayloadTooLarge",
    "ServiceError",
    "SmrtError",
    "StreamError",
    "Throttled",
    "TimedOut",
    "ValidationFailed",
]


class SmrtError(Exception):
    """The root of the tree.

    Parameters
    ----------
    message, next_step : str
        What happened, in one sentence, and what to do about it; each class has a next step that usually fits.

    Attributes
    ----------
    endpoint, request_id : str or None
        Whose reply it is about, and the service's id of the request, as far as they are known.
    """

    next_step: str = ""
    endpoint: str | None = None
    request_id: str | None = None

    def __init__(self, message: str = "", *, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if next_step is not None:
            self.next_step = next_step

    def where(self) -> str:
        """Name the endpoint, rows or column that it happened to; empty where there is none."""
        return f"endpoint {self.endpoint!r}" if self.endpoint else ""

    def __str__(self) -> str:
        where = self.where()
        told = f"{where}: {self.message}" if where else self.message
        told = f"{told.rstrip()} {self.next_step}".rstrip() if self.next_step else told
        # Last, for AWS support asks for it, and nobody reads it.
        return f"{told} (request {self.request_id})" if self.request_id else told

    def _render_traceback_(self) -> list[str]:
        """Show one line in a notebook: IPython asks for this, and a cell that failed still fails."""
        return [f"{type(self).__name__}: {self}"]


def told_rows(rows: Sequence[int]) -> str:
    """Name rows as a person would: ``row 7``, ``rows 0 to 99``, ``rows 3, 17, 20 and 5 more``.

    Parameters
    ----------
    rows : sequence of int
        Positions in the table, counted from 0; a ``range`` is told as one.

    Examples
    --------
    >>> told_rows(range(100)), told_rows([7]), told_rows([3, 17, 20, 21, 22])
    ('rows 0 to 99', 'row 7', 'rows 3, 17, 20 and 2 more')
    """
    if len(rows) == 1:
        return f"row {rows[0]}"
    if isinstance(rows, range) and rows.step == 1:
        return f"rows {rows[0]} to {rows[-1]}" if rows else "no rows"
    shown, more = ", ".join(str(row) for row in rows[:3]), len(rows) - 3
    return f"rows {shown} and {more} more" if more > 0 else f"rows {shown}"


def reworded(advice: str, words: Mapping[str, str]) -> str:
    """Write an advice, which speaks Python, in the words of whoever sees it.

    Parameters
    ----------
    advice : str
        An error's next step.
    words : mapping of str to str
        What it says, and what that comes to; one after the other.

    Returns
    -------
    str

    Examples
    --------
    >>> reworded("Check the `endpoint_url`, or raise `attempts`.", {"`endpoint_url`": "`--endpoint-url`"})
    'Check the `--endpoint-url`, or raise `attempts`.'
    """
    for python, theirs in words.items():
        advice = advice.replace(python, theirs)
    return advice


class CodecError(SmrtError, ValueError):
    """The table, or the reply, and the content type do not fit.

    Parameters
    ----------
    message : str
        What does not fit.
    column : str or int, optional
        The column that cannot be carried.
    rows : sequence of int, optional
        Positions in the table, counted from 0, where it was met while they were written, or their reply was read.
    next_step : str, optional
        How to convert the column.
    instead : sequence of str, default=()
        Content types that can carry such a column; the next step ends with them.

    Examples
    --------
    >>> error = CodecError("JSON has no infinity.", next_step="Replace it.", instead=["text/csv", "application/x-npy"])
    >>> error.next_step
    'Replace it, or use text/csv or application/x-npy.'
    """

    def __init__(
        self,
        message: str = "",
        *,
        column: object = None,
        rows: Sequence[int] | None = None,
        next_step: str | None = None,
        instead: Sequence[str] = (),
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.column = column
        self.rows = rows
        self.instead: tuple[str, ...] = ()
        if instead:
            self.propose(instead, self.next_step)

    def propose(self, instead: Sequence[str], step: str | None = None) -> None:
        """Name other content types in the next step, in place of those that it names.

        Parameters
        ----------
        instead : sequence of str
        step : str, optional
            What to do otherwise. None: as before.
        """
        if step is None:
            step = self.next_step.removesuffix(_or_use(self.instead))
        self.instead = tuple(instead)
        self.next_step = step.removesuffix(".") + _or_use(self.instead)

    def where(self) -> str:
        """Name the rows and the column, as far as they are known."""
        rows = told_rows(self.rows) if self.rows else ""
        column = "" if self.column is None else f"column {self.column!r}"
        return ", ".join(filter(None, (super().where(), rows, column)))


def _or_use(content_types: Sequence[str]) -> str:
    return f", or use {' or '.join(content_types)}." if content_types else "."


class AnswerError(SmrtError, ValueError):
    """The reply is not one answer a row, or not of a shape that is known.

    Parameters
    ----------
    message : str
        What came back instead.
    rows : sequence of int, optional
        Positions in the table that the reply was to answer, counted from 0.
    next_step : str, optional
        Usually: name the answers with ``path``.
    """

    next_step = "Point `path` (JMESPath) at the answers, or look at the whole with `.invoke(...).value`."

    def __init__(self, message: str = "", *, rows: Sequence[int] | None = None, next_step: str | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.rows = rows

    def where(self) -> str:
        """Name the endpoint and the rows, as far as they are known."""
        return ", ".join(filter(None, (super().where(), told_rows(self.rows) if self.rows else "")))


class OptionError(SmrtError, ValueError):
    """An option of the magic, or what it names, cannot be meant; nothing was sent.

    Not IPython's ``UsageError``: that one leaves no error in the notebook, so what runs notebooks may go on.
    """

    next_step = "`%sagemaker --help` shows the options."


class JournalError(SmrtError, ValueError):
    """A journal that belongs to another run, is in use, or cannot be written."""

    next_step = "Name another `journal`, or delete this one to score everything again."


class InvokeError(SmrtError):
    """A request to an endpoint that did not end in a reply.

    Parameters
    ----------
    message : str
        What the service, the container or the network said.
    endpoint : str, optional
        The endpoint's name.
    rows : sequence of int, optional
        Positions in the table that the request carried, counted from 0.
    request_id : str, optional
        The service's id of the request: what AWS support asks for.
    attempts : int, default=1
        How often the request was sent.
    response : mapping, optional
        The parsed error, as botocore's ``ClientError.response`` has it.
    next_step : str, optional
        What to do about it.
    """

    def __init__(  # noqa: PLR0913 - what is known of a request, by name
        self,
        message: str = "",
        *,
        endpoint: str | None = None,
        rows: Sequence[int] | None = None,
        request_id: str | None = None,
        attempts: int = 1,
        response: Mapping[str, Any] | None = None,
        next_step: str | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.endpoint = endpoint
        self.rows = rows
        self.request_id = request_id
        self.attempts = attempts
        self.response: Mapping[str, Any] = response or {}

    def where(self) -> str:
        """Name the endpoint, the rows and the attempts, as far as they are known."""
        rows = told_rows(self.rows) if self.rows else ""
        attempts = f"{self.attempts} attempts" if self.attempts > 1 else ""
        return ", ".join(filter(None, (super().where(), rows, attempts)))


class CredentialsError(InvokeError):
    """No credentials, expired or unknown ones, an unknown profile, or no region."""

    next_step = "Sign in (`aws sso login`, `aws configure`) or name a `profile` and a `region`."


class AccessDenied(InvokeError):  # noqa: N818 - the service's own name for it
    """The credentials are known and lack a permission."""

    next_step = "Ask for `sagemaker:InvokeEndpoint` on this endpoint, or use another `profile`."


class EndpointNotFound(InvokeError):  # noqa: N818 - says what is, without a suffix
    """No endpoint of that name in that region and account."""

    next_step = "Check the name, the `region` and the `profile`: `Endpoint.list()` shows what is there."


class ValidationFailed(InvokeError):  # noqa: N818 - the service says ValidationError, which is a family here
    """The service refused the request as it stands; nothing was run."""

    next_step = "Correct what it names."


class PayloadTooLarge(InvokeError):  # noqa: N818 - HTTP's own name for 413
    """One request is larger than the endpoint takes; nothing was run."""

    next_step = "`predict` cuts a table to size; else send less at once, or use `invoke_async` (up to 1 GB)."


class Throttled(InvokeError):  # noqa: N818 - the service says ThrottlingException
    """More requests than the endpoint takes, to the last attempt; nothing was run."""

    next_step = "Lower `Policy(concurrency=...)`, raise `attempts`, or give the endpoint more instances."


class ModelNotReady(InvokeError):  # noqa: N818 - the service says ModelNotReadyException
    """The model is still loading or scaled to zero, and stayed so for ``Policy.wait_for_capacity``."""

    next_step = "Raise `Policy(wait_for_capacity=...)` (seconds), or scale the endpoint up."


class ModelError(InvokeError):
    """The container answered with an error, or not within the service's 60 s.

    Parameters
    ----------
    message : str
        What happened.
    status : int, optional
        HTTP status of the container; 0 is the service's sign that the container never answered (its limit is 60 s).
    model_message : str, optional
        What the container said, verbatim.
    log_stream_arn : str, optional
        Where CloudWatch keeps the container's log.
    **context
        As for `InvokeError`.
    """

    next_step = "`error.logs()` shows the end of the container's log."
    _read_logs: Callable[[str | None, int], str] | None = None  # set where boto3 is, for nothing is imported here

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        model_message: str | None = None,
        log_stream_arn: str | None = None,
        **context: Any,
    ) -> None:
        super().__init__(message, **context)
        self.status = status
        self.model_message = model_message
        self.log_stream_arn = log_stream_arn

    def logs(self, lines: int = 50) -> str:
        """Fetch the end of the container's log from CloudWatch.

        Parameters
        ----------
        lines : int, default=50
            How many of the newest lines.

        Returns
        -------
        str
            The lines, oldest first; a sentence where there are none.

        Raises
        ------
        AccessDenied
            Without ``logs:FilterLogEvents`` on the log group.
        """
        if self._read_logs is None:
            return "This error did not come from an endpoint, so there is no log to read."
        return self._read_logs(self.log_stream_arn, lines)


class ServiceError(InvokeError):
    """The service itself failed, to the last attempt."""

    next_step = "Try again; if it stays, give AWS support the request id."


class TimedOut(InvokeError):  # noqa: N818 - reads as the sentence it is
    """No answer within ``Policy.read_timeout``. The inference may have run, so it was not sent again."""

    next_step = (
        "Raise `Policy(read_timeout=...)`, send fewer rows a request, or ask for repeats with "
        "`Policy(retry_read_timeout=True)`."
    )


class ConnectionFailed(InvokeError):  # noqa: N818 - reads as the sentence it is
    """The connection could not be made, or broke before the reply.

    `request_was_whole` says whether all of the request had left: an inference may then have run, and is not repeated.
    `request_was_cut` says that it broke while the request was being sent, as connections do where a body is too large.
    """

    next_step = "Check the network, the `region` and the `endpoint_url`."
    request_was_whole: bool = False
    request_was_cut: bool = False


class StreamError(InvokeError):
    """A stream broke, stalled, or was cut short in the middle.

    Parameters
    ----------
    message : str
        What happened.
    error_code : str, optional
        The service's code, such as ``ModelInvocationTimeExceeded`` or ``StreamBroken``.
    **context
        As for `InvokeError`.
    """

    next_step = "What came before it has been given; send the request again for the whole."

    def __init__(self, message: str = "", *, error_code: str | None = None, **context: Any) -> None:
        super().__init__(message, **context)
        self.error_code = error_code


class AsyncInferenceError(InvokeError):
    """An asynchronous inference failed, or its deadline passed.

    Parameters
    ----------
    message : str
        What happened.
    model_message : str, optional
        The failure object, verbatim.
    output_location, failure_location : str, optional
        Where in S3 the one or the other is expected.
    **context
        As for `InvokeError`.

    Attributes
    ----------
    was_stopped : bool
        Whether it is only the waiting that ended, because it was told to: the inference goes on.
    """

    next_step = ""
    was_stopped: bool = False

    def __init__(
        self,
        message: str = "",
        *,
        model_message: str | None = None,
        output_location: str | None = None,
        failure_location: str | None = None,
        **context: Any,
    ) -> None:
        super().__init__(message, **context)
        self.model_message = model_message
        self.output_location = output_location
        self.failure_location = failure_location


class PartialResultError(SmrtError):
    """Some rows failed; everything that was answered is kept.

    Parameters
    ----------
    message : str
        How many rows failed, and the first cause.
    partial : table-like
        The answers, aligned with the table that was sent; rows that failed are missing values.
    failed_rows : sequence of int
        Positions without an answer, counted from 0: ``table.iloc[error.failed_rows]``.
    errors : sequence of SmrtError
        One for each request that failed, in row order.
    report : RunReport, optional
        What the run did.
    next_step : str, optional
        What to do about it. None: about the first cause, where the message has it, then what has been kept.

    Attributes
    ----------
    cause_step : str
        What to do about the first cause; empty where the message has none.
    """

    next_step = "`error.partial` has the rest, `error.errors` the causes; with `journal` the next run sends only these."

    def __init__(  # noqa: PLR0913 - what is known of a run, by name
        self,
        message: str = "",
        *,
        partial: Any = None,
        failed_rows: Sequence[int] = (),
        errors: Sequence[SmrtError] = (),
        report: Any = None,
        next_step: str | None = None,
    ) -> None:
        # What stopped a run may be another than the first request that failed.
        first = next((each for each in errors[:1] if str(each.message) in message), None)
        self.cause_step = reworded(first.next_step, {"`error.": "`error.errors[0]."}) if first else ""
        if next_step is None:
            next_step = f"{self.cause_step} {self.next_step}".strip()
        super().__init__(message, next_step=next_step)
        self.partial = partial
        self.failed_rows = failed_rows
        self.errors = errors
        self.report = report


class Interrupted(PartialResultError, KeyboardInterrupt):  # noqa: N818 - as KeyboardInterrupt, which it is
    """The user stopped a run: a `KeyboardInterrupt` that has kept everything finished."""

    next_step = "`error.partial` has what was finished; with `journal` the same again sends only the rest."
