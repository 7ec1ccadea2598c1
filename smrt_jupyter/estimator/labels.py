"""What a classifier's answers mean: labels, or scores of the classes; and how one becomes the other.

One rule for each kind of answer, decided by its type and never by its values, so that a row has the same label
whichever rows stand beside it:

==============================================  ======================================================================
the answer of a row                             is
==============================================  ======================================================================
text                                            a label
an integer or a bool                            a label; where the classes are text, its position among them, unless
                                                each of them is a numeral: CSV cannot tell the label "1" from 1
a float, of two classes                         the score of the second class
a float, of three or more classes               a label written as a float (XGBoost's ``multi:softmax``), as an integer
one float for each class                        the scores of the classes; unless the user says that they are, they must
                                                add up to 1, as a label and its score in one CSV line do not
fields, one of them ``predicted_label``         that label; ``score``, ``scores`` or ``probabilities`` are its scores
fields ``label`` and ``score``                  the label, and the score of that label (Hugging Face)
fields named as the classes                     the scores of the classes
==============================================  ======================================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from smrt_jupyter.errors import AnswerError, told_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Answers = Literal["labels", "scores"]

SCORE_FIELDS = ("probabilities", "scores", "score")
BINARY = 2
EVEN = 0.5
"""The threshold between two classes where the user names none."""

ROUNDING = 1e-5
"""How far above 1 a probability may be: float32 is not exact."""

DIGITS = 0.01
"""How far each of the probabilities of a row may be from what it is: some are printed with two digits."""

NAME_THEM = "Name the model's classes, in the order of its scores: `classes=[...]`."


@dataclass(frozen=True)
class Verdicts:
    """Answers sorted into what they are.

    Attributes
    ----------
    labels : ndarray of shape (n_rows,), optional
        What the model itself decided.
    scores : ndarray of shape (n_rows,) or (n_rows, n_classes), optional
        Of the second of two classes, or of each.
    scored_label : bool
        Whether the scores are those of the labels beside them.
    """

    labels: NDArray[Any] | None = None
    scores: NDArray[np.float64] | None = None
    scored_label: bool = False


def sort(
    answers: NDArray[Any] | Mapping[str, NDArray[Any]], classes: NDArray[Any] | None, kind: Answers | None
) -> Verdicts:
    """Tell labels from scores.

    Parameters
    ----------
    answers : ndarray, or mapping of str to ndarray
        One a row, or several named fields a row.
    classes : ndarray, optional
        In the order of the model's scores.
    kind : {"labels", "scores"}, optional
        What they are, where the user says so.

    Returns
    -------
    Verdicts

    Examples
    --------
    >>> sort(np.array([0.25, 0.75]), np.array(["stays", "leaves"]), None).scores
    array([0.25, 0.75])
    >>> sort(np.array([0, 1]), np.array(["stays", "leaves"]), None).labels
    array([0, 1])
    """
    if not isinstance(answers, np.ndarray):
        return _sort_fields(answers, classes)
    answers = stacked(answers)
    if answers.ndim == BINARY and answers.shape[1] == 1:
        answers = answers[:, 0]
    if kind is None:
        many_classes = classes is not None and len(classes) > BINARY
        told = answers.dtype.kind != "f" or many_classes
        kind = "labels" if answers.ndim == 1 and told else "scores"
        if answers.ndim == BINARY:
            _add_up(_numbers(answers))
    return Verdicts(labels=answers) if kind == "labels" else Verdicts(scores=_numbers(answers))


def _sort_fields(fields: Mapping[str, NDArray[Any]], classes: NDArray[Any] | None) -> Verdicts:
    score = next((name for name in SCORE_FIELDS if name in fields), None)
    scores = None if score is None else _numbers(stacked(fields[score]))
    if "predicted_label" in fields:
        return Verdicts(fields["predicted_label"], scores)
    if "label" in fields:
        return Verdicts(fields["label"], scores, scored_label=scores is not None and scores.ndim == 1)
    named = [] if classes is None else [str(each) for each in classes.tolist()]
    if named and all(name in fields for name in named):
        return Verdicts(scores=_numbers(np.column_stack([fields[name] for name in named])))
    if scores is not None:
        return Verdicts(scores=scores)
    told = ", ".join(map(repr, fields))
    raise AnswerError(f"The answers have the fields {told}: none is known as a label or a score.")


def labels(verdicts: Verdicts, classes: NDArray[Any] | None, threshold: float | None) -> NDArray[Any]:
    """Decide.

    Parameters
    ----------
    verdicts : Verdicts
        From `sort`.
    classes : ndarray, optional
        In the order of the model's scores. None: labels are taken as they come.
    threshold : float, optional
        Between two classes: a score above it is the second one's. None: 0.5, and the model's own labels where it gives
        both.

    Returns
    -------
    ndarray of shape (n_rows,)

    Examples
    --------
    >>> classes = np.array(["stays", "leaves"])
    >>> labels(sort(np.array([0.25, 0.75]), classes, None), classes, None)
    array(['stays', 'leaves'], dtype='<U6')
    >>> labels(sort(np.array([0, 1]), classes, None), classes, None)
    array(['stays', 'leaves'], dtype='<U6')
    """
    told, scores = verdicts.labels, verdicts.scores
    if told is not None and (threshold is None or scores is None):
        return told if classes is None else classes[positions(told, classes)]
    if classes is None:
        raise AnswerError("The model answers scores, and it is not known of which classes.", next_step=NAME_THEM)
    scores = _of_classes(verdicts, classes)
    if scores.ndim == BINARY and threshold is not None and len(classes) == BINARY:
        scores = scores[:, 1]
    if scores.ndim == BINARY:
        decided = scores.argmax(axis=1)
    else:
        if threshold is None:
            _within_0_and_1(scores)
        decided = (scores > (EVEN if threshold is None else threshold)).astype(np.intp)
    decision: NDArray[Any] = classes[decided]
    return decision


def probabilities(verdicts: Verdicts, classes: NDArray[Any] | None) -> NDArray[np.float64]:
    """Give a probability for each class.

    Parameters
    ----------
    verdicts : Verdicts
        From `sort`.
    classes : ndarray, optional
        In the order of the model's scores. None: as many as there are scores.

    Returns
    -------
    ndarray of shape (n_rows, n_classes)

    Raises
    ------
    AnswerError
        When the model answers labels, or scores that are no probabilities.

    Examples
    --------
    >>> probabilities(sort(np.array([0.25, 1.0]), None, None), None)
    array([[0.75, 0.25],
           [0.  , 1.  ]])
    """
    scores = _of_classes(verdicts, classes)
    _within_0_and_1(scores)
    return np.column_stack([1.0 - scores, scores]) if scores.ndim == 1 else scores


def margins(verdicts: Verdicts, classes: NDArray[Any], threshold: float | None) -> NDArray[np.float64]:
    """Give the scores as scikit-learn's ``decision_function`` has them.

    Parameters
    ----------
    verdicts, classes, threshold
        As for `labels`.

    Returns
    -------
    ndarray of shape (n_rows,) or (n_rows, n_classes)
        Of two classes: how far the score is above the threshold. Of more: a score each.
    """
    scores = _of_classes(verdicts, classes)
    if len(classes) > BINARY:
        return scores
    if scores.ndim == BINARY:
        scores = scores[:, 1] if threshold is not None else scores[:, 1] - scores[:, 0] + EVEN
    return scores - (EVEN if threshold is None else threshold)


def positions(told: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.intp]:
    """Find labels among the classes: by value; by position where they are whole numbers and the classes are words.

    Parameters
    ----------
    told : ndarray of shape (n_rows,)
        Labels as the model wrote them.
    classes : ndarray
        All that there are.

    Returns
    -------
    ndarray of int
        -1 is never in it.

    Raises
    ------
    AnswerError
        Naming the first label that is none of the classes, and its rows.

    Examples
    --------
    >>> positions(np.array(["7", "3"]), np.array([3, 7]))
    array([1, 0])
    >>> positions(np.array([7, 3]), np.array(["3", "7"])), positions(np.array([1, 0]), np.array(["no", "yes"]))
    (array([1, 0]), array([1, 0]))
    """
    values: list[Any] = classes.tolist()
    places: dict[Any, int] = {str(value): place for place, value in enumerate(values)}
    places |= {value: place for place, value in enumerate(values)}
    if classes.dtype.kind not in "biuf" and told.dtype.kind in "biuf":
        numbers = _of_numerals(values)
        places = {number: place for place, number in enumerate(numbers or range(len(values)))}
    distinct, inverse = np.unique(told.astype(str) if told.dtype.kind == "O" else told, return_inverse=True)
    found = np.array([places.get(each, -1) for each in distinct.tolist()], dtype=np.intp)[inverse]
    unknown = np.flatnonzero(found < 0)
    if len(unknown):
        raise AnswerError(
            f"The model answers {told[unknown].tolist()[0]!r}, which is none of the classes {values}.",
            rows=unknown.tolist(),
            next_step=NAME_THEM,
        )
    return found


def _of_numerals(values: list[Any]) -> list[float] | None:
    """Read classes as numbers; None where one of them is a word, or two are the same number."""
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        return None
    return numbers if len(set(numbers)) == len(values) and all(map(math.isfinite, numbers)) else None


def _of_classes(verdicts: Verdicts, classes: NDArray[Any] | None) -> NDArray[np.float64]:
    scores = verdicts.scores
    if scores is None:
        raise AnswerError(
            "The model answers labels, so there are no scores.",
            next_step="Ask it for scores (`accept`, `path`, another model), or say `answers='scores'` if they are.",
        )
    expected = "any number of" if classes is None else len(classes)
    given = BINARY if scores.ndim == 1 else scores.shape[1]
    if scores.ndim > BINARY or (classes is not None and given != len(classes)):
        told = "one score" if scores.ndim == 1 else f"scores of shape {scores.shape[1:]}"
        raise AnswerError(f"The model answers {told} a row; there are {expected} classes.", next_step=NAME_THEM)
    missing = np.flatnonzero(np.isnan(scores).any(axis=1) if scores.ndim == BINARY else np.isnan(scores))
    if len(missing):
        raise AnswerError(f"The model answers no score for {told_rows(missing.tolist())}.", rows=missing.tolist())
    if verdicts.scored_label and verdicts.labels is not None:
        if classes is None or len(classes) != BINARY:
            raise AnswerError("The model answers the score of one class only.", next_step=NAME_THEM)
        return np.where(positions(verdicts.labels, classes) == 1, scores, 1.0 - scores)
    return scores


def _add_up(scores: NDArray[np.float64]) -> None:
    sums = scores.sum(axis=1)
    wrong = np.flatnonzero(np.abs(sums - 1.0) > DIGITS * scores.shape[1])
    if len(wrong):
        raise AnswerError(
            f"The model answers {scores.shape[1]} numbers a row, which add up to {sums[wrong[0]]:g} and not to 1.",
            rows=wrong.tolist(),
            next_step="Say `answers='scores'` if they are scores of the classes; else point `path` at these.",
        )


def _within_0_and_1(scores: NDArray[np.float64]) -> None:
    beyond = np.flatnonzero(((scores < 0.0) | (scores > 1.0 + ROUNDING)).reshape(len(scores), -1).any(axis=1))
    if len(beyond):
        raise AnswerError(
            f"The model answers scores that are no probabilities, {scores[beyond[0]]!s} for one.",
            rows=beyond.tolist(),
            next_step="Say where the classes part (`threshold=0.0` for margins); `decision_function` gives the scores.",
        )


def stacked(answers: NDArray[Any]) -> NDArray[Any]:
    """Make a matrix of a column of equally long lists."""
    if answers.dtype.kind == "O" and len(answers) and isinstance(answers[0], (list, tuple, np.ndarray)):
        try:
            return np.stack([np.asarray(each) for each in answers])
        except ValueError as error:
            raise AnswerError("The rows have different numbers of answers.") from error
    return answers


def _numbers(answers: NDArray[Any]) -> NDArray[np.float64]:
    try:
        return answers.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise AnswerError(f"The scores are no numbers: {error}") from error
