"""How time grows with size: fitted slopes of log(seconds) on log(size).

    python benchmarks/exponents.py [NAME ...]

1 is proportional. Where X sets the pace, every size is at least four times the last-level cache;
where matrix products do, sizes are large enough for their rate to be even.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from limits import best, interleaved
from workloads import QUICK, fitted, fresh, model, quiet, sides, sparse_table, table, uncached

import fastinfluence as fi

Call = Callable[[], object]
MILLION = 1_000_000
REPEATS = 1 if QUICK else 7


@dataclass(frozen=True)
class Scaling:
    """A call at several sizes.

    Attributes
    ----------
    sizes
        What is varied.
    expected
        The exponent that the algorithm promises.
    make
        ``make(sizes)`` returns one call per size, which may share data.
    """

    sizes: Sequence[int]
    expected: float
    make: Callable[[Sequence[int]], list[Call]]

    def exponent(self) -> float:
        """Time all sizes in turn and fit."""
        sizes = [size // 8 for size in self.sizes] if QUICK else self.sizes
        calls = self.make(sizes)
        seconds = interleaved({str(k): call for k, call in enumerate(calls)}, REPEATS)
        shortest = [best(times) for times in seconds.values()]
        return float(np.polyfit(np.log(sizes), np.log(shortest), 1)[0])


def product(H: Any, t: int) -> Call:
    """Multiply by t vectors."""
    V = sides(H.shape[0], t)
    return lambda: H @ V


def hvp_in_rows(sizes: Sequence[int]) -> list[Call]:
    X, y = table(max(sizes), 64)
    return [product(model(X[:n], y[:n], threads=None).hessian, 1) for n in sizes]


def hvp_in_features(sizes: Sequence[int]) -> list[Call]:
    n = uncached(min(sizes), 4)
    numbers = table(n, max(sizes), np.float32)[0].ravel()  # one gigabyte, shared
    tables = [numbers[: n * d].reshape(n, d) for d in sizes]
    return [product(model(X, np.arange(n) % 2.0, threads=None).hessian, 1) for X in tables]


def hvp_in_vectors(sizes: Sequence[int]) -> list[Call]:
    H = model(*table(20_000, 128)).hessian
    return [product(H, t) for t in sizes]


def csr_hvp_in_rows(sizes: Sequence[int]) -> list[Call]:
    X, y = sparse_table(max(sizes), 100)
    return [product(model(X[:n], y[:n], threads=None).hessian, 1) for n in sizes]


def linearise_in_rows(sizes: Sequence[int]) -> list[Call]:
    X, y = table(max(sizes), 64)
    return [lambda n=n: model(X[:n], y[:n]) for n in sizes]


def hessian_in_rows(sizes: Sequence[int]) -> list[Call]:
    X, y = table(max(sizes), 128)
    operators = [model(X[:n], y[:n]).hessian for n in sizes]
    return [lambda H=H: fresh(H).dense() for H in operators]


def scores(n: int, d: int, t: int) -> Call:
    """Stream scores into top-10 lists."""
    infl, V = model(*table(n, d)), sides(d + 1, t).T
    return lambda: infl.on_function(V, out=fi.TopK(10))


def of_rows(ask: Callable[[Any], object], d: int) -> Callable[[Sequence[int]], list[Call]]:
    """Ask fitted models of several lengths."""
    return lambda sizes: [partial(ask, fitted(n, d)) for n in sizes]


def lissa(depth: int, repeats: int, t: int = 1, is_sparse: bool = False) -> Call:
    """Run so many steps on a table that no cache holds."""
    H = model(
        *(sparse_table(10 * uncached(64), 64) if is_sparse else table(uncached(64), 64))
    ).hessian
    config = fi.solvers.LiSSA(depth=depth, repeats=repeats, scale=100.0)
    prepared, V = config.prepare(H), sides(65, t)
    return lambda: quiet(prepared.solve, V)


def each(make: Callable[[int], Call]) -> Callable[[Sequence[int]], list[Call]]:
    """Make a call for each size on its own."""
    return lambda sizes: [make(size) for size in sizes]


def cg(t: int) -> Call:
    """Prepare and solve."""
    H, V = model(*table(20_000, 100)).hessian, sides(101, t)
    return lambda: fi.solvers.CG().prepare(H).solve(V)


def network_product(n: int, d: int, hidden: tuple[int, ...]) -> Call:
    """Multiply by the Hessian of a network; above 64 MiB its activations are computed each time."""
    spec, (X, y) = fi.MLP(hidden, "tanh", "logistic", l2=1e-2), table(n, d)
    theta = np.random.default_rng(0).normal(size=spec.n_params(d)) / np.sqrt(d)
    return product(quiet(fi.Influence, spec, X, y, theta).hessian, 1)


def network_in_parameters(sizes: Sequence[int]) -> list[Call]:
    return [network_product(20_000, p // 64 - 2, (64,)) for p in sizes]  # p is 64 (d + 2) + 1


LONG = (250_000, 500_000, MILLION)
EXPONENTS: dict[str, Scaling] = {
    "HVP in n": Scaling((270_000, 520_000, MILLION), 1, hvp_in_rows),
    "HVP in d": Scaling((250, 500, 1000, 2000), 1, hvp_in_features),
    "HVP in vectors": Scaling((16, 32, 64), 1, hvp_in_vectors),
    "HVP CSR in n": Scaling((MILLION + 200_000, 2 * MILLION, 4 * MILLION), 1, csr_hvp_in_rows),
    "HVP of a network in n": Scaling(
        (60_000, 120_000, 240_000), 1, each(lambda n: network_product(n, 50, (64, 32)))
    ),
    "HVP of a network in p": Scaling((51_200, 102_400, 204_800), 1, network_in_parameters),
    "linearise in n": Scaling(LONG, 1, linearise_in_rows),
    "Hessian in n": Scaling((25_000, 50_000, 100_000), 1, hessian_in_rows),
    "scores in n": Scaling((20_000, 40_000, 80_000), 1, each(lambda n: scores(n, 128, 64))),
    "scores in d": Scaling((128, 256, 512), 1, each(lambda d: scores(20_000, d, 64))),
    "scores in t": Scaling((64, 128, 256), 1, each(lambda t: scores(20_000, 128, t))),
    "self-influence in n": Scaling(
        (20_000, 40_000, 80_000), 1, of_rows(lambda infl: infl.self_influence(), 64)
    ),
    "diagnostics in n": Scaling(
        (20_000, 40_000, 80_000), 1, of_rows(lambda infl: infl.diagnostics().cooks_distance, 32)
    ),
    "leave-one-out exact in n": Scaling(
        (1000, 2000, 4000), 2, of_rows(lambda infl: infl.leave_one_out(method="exact"), 32)
    ),
    "CG in t": Scaling((16, 32, 64), 1, each(cg)),
    "LiSSA in depth": Scaling((100_000, 200_000, 400_000), 1, each(lambda k: lissa(k, 2))),
    "LiSSA in repeats": Scaling((8, 16, 32), 1, each(lambda r: lissa(25_000, r))),
    "LiSSA in t": Scaling((16, 32, 64), 1, each(lambda t: lissa(5_000, 2, t))),
    "LiSSA CSR in depth": Scaling(
        (100_000, 200_000, 400_000), 1, each(lambda k: lissa(k, 2, is_sparse=True))
    ),
}


def main() -> None:
    """Print the exponents."""
    for name in sys.argv[1:] or EXPONENTS:
        scaling = EXPONENTS[name]
        print(f"{name:26}{scaling.exponent():6.2f}, expected {scaling.expected}", flush=True)


if __name__ == "__main__":
    main()
