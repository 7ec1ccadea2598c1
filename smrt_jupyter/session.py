"""A stateful session: requests that all reach the instance which remembers the ones before."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from smrt_jupyter import errors

if TYPE_CHECKING:
    from concurrent.futures import Future
    from datetime import datetime
    from types import TracebackType

    from smrt_jupyter.endpoint import Endpoint
    from smrt_jupyter.reply import Reply
    from smrt_jupyter.stream import ReplyStream

NEW_SESSION = "NEW_SESSION"
OPENING = {"requestType": "NEW_SESSION"}
CLOSING = {"requestType": "CLOSE"}
AS_IT_IS: dict[str, Any] = {"content_type": None, "template": None, "path": None}
"""What the containers of AWS (DJL, and those built on its hosting standards) take for opening and closing, for the
service itself has no call for either; and that it travels as the JSON it is, whatever rows travel as."""


class Session:
    """A stateful session, for a ``with`` block; made by `Endpoint.session`.

    Attributes
    ----------
    id : str or None
        None before it is open.
    expires : datetime or None
        Until when it lives unless it is used, as the container said on opening; in UTC.
    closed : bool
        Whether it was closed, by us or by the container.

    Examples
    --------
    >>> from smrt_jupyter import LocalRuntime
    >>> with LocalRuntime() as runtime:
    ...     endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1))
    ...     with endpoint.session() as chat:
    ...         chat.invoke([[1, 2]], accept="text/csv").value
    array([[3]])
    """

    def __init__(self, endpoint: Endpoint, *, opening: Any, closing: Any) -> None:
        self._endpoint = endpoint
        self._opening = opening
        self._closing = closing
        self.id: str | None = endpoint.session_id if endpoint.session_id != NEW_SESSION else None
        self.expires: datetime | None = None
        self.closed = False

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint, stuck to this session: its every verb goes to the same instance.

        Raises
        ------
        ValidationFailed
            Before the session is open, and after it was closed.
        """
        if self.id is None or self.closed:
            state = "closed" if self.closed else "not open"
            raise errors.ValidationFailed(
                f"The session is {state}.",
                endpoint=self._endpoint.name,
                next_step="Open another with `endpoint.session()`.",
            )
        return self._endpoint.replace(session_id=self.id)

    def _asked(self) -> Endpoint:
        """Be told of every reply, for any may say that the container has closed the session."""
        return self.endpoint.replace(after_reply=self._note)

    def __enter__(self) -> Self:
        if self.id is None and self._opening is not None:
            self._open(self._opening, **AS_IT_IS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except errors.SmrtError:
            if error is None:
                raise  # otherwise the block's own error is the one to see

    def _open(self, data: Any, **changes: Any) -> Reply:
        reply = self._endpoint.invoke(data, **changes, session_id=NEW_SESSION)
        if reply.new_session_id is None:
            raise errors.ValidationFailed(
                "The container opened no session.",
                endpoint=self._endpoint.name,
                request_id=reply.request_id,
                next_step="Pass `opening=`, the payload that its container takes for that, if it keeps any.",
            )
        self.id, self.expires = reply.new_session_id, reply.session_expires
        return reply

    def invoke(self, data: Any, **changes: Any) -> Reply:
        """Send one request; the first one opens the session where ``opening=None`` left that to it.

        Parameters
        ----------
        data, **changes
            As for `Endpoint.invoke`.

        Returns
        -------
        Reply
        """
        if self.id is None and not self.closed:
            return self._open(data, **changes)
        return self._asked().invoke(data, **changes)

    def submit(self, data: Any, **changes: Any) -> Future[Reply]:
        """Send one request in the background: see `Endpoint.submit`."""
        return self._asked().submit(data, **changes)

    async def ainvoke(self, data: Any, **changes: Any) -> Reply:
        """Send one request and await the reply: see `Endpoint.ainvoke`."""
        return await self._asked().ainvoke(data, **changes)

    def stream(self, data: Any, **changes: Any) -> ReplyStream:
        """Send one request, for a reply in parts: see `Endpoint.stream`."""
        return self._asked().stream(data, **changes)

    def _note(self, finished: Reply | ReplyStream | errors.InvokeError) -> None:
        """See every reply, whichever verb it answers: any may say that the container has closed the session."""
        if getattr(finished, "closed_session_id", None) is not None:
            self.closed = True
        if self._endpoint.after_reply:
            self._endpoint.after_reply(finished)

    def close(self) -> None:
        """Tell the container that the session is over; once is enough, and one that it knows no more is over, too."""
        if self.id is None or self.closed:
            return
        endpoint = self.endpoint
        self.closed = True
        if self._closing is not None:
            with suppress(errors.ValidationFailed):  # a request in the background may have closed it just now
                endpoint.invoke(self._closing, **AS_IT_IS)

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open" if self.id else "not open yet"
        return f"<Session {self.id} · {state}>" if self.id else f"<Session · {state}>"
