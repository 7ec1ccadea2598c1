"""Names of your own for endpoints and their options, in a TOML file.

::

    [churn]                                  # %sagemaker churn --data customers
    endpoint = "churn-production-2026-11"    # left out: the table's own name
    region = "eu-west-1"
    target-variant = "blue"                  # any field of Endpoint, with - or _

    [churn.policy]                           # any field of Policy
    chunk_rows = 500
"""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smrt_jupyter.errors import OptionError
from smrt_jupyter.magic.options import did_you_mean

if TYPE_CHECKING:
    from smrt_jupyter.endpoint import Endpoint

FILE = "smrt-jupyter.toml"
"""Looked for in the working directory, then as ``~/.smrt-jupyter.toml``."""

# Functions, which no TOML file can hold.
_NOT_WRITTEN = {"name", "before_sign", "after_reply"}


def read(file: str = "") -> dict[str, dict[str, Any]]:
    """Read the shortcuts.

    Parameters
    ----------
    file : str, optional
        The file; without it, `FILE` here or at home, if there is one.

    Returns
    -------
    dict of str to dict
        A table for each name.

    Raises
    ------
    OptionError
        When the file that was named is not there, or is no TOML.
    """
    places = [Path(file).expanduser()] if file else [Path(FILE), Path.home() / f".{FILE}"]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        if file:
            raise OptionError(f"There is no file {file}.", next_step="Correct `%config SageMakerMagics.shortcuts`.")
        return {}
    try:
        tables = tomllib.loads(found.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise OptionError(f"{found} cannot be read: {error}.", next_step="Correct the file.") from None
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise OptionError(f"{found}: {name} stands outside any table.", next_step=f"Write [{name}] above it.")
    return tables


def endpoint(name: str, table: dict[str, Any]) -> Endpoint:
    """Make the endpoint that a shortcut stands for.

    Parameters
    ----------
    name : str
        The shortcut's.
    table : dict
        What stands under it.

    Returns
    -------
    Endpoint

    Raises
    ------
    OptionError
        For a key that is no field of `Endpoint` or `Policy`, or a value that it does not take.
    """
    from smrt_jupyter.endpoint import Endpoint
    from smrt_jupyter.policy import Policy

    told = {key.replace("-", "_"): value for key, value in table.items()}
    target = told.pop("endpoint", name)
    policy = told.pop("policy", {})
    _check(name, told, {each.name for each in fields(Endpoint)} - _NOT_WRITTEN)
    _check(f"{name}.policy", policy, {each.name for each in fields(Policy)})
    try:
        return Endpoint(target, policy=Policy(**policy), **told)
    except (TypeError, ValueError) as error:
        raise OptionError(f"Shortcut [{name}]: {error}.", next_step="Correct the file.") from None


def _check(name: str, told: dict[str, Any], known: set[str]) -> None:
    for key in told:
        if key not in known:
            raise OptionError(
                f"Shortcut [{name}] has {key!r}, which is nothing that can be set.{did_you_mean(key, known)}",
                next_step="Correct the file.",
            )
