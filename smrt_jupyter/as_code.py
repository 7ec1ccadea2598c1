"""The same request as Python and as boto3, to take along into a script."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from smrt_jupyter.dry_run import dry_run
from smrt_jupyter.endpoint import encode
from smrt_jupyter.policy import Policy
from smrt_jupyter.tables import is_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smrt_jupyter.endpoint import Endpoint

BODY_LONGEST = 2_000
"""Bytes of a body that are written into the code; a longer one is made from the data."""


def as_code(  # noqa: PLR0913 - two of them are how the user wrote the others
    endpoint: Endpoint,
    data: Any,
    told: str,
    *,
    fields_told: Mapping[str, str] | None = None,
    out: str | None = None,
    one_request: bool = False,
) -> str:
    """Write a request as code.

    Parameters
    ----------
    endpoint : Endpoint
        Where it goes.
    data : object
        What is sent.
    told : str
        The expression that gives it.
    fields_told : mapping of str to str, optional
        The expressions that give fields of the endpoint, by name: objects have no other form that could be run.
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
    fields_told = fields_told or {}
    imports = ["from smrt_jupyter import Endpoint" + (", Policy" if endpoint.policy != Policy() else "")]
    if told.startswith("Path("):
        imports.insert(0, "from pathlib import Path")
    verb = f"predict({told})" if in_chunks else f"invoke({told}){'.body' if one_request else '.value'}"
    ours = [*imports, "", f"endpoint = {_expression(endpoint, fields_told)}", f"{out or 'answer'} = endpoint.{verb}"]
    bare = _boto3(endpoint, data, told, in_chunks, fields_told.get("content_type"))
    return "\n".join(["# With smrt-jupyter", *ours, "", "# With boto3", *bare])


def literal(value: Any) -> str:
    """Write what JSON says as Python that can be run, which ``nan`` and ``inf`` cannot.

    Parameters
    ----------
    value : object
        Text, bytes, or what JSON has.

    Returns
    -------
    str

    Examples
    --------
    >>> literal({"a": [1, float("inf")]})
    "{'a': [1, float('inf')]}"
    """
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name!r}: {literal(each)}' for name, each in value.items())}}}"
    return repr(value)


def _expression(endpoint: Endpoint, fields_told: Mapping[str, str]) -> str:
    words = [repr(endpoint.name)]
    for each in fields(endpoint)[1:]:
        value = getattr(endpoint, each.name)
        if value != each.default:
            written = _policy(value) if each.name == "policy" else fields_told.get(each.name, repr(value))
            words.append(f"{each.name}={written}")
    return f"Endpoint({', '.join(words)})"


def _policy(policy: Policy) -> str:
    words = [f"{each.name}={getattr(policy, each.name)!r}" for each in fields(policy)]
    usual = [f"{each.name}={each.default!r}" for each in fields(policy)]
    return f"Policy({', '.join(word for word in words if word not in usual)})"


def _boto3(endpoint: Endpoint, data: Any, told: str, in_chunks: bool, named: str | None) -> list[str]:  # noqa: FBT001 - private
    codec = endpoint.codec_for(data)
    template = f", template={endpoint.template!r}" if endpoint.template is not None else ""
    found = f"find({named or repr(codec.media_type.text)}{template})"
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
        made += [
            f"write = {found}.writer(Table.of({told}))",
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
        head += ["from pathlib import Path"] if told.startswith("Path(") else []
        written = f"encode({found}, {told})"
    return [*head, "", *made, f"reply = {call % written}", 'body = reply["Body"].read()']


def operation(endpoint: Endpoint) -> str:
    """Name the operation that `Endpoint.invoke` uses."""
    return "InvokeInferenceRouter" if endpoint.routing_target_name is not None else "InvokeEndpoint"
