"""Fitting and polishing: to the optimum of the named objective, or a reason why not."""

import numpy as np
import pytest
import reference
from cases import CASES, FURTHER, assert_close, build, named

import fastinfluence as fi

KINKED = ("huber", "squared_hinge")
ALL = named(CASES + FURTHER)


@pytest.mark.parametrize("case", **ALL)
def test_fit_reaches_the_optimum(case):
    b = build(case)
    infl = fi.Influence.fit(b.spec(), b.X, b.y, damping=case.damping, **b.data())
    scale = b.problem.total if case.reduction == "sum" else 1.0
    optimum = reference.refit(b.problem)
    assert_close(infl.theta, optimum, rtol=1e-8)
    assert np.linalg.norm(b.problem.gradient(infl.theta)) <= 1e-9 * scale
    assert infl.gradient_norm <= 1e-9 * scale


@pytest.mark.parametrize("case", **named(tuple(c for c in CASES if not c.at_optimum)))
def test_polish_goes_to_the_optimum_and_leaves_the_old_one_alone(case):
    b = build(case)
    infl = b.influence()
    polished = infl.polish()
    assert_close(polished.theta, reference.refit(b.problem), rtol=1e-8)
    np.testing.assert_array_equal(infl.theta, b.theta)
    assert polished.gradient_norm < 1e-7 < infl.gradient_norm
    assert polished.n_rows == infl.n_rows


def test_a_looser_tolerance_is_kept():
    b = build(CASES[9])
    loose = fi.Influence.fit(b.spec(), b.X, b.y, tol=1e-3)
    tight = fi.Influence.fit(b.spec(), b.X, b.y, tol=1e-12)
    assert loose.gradient_norm <= 1e-3
    assert tight.gradient_norm <= 1e-12


def test_columns_of_very_different_scale():
    """tol also bounds the Newton step, so a tiny column's coefficient is right as well."""
    rng = np.random.default_rng(3)
    Z = rng.normal(size=(80, 3))
    scale = np.array([1e-3, 1.0, 1e3])
    y = (rng.uniform(size=80) < 1 / (1 + np.exp(-Z.sum(axis=1)))).astype(float)
    spec = fi.GLM("logistic", l2=0.0)
    plain, scaled = fi.Influence.fit(spec, Z, y), fi.Influence.fit(spec, Z * scale, y)
    assert_close(scaled.theta[:3] * scale, plain.theta[:3], rtol=1e-6)


def test_a_start_far_out_is_no_obstacle():
    """Newton without damping diverges from here for the logistic loss."""
    b = build(CASES[9])
    with pytest.warns(fi.FastInfluenceWarning):
        infl = fi.Influence(b.spec(), b.X, b.y, b.theta + 6.0)
    assert_close(infl.polish().theta, b.theta, rtol=1e-8)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_separable_rows_without_a_penalty_are_refused(reduction, fit_intercept):
    X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    spec = fi.GLM("logistic", l2=0.0, reduction=reduction, fit_intercept=fit_intercept)
    with pytest.raises(fi.FastInfluenceError, match=r"(?i)separa") as caught:
        fi.Influence.fit(spec, X, [0, 0, 1, 1])
    assert isinstance(caught.value, RuntimeError)
    assert "l2" in str(caught.value)


def test_separable_rows_with_a_penalty_are_fine():
    X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.1), X, [0, 0, 1, 1])
    assert infl.gradient_norm <= 1e-9


def test_quasi_separable_rows_without_a_penalty_are_refused():
    """A dummy column whose rows all have one label: its coefficient runs off alone."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=60), np.arange(60) < 5])
    y = (rng.uniform(size=60) < 0.5).astype(float)
    y[:5] = 1.0
    with pytest.raises(fi.FastInfluenceError) as caught:
        fi.Influence.fit(fi.GLM("logistic", l2=0.0), X, y)
    assert isinstance(caught.value, RuntimeError)


def test_fit_takes_the_options_of_the_constructor():
    b = build(CASES[9])
    infl = fi.Influence.fit(
        b.spec(), b.X, b.y, solver=fi.solvers.CG(tol=1e-12), damping=0.1, n_threads=1
    )
    assert_close(infl.theta, b.theta, rtol=1e-8)
    damped = reference.replace(b.problem, damping=0.1)
    expected = reference.on_loss(damped, b.X_test, b.y_test, "removal")
    assert_close(infl.on_loss(b.X_test, b.y_test), expected, rtol=1e-8)


def test_fit_agrees_with_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    b = build(CASES[9])
    C = 1 / (b.case.n * b.case.l2)
    model = linear_model.LogisticRegression(C=C, tol=1e-10, max_iter=5000).fit(b.X, b.y)
    infl = fi.Influence.fit(b.spec(), b.X, b.y)
    assert_close(infl.theta, np.append(model.coef_, model.intercept_), rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-9, 1e-5, 1e8])
@pytest.mark.parametrize("name", ["huber", "pseudo_huber", "squared"])
def test_the_units_of_the_label_do_not_decide_when_a_fit_ends(name, scale):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = X @ [1.0, -0.5, 0.2] + rng.normal(size=60)

    def fitted(unit):
        loss = fi.losses.squared() if name == "squared" else None
        loss = loss or getattr(fi.losses, name)(delta=unit)
        return fi.Influence.fit(fi.GLM(loss), X, y * unit)

    np.testing.assert_allclose(fitted(scale).theta / scale, fitted(1.0).theta, atol=1e-5)


def test_a_column_of_one_pixel_does_not_look_far_from_the_optimum():
    """Its gradient cancels nothing, and R cannot fall by moving along it."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(400, 2)), np.eye(400)[:, 7] * 1e-5])
    y = X[:, 0] + rng.logistic(size=400) > 0
    spec = fi.GLM("logistic", l2=0.01)
    theta = fi.Influence.fit(spec, X, y).theta.copy()
    theta[2] += 1e-6  # moves ∇R there by 1e-8, more than all that its sum holds
    infl = fi.Influence(spec, X, y, theta)
    assert infl.gradient_norm > 5e-9
    assert infl.relative_gradient < 1e-6
    theta[0] += 0.1
    with pytest.warns(fi.FastInfluenceWarning, match="far from the optimum"):
        fi.Influence(spec, X, y, theta)
