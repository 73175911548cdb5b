"""NumPy and SciPy, as one would write it in an afternoon."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import LinearOperator, cg

import fastinfluence as fi
from benchmarks.peers.cases import CG_TOLERANCE, Case, FloatArray, by_gradients, logistic, one_hot
from benchmarks.peers.compare import Comparison, Entry

DISTRIBUTIONS = ("numpy", "scipy")


def comparisons(shrink: int) -> Iterator[Comparison]:
    yield products(logistic(200_000 // shrink, 100, 1), aim=2.0)
    yield products(logistic(20_000 // shrink, 1_000, 1), aim=1.6)
    yield products(one_hot(400_000 // shrink, 20_000 // shrink, 30), aim=2.0)
    yield direct(logistic(50_000 // shrink, 100, 100))
    yield gradients(logistic(5_000, 50, 5))
    yield gradients(logistic(50_000 // shrink, 100, 5))


def hvp(case: Case) -> Callable[[FloatArray], FloatArray]:
    """H v with two passes over X."""
    d = case.pointwise()[1] / case.n
    return lambda v: case.X.T @ (d * (case.X @ v)) + case.l2 * v


def products(case: Case, aim: float) -> Comparison:
    """One Hessian-vector product."""
    v = np.random.default_rng(0).standard_normal(len(case.theta))
    hessian, theirs = case.influence("auto").hessian, hvp(case)
    dense = isinstance(case.X, np.ndarray)
    return Comparison(
        "Hessian-vector product" + ("" if dense else ", CSR"),
        case.size if dense else f"{case.size}, {case.X.nnz / 1e6:.1f}e6 stored",
        Entry("fastinfluence", lambda: hessian @ v),
        [Entry("NumPy" if dense else "SciPy", lambda: theirs(v), setting="two passes", aim=aim)],
    )


def direct(case: Case) -> Comparison:
    """All scores from one Cholesky factor."""
    n, p = case.X.shape
    t = len(case.y_test)
    return Comparison(
        "Direct, all scores",
        case.size,
        Entry("fastinfluence", case.scores(fi.solvers.Direct()), setting="Direct()"),
        [Entry("NumPy", lambda: direct_scores(case), setting="cho_solve and one product")],
        flops=n * p * (p + 2.0 * t),
    )


def direct_scores(case: Case) -> FloatArray:
    """Shape (t, n)."""
    d1, d2 = case.pointwise()
    H = case.X.T @ (d2[:, None] * case.X) / case.n
    H[np.diag_indices_from(H)] += case.l2
    S = cho_solve(cho_factor(H), case.test_gradients().T)
    return np.asarray((S.T @ case.X.T) * (d1 / case.n))


def gradients(case: Case) -> Comparison:
    """All scores by conjugate gradients."""
    peer = Entry("SciPy", lambda: cg_scores(case), setting="scipy.sparse.linalg.cg")
    return by_gradients(case, peer)


def cg_scores(case: Case) -> FloatArray:
    """Shape (t, n)."""
    p = len(case.theta)
    H = LinearOperator((p, p), matvec=hvp(case), dtype=np.float64)
    S = np.array([cg(H, g, rtol=CG_TOLERANCE, atol=0.0)[0] for g in case.test_gradients()])
    return np.asarray((S @ case.X.T) * (case.pointwise()[0] / case.n))
