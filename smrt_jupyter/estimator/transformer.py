"""`RemoteTransformer`: columns in, columns out; for embeddings above all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import NotFittedError

from smrt_jupyter import distributed, errors
from smrt_jupyter.estimator.base import FRAME, Remote, as_array
from smrt_jupyter.estimator.labels import stacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray
    from sklearn.utils import Tags

    from smrt_jupyter.endpoint import Endpoint

_names_out: WeakKeyDictionary[RemoteTransformer, list[str]] = WeakKeyDictionary()

NAMES_OUT = "_names_out"
"""What they are called in a pickle: beside the attributes, of which they are none."""


class RemoteTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Remote):  # type: ignore[misc]
    """An embedding, or any other model that makes columns of rows, behind an endpoint.

    Parameters
    ----------
    endpoint : str or Endpoint
        The endpoint's name, or all there is to say about it.
    feature_names_out : sequence of str, optional
        What the columns that come back are called. None: the model's own names where it answers named fields, else the
        class's name and a number.
    feature_names, reorder, journal, progress
        As for `RemoteEstimator`.

    Examples
    --------
    >>> import pandas as pd
    >>> from smrt_jupyter import LocalRuntime
    >>> with LocalRuntime() as runtime:
    ...     powers = runtime.deploy("powers", lambda frame: pd.concat([frame[0], frame[0] ** 2], axis=1).to_numpy())
    ...     model = RemoteTransformer(powers, feature_names_out=["x", "square"]).set_output(transform="pandas")
    ...     model.transform([[2], [3]])
       x  square
    0  2       4
    1  3       9
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Remote._parameter_constraints,  # noqa: SLF001 - scikit-learn's name for it
        "feature_names_out": ["array-like", None],
    }

    def __init__(  # noqa: PLR0913 - scikit-learn wants each by its name
        self,
        endpoint: str | Endpoint,
        *,
        feature_names_out: Sequence[str] | None = None,
        feature_names: Sequence[str] | None = None,
        reorder: bool = True,
        journal: Any = None,
        progress: Any = None,
    ) -> None:
        super().__init__(endpoint, feature_names=feature_names, reorder=reorder, journal=journal, progress=progress)
        self.feature_names_out = feature_names_out

    def __getstate__(self) -> dict[str, Any]:
        """Take what the columns are called along: another process, and a copy, must be able to say it too."""
        state: dict[str, Any] = super().__getstate__()
        return {**state, NAMES_OUT: _names_out[self]} if self in _names_out else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Put what the columns are called beside the copy."""
        super().__setstate__({name: value for name, value in state.items() if name != NAMES_OUT})
        if NAMES_OUT in state:
            _names_out[self] = list(state[NAMES_OUT])

    def __sklearn_tags__(self) -> Tags:
        """Say that the model, not the table, decides the type of what comes back."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def transform(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803 - scikit-learn's name
        """Ask the endpoint for one vector a row.

        Parameters
        ----------
        X : table-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            Or what ``set_output`` asks for.
        """
        self._validate_params()
        if distributed.engine_of(X):
            answer = {str(name): distributed.NUMBER for name in self.get_feature_names_out()}
            return self._distribute(X, "transform", answer)  # type: ignore[no-any-return] # the engine's frame
        found = self._ask(X)
        matrix = stacked(as_array(found))
        if matrix.ndim == 1:
            matrix = matrix.reshape(-1, 1)
        if matrix.ndim > FRAME:
            told = f"The model answers an array of shape {matrix.shape[1:]} a row"
            raise errors.AnswerError(f"{told}, which is no vector.")
        named = None if isinstance(found, np.ndarray) else list(found)
        if self.feature_names_out is not None:
            named = list(self.feature_names_out)
            if len(matrix) == 0:
                matrix = np.empty((0, len(named)))
            if len(named) != matrix.shape[1]:
                told = f"The model answers {matrix.shape[1]} columns; feature_names_out has {len(named)}."
                raise errors.AnswerError(told, next_step="Name as many as come back.")
        prefix = type(self).__name__.lower()
        _names_out[self] = named or [f"{prefix}{place}" for place in range(matrix.shape[1])]
        return matrix

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Name the columns that come back.

        Parameters
        ----------
        input_features : array-like of str, optional
            Checked against the columns that `fit` saw.

        Returns
        -------
        ndarray of str
        """
        names = self._names()
        super().get_feature_names_out(input_features)
        return np.asarray(names, dtype=object)

    @property
    def _n_features_out(self) -> int:
        return len(self._names())

    def _names(self) -> list[str]:
        if self.feature_names_out is not None:
            return [str(name) for name in self.feature_names_out]
        if self not in _names_out:
            raise NotFittedError(
                f"{type(self).__name__} does not know yet what comes back: transform first, or say `feature_names_out`."
            )
        return _names_out[self]
