"""Cross-validation, jackknife+ and the infinitesimal jackknife."""

import numpy as np
import pytest

import fastinfluence as fi


@pytest.fixture
def counts(rng):
    X = rng.normal(size=(90, 3))
    return X, rng.poisson(np.exp(0.3 * X.sum(axis=1))).astype(float)


@pytest.mark.parametrize("method", ["newton", "exact"])
def test_cross_validation_is_the_mean_left_out_loss(counts, method):
    X, y = counts
    infl = fi.Influence.fit(fi.GLM("poisson", l2=0.01), X, y)
    found = infl.cross_validation(method)
    losses = []
    for i in range(len(y)):
        keep = np.arange(len(y)) != i
        theta = fi.Influence.fit(fi.GLM("poisson", l2=0.01), X[keep], y[keep]).theta
        f = X[i] @ theta[:-1] + theta[-1]
        losses.append(np.exp(f) - y[i] * f)
    tolerance = 1e-7 if method == "exact" else 0.05
    np.testing.assert_allclose(found.loss, losses, rtol=tolerance, atol=tolerance)
    assert found.score == pytest.approx(np.mean(losses), rel=tolerance)
    assert found.std_error == pytest.approx(np.std(losses, ddof=1) / np.sqrt(len(y)), rel=0.05)


def test_weights_and_offsets_enter_the_score(counts, rng):
    X, y = counts
    w, offset = rng.integers(1, 3, size=len(y)).astype(float), rng.normal(size=len(y)) / 5
    infl = fi.Influence.fit(fi.GLM("poisson"), X, y, sample_weight=w, offset=offset)
    exact, newton = infl.cross_validation("exact"), infl.cross_validation("newton")
    np.testing.assert_allclose(newton.prediction, exact.prediction, atol=0.05)
    assert exact.score == pytest.approx(np.average(exact.loss, weights=w))


def by_hand(X, y, x, alpha):
    """Return the jackknife+ interval from n refits, as the paper writes it."""
    n, low, high = len(y), [], []
    for i in range(n):
        keep = np.arange(n) != i
        theta = np.linalg.lstsq(X[keep], y[keep], rcond=None)[0]
        residual = abs(y[i] - X[i] @ theta)
        low.append(x @ theta - residual)
        high.append(x @ theta + residual)
    rank = int(np.ceil((1 - alpha) * (n + 1)))
    return [sorted(low)[n - rank], sorted(high)[rank - 1]]


def test_jackknife_plus_by_hand(rng):
    X = rng.normal(size=(40, 3))
    y = X.sum(axis=1) + rng.normal(size=40)
    X_test = rng.normal(size=(5, 3))
    infl = fi.Influence.fit(fi.GLM("squared", fit_intercept=False), X, y)
    found = infl.prediction_interval(X_test, alpha=0.2)
    np.testing.assert_allclose(found, [by_hand(X, y, x, 0.2) for x in X_test], rtol=1e-9)


def test_jackknife_plus_covers(rng):
    hits = []
    for _ in range(60):
        X = rng.normal(size=(50, 4))
        y = X.sum(axis=1) + rng.standard_t(3, size=50)
        X_test = rng.normal(size=(20, 4))
        y_test = X_test.sum(axis=1) + rng.standard_t(3, size=20)
        infl = fi.Influence.fit(fi.GLM("squared"), X, y)
        low, high = infl.prediction_interval(X_test, alpha=0.1).T
        hits.append(np.mean((y_test >= low) & (y_test <= high)))
    error = np.std(hits) / np.sqrt(len(hits))
    assert np.mean(hits) >= 0.8 - 3 * error  # the guarantee, 1 - 2 alpha
    assert np.mean(hits) == pytest.approx(0.9, abs=3 * error + 0.02)  # what is expected


def test_intervals_of_few_rows_are_infinite(rng):
    infl = fi.Influence.fit(fi.GLM("squared"), rng.normal(size=(6, 1)), rng.normal(size=6))
    assert np.isinf(infl.prediction_interval(np.zeros((1, 1)), alpha=0.05)).all()


def test_intervals_refuse_labels_and_a_bad_alpha(rng):
    X = rng.normal(size=(40, 2))
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.1), X, rng.integers(0, 2, 40))
    with pytest.raises(fi.UnsupportedError, match="numeric target"):
        infl.prediction_interval(X)
    infl = fi.Influence.fit(fi.GLM("squared"), X, X[:, 0])
    with pytest.raises(fi.InputError, match="alpha"):
        infl.prediction_interval(X, alpha=1.5)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_covariance_is_the_sandwich(loss, reduction, rng):
    sm = pytest.importorskip("statsmodels.api")
    X, groups = rng.normal(size=(150, 3)), rng.integers(0, 20, 150)
    eta = X.sum(axis=1)
    y = eta + rng.normal(size=150) * (1 + X[:, 0] ** 2)
    if loss == "logistic":
        y = (eta + rng.logistic(size=150) > 0).astype(float)
    design = sm.add_constant(X, prepend=False)
    family = sm.families.Binomial() if loss == "logistic" else sm.families.Gaussian()
    model = sm.GLM(y, design, family=family)
    infl = fi.Influence.fit(fi.GLM(loss, reduction=reduction), X, y)
    robust = model.fit(cov_type="HC0", tol=1e-13).cov_params()
    np.testing.assert_allclose(infl.covariance(), robust, atol=1e-9 * np.abs(robust).max())
    clustered = model.fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}, tol=1e-13
    ).cov_params()
    ours = infl.covariance(groups)
    np.testing.assert_allclose(ours, clustered, atol=1e-9 * np.abs(clustered).max())
    with pytest.raises(fi.InputError, match="groups"):
        infl.covariance(groups[:5])
