"""What "auto" chooses, and what it says about it."""

import sys
import warnings

import numpy as np
import pytest
from scipy import sparse

import fastinfluence as fi
from fastinfluence.solvers import choose, cost
from fastinfluence.solvers.spectrum import bordered_floor, lanczos, smallest_eigenvalue


def linearised(n, d, l2=0.1, loss="squared", scale=1.0, **options):
    rng = np.random.default_rng([n, d])
    X = rng.normal(size=(n, d)) * scale
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        return fi.Influence(fi.GLM(loss, l2=l2, **options), X, X[:, 0] > 0, np.zeros(d + 1))


@pytest.mark.parametrize(("n", "d", "t", "expected"), [
    (500, 5, 100, "direct"),
    (500, 5, 1, "direct"),
    (30, 900, 100, "direct, dual"),
    (3000, 600, 1, "CG"),
    (3000, 600, 500, "direct"),
])  # fmt: skip
def test_choice(n, d, t, expected):
    choice = choose(linearised(n, d).hessian, n_sides=t)
    assert min(choice.seconds, key=choice.seconds.get) == expected
    assert choice.reason.startswith(f"{expected}: predicted fastest for {t} right-hand sides")
    for name, seconds in choice.seconds.items():
        assert f"{name} {seconds:.1e} s" in choice.reason
    if expected == "CG":
        assert f"about {choice.steps:.0f} CG steps" in choice.reason


def test_every_choice_solves():
    for n, d, t in ((500, 5, 10), (30, 900, 10), (3000, 600, 1)):
        infl = linearised(n, d)
        V = np.random.default_rng(0).normal(size=(d + 1, t))
        solution = choose(infl.hessian, t).solver.prepare(infl.hessian).solve(V)
        assert solution.converged.all()


def test_an_unpenalised_wide_table_has_no_dual():
    choice = choose(linearised(30, 200, l2=0.0).hessian)
    assert "direct, dual" not in choice.seconds


def test_what_is_too_large_to_form_is_not_formed(monkeypatch):
    monkeypatch.setattr(sys.modules["fastinfluence.solvers.choose"], "MAX_DIRECT_BYTES", 1000)
    choice = choose(linearised(400, 30).hessian)
    assert set(choice.seconds) <= {"CG", "CG with Nyström"}
    assert "would take" in choice.reason


def test_the_report_holds_the_choice():
    infl = linearised(500, 5)
    assert "predicted fastest for 100 right-hand sides" in infl.report().solver
    assert "primal form" in infl.report().solver


@pytest.mark.parametrize("more", ["n", "p", "t"])
def test_costs_grow_with_every_size(more):
    size = {"n": 1000, "p": 200, "t": 10}
    small, large = cost.Size(**size), cost.Size(**{**size, more: 4 * size[more]})
    for model in (
        cost.primal,
        cost.dual,
        lambda s: cost.cg(s, 20),
        lambda s: cost.nystrom(s, 50, 9),
    ):
        assert model(large) > model(small)


def test_sparse_rows_are_cheaper_to_pass_over():
    dense, sparse = cost.Size(1000, 200, 10), cost.Size(1000, 200, 10, density=0.01)
    assert cost.products(sparse) < cost.products(dense)


# -- ends of the spectrum ------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_bordered_floor_is_a_tight_lower_bound(loss, scale):
    infl = linearised(60, 8, l2=0.01, loss=loss, scale=scale)
    exact = float(np.linalg.eigvalsh(infl.hessian.dense())[0])
    assert infl.hessian.floor() == 0.0
    floor = bordered_floor(infl.hessian)
    assert 0 < floor <= exact
    assert smallest_eigenvalue(infl.hessian) == (floor, True)


def test_ritz_values_lie_inside_the_spectrum_and_find_its_ends():
    infl = linearised(300, 60, l2=0.0)
    values = np.linalg.eigvalsh(infl.hessian.dense())
    low, high = lanczos(infl.hessian)
    assert values[0] * (1 - 1e-9) <= low <= 1.2 * values[0]
    assert 0.99 * values[-1] <= high <= values[-1] * (1 + 1e-9)
    assert smallest_eigenvalue(infl.hessian).certain is False
    full = lanczos(infl.hessian, steps=61)
    np.testing.assert_allclose(full, values[[0, -1]], rtol=1e-9)


def test_a_solve_for_each_row_is_chosen_for_by_itself():
    """CG for few sides; for self-influence a factorisation, with the same numbers."""
    rng = np.random.default_rng(0)
    X = sparse.random_array((1500, 1200), density=0.005, rng=rng, format="csr")
    spec, y = fi.GLM("logistic", l2=0.1, fit_intercept=False), rng.integers(2, size=1500)
    infl = fi.Influence.fit(spec, X, y)
    assert isinstance(infl._choice.solver, fi.solvers.CG)
    assert infl._choice_for_rows.solver == fi.solvers.Direct("primal")
    asked = fi.Influence(spec, X, y, infl.theta, solver=fi.solvers.CG(tol=1e-12))
    assert asked._choice_for_rows is asked._choice
    np.testing.assert_allclose(infl.self_influence(), asked.self_influence(), rtol=1e-7)
