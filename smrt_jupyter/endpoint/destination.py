"""Where to ask and how: the fields of an endpoint, and what all its verbs do with them.

Plain strings, never clients or sessions: so it clones, pickles, hashes, and works in any process.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from smrt_jupyter import codecs, errors, wire
from smrt_jupyter.answers.paths import compiled
from smrt_jupyter.codecs import adapter
from smrt_jupyter.codecs.text import Raw
from smrt_jupyter.endpoint import bodies
from smrt_jupyter.policy import Policy
from smrt_jupyter.reply import Reply
from smrt_jupyter.tables import Table, is_table
from smrt_jupyter.wire import members

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from smrt_jupyter.stream import ReplyStream

# What says where and how, and is no member of the service's requests. Every other field is one, by its name.
NO_MEMBERS = frozenset(
    {"name", "region", "profile", "endpoint_url", "template", "path", "policy", "before_sign", "after_reply"}
)

LARGEST_PAYLOAD = 25 * 1024 * 1024
"""Bytes that a real-time endpoint takes at the very most (hosting FAQ); the API's model still says 6,291,456."""

ROUTER_READ_TIMEOUT = 170.0
"""Seconds: an inference router tries twice, 60 s each, and AWS asks its clients to wait at least this long."""


@dataclass(frozen=True, repr=False)
class Destination:
    """An `Endpoint` without its verbs; the parameters are told there."""

    name: str
    region: str | None = field(default=None, kw_only=True)
    profile: str | None = field(default=None, kw_only=True)
    endpoint_url: str | None = field(default=None, kw_only=True)
    target_variant: str | None = field(default=None, kw_only=True)
    target_model: str | None = field(default=None, kw_only=True)
    target_container_hostname: str | None = field(default=None, kw_only=True)
    inference_component_name: str | None = field(default=None, kw_only=True)
    session_id: str | None = field(default=None, kw_only=True)
    prefix_aware_id: str | None = field(default=None, kw_only=True)
    routing_target_name: str | None = field(default=None, kw_only=True)
    content_type: Any = field(default=None, kw_only=True)
    accept: Any = field(default=None, kw_only=True)
    template: Any = field(default=None, kw_only=True)
    path: str | None = field(default=None, kw_only=True)
    custom_attributes: str | None = field(default=None, kw_only=True)
    inference_id: str | None = field(default=None, kw_only=True)
    enable_explanations: str | None = field(default=None, kw_only=True)
    policy: Policy = field(default=Policy(), kw_only=True)
    before_sign: Callable[[Any], None] | None = field(default=None, kw_only=True)
    after_reply: Callable[[Reply | ReplyStream | errors.InvokeError], None] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Keep a template as text, so that the value hashes, and refuse what would only fail in a run."""
        for name in TEXTS:
            value = getattr(self, name)
            if not (isinstance(value, str) or (value is None and name != "name")):
                raise _no_text(name, value, self.name)
        for name in ("before_sign", "after_reply"):
            if not (getattr(self, name) is None or callable(getattr(self, name))):
                raise errors.ValidationFailed(
                    f"`{name}` cannot be called: it is {type(getattr(self, name)).__name__}.",
                    endpoint=self.name,
                    next_step="Pass a function.",
                )
        if not isinstance(self.policy, Policy):
            raise _no_policy(self.policy, self.name)
        if self.path is not None:
            compiled(self.path)
        if self.template is not None and not isinstance(self.template, str):
            object.__setattr__(self, "template", json.dumps(self.template))

    def __repr__(self) -> str:
        told = [repr(self.name)]
        for each in dataclasses.fields(self)[1:]:
            value = getattr(self, each.name)
            if value != each.default:
                told.append(f"{each.name}={'…' if each.name == 'custom_attributes' else repr(value)}")
        return f"{type(self).__name__}({', '.join(told)})"

    @property
    def service(self) -> str:
        """The service that it asks, by botocore's name."""
        return members.RUNTIME if self.routing_target_name is None else members.ROUTER

    @property
    def target(self) -> wire.Target:
        """The service that it asks, as the wire has it."""
        routed = self.service == members.ROUTER
        return wire.Target(
            self.service,
            self.region,
            self.profile,
            self.endpoint_url,
            self.policy.connect_timeout,
            max(self.policy.read_timeout, ROUTER_READ_TIMEOUT) if routed else self.policy.read_timeout,
            self.policy.concurrency or self.policy.concurrency_max,
        )

    def replace(self, **changes: Any) -> Self:
        """Make one that differs.

        Parameters
        ----------
        **changes
            Any parameters of `Endpoint`.

        Returns
        -------
        Endpoint

        Raises
        ------
        TypeError
            For what is no parameter.

        Examples
        --------
        >>> from smrt_jupyter import Endpoint
        >>> Endpoint("churn").replace(target_variant="blue")
        Endpoint('churn', target_variant='blue')
        """
        known = [each.name for each in dataclasses.fields(self)]
        for wrong in changes.keys() - known:
            meant = difflib.get_close_matches(wrong, known, 1)
            hint = f" Did you mean `{meant[0]}`?" if meant else ""
            raise TypeError(f"An endpoint has no parameter `{wrong}`.{hint}")
        return dataclasses.replace(self, **changes)

    def codec_for(self, data: Any) -> codecs.Codec:
        """Choose the codec: the one that is named, else the one that the data calls for."""
        named = self.content_type
        if named is None:
            named = "application/json" if self.template is not None else codecs.for_data(data)
        try:
            return codecs.find(named, template=self.template)
        except errors.CodecError:
            if isinstance(named, str) and isinstance(data, bytes | bytearray | memoryview) and self.template is None:
                return Raw(named)  # bytes need no codec: whoever made them knows what they are
            raise

    def request(self, operation: str, codec: codecs.Codec | None, **more: Any) -> dict[str, Any]:
        """Gather the members of a request: the endpoint's own fields by name, and what a verb adds.

        Parameters
        ----------
        operation : str
            The API's name: ``InvokeEndpoint``.
        codec : Codec or None
            What wrote the body.
        **more
            Members of this operation alone, by Python name.

        Returns
        -------
        dict of str to object
            By the API's names, checked.
        """
        named = "inference_router_name" if self.service == members.ROUTER else "endpoint_name"
        given = {each: getattr(self, each) for each in MEMBERS}
        given[named] = self.name
        given["content_type"] = codec.media_type.text if codec else None
        given["accept"] = codecs.accepted(self.accept)
        if self.enable_explanations is not None and self.accept is None:
            given["accept"] = given["content_type"]  # Clarify wants both (developer guide, online explainability)
        return members.parameters(self.service, operation, given | more, self.name)

    def ask(
        self,
        body: bytes,
        codec: codecs.Codec,
        *,
        rows: Sequence[int] | None = None,
        on_retry: Callable[[errors.InvokeError, float], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Reply:
        """Send a body that is made already.

        Parameters
        ----------
        body : bytes
            The payload.
        codec : Codec
            What wrote it.
        rows : sequence of int, optional
            The rows in it, for the errors.
        on_retry, stop
            As for :func:`smrt_jupyter.wire.send`.

        Returns
        -------
        Reply
        """
        if len(body) > LARGEST_PAYLOAD:
            raise errors.PayloadTooLarge(
                f"The body has {len(body):,} bytes; a real-time endpoint takes {LARGEST_PAYLOAD:,} at the very most.",
                endpoint=self.name,
                rows=rows,
                next_step="`predict` cuts a table to size; `invoke_async` takes up to 1 GB.",
            )
        operation = members.operation(self.service)
        parameters = self.request(operation, codec, body=body)
        exchange = self.send(operation, parameters, rows=rows, on_retry=on_retry, stop=stop)
        reply = Reply.of(exchange, path=self.path, accept=self.accept)
        if self.after_reply:
            self.after_reply(reply)
        return reply

    def send(self, operation: str, parameters: dict[str, Any], **options: Any) -> wire.Exchange:
        """Send a request whose members are gathered; `after_reply` sees how it failed, if it does.

        Parameters
        ----------
        operation : str
            The API's name.
        parameters : dict
            Its members, by the API's names.
        **options
            As for :func:`smrt_jupyter.wire.send`.

        Returns
        -------
        Exchange
        """
        try:
            return wire.send(
                self.target,
                operation,
                parameters,
                policy=self.policy,
                endpoint=self.name,
                before_sign=self.before_sign,
                **options,
            )
        except errors.InvokeError as error:
            if self.after_reply:
                self.after_reply(error)
            raise


def _no_text(field: str, given: object, name: object) -> errors.ValidationFailed:
    return errors.ValidationFailed(
        f"`{field}` must be text, not {type(given).__name__}.",
        endpoint=name if isinstance(name, str) else None,
        next_step="Nothing was sent.",
    )


def _no_policy(given: object, name: str) -> errors.ValidationFailed:
    told = ", ".join(f"{field}={value!r}" for field, value in given.items()) if isinstance(given, dict) else "..."
    return errors.ValidationFailed(
        f"the policy is no Policy but {type(given).__name__}.",
        endpoint=name,
        next_step=f"Write `policy=Policy({told})`.",
    )


MEMBERS = tuple(each.name for each in dataclasses.fields(Destination) if each.name not in NO_MEMBERS)
"""The fields that are members of the service's requests."""

TEXTS = tuple(
    each.name
    for each in dataclasses.fields(Destination)
    if each.name not in {"content_type", "accept", "template", "policy", "before_sign", "after_reply"}
)


def encode(codec: codecs.Codec, data: Any) -> bytes:
    """Serialise data for one request, tables through the writer that a chunk would go through."""
    if is_table(data):
        table = Table.of(data)
        return bodies.writer(codec, table)(0, len(table))
    return adapter.encode(codec, data)
