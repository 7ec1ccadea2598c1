"""`Table`, what all tables have in common; the libraries' own are in the modules beside this one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from smrt_jupyter.errors import CodecError
from smrt_jupyter.tables.answer_columns import pandas_frame, series_cells

if TYPE_CHECKING:
    from smrt_jupyter.tables.columns import Array, Column

_FRAMES = frozenset({"pandas", "polars", "pyarrow", "modin", "cudf"})
_FRAME_TYPES = frozenset({"DataFrame", "Series", "Table", "RecordBatch", "ChunkedArray"})


class Table:
    """A table of any library; make one with `Table.of`.

    Attributes
    ----------
    native : object
        The user's own table.
    columns : tuple of hashable, optional
        The names as the table has them; None when it has none.
    width : int
        How many columns.

    Examples
    --------
    >>> import pandas as pd
    >>> table = Table.of(pd.DataFrame({"age": [31, 54], "plan": ["a", "b"]}, index=["x", "y"]))
    >>> table.columns, table.width, len(table)
    (('age', 'plan'), 2, 2)
    >>> table[1:].like(np.array([0.5]))
    y    0.5
    dtype: float64
    """

    readers: ClassVar[tuple[Callable[[object], Table | None], ...]] = ()
    """What `of` asks, one after the other; the package's ``__init__`` names them."""

    native: Any
    columns: tuple[Hashable, ...] | None
    width: int

    @staticmethod
    def of(data: object) -> Table:
        """See data as a table.

        Parameters
        ----------
        data : object
            A DataFrame or Series, an Arrow table, a one- or two-dimensional array, a scipy sparse matrix, a list of
            rows (lists or mappings) or of single values. A Series, an array or a list of one dimension is one column.

        Returns
        -------
        Table

        Raises
        ------
        CodecError
            When it is not a table.
        """
        if isinstance(data, Table):
            return data
        for reader in Table.readers:
            table = reader(data)
            if table is not None:
                return table
        raise CodecError(
            f"{type(data).__name__} is not a table.",
            next_step="Pass a DataFrame, a Series, an array, an Arrow table, a sparse matrix or a list of rows.",
        )

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, rows: slice | Array) -> Table:
        raise NotImplementedError

    def select(self, names: Sequence[Hashable]) -> Table:
        """Take columns by name, in the order given.

        Parameters
        ----------
        names : sequence of hashable

        Returns
        -------
        Table

        Raises
        ------
        CodecError
            When the table has no names, or not these, or one of them twice; or when none is given.
        """
        if not names:
            raise no_columns()
        for name in names:
            if self.columns is None or name not in self.columns:
                has = "has no names" if self.columns is None else f"has {', '.join(map(str, self.columns))}"
                raise CodecError(f"there is no such column; the table {has}.", column=str(name))
        return self._select(list(names))

    def _select(self, names: list[Hashable]) -> Table:
        raise NotImplementedError

    def dtype(self) -> np.dtype[Any] | None:
        """Find the one number type of all cells.

        Returns
        -------
        dtype, optional
            None when the columns differ, are not numbers, or a cell is missing in another way than as NaN.
        """
        raise NotImplementedError

    def matrix(self, start: int, stop: int) -> Array:
        """Read rows of a table that has one `dtype`.

        Parameters
        ----------
        start, stop : int

        Returns
        -------
        ndarray
            Two-dimensional, C-contiguous, in the machine's byte order.
        """
        raise NotImplementedError

    def fields(self) -> tuple[Column, ...]:
        """Look at every column, whole.

        Returns
        -------
        tuple of Column
        """
        return tuple(self._field(place) for place in range(self.width))

    def _field(self, place: int) -> Column:
        raise NotImplementedError

    def label(self, place: int) -> Hashable:
        """Name a column for an error message, by its position where it has no name.

        Parameters
        ----------
        place : int

        Returns
        -------
        hashable
        """
        return place if self.columns is None else self.columns[place]

    def like(self, answers: Any) -> Any:
        """Give answers the form of this table.

        Parameters
        ----------
        answers : ndarray, list, or mapping of them
            One answer a row; a mapping has several named fields a row.

        Returns
        -------
        object
            pandas gets a Series or DataFrame with the same index, polars a Series or DataFrame, Arrow a
            ChunkedArray or Table, all others an array, or a DataFrame where there are several fields.
        """
        if isinstance(answers, Mapping):
            return pandas_frame(answers)
        return answers if isinstance(answers, np.ndarray) else series_cells(answers)


def no_columns() -> CodecError:
    """Refuse a table of which nothing is to be sent.

    Returns
    -------
    CodecError
    """
    return CodecError("the table has no columns to send.", next_step="Give it the columns that the model takes.")


def two_of_a_name(name: object) -> CodecError:
    """Refuse to choose between columns.

    Parameters
    ----------
    name : object

    Returns
    -------
    CodecError
    """
    return CodecError("two columns have this name.", column=str(name), next_step="Rename one of them.")


def are_positions(names: Iterable[object]) -> bool:
    """Tell whether columns have no names: then they are called by their place.

    Parameters
    ----------
    names : iterable

    Returns
    -------
    bool

    Examples
    --------
    >>> are_positions(["0", "1"]), are_positions([0, 1]), are_positions(["1", "2"])
    (True, True, False)
    """
    return all(str(name) == str(place) for place, name in enumerate(names))


def is_table(data: object) -> bool:
    """Tell whether data is a table for certain, so that it may be cut into chunks.

    Parameters
    ----------
    data : object

    Returns
    -------
    bool
        False for bytes, text, mappings and paths, and for lists, which `predict` alone takes for rows.

    Examples
    --------
    >>> [is_table(data) for data in (np.zeros((2, 3)), [[1, 2]], "1,2", np.zeros((2, 2, 2)))]
    [True, False, False, False]
    """
    if isinstance(data, np.ndarray):
        return data.ndim in (1, 2)
    if isinstance(data, Table) or is_sparse(data):
        return True
    return is_frame(data)


def is_frame(data: object) -> bool:
    """Tell whether data is a DataFrame, a Series or the like of a table library, without importing one.

    Parameters
    ----------
    data : object

    Returns
    -------
    bool
    """
    return library(data) in _FRAMES and type(data).__name__ in _FRAME_TYPES


def is_sparse(data: object) -> bool:
    """Tell whether data is a scipy sparse matrix or array, without importing scipy.

    Parameters
    ----------
    data : object

    Returns
    -------
    bool
    """
    return library(data) == "scipy" and hasattr(data, "tocsr")


def library(data: object) -> str:
    """Name the table library that an object's class, or a class it inherits from, belongs to.

    Parameters
    ----------
    data : object

    Returns
    -------
    str
        Empty when none of them is known here.
    """
    for one in type(data).__mro__:
        name = one.__module__.partition(".")[0]
        if name in _FRAMES or name == "scipy":
            return name
    return ""
