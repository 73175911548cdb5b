"""Diagnostics against statsmodels on its own data sets, and SAS's on Pregibon's data."""

import csv
import warnings

import numpy as np
import pytest

import fastinfluence as fi

sm = pytest.importorskip("statsmodels.api")


def scotland():
    data = sm.datasets.scotland.load_pandas()
    return sm.add_constant(data.exog).to_numpy(), data.endog.to_numpy()


def spector():
    data = sm.datasets.spector.load_pandas()
    return sm.add_constant(data.exog).to_numpy(), data.endog.to_numpy()


def randhie():
    data = sm.datasets.randhie.load_pandas()
    return sm.add_constant(data.exog).to_numpy()[:800], data.endog.to_numpy()[:800]


def stackloss():
    data = sm.datasets.stackloss.load_pandas()
    return sm.add_constant(data.exog).to_numpy(), data.endog.to_numpy()


def longley():
    data = sm.datasets.longley.load_pandas()
    return sm.add_constant(data.exog).to_numpy(), data.endog.to_numpy()


CANONICAL = {
    "binomial": (spector, lambda: sm.families.Binomial(), lambda: fi.families.binomial()),
    "poisson": (randhie, lambda: sm.families.Poisson(), lambda: fi.families.poisson()),
    "gaussian": (stackloss, lambda: sm.families.Gaussian(), lambda: fi.losses.squared()),
    "gamma": (
        scotland,
        lambda: sm.families.Gamma(sm.families.links.InversePower()),
        lambda: fi.families.gamma(link="inverse"),
    ),
}


def ours(loss, X, y, theta, **options):
    spec = fi.GLM(loss, fit_intercept=False, reduction="sum")
    return fi.Influence(spec, X, y, theta, **options).diagnostics()


def assert_close(found, expected, tolerance=1e-8):
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.filterwarnings("ignore:The InversePower link:Warning")
@pytest.mark.parametrize("name", CANONICAL)
def test_canonical_links(name):
    load, family, loss = CANONICAL[name]
    X, y = load()
    fitted = sm.GLM(y, X, family=family()).fit(tol=1e-14, maxiter=300)
    theirs = fitted.get_influence(observed=False)
    found = ours(loss(), X, y, fitted.params)
    assert found.dispersion == pytest.approx(fitted.scale, rel=1e-8)
    assert_close(found.leverage, theirs.hat_matrix_diag)
    assert_close(found.cooks_distance, theirs.cooks_distance[0])
    assert_close(found.studentized_internal, theirs.resid_studentized)
    assert_close(found.deviance, fitted.resid_deviance)
    # statsmodels forgets that the mean falls as f rises under the inverse link: its d_params
    # has the sign of a deletion's opposite there (the next test deletes the rows).
    sign = -1.0 if name == "gamma" else 1.0
    assert_close(found.dfbeta, sign * theirs.d_params)
    if found.dispersion == 1.0:
        assert_close(found.dfbetas, theirs.dfbetas)


@pytest.mark.parametrize(("load", "tolerance"), [(stackloss, 1e-8), (longley, 1e-6)])
def test_least_squares(load, tolerance):
    """Longley's columns have a condition of 5e9, half of whose digits the normal equations cost."""
    X, y = load()
    theirs = sm.OLS(y, X).fit().get_influence()
    found = ours(fi.losses.squared(), X, y, np.linalg.lstsq(X, y, rcond=None)[0])
    pairs = {
        "leverage": theirs.hat_matrix_diag,
        "cooks_distance": theirs.cooks_distance[0],
        "studentized_internal": theirs.resid_studentized_internal,
        "studentized_external": theirs.resid_studentized_external,
        "dffits": theirs.dffits[0],
        "dfbetas": theirs.dfbetas,
        "covratio": theirs.cov_ratio,
    }
    for name, expected in pairs.items():
        assert_close(getattr(found, name), expected, tolerance)


def test_the_sign_under_the_inverse_link_is_that_of_true_deletion():
    X, y = scotland()
    X = X / np.abs(X).max(axis=0)
    spec = fi.GLM(fi.families.gamma(link="inverse"), fit_intercept=False, reduction="sum")
    infl = fi.Influence.fit(spec, X, y / y.mean())
    exact = infl.leave_one_out(method="exact")
    truth = exact.theta_old - exact.theta
    assert slope(infl.diagnostics().dfbeta, truth) == pytest.approx(1.0, abs=0.05)


def slope(found, truth):
    """Slope of the true change on the predicted one, through the origin."""
    return float((found * truth).sum() / (found * found).sum())


def test_where_their_one_step_is_wrong_ours_is_nearer():
    """Gamma with a log link: statsmodels' d_params against true deletion, and ours."""
    X, y = scotland()
    X = X / np.abs(X).max(axis=0)
    spec = fi.GLM(fi.families.gamma(link="log"), fit_intercept=False, reduction="sum")
    infl = fi.Influence.fit(spec, X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = sm.GLM(y, X, family=sm.families.Gamma(sm.families.links.Log())).fit(tol=1e-14)
        theirs = fitted.get_influence().d_params
    exact = infl.leave_one_out(method="exact")
    truth = exact.theta_old - exact.theta
    mine, other = slope(infl.diagnostics().dfbeta, truth), slope(theirs, truth)
    assert abs(mine - 1) < 0.05
    assert abs(mine - 1) < abs(other - 1)


def test_sas_on_pregibons_data(data_folder):
    folder = data_folder / "vasoconstriction"
    with (folder / "binary_constrict.csv").open() as file:
        data = list(csv.DictReader(file))
    with (folder / "results_influence_logit.csv").open() as file:
        sas = list(csv.DictReader(file))
    X = np.array([[1.0, float(r["log_rate"]), float(r["log_volumne"])] for r in data])
    y = np.array([float(r["constrict"]) for r in data])
    spec = fi.GLM("logistic", fit_intercept=False, reduction="sum")
    found = fi.Influence.fit(spec, X, y).diagnostics()
    h, r = found.leverage, found.pearson
    pairs = {
        "hat_matrix_diagonal": h,
        "resid_pearson": r,
        "resid_deviance": found.deviance,
        "dfb_intercept": found.dfbetas[:, 0],
        "dfb_lograte": found.dfbetas[:, 1],
        "dfb_logvolumne": found.dfbetas[:, 2],
        "Cooks C": 3 * found.cooks_distance,
        "Cooks Cbar": r**2 * h / (1 - h),
        "d_deviance": found.deviance**2 + r**2 * h / (1 - h),
        "d_pearson_chi2": r**2 / (1 - h),
    }
    for name, values in pairs.items():
        printed = [row[name] for row in sas]
        digits = np.array([10.0 ** -len(text.partition(".")[2]) for text in printed])
        assert (np.abs(values - np.array(printed, dtype=float)) <= 0.51 * digits).all(), name
