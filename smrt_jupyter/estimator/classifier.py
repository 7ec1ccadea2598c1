"""`RemoteClassifier`: what the endpoint answers becomes labels and probabilities."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, column_or_1d

from smrt_jupyter import distributed
from smrt_jupyter.estimator import labels
from smrt_jupyter.estimator.base import RemoteEstimator, row_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray
    from sklearn.utils import Tags

    from smrt_jupyter.endpoint import Endpoint


class RemoteClassifier(ClassifierMixin, RemoteEstimator):  # type: ignore[misc] # scikit-learn has no types
    """A classification model behind an endpoint.

    :mod:`smrt_jupyter.estimator.labels` says which answers are labels and which are scores.

    Parameters
    ----------
    endpoint : str or Endpoint
        The endpoint's name, or all there is to say about it.
    classes : sequence, optional
        The model's labels, in the order of its scores. None: those of ``y`` in `fit`, sorted.
    threshold : float, optional
        The second of two classes is predicted where its score is above this. None: 0.5, or the model's own label where
        it answers both. A classifier with a threshold is one of two classes.
    answers : {"labels", "scores"}, optional
        What the model answers. None: told by the answers' type; several scores a row must then be probabilities.
    feature_names, reorder, journal, progress
        As for `RemoteEstimator`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted, as scikit-learn's scorers take for granted: with ``roc_auc`` another order gives one minus
        the truth, in silence. There before any request, and before `fit` where `classes` names them. The columns of
        `predict_proba` follow it.

    Examples
    --------
    >>> from smrt_jupyter import LocalRuntime
    >>> with LocalRuntime() as runtime:
    ...     churn = runtime.deploy("churn", lambda frame: frame[0] / 10)
    ...     model = RemoteClassifier(churn, classes=["stays", "leaves"])
    ...     print(model.predict([[2], [9]]), model.classes_)
    ...     model.predict_proba([[2], [9]])
    ['stays' 'leaves'] ['leaves' 'stays']
    array([[0.2, 0.8],
           [0.9, 0.1]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **RemoteEstimator._parameter_constraints,  # noqa: SLF001 - scikit-learn's name for it
        "classes": ["array-like", None],
        "threshold": [Interval(Real, None, None, closed="both"), None],
        "answers": [StrOptions({"labels", "scores"}), None],
    }

    def __init__(  # noqa: PLR0913 - scikit-learn wants each by its name
        self,
        endpoint: str | Endpoint,
        *,
        classes: Sequence[Any] | None = None,
        threshold: float | None = None,
        answers: Literal["labels", "scores"] | None = None,
        feature_names: Sequence[str] | None = None,
        reorder: bool = True,
        journal: Any = None,
        progress: Any = None,
    ) -> None:
        super().__init__(endpoint, feature_names=feature_names, reorder=reorder, journal=journal, progress=progress)
        self.classes = classes
        self.threshold = threshold
        self.answers = answers

    def __sklearn_tags__(self) -> Tags:
        """Say whether there are only two classes, and that `fit` does not teach the model to tell them apart."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        tags.classifier_tags.multi_class = self.threshold is None
        return tags

    def _validate_params(self) -> None:
        """Check classes and threshold against one another, too, so that no answer is paid for and then of no use."""
        super()._validate_params()
        if self.classes is None:
            return
        wanted = _lacking(self.classes)
        if wanted:
            told = f"The 'classes' parameter of {type(self).__name__} must be {wanted}"
            raise InvalidParameterError(f"{told}. Got {self.classes!r} instead.")
        if self.threshold is not None and len(self.classes) != labels.BINARY:
            told = f"The 'threshold' parameter of {type(self).__name__} must be None for {len(self.classes)} classes"
            raise InvalidParameterError(f"{told}. Got {self.threshold!r} instead.")

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels, sorted."""
        known = self._known()
        if known is None:
            raise AttributeError(f"{type(self).__name__} has no classes_ yet. {labels.NAME_THEM}")
        return np.unique(known)

    def _known(self) -> NDArray[Any] | None:
        """Give the labels in the order of the model's scores."""
        if hasattr(self, "_classes_of_y") or self.classes is None:
            return getattr(self, "_classes_of_y", None)
        return np.asarray(self.classes)

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:  # noqa: N803 - scikit-learn's name, here and below
        """Check table and labels and remember columns and classes; nothing is sent and nothing is learned.

        Parameters
        ----------
        X : table-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), optional

        Returns
        -------
        self
        """
        super().fit(X, y)
        if y is None:
            return self
        target = column_or_1d(check_array(y, ensure_2d=False, dtype=None, input_name="y", estimator=self), warn=True)
        check_classification_targets(target)
        found = np.unique(target)
        kind = type_of_target(target, input_name="y")
        if self.threshold is not None and kind != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        if self.classes is None and len(found) == 1:
            raise ValueError(f"y has 1 class, so it does not tell which classes the model has. {labels.NAME_THEM}")
        self._classes_of_y = found if self.classes is None else _named(found, np.asarray(self.classes))
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """Ask the endpoint, and turn scores into labels.

        Parameters
        ----------
        X : table-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        self._validate_params()
        if distributed.engine_of(X):
            return self._distribute(X, "predict", self.classes_.dtype)  # type: ignore[no-any-return] # the engine's frame
        known = self._known()
        found = self._ask(X)
        if known is not None and row_count(found) == 0:
            return known[:0]
        return labels.labels(labels.sort(found, known, self.answers), known, self.threshold)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Ask the endpoint for the probability of each class.

        Parameters
        ----------
        X : table-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        self._validate_params()
        if distributed.engine_of(X):
            answer = {str(each): distributed.NUMBER for each in self.classes_.tolist()}
            return self._distribute(X, "predict_proba", answer)  # type: ignore[no-any-return] # the engine's frame
        known = self._known()
        found = self._ask(X)
        if known is not None and row_count(found) == 0:
            return np.empty((0, len(known)))
        chances = labels.probabilities(labels.sort(found, known, self.answers), known)
        return chances if known is None else chances[:, np.argsort(known)]

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Ask the endpoint for scores, whatever their scale.

        Parameters
        ----------
        X : table-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Of two classes: how far the score of the second of `classes_` is above the threshold. Of more: one each.
        """
        self._validate_params()
        known = self._known()
        if known is None:
            raise NotFittedError(f"{type(self).__name__} does not know the model's classes. {labels.NAME_THEM}")
        order = np.argsort(known)
        found = self._ask(X)
        if row_count(found) == 0:
            return np.empty(0) if len(known) == labels.BINARY else np.empty((0, len(known)))
        margins = labels.margins(labels.sort(found, known, self.answers), known, self.threshold)
        if margins.ndim > 1:
            return margins[:, order]
        return margins if order[0] == 0 else -margins


def _lacking(classes: Any) -> str:
    """Say what classes must be and these are not; nothing where they can be."""
    try:
        named = np.asarray(classes)
        distinct = np.unique(named)
    except (TypeError, ValueError):  # of several types that have no order, or of several lengths
        return "labels of one type"
    if named.ndim != 1 or not len(named):
        return "a sequence of labels"
    return "" if len(distinct) == len(named) else "distinct labels"


def _named(found: NDArray[Any], classes: NDArray[Any]) -> NDArray[Any]:
    """Give the classes in the terms of ``y``: by name, or by number.

    Ensembles and ``cross_val_predict`` put numbers in the place of text, counting the sorted labels, before they call
    `fit`, and expect numbers back.
    """
    unknown = np.setdiff1d(found, classes).tolist()
    if not unknown:
        return classes
    if found.dtype.kind in "iu" and classes.dtype.kind not in "biuf" and 0 <= found.min() <= found.max() < len(classes):
        return np.unique(classes, return_inverse=True)[1]
    raise ValueError(f"y has the labels {unknown}, which are not among classes={classes.tolist()}.")
