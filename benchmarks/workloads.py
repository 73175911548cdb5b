"""What is timed: each kernel and solver on one thread, beside the machine's own limit for its work.

`WORKLOADS` feeds the asv suite and the gate (``make bench-compare``). Only public names of the
library and solvers' ``prepare`` are used, so that the table also runs older commits.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from limits import CACHES, Gemm, Reader, best, interleaved, last_level_cache
from numpy.typing import DTypeLike
from scipy.sparse import csr_array

import fastinfluence as fi

SEED = 0
QUICK = "FASTINFLUENCE_BENCH_QUICK" in os.environ
"""Whether all that matters is that everything runs: tables are then small, and figures mean
nothing."""
DISTINCT = 1 << 20
"""Random numbers in a table; a longer one repeats them, which takes less time to make."""


@dataclass(frozen=True)
class Workload:
    """A call, and what the machine could at best do in its place.

    Attributes
    ----------
    call
        What is timed.
    limit
        A plain read or a matrix product, to be timed beside it.
    share
        The call's work over that of one call of ``limit``, in bytes or operations.
    """

    call: Callable[[], object]
    limit: Callable[[], object]
    share: float

    def over_limit(self, repeats: int) -> float:
        """Return the call's time in units of the machine's limit; lower is better."""
        seconds = interleaved({"call": self.call, "limit": self.limit}, repeats)
        return best(seconds["call"]) / (best(seconds["limit"]) * self.share)


def reads(call: Callable[[], object], nbytes: float, threads: int | None = 1) -> Workload:
    """Compare with reading so many bytes."""
    limit = _reader(threads)
    return Workload(call, limit, nbytes / limit.nbytes)


_reader = cache(Reader)  # one large array for all


def multiplies(call: Callable[[], object], flops: float, dtype: DTypeLike = np.float64) -> Workload:
    """Compare with so many operations of NumPy's matrix product."""
    limit = Gemm(dtype, 512)
    return Workload(call, limit, flops / limit.flops)


# -- data ------------------------------------------------------------------------------


def table(n: int, d: int, dtype: DTypeLike = np.float64) -> tuple[Any, Any]:
    """Make features of unit variance and noisy labels in {0, 1}."""
    rng = np.random.default_rng(SEED)
    X = np.resize(rng.standard_normal(DISTINCT).astype(dtype), (n, d))
    f = X @ (rng.standard_normal(d) / np.sqrt(d)).astype(dtype)
    return X, (f + rng.logistic(size=n) > 0).astype(np.float64)


def sparse_table(n: int, d: int) -> tuple[Any, Any]:
    """Make such a table and keep its largest tenth, without a dense one of that size."""
    X, y = table(min(n, DISTINCT // d), d)
    part = csr_array(np.where(np.abs(X) > 1.645, X, 0.0))
    starts = np.append(0, np.cumsum(np.resize(np.diff(part.indptr), n))).astype(np.int32)
    data, indices = (np.resize(a, starts[-1]) for a in (part.data, part.indices))
    return csr_array((data, indices, starts), shape=(n, d)), np.resize(y, n)


def model(X: Any, y: Any, loss: str = "logistic", threads: int | None = 1, **options: Any) -> Any:
    """Linearise at small random parameters, which costs less than fitting."""
    theta = np.random.default_rng(SEED).standard_normal(X.shape[1] + 1) / (10 * X.shape[1] ** 0.5)
    return quiet(fi.Influence, fi.GLM(loss, l2=1e-2), X, y, theta, n_threads=threads, **options)


def fitted(n: int, d: int, loss: str = "logistic") -> Any:
    """Fit such a table."""
    return fi.Influence.fit(fi.GLM(loss, l2=1e-2), *table(n, d), n_threads=1)


def quiet(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call without the warnings about parameters off the optimum and short recursions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        return call(*args, **options)


def sides(p: int, t: int) -> Any:
    """Make t right-hand sides."""
    return np.random.default_rng(SEED + 1).standard_normal((p, t))


def uncached(d: int, itemsize: int = 8) -> int:
    """Return the rows of d columns that no cache holds."""
    nbytes = last_level_cache() // 16 if QUICK else CACHES * last_level_cache()
    return nbytes // (itemsize * d) + 1


# -- kernels ---------------------------------------------------------------------------


def dense_hvp(d: int, dtype: DTypeLike = np.float64, threads: int | None = 1) -> Workload:
    X, y = table(uncached(d, np.dtype(dtype).itemsize), d, dtype)
    H, v = model(X, y, threads=threads).hessian, np.ones(d + 1)
    return reads(lambda: H @ v, X.nbytes, threads)


def dense_hvps(n: int, d: int, t: int) -> Workload:
    H, V = model(*table(n, d)).hessian, sides(d + 1, t)
    return multiplies(lambda: H @ V, 4.0 * n * d * t)


def csr_hvp(d: int) -> Workload:
    X, y = sparse_table(12 * uncached(d), d)  # a tenth of the numbers, with their columns
    H, v = model(X, y).hessian, np.ones(d + 1)
    return reads(lambda: H @ v, X.data.nbytes + X.indices.nbytes)


def linearise(n: int, d: int) -> Workload:
    X, y = table(n, d)
    spec, theta = fi.GLM("logistic", l2=1e-2), np.full(d + 1, 1e-3)
    return reads(lambda: quiet(fi.Influence, spec, X, y, theta, n_threads=1), X.nbytes)


def gram(n: int, d: int) -> Workload:
    H = model(*table(n, d)).hessian
    return multiplies(lambda: fresh(H).dense(), n * d**2)


def derivatives(loss: str, n: int) -> Workload:
    chosen = next(s for s in fi.losses.registry() if s.label == loss)
    f, y = (np.resize(np.asarray(x, dtype=float), n) for x in (chosen.f, chosen.y))
    return reads(lambda: chosen.loss.evaluate(f, y, "value", "d1", "d2"), 5.0 * f.nbytes)


# -- scores ----------------------------------------------------------------------------


def scores(
    n: int,
    d: int,
    t: int,
    out: Any = None,
    dtype: DTypeLike = np.float64,
    threads: int | None = 1,
) -> Workload:
    infl, V = model(*table(n, d, dtype), threads=threads), sides(d + 1, t).T.copy()
    return multiplies(lambda: infl.on_function(V, out=out), 2.0 * n * d * t, dtype)


def self_influence(n: int, d: int) -> Workload:
    infl = model(*table(n, d))
    return multiplies(infl.self_influence, 2.0 * n * d**2)


def leave_one_out(n: int, d: int, method: str) -> Workload:
    infl = fitted(n, d)
    flops = 4.0 * n**2 * d if method == "exact" else 2.0 * n * d**2
    return multiplies(lambda: infl.leave_one_out(method=method), flops)


def diagnostics(n: int, d: int) -> Workload:
    infl = fitted(n, d)
    return multiplies(lambda: infl.diagnostics().cooks_distance, 2.0 * n * d**2)


# -- solvers ---------------------------------------------------------------------------


def fresh(H: Any) -> Any:
    """Return the operator without what it remembers."""
    return type(H)(H.engine, H.damping)


def solve(solver: Any, n: int, d: int, t: int, flops: float) -> Workload:
    H, V = model(*table(n, d)).hessian, sides(d + 1, t)
    return multiplies(lambda: solver.prepare(fresh(H)).solve(V), flops)


def lissa(d: int, steps: int, is_sparse: bool) -> Workload:
    X, y = sparse_table(8 * uncached(d), d) if is_sparse else table(uncached(d), d)
    stored = X.data.nbytes + X.indices.nbytes if is_sparse else X.nbytes
    prepared = quiet(fi.solvers.LiSSA(depth=steps // 2, repeats=2).prepare, model(X, y).hessian)
    V = np.ones((d + 1, 1))
    return reads(lambda: prepared.solve(V), stored * steps / X.shape[0])


def fit(n: int, d: int) -> Workload:
    X, y = table(n, d)
    spec = fi.GLM("logistic", l2=1e-2)
    return multiplies(lambda: fi.Influence.fit(spec, X, y, n_threads=1), n * d**2)


CG, Direct = fi.solvers.CG, fi.solvers.Direct

WORKLOADS: dict[str, Callable[[], Workload]] = {
    "HVP d=50": lambda: dense_hvp(50),
    "HVP d=128": lambda: dense_hvp(128),
    "HVP d=1000": lambda: dense_hvp(1000),
    "HVP d=128 float32": lambda: dense_hvp(128, np.float32),
    "HVP 16 vectors": lambda: dense_hvps(20_000, 128, 16),
    "HVP CSR": lambda: csr_hvp(200),
    "linearise": lambda: linearise(40_000, 100),
    "derivatives logistic": lambda: derivatives("logistic", 200_000),
    "derivatives poisson": lambda: derivatives("poisson", 200_000),
    "Hessian": lambda: gram(10_000, 200),
    "scores matrix": lambda: scores(20_000, 128, 64),
    "scores top 10": lambda: scores(20_000, 128, 64, fi.TopK(10)),
    "scores total": lambda: scores(20_000, 128, 64, fi.Total()),
    "self-influence": lambda: self_influence(10_000, 100),
    "leave-one-out newton": lambda: leave_one_out(10_000, 50, "newton"),
    "leave-one-out exact": lambda: leave_one_out(500, 50, "exact"),
    "diagnostics": lambda: diagnostics(10_000, 30),
    "Direct primal": lambda: solve(Direct("primal"), 5_000, 200, 8, 5_000 * 200**2),
    "Direct dual": lambda: solve(Direct("dual"), 300, 1000, 8, 300**2 * 1000),
    "CG": lambda: solve(CG(preconditioner=None), 5_000, 200, 8, 5_000 * 200 * 8 * 40),
    "CG Jacobi": lambda: solve(CG(), 5_000, 200, 8, 5_000 * 200 * 8 * 40),
    "CG Nystrom": lambda: solve(
        CG(preconditioner=fi.solvers.Nystrom(50)), 5_000, 200, 8, 5_000 * 200 * 8 * 40
    ),
    "LiSSA": lambda: lissa(784, 4_000, False),
    "LiSSA CSR": lambda: lissa(784, 8_000, True),
    "fit": lambda: fit(10_000, 50),
}
"""By name; each call takes a few milliseconds, and the solvers' operations are rough counts."""
