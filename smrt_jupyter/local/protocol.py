"""Members of a request and a reply to and from HTTP, as botocore's service model has them.

No list of members is written here: where a member travels, how long it may be and what it must look like all come from
the model that boto3 itself serialises with, so a member that a newer botocore knows is carried without a change.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.loaders import create_loader
from botocore.model import ServiceModel

from smrt_jupyter.local import refusals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from botocore.model import OperationModel, Shape

RUNTIME = "sagemaker-runtime"
ROUTER = "sagemaker-inference-router-runtime"
_JAVA = (("\\p{ASCII}", "[\\x00-\\x7f]"), ("\\p{Print}", "\\x20-\\x7e"), ("\\z", "\\Z"))
"""What the models' patterns say in Java's dialect, and in Python's."""


@dataclass(frozen=True)
class Member:
    """One member of a request or a reply, and where it travels."""

    name: str
    location: str | None
    wire_name: str
    type_name: str
    minimum: int | None
    maximum: int | None
    pattern: re.Pattern[str] | None
    pattern_text: str
    sensitive: bool

    @classmethod
    def of(cls, name: str, shape: Shape) -> Member:
        """Read a member off the service model."""
        told = shape.metadata.get("pattern", "")
        pattern = functools.reduce(lambda text, pair: text.replace(*pair), _JAVA, told)
        return cls(
            name=name,
            location=shape.serialization.get("location"),
            wire_name=shape.serialization.get("name", name),
            type_name=shape.type_name,
            minimum=shape.metadata.get("min"),
            maximum=shape.metadata.get("max"),
            pattern=re.compile(pattern) if pattern else None,
            pattern_text=told,
            sensitive=bool(shape.metadata.get("sensitive")),
        )

    def complaint(self, value: str | int | bytes) -> str | None:
        """Say what the service would object to in a value; None when nothing."""
        where = f"'{self.name[0].lower()}{self.name[1:]}'"
        shown = f"Value at {where}" if self.sensitive else f"Value '{value!s}' at {where}"
        size, what = (value, "value") if isinstance(value, int) else (len(value), "length")
        if self.minimum is not None and size < self.minimum:
            bound = f"Member must have {what} greater than or equal to {self.minimum}"
        elif self.maximum is not None and size > self.maximum:
            bound = f"Member must have {what} less than or equal to {self.maximum}"
        elif self.pattern is not None and isinstance(value, str) and not self.pattern.fullmatch(value):
            bound = f"Member must satisfy regular expression pattern: {self.pattern_text}"
        else:
            return None
        return f"{shown} failed to satisfy constraint: {bound}"


class Operation:
    """One operation of a rest-json service.

    Parameters
    ----------
    model : OperationModel
        botocore's.
    """

    def __init__(self, model: OperationModel) -> None:
        self.name: str = model.name
        self.service: str = model.service_model.service_name
        self.method: str = model.http["method"]
        self.path: str = model.http["requestUri"]
        self.status: int = model.http.get("responseCode", 200)
        self.takes = tuple(Member.of(*item) for item in model.input_shape.members.items())
        self.gives = tuple(Member.of(*item) for item in model.output_shape.members.items())
        self.payload: str | None = model.input_shape.serialization.get("payload")
        self.errors: dict[str, int] = {
            shape.name: shape.metadata.get("error", {}).get("httpStatusCode", 500) for shape in model.error_shapes
        }
        self._required = frozenset(model.input_shape.required_members)
        self._replies = model.output_shape.serialization.get("payload")

    def parse(self, path: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Read the members of a request.

        Parameters
        ----------
        path : mapping of str to str
            What stands for each placeholder of the path.
        headers : mapping of str to str
            Lower-case names.
        body : bytes
            The payload; its length is the caller's to judge.

        Returns
        -------
        dict
            API member names to values; only those that are there.

        Raises
        ------
        Refusal
            A value that the service would not take.
        """
        members: dict[str, Any] = {}
        complaints = []
        for member in self.takes:
            value: Any
            if member.location == "uri":
                value = path[member.wire_name]
            elif member.location == "header":
                value = headers.get(member.wire_name.lower())
            else:
                value = body if body or member.name in self._required else None
            if value is None:
                continue
            if member.type_name == "integer":
                if not re.fullmatch(r"-?\d{1,18}", value):
                    raise refusals.validation(f"Value '{value}' of {member.wire_name} is not an integer")
                value = int(value)
            members[member.name] = value
            if member.name != self.payload:
                complaints.append(member.complaint(value))
        told = [complaint for complaint in complaints if complaint]
        if told:
            count = f"{len(told)} validation error{'s' if len(told) > 1 else ''} detected"
            raise refusals.validation(f"{count}: {'; '.join(told)}")
        return members

    def headers(self, members: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Place the members of a reply that travel as headers.

        Parameters
        ----------
        members : mapping
            API member names to values; None means that it is not there.

        Returns
        -------
        list of pairs of str
        """
        return [
            (member.wire_name, str(members[member.name]))
            for member in self.gives
            if member.location == "header" and members.get(member.name) is not None
        ]

    def body(self, members: Mapping[str, Any]) -> bytes:
        """Place the members of a reply that travel in its body.

        Parameters
        ----------
        members : mapping
            API member names to values.

        Returns
        -------
        bytes
            The payload as it is, or the members without a place of their own as JSON.
        """
        if self._replies:
            payload: bytes = members[self._replies]
            return payload
        loose = {member.name: members[member.name] for member in self.gives if member.location is None}
        return json.dumps(loose).encode()


@functools.cache
def operations(service: str) -> Sequence[Operation]:
    """List the operations of a service that the installed botocore knows.

    Parameters
    ----------
    service : str
        Such as `RUNTIME`.

    Returns
    -------
    sequence of Operation
        Empty when this botocore does not know the service yet.
    """
    loader = create_loader()
    if service not in loader.list_available_services("service-2"):
        return ()
    model = ServiceModel(loader.load_service_model(service, "service-2"), service)
    return tuple(Operation(model.operation_model(name)) for name in model.operation_names)
