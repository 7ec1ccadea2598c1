"""Text that a model gives is written in the charset that the caller accepts."""

from __future__ import annotations

import pytest

from smrt_jupyter.local.invocation import ContainerError
from smrt_jupyter.local.rows import encode


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, ("Größe".encode(), "text/plain; charset=utf-8")),
        ("*/*", ("Größe".encode(), "text/plain; charset=utf-8")),
        ("text/csv", ("Größe".encode(), "text/csv")),
        ("text/plain; charset=latin-1", ("Größe".encode("latin-1"), "text/plain; charset=latin-1")),
        ("text/csv; charset=utf-16, */*", ("Größe".encode("utf-16"), "text/csv; charset=utf-16")),
    ],
)
def test_text_is_written_in_the_charset_that_is_accepted(accept: str | None, expected: tuple[bytes, str]) -> None:
    assert encode("Größe", accept=accept, content_type=None, tabular=False) == expected


@pytest.mark.parametrize("charset", ["ascii", "none-such"])
def test_a_charset_that_cannot_carry_the_text_is_not_acceptable(charset: str) -> None:
    with pytest.raises(ContainerError, match="charset") as caught:
        encode("Größe", accept=f"text/plain; charset={charset}", content_type=None, tabular=False)
    assert caught.value.status == 406
