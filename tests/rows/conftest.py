"""A cluster of two worker processes, started once for all tests that ask for it."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    """Return the client of a cluster; it is not the default one."""
    distributed = pytest.importorskip(
        "distributed", reason="distributed is not installed: pip install 'fastinfluence[dask]'"
    )
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client
