"""`RemoteEstimator`, what all kinds share, and `RemoteRegressor`, which adds next to nothing.

What a run leaves (its report, the names of an embedding's columns) is kept beside an estimator, not in it: it is no
parameter and nothing learned, so it is not cloned, and asking for a prediction leaves the estimator as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self
from weakref import WeakKeyDictionary

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d, validate_data

from smrt_jupyter import distributed, errors
from smrt_jupyter.endpoint import Endpoint
from smrt_jupyter.estimator import tables_in
from smrt_jupyter.tables import Table, are_positions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray
    from sklearn.utils import Tags

    from smrt_jupyter.scoring.report import RunReport

FRAME = 2
"""Dimensions of a table."""

_reports: WeakKeyDictionary[Remote, RunReport] = WeakKeyDictionary()


class Remote(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """What all kinds share: parameters, checks, and one call of the endpoint; `RemoteEstimator` describes them."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "endpoint": [str, Endpoint],
        "feature_names": ["array-like", None],
        "reorder": ["boolean"],
    }

    def __init__(
        self,
        endpoint: str | Endpoint,
        *,
        feature_names: Sequence[str] | None = None,
        reorder: bool = True,
        journal: Any = None,
        progress: Any = None,
    ) -> None:
        self.endpoint = endpoint
        self.feature_names = feature_names
        self.reorder = reorder
        self.journal = journal
        self.progress = progress

    def __sklearn_is_fitted__(self) -> bool:
        """Say that it can predict: its model was fitted elsewhere."""
        return True

    def __sklearn_tags__(self) -> Tags:
        """Say what the endpoint is left to judge: missing values, text, sparse tables; ``y`` is optional."""
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.target_tags.required = False
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.sparse = True
        return tags

    @property
    def report_(self) -> RunReport:
        """What the last run did."""
        if self not in _reports:
            raise AttributeError(f"{type(self).__name__} has no report_ yet: predict first.")
        return _reports[self]

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:  # noqa: N803 - scikit-learn's name, here and below
        """Check the table and remember its columns; nothing is sent and nothing is learned.

        Parameters
        ----------
        X : table-like of shape (n_samples, n_features)
            Of the kind that will be predicted.
        y : array-like, optional
            Must be as long as the table, and is otherwise ignored.

        Returns
        -------
        self
        """
        self._validate_params()
        table = tables_in.checked(X, least=1, estimator=self)
        if self.feature_names is not None:
            table = self._in_order(table, self.feature_names)
        validate_data(self, table, reset=True, skip_check_array=True)
        names = tables_in.names_of(table)
        if names:  # scikit-learn 1.6 does not see those of every library
            self.feature_names_in_ = np.asarray(names, dtype=object)
        if y is not None:
            check_consistent_length(X, y)
        return self

    def _ask(self, X: Any) -> NDArray[Any] | Mapping[str, NDArray[Any]]:  # noqa: N803
        """Score a table: an array, or one for each named field of the answers."""
        table = self._guarded(X)
        endpoint = Endpoint(self.endpoint) if isinstance(self.endpoint, str) else self.endpoint
        try:
            found, report = endpoint.score(table, journal=self.journal, progress=self.progress)
        except errors.PartialResultError as error:
            if error.report is not None:
                _reports[self] = error.report
            raise
        _reports[self] = report
        return _by_field(found)

    def _guarded(self, X: Any) -> Any:  # noqa: N803
        """Check a table against what `fit` saw and what was told, and put it in order."""
        table = tables_in.checked(X, least=0, estimator=self)
        named = hasattr(table, "columns")
        if self.feature_names is not None:
            table = self._in_order(table, self.feature_names)
        elif named and hasattr(self, "feature_names_in_"):
            return self._in_order(table, self.feature_names_in_.tolist())
        if hasattr(self, "n_features_in_") and not (named and self.feature_names is not None):
            validate_data(self, table, reset=False, skip_check_array=True)
        return table

    def _in_order(self, table: Any, names: Sequence[str]) -> Any:
        expected = "those that were passed during fit" if self.feature_names is None else "`feature_names`"
        return tables_in.in_order(table, names, reorder=self.reorder, expected=expected, owner=type(self).__name__)

    def _distribute(self, X: Any, method: str, answer: distributed.Answer) -> Any:  # noqa: N803
        """Leave a table to its engine; its names are checked here, where it can be done without running anything."""
        names = self.feature_names
        if names is None and hasattr(self, "feature_names_in_"):
            names = self.feature_names_in_.tolist()
        if distributed.engine_of(X) == "dask":
            self._guarded(X._meta)  # noqa: SLF001 - Dask has no public name for it
            names = None
        return distributed.apply(X, distributed.Method(self, method), answer=answer, columns=names)


class RemoteEstimator(Remote):
    """A model behind an endpoint, for whatever in scikit-learn only asks for ``predict``.

    Parameters
    ----------
    endpoint : str or Endpoint
        The endpoint's name, or all there is to say about it.
    feature_names : sequence of str, optional
        The model's columns, in its order. None: those that `fit` saw, or whatever comes.
    reorder : bool, default=True
        Whether a table that has these columns in another order is put in order. False: it is refused, as by
        scikit-learn's own estimators. Missing and extra columns are always refused, before anything is sent.
    journal : path-like, optional
        A file that keeps finished chunks: see `Endpoint.predict`.
    progress : bool or callable, optional
        See `Endpoint.predict`.

    Attributes
    ----------
    n_features_in_ : int
        Columns that `fit` saw.
    feature_names_in_ : ndarray of str
        Their names, where they have some.
    report_ : RunReport
        What the last run did: requests, retries, bytes, latencies.

    Examples
    --------
    >>> from smrt_jupyter import LocalRuntime
    >>> with LocalRuntime() as runtime:
    ...     sums = runtime.deploy("sums", lambda frame: frame.sum(axis=1))
    ...     RemoteEstimator(sums).predict([[1.0, 2.0], [3.0, 4.0]])
    array([3., 7.])
    """

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """Ask the endpoint for one answer a row.

        Parameters
        ----------
        X : table-like of shape (n_samples, n_features)
            DataFrames are sent as they are, text and categories among them. A Dask or Spark DataFrame or a Ray Dataset
            is predicted lazily by its own engine: see :mod:`smrt_jupyter.distributed`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        self._validate_params()
        if distributed.engine_of(X):
            return self._distribute(X, "predict", distributed.NUMBER)  # type: ignore[no-any-return] # the engine's frame
        return as_array(self._ask(X))


class RemoteRegressor(RegressorMixin, RemoteEstimator):  # type: ignore[misc]
    """A regression model behind an endpoint.

    Parameters
    ----------
    endpoint, feature_names, reorder, journal, progress
        As for `RemoteEstimator`.

    Examples
    --------
    >>> from smrt_jupyter import LocalRuntime
    >>> with LocalRuntime() as runtime:
    ...     twice = runtime.deploy("twice", lambda frame: 2 * frame[0])
    ...     RemoteRegressor(twice).score([[1.0], [2.0]], [2.0, 4.0])
    1.0
    """

    def __sklearn_tags__(self) -> Tags:
        """Say that `fit` does not teach the model, so that it scores on new data as it happens to."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:  # noqa: N803
        """Check table and target and remember the columns; nothing is sent and nothing is learned.

        Parameters
        ----------
        X : table-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), optional

        Returns
        -------
        self
        """
        super().fit(X, y)
        if y is not None:
            target = check_array(y, ensure_2d=False, dtype=None, input_name="y", estimator=self)
            if target.ndim == 1 or target.shape[1] == 1:
                column_or_1d(target, warn=True)
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """Ask the endpoint for one number a row, or several.

        Parameters
        ----------
        X : table-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        found = super().predict(X)
        if not isinstance(found, np.ndarray):  # a frame of another engine, to be predicted when it is asked for
            return found
        if found.dtype.kind not in "biuf":
            try:
                found = found.astype(np.float64)
            except (TypeError, ValueError) as error:
                raise errors.AnswerError(f"The model does not answer numbers: {error}.") from error
        return found[:, 0] if found.ndim == FRAME and found.shape[1] == 1 else found


def as_array(answers: NDArray[Any] | Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Put named fields side by side.

    Parameters
    ----------
    answers : ndarray or mapping of str to ndarray

    Returns
    -------
    ndarray
        Of objects where the fields are of several types.
    """
    if isinstance(answers, np.ndarray):
        return answers
    kinds = {values.dtype.kind for values in answers.values()}
    return np.column_stack([values if len(kinds) == 1 else values.astype(object) for values in answers.values()])


def row_count(answers: NDArray[Any] | Mapping[str, NDArray[Any]]) -> int:
    """Count the rows that were answered.

    Parameters
    ----------
    answers : ndarray or mapping of str to ndarray

    Returns
    -------
    int
    """
    return len(answers if isinstance(answers, np.ndarray) else next(iter(answers.values()), ()))


def _by_field(found: Any) -> NDArray[Any] | dict[str, NDArray[Any]]:
    """Take answers out of the table's own library."""
    if isinstance(found, np.ndarray) or getattr(found, "ndim", FRAME) < FRAME or not hasattr(found, "columns"):
        return np.asarray(found)
    names = Table.of(found).columns or ()
    if are_positions(names):
        return np.asarray(found)  # a matrix has numbers for names
    return {str(name): np.asarray(found[name]) for name in names}
