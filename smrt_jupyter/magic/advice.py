"""What an error advises, in the words of whoever sees it: errors speak Python, a line has options."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smrt_jupyter.magic.options import option

if TYPE_CHECKING:
    from collections.abc import Iterable

ERROR_NAME = "_error"
"""What the last error is called in the notebook, so that ``_error.logs()`` and ``_error.partial`` can be asked for."""

_IN_A_CELL = {
    "`error.": f"`{ERROR_NAME}.",
    "`.invoke(...).value`": "`--raw`",
    "`invoke_async`": "`--async`",
    "`Endpoint.list()`": "`%sagemaker --list`",
    "`predict(..., asynchronous=True)`": "`--s3-input s3://BUCKET/PREFIX`",
}
"""Python's calls, and the options that do the same under another name."""


def as_options(advice: str, options: Iterable[str]) -> str:
    """Write the parameters that an advice names, as Python has them, as the options that they are on a line.

    Parameters
    ----------
    advice : str
        An error's next step.
    options : iterable of str
        Those that there are.

    Returns
    -------
    str

    Examples
    --------
    >>> as_options("Check the `endpoint_url`, or raise `attempts`.", ["--endpoint-url"])
    'Check the `--endpoint-url`, or raise `attempts`.'
    """
    there = set(options)
    return re.sub(r"`(\w+)`", lambda word: f"`{option(word[1])}`" if option(word[1]) in there else word[0], advice)


def in_a_cell(advice: str, options: Iterable[str]) -> str:
    """Write an advice for Python as the line of a magic has it.

    Parameters
    ----------
    advice : str
        An error's next step.
    options : iterable of str
        Those of the magic.

    Returns
    -------
    str

    Examples
    --------
    >>> in_a_cell("Name a `region`; `Endpoint.list()` shows what is there.", ["--region"])
    'Name a `--region`; `%sagemaker --list` shows what is there.'
    """
    for python, line in _IN_A_CELL.items():
        advice = advice.replace(python, line)
    return as_options(advice, options)
