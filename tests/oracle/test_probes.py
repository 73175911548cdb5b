"""Callables that are wrong are caught when the oracle meets its data, and named."""

import numpy as np
import pytest
from oracle_cases import (
    EVERY,
    OPTIMUM,
    P,
    X,
    X_test,
    gradient,
    hvp,
    loss,
    oracle,
    prediction,
    row_dot,
    weighted_hvp,
    y,
    y_test,
)

import fastinfluence as fi

RNG = np.random.default_rng(0)
SKEW = np.triu(np.ones((P, P)), 1)


def noisy(theta, X, y):
    return gradient(theta, X, y) + 1e-6 * RNG.normal(size=(len(X), P))


def single(call):
    """The same computed with single precision inside."""

    def inner(theta, X, *rest):
        short = [np.asarray(a, dtype=np.float32) for a in (theta, X, *rest)]
        return np.asarray(call(*short), dtype=np.float64)

    return inner


# what is wrong: the callable, its wrong form, words of the message
WRONG = {
    "hvp off by a factor": ("hvp", lambda *a: 0.9 * hvp(*a), "hvp is not the derivative"),
    "hvp of the wrong sign": ("hvp", lambda *a: -hvp(*a), "hvp is not the derivative"),
    "hvp not symmetric": (
        "hvp",
        lambda t, X, y, V: hvp(t, X, y, V) + len(X) * (SKEW @ V),
        "hvp is not symmetric",
    ),
    "hvp not linear": ("hvp", lambda t, X, y, V: hvp(t, X, y, V) ** 3, "hvp is not"),
    "hvp affine": (
        "hvp",
        lambda t, X, y, V: hvp(t, X, y, V) + len(X),
        "hvp is not linear",
    ),
    "hvp a mean": (
        "hvp",
        lambda t, X, y, V: hvp(t, X, y, V) / len(X),
        "hvp is not the sum over its rows",
    ),
    "hvp deaf to weights": (
        "hvp",
        lambda t, X, y, V, w: hvp(t, X, y, V),
        "hvp is not the sum over its rows|hvp is not the derivative",
    ),
    "hvp in float32": (
        "hvp",
        lambda *a: hvp(*a).astype(np.float32),
        "hvp returned float32: compute in float64",
    ),
    "hvp in hidden float32": ("hvp", single(hvp), "hvp .*float32 computation"),
    "hvp turned": ("hvp", lambda *a: hvp(*a).T, r"hvp returned shape \(2, 5\) where \(5, 2\)"),
    "hvp of integers": ("hvp", lambda *a: hvp(*a).astype(int), "hvp returned int64"),
    "hvp None": ("hvp", lambda *a: None, "hvp returned object"),
    "hvp raises": ("hvp", lambda *a: 1 / 0, "hvp raised ZeroDivisionError"),
    "hvp of too few arguments": ("hvp", lambda t, X: 0, "hvp raised TypeError"),
    "gradient a mean": (
        "gradient",
        lambda t, X, y: np.broadcast_to(gradient(t, X, y).mean(axis=0), (len(X), P)).copy(),
        "gradient of a row depends on the other rows",
    ),
    "gradient summed": (
        "gradient",
        lambda *a: gradient(*a).sum(axis=0),
        r"gradient returned shape \(5,\) where \(6, 5\)",
    ),
    "gradient noisy": ("gradient", noisy, "gradient is not the same twice"),
    "gradient with the penalty": (
        "gradient",
        lambda t, X, y: gradient(t, X, y) + 0.1 * t,
        "hvp is not the derivative of gradient",
    ),
    "row_dot wrong": ("row_dot", lambda *a: -row_dot(*a), "row_dot is not gradient"),
    "loss of another model": ("loss", lambda *a: 2 * loss(*a), "gradient is not the derivative"),
    "loss summed": ("loss", lambda *a: loss(*a).sum(), r"loss returned shape \(\) where \(6,\)"),
    "predictions apart": (
        "prediction",
        lambda *a: prediction(*a) ** 2,
        "prediction_gradient is not the derivative of prediction",
    ),
    "means apart": (
        "mean_gradient",
        lambda t, X: EVERY["prediction_gradient"](t, X),
        "mean_gradient is not the derivative of mean",
    ),
    "gauss_newton downwards": (
        "gauss_newton",
        lambda *a, **k: -weighted_hvp(*a, **k),
        "gauss_newton",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_callable_is_named(name):
    which, wrong, words = WRONG[name]
    with pytest.raises(fi.OracleError, match=words):
        fi.Influence(oracle(**{which: wrong}), X, y, OPTIMUM)


def test_right_ones_pass():
    fi.Influence(oracle(), X, y, OPTIMUM)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_numbers(value):
    def broken(theta, X, y):
        out = gradient(theta, X, y)
        out[0, 2] = value
        return out

    with pytest.raises(fi.LossError, match=r"gradient returned (nan|inf) in entry \(0, 2\)"):
        fi.Influence(oracle(gradient=broken), X, y, OPTIMUM)


def test_one_raising_in_the_middle_of_cg():
    calls = 0

    def tired(theta, X, y, V):
        nonlocal calls
        calls += 1
        if calls > armed:
            raise MemoryError("no room")
        return hvp(theta, X, y, V)

    armed = np.inf
    infl = fi.Influence(oracle(hvp=tired), X, y, OPTIMUM, solver=fi.solvers.CG(preconditioner=None))
    armed = calls + 1
    with pytest.raises(
        fi.OracleError, match=r"hvp raised MemoryError: no room.*V \(5, 5\)"
    ) as told:
        infl.on_loss(X_test, y_test)
    assert isinstance(told.value.__cause__, MemoryError)


def test_what_a_callable_is_handed_is_its_own():
    """One that writes over its arguments changes nothing of the library's."""

    def writing(theta, X, y, V):
        out = hvp(theta, X, y, V)
        theta[:], V[:] = np.nan, np.nan
        return out

    clean = fi.Influence(oracle(), X, y, OPTIMUM, solver=fi.solvers.CG())
    other = fi.Influence(oracle(hvp=writing), X, y, OPTIMUM, solver=fi.solvers.CG())
    np.testing.assert_array_equal(other.on_loss(X_test, y_test), clean.on_loss(X_test, y_test))


@pytest.mark.filterwarnings("ignore:theta is far:fastinfluence.FastInfluenceWarning")
def test_a_kink_near_theta_is_no_error():
    """Central differences may cross a kink; one step that does not is enough."""

    def kinked(theta, X, y):
        return np.where(theta > 0.5 + 1e-5, 2.0, 1.0) * 0.5 * theta * np.ones((len(X), 1))

    def product(theta, X, y, V):
        return len(X) * np.where(theta > 0.5 + 1e-5, 1.0, 0.5)[:, None] * V

    fi.Influence(fi.Oracle(kinked, product), X, y, OPTIMUM)


BAD_OPTIONS = {
    "no function": (
        lambda: fi.Oracle(gradient, 3),
        r"hvp=3 is not callable.*hvp\(theta, X, y, V\)",
    ),
    "no gradient": (lambda: fi.Oracle(None, hvp), "gradient=None is not callable"),
    "reduction": (lambda: fi.Oracle(gradient, hvp, reduction="max"), "reduction='max'"),
    "n_params": (lambda: fi.Oracle(gradient, hvp, n_params=0), "n_params=0"),
    "batch": (lambda: fi.Oracle(gradient, hvp, batch=2.5), "batch=2.5"),
    "l2": (lambda: fi.Oracle(gradient, hvp, l2=-1), "l2=-1"),
    "names": (lambda: fi.Oracle(gradient, hvp, n_params=2, param_names=["a"]), "param_names"),
    "l2 of another length": (
        lambda: fi.Influence(fi.Oracle(gradient, hvp, l2=[1.0, 2.0]), X, y, OPTIMUM),
        "l2 has 2 entries but theta has 5",
    ),
    "theta of another length": (
        lambda: fi.Influence(fi.Oracle(gradient, hvp, n_params=3), X, y, OPTIMUM),
        r"theta has shape \(5,\)",
    ),
    "theta of several lengths": (
        lambda: fi.Influence(fi.Oracle(gradient, hvp), X, y, [1.0, [2.0]]),
        "give theta of shape",
    ),
    "theta of nothing": (lambda: fi.Influence(fi.Oracle(gradient, hvp), X, y, []), "give theta"),
    "theta a table": (
        lambda: fi.Influence(fi.Oracle(gradient, hvp), X, y, OPTIMUM[:, None]),
        "theta",
    ),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options(name):
    call, words = BAD_OPTIONS[name]
    with pytest.raises(fi.InputError, match=words):
        call()
