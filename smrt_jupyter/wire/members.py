"""The members of the service's requests, as botocore's own model has them.

No list of members is written here: names, places and limits come from the model of the installed botocore, so a member
that AWS adds needs a field on `Endpoint` and nothing else. What the model cannot say is the small table `NEEDS`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from smrt_jupyter.errors import ValidationFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNTIME = "sagemaker-runtime"
ROUTER = "sagemaker-inference-router-runtime"

# Members that older versions of botocore lack, and the version that brought each.
NEEDS = {
    "prefix_aware_id": "1.44.0",
    "body": "1.44.0",
    "filename": "1.43.0",
    "s3_output_path_extension": "1.43.0",
    "session_id": "1.35.0",
    "inference_component_name": "1.33.0",
    "routing_target_name": "1.44.0",
}

# What the documentation says of a member and its pattern in the model does not.
VISIBLE_ASCII = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")

# What the members are whose type is checked here, for botocore's sentence names neither ours nor the endpoint.
KINDS: dict[str, tuple[type, str]] = {"string": (str, "text"), "integer": (int, "a whole number")}

# The model's patterns are Java's; these are the two classes of characters that it uses.
JAVA = {r"\p{ASCII}": r"[\x00-\x7f]", r"[\p{Print}]": r"[\x20-\x7e]", r"\p{Print}": r"[\x20-\x7e]"}


@cache
def operation_model(service: str, operation: str) -> OperationModel:
    """Load the model of one operation, without a client.

    Parameters
    ----------
    service : str
        botocore's name of the service: ``sagemaker-runtime``.
    operation : str
        The API's name: ``InvokeEndpoint``.

    Returns
    -------
    botocore.model.OperationModel

    Raises
    ------
    ValidationFailed
        When the installed botocore does not know the service or the operation.
    """
    try:
        loaded = Loader().load_service_model(service, "service-2")
        return ServiceModel(loaded, service_name=service).operation_model(operation)
    except Exception as error:
        msg = f"The installed botocore {botocore.__version__} does not know {operation}."
        raise ValidationFailed(msg, next_step="pip install -U 'boto3>=1.44'") from error


@cache
def operation(service: str, kind: str = "") -> str:
    """Name the operation of a service that invokes.

    Parameters
    ----------
    service : str
        The endpoints' or the routers'.
    kind : {"", "Async", "WithResponseStream"}, default=""

    Returns
    -------
    str
        The API's name.

    Examples
    --------
    >>> operation(RUNTIME, "Async"), operation(ROUTER)
    ('InvokeEndpointAsync', 'InvokeInferenceRouter')
    """
    return f"{'InvokeInferenceRouter' if service == ROUTER else 'InvokeEndpoint'}{kind}"


@cache
def names(service: str, operation: str) -> Mapping[str, str]:
    """Map Python's names of an operation's input members to the API's.

    Parameters
    ----------
    service, operation : str
        As for `operation_model`.

    Returns
    -------
    mapping of str to str
        ``{"target_variant": "TargetVariant", ...}``, in the model's order.

    Examples
    --------
    >>> names(RUNTIME, "InvokeEndpoint")["inference_component_name"]
    'InferenceComponentName'
    """
    return {xform_name(member): member for member in operation_model(service, operation).input_shape.members}


def parameters(service: str, operation: str, given: Mapping[str, Any], endpoint: str) -> dict[str, Any]:
    """Turn members by their Python names into the API's parameters, checked as the service would check them.

    Parameters
    ----------
    service, operation : str
        As for `operation_model`.
    given : mapping of str to object
        Values by Python name; None is left out.
    endpoint : str
        For the errors.

    Returns
    -------
    dict of str to object

    Raises
    ------
    ValidationFailed
        For a member that the operation does not have, or a value outside its pattern, length or range.
    """
    known = names(service, operation)
    shapes = operation_model(service, operation).input_shape.members
    chosen: dict[str, Any] = {}
    for name, value in given.items():
        if value is None:
            continue
        if name not in known:
            raise _unknown(name, operation, endpoint)
        member = known[name]
        if name != "body":
            _check_type(name, value, shapes[member].type_name, endpoint)
            _check(name, value, shapes[member].metadata, endpoint)
        chosen[member] = value
    return chosen


def _unknown(name: str, operation: str, endpoint: str) -> ValidationFailed:
    version = NEEDS.get(name)
    if version and _older(botocore.__version__, version):
        return ValidationFailed(
            f"`{name}` came to botocore with {version}; {botocore.__version__} is installed.",
            endpoint=endpoint,
            next_step=f"pip install -U 'boto3>={version}'",
        )
    return ValidationFailed(f"{operation} has no `{name}`.", endpoint=endpoint, next_step="Leave it out.")


def _older(installed: str, needed: str) -> bool:
    def numbers(version: str) -> list[int]:
        return [int(part) for part in re.findall(r"\d+", version)[:3]]

    return numbers(installed) < numbers(needed)


@cache
def _pattern(java: str) -> re.Pattern[str]:
    for theirs, ours in JAVA.items():
        java = java.replace(theirs, ours)
    return re.compile(java.replace(r"\z", r"\Z"))


def _check_type(name: str, value: object, wanted: str, endpoint: str) -> None:
    kind, told = KINDS.get(wanted, (object, ""))
    if not isinstance(value, kind):
        raise ValidationFailed(
            f"`{name}` must be {told}, not {type(value).__name__}.", endpoint=endpoint, next_step="Nothing was sent."
        )


def _check(name: str, value: object, limits: Mapping[str, Any], endpoint: str) -> None:
    problem = ""
    lowest, highest = limits.get("min"), limits.get("max")
    if isinstance(value, str):
        if lowest is not None and len(value) < lowest:
            problem = f"has {len(value)} characters; the service wants at least {lowest}"
        elif highest is not None and len(value) > highest:
            problem = f"has {len(value)} characters; the service takes {highest}"
        elif value and not VISIBLE_ASCII.fullmatch(value):
            problem = "may hold visible ASCII characters only, for it travels as a header"
        elif "pattern" in limits and not _pattern(limits["pattern"]).fullmatch(value):
            problem = f"is not of the form that the service takes: {limits['pattern']}"
    elif isinstance(value, int):
        if lowest is not None and value < lowest:
            problem = f"is {value}; the service wants at least {lowest}"
        elif highest is not None and value > highest:
            problem = f"is {value}; the service takes at most {highest}"
    if problem:
        raise ValidationFailed(f"`{name}` {problem}.", endpoint=endpoint, next_step="Nothing was sent.")
