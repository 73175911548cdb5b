"""How well ``solver="auto"`` chooses: its time over the best solver's, on a grid of sizes.

Run on a quiet machine with the threads of BLAS pinned:

    OPENBLAS_NUM_THREADS=1 python benchmarks/choose.py [--networks]

The aim is a median ratio of at most 1.5 and a worst of at most 3. The constants are in
``fastinfluence/solvers/cost.py``.
"""

import argparse
import itertools
import time
from typing import Any

import numpy as np

import fastinfluence as fi
from fastinfluence.solvers.choose import choose

SHAPES = (
    (500, 10),
    (20_000, 10),
    (300_000, 20),
    (2_000, 100),
    (100_000, 100),
    (1_000, 500),
    (20_000, 500),
    (500, 2_000),
    (4_000, 2_000),
    (1_000, 6_000),
)
NETWORKS = (  # n, d, hidden
    (1_000, 10, (8,)),
    (20_000, 10, (8,)),
    (2_000, 30, (32, 16)),
    (20_000, 30, (32, 16)),
    (4_000, 54, (40, 20)),
)
SIDES = (1, 10, 200)
SPECTRA = ("flat", "decaying")
SOLVERS = {
    "direct": fi.solvers.Direct("primal"),
    "direct, dual": fi.solvers.Direct("dual"),
    "CG": fi.solvers.CG(),
    "CG with Nyström": fi.solvers.CG(preconditioner=fi.solvers.Nystrom()),
}
GIVE_UP = 20.0
"""Solvers predicted to take this many times the best one's prediction are not run."""


def model(n: int, d: int, spectrum: str) -> fi.Influence:
    """Make a logistic model whose columns are alike, or correlated with decaying variances."""
    rng = np.random.default_rng([n, d])
    X = rng.standard_normal((n, d))
    if spectrum == "decaying":
        X *= np.arange(1, d + 1) ** -1.0 * np.sqrt(d)
        X += 0.5 * X[:, :1]
    y = (X[:, 0] / X[:, 0].std() + rng.logistic(size=n) > 0).astype(float)
    theta = np.append(rng.standard_normal(d) * 0.1 / np.sqrt(d), 0.0)
    return quiet(fi.GLM("logistic", l2=1e-3), X, y, theta)


def network(n: int, d: int, hidden: tuple[int, ...]) -> fi.Influence:
    """Make a network at drawn weights, its curvature Gauss–Newton's, which is never negative."""
    rng = np.random.default_rng([n, d])
    X = rng.standard_normal((n, d))
    y = (X[:, 0] + rng.logistic(size=n) > 0).astype(float)
    spec = fi.MLP(hidden, "tanh", "logistic", l2=1e-2, penalize_intercept=True)
    theta = rng.standard_normal(spec.n_params(d)) / np.sqrt(d)
    return quiet(spec, X, y, theta, curvature="gauss-newton")


def quiet(*args: Any, **options: Any) -> fi.Influence:
    """Linearise away from the optimum without the warning that says so."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        return fi.Influence(*args, **options)


def seconds(infl: fi.Influence, solver: Any, sides: np.ndarray, repeats: int) -> float:
    """Time preparing and solving, the fastest of a few runs."""
    best = np.inf
    for _ in range(repeats):
        operator = type(infl.hessian)(infl._engine, 0.0)
        start = time.perf_counter()
        chosen = choose(operator, sides.shape[1]).solver if solver is None else solver
        chosen.prepare(operator).solve(sides)
        best = min(best, time.perf_counter() - start)
    return best


def ratio(infl: fi.Influence, t: int, repeats: int) -> tuple[float, str, str]:
    """Return the time of "auto", its choice included, over the best candidate's."""
    sides = np.random.default_rng(t).standard_normal((len(infl.theta), t))
    choice = choose(infl.hessian, t)
    predicted = choice.seconds or {}
    least = min(predicted.values())
    names = [k for k in SOLVERS if predicted.get(k, np.inf) < GIVE_UP * least]
    taken = {name: seconds(infl, SOLVERS[name], sides, repeats) for name in names}
    own = seconds(infl, None, sides, repeats)
    best = min(taken, key=lambda name: taken[name])
    chosen = min(predicted, key=lambda name: predicted[name])
    told = ", ".join(f"{k} {v:.4f} ({predicted.get(k, np.nan):.4f})" for k, v in taken.items())
    return own / taken[best], chosen, f"{told}; auto {own:.4f}, CG steps {choice.steps:.0f}"


def main() -> None:
    """Print one line per size, then the median and the worst ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sides", type=int, nargs="*", default=SIDES)
    parser.add_argument("--networks", action="store_true", help="networks instead of linear models")
    args = parser.parse_args()
    repeats, sides = args.repeats, args.sides
    grid = itertools.product(SHAPES, SPECTRA)
    cases = (
        (f"{n:7d} {d:5d}", kind, lambda n=n, d=d, k=kind: model(n, d, k)) for (n, d), kind in grid
    )
    if args.networks:
        cases = (
            (f"{n:7d} {d:5d}", f"{h}", lambda n=n, d=d, h=h: network(n, d, h))
            for n, d, h in NETWORKS
        )
    ratios = []
    print("ratio  chosen            n       d    t    spectrum  seconds (predicted)")
    for size, kind, make in cases:
        infl = make()
        p = len(infl.theta)
        infl.hessian @ np.ones((p, 2)), infl.hessian @ np.ones(p)  # compile
        for t in sides:
            r, chosen, told = ratio(infl, t, repeats)
            ratios.append(r)
            print(f"{r:5.2f}  {chosen:15s} {size} {t:4d}  {kind:8s}  {told}", flush=True)
    print(f"median {np.median(ratios):.2f}, worst {max(ratios):.2f}")


if __name__ == "__main__":
    main()
