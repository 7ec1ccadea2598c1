"""SageMaker endpoints as scikit-learn estimators: in a Pipeline, in cross-validation, in inspection plots.

Parameters are plain values, so the estimators clone, pickle and travel to other processes. `fit` sends nothing: it
checks, and it remembers names and classes. :mod:`~smrt_jupyter.estimator.base` says where the rest is kept.
"""

from __future__ import annotations

from smrt_jupyter.estimator.base import RemoteEstimator, RemoteRegressor
from smrt_jupyter.estimator.classifier import RemoteClassifier
from smrt_jupyter.estimator.transformer import RemoteTransformer

__all__ = ["RemoteClassifier", "RemoteEstimator", "RemoteRegressor", "RemoteTransformer"]
