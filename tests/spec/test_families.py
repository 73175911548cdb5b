"""Families x links: the composed lines, their domains, and the pairs that are refused."""

import math

import numpy as np
import pytest
from scipy import special

from fastinfluence.errors import LossError
from fastinfluence.spec import families, losses

PAIRS = [(family, link) for family, row in families.FAMILIES.items() for link in row.links]
MEANS = {
    "identity": lambda f: f,
    "log": np.exp,
    "logit": special.expit,
    "probit": special.ndtr,
    "cloglog": lambda f: 1 - np.exp(-np.exp(f)),
    "inverse": lambda f: 1 / f,
    "inverse_squared": lambda f: 1 / np.sqrt(f),
    "sqrt": lambda f: f**2,
    "softplus": lambda f: np.log1p(np.exp(f)),
}
LIKELIHOODS = {
    "gaussian": lambda m, y: (y - m) ** 2 / 2,
    "binomial": lambda m, y: -special.xlogy(y, m) - special.xlog1py(1 - y, -m),
    "poisson": lambda m, y: m - y * np.log(m),
    "gamma": lambda m, y: np.log(m) + y / m,
    "inverse_gaussian": lambda m, y: y / (2 * m**2) - 1 / m,
    "negative_binomial": lambda m, y: (y + 1) * np.log(1 + m) - y * np.log(m),
    "tweedie": lambda m, y: m**0.5 / 0.5 + y * m**-0.5 / 0.5,
}
VARIANCES = {
    "gaussian": np.ones_like,
    "binomial": lambda m: m * (1 - m),
    "poisson": lambda m: m,
    "gamma": lambda m: m**2,
    "inverse_gaussian": lambda m: m**3,
    "negative_binomial": lambda m: m + m**2,
    "tweedie": lambda m: m**1.5,
}


def points(loss):
    low, high = loss.f_domain
    f = np.array([-4.0, -1.3, -0.2, 0.15, 0.6, 0.9, 1.6, 2.0])
    return f[(f > low) & (f < high)]


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_pairs_are_the_likelihood_of_the_mean(family, link):
    loss = families.make(family, link)
    f = points(loss)
    assert len(f) >= 3
    mean = MEANS[link](f)
    for y in (y for y in loss.line_data.sample_y if abs(y) < 50):
        value, fitted = loss.evaluate(f, np.full_like(f, y), "value", "mean")
        np.testing.assert_allclose(fitted, mean, rtol=1e-13)
        expected = LIKELIHOODS[family](mean, y)
        np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_fisher_is_the_squared_slope_over_the_variance(family, link):
    loss = families.make(family, link)
    f = points(loss)
    f = f[abs(f) <= 2]
    m, slope, fisher = loss.evaluate(f, np.full_like(f, 0.5), "mean", "mean_d1", "fisher")
    np.testing.assert_allclose(fisher, slope**2 / VARIANCES[family](m), rtol=1e-10)


def test_default_links_and_names():
    defaults = {family: getattr(families, family)().link for family in families.FAMILIES}
    assert defaults == {
        "gaussian": "identity",
        "binomial": "logit",
        "poisson": "log",
        "gamma": "log",
        "inverse_gaussian": "log",
        "negative_binomial": "log",
        "tweedie": "log",
    }
    loss = families.gamma(link="inverse")
    assert (loss.family, loss.link, loss.f_domain) == ("gamma", "inverse", (0.0, math.inf))
    assert loss.y_domain == "positive"
    assert families.binomial().y_domain == "unit"


@pytest.mark.parametrize("family", ["gaussian", "poisson", "gamma", "inverse_gaussian"])
def test_log_and_identity_links_equal_the_named_losses(family):
    loss, named = families.make(family), losses.make({"gaussian": "squared"}.get(family, family))
    f, y = np.linspace(-2, 2, 9), np.linspace(0.5, 4, 9)
    for a, b in zip(
        loss.evaluate(f, y, "value", "d2"), named.evaluate(f, y, "value", "d2"), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("family", "link", "message"),
    [
        ("gamma", "logit", "use one of log, inverse"),
        ("poisson", "probit", "use one of log"),
        ("gaussian", "nonsense", "identity"),
        ("cauchy", None, "there are gaussian"),
    ],
)
def test_unsuitable_pairs_are_refused(family, link, message):
    with pytest.raises(LossError, match=message):
        families.make(family, link)


def test_parameters_are_checked():
    assert families.negative_binomial(alpha=2.0).params == {"alpha": 2.0}
    with pytest.raises(LossError, match="alpha"):
        families.negative_binomial(alpha=-1.0)
    with pytest.raises(LossError, match="power in"):
        families.tweedie(power=0.3)
    with pytest.raises(LossError, match="no parameter"):
        families.gamma(shape=2.0)
    with pytest.raises(AttributeError, match="gaussian"):
        families.weibull  # noqa: B018
    assert set(families.FAMILIES) <= set(dir(families))
