"""The table of losses: its scales, parameters, names, and the objects it makes."""

import pickle

import numpy as np
import pytest
from scipy import special

from fastinfluence.errors import InputError, LossError
from fastinfluence.spec import losses
from fastinfluence.spec.loss import Loss

F = np.array([-2.3, -0.4, 0.0, 0.7, 3.1])
BINARY = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
SIGNS = 2 * BINARY - 1
REAL = np.array([0.3, -1.2, 0.5, 4.0, 3.0])
COUNT = np.array([0.0, 2.0, 1.0, 5.0, 9.0])
POSITIVE = np.array([0.3, 1.2, 0.5, 4.0, 3.0])
R = F - REAL


def huber(r, delta):
    return np.where(abs(r) <= delta, r**2 / 2, delta * (abs(r) - delta / 2))


def pinball(r, tau):
    return np.maximum(tau * r, (tau - 1) * r)


CONTRACT = {
    "squared": ({}, REAL, R**2 / 2),
    "logistic": ({}, BINARY, np.log1p(np.exp(F)) - BINARY * F),
    "probit": ({}, BINARY, -special.log_ndtr(SIGNS * F)),
    "cloglog": (
        {},
        BINARY,
        np.where(BINARY == 1, -np.log(-np.expm1(-np.exp(F))), np.exp(F)),
    ),
    "poisson": ({}, COUNT, np.exp(F) - COUNT * F),
    "gamma": ({}, POSITIVE, F + POSITIVE * np.exp(-F)),
    "inverse_gaussian": ({}, POSITIVE, 0.5 * POSITIVE * np.exp(-2 * F) - np.exp(-F)),
    "negative_binomial": (
        {"alpha": 0.7},
        COUNT,
        (COUNT + 1 / 0.7) * np.log(1 + 0.7 * np.exp(F)) - COUNT * F,
    ),
    "huber": ({"delta": 0.9}, REAL, huber(R, 0.9)),
    "pseudo_huber": ({"delta": 0.9}, REAL, 0.81 * (np.sqrt(1 + (R / 0.9) ** 2) - 1)),
    "logcosh": ({}, REAL, np.log(np.cosh(R))),
    "smooth_hinge": ({"t": 0.2}, SIGNS, 0.2 * np.log1p(np.exp((1 - SIGNS * F) / 0.2))),
    "squared_hinge": ({}, SIGNS, np.maximum(0, 1 - SIGNS * F) ** 2),
    "exponential": ({}, SIGNS, np.exp(-SIGNS * F)),
}


@pytest.mark.parametrize("name", CONTRACT)
def test_scale_of_the_contract(name):
    params, y, expected = CONTRACT[name]
    loss = getattr(losses, name)(**params)
    np.testing.assert_allclose(loss.evaluate(F, y)[0], expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("power", [-1.0, 0.0, 1.2, 1.5, 1.9, 2.5, 3.0])
def test_tweedie_scale_at_every_range_of_its_power(power):
    y, p = POSITIVE, power
    expected = np.exp((2 - p) * F) / (2 - p) - y * np.exp((1 - p) * F) / (1 - p)
    found = losses.tweedie(power=p).evaluate(F, y)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_tweedie_has_poisson_and_gamma_as_its_limits():
    for power, limit in ((1, losses.poisson()), (2, losses.gamma())):
        tweedie = losses.tweedie(power=power)
        assert tweedie.params == {"power": power}
        for a, b in zip(
            tweedie.evaluate(F, POSITIVE, "value", "d1"),
            limit.evaluate(F, POSITIVE, "value", "d1"),
            strict=True,
        ):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("smooth", "sharp", "y"),
    [
        (lambda t: losses.smooth_quantile(tau=0.8, t=t), pinball(REAL - F, 0.8), REAL),
        (
            lambda t: losses.smooth_eps_insensitive(eps=0.3, t=t),
            np.maximum(0, abs(R) - 0.3),
            REAL,
        ),
        (lambda t: losses.smooth_hinge(t=t), np.maximum(0, 1 - SIGNS * F), SIGNS),
    ],
)
def test_smoothed_losses_tend_to_their_limit(smooth, sharp, y):
    for t in (1e-2, 1e-4, 1e-6):
        assert np.max(np.abs(smooth(t).evaluate(F, y)[0] - sharp)) <= 1.4 * t


def test_mean_and_fisher():
    mean, slope, fisher = losses.probit().evaluate(F, BINARY, "mean", "mean_d1", "fisher")
    density = np.exp(-(F**2) / 2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(mean, special.ndtr(F), rtol=1e-13)
    np.testing.assert_allclose(slope, density, rtol=1e-13)
    np.testing.assert_allclose(fisher, density**2 / special.ndtr(F) / special.ndtr(-F), rtol=1e-12)
    np.testing.assert_allclose(
        losses.negative_binomial(alpha=0.5).evaluate(F, COUNT, "fisher")[0],
        np.exp(F) / (1 + 0.5 * np.exp(F)),
        rtol=1e-13,
    )


@pytest.mark.parametrize("row", losses.registry(), ids=lambda row: row.label)
def test_derivatives_agree_with_differences(row):
    f = np.array([v for v in row.f if 0.2 < abs(v) < 6])
    h = 1e-5
    for y in row.y:
        label = np.full_like(f, y)
        d1, d2, d3 = row.loss.evaluate(f, label, "d1", "d2", "d3")
        above = row.loss.evaluate(f + h, label, "value", "d1", "d2")
        below = row.loss.evaluate(f - h, label, "value", "d1", "d2")
        if row.loss.name in ("huber", "squared_hinge"):
            inside = abs(abs(f - y) - 1.35) > 2 * h if row.loss.name == "huber" else f * y != 1
        else:
            inside = np.full_like(f, True, dtype=bool)
        for exact, a, b in zip((d1, d2, d3), above, below, strict=True):
            size = 1e-5 * (1 + np.abs(exact) + np.abs(a) + np.abs(d3) * 10)
            assert np.all(np.abs((a - b) / (2 * h) - exact)[inside] <= size[inside]), (y,)


def test_default_parameters():
    assert losses.huber().params == {"delta": 1.35}
    assert losses.tweedie().params == {"power": 1.5}
    with pytest.raises(LossError, match=r"smooth_hinge\(t=\.\.\.\)"):
        losses.get("smooth_hinge")


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("smooth_hinge", {"t": 0.0}),
        ("smooth_hinge", {"t": -1.0}),
        ("smooth_hinge", {"t": float("nan")}),
        ("smooth_hinge", {"t": float("inf")}),
        ("smooth_hinge", {"t": "0.1"}),
        ("smooth_quantile", {"tau": 1.0, "t": 0.1}),
        ("smooth_quantile", {"tau": 0.0, "t": 0.1}),
        ("tweedie", {"power": 0.5}),
        ("tweedie", {"power": float("nan")}),
        ("negative_binomial", {"alpha": 0}),
        ("huber", {"delta": None}),
        ("huber", {"epsilon": 1.0}),
        ("squared", {"delta": 1.0}),
    ],
)
def test_bad_parameters_are_refused(name, params):
    with pytest.raises(LossError, match=name):
        losses.make(name, **params)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(LossError, match=r"Did you mean 'logistic'.*squared"):
        losses.get("logistc")
    with pytest.raises(AttributeError, match="smooth_hinge"):
        losses.smooth_hinj  # noqa: B018


def test_every_name_is_listed_and_documented():
    assert set(losses.LOSSES) <= set(dir(losses))
    assert "t*softplus((1-y*f)/t)" in losses.smooth_hinge.__doc__


def test_a_loss_is_a_value():
    one, same, other = (losses.smooth_hinge(t=t) for t in (0.1, 0.1, 0.2))
    assert one == same != other
    assert hash(one) == hash(same)
    assert len({one, same, other}) == 2
    assert pickle.loads(pickle.dumps(one)) == one
    assert "t=0.1" in repr(one)
    assert "smooth_hinge" in repr(one)
    assert one.program == other.program
    with pytest.raises(TypeError):
        one.params["t"] = 3.0
    with pytest.raises(ValueError):
        one.param_values[0] = 3.0


def test_source_is_the_text_that_is_compiled():
    text = losses.logistic().source
    assert "def kernel(F, y_, params, out0" in text
    compile(text, "<source>", "exec")


def test_registry_rows_are_in_their_domains():
    for row in losses.registry():
        assert isinstance(row.loss, Loss)
        low, high = row.loss.f_domain
        assert all(low < f < high for f in row.f)
        assert len(row.f) > 8
        if isinstance(row.loss.y_domain, frozenset):
            assert set(row.y) == row.loss.y_domain


def test_parameters_are_given_by_name():
    with pytest.raises(InputError, match=r"huber takes its parameters by name: delta="):
        losses.huber(1.0)
    with pytest.raises(InputError, match=r"logistic takes its parameters by name: none"):
        losses.logistic(1.0)
