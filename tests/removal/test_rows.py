"""Leaving out one row: every method of every case against the dense reference."""

import warnings

import numpy as np
import pytest
import reference
from cases import CASES, FURTHER, assert_close, build, named

import fastinfluence as fi

METHODS = ("influence", "newton", "exact")
# theta to 1e-9, exact to 1e-8: its last digits are the stopping rule's.
TOLERANCE = {"influence": 1e-9, "newton": 1e-9, "exact": 1e-8}
KINKED = ("huber", "squared_hinge")
ALL = named(CASES + tuple(c for c in FURTHER if c.loss not in KINKED))
ROWS = [0, 3, 7, 21, 58]


def leave_out(b, method, rows=ROWS, **options):
    """Return the library's and the reference's removal of single rows."""
    actual = b.influence(**options).leave_one_out(rows=rows, method=method)
    return actual, reference.leave_one_out(b.problem, rows, method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", **ALL)
def test_theta(case, method):
    actual, expected = leave_out(build(case), method)
    assert_close(actual.theta, expected.theta, rtol=TOLERANCE[method])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", **ALL)
def test_change_of_theta(case, method):
    """The change is what users look at, and it is small beside theta: compare it itself."""
    b = build(case)
    actual, expected = leave_out(b, method)
    moved = expected.theta - expected.old
    scale = max(1.0, float(np.abs(b.theta).max()))
    atol = 1e-12 if method != "exact" else 1e-9
    assert_close(actual.theta - expected.old, moved, rtol=1e-8, atol=atol * scale)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", **ALL)
def test_new_minus_old(case, method):
    """For exact, old is the optimum too, wherever theta was: the drift to it cancels."""
    b = build(case)
    actual, expected = leave_out(b, method)
    Xt, offset = b.X_test, {"offset_test": b.offset_test}
    tolerance = {"rtol": 1e-8, "atol": 1e-12 if method != "exact" else 1e-8}
    assert_close(
        actual.on_loss(Xt, b.y_test, **offset),
        expected.on_loss(Xt, b.y_test, **offset),
        **tolerance,
    )
    outputs = ["raw"] + ["mean"] * (b.problem.pointwise.mean is not None)
    for output in outputs:
        assert_close(
            actual.on_prediction(Xt, output=output, **offset),
            expected.on_prediction(Xt, output, **offset),
            **tolerance,
        )


@pytest.mark.parametrize("case", **ALL)
def test_exact_is_stationary_and_says_so(case):
    b = build(case)
    actual, _ = leave_out(b, "exact")
    norms = reference.gradient_norms(b.problem, [[i] for i in ROWS], actual.theta)
    scale = b.problem.total if case.reduction == "sum" else 1.0
    assert norms.max() <= 1e-9 * scale
    assert np.shape(actual.gradient_norms) == (len(ROWS),)
    assert np.max(actual.gradient_norms) <= 1e-9 * scale
    assert np.all(np.abs(actual.gradient_norms - norms) <= 1e-11 * scale)
    assert np.shape(actual.iterations) == (len(ROWS),)


@pytest.mark.parametrize("case", **named(tuple(c for c in CASES if c.loss == "squared")))
def test_newton_is_exact_for_squared_loss(case):
    """One Newton step from the optimum of a quadratic lands: in both forms, weighted or not."""
    if not case.at_optimum:
        case = case.__class__(**{**vars(case), "at_optimum": True})
    infl = build(case).influence()
    newton = infl.leave_one_out(method="newton").theta
    exact = infl.leave_one_out(method="exact").theta
    assert_close(newton, exact, rtol=1e-10)
    assert_close(newton, reference.leave_one_out(build(case).problem, range(case.n), "exact").theta)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", **named(CASES[:4] + CASES[9:12] + CASES[13:16]))
def test_all_rows_by_default(case, method):
    b = build(case)
    actual = b.influence().leave_one_out(method=method)
    expected = reference.leave_one_out(b.problem, range(case.n), method)
    assert_close(actual.theta, expected.theta, rtol=TOLERANCE[method])
    assert actual.on_loss(b.X_test, b.y_test, offset_test=b.offset_test).shape == (7, case.n)


@pytest.mark.parametrize("case", **named(CASES[:2] + CASES[9:11]))
def test_influence_method_is_on_params(case):
    b = build(case)
    infl = b.influence()
    removed = infl.leave_one_out(rows=ROWS, method="influence")
    assert_close(removed.theta - b.theta, infl.on_params(ROWS), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("case", **named(tuple(c for c in CASES if c.loss == "logistic")))
def test_newton_is_closer_than_influence(case):
    b = build(case)
    if not case.at_optimum:
        pytest.skip("away from the optimum the three answer different questions")
    exact = reference.leave_one_out(b.problem, range(case.n), "exact").theta
    infl = b.influence(damping=0.0)
    error = {
        m: np.linalg.norm(infl.leave_one_out(method=m).theta - exact)
        for m in ("influence", "newton")
    }
    assert error["newton"] < 0.5 * error["influence"]


def test_the_sign_is_that_of_on_loss():
    b = build(CASES[10])
    infl = b.influence()
    predicted = infl.on_loss(b.X_test, b.y_test)
    actual = infl.leave_one_out(method="exact").on_loss(b.X_test, b.y_test)
    assert np.corrcoef(predicted.ravel(), actual.ravel())[0, 1] > 0.95
    assert abs(np.polyfit(predicted.ravel(), actual.ravel(), 1)[0] - 1) < 0.2


def test_a_wrong_removal_is_seen():
    """Forgetting that the mean form divides by a smaller total is seen by the theta test."""
    b = build(CASES[0])
    fixed_total = reference.replace(b.problem, reduction="sum", l2=b.problem.l2 * b.problem.total)
    wrong = reference.leave_one_out(fixed_total, ROWS, "exact").theta
    right = reference.leave_one_out(b.problem, ROWS, "exact").theta
    with pytest.raises(AssertionError, match="off by"):
        assert_close(wrong, right, rtol=1e-8)


def test_exact_from_far_away_still_lands():
    """theta = 0 is far from the optimum; exact polishes first and does not depend on the start."""
    b = build(CASES[9])
    with pytest.warns(fi.FastInfluenceWarning):
        infl = fi.Influence(b.spec(), b.X, b.y, np.zeros_like(b.theta))
    removed = infl.leave_one_out(rows=ROWS, method="exact")
    expected = reference.leave_one_out(b.problem, ROWS, "exact")
    assert_close(removed.theta, expected.theta, rtol=1e-8)


def test_a_row_of_huge_leverage():
    """Removing a row that holds a direction almost alone is where a plain rank-one step is weak."""
    rng = np.random.default_rng(11)
    X = rng.normal(size=(50, 3))
    X[4] = [40.0, 0.0, 0.0]
    y = (rng.uniform(size=50) < 0.5).astype(float)
    spec = fi.GLM("logistic", l2=1e-4)
    infl = fi.Influence.fit(spec, X, y)
    removed = infl.leave_one_out(method="exact")
    problem = reference.Problem(
        "logistic", X, y, infl.theta, np.ones(50), np.zeros(50), np.array([1e-4] * 3 + [0.0]),
        True, "mean",
    )  # fmt: skip
    expected = reference.leave_one_out(problem, range(50), "exact")
    assert_close(removed.theta, expected.theta, rtol=1e-7)
    norms = reference.gradient_norms(problem, [[i] for i in range(50)], removed.theta)
    assert norms.max() <= 1e-9


def absurd(n=60):
    """Return counts where row 0 holds down a coefficient: without it, its own mean overflows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 1))
    y = rng.poisson(np.exp(X[:, 0])).astype(float)
    X[0], y[0] = 1000.0, 5.0
    return X, y


@pytest.mark.parametrize("groups", [[[0]], [[0, 1]], [[3], [0], [5]]])
def test_a_removed_row_may_predict_the_absurd(groups):
    """What the model says about a row that is not there any more is nobody's concern."""
    X, y = absurd()
    infl = fi.Influence.fit(fi.GLM("poisson", l2=0.01), X, y)
    removed = infl.leave_group_out(groups, method="exact")
    for theta, group in zip(removed.theta, groups, strict=True):
        keep = np.setdiff1d(np.arange(len(y)), group)
        expected = fi.Influence.fit(fi.GLM("poisson", l2=0.01), X[keep], y[keep]).theta
        assert_close(theta, expected, rtol=1e-7)


def test_a_row_of_weight_zero_may_be_anywhere():
    X, y = absurd()
    w = np.ones(len(y))
    w[0] = 0.0
    spec = fi.GLM("poisson", l2=0.01)
    infl = fi.Influence.fit(spec, X, y, sample_weight=w)
    assert_close(infl.theta, fi.Influence.fit(spec, X[1:], y[1:]).theta, rtol=1e-8)


ILL = [
    pytest.param(name, reduction)
    for name in ("tiny columns", "almost separable", "rare category")
    for reduction in ("mean", "sum")
]


@pytest.mark.parametrize(("name", "reduction"), ILL)
def test_exact_is_exact_in_theta_too(name, reduction):
    """A gradient of 1e-10 says little where the curvature is 1e-6: the step must be small too."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    y = (X.sum(axis=1) + (0.05 if name == "almost separable" else 2.0) * rng.normal(size=80)) > 0
    if name == "tiny columns":
        X *= [1e-4, 1.0, 1.0]
    if name == "rare category":
        X[:, 0] = np.arange(80) < 2
    l2 = 1e-6 if reduction == "mean" else 1e-4
    spec = fi.GLM("logistic", l2=l2, reduction=reduction)
    infl = fi.Influence.fit(spec, X, y)
    removed = infl.leave_one_out(rows=range(10), method="exact")
    for i, theta in enumerate(removed.theta):
        keep = np.arange(80) != i
        truth = fi.Influence.fit(spec, X[keep], y[keep], tol=1e-12).theta
        assert_close(theta, truth, rtol=1e-8)


def test_what_rounding_leaves_undone_is_said(rng):
    """Columns far from their centre: exact removal names the rows where it stopped early."""
    X = rng.normal(size=(80, 4)) + 1e4
    y = (X[:, 0] - 1e4 + rng.logistic(size=80) > 0).astype(float)
    infl = fi.Influence.fit(fi.GLM("logistic", l2=1e-3), X, y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        removed = infl.leave_one_out(method="exact")
    assert len(caught) <= 2
    assert all("scale the columns" in str(w.message) for w in caught)
    assert removed.gradient_norms.max() < 1e-4
