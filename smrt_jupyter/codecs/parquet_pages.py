"""Reading Parquet that somebody else wrote: its metadata and every page are looked at before pyarrow sees it.

The metadata say how many rows there are and each page how large it becomes, and pyarrow allocates both on trust; a
kilobyte can claim gigabytes. So the page headers are added up first; where text is stored once and referred to by a
million rows, those rows are read as references and what they come to is counted before they are written out.

The metadata are read here and not with pyarrow's own objects, because those end the whole process (an exception of C++
that Python is not told of) when the statistics of a column do not fit its type.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smrt_jupyter.codecs import thrift
from smrt_jupyter.codecs.given import allowance, refuse_bomb
from smrt_jupyter.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = b"PAR1"
_FOOTER_BYTES = 8
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
_PLAIN_DICTIONARY, _DELTA_BYTE_ARRAY, _RLE_DICTIONARY = 2, 7, 8
_BYTE_ARRAY = 6
_CELL_COST = 16  # a value with its levels
_OLD_WRITERS_SLACK = 100  # bytes that old writers forgot to count: pyarrow reads past the end for them


def read_parquet(body: bytes) -> Any:
    """Read a file.

    Parameters
    ----------
    body : bytes
        Untrusted.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    CodecError
        When it would become far larger than its bytes, or its metadata are broken. Other damage raises pyarrow's own
        errors.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    metadata, footer = _metadata(body)
    referred = _check_pages(metadata, body)
    limits = {
        # Thrift makes room for as many elements as a list claims to have; each takes at least 8 bytes of the footer.
        "thrift_container_size_limit": footer // 8 + 64,
        "thrift_string_size_limit": len(body),
    }
    file = pq.ParquetFile(pa.BufferReader(body), **limits)
    if not referred:
        return file.read(use_threads=False)
    schema = file.schema_arrow
    if not referred <= set(schema.names):  # text inside of lists cannot be read as references
        raise _too_much(min(referred - set(schema.names)), body)
    table = pq.ParquetFile(pa.BufferReader(body), read_dictionary=sorted(referred), **limits).read(use_threads=False)
    size = 0
    for column in table.columns:
        for chunk in column.chunks if pa.types.is_dictionary(column.type) else ():
            size += _written_out(chunk)
        refuse_bomb(size, body, "text")
    return table.cast(schema)


def _written_out(chunk: Any) -> int:
    import pyarrow.compute as pc

    lengths = pc.binary_length(chunk.dictionary)
    return int(pc.sum(lengths.take(chunk.indices)).as_py() or 0)


def _too_much(path: str, body: bytes) -> CodecError:
    return CodecError(
        f"its values would become more than {allowance(body):,} bytes, the limit for {len(body):,} bytes of Parquet.",
        column=path,
        next_step="Ask for fewer rows a reply, or read `.body` yourself.",
    )


def _metadata(body: bytes) -> tuple[thrift.Struct, int]:
    if len(body) < len(_MAGIC) + _FOOTER_BYTES or body[-4:] != _MAGIC:
        raise CodecError(f"The body is not Parquet: it ends with {body[-4:]!r}.")
    (footer,) = struct.unpack_from("<I", body, len(body) - _FOOTER_BYTES)
    start = len(body) - _FOOTER_BYTES - footer
    if start < 0:
        raise thrift.broken()
    return thrift.Reader(body, start).struct(), footer


def _check_pages(metadata: thrift.Struct, body: bytes) -> set[str]:
    """Add up all pages; name the columns whose text may be written out many times over."""
    rows = metadata.number(3)
    what = f"a table of {rows:,} rows"
    size = rows * _CELL_COST
    refuse_bomb(size, body, what)
    leaves = [element for element in metadata.list(2, thrift.Struct)[1:] if not element.get(5)]
    referred = set()
    for group in metadata.list(4, thrift.Struct):
        chunks = group.list(1, thrift.Struct)
        if len(chunks) != len(leaves):
            raise thrift.broken()
        for chunk, leaf in zip(chunks, leaves, strict=True):
            column = chunk.struct(3)
            cost = _Cost()
            for page in _pages(column, body):
                cost.add(page, _CELL_COST + leaf.number(2))
                refuse_bomb(size + cost.size, body, what)
            size += cost.size
            if column.get(1) == _BYTE_ARRAY:
                path = b".".join(column.list(3, bytes)).decode(errors="replace")
                if size + cost.repeated > allowance(body):
                    raise _too_much(path, body)
                if size + cost.references * cost.dictionary > allowance(body):
                    referred.add(path)
    return referred


@dataclass(slots=True)
class _Page:
    kind: int
    size: int
    values: int
    encoding: int


@dataclass(slots=True)
class _Cost:
    """What the pages of one column come to."""

    size: int = 0
    dictionary: int = 0
    references: int = 0
    repeated: int = 0

    def add(self, page: _Page, cell: int) -> None:
        self.size += page.size
        if page.kind == _DICTIONARY:
            self.dictionary = max(self.dictionary, page.size)
            return
        self.size += page.values * cell
        if page.encoding == _DELTA_BYTE_ARRAY:  # each value may repeat all of the one before it
            self.repeated += page.values * page.size
        elif page.encoding in {_PLAIN_DICTIONARY, _RLE_DICTIONARY}:
            self.references += page.values


def _pages(column: thrift.Struct, body: bytes) -> Iterator[_Page]:
    """Walk the pages of a column in the order in which pyarrow reads them."""
    start = column.number(9)
    if 0 < column.number(11) < start:
        start = column.number(11)
    stop = min(len(body), start + column.number(7) + _OLD_WRITERS_SLACK)
    seen, values = 0, column.number(5)
    while seen < values and start < stop:
        reader = thrift.Reader(body, start)
        header = reader.struct()
        kind = header.number(1)
        details = header.struct({_DATA: 5, _DICTIONARY: 7, _DATA_V2: 8}.get(kind, 0))
        page = _Page(kind, header.number(2), details.number(1), details.number(4 if kind == _DATA_V2 else 2))
        yield page
        if kind != _DICTIONARY:
            seen += page.values
        start = reader.at + header.number(3)
