"""The models that are compared, and the calls of this library that answer about them.

Every case minimises (1/n) Σ log(1 + e^f) − y f + (l2/2) ‖theta‖² without an intercept: torch
peers add their regularisation to every parameter, so an intercept would be another problem.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

import fastinfluence as fi
from benchmarks.peers.compare import Comparison, Entry

FloatArray = NDArray[np.float64]
L2 = 1e-2


@dataclass(frozen=True)
class Case:
    """A logistic model, and rows to ask about."""

    X: Any  # (n, p), dense or CSR
    y: FloatArray
    X_test: FloatArray
    y_test: FloatArray
    theta: FloatArray
    l2: float = L2

    @property
    def n(self) -> int:
        return int(self.X.shape[0])

    @property
    def size(self) -> str:
        """How a table names it."""
        n, p = self.X.shape
        return f"n = {n:,}, p = {p:,}" + (f", t = {len(self.y_test):,}" if len(self.y_test) else "")

    @property
    def spec(self) -> fi.GLM:
        """The sum form: its row gradients leave the penalty out, as every peer's do."""
        return fi.GLM("logistic", l2=self.l2 * self.n, fit_intercept=False, reduction="sum")

    def influence(self, solver: Any) -> fi.Influence:
        return fi.Influence(self.spec, self.X, self.y, self.theta, solver=solver)

    def scores(self, solver: Any, out: Any = None) -> Callable[[], Any]:
        """From the bare arrays to all scores, nothing prepared."""
        return lambda: self.influence(solver).on_loss(self.X_test, self.y_test, out=out)

    def pointwise(self) -> tuple[FloatArray, FloatArray]:
        """First and second derivative of every training row's loss."""
        mean = 1.0 / (1.0 + np.exp(-(self.X @ self.theta)))
        return mean - self.y, mean * (1.0 - mean)

    def test_gradients(self) -> FloatArray:
        """Shape (t, p)."""
        mean = 1.0 / (1.0 + np.exp(-(self.X_test @ self.theta)))
        return (mean - self.y_test)[:, None] * self.X_test


def logistic(n: int, p: int, t: int) -> Case:
    """Independent normal features; theta is the optimum."""
    rng = np.random.default_rng([n, p, t])
    beta = rng.standard_normal(p) / np.sqrt(p)
    X, y = _labelled(rng, rng.standard_normal((n, p)), beta)
    X_test, y_test = _labelled(rng, rng.standard_normal((t, p)), beta)
    case = Case(X, y, X_test, y_test, np.zeros(p))
    return replace(case, theta=fi.Influence.fit(case.spec, X, y).theta.astype(np.float64))


def one_hot(n: int, p: int, per_row: int) -> Case:
    """CSR rows with a few ones; no test rows, and theta is not the optimum."""
    rng = np.random.default_rng([n, p])
    columns = np.sort(rng.integers(p, size=(n, per_row), dtype=np.int32), axis=1).ravel()
    starts = np.arange(0, n * per_row + 1, per_row, dtype=np.int32)
    X = sparse.csr_array((np.ones(n * per_row), columns, starts), shape=(n, p))
    X.sum_duplicates()
    beta = rng.standard_normal(p) / np.sqrt(per_row)
    X, y = _labelled(rng, X, beta)
    return Case(X, y, np.empty((0, p)), np.empty(0), 0.5 * beta)


def _labelled(rng: np.random.Generator, X: Any, beta: FloatArray) -> tuple[Any, FloatArray]:
    return X, (X @ beta + rng.logistic(size=X.shape[0]) > 0).astype(np.float64)


CG_TOLERANCE = 1e-8
"""Relative residual at which conjugate gradients stop, here and in the peers."""


def by_gradients(case: Case, peer: Entry) -> Comparison:
    """All scores by conjugate gradients without preconditioner, beside one peer's."""
    ours = fi.solvers.CG(tol=CG_TOLERANCE, preconditioner=None)
    return Comparison(
        "CG, all scores",
        case.size,
        Entry("fastinfluence", case.scores(ours), setting="CG, no preconditioner"),
        [peer],
        tolerance=1e-6,
    )
