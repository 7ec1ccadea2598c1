"""The verbs of `Endpoint` as code: how each is called, and what does the same with boto3 alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from smrt_jupyter.async_inference.places import place
from smrt_jupyter.async_inference.submission import inline_limit
from smrt_jupyter.wire import members

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smrt_jupyter.endpoint import Endpoint

ANY_PREFIX = "s3://BUCKET/PREFIX"
"""Where inputs go that are too large for a request, while nobody has said where."""

OF_INPUT = ("s3_input_prefix", "input_location")
"""Arguments of `Endpoint.invoke_async` that say where the input is, and are no members of the request as they stand."""


@dataclass(frozen=True)
class Verb:
    """A verb, and what it is told beside the data.

    Attributes
    ----------
    name : {"invoke", "predict", "stream", "invoke_async"}
    arguments : mapping of str to object, optional
        By name; those that are None are left out.
    asynchronous : bool, default=False
        Whether its requests are asynchronous.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    asynchronous: bool = False

    @property
    def is_async(self) -> bool:
        """Whether the answers come through S3."""
        return self.asynchronous or self.name == "invoke_async"

    def call(self, told: str, out: str | None, *, raw: bool) -> list[str]:
        """Write the call with this package.

        Parameters
        ----------
        told : str
            The expression that gives the data; empty where there is none.
        out : str or None
            The name that the answer gets.
        raw : bool
            Whether the answer is the reply's bytes.

        Returns
        -------
        list of str

        Examples
        --------
        >>> Verb("predict", {"journal": "run.db"}).call("customers", None, raw=False)
        ["answer = endpoint.predict(customers, journal='run.db')"]
        """
        named = [f"{name}={value!r}" for name, value in self.arguments.items() if value is not None]
        call = f"endpoint.{self.name}({', '.join([*([told] if told else []), *named])})"
        match self.name:
            case "stream":
                reading = [f'    {out} = "".join(stream.text())']
                if out is None:
                    reading = ["    for text in stream.text():", '        print(text, end="")']
                return [f"with {call} as stream:", *reading]
            case "invoke_async":
                return [f"{out or 'inference'} = {call}"]
            case "invoke":
                return [f"{out or 'answer'} = {call}{'.body' if raw else '.value'}"]
        return [f"{out or 'answer'} = {call}"]

    def operation(self, endpoint: Endpoint) -> str:
        """Name the service's operation."""
        kind = "WithResponseStream" if self.name == "stream" else "Async" if self.is_async else ""
        return members.operation(endpoint.service, kind)

    @property
    def members(self) -> dict[str, Any]:
        """The members of the request that only this verb has, by their names in Python."""
        if self.name != "invoke_async":
            return {}
        return {name: value for name, value in self.arguments.items() if name not in OF_INPUT}

    @property
    def notes(self) -> list[str]:
        """What the half with boto3 lacks."""
        return ["# It keeps no journal: this sends every row again."] if self.arguments.get("journal") else []

    def input(self, endpoint: Endpoint, size: int, body: str, content_type: str) -> Input:
        """Say how a body gets into a request.

        Parameters
        ----------
        endpoint : Endpoint
        size : int
            Bytes of the largest body, or of all of them together.
        body : str
            The expression that gives it.
        content_type : str

        Returns
        -------
        Input
        """
        prefix = self.arguments.get("s3_input_prefix")
        if not self.is_async or size <= inline_limit(endpoint.service, self.operation(endpoint)):
            return Input(f"Body={body}")
        bucket, key = place(prefix or ANY_PREFIX)
        start = f"{key.strip('/')}/" if key.strip("/") else ""
        return Input(
            f"InputLocation={f's3://{bucket}/'!r} + key",
            ("import uuid",),
            (
                f"key = {start!r} + str(uuid.uuid4())",
                f"s3.put_object(Bucket={bucket!r}, Key=key, Body={body}, ContentType={content_type!r})",
            ),
            needs_s3=True,
        )

    @property
    def reading(self) -> tuple[str, ...]:
        """What is done with one reply."""
        if self.is_async:
            return ('location = reply["OutputLocation"]  # where the answer appears',)
        if self.name == "stream":
            return (
                'decoder = codecs.getincrementaldecoder("utf-8")()',
                'for event in reply["Body"]:',
                '    print(decoder.decode(event["PayloadPart"]["Bytes"]), end="")',
            )
        return ('body = reply["Body"].read()',)

    @property
    def gathering(self) -> tuple[str, str]:
        """What is done before a loop over requests, and with the reply of each."""
        if self.is_async:
            return "locations = []  # where the answers appear", 'locations.append(reply["OutputLocation"])'
        return "bodies = []", 'bodies.append(reply["Body"].read())'

    @property
    def imports(self) -> tuple[str, ...]:
        """What `reading` needs."""
        return ("import codecs",) if self.name == "stream" else ()


@dataclass(frozen=True)
class Input:
    """How a body gets into a request: the argument that carries it, and what is done before."""

    argument: str
    imports: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    needs_s3: bool = False
