"""The curvature operator, its inverse, and what solvers say about themselves."""

import numpy as np
import pytest
from cases import CASES, FURTHER, assert_close, build, named
from reference_losses import LOSSES
from scipy.sparse.linalg import LinearOperator

import fastinfluence as fi

ALL = named(CASES + FURTHER)


@pytest.mark.parametrize("case", **ALL)
def test_hessian_is_mean_form_plus_damping(case, rng):
    b = build(case)
    operator, H = b.influence().hessian, b.problem.hessian()
    p = len(b.theta)
    V = rng.normal(size=(p, 3))
    assert isinstance(operator, LinearOperator)
    assert operator.shape == (p, p)
    assert operator.dtype == np.float64
    assert_close(operator.dense(), H, rtol=1e-12)
    assert_close(operator.diagonal(), np.diag(H), rtol=1e-12)
    assert_close(operator @ V, H @ V, rtol=1e-12)
    assert_close(operator @ V[:, 0], H @ V[:, 0], rtol=1e-12)
    assert_close(operator.T @ V[:, 0], H @ V[:, 0], rtol=1e-12)


@pytest.mark.parametrize("case", **ALL)
def test_ihvp(case, rng):
    b = build(case)
    V = rng.normal(size=(len(b.theta), 3))
    solution = b.influence().ihvp(V)
    assert_close(solution.x, np.linalg.solve(b.problem.hessian(), V))
    assert np.all(solution.converged)
    assert np.shape(solution.residual_norms) == (3,)
    residual = np.linalg.norm(V - b.problem.hessian() @ solution.x, axis=0)
    assert np.all(np.abs(solution.residual_norms - residual) <= 1e-11)


SOLVERS = {"direct": fi.solvers.Direct, "cg": lambda: fi.solvers.CG(tol=1e-3)}


@pytest.mark.parametrize("case", **ALL)
@pytest.mark.parametrize("solver", SOLVERS)
def test_error_bound_holds_where_it_is_called_one(case, solver, rng):
    """A factor knows lambda_min; CG knows it where all is convex and penalised, else guesses."""
    b = build(case)
    V, H = rng.normal(size=(len(b.theta), 3)), b.problem.hessian()
    solution = b.influence(solver=SOLVERS[solver]()).ihvp(V)
    error = np.linalg.norm(solution.x - np.linalg.solve(H, V), axis=0)
    l2 = b.problem.l2 if case.reduction == "mean" else b.problem.l2 / b.problem.total
    if solver == "direct" or (l2.min() + case.damping > 0 and case.loss in ("squared", "logistic")):
        assert solution.bound_is_certain
    if solver == "cg" and l2.min() + case.damping == 0:
        assert not solution.bound_is_certain
    assert np.shape(solution.error_bound) == (3,)
    if solution.bound_is_certain:
        rounding = 1e-14 * np.linalg.norm(solution.x, axis=0) * np.linalg.cond(H)
        assert np.all(error <= np.asarray(solution.error_bound) * (1 + 1e-9) + rounding)


@pytest.mark.parametrize("case", **ALL)
def test_gradient_norm_is_of_the_objective_named(case):
    b = build(case)
    expected = np.linalg.norm(b.problem.gradient(b.theta))
    assert abs(b.influence().gradient_norm - expected) <= 1e-12 * (1 + expected + b.problem.total)


@pytest.mark.parametrize("case", **ALL)
def test_attributes(case):
    b = build(case)
    infl, spec = b.influence(), b.spec()
    np.testing.assert_array_equal(infl.theta, b.theta)
    assert infl.n_rows == case.n
    assert infl.spec == spec or case.l2 is not spec.l2


@pytest.mark.parametrize("case", **ALL)
def test_conjugate_gradients_agree_with_the_factor(case):
    b = build(case)
    args, offset = (b.X_test, b.y_test), {"offset_test": b.offset_test}
    direct = b.influence(solver=fi.solvers.Direct()).on_loss(*args, **offset)
    cg = b.influence(solver=fi.solvers.CG(tol=1e-12)).on_loss(*args, **offset)
    assert_close(cg, direct, rtol=1e-9)


def test_loose_conjugate_gradients_say_so():
    b = build(CASES[9])
    solution = b.influence(solver=fi.solvers.CG(tol=1e-2)).ihvp(np.ones((len(b.theta), 1)))
    assert 1e-14 < solution.residual_norms[0] <= 1e-2 * np.sqrt(len(b.theta)) * (1 + 1e-9)
    assert np.max(solution.iterations) < len(b.theta)


def test_damping_is_for_scores_only():
    case = next(c for c in CASES if c.name == "logistic damped")
    b = build(case)
    damped, plain = b.influence(), b.influence(damping=0.0)
    assert not np.allclose(damped.on_params([0]), plain.on_params([0]), rtol=1e-3)
    for method in ("newton", "exact"):
        assert_close(
            damped.leave_one_out(rows=[0, 1], method=method).theta,
            plain.leave_one_out(rows=[0, 1], method=method).theta,
            rtol=1e-9,
        )
    assert damped.gradient_norm == plain.gradient_norm


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("curvature", ["gauss-newton", "fisher"])
def test_curvatures_agree_where_the_link_is_canonical(loss, curvature):
    b = build(next(c for c in CASES if c.loss == loss))
    assert_close(b.influence(curvature=curvature).hessian.dense(), b.problem.hessian(), rtol=1e-12)


FISHERS = tuple(c for c in FURTHER if LOSSES[c.loss].fisher is not None)


@pytest.mark.parametrize("case", **named(FISHERS))
def test_fisher_is_the_expected_hessian(case):
    b = build(case)
    p = b.problem
    D, expected = p.design(b.X), p.pointwise.fisher(p.raw(b.theta))
    l2 = p.l2 if case.reduction == "mean" else p.l2 / p.total
    H = D.T @ ((p.weights * expected)[:, None] * D) / p.total + np.diag(l2)
    assert_close(b.influence(curvature="fisher").hessian.dense(), H, rtol=1e-11)


def test_collinear_columns_with_a_penalty_are_fine(rng):
    X = rng.normal(size=(40, 3))
    X = np.column_stack([X, X[:, 0]])
    infl = fi.Influence.fit(fi.GLM("squared", l2=0.1), X, X @ np.ones(4) + rng.normal(size=40))
    assert infl.gradient_norm <= 1e-9
