"""Activations against mpmath's own derivatives, up to |f| = 800; their table and their errors."""

import pickle

import mpmath
import numpy as np
import pytest
from reference_mlp import ACTIVATIONS

import fastinfluence as fi
from fastinfluence.errors import LossError
from fastinfluence.spec import activations
from fastinfluence.spec.library import shipped

F = sorted({s * v for v in (0.0, 1e-12, 1e-3, 0.3, 1.0, 2.5, 7.0, 20.0, 40.0, 300.0, 800.0)
            for s in (1.0, -1.0)})  # fmt: skip
T = mpmath.mpf(0.05)
EXACT = {
    "tanh": mpmath.tanh,
    "sigmoid": lambda f: 1 / (1 + mpmath.exp(-f)),
    "relu": lambda f: f if f > 0 else mpmath.mpf(0),
    "smooth_relu": lambda f: T * mpmath.log1p(mpmath.exp(f / T)),
    "softplus": lambda f: mpmath.log1p(mpmath.exp(f)),
    "gelu": lambda f: f * mpmath.erfc(-f / mpmath.sqrt(2)) / 2,
    "silu": lambda f: f / (1 + mpmath.exp(-f)),
    "elu": lambda f: f if f > 0 else mpmath.expm1(f),
    "identity": lambda f: f,
}
KINKS = ("relu", "elu")
OUTPUTS = ("value", "d1", "d2")


def taylor(name: str, f: float) -> list[float]:
    """Return value and derivatives 1 to 3 at f, by differences at many digits."""
    with mpmath.workdps(900):
        point = mpmath.mpf(f)
        return [mpmath.diff(EXACT[name], point, k, h=mpmath.mpf(10) ** -200) for k in range(4)]


@pytest.mark.parametrize("activation", activations.registry(), ids=str)
def test_every_digit_against_mpmath(activation):
    found = activation.evaluate(np.array(F), *OUTPUTS)
    for i, f in enumerate(F):
        if f == 0.0 and activation.name in KINKS:
            continue
        truth = taylor(activation.name, f)
        for k in range(3):
            scale = abs(truth[k]) + abs(mpmath.mpf(f) * truth[k + 1])
            error = abs(mpmath.mpf(float(found[k][i])) - truth[k])
            assert error <= 1e-12 * scale + 1e-300, (f, OUTPUTS[k], found[k][i], float(truth[k]))


@pytest.mark.parametrize("activation", activations.registry(), ids=str)
def test_the_reference_agrees(activation):
    f = np.linspace(-3, 3, 13) + 0.01
    for found, wanted in zip(activation.evaluate(f, *OUTPUTS), ACTIVATIONS[activation.name](f),
                             strict=True):  # fmt: skip
        np.testing.assert_allclose(found, wanted, atol=1e-13)


def test_a_wrong_activation_is_seen():
    """The check above fails for a derivative that is off by 1e-9."""
    truth = taylor("tanh", 0.3)[1]
    assert abs(float(truth) * (1 + 1e-9) - truth) > 1e-12 * abs(truth)


def test_programs_are_shipped():
    for line in activations.ACTIVATIONS.values():
        assert line.key in shipped(), f"run python -m fastinfluence.spec.derive for {line.text}"


def test_they_are_values():
    smooth = fi.activations.smooth_relu(t=0.1)
    assert smooth == activations.make("smooth_relu", t=0.1)
    assert pickle.loads(pickle.dumps(smooth)) == smooth
    assert "softplus" in fi.activations.smooth_relu.__doc__
    assert str(smooth) == "smooth_relu(t=0.1)"
    assert fi.MLP((3,), "gelu") == fi.MLP((3,), fi.activations.gelu())
    spec = fi.MLP((3, 2), smooth, "squared", l2=[0.1, 0.2, 0.3])
    assert pickle.loads(pickle.dumps(spec)) == spec


WRONG = {
    "unknown": (lambda: fi.MLP((3,), "tahn"), LossError, "Did you mean 'tanh'"),
    "needs t": (lambda: fi.MLP((3,), "smooth_relu"), LossError, "smooth_relu needs t"),
    "t negative": (lambda: fi.activations.smooth_relu(t=-1.0), LossError, "t must lie in"),
    "no parameter": (lambda: fi.activations.tanh(t=1.0), LossError, "no parameter 't'"),
    "no layer": (lambda: fi.MLP(()), fi.InputError, "give the widths"),
    "number": (lambda: fi.MLP(3), fi.InputError, r"hidden=3.*\(32, 16\)"),
    "width": (lambda: fi.MLP((3, 0)), fi.InputError, "at least one unit"),
    "fraction": (lambda: fi.MLP((2.5,)), fi.InputError, "2.5.*integer"),
    "activation": (lambda: fi.MLP((3,), np.tanh), fi.InputError, "activation is a ufunc"),
    "loss": (lambda: fi.MLP((3,), loss=3), fi.InputError, "loss is a int"),
    "reduction": (lambda: fi.MLP((3,), reduction="max"), fi.InputError, "mean"),
    "l2": (lambda: fi.MLP((3,), l2=-1.0), fi.InputError, "not negative"),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_clear_error(name):
    call, kind, words = WRONG[name]
    with pytest.raises(kind, match=words):
        call()
