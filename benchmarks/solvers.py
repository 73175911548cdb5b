"""Every solver on real tables: agreement with the direct solution, and what LiSSA says of itself.

    FASTINFLUENCE_DATA=… OPENBLAS_NUM_THREADS=1 python benchmarks/solvers.py [TABLE …] [--seeds 10]

For each table, with the right-hand sides of two test losses: relative error and cosine against
the direct solution, and seconds, of CG with each preconditioner and of LiSSA as in Koh & Liang
(2017): 10 repeats of 5,000 single rows. Over ``--seeds`` runs of LiSSA: the share in which bias
bound plus three standard errors cover the true error; none may diverge.
"""

import argparse
import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import tables

import fastinfluence as fi
from fastinfluence.solvers import CG, Direct, Jacobi, LiSSA, Nystrom

L2 = {"mnist_1_vs_7": 0.01, "mnist_5_vs_rest": 0.01, "hospital": 1e-4}
CG_TOLERANCE = 1e-8
SOLVERS = {
    "CG": CG(tol=CG_TOLERANCE, preconditioner=None),
    "CG, Jacobi": CG(tol=CG_TOLERANCE, preconditioner=Jacobi()),
    "CG, Nyström": CG(tol=CG_TOLERANCE, preconditioner=Nystrom()),
    "LiSSA": LiSSA(depth=5000, repeats=10),
}


def solved(solver: Any, infl: fi.Influence, sides: np.ndarray) -> tuple[Any, float]:
    """Prepare and solve on a fresh operator; return the solution and the seconds."""
    operator = type(infl.hessian)(infl._engine, 0.0)
    start = time.perf_counter()
    solution = solver.prepare(operator).solve(sides)
    return solution, time.perf_counter() - start


def agreement(x: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return the worst relative error and the worst cosine over the columns."""
    error = np.linalg.norm(x - truth, axis=0) / np.linalg.norm(truth, axis=0)
    along = (x * truth).sum(axis=0)
    cosine = along / np.linalg.norm(x, axis=0) / np.linalg.norm(truth, axis=0)
    return float(error.max()), float(cosine.min())


def covered(infl: fi.Influence, sides: np.ndarray, truth: np.ndarray, seeds: int) -> float:
    """Return the share of seeds and sides whose stated error covers the true one."""
    scale = SOLVERS["LiSSA"].prepare(infl.hessian).scale
    inside = []
    for seed in range(seeds):
        config = replace(SOLVERS["LiSSA"], scale=scale, seed=seed)
        solution = config.prepare(infl.hessian).solve(sides)
        told = solution.bias_bound + 3 * np.linalg.norm(solution.std_error, axis=0)
        inside.append(np.linalg.norm(solution.x - truth, axis=0) <= told)
    return float(np.mean(inside))


def show(name: str, seeds: int) -> None:
    """Print the lines of one table."""
    table = tables.TABLES[name]()
    l2 = L2.get(name, 1e-3)
    spec = fi.GLM("logistic", l2=l2, fit_intercept=name not in L2)
    infl = fi.Influence.fit(spec, table.X, table.y)
    n, p = infl.n_rows, len(infl.theta)
    print(f"{name}: n = {n:,}, p = {p:,}, l2 = {l2:g}, ‖∇R‖ = {infl.gradient_norm:.0e}")
    test = infl._problem.test_rows(table.X_test[:2], table.y_test[:2])
    sides = np.ascontiguousarray(infl._engine.loss_gradients(test).T)
    direct, seconds = solved(Direct(), infl, sides)
    note = f"residual {np.max(direct.residual_norms / np.linalg.norm(sides, axis=0)):.0e}"
    print(f"  {'direct':12s} {seconds:8.3f} s   {note}")
    for label, solver in SOLVERS.items():
        solved(solver, infl, sides)
        solution, seconds = solved(solver, infl, sides)
        error, cosine = agreement(solution.x, direct.x)
        more = f"{int(solution.iterations.max())} steps" if label != "LiSSA" else ""
        if label == "LiSSA":
            bias = solution.bias_bound / np.linalg.norm(solution.x, axis=0)
            more = f"{solution.status[0].split(':')[0]}, bias at most {bias.max():.1%} of ‖x‖"
        print(f"  {label:12s} {seconds:8.3f} s   error {error:.1e}, cosine {cosine:.5f}   {more}")
    share = covered(infl, sides, direct.x, seeds)
    print(f"  LiSSA's stated error covers the true one in {share:.0%} of {seeds} seeds", flush=True)


def main() -> None:
    """Print every table asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", default=list(tables.TABLES))
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    warnings.simplefilter("ignore", fi.FastInfluenceWarning)
    for name in options.tables:
        show(name, options.seeds)


if __name__ == "__main__":
    main()
