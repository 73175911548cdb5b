"""Losses that users write: what is accepted, what is refused and with which advice."""

import pickle

import numpy as np
import pytest

from fastinfluence.errors import LossError
from fastinfluence.spec.loss import Loss

INF = float("inf")


def test_the_example_of_the_manual():
    loss = Loss("softplus(-y*f) + a*(f - y)**2", y_domain={-1, 1}, params={"a": 0.1}, name="mine")
    f, y = np.linspace(-3, 3, 7), np.array([-1.0, 1, -1, 1, -1, 1, 1])
    value, d1 = loss.evaluate(f, y, "value", "d1")
    np.testing.assert_allclose(value, np.log1p(np.exp(-y * f)) + 0.1 * (f - y) ** 2, rtol=1e-13)
    np.testing.assert_allclose(d1, -y / (1 + np.exp(y * f)) + 0.2 * (f - y), rtol=1e-12, atol=1e-14)
    assert loss.y_domain == frozenset({-1.0, 1.0})
    again = pickle.loads(pickle.dumps(loss))
    assert again == loss
    assert hash(again) == hash(loss)
    assert "mine" in repr(loss)
    assert loss.line == "softplus(-y*f) + a*(f - y)**2"


ACCEPTED = [
    ("log(1 + exp(-y*f))", {-1, 1}, {}),
    ("log(1 + exp(f)) - y*f", {0, 1}, {}),
    ("-log((1 + erf(y*f/sqrt(2)))/2)", {-1, 1}, {}),
    ("log(cosh(f - y))", "real", {}),
    ("max(0, 1 - y*f)**2", {-1, 1}, {}),
    ("where(abs(f-y) <= d, (f-y)**2/2, d*abs(f-y) - d**2/2)", "real", {"d": 1.0}),
    ("s**2/2*log(1 + ((f-y)/s)**2)", "real", {"s": 2.0}),
    ("1 - exp(-(f-y)**2/2)", "real", {}),
    ("a*(f-y)**2", "real", {"a": -0.5}),
    ("sqrt(1 + (f-y)**2) - 1", "real", {}),
]


@pytest.mark.parametrize(("text", "domain", "params"), ACCEPTED, ids=[a[0] for a in ACCEPTED])
def test_accepted(text, domain, params):
    loss = Loss(text, y_domain=domain, params=params)
    d1, d2 = loss.evaluate(np.array([-700.0, 0.3, 700.0]), np.ones(3), "d1", "d2")
    assert not np.isnan([d1, d2]).any()


REFUSED = [
    ("abs(f - y)", "real", "derivative jumps.*Smooth it"),
    ("sqrt((f - y)**2)", "real", "derivative jumps"),
    ("max(0, 1 - y*f)", {-1, 1}, "derivative jumps.*softplus"),
    ("where(f > y, 1, 0)*f", "real", "jumps"),
    ("max(f*f, 90000)", "real", "derivative jumps at f="),
    ("y**2", "real", "does not depend on f"),
    ("0*f", "real", "does not depend on f"),
    ("f*z", "real", "unknown name 'z'"),
    ("log(f)", "real", "f_domain"),
    ("sqrt(f)", "real", "f_domain"),
    ("log(-1)*f", "real", "complex"),
    ("f/0", "real", "infinite"),
    ("exp(f) - exp(2*f)", "real", "digits|overflows"),
    ("(f - y)**2", "complex", "y_domain"),
    ("(f - y)**2", {"a", "b"}, "y_domain"),
    ("(f - y)**2", {float("nan")}, "y_domain"),
    ("exp(sin(exp(sin(exp(sin(exp(f*y)*f))*y+f)*f)*y))", "real", "operations"),
]


@pytest.mark.parametrize(("text", "domain", "reason"), REFUSED, ids=[r[0] for r in REFUSED])
def test_refused_with_a_reason(text, domain, reason):
    with pytest.raises(LossError, match=reason):
        Loss(text, y_domain=domain)


def test_domain_of_f_admits_what_the_real_line_does_not():
    loss = Loss("log(f) + y/f", y_domain="positive", f_domain=(0, INF))
    assert loss.f_domain == (0.0, INF)
    with pytest.raises(LossError, match="interval"):
        Loss("(f-y)**2", f_domain=(2, 1))


def test_mean_gives_fisher_information():
    loss = Loss("exp(f) - y*f", y_domain="counts", mean="exp(f)")
    f = np.array([-1.0, 2.0])
    mean, fisher = loss.evaluate(f, f * 0, "mean", "fisher")
    np.testing.assert_allclose(mean, np.exp(f), rtol=1e-15)
    np.testing.assert_allclose(fisher, np.exp(f), rtol=1e-15)
    with pytest.raises(LossError, match="no output 'mean'"):
        Loss("(f - y)**4").evaluate(f, f, "mean")


@pytest.mark.parametrize(
    "params", [{"f": 1.0}, {"exp": 1.0}, {"a b": 1.0}, {"a": float("nan")}, {"a": "x"}, {3: 1.0}]
)
def test_bad_parameters(params):
    with pytest.raises(LossError):
        Loss("(f-y)**2", params=params)
    with pytest.raises(LossError, match="map names"):
        Loss("(f-y)**2", params=[("a", 1.0)])


def test_a_parameter_value_compiles_nothing_new():
    one, two = (Loss("a*(f-y)**2", params={"a": a}) for a in (0.1, 0.7))
    assert one.program == two.program
    assert one.param_values.tolist() == [0.1]
