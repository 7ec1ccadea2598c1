"""What an estimator does with a table before it is sent: check its shape, and put its columns in the model's order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_array

from smrt_jupyter.tables import Table, is_sparse
from smrt_jupyter.tables.arrays import unmasked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sklearn.base import BaseEstimator

NAMES_SHOWN = 20
"""Column names in one error message."""


def checked(X: Any, *, least: int, estimator: BaseEstimator) -> Any:  # noqa: N803 - scikit-learn's name
    """Check that it is a table; missing values, infinities, text and dates are the endpoint's to judge.

    Parameters
    ----------
    X : object
        What the user passed.
    least : int
        Rows that there must be.
    estimator : BaseEstimator
        For the messages.

    Returns
    -------
    object
        DataFrames as they are, so that text and categories reach the endpoint; else an array or a sparse matrix.

    Raises
    ------
    ValueError, TypeError
        As scikit-learn's own estimators do.
    """
    if hasattr(X, "columns") and hasattr(X, "shape"):
        for count, fewest, what in zip(X.shape, (least, 1), ("sample", "feature"), strict=True):
            if count < fewest:
                told = f"Found array with {count} {what}(s) (shape={X.shape})"
                raise ValueError(f"{told} while a minimum of {fewest} is required.")
        return X
    return check_array(
        _rows(X) if isinstance(X, list | tuple) else unmasked(X),
        accept_sparse=True,
        dtype=None,
        ensure_all_finite=False,
        ensure_min_samples=least,
        estimator=estimator,
        input_name="X",
    )


def _rows(rows: Sequence[Any]) -> NDArray[Any]:
    """Make an array of rows whose cells keep their types: NumPy alone would make ``[[1, "a"]]`` text."""
    array = np.asarray(rows, dtype=object)
    numbers = np.asarray(rows) if all(isinstance(cell, int | float | np.number) for cell in array.flat) else array
    return numbers if numbers.dtype.kind in "biuf" else array


def names_of(table: Any) -> list[str]:
    """Name the columns, as scikit-learn counts names: all of them are text, or there are none.

    Parameters
    ----------
    table : object
        From `checked`.

    Returns
    -------
    list of str
    """
    columns = (Table.of(table).columns or ()) if hasattr(table, "columns") else ()
    names = [name for name in columns if isinstance(name, str)]
    return names if len(names) == len(columns) else []


def in_order(table: Any, names: Sequence[str], *, reorder: bool, expected: str, owner: str) -> Any:
    """Put the columns in the model's order, by name.

    Parameters
    ----------
    table : object
        From `checked`.
    names : sequence of str
        The model's columns.
    reorder : bool
        Whether another order is corrected; else it is an error.
    expected : str
        Where the names come from, for the message.
    owner : str
        The estimator's class, for the message.

    Returns
    -------
    object
        The table; one without names as it is.

    Raises
    ------
    ValueError
        Naming what is missing and what is too much; in scikit-learn's words.
    """
    if is_sparse(table) or isinstance(table, np.ndarray):
        if table.shape[1] != len(names):
            told = f"X has {table.shape[1]} features"
            raise ValueError(f"{told}, but {owner} is expecting {len(names)} features as input.")
        return table
    columns = Table.of(table).columns or ()
    if columns == tuple(names):
        return table
    lines = [f"The feature names should match {expected}."]
    lines += _listed("Feature names unseen at fit time:", [str(name) for name in columns if name not in names])
    lines += _listed(
        "Feature names seen at fit time, yet now missing:", [name for name in names if name not in columns]
    )
    if len(lines) == 1 and not reorder:
        lines.append("Feature names must be in the same order as they were in fit.")
    if len(lines) > 1:
        raise ValueError("\n".join([*lines, ""]))
    return Table.of(table).select(names).native


def _listed(title: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = [f"- and {len(names) - NAMES_SHOWN} more"] if len(names) > NAMES_SHOWN else []
    return [title, *(f"- {name}" for name in sorted(names)[:NAMES_SHOWN]), *more]
