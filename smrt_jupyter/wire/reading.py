"""What botocore's parser cannot read: a proxy's page in another charset, JSON that is no object."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

REFUSED = 300


class Reading(threading.local):
    """The reply that botocore is parsing for this thread.

    Attributes
    ----------
    reply : mapping or None
        Status, headers and body. Where the parser fails, its exception says none of them.
    """

    reply: Mapping[str, Any] | None = None

    def __call__(self, response_dict: Mapping[str, Any] | None = None, **_: Any) -> None:
        """Be called by botocore before each parsing."""
        self.reply = response_dict

    def failure(self) -> dict[str, Any] | None:
        """Make what the parser would have made of an error, by the status and the headers alone.

        Returns
        -------
        dict or None
            As botocore's ``ClientError.response`` has it; None when there was no reply to parse, so that something else
            went wrong.
        """
        if self.reply is None:
            return None
        headers = {name.lower(): value for name, value in self.reply["headers"].items()}
        status, body = int(self.reply["status_code"]), self.reply["body"]
        words = body.decode(errors="replace") if isinstance(body, bytes) else ""
        kind = headers.get("x-amzn-errortype", str(status)).partition(":")[0].rpartition("#")[2]
        return {
            "Error": {
                "Code": kind,
                "Message": words if status >= REFUSED else f"The reply (HTTP {status}) cannot be read.",
            },
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "HTTPHeaders": headers,
                "RequestId": headers.get("x-amzn-requestid", ""),
            },
        }
