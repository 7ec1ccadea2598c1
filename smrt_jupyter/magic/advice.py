"""What an error advises, in the words of a cell: errors speak Python, a line has options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smrt_jupyter.errors import reworded
from smrt_jupyter.magic.options import as_words

if TYPE_CHECKING:
    from collections.abc import Iterable

ERROR_NAME = "_error"
"""What the last error is called in the notebook, so that ``_error.logs()`` and ``_error.partial`` can be asked for."""

_IN_A_CELL = {
    "`error.": f"`{ERROR_NAME}.",
    "`.invoke(...).value`": "`--raw`",
    "Look at the whole with `.value`": "Look at the whole with `--raw`",
    "`predict` cuts a table to size": "`--data TABLE` is cut to size",
    "Use `invoke`, or `predict` for a table": "Leave `--async` out",
    "`invoke_async`, or `predict` for a table": "`--async`, or `--data TABLE`",
    "`s3_input_prefix` (in the magic `--s3-input`)": "`--s3-input`",
    "`invoke_async`": "`--async`",
    "`Endpoint.list()`": "`%sagemaker --list`",
    "`predict(..., asynchronous=True)`": "`--s3-input s3://BUCKET/PREFIX`",
}
"""Python's calls, and the options that do the same under another name."""


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
    return reworded(advice, _IN_A_CELL | as_words(options))
