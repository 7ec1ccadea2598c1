"""Answers taken apart, so that they can be compared: arrays with their kind, and apart from lists."""

from __future__ import annotations

from typing import Any

import numpy as np


def plain(answers: Any) -> Any:
    """Take answers apart; an array stays apart from a list by being a tuple."""
    if isinstance(answers, np.ndarray):
        return (answers.dtype.kind, answers.tolist())
    if isinstance(answers, dict):
        return {name: plain(values) for name, values in answers.items()}
    return answers
