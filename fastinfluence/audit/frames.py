"""Data frames of any library as Arrow tables."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from fastinfluence.audit.columns import without_views
from fastinfluence.audit.read import check_distinct
from fastinfluence.errors import InputError


def arrow_table(table: Any) -> pa.Table:
    """The columns of a data frame; a pandas index, which names rows, is none of them.

    Raises
    ------
    InputError
        Where it is no table, two columns share a name, or Arrow cannot hold a column.
    """
    if getattr(table, "ndim", 2) == 1:
        raise InputError(f"the table is a {type(table).__name__}: give one with columns")
    if hasattr(table, "iloc"):
        check_distinct([str(name) for name in table.columns])
    try:
        return without_views(_converted(table))
    except pa.ArrowException as error:
        raise InputError(f"a column cannot be read: {' '.join(str(error).split())}") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"the table is a {type(table).__name__} that cannot be read ({error}): pass an Arrow, "
            "pandas or polars table of numbers, texts, dates and categories"
        ) from error


def _converted(table: Any) -> pa.Table:
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if not hasattr(table, "iloc"):
        return pa.table(table)
    named = table.set_axis([str(name) for name in table.columns], axis=1)
    return pa.Table.from_pandas(named, preserve_index=False)
