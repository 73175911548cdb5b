"""statsmodels results that cannot be read are refused by name, with what to do instead."""

import copy

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.regression.quantile_regression import QuantReg
from statsmodels_cases import (
    NEWTON,
    TIGHT,
    F,
    L,
    X,
    counts,
    draw,
    glm,
    labels,
    linear,
    means,
    overdispersed,
)

import fastinfluence as fi

POSITIVE = np.exp(linear())


class Mine(sm.OLS):
    """Somebody's own model."""


def binomial(link):
    return glm(F.Binomial(link=link), labels(), TIGHT)


def constrained():
    return sm.GLM(counts(), X, family=F.Poisson()).fit_constrained("x1 = 0")


REFUSED = {
    "GLS": (lambda: sm.GLS(linear(), X).fit(), "GLS is not supported.*WLS"),
    "GLSAR": (lambda: sm.GLSAR(linear(), X).fit(), "GLSAR is not supported"),
    "RLM": (lambda: sm.RLM(linear(), X).fit(), "RLM is not supported.*huber"),
    "QuantReg": (lambda: QuantReg(linear(), X).fit(), "QuantReg is not supported.*smooth"),
    "MNLogit": (
        lambda: sm.MNLogit(np.arange(len(X)) % 3, X).fit(disp=0),
        r"MNLogit is not supported \(supported.*Logit.*fi\.GLM",
    ),
    "subclass": (lambda: Mine(linear(), X).fit(), "Mine is not supported: a subclass of"),
    "regularised": (
        lambda: sm.OLS(linear(), X).fit_regularized(alpha=0.1),
        "Regularized.*fit_regularized.*fi.Influence.fit",
    ),
    "ridge": (
        lambda: sm.GLM(counts(), X, family=F.Poisson()).fit_regularized(alpha=0.1, L1_wt=0.0),
        "fit_regularized.*fi.Influence.fit",
    ),
    "refitted after selection": (
        lambda: sm.OLS(linear(), X).fit_regularized(alpha=0.1, refit=True),
        "fit_regularized",
    ),
    "l1": (lambda: sm.Logit(labels(), X).fit_regularized(alpha=0.5, disp=0), "fit_regularized"),
    "constrained": (constrained, "fit_constrained"),
    "Cauchy": (lambda: binomial(L.Cauchy()), r"GLM\(family=Binomial, link=Cauchy\)"),
    "LogLog": (lambda: binomial(L.LogLog()), r"GLM\(family=Binomial, link=LogLog\)"),
    "power": (
        lambda: glm(F.Tweedie(link=L.Power(power=1 / 3), var_power=2.0), POSITIVE, TIGHT),
        r"GLM\(family=Tweedie, link=Power\)",
    ),
    "negative binomial cloglog": (
        lambda: glm(F.NegativeBinomial(link=L.CLogLog()), labels(), TIGHT),
        r"GLM\(family=NegativeBinomial, link=CLogLog\).*use one of log",
    ),
    "nb1": (
        lambda: sm.NegativeBinomial(overdispersed(), X, loglike_method="nb1").fit(disp=0),
        "loglike_method='nb1'.*nb2",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:.*:statsmodels.tools.sm_exceptions.ModelWarning")
def test_refused_by_name(name):
    make, message = REFUSED[name]
    results = make()
    with pytest.raises(fi.UnsupportedError, match=message):
        fi.Influence.from_estimator(results)


def test_a_model_is_no_result():
    with pytest.raises(fi.InputError, match=r"OLS is a model, not results.*fit"):
        fi.Influence.from_estimator(sm.OLS(linear(), X))


def test_results_without_data():
    results = copy.deepcopy(sm.Logit(labels(), X).fit(**NEWTON))
    results.remove_data()
    with pytest.raises(fi.InputError, match="holds no training rows"):
        fi.Influence.from_estimator(results)


def test_weights_are_the_models():
    results = sm.OLS(linear(), X).fit()
    with pytest.raises(fi.InputError, match="sample_weight is read from a statsmodels model"):
        fi.Influence.from_estimator(results, sample_weight=np.ones(len(X)))


def test_a_link_whose_domain_the_fit_leaves():
    """statsmodels fits negative means through 1/f; the family's domain here is f > 0."""
    y = -draw("Gaussian", means(L.InversePower()))
    start = {**TIGHT, "start_params": [-1.0, -0.2, 0.15]}
    results = glm(F.Gaussian(link=L.InversePower()), y, start)
    with pytest.raises(fi.LossError, match="f must lie in"):
        fi.Influence.from_estimator(results)
