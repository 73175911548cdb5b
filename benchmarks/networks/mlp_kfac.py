"""Kronecker-factored preconditioners for networks: they do not pay (docs/decisions/0009-kfac.md).

    python benchmarks/networks/mlp_kfac.py [FOLDER] [--quick] [--sides 1] [--tol 1e-6] [--hidden 64]

Networks of mlp_removal.py, stopped early; right-hand sides are gradients of test losses. A line is
one curvature and damping, an entry the CG steps of the slowest side and the processor seconds of
preparing and solving, interleaved over the preconditioners:

- KFAC (Martens & Grosse 2015): mean outer product of a layer's inputs ⊗ that of the pulled-back
  roots of the output's curvature, plus the layer's penalty and damping, inverted in its eigenbasis;
- EKFAC (George et al. 2018): the same basis, with Gauss–Newton's own diagonal in it;
- layers: the exact diagonal blocks of the curvature, one for each layer, which KFAC approximates.
  Formed only up to MOST parameters, to know how far any such preconditioner could come.

KFAC is first compared with its dense formula. Fails where they differ.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit
from stopped_nets import L2, Array, Nets, Table, load, train

import fastinfluence as fi
from fastinfluence.curvature import Curvature

TESTS, EPOCHS, MOST = 100, 5, 2_000
DAMPINGS = (1e-1, 1e-2, 1e-3, 1e-4)
LIMIT = 4_000
Applied = Callable[[Array], Array]


@dataclass(frozen=True)
class Function:
    """A preconditioner made of a function of the operator."""

    make: Callable[[Curvature], Applied]

    def prepare(self, operator: Curvature) -> Prepared:
        """Run it."""
        return Prepared(self.make(operator))


@dataclass(frozen=True)
class Prepared:
    """A function of R (p, t) as the protocol wants it."""

    apply: Applied


def layers(operator: Curvature) -> list[slice]:
    """Return where each layer's table lies in theta."""
    ends = np.cumsum([0, *((a + 1) * b for a, b in operator.engine.network.shapes)])
    return [slice(int(i), int(j)) for i, j in pairwise(ends)]


def kfac(operator: Curvature, corrected: bool = False) -> Applied:
    """Return R ↦ P⁻¹R. Each row of a layer's table has one penalty, which scales the inputs."""
    inputs, roots, scale = rows_of(operator)
    parts = []
    for at, h, c in zip(layers(operator), inputs, roots, strict=True):
        a, b = h.shape[1], c.shape[2]
        d = 1 / np.sqrt(operator.shift[at].reshape(a, b)[:, 0])
        of_inputs, U = np.linalg.eigh(((h * d).T * scale) @ (h * d))
        flat = (c * np.sqrt(scale)[:, None, None]).reshape(-1, b)
        of_outputs, V = np.linalg.eigh(flat.T @ flat)
        U *= d[:, None]
        sizes = np.maximum(of_inputs, 0)[:, None] * np.maximum(of_outputs, 0)
        if corrected:
            outer = np.square(c @ V).sum(axis=1) * scale[:, None]
            sizes = np.square(h @ U).T @ outer
        parts.append((at, U, V, 1 / (1 + sizes)))

    def apply(R: Array) -> Array:
        out, t = np.empty_like(R), R.shape[1]
        for at, U, V, inverse in parts:
            a, b = inverse.shape
            T = (U.T @ R[at].reshape(a, b * t)).reshape(a, b, t)
            T = (V.T @ T) * inverse[:, :, None]
            out[at] = (U @ (V @ T).reshape(a, b * t)).reshape(a * b, t)
        return out

    return apply


def rows_of(operator: Curvature) -> tuple[list[Array], list[Array], Array]:
    """Return h̃ (n, fan_in + 1) and roots (n, 1, fan_out) of each layer, and w_i/W."""
    engine = operator.engine
    net, problem = engine.network, engine.problem
    trace = net.forward(problem.rows.take(slice(0, problem.n_rows)), None, 1)
    bend = engine.head.at(trace.f, problem.y).bend
    roots = net.pull(trace, np.sqrt(np.abs(bend))[:, None, None])
    ones = np.ones((problem.n_rows, 1))
    inputs = [np.append(h, ones, axis=1) for h in (trace.X.toarray(), *trace.hidden)]
    return inputs, roots, problem.w / problem.W


def by_layers(operator: Curvature) -> Applied:
    """Return R ↦ P⁻¹R for the exact diagonal blocks of the layers."""
    H, places = operator.dense(), layers(operator)
    factors = [cho_factor(H[at, at]) for at in places]
    pairs = list(zip(places, factors, strict=True))
    return lambda R: np.concatenate([cho_solve(factor, R[at]) for at, factor in pairs])


PRECONDITIONERS = {
    "none": None,
    "Jacobi": fi.solvers.Jacobi(),
    "Nyström": fi.solvers.Nystrom(),
    "KFAC": Function(kfac),
    "EKFAC": Function(lambda operator: kfac(operator, corrected=True)),
    "layers": Function(by_layers),
}


def largest_error(operator: Curvature) -> float:
    """Return the largest |P⁻¹P − 1| of KFAC, P by its dense formula."""
    inputs, roots, scale = rows_of(operator)
    apply, P = kfac(operator), np.diag(operator.shift)
    for at, h, c in zip(layers(operator), inputs, roots, strict=True):
        A = sum(w * np.outer(row, row) for w, row in zip(scale, h, strict=True))
        G = sum(w * np.outer(row[0], row[0]) for w, row in zip(scale, c, strict=True))
        P[at, at] += np.kron(A, G)
    return float(np.abs(apply(P) - np.eye(len(P))).max())


def influence(data: Table, hidden: tuple[int, ...], theta: Array, *how) -> fi.Influence:
    """Return the influence object of a curvature and a damping."""
    spec = fi.MLP(hidden, "tanh", "logistic", l2=L2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)  # stopped early: on purpose
        solver = fi.solvers.CG()
        return fi.Influence(
            spec, data.X, data.y, theta, curvature=how[0], damping=how[1], solver=solver
        )


def timed(operator: Curvature, name: str, V: Array, tol: float) -> str:
    """Return the steps of the slowest side, and seconds of preparing and of solving."""
    clock = time.process_time()
    solver = fi.solvers.CG(
        tol=tol, max_iterations=LIMIT, preconditioner=PRECONDITIONERS[name]
    ).prepare(operator)
    ready = time.process_time()
    solution = solver.solve(V)
    done = time.process_time()
    note = "" if solution.converged.all() else " not converged"
    steps = int(solution.iterations.max())
    return f"{name} {steps:4d} ({ready - clock:.2f}+{done - ready:.2f} s){note}"


def compare(data: Table, hidden: tuple[int, ...], options: argparse.Namespace) -> None:
    """Print the lines of one network."""
    nets, n = Nets(data.X.shape[1], hidden), len(data.y)
    theta = train(nets, data, nets.start(1), np.ones((1, n)), EPOCHS, 2)[0]
    chosen = slice(0, options.sides)
    sides = np.concatenate([
        nets.gradient(theta[None], x[None], lambda f, y=y: expit(f) - y)[1]
        for x, y in zip(data.X_test[chosen], data.y_test[chosen], strict=True)
    ]).T  # fmt: skip
    damping = influence(data, hidden, theta, "hessian", 0.0).report().suggested_damping
    dampings = options.damping or DAMPINGS
    names = [name for name in PRECONDITIONERS if name != "layers" or nets.p <= MOST]
    print(f"{data.name}, hidden {hidden}: n = {n}, p = {nets.p}, {options.sides} sides", flush=True)
    for how in [("hessian", damping), *(("gauss-newton", one) for one in dampings)]:
        operator = influence(data, hidden, theta, *how).hessian
        operator.matmat(sides)
        found = [timed(operator, name, sides, options.tol) for name in names]
        print(f"  {how[0]:12} {how[1]:7.2g} " + " | ".join(found), flush=True)
        if nets.p <= MOST:
            values = np.linalg.eigvalsh(operator.dense())
            print(
                f"{'':23}{(values < 2 * values[0]).sum()} of {nets.p} eigenvalues lie within ",
                end="",
            )
            print("a factor of 2 of the smallest", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=os.environ.get("FASTINFLUENCE_DATA"))
    parser.add_argument("--quick", action="store_true", help="a quarter of the rows, narrow layers")
    parser.add_argument("--table", choices=("adult", "covertype"), help="one table only")
    parser.add_argument("--hidden", default="64,32", help="widths, as 128,64")
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--sides", type=int, default=1, help="test rows, at most 100")
    parser.add_argument("--tol", type=float, default=1e-6)
    parser.add_argument("--damping", type=float, action="append", help="of Gauss–Newton's lines")
    options = parser.parse_args()
    if options.folder is None:
        parser.error("give FOLDER, or set FASTINFLUENCE_DATA")
    n = 500 if options.quick else options.rows
    hidden = (16, 8) if options.quick else tuple(map(int, options.hidden.split(",")))
    names = (options.table,) if options.table else ("adult", "covertype")
    tables = [load(name, Path(options.folder), n, TESTS) for name in names]
    nets = Nets(tables[0].X.shape[1], (4, 3))
    error = largest_error(influence(tables[0], (4, 3), nets.start(1), "gauss-newton", 1e-2).hessian)
    print(f"KFAC against its dense formula: largest error {error:.0e}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        for data in tables:
            compare(data, hidden, options)
    return int(error > 1e-9)


if __name__ == "__main__":
    sys.exit(main())
