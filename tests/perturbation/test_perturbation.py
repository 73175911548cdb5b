"""Influence of a training row's values: formulas, complex steps, and retraining after small moves.

The complex step differentiates the reference's own gradient of one row, written so that it takes
complex numbers, without differences: Im l'(x + ih)/h is the derivative to rounding.
"""

from dataclasses import replace

import numpy as np
import pytest
import reference
from cases import CASES, FURTHER, Case, assert_close, build, named
from scipy import special

import fastinfluence as fi

STEP = 1e-30
ROWS = np.array([3, 0, 17])


def sigmoid(f):
    return 1 / (1 + np.exp(-f))


def normal(u):
    return np.exp(-0.5 * u**2) / np.sqrt(2 * np.pi)


# First derivatives in f that take complex f and y; the parameters are those of cases.SPEC_LOSSES.
D1 = {
    "squared": lambda y, f: f - y,
    "logistic": lambda y, f: sigmoid(f) - y,
    "probit": lambda y, f: -(2 * y - 1) * normal((2 * y - 1) * f) / special.ndtr((2 * y - 1) * f),
    "cloglog": lambda y, f: (1 - y) * np.exp(f) - y * np.exp(f) / (np.exp(np.exp(f)) - 1),
    "poisson": lambda y, f: np.exp(f) - y,
    "gamma": lambda y, f: 1 - y * np.exp(-f),
    "inverse_gaussian": lambda y, f: np.exp(-f) - y * np.exp(-2 * f),
    "negative_binomial": lambda y, f: (np.exp(f) - y) / (1 + 0.5 * np.exp(f)),
    "pseudo_huber": lambda y, f: (f - y) / np.sqrt(1 + (f - y) ** 2),
    "logcosh": lambda y, f: np.tanh(f - y),
    "smooth_hinge": lambda y, f: -y * sigmoid((1 - y * f) / 0.5),
    "exponential": lambda y, f: -y * np.exp(-y * f),
    "tweedie": lambda y, f: np.exp(0.5 * f) - y * np.exp(-0.5 * f),
    "gaussian log": lambda y, f: (np.exp(f) - y) * np.exp(f),
}
ANALYTIC = tuple(c for c in CASES + FURTHER if c.loss in D1)


def gradient_along(b, row, x, y, s):
    """Return grad l(x, y)·s at theta, from the formula, for complex x and y."""
    design = np.append(x, 1.0) if b.case.fit_intercept else x
    return D1[b.case.loss](y, design @ b.theta + b.problem.offset[row]) * (design @ s)


def complex_steps(b, rows, s):
    """Return d(grad l_i·s)/dx, (k, d), and d/dy, (k,)."""
    by_x, by_y = np.empty((len(rows), b.case.d)), np.empty(len(rows))
    for k, i in enumerate(rows):
        for j in range(b.case.d):
            x = b.X[i].astype(complex)
            x[j] += 1j * STEP
            by_x[k, j] = gradient_along(b, i, x, b.y[i], s).imag / STEP
        by_y[k] = gradient_along(b, i, b.X[i], b.y[i] + 1j * STEP, s).imag / STEP
    return by_x, by_y


@pytest.mark.parametrize("case", **named(ANALYTIC))
def test_mixed_derivatives_are_those_of_a_complex_step(case, rng):
    b = build(case)
    infl = b.influence()
    s = rng.normal(size=len(b.theta))
    by_x, by_y = complex_steps(b, ROWS, s)
    assert_close(infl._engine.mixed_vjp(ROWS, s), by_x, rtol=1e-10)
    assert_close(infl._engine.label_dot(ROWS, s[:, None])[0], by_y, rtol=1e-10)


def test_most_losses_are_differentiated():
    assert len(D1) >= 14
    assert {c.loss for c in ANALYTIC} == set(D1)


@pytest.mark.parametrize("effect", ["replacement", "upweight"])
@pytest.mark.parametrize("case", **named(ANALYTIC))
def test_scores_are_the_formulas(case, effect):
    b = build(case)
    args, offset = (b.X_test, b.y_test), {"offset_test": b.offset_test}
    gradients = b.problem.loss_gradients(*args, b.offset_test)
    S = np.linalg.solve(b.problem.hessian(), gradients.T)
    share = b.problem.weights[ROWS] / b.problem.total if effect == "replacement" else np.ones(3)
    steps = [complex_steps(b, ROWS, s) for s in S.T]
    infl = b.influence()
    by_x = infl.perturbation(*args, ROWS, effect=effect, **offset)
    assert_close(by_x, np.stack([-share[:, None] * x for x, _ in steps]), rtol=1e-8)
    by_y = infl.perturbation(*args, ROWS, wrt="y", effect=effect, **offset)
    assert_close(by_y, np.stack([-share * y for _, y in steps]), rtol=1e-8)


def retrained_losses(b, row, x, y):
    """Return the test losses at the reference's own optimum with one row replaced, (t,)."""
    X, labels = b.X.copy(), b.y.copy()
    X[row], labels[row] = x, y
    changed = replace(b.problem, X=X, y=labels)
    theta = reference.refit(changed, b.theta)
    f = changed.test_raw(theta, b.X_test, b.offset_test)
    return changed.pointwise.value(b.y_test, f)


SMOOTH = tuple(c for c in ANALYTIC if c.at_optimum and not c.damping)


@pytest.mark.parametrize("case", **named(SMOOTH))
def test_perturbation_is_the_derivative_of_retraining(case):
    """Central differences of the reference's retraining, by every feature of two rows."""
    b = build(case)
    rows, h = [1, 20], 1e-4
    expected = np.empty((len(b.X_test), len(rows), case.d))
    for k, i in enumerate(rows):
        for j in range(case.d):
            step = np.zeros(case.d)
            step[j] = h
            up, down = (retrained_losses(b, i, b.X[i] + c * step, b.y[i]) for c in (1, -1))
            expected[:, k, j] = (up - down) / (2 * h)
    actual = b.influence().perturbation(b.X_test, b.y_test, rows, offset_test=b.offset_test)
    scale = np.abs(expected).max()
    assert np.abs(actual - expected).max() <= 1e-4 * scale


@pytest.mark.parametrize("loss", ["squared", "poisson", "gamma", "logcosh"])
def test_label_influence_is_the_derivative_of_retraining(loss):
    b = build(next(c for c in ANALYTIC if c.loss == loss and c.at_optimum))
    row, h = 20, 1e-4
    up, down = (retrained_losses(b, row, b.X[row], b.y[row] + c * h) for c in (1, -1))
    actual = b.influence().perturbation(
        b.X_test, b.y_test, [row], wrt="y", offset_test=b.offset_test
    )
    assert_close(actual[:, 0], (up - down) / (2 * h), rtol=1e-4)


def test_mixed_derivatives_are_observed_whatever_the_curvature():
    """Fisher changes H, not what a row's gradient does when its features move."""
    b = build(Case("link", "gaussian log", l2=0.1))
    infl = b.influence(curvature="fisher")
    s = np.linspace(-1, 1, len(b.theta))
    by_x, _ = complex_steps(b, ROWS, s)
    assert_close(infl._engine.mixed_vjp(ROWS, s), by_x, rtol=1e-10)
    assert not np.allclose(infl._engine.d2, b.influence()._engine.d2, rtol=1e-3)


# -- through a feature extractor -----------------------------------------------------------


def extractor(rng, d_raw=3, d=4):
    """Return phi(u) = tanh(A u), its inputs for 60 rows, and its vector-Jacobian product."""
    A, U = rng.normal(size=(d, d_raw)), rng.normal(size=(60, d_raw))

    def vjp(rows, G):
        slope = 1 - np.tanh(U[rows] @ A.T) ** 2
        return (G * slope) @ A

    return A, U, vjp


def test_through_an_extractor_against_retraining(rng):
    A, U, vjp = extractor(rng)
    y = (U @ [1.0, -1.0, 0.5] + rng.normal(size=60) > 0).astype(int)
    spec, X_test = fi.GLM("logistic", l2=0.05), np.tanh(rng.normal(size=(5, 3)) @ A.T)
    y_test = np.array([0, 1, 0, 1, 1])
    infl = fi.Influence.fit(spec, np.tanh(U @ A.T), y, tol=1e-12)
    actual = infl.perturbation(X_test, y_test, [4, 9], vjp=vjp)
    assert actual.shape == (5, 2, 3)
    h = 1e-4
    for k, i in enumerate([4, 9]):
        for j in range(3):
            losses = []
            for c in (1, -1):
                moved = U.copy()
                moved[i, j] += c * h
                fitted = fi.Influence.fit(spec, np.tanh(moved @ A.T), y, tol=1e-12)
                f = X_test @ fitted.theta[:-1] + fitted.theta[-1]
                losses.append(np.logaddexp(0, f) - y_test * f)
            expected = (losses[0] - losses[1]) / (2 * h)
            assert np.abs(actual[:, k, j] - expected).max() <= 1e-4 * np.abs(expected).max()


def test_an_extractor_may_take_images(rng):
    b = build(CASES[12])
    images = lambda rows, G: np.einsum("kd,dhw->khw", G, np.ones((4, 5, 6)))  # noqa: E731
    out = b.influence().perturbation(b.X_test, b.y_test, ROWS, vjp=images)
    assert out.shape == (7, 3, 5, 6)
    plain = b.influence().perturbation(b.X_test, b.y_test, ROWS)
    assert_close(out[:, :, 2, 3], plain.sum(axis=2), rtol=1e-10)


WRONG_EXTRACTORS = {
    "not callable": (3, "callable"),
    "flat": (lambda rows, G: G.sum(axis=1), "one entry per row"),
    "other rows": (lambda rows, G: np.zeros((len(rows) + 1, 2)), "one entry per row"),
    "nan": (lambda rows, G: np.full((len(rows), 2), np.nan), "NaN"),
    "text": (lambda rows, G: [["a"]] * len(rows), "numbers"),
    "affine": (lambda rows, G: G + 1.0, "linear"),
    "shape by rows": (lambda rows, G: np.zeros((len(rows), len(rows))), "one shape"),
}


@pytest.mark.parametrize("name", WRONG_EXTRACTORS)
def test_wrong_extractors_are_refused(name):
    vjp, words = WRONG_EXTRACTORS[name]
    b = build(CASES[12])
    with pytest.raises(fi.InputError, match=words):
        b.influence().perturbation(b.X_test, b.y_test, ROWS, vjp=vjp)


MISTAKES = {
    "wrt": (dict(wrt="theta"), "wrt"),
    "effect": (dict(effect="removal"), "replacement"),
    "label through an extractor": (dict(wrt="y", vjp=lambda rows, G: G), "vjp"),
    "rows": (dict(rows=[60]), "60"),
    "columns": (dict(X_test=np.ones((7, 3))), "3"),
    "no labels": (dict(y_test=None), "y_test"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(name):
    changes, words = MISTAKES[name]
    b = build(CASES[12])
    good = {"X_test": b.X_test, "y_test": b.y_test, "rows": ROWS}
    with pytest.raises(fi.InputError, match=words):
        b.influence().perturbation(**{**good, **changes})
