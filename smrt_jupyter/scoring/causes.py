"""What an error of one request means for the rest of a run."""

from __future__ import annotations

from smrt_jupyter import errors
from smrt_jupyter.policy import status_of

PASSES_NOTHING = (
    errors.CredentialsError,
    errors.AccessDenied,
    errors.EndpointNotFound,
    errors.ValidationFailed,
)
"""What is refused for one chunk like this is refused for all of them."""

OF_ONE_MODEL = (errors.ValidationFailed,)
"""But for these, where chunks go to different models of an endpoint: one of them may not be there."""

TOO_LARGE = 413
UNAVAILABLE = 503
NEVER_ANSWERED = 0
"""Statuses: of the reply, of the service, and of a container that ran into the service's 60 s."""

LARGE_BODY = 1_000_000
"""A connection that breaks while less than this is being sent has another cause than the body's size."""

CLEARLY_SMALLER = 0.9
"""What is tried next after a refused size: sizes of chunks differ by a little, and each would be refused in turn."""


def is_for_want_of_capacity(error: BaseException) -> bool:
    """Tell what fewer requests in flight would have avoided: refusals, and answers that came too late.

    Parameters
    ----------
    error : BaseException
        What a request ended in.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_for_want_of_capacity(errors.Throttled()), is_for_want_of_capacity(errors.AccessDenied())
    (True, False)
    """
    match error:
        case errors.Throttled() | errors.TimedOut():
            return True
        case errors.ServiceError():
            return status_of(error) == UNAVAILABLE
        case errors.ModelError():
            return error.status == NEVER_ANSWERED
    return False


def is_for_all(error: BaseException, *, several_models: bool) -> bool:
    """Tell a refusal that every other chunk would meet, too.

    Parameters
    ----------
    error : BaseException
        What a request ended in.
    several_models : bool
        Whether the chunks go to different models of the endpoint.

    Returns
    -------
    bool

    Examples
    --------
    >>> refused = errors.ValidationFailed()
    >>> is_for_all(refused, several_models=False), is_for_all(refused, several_models=True)
    (True, False)
    """
    return isinstance(error, PASSES_NOTHING) and not (several_models and isinstance(error, OF_ONE_MODEL))


def forget_frames(error: BaseException | None) -> None:
    """Drop what an error that is kept would keep alive: each frame of its traceback holds a body.

    Parameters
    ----------
    error : BaseException or None
        With all its causes.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


class SizeLimit:
    """The size of body that an endpoint takes, as far as it has shown.

    Parameters
    ----------
    limit : int
        What it is said to take.

    Attributes
    ----------
    bytes : int
        The largest body that is worth sending.

    Examples
    --------
    >>> limit = SizeLimit(6_291_456)
    >>> limit.was_too_large(errors.PayloadTooLarge(), 4_000_000), limit.bytes
    (True, 3600000)
    """

    def __init__(self, limit: int) -> None:
        self.bytes = limit
        self._accepted = 0

    def accepted(self, size: int) -> None:
        """Learn from a body that was answered.

        Parameters
        ----------
        size : int
        """
        self._accepted = max(self._accepted, size)

    def was_too_large(self, error: BaseException, size: int) -> bool:
        """Tell whether a body's size was the trouble, and remember it.

        Parameters
        ----------
        error : BaseException
            What its request ended in.
        size : int
            Its bytes.

        Returns
        -------
        bool
        """
        match error:
            case errors.PayloadTooLarge():
                found = True
            case errors.ValidationFailed():
                found = "oversize body" in error.message
            case errors.ModelError():
                found = error.status == TOO_LARGE
            case errors.ConnectionFailed():
                found = error.request_was_cut and size > max(LARGE_BODY, self._accepted)
            case _:
                found = False
        if found and size > self._accepted:
            self.bytes = min(self.bytes, max(self._accepted, int(size * CLEARLY_SMALLER)))
        return found
