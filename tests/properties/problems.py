"""Random problems in words, for properties and for the soak: every number follows from the words.

A problem has a unit form, in which columns and weights are of ordinary size and the dense
reference is at home, and a given form, the one the library sees: each column times a power of two
(which rounds nothing), weights times another, in some layout and type.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import reference
from cases import SPEC_LOSSES, draw_weights
from reference_losses import LOSSES, Array

import fastinfluence as fi

BINARY = ("logistic", "probit", "cloglog", "smooth_hinge", "squared_hinge", "exponential")
KINKED = ("huber", "squared_hinge")
"""Losses whose second derivative jumps: exact removals agree, Newton's step may not be unique."""
SMOOTH = tuple(name for name in LOSSES if name not in KINKED and " " not in name)
CONVEX = tuple(name for name in SMOOTH if name not in ("inverse_gaussian", "gamma"))
HELD = 4
"""Rows of each label that keep their weight, so that a removal leaves both labels."""


def strided(X: Array) -> Array:
    """Return the same numbers with gaps of NaN between them."""
    wide = np.full(tuple(3 * size for size in X.shape), np.nan, dtype=X.dtype)
    gaps = (slice(None, None, 3),) * X.ndim
    wide[gaps] = X
    return wide[gaps]


def read_only(X: Array) -> Array:
    """Return a copy that refuses writing."""
    X = X.copy()
    X.flags.writeable = False
    return X


LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "strided": strided,
    "reversed": lambda X: X[::-1].copy()[::-1],
    "read-only": read_only,
    "big-endian": lambda X: X.astype(X.dtype.newbyteorder(">")),
}


@dataclass(frozen=True)
class Words:
    """One problem; ``powers`` scale the columns by 2**power, ``heavy`` the weights."""

    seed: int
    loss: str = "logistic"
    n: int = 20
    d: int = 3
    reduction: Literal["mean", "sum"] = "mean"
    fit_intercept: bool = True
    penalize_intercept: bool = False
    l2: tuple[float, ...] = (0.05,)
    weights: Literal["none", "real", "counts", "some zero", "wide"] = "none"
    offset: bool = False
    powers: tuple[int, ...] = (0,)
    heavy: int = 0
    layout: str = "C"
    dtype: str = "float64"
    copied: bool = False
    zeros: float = 0.0

    @cached_property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.n, self.d])


def _labels(words: Words, f: Array) -> Array:
    """Draw labels about f; of two labels the first rows hold some of each, of counts some > 0."""
    y = np.asarray(LOSSES[words.loss].draw(words.rng, f), dtype=np.float64)
    if words.loss in BINARY:
        y[:HELD], y[HELD : 2 * HELD] = y.min() if y.min() < y.max() else y.min() - 1, 1.0
        y[:HELD] = -1.0 if LOSSES[words.loss].draw.__name__ == "draw_sign" else 0.0
    elif LOSSES[words.loss].draw.__name__ == "draw_count":
        y[:HELD] += 1.0
    return y


def _weights(words: Words) -> Array:
    kind = words.weights
    if kind == "wide":
        return 10.0 ** words.rng.uniform(-3, 3, size=words.n)
    drawn = draw_weights(kind, words.n, words.rng)
    w = np.ones(words.n) if drawn is None else drawn
    w[: 2 * HELD] = np.maximum(w[: 2 * HELD], 0.5)
    return w


def _features(words: Words, n: int) -> Array:
    X = words.rng.normal(size=(n, words.d))
    X[words.rng.random(X.shape) < words.zeros] = 0.0
    if words.copied and words.d > 1:
        X[:, -1] = X[:, 0]
    return X.astype(words.dtype).astype(np.float64)


@dataclass(frozen=True)
class Problem:
    """Both forms of one problem, and test rows in unit form."""

    words: Words
    unit: reference.Problem
    X_test: Array
    y_test: Array
    offset_test: Array | None

    @property
    def scale(self) -> Array:
        """What each parameter of the unit form is divided by in the given form, shape (p,)."""
        powers = np.resize(self.words.powers, self.words.d).astype(int)
        c = np.ldexp(1.0, powers)
        return np.append(c, 1.0) if self.words.fit_intercept else c

    @property
    def columns(self) -> Array:
        """The scale of the features alone, shape (d,)."""
        return self.scale[: self.words.d]

    def stored(self, X: Array) -> Array:
        """Rows of the unit form as the library gets them."""
        given = (X * self.columns).astype(self.words.dtype)
        return np.asarray(LAYOUTS[self.words.layout](given))

    @property
    def spec(self) -> "fi.GLM":
        """The spec of the given form."""
        words, l2 = self.words, self.unit.l2
        given = l2 * self.scale**2
        if words.reduction == "sum":
            given = np.ldexp(given, words.heavy)
        with_intercept = words.penalize_intercept and words.fit_intercept
        return fi.GLM(
            SPEC_LOSSES[words.loss](),
            l2=given if with_intercept else given[: words.d],
            fit_intercept=words.fit_intercept,
            penalize_intercept=with_intercept,
            reduction=words.reduction,
        )

    def data(self) -> dict[str, Any]:
        """sample_weight and offset of the given form, as keywords."""
        words, unit = self.words, self.unit
        plain = words.weights == "none" and not words.heavy
        layout = LAYOUTS[words.layout]
        weight = None if plain else layout(np.ldexp(unit.weights, words.heavy))
        return {"sample_weight": weight, "offset": layout(unit.offset) if words.offset else None}

    def influence(self, theta: Array | None = None, **options: Any) -> "fi.Influence":
        """The library's object at a theta of the unit form, by default the problem's."""
        at = (self.unit.theta if theta is None else theta) / self.scale
        X, y = self.stored(self.unit.X), LAYOUTS[self.words.layout](self.unit.y)
        with muted():
            return fi.Influence(self.spec, X, y, at, n_threads=1, **{**self.data(), **options})

    def fitted(self) -> "fi.Influence":
        """The library's own fit."""
        X, y = self.stored(self.unit.X), LAYOUTS[self.words.layout](self.unit.y)
        with muted():
            return fi.Influence.fit(self.spec, X, y, n_threads=1, **self.data())

    @property
    def test(self) -> tuple[Array, Array]:
        """Test rows and labels of the given form."""
        return self.stored(self.X_test), self.y_test

    def asked(self) -> dict[str, Any]:
        """offset_test as a keyword."""
        return {"offset_test": self.offset_test}

    def at_optimum(self) -> "Problem":
        """The same at the reference's own optimum."""
        return replace(self, unit=replace(self.unit, theta=reference.refit(self.unit)))


@contextmanager
def muted() -> Iterator[None]:
    """Without the library's warnings: a theta drawn at random is far from the optimum."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        yield


def build(words: Words) -> Problem:
    """Draw a problem, theta near what its labels were drawn from."""
    words = replace(words)  # a generator of its own
    rng, loss, t = words.rng, LOSSES[words.loss], 3
    X, X_test = _features(words, words.n), _features(words, t)
    truth = rng.uniform(-0.7, 0.7, size=words.d)
    offset = rng.normal(scale=0.3, size=words.n) if words.offset else np.zeros(words.n)
    offset_test = rng.normal(scale=0.3, size=t) if words.offset else None
    y = _labels(words, X @ truth + loss.center + offset)
    y_test = np.asarray(loss.draw(rng, X_test @ truth + loss.center), dtype=np.float64)
    l2 = np.resize(np.asarray(words.l2), words.d)
    weights = _weights(words)
    l2 = l2 * weights.sum() if words.reduction == "sum" else l2
    if words.fit_intercept:
        truth = np.append(truth, loss.center)
        l2 = np.append(l2, l2[0] if words.penalize_intercept else 0.0)
    theta = truth + 0.2 * rng.normal(size=len(truth))
    unit = reference.Problem(
        words.loss, X, y, theta, weights, offset, l2, words.fit_intercept, words.reduction
    )
    return Problem(words, unit, X_test, y_test, offset_test)


def error(found: Any, expected: Any) -> float:
    """Largest error of any entry, relative to the largest expected entry of its last axis."""
    found, expected = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert found.shape == expected.shape, (found.shape, expected.shape)
    size = np.abs(expected).max(axis=-1, keepdims=True)
    off = np.abs(found - expected) / np.where(size > 0, size, 1.0)
    return float(np.where(np.isnan(off), np.inf, off).max(initial=0.0))
