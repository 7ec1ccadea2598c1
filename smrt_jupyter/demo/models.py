"""The models of the demo and of JupyterLab: small, real, and made from what scikit-learn ships."""

from __future__ import annotations

import itertools
import json
import random
import re
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

MEAN = slice("mean radius", "mean fractal dimension")
"""The ten mean measurements, of thirty columns: a row of them fits a line."""

PACE = 0.03
"""Seconds between two words: one can see them come."""

LONGEST = 80

SHORTEST = 6
"""Words of a sentence that is learned from."""


@dataclass(frozen=True)
class Tumours:
    """Measurements of 569 breast tumours, whether each was malignant, and a model of that.

    Attributes
    ----------
    frame : DataFrame
        Ten columns.
    labels : Series
        ``malignant`` or ``benign``.
    pipeline : Pipeline
        A scaler and a random forest, fitted. Its trees compare numbers and nothing else, so a row's answer does not
        depend on its neighbours in a request, as it does to the last bit where rows are multiplied together.
    """

    frame: pd.DataFrame
    labels: pd.Series[Any]
    pipeline: Any


def tumours() -> Tumours:
    """Fit the demo's model, on the Breast Cancer Wisconsin data.

    Returns
    -------
    Tumours
    """
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load_breast_cancer(as_frame=True)
    frame = data.data.loc[:, MEAN]
    labels = data.target.map(dict(enumerate(data.target_names))).rename("diagnosis")
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(50, random_state=0)).set_output(
        transform="pandas"
    )
    return Tumours(frame, labels, pipeline.fit(frame, labels))


class Babbler:
    """A language model of the humblest kind: a Markov chain over what scikit-learn says of its data sets.

    Called with a chat, it streams server-sent events in the schema that vLLM, TGI and LMI speak.

    Examples
    --------
    >>> events = list(Babbler(pace=0)({"messages": [{"role": "user", "content": "Tell me of the data"}], "seed": 1}))
    >>> events[0].startswith('data: {"choices": [{"delta": {"content": ')
    True
    """

    def __init__(self, pace: float = PACE) -> None:
        from sklearn import datasets

        self.pace = pace
        self.next: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.starts: list[tuple[str, str]] = []
        for load in (datasets.load_breast_cancer, datasets.load_diabetes, datasets.load_iris, datasets.load_wine):
            for sentence in _sentences(load().DESCR):
                self.starts.append((sentence[0], sentence[1]))
                for first, second, third in zip(sentence, sentence[1:], sentence[2:], strict=False):
                    self.next[first, second].append(third)

    def __call__(self, chat: dict[str, Any]) -> Iterator[str]:
        """Answer a chat, a word at a time."""
        words = self.words(chat["messages"][-1]["content"], chat.get("seed"))
        for word in itertools.islice(words, chat.get("max_tokens", LONGEST)):
            time.sleep(self.pace)
            yield f"data: {json.dumps({'choices': [{'delta': {'content': f'{word} '}}]})}\n\n"
        yield "data: [DONE]\n\n"

    def words(self, prompt: str, seed: int | None = None) -> Iterator[str]:
        """Begin with a word of the prompt, where a sentence does, and go on to the end of one."""
        chance = random.Random(seed)  # noqa: S311 - babble guards nothing
        asked = {word.lower().strip(".,?!") for word in prompt.split()}
        fitting = [pair for pair in self.starts if {word.lower() for word in pair} & asked]
        pair = chance.choice(fitting or self.starts)
        yield from pair
        while pair in self.next:
            pair = (pair[1], chance.choice(self.next[pair]))
            yield pair[1]


def _sentences(text: str) -> Iterator[list[str]]:
    """Find the prose among lists, tables and references: paragraphs that begin like one and end like one."""
    for paragraph in re.split(r"\n\s*\n", text):
        words = paragraph.split()
        if len(words) > SHORTEST and words[-1].endswith(".") and words[0].isalpha() and "-" not in words:
            for sentence in re.split(r"(?<=[a-z)]\.)\s+(?=[A-Z])", " ".join(words)):
                if len(sentence.split()) >= SHORTEST:
                    yield sentence.split()
