"""Which source of rows reads which container."""

from __future__ import annotations

from typing import Any

from scipy.sparse import issparse

from fastinfluence.rows.base import Rows
from fastinfluence.rows.csr import CSRRows
from fastinfluence.rows.dense import DenseRows


def as_rows(values: Any) -> Rows:
    """The source for a table's values: a NumPy array, or a SciPy CSR array."""
    return CSRRows(values) if issparse(values) else DenseRows(values)
