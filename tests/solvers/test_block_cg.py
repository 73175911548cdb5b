"""Right-hand sides that share a Krylov space, against dense solutions."""

import numpy as np
import pytest

import fastinfluence as fi
from fastinfluence.curvature import Curvature
from fastinfluence.engines.linearize import linearize
from fastinfluence.problem import Problem
from fastinfluence.solvers import cg
from fastinfluence.solvers.block_cg import block_cg

N, D = 120, 30
RNG = np.random.default_rng(11)
UNITS = np.geomspace(1e-2, 1e2, D)
X = RNG.normal(size=(N, D)) * UNITS
Y = (X @ (RNG.normal(size=D) / UNITS) + RNG.logistic(size=N) > 0).astype(int)


@pytest.fixture(scope="module")
def operator() -> Curvature:
    problem = Problem.build(fi.GLM("logistic", l2=1e-3), X, Y)
    return Curvature(linearize(problem, 0.1 * RNG.normal(size=D + 1) / np.append(UNITS, 1.0)))


@pytest.fixture
def counted(operator, monkeypatch) -> list[int]:
    """Return the widths of the products that are asked for."""
    widths: list[int] = []
    product = operator.matmat

    def recording(V, *rest):
        widths.append(V.shape[1])
        return product(V, *rest)

    monkeypatch.setattr(operator, "matmat", recording)
    return widths


SIDES = {
    "random": RNG.normal(size=(D + 1, 12)),
    "more than parameters": RNG.normal(size=(D + 1, 2 * D)),
    "more than one block": RNG.normal(size=(D + 1, 600)),
    "one of rank 3": RNG.normal(size=(D + 1, 3)) @ RNG.normal(size=(3, 20)),
    "the same side": np.repeat(RNG.normal(size=(D + 1, 1)), 9, axis=1),
    "zeros among them": np.concatenate([np.zeros((D + 1, 4)), RNG.normal(size=(D + 1, 8))], axis=1),
    "all zero": np.zeros((D + 1, 9)),
    "of all sizes": RNG.normal(size=(D + 1, 17)) * np.geomspace(1e-150, 1e150, 17),
    "nearly the same": RNG.normal(size=(D + 1, 1)) + 1e-9 * RNG.normal(size=(D + 1, 10)),
}


@pytest.mark.parametrize("preconditioner", [None, cg.Jacobi()], ids=["plain", "jacobi"])
@pytest.mark.parametrize("name", SIDES)
def test_solutions(operator, name, preconditioner):
    B = SIDES[name]
    found = fi.solvers.CG(tol=1e-11, preconditioner=preconditioner).prepare(operator).solve(B)
    H = operator.dense()
    assert found.converged.all()
    size = np.maximum(np.linalg.norm(B, axis=0), 1e-300)
    assert (np.linalg.norm(B - H @ found.x, axis=0) <= 1e-10 * size).all()
    wanted = np.linalg.solve(H, B)
    errors = np.linalg.norm(found.x - wanted, axis=0)
    assert (errors <= found.error_bound + 1e-8 * np.linalg.norm(wanted, axis=0)).all()


def test_a_block_needs_fewer_products(operator, counted):
    """Twelve sides together, beside each alone."""
    B = SIDES["random"]
    solver = fi.solvers.CG(tol=1e-8).prepare(operator)
    counted.clear()
    together = solver.solve(B)
    shared = len(counted)
    alone = [int(solver.solve(B[:, [j]]).iterations[0]) for j in range(B.shape[1])]
    assert shared <= 0.5 * max(alone)
    assert (together.iterations == together.iterations[0]).all()


def test_other_preconditioners_run_side_by_side(operator):
    nystrom = fi.solvers.CG(tol=1e-10, preconditioner=fi.solvers.Nystrom(rank=10))
    found = nystrom.prepare(operator).solve(SIDES["random"])
    assert len(set(found.iterations)) > 1
    np.testing.assert_allclose(found.x, np.linalg.solve(operator.dense(), SIDES["random"]), 1e-6)


def test_too_few_steps_are_told(operator):
    found = fi.solvers.CG(tol=1e-12, max_iterations=1, preconditioner=None)
    solution = found.prepare(operator).solve(SIDES["random"])
    assert not solution.converged.any()
    assert (solution.iterations == 1).all()
    assert solution.status[0] == "not converged in 1 iterations"


def test_negative_curvature_ends_a_block_and_is_told(operator):
    bent = Curvature(operator.engine, damping=-0.1 * float(operator.dense().trace()) / (D + 1))
    assert np.linalg.eigvalsh(bent.dense())[0] < 0
    solution = fi.solvers.CG(preconditioner=None).prepare(bent).solve(SIDES["random"])
    assert not solution.converged.all()
    bad = int(np.flatnonzero(~solution.converged)[0])
    assert "negative curvature" in solution.status[bad]


def test_the_rayleigh_quotient_bounds_the_smallest_eigenvalue(operator):
    run = block_cg(operator, SIDES["random"], np.ones(D + 1), np.full(12, 1e-9), 100)
    assert run.rayleigh >= np.linalg.eigvalsh(operator.dense())[0]
    assert np.isfinite(run.rayleigh)
