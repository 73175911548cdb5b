"""glum and skglm: what is read is what they minimised, and their refits are predicted."""

import numpy as np
import pytest
from refusal import check

import fastinfluence as fi

N = 80
ROWS = np.arange(0, N, 8)


@pytest.fixture
def X(rng):
    return rng.normal(size=(N, 3))


def agree(infl, X_test, y_test, gradient=1e-5, tolerance=0.1):
    """The gradient vanishes; exact removals are the estimator's own, newton nearly so."""
    assert infl.gradient_norm < gradient
    actual = infl.leave_one_out(ROWS, method="refit").on_loss(X_test, y_test)
    exact = infl.leave_one_out(ROWS, method="exact").on_loss(X_test, y_test)
    np.testing.assert_allclose(exact, actual, atol=1e-2 * np.abs(actual).max())
    newton = infl.leave_one_out(ROWS, method="newton").on_loss(X_test, y_test)
    np.testing.assert_allclose(newton, actual, atol=tolerance * np.abs(actual).max())


def glum():
    return pytest.importorskip("glum", reason="glum is not installed: pip install glum")


def skglm():
    return pytest.importorskip("skglm", reason="skglm is not installed: pip install skglm")


def targets(rng, X, name):
    f = X @ [0.5, -0.4, 0.2] + 0.3
    draws = {
        "normal": lambda: f + rng.normal(size=N),
        "poisson": lambda: rng.poisson(np.exp(f)).astype(float),
        "gamma": lambda: rng.gamma(3.0, np.exp(f) / 3),
        "inverse.gaussian": lambda: rng.wald(np.exp(f), 3.0),
        "binomial": lambda: (f + rng.logistic(size=N) > 0).astype(float),
        "tweedie (1.5)": lambda: rng.poisson(np.exp(f)) * rng.gamma(2.0, 1.0, size=N),
        "negative.binomial (0.7)": lambda: rng.poisson(np.exp(f)).astype(float),
    }
    return draws[name]()


GLUM = [
    ("normal", "identity"), ("poisson", "log"), ("gamma", "log"), ("inverse.gaussian", "log"),
    ("binomial", "logit"), ("binomial", "cloglog"), ("tweedie (1.5)", "log"),
    ("negative.binomial (0.7)", "log"),
]  # fmt: skip


@pytest.mark.parametrize(("family", "link"), GLUM)
def test_glum(rng, X, family, link):
    y = targets(rng, X, family)
    w = None if family == "normal" else rng.uniform(0.5, 2.0, size=N)
    model = glum().GeneralizedLinearRegressor(
        alpha=0.1, family=family, link=link, gradient_tol=1e-10, max_iter=500
    )
    model.fit(X, y, sample_weight=w)
    infl = fi.Influence.from_estimator(model, X, y, w)
    agree(infl, X[:5], y[:5])


def test_glum_with_an_l1_penalty(rng, X):
    y = targets(rng, X, "poisson")
    model = (
        glum()
        .GeneralizedLinearRegressor(
            alpha=0.05, l1_ratio=0.5, family="poisson", gradient_tol=1e-10, max_iter=500
        )
        .fit(X, y)
    )
    agree(fi.Influence.from_estimator(model, X, y), X[:5], y[:5], gradient=1e-4)


@pytest.mark.parametrize(
    ("option", "value"),
    [("P2", np.ones(3)), ("lower_bounds", np.zeros(3)), ("scale_predictors", True)],
)
def test_options_of_glum_that_change_the_objective_are_refused(rng, X, option, value):
    y = targets(rng, X, "normal")
    model = glum().GeneralizedLinearRegressor(alpha=0.1, **{option: value}).fit(X, y)
    check(lambda: fi.Influence.from_estimator(model, X, y), [option])


@pytest.mark.slow  # skglm compiles itself
@pytest.mark.filterwarnings("ignore:'@' is faster on contiguous arrays")  # skglm's own, compiling
@pytest.mark.parametrize("name", ["Lasso", "ElasticNet", "SparseLogisticRegression"])
def test_skglm(rng, X, name):
    logistic = name == "SparseLogisticRegression"
    y = targets(rng, X, "binomial" if logistic else "normal")
    options = {"alpha": 0.02, "tol": 1e-12} if name == "Lasso" else {
        "alpha": 0.05, "l1_ratio": 0.5, "tol": 1e-12,
    }  # fmt: skip
    model = getattr(skglm(), name)(**options).fit(X, y)
    assert (np.ravel(model.coef_) != 0).any()
    infl = fi.Influence.from_estimator(model, X, y)
    agree(infl, X[:5], y[:5])
    check(lambda: fi.Influence.from_estimator(model, X, y, np.ones(N)), ["weights"])


def test_other_models_of_skglm_are_refused_by_name(rng, X):
    y = targets(rng, X, "normal")
    model = skglm().MCPRegression(alpha=0.1).fit(X, y)
    check(lambda: fi.Influence.from_estimator(model, X, y), ["MCPRegression", "not supported"])
