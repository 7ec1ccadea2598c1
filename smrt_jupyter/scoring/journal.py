"""Finished chunks on disk, so that no inference is paid for twice: one SQLite file a run.

A reply is kept as it came, body and content type, before it is read. So a run that is killed loses only what was in
flight, and one whose `path` was wrong is read again, not sent again. How the table was cut is not part of what must
agree: rows are answered whatever chunk they travelled in, and smaller chunks are often what the next run needs.

Write-ahead logging with ``synchronous=FULL``: a row is only said to be kept when the disk has it. The file is locked
for as long as the run lasts, which needs no shared memory and so works on the network file systems of Studio.
"""

from __future__ import annotations

import errno
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from smrt_jupyter.errors import JournalError, told_rows
from smrt_jupyter.scoring import fingerprint

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from smrt_jupyter.codecs import Writer
    from smrt_jupyter.tables import Table

APPLICATION = int.from_bytes(b"SMRT", "big")
VERSION = 1

CHANGED = {
    "rows": "the table has {now} rows, not {was}",
    "columns": "the table's columns are {now}, not {was}",
    "dtypes": "the table's types are {now}, not {was}",
    "content": "a cell of the table differs",
    "codec": "the table is sent as {now}, not as {was}",
    "bodies": "the same rows are written as other bytes, so an option of the codec, or the serializer, has changed",
}

EXPLAIN_BODIES = CHANGED.keys() - {"bodies"} | {"template"}
"""What makes bodies other ones by itself, and says more."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A reply as the journal has it."""

    body: bytes
    content_type: str
    attempts: int = 0
    elapsed: float = 0.0


class Journal:
    r"""The finished chunks of one run; make one with `Journal.open`.

    Safe to add to from several threads: those that come at the same time share one write to the disk.

    Examples
    --------
    >>> import tempfile, os
    >>> file = os.path.join(tempfile.mkdtemp(), "run.sqlite")
    >>> with Journal.open(file, {"rows": "4", "name": "churn"}) as journal:
    ...     journal.add(range(0, 2), b"0.1\n0.7\n", "text/csv")
    >>> with Journal.open(file, {"rows": "4", "name": "churn"}) as journal:
    ...     [(rows, kept.body) for rows, kept in journal.finished()]
    [(range(0, 2), b'0.1\n0.7\n')]
    >>> Journal.open(file, {"rows": "4", "name": "fraud"})
    Traceback (most recent call last):
        ...
    smrt_jupyter.errors.JournalError: ... name is 'fraud', not 'churn'. ...
    """

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path = path
        self._database = database
        self._writing = threading.Lock()
        self._queueing = threading.Lock()
        self._queue: list[tuple[int, int, str, bytes]] = []
        self._queued = self._written = 0

    @classmethod
    def open(cls, path: str | os.PathLike[str], about: Mapping[str, str] | None = None) -> Journal:
        """Open a journal, or begin one.

        Parameters
        ----------
        path : path-like
            The file.
        about : mapping of str to str, optional
            What makes the run: see :mod:`smrt_jupyter.scoring.fingerprint`. None: what the file says, for an export.

        Returns
        -------
        Journal

        Raises
        ------
        JournalError
            When the file is another run's (it says what changed), in use, not a journal, or cannot be written.
        """
        file = Path(path)
        if about is None and not file.exists():
            raise FileNotFoundError(errno.ENOENT, "There is no such journal", str(file))
        with _told(file):
            database = sqlite3.connect(file, timeout=1.0, isolation_level=None, check_same_thread=False)
            try:
                _begin(file, database)
                _compare(file, database, about or {}, keep=about is not None)
            except BaseException:
                database.close()
                raise
        return cls(file, database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Fold the log into the file, and unlock it."""
        with self._writing:
            self._database.close()

    def add(self, rows: range, body: bytes, content_type: str) -> None:
        """Keep a reply; it is on the disk when this returns.

        Parameters
        ----------
        rows : range
            The rows that it answers.
        body : bytes
            As it came.
        content_type : str
            As it came.

        Raises
        ------
        JournalError
            When it cannot be written: the disk is full, say.
        """
        with self._queueing:
            self._queue.append((rows.start, rows.stop, content_type, body))
            self._queued += 1
            mine = self._queued
        with self._writing:
            if self._written >= mine:
                return  # another thread has taken it along
            with self._queueing:
                taken, self._queue = self._queue, []
            try:
                with _told(self.path):
                    self._write(taken)
            except JournalError:
                with self._queueing:
                    self._queue = taken + self._queue  # their threads have to learn of it, too
                raise
            self._written += len(taken)

    def _write(self, chunks: list[tuple[int, int, str, bytes]]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            for chunk in chunks:
                first, following = chunk[:2]
                # What was kept of these rows could not be read, or they would not have been sent again.
                self._database.execute("DELETE FROM chunk WHERE first >= ? AND first < ?", (first, following))
                self._database.execute(
                    "DELETE FROM chunk WHERE first = (SELECT max(first) FROM chunk WHERE first < ?) AND next > ?",
                    (first, first),
                )
                self._database.execute("INSERT INTO chunk VALUES (?, ?, ?, ?)", chunk)
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def finished(self) -> Iterator[tuple[range, Kept]]:
        """Go through what was kept, in row order.

        Yields
        ------
        (range, Kept)
        """
        yield from self._between(0, None)

    def _between(self, start: int, stop: int | None) -> Iterator[tuple[range, Kept]]:
        query = (
            "SELECT first, next, content_type, body FROM chunk"
            " WHERE first >= ? AND (? IS NULL OR first < ?) ORDER BY first"
        )
        with _told(self.path):
            for first, following, content_type, body in self._database.execute(query, (start, stop, stop)):
                yield range(first, following), Kept(body, content_type)

    def export(self, destination: str | os.PathLike[str], *, path: str | None = None) -> int:
        """Write the answers that are kept to a file, without the table and without asking anyone.

        Parameters
        ----------
        destination : path-like
            Named ``.csv``, ``.jsonl`` or ``.parquet``; its column ``row`` has positions in the table, counted from 0.
        path : str, optional
            JMESPath into the decoded replies, as the endpoint has it.

        Returns
        -------
        int
            How many rows were written.

        Raises
        ------
        AnswerError
            When a reply is not one answer a row, or not of the same shape as those before it.
        """
        from smrt_jupyter.scoring.export import export  # with pandas, which only this needs

        return export(self.finished, destination, path)

    def part(self, rows: range, content: str, bodies: str = "") -> Part:
        """Look at the part of a run that one batch of a long file is.

        Parameters
        ----------
        rows : range
            Where the batch is in the file.
        content : str
            A digest of the batch, compared with the one of the run before.
        bodies : str, optional
            How the batch is written, as `fingerprint.of_bodies` says it; compared too.

        Returns
        -------
        Part
            A journal in which the batch's rows are counted from 0.

        Raises
        ------
        JournalError
            When these rows, or how they are written, have changed since.
        """
        now = f"{content} {bodies}".rstrip()
        with _told(self.path), self._writing:
            found = self._database.execute("SELECT next, content FROM part WHERE first = ?", (rows.start,)).fetchone()
            if found is None:
                self._database.execute("INSERT INTO part VALUES (?, ?, ?)", (rows.start, rows.stop, now))
            elif found != (rows.stop, now):
                if found[0] == rows.stop and found[1].partition(" ")[0] == content:
                    raise JournalError(f"{self.path} belongs to another run: {CHANGED['bodies']}.")
                raise JournalError(f"{self.path}: {told_rows(rows)} of the file are not those of the journal's run.")
        return Part(self, rows)


class Part:
    """The rows of one batch in a `Journal`, counted from the batch's first."""

    def __init__(self, journal: Journal, rows: range) -> None:
        self._journal = journal
        self._rows = rows

    def add(self, rows: range, body: bytes, content_type: str) -> None:
        """Keep a reply, as `Journal.add` does."""
        offset = self._rows.start
        self._journal.add(range(rows.start + offset, rows.stop + offset), body, content_type)

    def finished(self) -> Iterator[tuple[range, Kept]]:
        """Go through what was kept, as `Journal.finished` does."""
        offset = self._rows.start
        for rows, kept in self._journal._between(offset, self._rows.stop):  # noqa: SLF001 - two halves of one thing
            yield range(rows.start - offset, rows.stop - offset), kept


@contextmanager
def opened(
    journal: str | os.PathLike[str] | Journal | Part | None, table: Table, asked: Any, codec: str, write: Writer
) -> Iterator[Journal | Part | None]:
    """Open the journal that a user named, for one table and endpoint.

    Parameters
    ----------
    journal : path-like, Journal, Part or None
        A path is opened, and closed at the end; the others are given through.
    table : Table
        What is scored.
    asked : Endpoint
        Who is asked, and how.
    codec : str
        The content type that the table is sent as.
    write : callable
        What writes the table's rows.

    Yields
    ------
    Journal, Part or None
    """
    if journal is None or isinstance(journal, Journal | Part):
        yield journal
    else:
        about = fingerprint.of_table(table) | fingerprint.of_endpoint(asked, codec)
        with Journal.open(journal, about | {"bodies": fingerprint.of_bodies(write, len(table))}) as found:
            yield found


def _begin(file: Path, database: sqlite3.Connection) -> None:
    """Lock the file, and see that it is a journal or empty."""
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    application = database.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION and database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise JournalError(f"{file} is a database, but not a journal.", next_step="Name another file.")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise JournalError(f"{file} was written by a newer smrt-jupyter.", next_step="Update smrt-jupyter.")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("BEGIN EXCLUSIVE")
    database.execute(f"PRAGMA application_id = {APPLICATION}")
    database.execute(f"PRAGMA user_version = {VERSION}")
    database.execute("CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
    database.execute(
        "CREATE TABLE IF NOT EXISTS chunk"
        " (first INTEGER PRIMARY KEY, next INTEGER NOT NULL, content_type TEXT NOT NULL, body BLOB NOT NULL)"
    )
    database.execute(
        "CREATE TABLE IF NOT EXISTS part (first INTEGER PRIMARY KEY, next INTEGER NOT NULL, content TEXT NOT NULL)"
    )
    database.execute("COMMIT")


def _compare(file: Path, database: sqlite3.Connection, about: Mapping[str, str], *, keep: bool) -> None:
    """See that the run is the journal's, which is this one's when it is new."""
    known = dict(database.execute("SELECT name, value FROM about"))
    if not keep:
        return
    if not known:
        database.execute("BEGIN")
        database.executemany("INSERT INTO about VALUES (?, ?)", about.items())
        database.execute("COMMIT")
        return
    changed = [name for name in [*about, *(known.keys() - about.keys())] if known.get(name) != about.get(name)]
    if not EXPLAIN_BODIES.isdisjoint(changed):
        changed = [name for name in changed if name != "bodies"]
    if changed:
        told = "; ".join(_change(name, known.get(name), about.get(name)) for name in changed)
        raise JournalError(f"{file} belongs to another run: {told}.")


def _change(name: str, was: str | None, now: str | None) -> str:
    if name in fingerprint.NOT_WRITTEN:
        return f"{name} differs"
    sentence = CHANGED.get(name)
    if sentence:
        return sentence.format(was=_short(was), now=_short(now))
    return f"{name} is {_short(now)!r}, not {_short(was)!r}"


def _short(value: str | None) -> str | None:
    longest = 80
    return value if value is None or len(value) <= longest else f"{value[:longest]}…"


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """Say what SQLite met in our words."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "locked" in text:
            next_step = "Wait for it, or name another file."
            raise JournalError(f"{file} is in use by another run.", next_step=next_step) from error
        if "full" in text:
            next_step = "Make room and run again: everything kept so far is in the journal."
            raise JournalError(f"{file} cannot grow: the disk is full.", next_step=next_step) from error
        next_step = "Name a file in a folder that can be written."
        raise JournalError(f"{file} cannot be used: {text}.", next_step=next_step) from error
    except sqlite3.DatabaseError as error:
        raise JournalError(f"{file} is not a journal: {error}.", next_step="Name another file.") from error
