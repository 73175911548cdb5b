"""Which source of rows reads which container."""

from __future__ import annotations

from typing import Any

from scipy.sparse import issparse

from fastinfluence.backend import on_device
from fastinfluence.rows.base import Rows
from fastinfluence.rows.csr import CSRRows
from fastinfluence.rows.dense import DenseRows


def as_rows(values: Any) -> Rows:
    """The source for a table's values: a NumPy array, a SciPy CSR array, or a device's of either.

    Of a table on a device it is the host's view, with the table itself at its side.
    """
    if on_device(values):
        from fastinfluence.rows.device import DeviceRows, FetchedRows
        from fastinfluence.rows.paired import PairedRows, device_features

        return PairedRows(FetchedRows(DeviceRows(device_features(values))))
    return CSRRows(values) if issparse(values) else DenseRows(values)
