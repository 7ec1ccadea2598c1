"""A table through an endpoint: which way each chunk goes, and the answers back in the table's own form.

A chunk goes to the model that its rows name, and through asynchronous inference where the endpoint takes nothing else.
"""

from __future__ import annotations

import os
import secrets
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from smrt_jupyter import answers, codecs, errors, scoring
from smrt_jupyter import explanations as explaining
from smrt_jupyter.async_inference import submission as async_submission
from smrt_jupyter.async_inference.places import place
from smrt_jupyter.codecs import adapter
from smrt_jupyter.endpoint import bodies
from smrt_jupyter.scoring.batches import as_they_are
from smrt_jupyter.scoring.journal import Journal, Part, opened
from smrt_jupyter.tables import Table

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from smrt_jupyter.answers import Answers
    from smrt_jupyter.async_inference import AsyncInference
    from smrt_jupyter.endpoint import Endpoint
    from smrt_jupyter.reply import Reply
    from smrt_jupyter.scoring.batches import RawReply
    from smrt_jupyter.scoring.report import RunReport
    from smrt_jupyter.tables import Array


LONGEST_INFERENCE_ID = 40
"""Characters of an inference id that leave room, in the service's 64, for what tells its chunks apart."""


@dataclass(frozen=True, eq=False)
class Groups:
    """A table put in the order of the models that its rows name, and the way back.

    Attributes
    ----------
    table : Table
        The rows of each model together, without the column that names it.
    models : tuple of str
        The models, in that order.
    starts : ndarray of int
        Where each one's rows begin.
    order : ndarray of int
        Each row's place in the table as it was.
    """

    table: Table
    models: tuple[str, ...]
    starts: Array
    order: Array

    @classmethod
    def of(cls, table: Table, column: Hashable) -> Groups:
        """Group a table.

        Parameters
        ----------
        table : Table
            As it came.
        column : hashable
            The column that names each row's model.

        Returns
        -------
        Groups

        Raises
        ------
        CodecError
            When there is no such column, or a cell of it names no model.
        """
        cells = table.select([column]).fields()[0].cells(0, len(table))
        pairs = zip(cells.values.tolist(), _missing(cells), strict=True)
        named = [None if is_missing else cell for cell, is_missing in pairs]
        for row, name in enumerate(named):
            if not isinstance(name, str) or not name:
                raise errors.CodecError(f"row {row} names no model: {name!r}.", column=column)
        models, numbers = np.unique(np.array(named, dtype=object), return_inverse=True)
        order = np.argsort(numbers, kind="stable")
        starts = np.searchsorted(numbers[order], np.arange(len(models)))
        others = [name for name in table.columns or () if name != column]
        return cls(table.select(others)[order], tuple(models), starts, order)

    def model(self, rows: range) -> str:
        """Name the model of a chunk."""
        return self.models[int(np.searchsorted(self.starts, rows.start, side="right")) - 1]

    def original(self, rows: Sequence[int] | Array) -> Sequence[int]:
        """Say where rows were in the table as it came."""
        found: Sequence[int] = np.sort(self.order[np.asarray(rows, dtype=int)]).tolist()
        return found

    def restore(self, found: Answers) -> Answers:
        """Put answers back into the order of the table as it came."""
        if isinstance(found, dict):
            return {name: self.restore(values) for name, values in found.items()}  # type: ignore[misc]
        back = np.empty_like(self.order)
        back[self.order] = np.arange(len(self.order))
        return found[back] if isinstance(found, np.ndarray) else [found[place] for place in back]


def _missing(cells: Any) -> Array:
    return np.zeros(len(cells.values), dtype=bool) if cells.missing is None else cells.missing


class Courier:
    """Sends the chunks of one table.

    Parameters
    ----------
    endpoint : Endpoint
        Who is asked.
    codec : Codec
        What writes the chunks.
    groups : Groups or None
        Which model each chunk is for.
    asynchronous : bool or None
        Whether they go through asynchronous inference. None: when the endpoint takes nothing else, which is looked up
        once it refuses a chunk, so that an endpoint that answers costs no call to the control plane.
    s3_input_prefix : str or None
        Where inputs go that are too large to travel in an asynchronous request.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        codec: codecs.Codec,
        *,
        groups: Groups | None = None,
        asynchronous: bool | None = None,
        s3_input_prefix: str | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._codec = codec
        self._groups = groups
        self._asynchronous = asynchronous
        self._prefix = s3_input_prefix
        self._lock = threading.Lock()
        self._locations: set[str] = set()
        self.name = endpoint.name

    def __call__(self, body: bytes, rows: range, on_retry: Any, stop: threading.Event) -> Reply:
        """Send a chunk until it is answered, or not worth another attempt."""
        endpoint, told = self._endpoint, cast("Sequence[int]", rows)
        if self._groups:
            endpoint, told = endpoint.replace(target_model=self._groups.model(rows)), self._groups.original(rows)
        if not self._asynchronous:
            try:
                return endpoint.ask(body, self._codec, rows=told, on_retry=on_retry, stop=stop)
            except errors.ValidationFailed as error:
                if not self._takes_nothing_else(error):
                    raise
        return self._through_s3(endpoint, body, told, on_retry, stop)

    def _takes_nothing_else(self, error: errors.ValidationFailed) -> bool:
        """Ask the control plane, once, whether a refusal means that the endpoint is asynchronous."""
        with self._lock:
            if self._asynchronous is None:
                try:
                    described = self._endpoint.describe()
                except errors.InvokeError:
                    return False  # the refusal itself says more than a lookup that failed
                if "DescribeEndpoint" in described.not_permitted:
                    error.next_step += " If the endpoint is asynchronous, say so: `predict(..., asynchronous=True)`."
                    return False
                self._asynchronous = described.asynchronous
        return self._asynchronous

    def _through_s3(
        self, endpoint: Endpoint, body: bytes, rows: Sequence[int], on_retry: Any, stop: threading.Event
    ) -> Reply:
        try:
            sending = {"rows": rows, "on_retry": on_retry, "stop": stop}
            inference = async_submission.begin(
                _named_apart(endpoint, rows[0]), self._codec, body, s3_input_prefix=self._prefix, sending=sending
            )
            self._refuse_twice(inference.output_location)
            return self._fetched(inference, stop)
        except errors.InvokeError as error:
            error.rows = rows
            raise

    def _refuse_twice(self, location: str) -> None:
        """Refuse to look where another chunk's answer may be: a `before_sign` may name the outputs, too."""
        with self._lock:
            known = location in self._locations
            self._locations.add(location)
        if known:
            raise errors.AsyncInferenceError(
                f"Two chunks were to be answered at {location}, so neither can be told from the other.",
                endpoint=self.name,
                output_location=location,
                next_step="Let each request have an output of its own.",
            )

    def _fetched(self, inference: AsyncInference, stop: threading.Event) -> Reply:
        """Wait for an answer; trouble on the way to it must not look as if nothing had run."""
        try:
            return inference.result(stop=stop)
        except (errors.Throttled, errors.ServiceError, errors.ConnectionFailed) as error:
            raise errors.AsyncInferenceError(
                f"The inference was taken on, and its answer could not be fetched: {error.message}",
                endpoint=self._endpoint.name,
                output_location=inference.output_location,
                failure_location=inference.failure_location,
                next_step=f"The answer is to be found at {inference.output_location}.",
            ) from error


def _named_apart(endpoint: Endpoint, row: int) -> Endpoint:
    """Give a chunk an inference id of its own, for the service names its output after that.

    The row tells chunks apart. The random part also tells them from those of another run with the same id, whose
    outputs may be there still, and from a chunk of the same first row that was cut again.
    """
    given = endpoint.inference_id
    if given is None:
        return endpoint
    if len(given) > LONGEST_INFERENCE_ID:
        raise errors.ValidationFailed(
            f"`inference_id` has {len(given)} characters; an asynchronous table takes {LONGEST_INFERENCE_ID}, for each "
            "chunk adds to it.",
            endpoint=endpoint.name,
            next_step="Nothing was sent.",
        )
    return endpoint.replace(inference_id=f"{given}-{row}-{secrets.token_hex(6)}")


def read(endpoint: Endpoint, reply: RawReply, rows: range) -> Answers | answers.Untyped:
    """Make answers of a chunk's reply, whether it has just come or a journal kept it.

    Parameters
    ----------
    endpoint : Endpoint
        Who answered.
    reply : Reply or Kept
        What came.
    rows : range
        The chunk.

    Returns
    -------
    Answers or Untyped
    """
    codec = codecs.reader_of(endpoint.accept, reply.content_type) or codecs.find_reader(reply.content_type)
    body = reply.body
    value: Any = body if codec is None else adapter.decode(codec, body)
    explained = explaining.read(value)
    if explained is not None:
        inner = value["predictions"]["data"]
        body = inner.encode() if isinstance(inner, str) else b""
        value, codec = explained.predictions, codecs.find_reader(explained.content_type)
    return answers.of_reply(value, len(rows), endpoint.path, codec=codec, body=body)


def score(  # noqa: PLR0913 - those of `Endpoint.score`
    endpoint: Endpoint,
    table: Any,
    *,
    journal: Any,
    progress: Any,
    on_error: str,
    asynchronous: bool | None,
    s3_input_prefix: str | None,
    target_model_column: Hashable,
) -> tuple[Any, RunReport]:
    """Score a table: see `Endpoint.score`."""
    if not (journal is None or isinstance(journal, str | os.PathLike | Journal | Part)):
        raise errors.JournalError(
            f"`journal` must be the name of a file, not {type(journal).__name__}.",
            next_step='Write it as `journal="run.sqlite"`.',
        )
    if s3_input_prefix is not None:
        place(s3_input_prefix)
    whole = Table.of(table)
    groups = None if target_model_column is None else Groups.of(whole, target_model_column)
    sent = groups.table if groups else whole
    codec = endpoint.codec_for(sent.native)
    send = Courier(endpoint, codec, groups=groups, asynchronous=asynchronous, s3_input_prefix=s3_input_prefix)

    asked = endpoint.replace(target_model=f"column {target_model_column!r}") if groups else endpoint
    write = bodies.writer(codec, sent)
    with opened(journal, whole, asked, codec.media_type.text, write) as kept:
        try:
            found, report = scoring.score(
                len(sent),
                write,
                send,
                partial(read, endpoint),
                policy=codec.bounded(endpoint.policy),
                boundaries=groups.starts.tolist() if groups else (),
                told=groups.original if groups else as_they_are,
                journal=kept,
                progress=progress,
                on_error=on_error,
                label=endpoint.name,
            )
        except errors.PartialResultError as error:
            error.partial = whole.like(groups.restore(error.partial) if groups else error.partial)
            if groups:
                error.failed_rows = groups.original(error.failed_rows)
                error.report.failed_rows = error.failed_rows
            raise
    if groups:
        found = groups.restore(found)
        report.failed_rows = groups.original(report.failed_rows)
    return whole.like(found), report
