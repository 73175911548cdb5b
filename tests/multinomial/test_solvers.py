"""Solvers on multinomial curvature: all agree with the direct one, also where H is singular."""

from dataclasses import replace

import numpy as np
import pytest
from softmax_cases import CASES, Case, build

import fastinfluence as fi
from fastinfluence.solvers import CG, Direct, LiSSA, Nystrom

ITERATIVE = {
    "CG": CG(tol=1e-12),
    "CG, no preconditioner": CG(tol=1e-12, preconditioner=None),
    "CG, Nyström": CG(tol=1e-12, preconditioner=Nystrom()),
    "dual": Direct("dual"),
}


def close(found, wanted, tol):
    size = max(float(np.abs(wanted).max(initial=0.0)), 1e-300)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tol * size)


@pytest.mark.parametrize("name", ["CG", "CG, no preconditioner", "CG, Nyström"])
def test_conjugate_gradients_agree_with_direct(built, name):
    direct = built.influence(solver=Direct()).on_loss(**built.test())
    found = built.influence(solver=ITERATIVE[name]).on_loss(**built.test())
    close(found, direct, 1e-8)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.penalize_intercept or (not c.fit_intercept and c.l2)],
    ids=lambda c: c.name,
)  # fmt: skip
def test_the_dual_form(case):
    built = build(case)
    V = np.random.default_rng(0).normal(size=(built.problem.theta.size, 3))
    found = built.influence(solver=Direct("dual")).ihvp(V)
    close(found.x, built.problem.solve(V), 1e-9)


@pytest.mark.parametrize("solver", [Direct(), *list(ITERATIVE.values())[:3]], ids=repr)
@pytest.mark.parametrize("case", [CASES[0], CASES[5], CASES[6], CASES[9]], ids=lambda c: c.name)
def test_solutions_of_least_norm(case, solver):
    """Any right-hand side: projected onto the range, no warning, no part along 1_K."""
    built = build(case)
    infl = built.influence(solver=solver)
    V = np.random.default_rng(1).normal(size=(infl.theta.size, 4))
    solution = infl.ihvp(V)
    close(solution.x, built.problem.solve(V), 1e-8)
    free = (built.problem.l2.reshape(-1, case.K) == 0).all(axis=1)
    blocks = solution.x.reshape(-1, case.K, 4)[free]
    assert np.abs(blocks.sum(axis=1)).max() <= 1e-12 * np.abs(solution.x).max()
    assert solution.converged.all()
    assert infl.report().rank_deficiency == 0


def test_a_single_logit_is_taken_in_the_gauge():
    built = build(Case("mean"))
    raw = built.influence().on_prediction(built.X_test)
    coef = build(replace(CASES[0], fit_intercept=False))
    assert np.abs(raw.sum(axis=2)).max() <= 1e-12 * np.abs(raw).max()
    free = coef.influence().on_prediction(coef.X_test)
    assert np.isfinite(free).all()


def test_damping_makes_every_direction_count():
    """(H + λI)⁻¹ exactly, the structural directions included."""
    built = build(next(c for c in CASES if c.name == "damped"))
    infl = built.influence()
    V = np.random.default_rng(1).normal(size=(infl.theta.size, 4))
    wanted = np.linalg.solve(built.problem.hessian(), V)
    for solver in (Direct(), CG(tol=1e-12)):
        close(built.influence(solver=solver).ihvp(V).x, wanted, 1e-9)
    scores = infl.on_loss(**built.test())
    tiny = built.influence(damping=1e-9).on_loss(**built.test())
    plain = built.influence(damping=0.0).on_loss(**built.test())
    close(tiny, plain, 1e-6)
    assert np.abs(scores - plain).max() > 1e-3 * np.abs(plain).max()


def test_collinear_columns_do_warn():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    y = rng.integers(0, 3, 80)
    X = np.column_stack([X, X[:, 0] - X[:, 1]])
    infl = fi.Influence.fit(fi.GLM("multinomial", l2=0.0), X, y)
    with pytest.warns(fi.FastInfluenceWarning, match=r"2 combination\(s\) of x0\[0\]"):
        scores = infl.on_loss(X[:3], y[:3])
    sound = fi.Influence.fit(fi.GLM("multinomial", l2=0.0), X[:, :2], y)
    np.testing.assert_allclose(scores, sound.on_loss(X[:3, :2], y[:3]), atol=1e-8)


LISSA_CASES = [c for c in CASES if c.name in ("mean", "sparse sum", "single", "damped", "counts")]


@pytest.mark.parametrize("case", LISSA_CASES, ids=lambda c: c.name)
@pytest.mark.parametrize("batch", [1, 3])
def test_lissa_is_within_its_standard_error(case, batch):
    built = build(case)
    config = LiSSA(depth=3000, repeats=40, batch=batch, seed=3)
    V = built.problem.loss_gradients(built.X_test, built.y_test, built.offset_test).T
    solution = built.influence(solver=config).ihvp(V)
    gap = np.abs(solution.x - built.problem.solve(V))
    bound = 5 * solution.std_error + solution.bias_bound
    assert (gap <= bound + 1e-12).all()
    assert np.median(solution.std_error) < 0.1 * np.abs(solution.x).max()


@pytest.mark.parametrize("storage", ["dense", "csr", "strided"])
def test_the_compiled_recursion_is_the_plain_one(storage, monkeypatch):
    built = build(Case("recursion", storage="csr" if storage == "csr" else "dense", K=4))
    X = built.X
    if storage == "strided":
        X = np.asfortranarray(X)
    config = LiSSA(depth=60, repeats=2, batch=2, scale=30.0)
    V = np.random.default_rng(0).normal(size=(built.problem.theta.size, 3))
    y, theta = built.names[built.problem.y], built.problem.theta

    def run():
        infl = fi.Influence(built.spec(), X, y, theta, solver=config)
        return infl.ihvp(V).x

    compiled = run()
    from fastinfluence.engines.multinomial_rows import MultinomialRowCurvature

    monkeypatch.setattr(MultinomialRowCurvature, "recurse", None)
    close(compiled, run(), 1e-12)


def test_a_scale_that_is_too_small_diverges_and_says_so():
    built = build(Case("mean"))
    V = np.ones((built.problem.theta.size, 1))
    V[::3] = -2.0
    solution = built.influence(solver=LiSSA(scale=0.05, depth=2000)).ihvp(V)
    assert not solution.converged.any()
    assert "diverged" in solution.status[0]


def test_the_sketch_agrees_with_self_influence(built):
    if not built.case.at_optimum:
        pytest.skip("the fold is not what is estimated")
    infl = built.influence()
    sketched = infl.self_influence(sketch=400)
    gap = np.abs(sketched.values - infl.self_influence())
    assert (gap <= 6 * sketched.std_error + 1e-12).mean() > 0.98


def test_auto_chooses_and_says_why():
    built = build(Case("mean"))
    assert "p = 15" in built.influence().report().solver
    assert built.influence()._choice.solver == Direct("primal")
