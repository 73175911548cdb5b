"""The Nyström preconditioner: fewer steps, the same answers."""

import numpy as np
import pytest
from cases import CASES, build

import fastinfluence as fi

CG, Nystrom = fi.solvers.CG, fi.solvers.Nystrom


def ill_conditioned(rng, fit_intercept=True, l2=1e-4, n=400, d=120):
    """Columns mixed so that no diagonal scaling helps, with eigenvalues falling as 1/k²."""
    Q = np.linalg.qr(rng.normal(size=(d, d))).Q
    X = rng.normal(size=(n, d)) * (10.0 / np.arange(1, d + 1)) @ Q
    spec = fi.GLM("squared", l2=l2, fit_intercept=fit_intercept)
    y = X[:, 0] + rng.normal(size=n)
    return spec, X, y, np.zeros(d + fit_intercept)


def solve(problem, preconditioner, V):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        infl = fi.Influence(*problem, solver=CG(preconditioner=preconditioner))
        return infl.ihvp(V), infl


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_fewer_iterations_and_the_same_solution(rng, fit_intercept):
    problem = ill_conditioned(rng, fit_intercept)
    V = rng.normal(size=(len(problem[3]), 1))  # several would share a space with Jacobi
    jacobi, infl = solve(problem, fi.solvers.Jacobi(), V)
    nystrom, _ = solve(problem, Nystrom(rank=60), V)
    expected = np.linalg.solve(infl.hessian.dense(), V)
    assert nystrom.converged.all()
    assert np.linalg.norm(nystrom.x - expected) <= 1e-5 * np.linalg.norm(expected)
    assert nystrom.iterations.max() <= jacobi.iterations.min() / 4
    assert solve(problem, Nystrom(), V)[0].iterations.max() <= jacobi.iterations.min() / 4


def test_higher_ranks_need_fewer_steps(rng):
    problem = ill_conditioned(rng)
    V = rng.normal(size=(len(problem[3]), 1))
    steps = [int(solve(problem, Nystrom(rank=r), V)[0].iterations[0]) for r in (5, 20, 80)]
    assert steps[0] > steps[1] > steps[2]


@pytest.mark.parametrize("name", ["squared unpenalised", "squared damped", "logistic sum l2 each"])
def test_full_rank_solves_in_a_few_steps(name, rng):
    b = build(next(c for c in CASES if c.name == name))
    p = len(b.theta)
    infl = b.influence(solver=CG(preconditioner=Nystrom(rank=1000)))
    solution = infl.ihvp(rng.normal(size=(p, 2)))
    free = int((infl.hessian.shift == 0).sum())
    assert solution.converged.all()
    assert solution.iterations.max() <= 2 + free
    assert infl._prepared.preconditioner.rank <= p


def test_eigenvalues_are_those_of_the_penalised_scaling(rng):
    problem = ill_conditioned(rng, fit_intercept=False)
    _, infl = solve(problem, None, np.ones((120, 1)))
    H, l2 = infl.hessian.dense(), infl.hessian.shift
    exact = np.linalg.eigvalsh((H - np.diag(l2)) / np.sqrt(np.outer(l2, l2)))[::-1]
    found = Nystrom(rank=60).prepare(infl.hessian).eigenvalues
    assert np.all(found <= exact[: len(found)] * (1 + 1e-9))  # Nyström approximates from below
    np.testing.assert_allclose(found[:10], exact[:10], rtol=0.05)


def test_adaptive_rank_stops_where_nothing_is_gained(rng):
    flat = rng.normal(size=(3000, 300))
    problem = fi.GLM("squared", l2=1e-6), flat, flat[:, 0], np.zeros(301)
    _, infl = solve(problem, None, np.ones((301, 1)))
    assert Nystrom().prepare(infl.hessian).rank <= 64
    steep = ill_conditioned(rng, l2=1e-2)
    _, infl = solve(steep, None, np.ones((121, 1)))
    found = Nystrom().prepare(infl.hessian)
    assert found.rank >= 32


def test_same_seed_same_bits(rng):
    problem = ill_conditioned(rng)
    V = rng.normal(size=(len(problem[3]), 1))
    one, two = (solve(problem, Nystrom(rank=20), V)[0].x for _ in range(2))
    np.testing.assert_array_equal(one, two)
