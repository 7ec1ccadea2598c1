"""The one idea: an `Endpoint` is a frozen value that says where to ask and how; its verbs ask."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smrt_jupyter import codecs, control_plane, distributed, errors
from smrt_jupyter.async_inference import submission as async_submission
from smrt_jupyter.endpoint import background, routing
from smrt_jupyter.endpoint.destination import MEMBERS, NO_MEMBERS, Destination, encode
from smrt_jupyter.session import CLOSING, NEW_SESSION, OPENING, Session
from smrt_jupyter.stream import ReplyStream

if TYPE_CHECKING:
    from collections.abc import Hashable
    from concurrent.futures import Future

    import pandas as pd

    from smrt_jupyter.async_inference import AsyncInference
    from smrt_jupyter.reply import Reply
    from smrt_jupyter.scoring.report import RunReport

__all__ = ["MEMBERS", "NO_MEMBERS", "Endpoint", "encode"]


@dataclass(frozen=True, repr=False)
class Endpoint(Destination):
    """An Amazon SageMaker endpoint: where to ask, and how.

    Parameters
    ----------
    name : str
        The endpoint's name; the router's where `routing_target_name` is given.
    region, profile : str, optional
        As the AWS CLI has them. None: as the AWS CLI finds them.
    endpoint_url : str, optional
        Another address of the service: a VPC endpoint, or an embedded runtime.
    target_variant : str, optional
        The production variant that answers, whatever the weights say.
    target_model : str, optional
        The model of a multi-model endpoint: a path below its prefix in S3.
    target_container_hostname : str, optional
        The container of a multi-container endpoint with direct invocation.
    inference_component_name : str, optional
        The inference component that answers.
    session_id : str, optional
        A stateful session; ``"NEW_SESSION"`` opens one.
    prefix_aware_id : str, optional
        Routing hint for endpoints with prefix-aware routing.
    routing_target_name : str, optional
        The target of an inference router; `name` is then the router's.
    content_type : str, Codec or object, optional
        MIME type of the request, a `Codec`, or an object of the SageMaker SDK's kind (``CONTENT_TYPE``,
        ``serialize``). None: chosen from the data.
    accept : str or object, optional
        MIME type asked for, or an object with ``ACCEPT`` and ``deserialize(stream, content_type)``. The reply's own
        content type decides how it is read, unless such an object reads it.
    template : str, dict or list, optional
        How rows become a JSON body: a preset (``instances``, ``features``, ``dataframe_split``, ``dataframe_records``,
        ``inputs``, ``messages``) or SageMaker Clarify's syntax (``$records``, ``$record``, ``$features``,
        ``"${name}"``).
    path : str, optional
        JMESPath into the decoded reply. None: the known shapes are recognised.
    custom_attributes : str, optional
        Up to 1024 visible ASCII characters, passed to the container.
    inference_id : str, optional
        Your own id of the request, kept with captured data. All requests of a table have it, but for asynchronous ones:
        the service names their outputs after it, so each chunk's is ``ID-ROW-RANDOM``, its first row and 12 characters
        that no other run has, and yours has up to 40.
    enable_explanations : str, optional
        JMESPath for SageMaker Clarify's online explanations: ``"`true`"``.
    policy : Policy, optional
        Attempts, waits, timeouts, concurrency and chunk sizes.
    before_sign : callable, optional
        ``before_sign(request)`` sees, and may change, the HTTP request (botocore's ``AWSRequest``: ``.method .url
        .headers``) before each attempt is signed.
    after_reply : callable, optional
        ``after_reply(finished)`` sees each finished `Reply` or `ReplyStream` (``.status .headers .attempts .elapsed``),
        or the `InvokeError` that it ended in: for logs and traces.

    Examples
    --------
    >>> from smrt_jupyter import LocalRuntime
    >>> with LocalRuntime() as runtime:
    ...     endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1))
    ...     endpoint.predict([[1.0, 2.0], [3.0, 4.0]])
    array([3., 7.])
    """

    def invoke(self, data: Any, **changes: Any) -> Reply:
        r"""Send one request.

        Parameters
        ----------
        data : object
            bytes and text as they are; a path's file; dict and list as JSON; a DataFrame, Series or array as the table
            that it is. ``content_type`` says otherwise.
        **changes
            Parameters of `Endpoint` for this request alone.

        Returns
        -------
        Reply

        Raises
        ------
        CodecError
            When the data and the content type do not fit; nothing was sent.
        InvokeError
            One of its kinds: see :mod:`smrt_jupyter.errors`.

        Examples
        --------
        >>> from smrt_jupyter import LocalRuntime
        >>> with LocalRuntime() as runtime:
        ...     endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1))
        ...     endpoint.invoke("1,2\n3,4", content_type="text/csv", accept="application/json").value
        {'predictions': [3, 7]}
        """
        endpoint = self.replace(**changes) if changes else self
        codec = endpoint.codec_for(data)
        return endpoint.ask(encode(codec, data), codec)

    def submit(self, data: Any, **changes: Any) -> Future[Reply]:
        """Send one request in the background.

        Parameters
        ----------
        data, **changes
            As for `invoke`.

        Returns
        -------
        concurrent.futures.Future
            Of a `Reply`: ``add_done_callback``, ``as_completed`` and ``wait`` work; ``cancel`` does until it is sent.
            All endpoints share one pool of threads; what is in it is finished before the interpreter ends.
        """
        return background.pool().submit(self.invoke, data, **changes)

    async def ainvoke(self, data: Any, **changes: Any) -> Reply:
        """Send one request and await the reply, as a notebook's top-level ``await`` can.

        Parameters
        ----------
        data, **changes
            As for `invoke`.

        Returns
        -------
        Reply
        """
        return await asyncio.wrap_future(self.submit(data, **changes))

    def stream(self, data: Any, **changes: Any) -> ReplyStream:
        """Send one request, for a reply that comes in parts.

        Parameters
        ----------
        data, **changes
            As for `invoke`.

        Returns
        -------
        ReplyStream
            Iterate it for bytes, or its ``lines()``, ``events()`` or ``text()``; best in a ``with`` block.

        Raises
        ------
        InvokeError
            When it does not begin. What goes wrong later is a `StreamError` of the iteration.
        """
        endpoint = self.replace(**changes) if changes else self
        for refused, why in (
            (endpoint.routing_target_name is not None, "An inference router has no streams."),
            (endpoint.session_id == NEW_SESSION, "A stream may join a session by its `session_id`, and opens none."),
        ):
            if refused:
                raise errors.ValidationFailed(why, endpoint=self.name, next_step="Nothing was sent.")
        codec = endpoint.codec_for(data)
        operation = "InvokeEndpointWithResponseStream"
        return ReplyStream(
            endpoint.send(operation, endpoint.request(operation, codec, body=encode(codec, data))),
            endpoint=endpoint.name,
            read_timeout=endpoint.policy.read_timeout,
            path=endpoint.path,
            after=endpoint.after_reply,
        )

    def invoke_async(  # noqa: PLR0913 - members of the request, by their names
        self,
        data: Any = None,
        *,
        input_location: str | None = None,
        s3_input_prefix: str | None = None,
        filename: str | None = None,
        s3_output_path_extension: str | None = None,
        request_ttl_seconds: int | None = None,
        invocation_timeout_seconds: int | None = None,
        **changes: Any,
    ) -> AsyncInference:
        """Hand one request in for asynchronous inference.

        Parameters
        ----------
        data : object, optional
            As for `invoke`; up to 128,000 bytes travel in the request, more goes through S3.
        input_location : str, optional
            Instead: where the input is in S3 already.
        s3_input_prefix : str, optional
            Where larger inputs are put: ``s3://bucket/prefix``.
        filename : str, optional
            The output's name. None: from the inference id. A name of yours that was used before, as an `inference_id`
            too, is that of another request's output; an object that is older than this request by
            two seconds is not taken for its answer, but requests closer to one another need names of their own.
        s3_output_path_extension : str, optional
            What is added to the endpoint's output path.
        request_ttl_seconds, invocation_timeout_seconds : int, optional
            How long it may queue (21,600), and run (900).
        **changes
            Parameters of `Endpoint` for this request alone.

        Returns
        -------
        AsyncInference
            ``.done() .result(timeout) .exception()``, awaitable, and to be pickled for tomorrow.
        """
        endpoint = self.replace(**changes) if changes else self
        body, codec = None, None
        if data is not None:
            codec = endpoint.codec_for(data)
            body = encode(codec, data)
        elif endpoint.content_type is not None:
            codec = codecs.find(endpoint.content_type)
        return async_submission.begin(
            endpoint,
            codec,
            body,
            input_location=input_location,
            s3_input_prefix=s3_input_prefix,
            filename=filename,
            s3_output_path_extension=s3_output_path_extension,
            request_ttl_seconds=request_ttl_seconds,
            invocation_timeout_seconds=invocation_timeout_seconds,
        )

    def session(self, *, opening: Any = OPENING, closing: Any = CLOSING) -> Session:
        """Open a stateful session, for a ``with`` block; closed at its end.

        Parameters
        ----------
        opening, closing : object
            Payloads that the container takes for opening and closing. None for `opening`: the first request opens it.
            None for `closing`: it is left to expire.

        Returns
        -------
        Session
            ``.invoke .submit .ainvoke .stream`` as here, all to the instance that remembers; ``.id .expires``.
        """
        return Session(self, opening=opening, closing=closing)

    def predict(  # noqa: PLR0913 - each is one thing to choose; all have defaults
        self,
        table: Any,
        *,
        journal: Any = None,
        progress: Any = None,
        on_error: str = "raise",
        asynchronous: bool | None = None,
        s3_input_prefix: str | None = None,
        target_model_column: Hashable = None,
        **changes: Any,
    ) -> Any:
        """Score a table of any size: one answer a row, in row order, with the table's index.

        Parameters
        ----------
        table : DataFrame, Series, ndarray, Arrow table, sparse matrix or list of rows
            Of shape (n_rows, n_columns). Zero rows send nothing. A Dask or Spark DataFrame or a Ray Dataset is scored
            lazily by its own engine, one float64 a row: :func:`smrt_jupyter.distributed.predict` takes other answers.
        journal : path-like, optional
            A file that keeps every finished chunk; the same call again sends only what is missing.
        progress : bool or callable, optional
            None: a bar when the run is interactive and takes a while.
        on_error : {"raise", "return"}, default="raise"
            What to do with rows that failed: raise `PartialResultError` with the others kept, or give the table with
            those rows missing.
        asynchronous : bool, optional
            Whether the chunks go through asynchronous inference. None: when the endpoint takes nothing else.
        s3_input_prefix : str, optional
            Where chunks go that are too large to travel in an asynchronous request: ``s3://bucket/prefix``.
        target_model_column : hashable, optional
            The column that names each row's model of a multi-model endpoint; it is not sent itself.
        **changes
            Parameters of `Endpoint` for this table alone.

        Returns
        -------
        Series, DataFrame or ndarray
            In the table's own library; a DataFrame where there is more than one field a row.

        Raises
        ------
        CodecError
            When a column cannot be carried; nothing was sent.
        PartialResultError
            When rows failed; ``.partial`` has the others.

        Examples
        --------
        >>> import pandas as pd
        >>> from smrt_jupyter import LocalRuntime
        >>> with LocalRuntime() as runtime:
        ...     endpoint = runtime.deploy("sums", lambda frame: frame.sum(axis=1))
        ...     endpoint.predict(pd.DataFrame({"a": [1.5, 2.0], "b": [1.0, 1.0]}, index=["x", "y"]))
        x    2.5
        y    3.0
        dtype: float64
        """
        options = {
            "journal": journal,
            "progress": progress,
            "on_error": on_error,
            "asynchronous": asynchronous,
            "s3_input_prefix": s3_input_prefix,
            "target_model_column": target_model_column,
        }
        endpoint = self.replace(**changes) if changes else self
        if distributed.engine_of(table):
            return distributed.predict(endpoint, table, **options)
        return endpoint.score(table, **options)[0]

    def score(  # noqa: PLR0913 - those of `predict`
        self,
        table: Any,
        *,
        journal: Any = None,
        progress: Any = None,
        on_error: str = "raise",
        asynchronous: bool | None = None,
        s3_input_prefix: str | None = None,
        target_model_column: Hashable = None,
    ) -> tuple[Any, RunReport]:
        """Score a table as `predict` does, and tell what the run did.

        Parameters
        ----------
        table, journal, progress, on_error, asynchronous, s3_input_prefix, target_model_column
            As for `predict`.

        Returns
        -------
        (object, RunReport)
            The answers, and the run's requests, retries, bytes, latencies and concurrency.
        """
        return routing.score(
            self,
            table,
            journal=journal,
            progress=progress,
            on_error=on_error,
            asynchronous=asynchronous,
            s3_input_prefix=s3_input_prefix,
            target_model_column=target_model_column,
        )

    def describe(self) -> control_plane.Description:
        """Ask the control plane what this endpoint is, as far as the permissions reach.

        Returns
        -------
        Description
            Its status, variants, components, models and the content types that they declare; ``.not_permitted`` names
            the calls that were refused.
        """
        return control_plane.describe(self.name, self.target)

    @staticmethod
    def list(region: str | None = None, profile: str | None = None, endpoint_url: str | None = None) -> pd.DataFrame:
        """List the endpoints of an account in a region.

        Parameters
        ----------
        region, profile, endpoint_url : str, optional
            As for `Endpoint`.

        Returns
        -------
        DataFrame
            One row an endpoint, newest first: columns ``name status created modified``.

        Raises
        ------
        AccessDenied
            Without ``sagemaker:ListEndpoints``; an endpoint can still be named.
        """
        target = Endpoint("", region=region, profile=profile, endpoint_url=endpoint_url).target
        return control_plane.list_endpoints(target)
