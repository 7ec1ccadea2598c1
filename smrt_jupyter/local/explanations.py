"""SageMaker Clarify's online explanations: the container's reply, and an attribution for each row and feature."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jmespath
import numpy as np

from smrt_jupyter.codecs.base import MediaType
from smrt_jupyter.local import refusals, rows
from smrt_jupyter.local.invocation import ContainerReply

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from smrt_jupyter.local.invocation import Invocation

TAKEN = ("text/csv", "application/jsonlines")


def explain(
    explainer: Callable[..., Any], like: pd.DataFrame | None, invocation: Invocation, reply: ContainerReply
) -> ContainerReply:
    """Wrap a reply as an endpoint with a Clarify explainer does: always JSON, with the reply's text inside.

    Parameters
    ----------
    explainer : callable
        Takes the rows, gives an attribution for each row and feature.
    like : DataFrame, optional
        Whose columns' names and types the rows get.
    invocation : Invocation
        Its ``EnableExplanations`` is a JMESPath expression that is asked of each record's prediction; None: all.
    reply : ContainerReply
        What the model said.

    Returns
    -------
    ContainerReply

    Raises
    ------
    Refusal
        Without a content type and an accept that Clarify takes.
    """
    kinds = [MediaType(text or "").essence for text in (invocation.content_type, invocation.accept)]
    if not set(kinds) <= set(TAKEN):
        message = f"ContentType and Accept must each be one of {', '.join(TAKEN)} for an endpoint with an explainer."
        raise refusals.validation(message)
    text = reply.whole().decode()
    frame = rows.as_frame(rows.decode(invocation.body, invocation.content_type), like=like)
    assert frame is not None  # noqa: S101 - both content types that are taken hold rows
    chosen = _chosen(invocation.members.get("EnableExplanations"), text, kinds[1])
    explained: dict[str, Any] = {}
    if any(chosen):
        attributions = np.asarray(explainer(frame), dtype=float)
        explained["kernel_shap"] = [
            [_feature(name, value) for name, value in zip(frame.columns, row, strict=True)] if wanted else None
            for row, wanted in zip(attributions, chosen, strict=True)
        ]
    body = {
        "version": "1.0",
        "predictions": {"content_type": reply.content_type, "data": text},
        "explanations": explained,
    }
    return ContainerReply(body=json.dumps(body).encode(), content_type="application/json", rows=reply.rows)


def _feature(name: object, value: Any) -> dict[str, Any]:
    header = {"feature_header": name} if isinstance(name, str) else {}
    return header | {"attributions": [{"attribution": np.atleast_1d(value).tolist()}]}


def _chosen(expression: str | None, text: str, kind: str) -> list[bool]:
    """Ask of each record's prediction whether it is to be explained."""
    lines = [line for line in text.splitlines() if line.strip()]
    if expression is None:
        return [True] * len(lines)
    try:
        asked = jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError as error:
        raise refusals.validation(f"EnableExplanations is not a JMESPath expression: {error}") from error
    records = [json.loads(line if kind == TAKEN[1] else f"[{line}]") for line in lines]
    return [bool(asked.search(record)) for record in records]
