"""Influence of all rows on many test rows: this library beside torch's double backward.

    python benchmarks/mlp_torch.py [--tests 100] [--rows 5000] [--peer-tests 2]

Needs torch. Both solve (Gauss–Newton is torch's hard part, so the Hessian) H + damping by plain
conjugate gradients to the same tolerance, then take the dot product with every row's gradient.
Torch does what libraries built on autograd do: a double backward a step and a test row, and row
gradients by ``torch.func``; it is given a few test rows and its time is multiplied up.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch.func import functional_call, grad, vmap

import fastinfluence as fi

HIDDEN, D, DAMPING, TOL = (32, 16), 30, 0.3, 1e-6
Vector = torch.Tensor


def network(theta: np.ndarray) -> torch.nn.Sequential:
    """Return the torch module with the same parameters."""
    widths, layers, first = (D, *HIDDEN, 1), [], 0
    for k, (a, b) in enumerate(pairwise(widths)):
        linear = torch.nn.Linear(a, b, dtype=torch.float64)
        W = theta[first : first + a * b].reshape(a, b)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(W.T))
            linear.bias.copy_(torch.tensor(theta[first + a * b : first + (a + 1) * b]))
        first += (a + 1) * b
        layers += [linear] if k == len(HIDDEN) else [linear, torch.nn.Tanh()]
    return torch.nn.Sequential(*layers)


class Torch:
    """Influence by autograd."""

    def __init__(self, module: torch.nn.Sequential, X: Vector, y: Vector) -> None:
        self.module, self.X, self.y = module, X, y
        self.parameters = list(module.parameters())
        rows = self.losses(X, y).mean()
        first = torch.autograd.grad(rows, self.parameters, create_graph=True)
        self.first = torch.cat([g.reshape(-1) for g in first])

    def losses(self, X: Vector, y: Vector) -> Vector:
        f = self.module(X)[:, 0]
        return torch.nn.functional.binary_cross_entropy_with_logits(f, y, reduction="none")

    def product(self, v: Vector) -> Vector:
        found = torch.autograd.grad(self.first @ v, self.parameters, retain_graph=True)
        return torch.cat([g.reshape(-1) for g in found]) + DAMPING * v

    def solve(self, b: Vector) -> Vector:
        x, r = torch.zeros_like(b), b.clone()
        d, rr = r.clone(), r @ r
        while rr.sqrt() > TOL * b.norm():
            Hd = self.product(d)
            step = rr / (d @ Hd)
            x, r = x + step * d, r - step * Hd
            rr, before = r @ r, rr
            d = r + rr / before * d
        return x

    def scores(self, each: Vector, X_test: Vector, y_test: Vector) -> np.ndarray:
        sides = self.row_gradients(X_test, y_test)
        return np.stack([(each @ self.solve(g)).numpy() / len(self.y) for g in sides])

    def row_gradients(self, X: Vector, y: Vector) -> Vector:
        names = {name: p.detach() for name, p in self.module.named_parameters()}

        def one(parameters: dict[str, Vector], x: Vector, label: Vector) -> Vector:
            f = functional_call(self.module, parameters, (x[None],))[0, 0]
            return torch.nn.functional.binary_cross_entropy_with_logits(f, label)

        found = vmap(grad(one), in_dims=(None, 0, 0))(names, X, y)
        return torch.cat([g.reshape(len(X), -1) for g in found.values()], dim=1)


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    out = call()
    return out, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tests", type=int, default=100)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--peer-tests", type=int, default=2)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(options.rows + options.tests, D))
    y = (np.sin(X[:, 0]) + X[:, 1] + rng.logistic(size=len(X)) > 0).astype(float)
    n, t, few = options.rows, options.tests, options.peer_tests
    spec = fi.MLP(HIDDEN, "tanh", "logistic")
    theta = 0.15 * rng.normal(size=spec.n_params(D))
    solver = fi.solvers.CG(tol=TOL, preconditioner=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)  # theta is drawn, not fitted
        infl = fi.Influence(spec, X[:n], y[:n], theta, damping=DAMPING, solver=solver)
        infl.on_loss(X[n : n + 2], y[n : n + 2])  # compiles
        ours, seconds = timed(lambda: infl.on_loss(X[n:], y[n:]))
    peer = Torch(network(theta), torch.tensor(X[:n]), torch.tensor(y[:n]))
    tests = torch.tensor(X[n : n + few]), torch.tensor(y[n : n + few])
    each, shared = timed(lambda: peer.row_gradients(peer.X, peer.y))
    theirs, spent = timed(lambda: peer.scores(each, *tests))
    gap = np.abs(theirs - ours[:few]).max() / np.abs(theirs).max()
    foretold = shared + spent * t / few
    print(
        f"n = {n}, p = {len(theta)}, {t} test rows: fastinfluence {seconds:.2f} s, torch "
        f"{torch.__version__} {foretold:.1f} s ({few} measured in {spent:.2f} s): "
        f"{foretold / seconds:.1f} times; largest difference {gap:.1e}"
    )


if __name__ == "__main__":
    main()
