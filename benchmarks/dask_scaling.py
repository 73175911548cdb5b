"""A table on one and on two worker processes: seconds of a fit and of scores, bytes to the client.

    python benchmarks/dask_scaling.py --rows 4_000_000
    python benchmarks/dask_scaling.py --rows 200_000 --partitions 8

Each worker has one thread. Partitions are made and kept on the workers. The best of three runs
counts; the load of the machine is printed beside them, for other programs take from the second.
"""

from __future__ import annotations

import argparse
import os
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

import fastinfluence as fi
from fastinfluence.rows.cluster import Partitions

COLUMNS, TESTS, TOP, RUNS = 30, 100, 10, 3
SPEC = fi.GLM("logistic", l2=1e-3)


def partition(k: int, rows: int) -> pd.DataFrame:
    rng = np.random.default_rng([0, k])
    X = rng.standard_normal((COLUMNS, rows), dtype=np.float32)
    weights = np.random.default_rng(0).standard_normal(COLUMNS).astype(np.float32) * 0.27
    columns = {f"x{j}": X[j] for j in range(COLUMNS)}
    y = rng.random(rows) < 1 / (1 + np.exp(0.5 - weights @ X))
    return pd.DataFrame({**columns, "y": y.astype(np.int8)})


class Client:
    """What passes through the client: how many results, and their bytes."""

    def __init__(self) -> None:
        self.passes = self.received = self.sent = 0

    @contextmanager
    def counting(self) -> Iterator[Client]:
        run = Partitions._run

        def counted(partitions: Partitions, work: Any, asked: Any, phase: str) -> Any:
            out = run(partitions, work, asked, phase)
            self.passes += 1
            self.received += len(pickle.dumps(out))
            self.sent += len(work.packed)
            return out

        Partitions._run = counted  # type: ignore[method-assign]
        try:
            yield self
        finally:
            Partitions._run = run  # type: ignore[method-assign]


def best(work: Callable[[], Any]) -> tuple[float, Any]:
    seconds, out = [], None
    for _ in range(RUNS):
        start = time.perf_counter()
        out = work()
        seconds.append(time.perf_counter() - start)
    return min(seconds), out


def jobs(table: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The same questions, of a model that the first of them fits."""
    found: list[Any] = []

    def fit() -> None:
        found.append(fi.Influence.fit(SPEC, table))

    test, top = partition(10**6, TESTS), fi.TopK(TOP)
    yield "fit", fit
    yield "self-influence of all rows, top kept", lambda: found[-1].self_influence(out=top)
    yield f"top {TOP} of {TESTS} test rows", lambda: found[-1].on_loss(test, test["y"], out=top)
    yield "one Hessian-vector product", lambda: found[-1].hessian @ np.ones(COLUMNS + 1)


def measure(rows: int, partitions: int, workers: int) -> dict[str, tuple[float, Client]]:
    import dask
    from distributed import Client as DaskClient
    from distributed import LocalCluster, wait

    out = {}
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        DaskClient(cluster) as client,
    ):
        make = dask.delayed(partition)
        parts = client.persist([make(k, rows // partitions) for k in range(partitions)])
        wait(parts)
        table = fi.rows.dask(parts, target="y", client=client)
        for name, work in jobs(table):
            work()  # compiled code is loaded, processes are warm
            with Client().counting() as counts:
                seconds, _ = best(work)
            out[name] = seconds, counts
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--partitions", type=int, default=16)
    asked = parser.parse_args()
    found = {k: measure(asked.rows, asked.partitions, k) for k in (1, 2)}
    print(f"{asked.rows:,} rows x {COLUMNS} float32 in {asked.partitions} partitions,", end=" ")
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    heads = ("1 worker", "2 workers", "ratio", "passes", "received", "sent")
    print(" " * 38 + "".join(f"{head:>11}" for head in heads))
    for name, (one, _) in found[1].items():
        two, counts = found[2][name]
        bytes_of = (counts.passes, counts.received, counts.sent)
        numbers = [f"{one:.2f} s", f"{two:.2f} s", f"{one / two:.2f}"]
        numbers += [f"{n // RUNS:,}" for n in bytes_of]
        print(f"{name:38}" + "".join(f"{number:>11}" for number in numbers))


if __name__ == "__main__":
    main()
