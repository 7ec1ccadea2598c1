"""The same request as Python and as boto3, to take along into a script."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from smrt_jupyter.dry_run import dry_run
from smrt_jupyter.endpoint import encode
from smrt_jupyter.policy import Policy
from smrt_jupyter.tables import is_table

if TYPE_CHECKING:
    from smrt_jupyter.endpoint import Endpoint

BODY_LONGEST = 2_000
"""Bytes of a body that are written into the code; a longer one is made from the data."""


def as_code(endpoint: Endpoint, data: Any, told: str, *, out: str | None = None, one_request: bool = False) -> str:
    """Write a request as code.

    Parameters
    ----------
    endpoint : Endpoint
        Where it goes.
    data : object
        What is sent.
    told : str
        The expression that gives it.
    out : str, optional
        The name that the answer gets.
    one_request : bool, default=False
        Whether a table, too, travels whole.

    Returns
    -------
    str
        Python with this package, and the same with boto3 alone but for the writing of tables.
    """
    in_chunks = is_table(data) and not one_request
    imports = ["from smrt_jupyter import Endpoint" + (", Policy" if endpoint.policy != Policy() else "")]
    if told.startswith("Path("):
        imports.insert(0, "from pathlib import Path")
    verb = f"predict({told})" if in_chunks else f"invoke({told}){'.body' if one_request else '.value'}"
    ours = [*imports, "", f"endpoint = {_expression(endpoint)}", f"{out or 'answer'} = endpoint.{verb}"]
    return "\n".join(["# With smrt-jupyter", *ours, "", "# With boto3", *_boto3(endpoint, data, told, in_chunks)])


def _expression(endpoint: Endpoint) -> str:
    words = [repr(endpoint.name)]
    for each in fields(endpoint)[1:]:
        value = getattr(endpoint, each.name)
        if value != each.default:
            words.append(f"{each.name}={_policy(value) if each.name == 'policy' else repr(value)}")
    return f"Endpoint({', '.join(words)})"


def _policy(policy: Policy) -> str:
    words = [f"{each.name}={getattr(policy, each.name)!r}" for each in fields(policy)]
    usual = [f"{each.name}={each.default!r}" for each in fields(policy)]
    return f"Policy({', '.join(word for word in words if word not in usual)})"


def _boto3(endpoint: Endpoint, data: Any, told: str, in_chunks: bool) -> list[str]:  # noqa: FBT001 - private
    codec = endpoint.codec_for(data)
    parameters = endpoint.request(operation(endpoint), codec)
    words = "".join(f"    {name}={value!r},\n" for name, value in parameters.items())
    session = f"boto3.Session(profile_name={endpoint.profile!r})" if endpoint.profile else "boto3"
    place = {"region_name": endpoint.region, "endpoint_url": endpoint.endpoint_url}
    client = ", ".join(
        [repr(endpoint.target.service), *(f"{name}={value!r}" for name, value in place.items() if value)]
    )
    head = ["import boto3"]
    made = [f"runtime = {session}.client({client})"]
    method = re.sub("(?<!^)([A-Z])", r"_\1", operation(endpoint)).lower()
    call = f"runtime.{method}(\n{words}    Body=%s,\n)"
    if in_chunks:
        head += ["from smrt_jupyter.codecs import find", "from smrt_jupyter.tables import Table"]
        template = f", template={endpoint.template!r}" if endpoint.template is not None else ""
        made += [
            f"write = find({codec.media_type.text!r}{template}).writer(Table.of({told}))",
            "bodies = []",
            f"for start, stop in {list(dry_run(endpoint, data).cuts)}:",
            *(f"    {line}" for line in f"reply = {call % 'write(start, stop)'}".splitlines()),
            '    bodies.append(reply["Body"].read())',
        ]
        return [*head, "", *made]
    body = encode(codec, data)
    if len(body) <= BODY_LONGEST:
        written = repr(body)
    else:
        head.append("from smrt_jupyter.endpoint import encode")
        head.append("from smrt_jupyter.codecs import find")
        template = f", template={endpoint.template!r}" if endpoint.template is not None else ""
        written = f"encode(find({codec.media_type.text!r}{template}), {told})"
    return [*head, "", *made, f"reply = {call % written}", 'body = reply["Body"].read()']


def operation(endpoint: Endpoint) -> str:
    """Name the operation that `Endpoint.invoke` uses."""
    return "InvokeInferenceRouter" if endpoint.routing_target_name is not None else "InvokeEndpoint"
