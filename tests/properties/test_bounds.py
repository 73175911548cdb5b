"""Numbers at the edge: what is called a bound holds, at any condition, against exact arithmetic.

The truth is Σ c_i x_i x_iᵀ + penalty, with the rows' curvatures c_i as they were computed, summed
and solved in 60 digits.
"""

import warnings

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties.problems import build, muted
from properties.strategies import fewer, words
from reference_losses import Array

import fastinfluence as fi

pytestmark = pytest.mark.filterwarnings("ignore::fastinfluence.FastInfluenceWarning")
DIGITS = 60
CONDITIONS = [10.0**k for k in (2, 8, 12, 13, 14, 16, 18)]
SOLVERS = {
    "direct": lambda: fi.solvers.Direct("primal"),
    "cg": lambda: fi.solvers.CG(tol=1e-10),
    "nystrom": lambda: fi.solvers.CG(tol=1e-10, preconditioner=fi.solvers.Nystrom(rank=3)),
}


def of_condition(condition: float, l2: float, loss: str, solver: object) -> "fi.Influence":
    """A model whose unpenalised curvature has about this condition number."""
    rng = np.random.default_rng(7)
    n, d = 14, 4
    U = np.linalg.qr(rng.normal(size=(n, d)))[0]
    V = np.linalg.qr(rng.normal(size=(d, d)))[0]
    X = U * np.geomspace(1, condition**-0.5, d) @ V.T * n**0.5
    theta = 0.1 * rng.normal(size=d)
    y = np.arange(n) % 2
    spec = fi.GLM(loss, l2=l2, fit_intercept=False)
    with muted():
        return fi.Influence(spec, X, y, theta, solver=solver, n_threads=1)


def exact_solution(infl: "fi.Influence", B: np.ndarray, scale: float | np.ndarray = 1.0) -> Array:
    """H⁻¹B in exact arithmetic, rounded once; ``scale`` (p,) holds powers of two."""
    engine = infl._engine
    X = np.asarray(engine.design(infl._problem.rows.take(np.arange(infl.n_rows)))) / scale
    penalty, sides = infl._problem.penalty / scale / scale, (B.T / scale)
    with mpmath.workdps(DIGITS):
        rows, W = mpmath.matrix(X.tolist()), mpmath.mpf(infl._problem.W)
        shares = [mpmath.mpf(float(c)) / W for c in infl._problem.w * engine.d2]
        H = mpmath.matrix(X.shape[1])
        for j in range(X.shape[1]):
            for k in range(j + 1):
                terms = (c * rows[i, j] * rows[i, k] for i, c in enumerate(shares))
                H[j, k] = H[k, j] = mpmath.fsum(terms)
            H[j, j] += mpmath.mpf(float(penalty[j]))
        solved = [mpmath.lu_solve(H, mpmath.matrix(b.tolist())) for b in sides]
        return (np.array([[float(v) for v in x] for x in solved]) / scale).T


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("l2", [0.0, 1e-16, 1e-12, 1e-6])
@pytest.mark.parametrize("solver", SOLVERS)
def test_what_is_called_a_bound_is_one_at_any_condition(solver, l2, loss):
    certain = 0
    for condition in CONDITIONS:
        infl = of_condition(condition, l2, loss, SOLVERS[solver]())
        B = np.random.default_rng(3).normal(size=(4, 2))
        with muted():
            found = infl.ihvp(B)
        error = np.linalg.norm(found.x - exact_solution(infl, B), axis=0)
        certain += found.bound_is_certain
        if found.bound_is_certain:
            assert (error <= found.error_bound).all(), (condition, error, found.error_bound)
        else:  # the curvature is lost in its own rounding, or conjugate gradients know no floor
            assert condition >= 1e14 or solver != "direct"
    always = l2 > 1e-14 or (l2 > 0 and solver != "direct")
    assert certain >= (len(CONDITIONS) if always else 4 * (solver == "direct"))


def test_a_minimum_norm_solution_is_told_and_bounds_nothing():
    infl = of_condition(1e16, 0.0, "squared", fi.solvers.Direct("primal"))
    with pytest.warns(fi.FastInfluenceWarning, match="H is singular"):
        found = infl.ihvp(np.ones((4, 1)))
    assert not found.bound_is_certain


def test_the_smallest_eigenvalue_is_not_above_the_exact_one():
    for condition in CONDITIONS:
        infl = of_condition(condition, 0.0, "squared", fi.solvers.Direct("primal"))
        known = infl._prepared.conditioning
        inverse = exact_solution(infl, np.eye(4))
        if known.certain:
            assert known.lambda_min <= 1 / np.linalg.eigvalsh(inverse)[-1] * (1 + 1e-12)


@pytest.mark.parametrize("l2", [0.0, 1e-12, 1e-3])
def test_a_report_calls_a_bound_what_is_one(l2):
    for condition in CONDITIONS:
        infl = of_condition(condition, l2, "logistic", "auto")
        with muted():
            report = infl.report()
        side = infl._engine.row_gradients(np.zeros(1, dtype=int)).T
        error = np.linalg.norm(infl._prepared.apply(side.copy()) - exact_solution(infl, side))
        if report.error_bound_is_certain:
            assert error <= report.error_bound, condition
        assert f"H⁻¹b‖ {'≤' if report.error_bound_is_certain else 'about'} " in str(report)
        if condition >= 1e14 and l2 == 0:
            assert report.warnings


@fewer(2)
@given(words(far=300), st.sampled_from(("direct", "cg")))
def test_bounds_hold_in_any_units(w, solver):
    """Of columns of any scale, penalised or not, weighted or not."""
    b = build(w)
    chosen = fi.solvers.CG(tol=1e-6) if solver == "cg" else fi.solvers.Direct("primal")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        infl = b.influence(solver=chosen)
        B = np.random.default_rng(w.seed).normal(size=(len(b.scale), 2)) * b.scale[:, None]
        found = infl.ihvp(B)
    if found.bound_is_certain:
        with np.errstate(over="ignore"):
            error = np.linalg.norm(found.x - exact_solution(infl, B, b.scale), axis=0)
        assert (error <= found.error_bound).all()
