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


def uneven(last: float) -> Curvature:
    """Twelve columns of which combinations are nearly nothing: no scaling makes that even."""
    U = np.linalg.qr(RNG.normal(size=(N, 12)))[0]
    V = np.linalg.qr(RNG.normal(size=(12, 12)))[0]
    problem = Problem.build(fi.GLM("logistic", l2=0.0), U * np.geomspace(10, 10 * last, 12) @ V, Y)
    return Curvature(linearize(problem, np.full(13, 0.1)))


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


def test_no_side_takes_more_than_max_iterations():
    """Where a block stalls, its sides go on one by one with the steps that are left."""
    solver = fi.solvers.CG(max_iterations=40).prepare(uneven(1e-6))
    solution = solver.solve(RNG.normal(size=(13, 2)))
    assert not solution.converged.any()
    assert (solution.iterations == 40).all()


@pytest.mark.parametrize("others", [0, 3, 2 * D], ids=["alone", "with few", "with many"])
@pytest.mark.parametrize("size", [1e-310, 1e-170, 1e170, 1e300])
def test_sides_whose_squares_are_no_numbers(operator, size, others):
    B = RNG.normal(size=(D + 1, 1 + others))
    B[:, -1] *= size
    found = fi.solvers.CG(tol=1e-10).prepare(operator).solve(B)
    assert found.converged.all()
    wanted = np.linalg.solve(operator.dense(), B[:, -1] / size)
    np.testing.assert_allclose(found.x[:, -1] / size, wanted, rtol=1e-6, atol=1e-8)
    assert np.isfinite(found.error_bound).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("others", [0, 3, 2 * D], ids=["alone", "with few", "with many"])
def test_a_side_that_is_not_finite_spoils_no_other(operator, bad, others):
    B = RNG.normal(size=(D + 1, 1 + others))
    B[3, -1] = bad
    found = fi.solvers.CG(tol=1e-10).prepare(operator).solve(B)
    assert found.converged.tolist() == [True] * others + [False]
    assert np.isnan(found.x[:, -1]).all()
    assert not found.error_bound[-1] < np.inf
    wanted = np.linalg.solve(operator.dense(), B[:, :-1])
    np.testing.assert_allclose(found.x[:, :-1], wanted, rtol=1e-6, atol=1e-8)


def test_products_that_are_not_finite_are_told(operator, monkeypatch):
    monkeypatch.setattr(operator, "matmat", lambda V: np.full(V.shape, np.nan))
    found = fi.solvers.CG().prepare(operator).solve(SIDES["random"])
    assert not found.converged.any()
    assert not (found.error_bound < np.inf).any()


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


@pytest.mark.parametrize("t", [1, 3, 13, 40])
def test_the_estimated_error_is_of_the_right_size(t):
    """A wide block takes one step, among directions that say little of the smallest eigenvalue."""
    operator = uneven(1e-3)
    B = RNG.normal(size=(13, t))
    found = fi.solvers.CG(tol=1e-9).prepare(operator).solve(B)
    assert found.converged.all()
    assert not found.bound_is_certain
    used = (found.residual_norms / found.error_bound).max()
    smallest = np.linalg.eigvalsh(operator.dense())[0]
    assert smallest * (1 - 1e-6) <= used <= 10 * smallest
