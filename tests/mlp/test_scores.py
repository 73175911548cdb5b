"""Scores of small networks against dense algebra on jets, away from optima and at them."""

import warnings

import numpy as np
import pytest
from mlp_cases import VARIANTS, Built, Case, build

import fastinfluence as fi

CASES = pytest.mark.parametrize("case", VARIANTS, ids=lambda case: case.name)
DAMPING = 0.7


def damped(built: Built, **options) -> fi.Influence:
    """Scores at a theta drawn at random, with damping enough for a positive H."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        return built.influence(**{"damping": DAMPING, **options})


def close(found, wanted, rtol=1e-9):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=rtol * max(1e-6, np.abs(wanted).max()))


@CASES
@pytest.mark.filterwarnings("ignore:H has:fastinfluence.FastInfluenceWarning")
@pytest.mark.parametrize("curvature", ["hessian", "gauss-newton"])
@pytest.mark.parametrize("effect", ["removal", "upweight"])
def test_scores(case: Case, curvature: str, effect: str):
    """Every on_* method and self-influence, mean and sum form."""
    built = build(case)
    problem, infl = built.problem, damped(built, curvature=curvature)
    p = len(problem.theta)
    H = problem.hessian(curvature, DAMPING)
    factor = problem.weights / problem.total if effect == "removal" else -np.ones(case.n)
    g = problem.terms()
    test = infl._problem.test_rows(built.X_test, built.y_test, built.offset_test)
    tests = problem.losses(built.X_test, built.y_test, test.offset.reshape(-1, problem.K))
    wanted = tests.g[:, :p] @ np.linalg.solve(H, g.T) * factor
    close(infl.on_loss(**built.test(), effect=effect), wanted)
    rows = np.array([1, 0, 5])
    close(infl.on_params(rows, effect), factor[rows, None] * np.linalg.solve(H, g[rows].T).T)
    own = np.einsum("ij,ji->i", problem.row_gradients(), np.linalg.solve(H, g.T)) * factor
    close(infl.self_influence(effect), own)
    a = np.random.default_rng(1).normal(size=(2, p))
    close(infl.on_function(a, effect=effect), a @ np.linalg.solve(H, g.T) * factor)
    f = problem.raw(built.X_test, test.offset.reshape(-1, problem.K)).g[..., :p]
    wanted = np.einsum("tkp,pn->tnk", f, np.linalg.solve(H, g.T)) * factor[:, None]
    wanted = wanted[:, :, 0] if problem.K == 1 else wanted
    close(infl.on_prediction(**built.test(False), effect=effect), wanted)
    close(infl.hessian.dense(), H)
    close(infl.hessian.diagonal(), H.diagonal())


def test_solvers_agree():
    """CG with either preconditioner and direct solution, with damping or Gauss–Newton."""
    built = build(VARIANTS[0])
    direct = damped(built, solver=fi.solvers.Direct()).on_loss(**built.test())
    for solver in (
        fi.solvers.CG(tol=1e-12),
        fi.solvers.CG(tol=1e-12, preconditioner=None),
        fi.solvers.CG(tol=1e-12, preconditioner=fi.solvers.Nystrom(rank=5)),
    ):
        close(damped(built, solver=solver).on_loss(**built.test()), direct, 1e-7)


def test_softmax_layers_null_directions_need_no_penalty():
    """1_K in each unpenalised row of the output layer: least norm, no warning."""
    case = Case("softmax gauge", loss="multinomial", l2=0.0, n=40, hidden=(2,))
    built = build(case)
    problem = built.problem
    infl = damped(built, damping=0.0, curvature="gauss-newton", solver=fi.solvers.CG(tol=1e-13))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = infl.ihvp(np.random.default_rng(0).normal(size=(len(problem.theta), 1)))
    start = len(problem.theta) - 9
    rows = found.x[start:, 0].reshape(3, 3)
    np.testing.assert_allclose(rows.sum(axis=1), 0.0, atol=1e-9 * np.abs(rows).max())
    H = problem.hessian("gauss-newton")
    wanted = np.linalg.pinv(H, rcond=1e-10, hermitian=True) @ np.random.default_rng(0).normal(
        size=(len(problem.theta), 1)
    )
    close(found.x, wanted, 1e-5)


def test_negative_curvature_is_told_with_the_damping_it_takes():
    built = build(Case("negative", l2=0.0, n=30))
    low = float(np.linalg.eigvalsh(built.problem.hessian())[0])
    assert low < 0
    infl = damped(built, damping=0.0, solver=fi.solvers.CG())
    with pytest.warns(fi.FastInfluenceWarning, match=r"negative curvature.*damping="):
        infl.on_loss(**built.test())
    report = infl.report()
    assert low * (1 + 1e-9) <= report.lambda_min <= 0.9 * low
    assert -low < report.suggested_damping < -2 * low
    assert any("damping=" in text for text in report.warnings)
    mended = damped(built, damping=report.suggested_damping, solver=fi.solvers.CG())
    assert mended.ihvp(np.ones((len(built.problem.theta), 1))).converged.all()
    assert mended.report().suggested_damping == 0.0
