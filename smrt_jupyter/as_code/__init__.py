"""The same request as Python and as boto3, to take along into a script.

The half with boto3 does without this package wherever :mod:`smrt_jupyter.as_code.plain` knows a way.
"""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from smrt_jupyter import codecs
from smrt_jupyter.as_code import plain
from smrt_jupyter.as_code.verbs import Verb
from smrt_jupyter.dry_run import dry_run
from smrt_jupyter.endpoint import encode
from smrt_jupyter.endpoint.bodies import writer
from smrt_jupyter.policy import Policy
from smrt_jupyter.tables import Table, is_table
from smrt_jupyter.wire import beside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from smrt_jupyter.codecs import Codec
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
    verb: Verb | None = None,
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
    verb : Verb, optional
        What is done with it. None: a table is predicted, and anything else is invoked with.

    Returns
    -------
    str
        Python with this package, and the same with boto3 alone, but for bodies that nothing else writes.
    """
    if verb is None:
        verb = Verb("predict" if is_table(data) and not one_request else "invoke")
    fields_told = fields_told or {}
    imports = ["from smrt_jupyter import Endpoint" + (", Policy" if endpoint.policy != Policy() else "")]
    if told.startswith("Path("):
        imports.insert(0, "from pathlib import Path")
    made = f"endpoint = {_expression(endpoint, fields_told)}"
    ours = [*imports, "", made, *verb.call(told, out, raw=one_request)]
    if verb.arguments.get("target_model_column") is not None:
        bare = [
            "# Each model's rows are requests of their own, which `TargetModel` sends to it; this package does that."
        ]
    else:
        bare = _boto3(endpoint, data, told, verb, fields_told.get("content_type"))
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


@dataclass(frozen=True)
class _Body:
    """How the body of a request is written: the expression for it, and the lines that it needs.

    ``imports`` and ``before`` stand above all requests, ``steps`` above each of them.
    """

    expression: str
    imports: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


def _boto3(endpoint: Endpoint, data: Any, told: str, verb: Verb, named: str | None) -> list[str]:
    location = verb.arguments.get("input_location")
    if location is not None:
        codec = None if endpoint.content_type is None else codecs.find(endpoint.content_type)
        call = _call(endpoint, codec, verb, f"InputLocation={location!r}")
        return ["import boto3", "", f"runtime = {_client(endpoint)}", *call, *verb.reading]
    codec = endpoint.codec_for(data)
    template = f", template={endpoint.template!r}" if endpoint.template is not None else ""
    found = f"find({named or repr(codec.media_type.text)}{template})"
    in_chunks = verb.name == "predict"
    dry = dry_run(endpoint, data) if in_chunks else None
    cuts = dry.cuts if dry else ()
    if in_chunks and len(cuts) != 1:
        name = told if told.isidentifier() and told not in _TAKEN else "table"
        loop, body = _in_chunks(endpoint, data, codec, cuts, name, found)
        body = replace(body, before=(*((f"{name} = {told}",) if name != told else ()), *body.before))
    else:
        loop, body = "", _whole(endpoint, data, codec, told, found)
    size = dry.size if dry else len(encode(codec, data)) if verb.is_async else 0
    given = verb.input(endpoint, size, body.expression, codec.media_type.text)
    call = [*given.steps, *_call(endpoint, codec, verb, given.argument, apart=bool(loop))]
    paths = ("from pathlib import Path",) if told.startswith("Path(") else ()
    imports = sorted({"import boto3", *paths, *body.imports, *given.imports, *verb.imports}, key=_import_order)
    clients = [f"runtime = {_client(endpoint)}", *([f"s3 = {_client(endpoint, 's3')}"] if given.needs_s3 else [])]
    head = [*verb.notes, *imports, "", *clients, *body.before]
    if not loop:
        return [*head, *body.steps, *call, *verb.reading]
    before, gathered = verb.gathering
    return [*head, before, loop, *(f"    {line}" for line in [*body.steps, *call, gathered])]


def _call(endpoint: Endpoint, codec: Codec | None, verb: Verb, given: str, *, apart: bool = False) -> list[str]:
    """Write one request; outputs are named after inference ids, so requests in a loop must not share one."""
    operation = verb.operation(endpoint)
    members = endpoint.request(operation, codec, **verb.members)
    words = {member: repr(value) for member, value in members.items()}
    if apart and verb.is_async and "InferenceId" in words:
        words["InferenceId"] += ' + f"-{start}"'
    ordered = sorted(words.items(), key=lambda word: word[0] != "EndpointName")
    method = re.sub("(?<!^)([A-Z])", r"_\1", operation).lower()
    return [
        f"reply = runtime.{method}(",
        *(f"    {member}={value}," for member, value in ordered),
        f"    {given},",
        ")",
    ]


BODIES_TRIED = 16
"""Bodies on which a way to write them is tried; of more, some from the beginning to the end of the table."""

_TAKEN = {
    *("rows", "row", "file", "start", "stop", "write", "runtime", "bodies", "reply", "body", "answer", "endpoint"),
    *("boto3", "io", "json", "np", "pd", "Path", "find", "encode", "Table", "Endpoint", "Policy"),
    *("s3", "key", "uuid", "locations"),
}
"""Names that the code gives a meaning of its own."""

_STANDARD = ("import codecs", "import io", "import json", "import uuid", "from pathlib")

_NO_WAY = "# pandas, NumPy and json alone do not write these bytes, so this package does."


def _import_order(line: str) -> tuple[bool, bool, str]:
    return not line.startswith(_STANDARD), line.startswith("from"), line


def _client(endpoint: Endpoint, service: str | None = None) -> str:
    session = f"boto3.Session(profile_name={endpoint.profile!r})" if endpoint.profile else "boto3"
    target = beside(endpoint.target, service) if service else endpoint.target
    place = {"region_name": target.region, "endpoint_url": target.endpoint_url}
    words = [repr(target.service), *(f"{name}={value!r}" for name, value in place.items() if value)]
    return f"{session}.client({', '.join(words)})"


def _in_chunks(  # noqa: PLR0913, PLR0917 - private
    endpoint: Endpoint, table: Any, codec: Codec, cuts: Sequence[tuple[int, int]], name: str, found: str
) -> tuple[str, _Body]:
    """Write the loop over the chunks of a table, and the body of each."""
    write = writer(codec, Table.of(table))
    few = min(len(cuts), BODIES_TRIED)
    tried = [cuts[place * (len(cuts) - 1) // max(1, few - 1)] for place in range(few)]
    way = plain.find(
        table, codec, endpoint.template, lambda: ((slice(start, stop), write(start, stop)) for start, stop in tried)
    )
    step, total = (cuts[0][1], cuts[-1][1]) if cuts else (0, 0)
    is_even = bool(cuts) and list(cuts) == [(start, min(start + step, total)) for start in range(0, total, step)]
    loop = f"for start in range(0, {total}, {step}):" if is_even else f"for start, stop in {list(cuts)}:"
    if way is not None:
        span = f"start : start + {step}" if is_even else "start:stop"
        taken = f"rows = {name}{'.iloc' if plain.by_place(table) is not table else ''}[{span}]"
        note = (f"# Tried on {len(tried)} of these {len(cuts)} bodies.",) if len(tried) < len(cuts) else ()
        return loop, _Body(way.body, way.imports, note, (taken, *way.steps))
    imports = ("from smrt_jupyter.codecs import find", "from smrt_jupyter.tables import Table")
    stop = f"min(start + {step}, {total})" if is_even else "stop"
    return loop, _Body(f"write(start, {stop})", imports, (_NO_WAY, f"write = {found}.writer(Table.of({name}))"))


def _whole(endpoint: Endpoint, data: Any, codec: Codec, told: str, found: str) -> _Body:
    """Write the body of a single request."""
    body = encode(codec, data)
    way = plain.find(data, codec, endpoint.template, lambda: [(slice(None), body)])
    if way is not None:
        if told.isidentifier() and told not in _TAKEN:
            in_place = True
        else:
            uses = sum(len(_ROWS.findall(line)) for line in (*way.steps, way.body))
            in_place = uses == 1 and isinstance(ast.parse(told.strip(), mode="eval").body, _OPERANDS)
        if not in_place:
            return _Body(way.body, way.imports, () if told == "rows" else (f"rows = {told}",), way.steps)
        expression, *steps = (_ROWS.sub(lambda _: told, line) for line in (way.body, *way.steps))
        return _Body(expression, way.imports, (), tuple(steps))
    if len(body) <= BODY_LONGEST and not is_table(data):
        return _Body(repr(body))
    imports = ("from smrt_jupyter.codecs import find", "from smrt_jupyter.endpoint import encode")
    return _Body(f"encode({found}, {told})", imports, (_NO_WAY,))


_ROWS = re.compile(r"(?<!\.)\brows\b")

# What may stand before a dot without brackets around it.
_OPERANDS = (ast.Attribute, ast.Call, ast.Subscript, ast.Constant, ast.List, ast.Dict)
