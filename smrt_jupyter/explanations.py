"""SageMaker Clarify's replies: the model's own answer, and how much each feature had to do with it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from smrt_jupyter import codecs
from smrt_jupyter.codecs import adapter
from smrt_jupyter.errors import AnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd


@dataclass(frozen=True, eq=False)
class Explanations:
    """What an endpoint with a Clarify explainer answered; `Reply.explanations` has it.

    Attributes
    ----------
    predictions : object
        The container's own answer, decoded by its own content type.
    content_type : str
        The container's.
    label_headers : tuple of str
        Names of the classes, where the explainer is told them.
    records : tuple
        What Clarify said of each record: a list of features, or None where it was not asked to explain.
    """

    predictions: Any
    content_type: str
    label_headers: tuple[str, ...]
    records: tuple[list[dict[str, Any]] | None, ...] = field(repr=False)

    @property
    def attributions(self) -> pd.DataFrame:
        """SHAP values: one row a record, one column a feature; NaN where a record or a feature was not explained.

        With several classes the columns are pairs of feature and class. Features of one name are columns of one name.
        The parts of a text are summed, as SHAP values may be: `parts` has them one by one. Empty when nothing was
        explained.

        Raises
        ------
        AnswerError
            When an explanation is not of Clarify's shape.
        """
        import pandas as pd

        rows = [dict(self._summed(row)) for row in range(len(self.records))]
        found = list(dict.fromkeys(column for row in rows for column in row))
        places = {feature: place for place, feature in enumerate(dict.fromkeys(column[:2] for column in found))}
        with_values = {column[:2] for column in found if column[2] is not None}
        columns = [column for column in found if column[2] is not None or column[:2] not in with_values]
        columns.sort(key=lambda column: places[column[:2]])
        table = pd.DataFrame([[row.get(column) for column in columns] for row in rows], dtype=float)
        if any(label for *_, label in columns):
            pairs = [(name, label or "") for name, _, label in columns]
            table.columns = pd.MultiIndex.from_tuples(pairs, names=["feature", "class"])
        else:
            table.columns = pd.Index([name for name, *_ in columns])
        return table

    @property
    def parts(self) -> pd.DataFrame:
        """SHAP values of the parts of texts: columns ``row feature class start text attribution``.

        Raises
        ------
        AnswerError
            When an explanation is not of Clarify's shape.
        """
        import pandas as pd

        found = [
            (row, feature.name, self._label(number, values), told.get("start_idx"), told.get("partial_text"), value)
            for row in range(len(self.records))
            for feature in self._features(row)
            for values, told in feature.attributions
            if told
            for number, value in enumerate(values)
        ]
        return pd.DataFrame(found, columns=["row", "feature", "class", "start", "text", "attribution"])

    def _features(self, row: int) -> Iterator[_Feature]:
        """Take what was said of a record apart; what is left out of it, or null, has no values."""
        times: Counter[Any] = Counter()
        try:
            for place, said in enumerate(self.records[row] or ()):
                header = said.get("feature_header")
                name = place if header is None else header
                each = [(_values(one.get("attribution")), _described(one)) for one in said.get("attributions") or ()]
                yield _Feature(name, times[name], each)
                times[name] += 1
        except (TypeError, ValueError, AttributeError) as error:
            raise AnswerError(
                f"Clarify's explanation of row {row} is not of its documented shape: {error}.",
                next_step="Look at the whole with `.value`.",
            ) from error

    def _summed(self, row: int) -> Iterator[tuple[tuple[Any, int, str | None], float]]:
        """Sum the values of each feature and class; a feature without any has no class."""
        for feature in self._features(row):
            sums: dict[str, float] = {}
            for values, _ in feature.attributions:
                for number, value in enumerate(values):
                    label = self._label(number, values)
                    sums[label] = sums.get(label, 0.0) + value
            if not sums:
                yield (feature.name, feature.time, None), math.nan
            for label, total in sums.items():
                yield (feature.name, feature.time, label), total

    def _label(self, number: int, values: list[float]) -> str:
        """Name a class; nothing is to be named where there is one."""
        if len(values) == 1:
            return ""
        return self.label_headers[number] if number < len(self.label_headers) else str(number)


@dataclass(frozen=True)
class _Feature:
    """What Clarify said of one feature of a record, which is the so-manieth of its name."""

    name: Any
    time: int
    attributions: list[tuple[list[float], dict[str, Any]]]


def _described(attribution: dict[str, Any]) -> dict[str, Any]:
    """Say which part of a text an attribution is of; empty where it is of all of it."""
    told = attribution.get("description")
    return told if isinstance(told, dict) else {}


def _values(attribution: Any) -> list[float]:
    """Read the value of each class; one alone need not be in a list."""
    if attribution is None:
        return []
    values = attribution if isinstance(attribution, list) else [attribution]
    return [math.nan if value is None else float(value) for value in values]


def read(value: object) -> Explanations | None:
    """Take a Clarify reply apart.

    Parameters
    ----------
    value : object
        A decoded reply.

    Returns
    -------
    Explanations or None
        None when it is another kind of reply.

    Examples
    --------
    >>> told = read({
    ...     "version": "1.0",
    ...     "predictions": {"content_type": "text/csv", "data": "0.25"},
    ...     "explanations": {"kernel_shap": [[
    ...         {"feature_header": "age", "attributions": [{"attribution": [0.5]}]},
    ...         {"feature_header": "plan", "attributions": [{"attribution": [-0.25]}]},
    ...     ]]},
    ... })
    >>> told.predictions.item(), told.attributions.to_dict("records")
    (0.25, [{'age': 0.5, 'plan': -0.25}])
    """
    told: Any = value
    match told:
        case {
            "version": str(),
            "predictions": {"content_type": str(content_type), "data": data},
            "explanations": dict(),
        }:
            pass
        case _:
            return None
    reader = codecs.find_reader(content_type)
    predictions = data
    if reader is not None and isinstance(data, str):
        predictions = adapter.decode(reader, data.encode(errors="surrogatepass"))
    headers, records = told.get("label_headers"), told["explanations"].get("kernel_shap")
    return Explanations(
        predictions,
        content_type,
        tuple(map(str, headers)) if isinstance(headers, list) else (),
        tuple(records if isinstance(records, list) else [records] if records else ()),
    )
