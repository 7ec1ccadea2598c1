"""What the user wrote as Python on the line of a magic: its value, and the words themselves for code that is shown."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from smrt_jupyter.errors import OptionError, SmrtError
from smrt_jupyter.magic.options import did_you_mean, option, written

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Container, Mapping

    from smrt_jupyter.endpoint import Endpoint

OF_TYPES = ("content_type", "accept")


def evaluate(
    name: str, expression: str, everywhere: dict[str, Any], here: Mapping[str, Any], hidden: Container[str] = ()
) -> Any:
    """Evaluate what the user wrote, as a line of the cell would.

    Parameters
    ----------
    name : str
        Of the option that it was written for.
    expression : str
    everywhere, here : mapping of str to object
        The notebook's names.
    hidden : container of str, optional
        Those that nobody has written, which cannot have been meant: ``open``, ``exit``.

    Returns
    -------
    object

    Raises
    ------
    OptionError
        When it raises anything, and when a name of a type is neither a type nor an object that makes one.
    """
    try:
        value = eval(expression, everywhere, here)  # noqa: S307 - the user's own code, in the user's cell
    except SmrtError:
        raise
    except Exception as error:
        meant = error.name if isinstance(error, NameError) else None
        close = did_you_mean(meant, written(here, hidden)) if meant else ""
        raise OptionError(
            f"{option(name)} {expression}: {type(error).__name__}: {error}.{_type_meant(name, expression) or close}",
            next_step="It is evaluated as Python"
            + ("; text to be sent goes into a `%%sagemaker` cell." if name == "data" else "."),
        ) from error
    if name in OF_TYPES and isinstance(value, ModuleType):  # most notebooks import json
        raise OptionError(f"{option(name)} {expression} is a module.{_type_meant(name, expression)}")
    return value


def types(told: Namespace) -> dict[str, str]:
    """Give the options for types that are expressions: a MIME type has a slash.

    Parameters
    ----------
    told : Namespace
        The options.

    Returns
    -------
    dict of str to str
        Expressions by the name of the field.
    """
    named = {name: getattr(told, name) for name in OF_TYPES}
    return {name: word for name, word in named.items() if word and "/" not in word}


def of_fields(endpoint: Endpoint, told: Namespace) -> dict[str, str]:
    """Say how the notebook writes those fields of an endpoint that are objects, which have no literal.

    Parameters
    ----------
    endpoint : Endpoint
    told : Namespace
        The options.

    Returns
    -------
    dict of str to str
        Expressions by the name of the field: what an option says, or an attribute of the variable, for only of a
        variable's endpoint can a field be an object otherwise.
    """
    values = {name: getattr(endpoint, name) for name in (*OF_TYPES, "before_sign", "after_reply")}
    held = {name: f"{told.endpoint}.{name}" for name, value in values.items() if not isinstance(value, str | None)}
    return held | types(told)


def _type_meant(name: str, word: str) -> str:
    from smrt_jupyter import codecs

    ends = (f"/{word}", f"-{word}", f"/x-{word}")
    meant = [known for known in codecs.CONTENT_TYPES if known.endswith(ends)] if name in OF_TYPES else []
    return f" Did you mean {meant[0]}?" if meant else ""
