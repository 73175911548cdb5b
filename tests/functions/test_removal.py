"""Targets after removals: new minus old at each refit's theta, and in the search for subsets."""

import numpy as np
import pytest
from cases import CASES, build
from functions import dense
from functions.dense import SEVERAL, SINGLE
from subsets.dense import refitted, wald

import fastinfluence as fi

t = fi.targets
GROUPS = [[0, 3, 8], [11], list(range(20, 26))]
FITTED = [k for k in SINGLE if "network" not in k and "zero" not in k]


def targets_of(m, outputs):
    return dense.single_targets(m) if outputs == "single" else dense.several_targets(m)


@pytest.mark.parametrize(
    ("kind", "outputs"),
    [(k, "single") for k in FITTED] + [(k, "several") for k in SEVERAL if k != "network"],
)
def test_exact_is_a_refit(kind, outputs):
    m = (SINGLE if outputs == "single" else SEVERAL)[kind]()
    removal = m.infl.leave_group_out(GROUPS, method="exact")
    old, new = m.refit([]), [m.refit(rows) for rows in GROUPS]
    for name, ask in targets_of(m, outputs).items():
        wanted = np.array([ask.value(theta) for theta in new]) - ask.value(old)
        found = removal.on_function(ask.target)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-7, err_msg=name)
        assert np.abs(wanted).max() > 1e-4, name
        first = m.infl.on_function(ask.target)[0]
        summed = np.array([first[rows].sum() for rows in GROUPS])
        assert np.sign(summed[np.abs(wanted).argmax()]) == np.sign(wanted[np.abs(wanted).argmax()])


@pytest.mark.parametrize("kind", ["network", "network, offset", "several"])
@pytest.mark.parametrize("method", ["influence", "newton"])
@pytest.mark.filterwarnings("ignore::fastinfluence.FastInfluenceWarning")
def test_networks_at_each_theta(kind, method):
    """The value at the removal's own theta, by the reference's predictions there."""
    outputs = "several" if kind == "several" else "single"
    m = SEVERAL["network"]() if kind == "several" else SINGLE[kind]()
    removal = m.infl.leave_one_out([0, 4, 7], method=method)
    for ask in targets_of(m, outputs).values():
        wanted = [ask.value(theta) - ask.value(removal.theta_old) for theta in removal.theta]
        np.testing.assert_allclose(removal.on_function(ask.target), wanted, rtol=1e-8, atol=1e-12)


def test_a_fitted_network():
    """Exact removals of a network at its optimum: first order is their limit for small weights."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(80, 2))
    y = (X[:, 0] * X[:, 1] + 0.5 * rng.normal(size=80) > 0).astype(int)
    w = np.ones(80)
    w[:6] = 1e-3
    spec = fi.MLP((3,), activation="tanh", loss="logistic", l2=0.005, penalize_intercept=True)
    infl = fi.Influence.fit(spec, X, y, sample_weight=w)
    X_test, group = rng.normal(size=(30, 2)), np.arange(30) % 2
    y_test = (X_test[:, 0] > 0).astype(int)
    asked = [t.accuracy(X_test, y_test, 3.0), t.parity_gap(X_test, group), t.auc(X_test, y_test)]
    predicted = infl.on_function(asked)[:, :6]
    removal = infl.leave_one_out(np.arange(6), method="exact")
    actual = np.stack([removal.on_function(target) for target in asked])
    assert np.abs(actual).max() > 1e-7
    np.testing.assert_allclose(actual, predicted, rtol=0, atol=0.01 * np.abs(predicted).max())


def test_what_the_weights_enter():
    """A significance is evaluated where the removed rows weigh nothing."""
    b = build(next(c for c in CASES if c.name == "logistic weighted"))
    removal = b.influence().leave_group_out(GROUPS, method="exact")
    before = wald(refitted(b.problem), 1)
    wanted = [wald(refitted(b.problem.without(rows)), 1) - before for rows in GROUPS]
    np.testing.assert_allclose(removal.on_function(t.significance(1)), wanted, rtol=1e-6)
    total = t.function(lambda theta, w: theta[0] * w.sum(), [1.0, 0, 0, 0, 0])
    W, w = b.problem.total, b.problem.weights
    moved = [
        th[0] * (W - w[rows].sum()) - removal.theta_old[0] * W
        for th, rows in zip(removal.theta, GROUPS, strict=True)
    ]
    np.testing.assert_allclose(removal.on_function(total), moved, rtol=1e-12)


def test_functions_of_theta():
    b = build(next(c for c in CASES if c.name == "squared mean"))
    infl = b.influence()
    removal = infl.leave_one_out([2, 5], method="newton")
    change = removal.theta - removal.theta_old
    gradient = np.arange(5.0)
    x = b.X_test[1]
    wanted = {
        t.coefficient("x2"): change[:, 2],
        t.prediction(x, threshold=3.0): change @ np.append(x, 1.0),
        t.function(4.0, gradient): change @ gradient,
        t.function(lambda th: float(np.exp(th[0])), gradient): np.exp(removal.theta[:, 0])
        - np.exp(removal.theta_old[0]),
        t.function(0.0, gradient, direct=np.ones(60)): change @ gradient - 1.0,
    }
    for target, expected in wanted.items():
        np.testing.assert_allclose(removal.on_function(target), expected, rtol=1e-12, atol=1e-15)


def test_no_optimum_is_nan():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 1)), np.arange(40) % 2
    infl = fi.Influence.fit(fi.GLM("logistic"), X, y)
    with pytest.warns(fi.FastInfluenceWarning, match="no unique"):
        removal = infl.leave_group_out([np.arange(1, 40, 2), [0, 2]], method="exact")
    gap = t.parity_gap(X, y)
    for target in (gap, t.significance(0)):
        found = removal.on_function(target)
        assert np.isnan(found[0])
        assert np.isfinite(found[1])


def test_refit_compares_the_same_procedure():
    """Before and after are the caller's estimator, with the tolerance that it has."""
    linear = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3))
    y = (X[:, 0] + rng.normal(size=90) > 0).astype(int)
    fitted = linear.LogisticRegression(tol=1e-10).fit(X, y)
    infl = fi.Influence.from_estimator(fitted.set_params(tol=0.5), X, y)
    removal = infl.leave_one_out([4], method="refit")
    kept = np.delete(np.arange(90), 4)
    before = linear.LogisticRegression(tol=0.5).fit(X, y)
    after = linear.LogisticRegression(tol=0.5).fit(X[kept], y[kept])
    p, q = after.predict_proba(X)[:, 1], before.predict_proba(X)[:, 1]
    assert np.abs(before.coef_ - fitted.coef_).max() > 1e-4
    group = np.arange(90) % 2
    wanted = (p - q)[group == 1].mean() - (p - q)[group == 0].mean()
    assert removal.on_function(t.parity_gap(X, group))[0] == pytest.approx(wanted, rel=1e-9)


def test_the_gap_that_few_rows_make():
    """smallest_flip and most_influential_subset take these targets, refits included."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(200, 3))
    y = (X[:, 0] + 0.3 * X[:, 1] + rng.normal(size=200) > 0).astype(int)
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.01), X, y)
    X_test = rng.normal(size=(100, 3))
    group = (X_test[:, 1] > 0).astype(int)
    target = t.parity_gap(X_test, group)

    def gap(theta):
        p = dense.sigmoid(X_test @ theta[:3] + theta[3])
        return p[group == 1].mean() - p[group == 0].mean()

    def without(rows):
        kept = np.delete(np.arange(200), rows)
        return fi.Influence.fit(infl.spec, X[kept], y[kept]).theta

    flip = infl.smallest_flip(target)
    assert flip.flipped
    assert flip.value == pytest.approx(gap(infl.theta))
    assert gap(without(flip.rows)) * gap(infl.theta) < 0
    assert "parity gap, 1 − 0" in str(flip)
    subset = infl.most_influential_subset(target, 5)
    assert subset.actual == pytest.approx(gap(without(subset.rows)) - gap(infl.theta), abs=1e-9)
    assert subset.predicted == pytest.approx(infl.on_function(target)[0][subset.rows].sum())
    assert subset.actual == pytest.approx(subset.predicted, rel=0.2)


def test_a_function_may_write_to_what_it_is_given(rng):
    """It is handed copies: neither the model nor a later question sees what it does to them."""
    X = rng.normal(size=(60, 3))
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.1), X, (X[:, 0] > 0).astype(int))
    theta, w = infl.theta.copy(), infl._engine.problem.w.copy()
    removal = infl.leave_group_out([[0, 1], [5]], method="exact")
    wanted = (removal.theta**2).sum(axis=1) - theta @ theta

    def spoiling(values):
        total = float(values @ values)
        values *= 3.0
        return total

    def spoiling_both(values, weights):
        weights[:] = 0.0
        return spoiling(values)

    for value in (spoiling, spoiling_both):
        target = fi.targets.function(value, lambda values: 2 * values)
        assert infl.value(target) == pytest.approx(theta @ theta)
        for _ in range(2):
            np.testing.assert_allclose(removal.on_function(target), wanted, rtol=1e-12)
    slopes = fi.targets.function(lambda values: 0.0, lambda values: np.multiply(values, 2, values))
    infl.on_function(slopes)
    np.testing.assert_array_equal(infl.theta, theta)
    np.testing.assert_array_equal(removal.theta_old, theta)
    np.testing.assert_array_equal(infl._engine.problem.w, w)
