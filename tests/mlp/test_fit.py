"""Fits of networks end where they say, and removals from there are true."""

import importlib
import warnings

import numpy as np
import pytest
from mlp_cases import Case, build

import fastinfluence as fi

RNG = np.random.default_rng(3)
X = RNG.normal(size=(120, 3))
SIGNAL = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]
TARGETS = {
    "logistic": (SIGNAL + RNG.logistic(size=120) > 0).astype(int),
    "multinomial": np.digitize(SIGNAL + RNG.normal(size=120), [-0.5, 0.5]),
    "squared": SIGNAL + 0.3 * RNG.normal(size=120),
    "gamma": RNG.gamma(4.0, np.exp(0.5 * SIGNAL) / 4),
}
ACTIVATIONS = ["tanh", "softplus", "gelu", "silu", "sigmoid", "identity"]


def fitted(loss="logistic", activation="tanh", l2=0.02, **options) -> fi.Influence:
    spec = fi.MLP((4,), activation, loss, l2=l2, **options)
    return fi.Influence.fit(spec, X, TARGETS[loss], tol=1e-9)


@pytest.mark.parametrize("loss", TARGETS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_fit_ends_at_a_minimum(loss, activation):
    infl = fitted(loss, activation)
    assert infl.fit_status.stationary, infl.fit_status.message
    assert infl.gradient_norm <= 1e-8
    H = infl.hessian.dense()
    assert np.linalg.eigvalsh(H)[0] > -1e-8 * np.abs(H).max()


def test_seeds_and_starts():
    spec = fi.MLP((4,), l2=0.02)
    y = TARGETS["logistic"]
    first, same, other = (fi.Influence.fit(spec, X, y, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.theta, same.theta)
    assert np.abs(first.theta - other.theta).max() > 1e-3
    again = fi.Influence.fit(spec, X, y, theta=first.theta)
    np.testing.assert_allclose(again.theta, first.theta, atol=1e-7)
    with pytest.raises(fi.InputError, match="GLM starts from zeros"):
        fi.Influence.fit(fi.GLM("logistic"), X, y, seed=1)


def test_a_loss_with_an_edge_starts_inside():
    loss = fi.families.gamma(link="identity")
    spec = fi.MLP((3,), "tanh", loss, l2=0.1)
    infl = fi.Influence.fit(spec, X, TARGETS["gamma"])
    assert infl.gradient_norm <= 1e-9
    assert (infl._engine.f > 0).all()


def test_a_kink_is_no_stationary_point():
    spec = fi.MLP((6,), "relu", "logistic", l2=0.01)
    with pytest.warns(fi.FastInfluenceWarning, match="not stationary"):
        infl = fi.Influence.fit(spec, X, TARGETS["logistic"])
    assert not infl.fit_status.stationary
    with pytest.raises(fi.NoOptimumError, match="exact removal starts from an optimum"):
        infl.leave_one_out([0], method="exact")


@pytest.mark.parametrize("loss", TARGETS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_exact_and_newton_removals(loss, reduction):
    """Exact: ∇R without the row vanishes, by a second linearisation. Newton: the dense step."""
    l2 = 0.02 if reduction == "mean" else 2.4
    infl = fitted(loss, l2=l2, reduction=reduction)
    rows = [0, 17, 60]
    exact = infl.leave_one_out(rows, method="exact")
    newton = infl.leave_one_out(rows, method="newton")
    influence = infl.leave_one_out(rows, method="influence")
    y = TARGETS[loss]
    for k, i in enumerate(rows):
        keep = np.delete(np.arange(120), i)
        spec = infl.spec
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fi.FastInfluenceWarning)  # theta is not its optimum
            at = fi.Influence(spec, X[keep], y[keep], infl.theta)
        assert fi.Influence(spec, X[keep], y[keep], exact.theta[k]).gradient_norm <= 2e-10
        inverse = np.linalg.pinv(at.hessian.dense(), rcond=1e-10, hermitian=True)
        step = inverse @ at._engine.gradient
        np.testing.assert_allclose(newton.theta[k], infl.theta - step, atol=1e-8)
    moved = exact.theta - infl.theta
    for close in (newton, influence):
        left = np.linalg.norm(close.theta - exact.theta, axis=1)
        assert np.median(left / np.linalg.norm(moved, axis=1)) < 0.5


def test_groups_and_without():
    infl = fitted()
    groups = [np.arange(5), np.array([40, 41])]
    exact = infl.leave_group_out(groups, method="exact")
    assert (exact.gradient_norms <= 1e-10).all()
    other = infl.without(groups[0])
    np.testing.assert_allclose(other.theta, exact.theta[0], atol=1e-7)
    newton = infl.leave_group_out(groups, method="newton")
    assert np.abs(newton.theta - exact.theta).max() < np.abs(exact.theta - infl.theta).max()


def test_products_serve_where_no_factor_does(monkeypatch):
    """Newton and exact through conjugate gradients, as for large networks."""
    infl = fitted()
    rows = [3, 50]
    dense = [infl.leave_one_out(rows, method=m).theta for m in ("newton", "exact")]
    module = importlib.import_module("fastinfluence.removal.leave_out")
    monkeypatch.setattr(module, "MOST_PARAMETERS", 0)
    monkeypatch.setattr("fastinfluence.descent.DENSE", 0)
    found = [infl.leave_one_out(rows, method=m).theta for m in ("newton", "exact")]
    np.testing.assert_allclose(found, dense, atol=1e-6)


def test_polish_reaches_the_optimum():
    infl = fitted()
    near = fi.Influence(infl.spec, X, TARGETS["logistic"], infl.theta + 1e-3)
    np.testing.assert_allclose(near.polish().theta, infl.theta, atol=1e-6)


def test_newton_away_from_the_optimum_drops_the_drift():
    built = build(Case("drift", n=40, l2=0.3))
    problem = built.problem
    with pytest.warns(fi.FastInfluenceWarning, match="far from the optimum"):
        infl = built.influence()
    found = infl.leave_one_out([4], method="newton").theta[0]
    less = problem.without([4])
    wanted = problem.theta - np.linalg.solve(less.hessian(), less.gradient() - problem.gradient())
    np.testing.assert_allclose(found, wanted, atol=1e-9)
