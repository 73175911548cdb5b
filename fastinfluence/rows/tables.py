"""Tables to be streamed, as users describe them: ``fi.rows.parquet(...)`` and its kin.

Nothing is read when such a table is described but the names and types of its columns. It goes in
the place of X: ``fi.Influence.fit(spec, fi.rows.parquet("train/*.parquet", target="y"))``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastinfluence.rows.csv_reader import CSVReader
from fastinfluence.rows.memory import DEFAULT, as_bytes
from fastinfluence.rows.readers import ParquetReader, Reader, SpooledReader, TableReader
from fastinfluence.rows.roles import Roles
from fastinfluence.rows.stream_tables import Arrays, ArrowTable, StreamTable, array_source


def parquet(
    paths: Any,
    target: str,
    features: Sequence[str] | None = None,
    weight: str | None = None,
    offset: str | None = None,
    id: str | None = None,
    max_memory: int | str = DEFAULT,
) -> StreamTable:
    """Rows of Parquet files, one row group after another.

    Only the columns named are read. A column of text, or a dictionary, becomes one column for
    each of its categories, ``column=value``, on the fly; blocks are then sparse.

    Parameters
    ----------
    paths : str, path or list of them
        A file, a folder (with the ``*.parquet`` files below it), or a pattern such as
        ``"train/*.parquet"``. Files are taken in the order of their names.
    target : str
        Column of y.
    features : list of str, optional
        Columns of X in their order; by default all that have no other role.
    weight, offset, id : str, optional
        Columns of sample weights, offsets, and what names a row in a result.
    max_memory : int or str, default 2 GB
        What streaming may take at one time beside what the process held before, in bytes or as
        ``"500MB"``. It also sizes the blocks.

    Returns
    -------
    StreamTable
        Goes in the place of X; y, weights and offset are left out there.

    Raises
    ------
    InputError
        If no file matches, one is no Parquet file, or a column is missing.
    UnsupportedError
        If pyarrow is not installed.
    """
    return _arrow_table(ParquetReader(paths), target, features, weight, offset, id, max_memory)


def csv(
    paths: Any,
    target: str,
    features: Sequence[str] | None = None,
    weight: str | None = None,
    offset: str | None = None,
    id: str | None = None,
    delimiter: str = ",",
    max_memory: int | str = DEFAULT,
) -> StreamTable:
    """Rows of CSV files, parsed anew in every pass: Parquet is read several times as fast.

    Parameters
    ----------
    paths, target, features, weight, offset, id, max_memory
        As in :func:`parquet`.
    delimiter : str, default ","

    Returns
    -------
    StreamTable

    Raises
    ------
    InputError, UnsupportedError
        As :func:`parquet`; what cannot be parsed is named by file and row when it is read.
    """
    reader = CSVReader(paths, delimiter)
    table = _arrow_table(reader, target, features, weight, offset, id, max_memory)
    numbers = [*table.roles.features, weight, offset]
    reader.as_floats([name for name in numbers if name is not None])
    return table


def arrow(
    table: Any,
    target: str,
    features: Sequence[str] | None = None,
    weight: str | None = None,
    offset: str | None = None,
    id: str | None = None,
    max_memory: int | str = DEFAULT,
) -> StreamTable:
    """Rows of an Arrow table, or of record batches that come once.

    Parameters
    ----------
    table : pyarrow.Table, pyarrow.RecordBatchReader, or a data frame that Arrow can read
        What a reader of record batches hands out is kept in a temporary file.
    target, features, weight, offset, id, max_memory
        As in :func:`parquet`.

    Returns
    -------
    StreamTable

    Raises
    ------
    InputError, UnsupportedError
        As :func:`parquet`.
    """
    once = hasattr(table, "read_next_batch")
    reader: Reader = SpooledReader(table) if once else TableReader(table)
    return _arrow_table(reader, target, features, weight, offset, id, max_memory)


def arrays(
    X: Any,
    y: Any,
    weight: Any = None,
    offset: Any = None,
    features: Sequence[str] | None = None,
    max_memory: int | str = DEFAULT,
) -> StreamTable:
    """Rows of arrays, mapped from files (``np.memmap``) or in memory.

    Of an array in memory nothing with an entry per row is made beside it, as
    :class:`fastinfluence.Influence` otherwise does.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Float32 or float64 of any layout, or a SciPy sparse matrix.
    y, weight, offset : array_like, shape (n,)
    features : list of str, optional
        Names of the columns.
    max_memory : int or str, default 2 GB
        As in :func:`parquet`.

    Returns
    -------
    StreamTable

    Raises
    ------
    InputError
        For shapes that do not match, or columns that are not numbers.
    """
    source = array_source(X, y, weight, offset, features)
    return Arrays(as_bytes(max_memory), source)


def _arrow_table(
    reader: Reader,
    target: str,
    features: Sequence[str] | None,
    weight: str | None,
    offset: str | None,
    id: str | None,
    max_memory: int | str,
) -> ArrowTable:
    roles = Roles.of(reader.schema.names, target, features, weight, offset, id)
    return ArrowTable(as_bytes(max_memory), reader, roles)
