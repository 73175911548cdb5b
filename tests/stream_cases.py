"""Streamed tables for tests: small files in several row groups, read in small blocks."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import Built, build

import fastinfluence as fi
from fastinfluence.rows import array_source, memory, readers

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

ROOM = "200MB"
Columns = dict[str, Any]
Ask = Callable[[Any, Any], Any]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let units have several blocks, and arrays several units, of tables of a few dozen rows."""
    monkeypatch.setattr(memory, "BLOCK_BYTES", 250)
    monkeypatch.setattr(memory, "LEAST_ROWS", 4)
    monkeypatch.setattr(readers, "UNIT_ROWS", 17)
    monkeypatch.setattr(readers, "SPOOL_ROWS", 13)
    monkeypatch.setattr(array_source, "UNIT_BYTES", 700)


def columns_of(X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> Columns:
    """Columns x0, x1, …, y and, where they are given, w and o."""
    out: Columns = {f"x{j}": X[:, j] for j in range(X.shape[1])} | {"y": y}
    return out | {k: v for k, v in (("w", sample_weight), ("o", offset)) if v is not None}


def columns(n: int = 60, **changes: Any) -> Columns:
    """Numbers, towns, labels, weights and offsets: the same in every call."""
    rng = np.random.default_rng(1)
    out = {
        "x0": rng.normal(size=n),
        "town": np.array(["Ayr", "Bath", "Cork"])[np.arange(n) % 3],
        "x1": rng.normal(size=n),
        "y": (rng.random(n) < 0.5).astype(float),
        "w": rng.uniform(0.5, 2.0, n),
        "o": 0.1 * rng.normal(size=n),
    }
    return {**out, **changes}


def fit(table: Any, spec: Any = None) -> Any:
    """A model of a table, logistic by default."""
    return fi.Influence.fit(spec or fi.GLM("logistic", l2=0.1), table)


def write(folder: Path, columns: Any, files: int = 3, group: int = 11) -> Path:
    """Parquet files p0, p1, … with row groups of so many rows."""
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    folder.mkdir(parents=True, exist_ok=True)
    cuts = np.linspace(0, table.num_rows, files + 1).astype(int)
    for k in range(files):
        part = table.slice(cuts[k], cuts[k + 1] - cuts[k])
        pq.write_table(part, folder / f"p{k}.parquet", row_group_size=group)
    return folder


def parquet(folder: Path, columns: Columns, **options: Any) -> Any:
    """The columns as Parquet files, described with the roles that their names say."""
    roles = {role: name for role, name in (("weight", "w"), ("offset", "o")) if name in columns}
    options = {"target": "y", "max_memory": ROOM, **roles, **options}
    return fi.rows.parquet(write(folder, columns), **options)


def of_case(folder: Path, b: Built) -> Any:
    """A case's data as Parquet files."""
    return parquet(folder, columns_of(b.X, b.y, b.sample_weight, b.offset))


def both(folder: Path, case: Any, **options: Any) -> tuple[Built, Any, Any]:
    """A case's model on a streamed table and in memory, by the direct solver."""
    b = build(case)
    options = {"damping": case.damping, "solver": fi.solvers.Direct(), **options}
    with warnings.catch_warnings():
        if not case.at_optimum:
            warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        streamed = fi.Influence(b.spec(), of_case(folder, b), theta=b.theta, **options)
    return b, streamed, b.influence(**options)


def worst(actual: Any, expected: Any) -> float:
    """Largest error, relative to the largest number expected; infinite where a NaN is alone."""
    actual, expected = (np.asarray(a, dtype=np.float64) for a in (actual, expected))
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    known = np.isfinite(expected)
    if (known != np.isfinite(actual)).any():
        return np.inf
    scale = np.abs(expected[known]).max(initial=0.0)
    error = np.abs(actual[known] - expected[known]).max(initial=0.0)
    return float(error / scale) if scale > 0 else float(error)


def assert_same(streamed: Any, held: Any, b: Any, asks: dict[str, Ask], rtol: float) -> None:
    """Every question has the same answer by both objects."""
    errors = {name: worst(ask(streamed, b), ask(held, b)) for name, ask in asks.items()}
    wrong = {name: error for name, error in errors.items() if not error <= rtol}
    assert not wrong, wrong


def ranking(found: Any) -> Any:
    """A TopKResult as one array."""
    both = (found.helpful, found.harmful)
    return np.stack([part for end in both for part in (end.values, end.rows)])


def removal(found: Any, b: Any) -> Any:
    """Parameters and changes of loss and prediction of a Removal, as one array (k, …)."""
    loss = found.on_loss(b.X_test, b.y_test, offset_test=b.offset_test)
    raw = found.on_prediction(b.X_test, offset_test=b.offset_test)
    return np.concatenate([found.theta.T, loss, np.reshape(raw, (-1, loss.shape[1]))])


def loss(i: Any, b: Any, **options: Any) -> Any:
    """on_loss of the case's test rows."""
    return i.on_loss(b.X_test, b.y_test, offset_test=b.offset_test, **options)


SCORES: dict[str, Ask] = {
    "ihvp": lambda i, b: i.ihvp(np.eye(len(i.theta))[:, :3]).x,
    "hessian": lambda i, b: i.hessian.dense(),
    "diagonal": lambda i, b: i.hessian.diagonal(),
    "loss": loss,
    "upweight": lambda i, b: loss(i, b, effect="upweight"),
    "top k": lambda i, b: ranking(loss(i, b, out=fi.TopK(4))),
    "top k upweight": lambda i, b: ranking(loss(i, b, out=fi.TopK(4), effect="upweight")),
    "total": lambda i, b: loss(i, b, out=fi.Total()),
    "raw": lambda i, b: i.on_prediction(b.X_test, offset_test=b.offset_test),
    "params": lambda i, b: i.on_params([3, -2, 7, 7]),
    "function": lambda i, b: i.on_function(
        np.ones((2, len(i.theta))), direct=np.linspace(0, 1, 2 * i.n_rows).reshape(2, -1)
    ),
    "self-influence": lambda i, b: i.self_influence(),
    "polish": lambda i, b: i.polish().theta,
}
ROWS = [9, 2, 11, 3, 2, -1]
GROUPS = [[9, 2, 11], [3, -1], list(range(8))]
REMOVALS: dict[str, Ask] = {
    f"{kind} {method}": (
        lambda i, b, kind=kind, sets=sets, method=method: removal(getattr(i, kind)(sets, method), b)
    )
    for kind, sets in (("leave_one_out", ROWS), ("leave_group_out", GROUPS))
    for method in ("influence", "newton", "exact")
}
CHANGES: dict[str, Ask] = {
    "perturbation": lambda i, b: i.perturbation(
        b.X_test, b.y_test, ROWS, offset_test=b.offset_test
    ),
    "replacement": lambda i, b: i.replacement(
        [3, 9], b.X_test[:2], b.y_test[:2], b.X_test, b.y_test, offset_test=b.offset_test
    ),
    "exact replacement": lambda i, b: i.replacement(
        [9, 3], b.X_test[:2], b.y_test[:2], b.X_test, b.y_test, method="exact",
        offset_test=b.offset_test,
    ),
}  # fmt: skip
