"""Rows of any container that can be indexed."""

import functools

import numpy as np
import pandas as pd
import pytest
from oracle_cases import (
    ANSWERS,
    EVERY,
    OPTIMUM,
    X,
    X_test,
    gradient,
    hvp,
    loss,
    oracle,
    w,
    weighted_hvp,
    y,
    y_test,
)

import fastinfluence as fi

COLUMNS = list("abcd")


def through(read):
    """The oracle whose rows are first read into arrays."""
    calls = {
        "gradient": lambda t, X, y: gradient(t, read(X), np.asarray(y, dtype=float)),
        "hvp": lambda t, X, y, V: hvp(t, read(X), np.asarray(y, dtype=float), V),
        "loss": lambda t, X, y: loss(t, read(X), np.asarray(y, dtype=float)),
    }
    return fi.Oracle(**calls, l2=oracle().l2, batch=25)


class Lazy:
    """The least that a sequence is: a length, and items one at a time."""

    def __init__(self, X):
        self._X = X

    def __len__(self):
        return len(self._X)

    def __getitem__(self, i):
        if not isinstance(i, int):
            raise TypeError("one at a time")
        return self._X[i]


CONTAINERS = {
    "frame": (lambda X: pd.DataFrame(X, columns=COLUMNS), lambda X: X.to_numpy()),
    "relabelled frame": (
        lambda X: pd.DataFrame(X, columns=COLUMNS, index=[f"r{k}" for k in range(len(X))]),
        lambda X: X[COLUMNS].to_numpy(),
    ),
    "images": (lambda X: X.reshape(-1, 1, 2, 2), lambda X: X.reshape(len(X), -1)),
    "texts": (
        lambda X: [" ".join(repr(float(v)) for v in row) for row in X],
        lambda X: np.array([[float(v) for v in text.split()] for text in X]),
    ),
    "tuple of arrays": (lambda X: tuple(X), lambda X: np.stack(X)),
    "sequence": (Lazy, lambda X: np.stack(X)),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers(name):
    make, read = CONTAINERS[name]
    own = fi.Influence(oracle(batch=25), X, y, OPTIMUM)
    other = fi.Influence(through(read), make(X), list(y), OPTIMUM)
    test = make(X_test), list(y_test)
    np.testing.assert_allclose(other.on_loss(*test), own.on_loss(X_test, y_test), atol=1e-14)
    np.testing.assert_allclose(other.self_influence(), own.self_influence(), atol=1e-14)
    removal = other.leave_group_out([[3, 1], [30]], method="newton")
    wanted = own.leave_group_out([[3, 1], [30]], method="newton")
    np.testing.assert_allclose(removal.theta, wanted.theta, atol=1e-13)
    np.testing.assert_allclose(other.without([0, 40]).theta, own.without([0, 40]).theta, atol=1e-12)


def test_rows_without_targets():
    """A density: nothing but X, fitted to its mean."""
    spec = fi.Oracle(
        lambda t, X, y: t - X,
        lambda t, X, y, V: len(X) * V,
        loss=lambda t, X, y: 0.5 * ((t - X) ** 2).sum(axis=1),
    )
    infl = fi.Influence(spec, X, None, X.mean(axis=0))
    assert infl.gradient_norm < 1e-14
    gone = infl.leave_one_out([2], method="exact").theta[0]
    np.testing.assert_allclose(gone, np.delete(X, 2, axis=0).mean(axis=0), atol=1e-12)
    scores = infl.on_loss(X_test, None)
    np.testing.assert_allclose(scores, (infl.theta - X_test) @ (infl.theta - X).T / len(X))


BAD = {
    "rows apart": (lambda: fi.Influence(oracle(), X, y[:-1], OPTIMUM), "y has 59 entries"),
    "a number": (lambda: fi.Influence(oracle(), 3.0, y, OPTIMUM), "rows given as a float"),
    "a set": (lambda: fi.Influence(oracle(), set(range(60)), y, OPTIMUM), "rows given as a set"),
    "no rows": (lambda: fi.Influence(oracle(), X[:0], y[:0], OPTIMUM), "X has no rows"),
    "a text": (lambda: fi.Influence(oracle(), "abc", y, OPTIMUM), "rows given as a str"),
    "one test row": (
        lambda: fi.Influence(oracle(), X, y, OPTIMUM).on_loss(X[0], y[:1]),
        r"each row of X_test has shape \(\), a training row has \(4,\)",
    ),
    "narrow test rows": (
        lambda: fi.Influence(oracle(), X, y, OPTIMUM).on_loss(X[:, :2], y),
        r"shape \(2,\), a training row has \(4,\)",
    ),
    "no test rows": (
        lambda: fi.Influence(oracle(), X, y, OPTIMUM).on_loss(X[:0], y[:0]),
        "no rows",
    ),
    "test labels apart": (
        lambda: fi.Influence(oracle(), X, y, OPTIMUM).on_loss(X_test, y_test[:2]),
        "y_test has 2 entries",
    ),
    "no test labels": (
        lambda: fi.Influence(oracle(), X, y, OPTIMUM).on_loss(X_test, None),
        "y_test is needed",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_rows(name):
    call, words = BAD[name]
    with pytest.raises(fi.InputError, match=words):
        call()


@pytest.mark.filterwarnings("ignore:theta is far:fastinfluence.FastInfluenceWarning")
def test_no_call_is_handed_more_rows_than_a_batch():
    seen = []

    def counted(call):
        @functools.wraps(call)
        def inner(theta, X, *rest, **weights):
            seen.append(len(X))
            return call(theta, X, *rest, **weights)

        return inner

    calls = {name: counted(call) for name, call in EVERY.items()}
    calls["hvp"] = counted(weighted_hvp)
    infl = fi.Influence(oracle(**calls, batch=4), X, y, OPTIMUM, sample_weight=w)
    for name, answer in ANSWERS.items():
        seen.clear()
        answer(infl)
        infl.on_params(range(len(X)))
        infl.leave_group_out([range(20)], method="newton").on_loss(X, y)
        assert 0 < max(seen) <= 4, name


def test_rows_of_several_shapes_have_no_derivative_by_their_values():
    rows = [np.ones(2), np.ones(3)]
    spec = fi.Oracle(
        lambda t, X, y: np.stack([t - x.mean() for x in X]),
        lambda t, X, y, V: len(X) * V,
        mixed_vjp=lambda t, X, y, s: [-s.sum() * x for x in X],
    )
    infl = fi.Influence(spec, rows, None, [1.0])
    with pytest.raises(fi.UnsupportedError, match="different shapes"):
        infl.perturbation(rows, None, [0, 1])
