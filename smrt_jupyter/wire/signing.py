"""What happens when a request is signed: the caller's hook is called, and the keys are seen that sign it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSRequest

Keys = tuple[str, str, "str | None"]
"""Access key, secret and session token."""


class Signing(threading.local):
    """The signing of the request that this thread is sending.

    Attributes
    ----------
    before_sign : callable or None
        Sees, and may change, the request.
    keys : tuple or None
        What the last request was signed with. They are noted at the signing because credentials may refresh
        themselves at any time: what a client has after a refusal need not be what was refused.
    """

    before_sign: Callable[[AWSRequest], None] | None = None
    keys: Keys | None = None

    def begin(self, before_sign: Callable[[AWSRequest], None] | None) -> None:
        """Say whose hook sees the next request."""
        self.before_sign, self.keys = before_sign, None

    def __call__(self, request: AWSRequest, request_signer: Any = None, **_: Any) -> None:
        """Be called by botocore before each signing."""
        self.keys = keys_of(request_signer)
        if self.before_sign is not None:
            self.before_sign(request)


def keys_of(signer: Any) -> Keys | None:
    """Read the keys that a signer has now, which may make their provider fetch them.

    Parameters
    ----------
    signer : botocore.signers.RequestSigner
        A client's.

    Returns
    -------
    tuple or None
        None when it has no credentials.
    """
    found = signer._credentials  # noqa: SLF001 - botocore has no public way to a client's credentials
    if found is None:
        return None
    frozen = found.get_frozen_credentials()
    return frozen.access_key, frozen.secret_key, frozen.token
