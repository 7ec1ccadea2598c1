"""What ``--code`` shows: the verb that a line comes to, so that it can be written instead of called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smrt_jupyter.magic.completion import Background
from smrt_jupyter.magic.options import ONLY_ASYNC, SHOWN

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Hashable

    from smrt_jupyter.as_code.verbs import Verb
    from smrt_jupyter.endpoint import Endpoint

PATIENCE = 10.0
"""Seconds that the control plane has to say whether an endpoint is asynchronous; without it, it is taken for none. So
many, because the first call of a session makes a client and finds credentials, and the wrong code would not run."""


def verb_of(told: Namespace, endpoint: Endpoint, model_column: Hashable, *, in_chunks: bool) -> Verb:
    """Say which verb a line comes to.

    Parameters
    ----------
    told : Namespace
        The options.
    endpoint : Endpoint
    model_column : hashable
        The column that names each row's model.
    in_chunks : bool
        Whether a table is sent, in as many requests as it takes.

    Returns
    -------
    Verb
    """
    from smrt_jupyter.as_code.verbs import Verb

    shown = next((deed for deed in SHOWN if getattr(told, deed)), "")
    if shown == "stream":
        return Verb("stream")
    if shown == "async":
        return Verb(
            "invoke_async", {"s3_input_prefix": told.s3_input} | {each: getattr(told, each) for each in ONLY_ASYNC}
        )
    if not in_chunks:
        return Verb("invoke")
    arguments: dict[str, Any] = {
        "journal": told.journal,
        "target_model_column": model_column,
        "asynchronous": True if told.s3_input else None,
        "s3_input_prefix": told.s3_input,
    }
    return Verb("predict", arguments, asynchronous=bool(told.s3_input) or _takes_nothing_else(endpoint))


def _takes_nothing_else(endpoint: Endpoint) -> bool:
    """Ask the control plane, as sending would once the endpoint has refused a request."""
    described = Background(PATIENCE).get("describe", endpoint.describe)
    return described is not None and bool(described.asynchronous)
