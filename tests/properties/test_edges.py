"""Numbers at the edge: separable rows, leverage 1, labels at the end of their domain.

What is returned is right, or NaN with a warning that says which row, or refused.
"""

import mpmath
import numpy as np
import pytest
from properties.problems import muted

import fastinfluence as fi

GAPS = (1.0, 1e-3, 1e-8, 0.0)


def nearly_separable(gap: float) -> tuple[np.ndarray, np.ndarray, int]:
    """One feature that tells the labels but for one row, on the wrong side by a gap; its place."""
    rng = np.random.default_rng(0)
    X = np.sort(rng.normal(size=(40, 1)), axis=0)
    y = (X[:, 0] > 0).astype(int)
    k = int(np.argmin(np.abs(X[:, 0])))
    X[k] = -np.sign(X[k]) * gap if gap else X[k]
    return X, y, k


def newton_step(X: np.ndarray, y: np.ndarray, l2: float, theta: np.ndarray) -> np.ndarray:
    """The step that a logistic theta with an intercept still is from its optimum, in 60 digits."""
    with mpmath.workdps(60):
        n, t = len(y), [mpmath.mpf(float(v)) for v in theta]
        rows = [[mpmath.mpf(float(x)), mpmath.mpf(1)] for x in X[:, 0]]
        p = [1 / (1 + mpmath.exp(-(r[0] * t[0] + r[1] * t[1]))) for r in rows]
        penalty = [mpmath.mpf(l2), mpmath.mpf(0)]
        g, H = mpmath.matrix(2, 1), mpmath.matrix(2)
        for j in range(2):
            own = (r[j] * (q - int(v)) for r, q, v in zip(rows, p, y, strict=True))
            g[j] = mpmath.fsum(own) / n + penalty[j] * t[j]
            for k in range(2):
                bent = (r[j] * r[k] * q * (1 - q) for r, q in zip(rows, p, strict=True))
                H[j, k] = mpmath.fsum(bent) / n + (penalty[j] if j == k else 0)
        return np.array([float(v) for v in mpmath.lu_solve(H, g)])


@pytest.mark.parametrize("l2", [1e-12, 1e-9, 1e-6, 1e-2])
@pytest.mark.parametrize("gap", GAPS)
def test_nearly_separable_rows_are_fitted_right_or_refused(gap, l2):
    X, y, k = nearly_separable(gap)
    with muted():
        try:
            infl = fi.Influence.fit(fi.GLM("logistic", l2=l2), X, y)
        except fi.NoOptimumError:
            if l2 >= 1e-11:  # an optimum that float64 can tell from none
                raise
            return
        exact = infl.leave_one_out([k], "exact").theta[0]
    size = np.abs(infl.theta).max()
    assert np.abs(newton_step(X, y, l2, infl.theta)).max() < 1e-3 * size
    keep = np.delete(np.arange(len(y)), k)
    if np.isfinite(exact).all():
        step = newton_step(X[keep], y[keep], l2, exact)
        assert np.abs(step).max() < 1e-3 * np.abs(exact).max()


@pytest.mark.parametrize("gap", GAPS)
def test_separable_rows_without_a_penalty_are_refused(gap):
    """A row on the wrong side keeps the optimum finite; without that row it is not."""
    X, y, k = nearly_separable(gap)
    if gap < 1.0:  # a threshold other than zero tells the labels
        with pytest.raises(fi.FastInfluenceError, match="no finite optimum"):
            fi.Influence.fit(fi.GLM("logistic", l2=0.0), X, y)
        return
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.0), X, y)
    assert np.abs(newton_step(X, y, 0.0, infl.theta)).max() < 1e-6
    with pytest.warns(fi.FastInfluenceWarning, match=f"without row {k} .* no unique finite"):
        assert np.isnan(infl.leave_one_out([k], "exact").theta).all()


def alone(eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows of which number 4 holds a column alone, but for row 5's ``eps``."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(20, 3))
    X[:, 2] = 0.0
    X[4, 2], X[5, 2] = 1.0, eps
    return X, rng.normal(size=20)


@pytest.mark.parametrize("method", ["newton", "exact"])
@pytest.mark.parametrize("groups", [[[4]], [[4, 7]], [[4, 1, 2, 3, 8]]])
def test_a_row_whose_removal_makes_the_problem_singular(groups, method):
    infl = fi.Influence.fit(fi.GLM("squared", l2=0.0), *alone(0.0))
    sets = [*groups, [6]]
    with pytest.warns(fi.FastInfluenceWarning, match="leverage 1"):
        theta = infl.leave_group_out(sets, method).theta
    assert np.isnan(theta[0]).all()
    assert np.isfinite(theta[1]).all()


def test_a_row_of_leverage_one_has_no_diagnostics_of_its_removal():
    infl = fi.Influence.fit(fi.GLM("squared", l2=0.0), *alone(0.0))
    found = infl.diagnostics()
    assert abs(found.leverage[4] - 1) < 1e-12
    for name in ("cooks_distance", "loo_prediction", "studentized_external"):
        values = getattr(found, name)
        assert np.isnan(values[4]), name
        assert np.isfinite(np.delete(values, 4)).all(), name


@pytest.mark.parametrize("eps", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-7, 1e-10])
@pytest.mark.parametrize("method", ["newton", "exact"])
def test_almost_leverage_one_is_right_or_nan(method, eps):
    """1 − h is about eps²: what a pivot of 1e-9 leaves of 16 digits, or nothing at all."""
    X, y = alone(eps)
    infl = fi.Influence.fit(fi.GLM("squared", l2=0.0), X, y)
    with muted():
        found = infl.leave_one_out([4], method).theta[0]
    keep = np.delete(np.arange(20), 4)
    A = np.column_stack([X[keep], np.ones(19)])
    unit = np.abs(A).max(axis=0)
    wanted = np.linalg.lstsq(A / unit, y[keep], rcond=None)[0]
    if eps**2 > 1e-8:
        assert np.isfinite(found).all()
    if np.isfinite(found).all():
        assert np.abs(found * unit - wanted).max() < 1e-6 * np.abs(wanted).max()


def test_counts_of_zero():
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(30, 2)), np.zeros(30)
    for spec in (fi.GLM("poisson", l2=0.0), fi.GLM("poisson", l2=0.1)):
        with pytest.raises(fi.FastInfluenceError, match="intercept"):
            fi.Influence.fit(spec, X, y)
    spec = fi.GLM("poisson", l2=0.1, penalize_intercept=True)
    assert np.isfinite(fi.Influence.fit(spec, X, y).self_influence()).all()
    y[3] = 2.0
    infl = fi.Influence.fit(fi.GLM("poisson", l2=0.1), X, y)
    with pytest.warns(fi.FastInfluenceWarning, match="without row 3"):
        theta = infl.leave_one_out([3, 4], "exact").theta
    assert np.isnan(theta[0]).all()
    other = fi.Influence.fit(fi.GLM("poisson", l2=0.1), np.delete(X, 4, 0), np.delete(y, 4)).theta
    np.testing.assert_allclose(theta[1], other, rtol=1e-8)


@pytest.mark.parametrize("link", ["log", "inverse"])
@pytest.mark.parametrize("small", [1e-3, 1e-30, 1e-150, 1e-300, 5e-324])
def test_positive_labels_near_zero(link, small):
    """A gamma label near 0 is as good as 0, which the loss's derivatives in f are defined at."""
    rng = np.random.default_rng(3)
    X, y = np.abs(rng.normal(size=(30, 2))), rng.gamma(2.0, size=30)
    scores = []
    for value in (small, 5e-324):
        y[7] = value
        infl = fi.Influence.fit(fi.GLM(fi.families.gamma(link=link), l2=0.0), X, y)
        scores.append((infl.theta, infl.self_influence(), infl.leave_one_out([7], "exact").theta))
    for one, other in zip(*scores, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, other, rtol=1e-7 + 10 * small)
    y[7] = 0.0
    with pytest.raises(fi.InputError, match="positive"):
        fi.Influence.fit(fi.GLM(fi.families.gamma(link=link), l2=0.0), X, y)


@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_labels_of_any_unit(unit):
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(30, 2)), rng.normal(size=30)
    one = fi.Influence.fit(fi.GLM("squared", l2=0.0), X, y)
    other = fi.Influence.fit(fi.GLM("squared", l2=0.0), X, y * unit)
    np.testing.assert_allclose(other.theta / unit, one.theta, rtol=1e-9)
    np.testing.assert_allclose(
        other.self_influence() / unit / unit, one.self_influence(), rtol=1e-9
    )
