"""Text that is not Unicode: half of a surrogate pair, as an emoji cut in two leaves it, has no bytes in UTF-8."""

from __future__ import annotations

from smrt_jupyter.errors import CodecError


def half_a_pair(error: UnicodeEncodeError, label: object) -> CodecError:
    """Say that text is not Unicode.

    Parameters
    ----------
    error : UnicodeEncodeError
    label : object
        The column's, as far as it is known.

    Returns
    -------
    CodecError
    """
    half = error.object[error.start]
    return CodecError(
        f"the text holds {half!r}, half of a surrogate pair, which has no bytes in UTF-8.",
        column=None if label is None else str(label),
    )


def name_of(label: object) -> str:
    """Write a column's name as a body has it.

    Parameters
    ----------
    label : object

    Returns
    -------
    str

    Raises
    ------
    CodecError
        When it has no bytes in UTF-8.

    Examples
    --------
    >>> name_of(7)
    '7'
    """
    name = str(label)
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise half_a_pair(error, name) from error
    return name
