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

# May be objects elsewhere; here they are names of types.
_TYPES = {"content_type", "accept"}


def found_in(file: str = "") -> Path | None:
    """Find the file.

    Parameters
    ----------
    file : str, optional
        As `read` takes it.

    Returns
    -------
    Path or None
    """
    places = [Path(file).expanduser()] if file else [Path(FILE), Path.home() / f".{FILE}"]
    return next((place for place in places if place.is_file()), None)


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
    found = found_in(file)
    if found is None:
        if file:
            raise OptionError(f"There is no file {file}.", next_step="Correct `%config SageMakerMagics.shortcuts`.")
        return {}
    try:
        tables = tomllib.loads(found.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise OptionError(f"{found} cannot be read: {error}.", next_step="Correct the file.") from None
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise OptionError(f"{found}: {name} stands outside any table.", next_step=f"Write [{name}] above it.")
    return tables


def endpoint(name: str, file: str = "") -> Endpoint:
    """Make the endpoint that a name stands for.

    Parameters
    ----------
    name : str
        A shortcut's, else an endpoint's own.
    file : str, optional
        As `read` takes it.

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

    tables = read(file)
    if name not in tables:
        return Endpoint(name)
    place = found_in(file)
    told = {key.replace("-", "_"): value for key, value in tables[name].items()}
    kinds: dict[str, Any] = {each.name: each.type for each in fields(Endpoint) if each.name not in _NOT_WRITTEN}
    _check(f"{place}: [{name}]", told, {"endpoint": "str", **kinds})
    target, policy = told.pop("endpoint", name), told.pop("policy", {})
    policy = {key.replace("-", "_"): value for key, value in policy.items()}
    _check(f"{place}: [{name}.policy]", policy, {each.name: each.type for each in fields(Policy)})
    try:
        return Endpoint(target, policy=Policy(**policy), **told)
    except ValueError as error:
        raise OptionError(f"{place}: [{name}.policy]: {error}.", next_step="Correct the file.") from None


_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "a text"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "bool": ((bool,), "true or false"),
    "Policy": ((dict,), "a table of its own"),
}
_TEXT_OR_JSON = (str, list, dict), "a text or a table"


def _check(place: str, told: dict[str, Any], kinds: dict[str, Any]) -> None:
    """Refuse what cannot be set, and what it cannot be set to, by what the fields are declared as."""
    for key, value in told.items():
        if key not in kinds:
            raise OptionError(
                f"{place} has {key!r}, which is nothing that can be set.{did_you_mean(key, kinds)}",
                next_step="Correct the file.",
            )
        declared = "str" if key in _TYPES else str(kinds[key]).removesuffix(" | None")
        taken, called = _KINDS.get(declared, _TEXT_OR_JSON)
        if not isinstance(value, taken) or (isinstance(value, bool) and bool not in taken):
            raise OptionError(f"{place}: {key} must be {called}, not {value!r}.", next_step="Correct the file.")
