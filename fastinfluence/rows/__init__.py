"""Where rows come from: arrays in memory, and tables that are streamed.

``fi.rows.parquet``, ``csv``, ``arrow`` and ``arrays`` describe a table that need not fit in memory,
``fi.rows.dask`` one that is on a cluster.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastinfluence.rows.dask_tables import dask
    from fastinfluence.rows.tables import arrays, arrow, csv, parquet

__all__ = ["arrays", "arrow", "csv", "dask", "parquet"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'fastinfluence.rows' has no attribute {name!r}")
    module = "dask_tables" if name == "dask" else "tables"
    return getattr(import_module(f"fastinfluence.rows.{module}"), name)
