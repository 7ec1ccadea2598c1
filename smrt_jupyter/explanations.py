"""SageMaker Clarify's replies: the model's own answer, and how much each feature had to do with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from smrt_jupyter import codecs

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
        """SHAP values: one row a record, one column a feature; NaN where a record was not explained.

        With several classes the columns are pairs of feature and class. The parts of a text are summed, as SHAP values
        may be: `parts` has them one by one. Empty when nothing was explained.
        """
        import pandas as pd

        rows = [dict(self._summed(record)) for record in self.records]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        table = pd.DataFrame([[row.get(name) for name in columns] for row in rows], dtype=float)
        if any(label for _, label in columns):
            table.columns = pd.MultiIndex.from_tuples(columns, names=["feature", "class"])
        else:
            table.columns = pd.Index([feature for feature, _ in columns])
        return table

    @property
    def parts(self) -> pd.DataFrame:
        """SHAP values of the parts of texts: columns ``row feature class start text attribution``."""
        import pandas as pd

        found = [
            (row, _name(feature, place), self._label(number, each), told["start_idx"], told["partial_text"], value)
            for row, record in enumerate(self.records)
            for place, feature in enumerate(record or ())
            for each in feature["attributions"]
            if (told := each.get("description"))
            for number, value in enumerate(each["attribution"])
        ]
        return pd.DataFrame(found, columns=["row", "feature", "class", "start", "text", "attribution"])

    def _summed(self, record: list[dict[str, Any]] | None) -> Iterator[tuple[tuple[Any, str], float]]:
        for place, feature in enumerate(record or ()):
            sums: dict[str, float] = {}
            for each in feature["attributions"]:
                for number, value in enumerate(each["attribution"]):
                    label = self._label(number, each)
                    sums[label] = sums.get(label, 0.0) + value
            for label, value in sums.items():
                yield (_name(feature, place), label), value

    def _label(self, number: int, attribution: dict[str, Any]) -> str:
        """Name a class; nothing is to be named where there is one."""
        if len(attribution["attribution"]) == 1:
            return ""
        return self.label_headers[number] if number < len(self.label_headers) else str(number)


def _name(feature: dict[str, Any], place: int) -> Any:
    return feature.get("feature_header", place)


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
    predictions = reader.decode(data.encode()) if reader is not None and isinstance(data, str) else data
    return Explanations(
        predictions,
        content_type,
        tuple(told.get("label_headers") or ()),
        tuple(told["explanations"].get("kernel_shap") or ()),
    )
