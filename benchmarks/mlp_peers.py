"""Influence of all rows on many test rows of a network: this library beside torch and pyDVL.

    python benchmarks/mlp_peers.py [--rows 5000 20000] [--tests 100] [--few 3] [--without-pydvl]

Needs torch, and pyDVL where it is not left out (``make bench-peers`` makes an environment with
both). One model, fitted to its optimum; every way gives the same scores, which is checked before
its time counts. Times are seconds of the processor, everything on one thread, from the arrays to
all scores with nothing prepared. What goes test row by test row is given a few of them and its
time for those multiplied up.

"torch loop" is what one writes by hand: a double backward for each product, one graph of the
gradient kept for all of them; its direct form makes the Hessian of p products and factorises it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from mlp import products as matrix_products
from mlp_torch import HIDDEN, D, Torch, network

import fastinfluence as fi

L2, TOL, AGREE = 0.01, 1e-8, 1e-5
SIDES, REPEATS = 16, 3
BATCH = 500
"""Rows of a batch of pyDVL's direct solution, which holds p derivatives of each."""


class Case(NamedTuple):
    spec: fi.MLP
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    theta: np.ndarray

    def ours(self, solver: Any) -> Callable[[], np.ndarray]:
        def run() -> np.ndarray:
            infl = fi.Influence(self.spec, self.X, self.y, self.theta, solver=solver)
            return infl.on_loss(self.X_test, self.y_test)

        return run

    def tensors(self, t: int) -> list[torch.Tensor]:
        tables = self.X_test[:t], self.y_test[:t], self.X, self.y
        return [torch.from_numpy(table) for table in tables]


class Way(NamedTuple):
    """A way to the scores of the first t test rows; ``few`` where it goes one by one."""

    name: str
    run: Callable[[int], np.ndarray]
    few: bool = False


def case_of(n: int, t: int) -> Case:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n + t, D))
    y = (np.sin(2 * X[:, 0]) + X[:, 1] + rng.logistic(size=n + t) > 0).astype(float)
    spec = fi.MLP(HIDDEN, "tanh", "logistic", n * L2, penalize_intercept=True, reduction="sum")
    theta = fi.Influence.fit(spec, X[:n], y[:n], seed=0).theta
    return Case(spec, X[:n], y[:n], X[n:], y[n:], theta)


def torch_ways(case: Case) -> Iterator[Way]:
    def made() -> Torch:
        return Torch(network(case.theta), *case.tensors(1)[2:], damping=L2, tol=TOL)

    def by_cg(t: int) -> np.ndarray:
        peer = made()
        return peer.scores(peer.row_gradients(peer.X, peer.y), *case.tensors(t)[:2])

    def direct(t: int) -> np.ndarray:
        peer = made()
        each, sides = (peer.row_gradients(*pair) for pair in peer.pairs(*case.tensors(t)[:2]))
        columns = [peer.product(v) for v in torch.eye(len(case.theta), dtype=torch.float64)]
        factor = torch.linalg.cholesky(torch.stack(columns))
        solved = torch.cholesky_solve(sides.T, factor)
        return (each @ solved).T.numpy() / len(case.y)

    yield Way(f"torch {torch.__version__} loop, CG", by_cg, few=True)
    yield Way(f"torch {torch.__version__} loop, direct", direct)


def pydvl_ways(case: Case) -> Iterator[Way]:
    import pydvl
    from pydvl.influence.torch import CgInfluence, DirectInfluence
    from torch.nn.functional import binary_cross_entropy_with_logits as loss

    n = len(case.y)

    def way(kind: Any, batch: int, **options: Any) -> Callable[[int], np.ndarray]:
        def run(t: int) -> np.ndarray:
            X_test, y_test, X, y = case.tensors(t)
            parts = list(zip(X.split(batch), y[:, None].split(batch), strict=True))
            loader = torch.utils.data.DataLoader(parts, batch_size=None)
            module = network(case.theta)
            fitted = kind(module, loss, regularization=L2, **options).fit(loader)
            found = fitted.influences(X_test, y_test[:, None], X, y[:, None])
            return found.detach().numpy() / n

        return run

    options = {"rtol": TOL**0.5, "warn_on_max_iteration": False}
    version = f"pyDVL {pydvl.__version__}"
    yield Way(f"{version}, CG one by one", way(CgInfluence, n, **options), few=True)
    together = way(CgInfluence, n, solve_simultaneously=True, **options)
    yield Way(f"{version}, CG together", together)
    yield Way(f"{version}, direct", way(DirectInfluence, BATCH))


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    out = call()
    return out, time.process_time() - start


def seconds(way: Way, t: int, few: int, wanted: np.ndarray) -> float:
    """Time one way, once its numbers are right."""
    asked = few if way.few else t
    found, spent = timed(lambda: way.run(asked))
    gap = np.abs(found - wanted[:asked]).max() / np.abs(wanted[:asked]).max()
    assert gap < AGREE, f"{way.name}: scores differ by {gap:.1e} of the largest"
    if not way.few:
        return spent
    spent = min(spent, *(timed(lambda: way.run(few))[1] for _ in range(REPEATS - 1)))
    once = min(timed(lambda: way.run(1))[1] for _ in range(REPEATS))
    return once + (t - 1) * (spent - once) / (few - 1)  # what all test rows share counts once


def products(case: Case) -> None:
    """Print what one product takes each, and its matrix products alone."""
    infl = fi.Influence(case.spec, case.X, case.y, case.theta)
    H = infl.hessian
    V = np.random.default_rng(0).normal(size=(len(case.theta), SIDES))
    peer = Torch(network(case.theta), *case.tensors(1)[2:], damping=L2, tol=TOL)
    v = torch.from_numpy(V[:, 0].copy())
    calls = {
        "torch": lambda: peer.product(v),
        "fastinfluence": lambda: H @ V[:, 0],
        f"fastinfluence, each of {SIDES} sides": lambda: H @ V,
        "matrix products alone": matrix_products(infl._engine, 1),
    }
    taken = dict.fromkeys(calls, np.inf)
    for _ in range(10):
        for name, call in calls.items():
            taken[name] = min(taken[name], timed(call)[1] / (SIDES if "sides" in name else 1))
    told = ", ".join(f"{name} {1e3 * spent:.2f} ms" for name, spent in taken.items())
    print(f"\nA product: {told}.")


def compare(n: int, t: int, few: int, with_pydvl: bool) -> None:
    case = case_of(n, t)
    solvers = {
        "CG": fi.solvers.CG(tol=TOL, preconditioner=None),
        "direct": fi.solvers.Direct(),
        "auto": "auto",
    }
    wanted = case.ours(solvers["direct"])()  # compiles, too
    ours = {}
    for name, solver in solvers.items():
        found, ours[name] = min((timed(case.ours(solver)) for _ in range(3)), key=lambda r: r[1])
        assert np.abs(found - wanted).max() <= AGREE * np.abs(wanted).max(), name
    own = ", ".join(f"{name} {spent:.2f} s" for name, spent in ours.items())
    print(f"\nn = {n:,}, p = {len(case.theta):,}, {t} test rows; fastinfluence: {own}\n")
    print("| | seconds | with the same solver | with auto |\n|---|---|---|---|", flush=True)
    ways: list[Way] = [*torch_ways(case), *(pydvl_ways(case) if with_pydvl else ())]
    for way in ways:
        spent = seconds(way, t, few, wanted)
        same = ours["direct" if way.name.endswith("direct") else "CG"]
        print(f"| {way.name} | {spent:.1f} | {spent / same:.1f} times | "
              f"{spent / ours['auto']:.0f} times |", flush=True)  # fmt: skip
    products(case)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[5_000, 20_000])
    parser.add_argument("--tests", type=int, default=100)
    parser.add_argument("--few", type=int, default=3)
    parser.add_argument("--without-pydvl", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for n in options.rows:
        compare(n, options.tests, options.few, not options.without_pydvl)


if __name__ == "__main__":
    main()
