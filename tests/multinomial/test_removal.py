"""Removed rows and groups of multinomial models: exact against refits of the reference."""

from dataclasses import replace

import numpy as np
import pytest
from softmax_cases import CASES, Case, build

import fastinfluence as fi

GROUPS = [[0, 3, 8, 9], [2], list(range(4, 16)), [1, 20]]
SMALL = [c for c in CASES if c.n >= 50]


def groups_of(built):
    """Sets that leave every class and, without a penalty, a unique optimum."""
    return [[i for i in group if i < built.problem.n_rows - 10] for group in GROUPS]


def refits(problem, groups):
    start = problem.refit(problem.theta)
    return start, np.stack([problem.without(rows).refit(start) for rows in groups])


@pytest.fixture(params=SMALL, ids=lambda case: case.name)
def built(request):
    return build(request.param)


def test_exact_is_a_refit(built):
    problem, infl = built.problem, built.influence()
    rows = [0, 7, 13, 31]
    old, new = refits(problem, [[i] for i in rows])
    removal = infl.leave_one_out(rows, method="exact")
    np.testing.assert_allclose(removal.theta, new, rtol=0, atol=1e-8)
    np.testing.assert_allclose(removal.theta_old, old, rtol=0, atol=1e-8)
    assert (removal.gradient_norms <= 1e-10).all()
    args = (built.X_test, built.y_test, built.offset_test)
    wanted = np.stack([problem.losses(t, *args) - problem.losses(old, *args) for t in new], axis=1)
    np.testing.assert_allclose(removal.on_loss(**built.test()), wanted, rtol=0, atol=1e-9)
    for output in ("raw", "mean"):
        moved = np.stack([answers(built, t, output) - answers(built, old, output) for t in new], 1)
        found = removal.on_prediction(**built.test(labelled=False), output=output)
        assert found.shape == (len(built.X_test), len(rows), problem.K)
        np.testing.assert_allclose(found, moved, rtol=0, atol=1e-8)


def answers(built, theta, output):
    ask = built.problem.raw if output == "raw" else built.problem.probabilities
    return ask(theta, built.X_test, built.offset_test)


def test_newton_is_the_leave_out_step(built):
    problem, infl = built.problem, built.influence()
    rows = [0, 7, 13, 31]
    found = infl.leave_one_out(rows, method="newton").theta
    np.testing.assert_allclose(found, [problem.newton([i]) for i in rows], rtol=0, atol=1e-8)


def test_influence_is_the_sum_of_scores(built):
    infl, groups = built.influence(), groups_of(built)
    each = infl.on_params(np.arange(built.problem.n_rows))
    wanted = built.problem.theta + np.stack([each[g].sum(axis=0) for g in groups])
    found = infl.leave_group_out(groups, method="influence").theta
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-11)


def test_groups(built):
    problem, infl, groups = built.problem, built.influence(), groups_of(built)
    newton = infl.leave_group_out(groups, method="newton").theta
    np.testing.assert_allclose(newton, [problem.newton(g) for g in groups], rtol=0, atol=1e-8)
    _, new = refits(problem, groups)
    exact = infl.leave_group_out(groups, method="exact")
    np.testing.assert_allclose(exact.theta, new, rtol=0, atol=1e-8)
    assert (exact.gradient_norms <= 1e-10).all()


@pytest.mark.parametrize("method", ["newton", "exact"])
@pytest.mark.parametrize("case", [CASES[0], CASES[3], CASES[7]], ids=lambda c: c.name)
def test_every_row_at_once(case, method):
    """Many distinct weights: the shifted factors share one decomposition."""
    built = build(case)
    everything = built.influence().leave_one_out(method=method)
    some = built.influence().leave_one_out([5, 11], method=method)
    np.testing.assert_allclose(everything.theta[[5, 11]], some.theta, rtol=0, atol=1e-8)


@pytest.mark.parametrize("method", ["newton", "exact"])
@pytest.mark.parametrize("case", [CASES[0], CASES[2], CASES[7]], ids=lambda c: c.name)
def test_where_no_factor_fits(case, method, monkeypatch):
    """Each set by its own conjugate gradients gives the same."""
    built, rows = build(case), [0, 7, 13]
    wanted = built.influence().leave_one_out(rows, method=method).theta
    monkeypatch.setattr("fastinfluence.removal.system.MAX_DIRECT_BYTES", 0)
    found = built.influence().leave_one_out(rows, method=method).theta
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-7)


def test_a_class_that_leaves():
    """The last row of a class: with a penalty on everything the optimum without it exists."""
    built = build(Case("one of a kind", penalize_intercept=True, K=3))
    y = np.where(built.problem.y == 2, 0, built.problem.y)
    y[4] = 2
    infl = fi.Influence.fit(built.spec(), built.X, built.names[y], tol=1e-11)
    problem = type(built.problem)(**{**vars(built.problem), "y": y})
    found = infl.leave_one_out([4], method="exact")
    wanted = problem.without([4]).refit(infl.theta)
    np.testing.assert_allclose(found.theta[0], wanted, rtol=0, atol=1e-8)


def test_a_class_that_leaves_without_a_penalty_has_no_optimum():
    built = build(Case("one of a kind, free intercept", K=3))
    y = np.where(built.problem.y == 2, 0, built.problem.y)
    y[4] = 2
    infl = fi.Influence.fit(built.spec(), built.X, built.names[y])
    with pytest.warns(fi.FastInfluenceWarning, match="row 4.*no unique finite optimum"):
        removal = infl.leave_one_out([4, 5], method="exact")
    assert np.isnan(removal.theta[0]).all()
    assert np.isfinite(removal.theta[1]).all()


def test_without_polish_and_validate():
    built = build(CASES[7])
    infl = built.influence()
    reduced = infl.without([3, 4]).without([0])
    wanted = built.problem.without([0, 3, 4]).refit(infl.theta)
    np.testing.assert_allclose(reduced.theta, wanted, rtol=0, atol=1e-8)
    scores = reduced.on_loss(**built.test())
    problem = replace(built.problem.without([0, 3, 4]), theta=wanted)
    gradient = problem.loss_gradients(built.X_test, built.y_test, built.offset_test)
    np.testing.assert_allclose(scores, problem.on_function(gradient, "removal"), atol=1e-8)
    moved = fi.Influence(
        built.spec(), built.X, built.names[built.problem.y], infl.theta + 1e-3, **built.data()
    )
    np.testing.assert_allclose(moved.polish().on_loss(**built.test()), infl.on_loss(**built.test()),
                               atol=1e-9)  # fmt: skip
    check = infl.validate(**built.test(), rows=20)
    assert check.pearson > 0.98
    assert 0.7 < check.slope < 1.5


def test_most_influential_subset_and_flip():
    built = build(Case("mean"))
    infl = built.influence()
    gradient = built.problem.loss_gradients(built.X_test, built.y_test)[0]
    found = infl.most_influential_subset(gradient, 3)
    removed = infl.leave_group_out([found.rows], method="exact")
    change = gradient @ (removed.theta[0] - removed.theta_old)
    assert found.actual == pytest.approx(change, abs=1e-9)
    assert found.actual / found.predicted == pytest.approx(1.0, abs=0.5)
    name = infl._problem.param_names[2]
    assert name == "x0[eel]"
    flip = infl.smallest_flip(fi.targets.coefficient(name), max_rows=25)
    assert flip.attempts[0].predicted != 0


def test_collinear_columns_warn_and_change_nothing():
    """Exact removals of least norm predict what the same model without the column predicts."""
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(80, 2)), rng.integers(0, 3, 80)
    wide = np.column_stack([X, X[:, 0] - X[:, 1]])
    spec = fi.GLM("multinomial", l2=0.0)
    sound, singular = (fi.Influence.fit(spec, table, y) for table in (X, wide))
    wanted = sound.leave_one_out([1, 2], method="exact").on_loss(X[:5], y[:5])
    with pytest.warns(fi.FastInfluenceWarning, match="H is singular: 2 combination"):
        removal = singular.leave_one_out([1, 2], method="exact")
    np.testing.assert_allclose(removal.on_loss(wide[:5], y[:5]), wanted, rtol=0, atol=1e-8)
