"""Files larger than memory: Parquet and CSV, here or in S3, scored batch by batch as one run."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smrt_jupyter import file_formats, scoring, wire
from smrt_jupyter.endpoint import routing
from smrt_jupyter.endpoint.bodies import writer
from smrt_jupyter.errors import CodecError
from smrt_jupyter.files import moments
from smrt_jupyter.files.destination import Destination
from smrt_jupyter.files.s3 import S3File, upload
from smrt_jupyter.scoring import fingerprint
from smrt_jupyter.scoring.batches import Batch
from smrt_jupyter.scoring.journal import Journal
from smrt_jupyter.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import pyarrow as pa

    from smrt_jupyter.answers import Answers, Untyped
    from smrt_jupyter.codecs.base import Writer
    from smrt_jupyter.endpoint import Endpoint
    from smrt_jupyter.policy import Policy
    from smrt_jupyter.scoring.batches import RawReply
    from smrt_jupyter.scoring.progress import Watch
    from smrt_jupyter.scoring.report import RunReport

BYTES_IN_FLIGHT = 32 * 1024 * 1024
CHUNK_BYTES = 2 * 1024 * 1024
"""Half of what a table in memory has: here the whole process is to stay small."""


def predict_file(  # noqa: PLR0913 - each is one thing to say
    endpoint: Endpoint,
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    header: bool = True,
    journal: str | os.PathLike[str] | None = None,
    progress: bool | Watch | None = None,
    on_error: str = "raise",
) -> RunReport:
    """Score a file of any size into another, in row order.

    Memory holds a few batches, whatever the size of the file. The destination appears when it is complete. Needs
    pyarrow: ``pip install 'smrt-jupyter[arrow]'``.

    A column of answers has the narrowest type that holds all of them, whenever they come: whole numbers stay whole
    unless a fraction comes, which makes them all floats. What no such type holds exactly (numbers beside text, whole
    numbers over 2**53 beside fractions) is text. Rows without an answer are nulls; where none has any, the column
    ``prediction`` is of floats. Lists are text (JSON) in a CSV file.

    Parameters
    ----------
    endpoint : Endpoint
        Whom to ask.
    source, destination : path-like
        Named ``.parquet`` or ``.csv``, each here or at ``s3://bucket/key``. The destination has a column
        ``prediction``, or one for each field that the endpoint answers with.
    columns : sequence of str, optional
        What is sent; None: all columns.
    keep : sequence of str, default=()
        Columns, such as an id, that are copied into the destination beside the answers; none may be called as the
        answers are.
    header : bool, default=True
        Whether the first line of a CSV source has the names.
    journal : path-like, optional
        A file here that keeps every finished chunk; the same call again sends only what is missing.
    progress : bool or callable, optional
        As for `Endpoint.predict`.
    on_error : {"raise", "return"}, default="raise"
        Whether rows without an answer raise once the destination is written with missing values in their place.

    Returns
    -------
    RunReport
        What the run did.

    Raises
    ------
    PartialResultError
        When rows failed: ``.failed_rows`` counts from the first row of the file, and ``.partial`` is the destination,
        None where it was not written, because the run could not go on or no row was answered.
    ValueError
        When a column is not there, is named twice or would be twice in the destination, or the destination is the
        source.
    CodecError
        When there is no column to send, two have one name, or one cannot be carried; a file is neither Parquet nor
        CSV, the source cannot be read, or nothing can be written where the destination is to be.
    JournalError
        When the journal is another run's, or rows of the file have changed since.
    """
    if on_error not in {"raise", "return"}:
        raise ValueError(f"on_error must be 'raise' or 'return', not {on_error!r}")
    source, destination = os.fspath(source), os.fspath(destination)
    target = _place(destination)
    if _place(source) == target:
        raise ValueError("The destination is the source: name another file.")
    file_formats.format_of(destination)
    if isinstance(target, Path):
        _check_folder(target)
    s3 = wire.beside(endpoint.target, "s3")
    with ExitStack() as stack:
        opener = _opener(source, s3, endpoint)
        found = file_formats.source(opener, source, header=header, remote=source.startswith("s3://"))
        stack.enter_context(closing(found))
        scored = _Scored(endpoint, found, source, found.schema.names if columns is None else list(columns))
        beside = found.schema.empty_table().select(_to_keep(keep, found.schema.names)).schema
        kept = None if journal is None else stack.enter_context(Journal.open(journal, scored.about()))
        written = Destination(stack.enter_context(_draft(target, kept)), destination, beside)
        stack.enter_context(closing(written))

        def take(batch: Batch, found: Answers) -> None:
            table = scored.give_back(batch).select(beside.names)
            gaps = batch.assembly.missing()
            lost = sum(map(len, gaps)) == len(batch.rows)
            written.write(table, None if lost else found, len(batch.rows), gaps)

        report = scoring.score_batches(
            stack.enter_context(closing(scored.batches(kept))),
            take,
            scored.send,
            policy=scored.bounded(_frugal(endpoint.policy)),
            rows=found.rows,
            bytes_in_flight=BYTES_IN_FLIGHT,
            progress=progress,
            label=endpoint.name,
        )
        if report.errors and on_error == "raise" and not report.rows_done:
            raise scoring.failure(report, None)  # nothing to write, and what is there may be good
        whole = written.finish()
        if isinstance(target, Path):
            _put(whole, target)
        else:
            upload(whole, target, s3, endpoint.policy)
    if report.errors and on_error == "raise":
        raise scoring.failure(report, destination)
    return report


def _frugal(policy: Policy) -> Policy:
    """Say how large a request is, where the user did not."""
    if policy.chunk_rows is not None or policy.chunk_bytes is not None:
        return policy
    return replace(policy, chunk_bytes=min(CHUNK_BYTES, policy.payload_limit))


def _opener(source: str, s3: wire.Target, endpoint: Endpoint) -> Callable[[], Any]:
    def opened() -> Any:
        try:
            return S3File(source, s3, endpoint.policy) if source.startswith("s3://") else Path(source).open("rb")
        except OSError as error:
            raise _unusable(f"{source} cannot be read", error, "Check the name.") from error

    return opened


def _unusable(trouble: str, error: OSError, step: str) -> CodecError:
    return CodecError(f"{trouble}: {error.strerror or error}.", next_step=step)


def _check_folder(destination: Path) -> None:
    """Refuse what would only be found when the source has been looked at, or all of it has been sent."""
    if destination.is_dir():
        raise CodecError(f"{destination} is a folder.", next_step="Name a file in it.")
    if not destination.parent.is_dir():
        raise CodecError(f"There is no folder {destination.parent}.", next_step="Make it, or name another.")


def _place(file: str) -> str | Path:
    """Name a file in the one way that tells it from others; a link is the file that it leads to."""
    return file if file.startswith("s3://") else Path(file).resolve()


def _to_keep(keep: Sequence[str], names: Sequence[str]) -> list[str]:
    """Refuse what would be wrong in every file; the names of fields are known when the first reply is there."""
    for place, name in enumerate(keep):
        if name not in names:
            raise ValueError(f"The file has no column {name!r} to keep; it has {', '.join(names)}.")
        if name == file_formats.NAME:
            raise ValueError(f"The column {name!r} cannot be kept: the answers have that name.")
        if name in keep[:place]:
            raise ValueError(f"The column {name!r} is to be kept twice.")
    return list(keep)


def _check_to_send(columns: Sequence[str], schema: pa.Schema, file: str) -> None:
    """Refuse what no request could carry; only columns that are sent have to be right."""
    if not columns:
        step = "Name those that the model takes in `columns`."
        raise CodecError(f"No column of {file} is to be sent.", next_step=step)
    kinds = {field.name: str(field.type) for field in schema}
    seen: set[str] = set()
    for name in columns:
        if name not in kinds:
            raise ValueError(f"The file has no column {name!r}; it has {', '.join(kinds)}.")
        if name in seen:
            raise ValueError(f"The column {name!r} is to be sent twice.")
        seen.add(name)
        # Text that is not UTF-8 is all that is read from CSV as bytes.
        if kinds[name] == "binary" and file_formats.format_of(file) == "csv":
            step = "Save it as UTF-8, or leave the column out with `columns`."
            raise CodecError(f"{file} is not UTF-8.", column=name, next_step=step)


@contextmanager
def _draft(target: str | Path, journal: Journal | None) -> Generator[Path, None, None]:
    """Have a folder beside the destination, so that what is made there takes its place in one step.

    With a journal its name follows from both files. The run has the journal locked, so a folder of that name is what a
    run has left that was killed; runs with other journals, or none, have folders of their own.
    """
    here = target.parent if isinstance(target, Path) else Path(tempfile.gettempdir())
    prefix = f".{Path(target).name}."
    try:
        if journal is None:
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=here))
        else:
            both = f"{target}\n{journal.path.resolve()}"
            folder = here / f"{prefix}{hashlib.sha256(both.encode()).hexdigest()[:16]}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
    except OSError as error:
        raise _unusable(f"Nothing can be written into {here}", error, "Name another folder.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put(whole: Path, destination: Path) -> None:
    """Let a file take the place of another, with its permissions; those of a new one are as for any new file."""
    if destination.exists():
        whole.chmod(stat.S_IMODE(destination.stat().st_mode))
    whole.replace(destination)


def _failing(error: CodecError) -> Writer:
    """Fail a batch that cannot be carried when its turn comes: those before it are being sent."""

    def write(_start: int, _stop: int) -> bytes:
        raise error

    return write


class _Scored:
    """A source as a run's batches."""

    def __init__(self, endpoint: Endpoint, source: file_formats.Source, name: str, columns: list[str]) -> None:
        self._endpoint = endpoint
        self._source = source
        self._columns = columns
        _check_to_send(columns, source.schema, name)
        self._codec = endpoint.codec_for(source.schema.empty_table().select(columns))
        self._most_precise = moments.most_precise(source, columns)
        self._tables: dict[Batch, Any] = {}
        self.send = routing.Courier(endpoint, self._codec)

    def about(self) -> dict[str, str]:
        """Describe the whole for a journal; each batch's content is compared when it is read."""
        schema = self._source.schema
        return {
            "rows": str(self._source.rows),
            "columns": ", ".join(self._columns),
            "dtypes": ", ".join(str(schema.field(name).type) for name in self._columns),
        } | fingerprint.of_endpoint(self._endpoint, self._codec.media_type.text)

    def batches(self, journal: Journal | None) -> Generator[Batch, None, None]:
        """Read the next rows when they are wanted."""
        start = 0
        with closing(self._source.batches()) as tables:
            for whole in tables:
                chosen = whole.select(self._columns)
                table = Table.of(chosen)
                rows = range(start, start + len(table))
                start = rows.stop
                bodies = ""
                try:
                    write = writer(self._codec, Table.of(moments.beside(chosen, self._most_precise)))
                    bodies = "" if journal is None else fingerprint.of_bodies(write, len(table))
                except CodecError as error:
                    if not rows.start:
                        raise  # before anything is sent
                    write = _failing(error)
                part = None if journal is None else journal.part(rows, fingerprint.of_table(table)["content"], bodies)
                batch = Batch(rows, write, self._read, part)
                self._tables[batch] = whole
                yield batch

    def bounded(self, policy: Policy) -> Policy:
        """Lower ``chunk_rows`` to what one request can carry."""
        return self._codec.bounded(policy)

    def give_back(self, batch: Batch) -> Any:
        """Let go of a batch's table, which is needed once more."""
        return self._tables.pop(batch)

    def _read(self, reply: RawReply, rows: range) -> Answers | Untyped:
        return routing.read(self._endpoint, reply, rows)
