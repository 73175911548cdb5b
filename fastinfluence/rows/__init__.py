"""Where rows come from: arrays in memory, and tables that are streamed.

``fi.rows.parquet``, ``csv``, ``arrow`` and ``arrays`` describe a table that need not fit in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastinfluence.rows.tables import arrays, arrow, csv, parquet

__all__ = ["arrays", "arrow", "csv", "parquet"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'fastinfluence.rows' has no attribute {name!r}")
    from fastinfluence.rows import tables

    return getattr(tables, name)
