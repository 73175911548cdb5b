"""Losses by hand, in the scales of the contract: value and derivatives in the raw prediction f.

Independent of the library: every derivative here is written down from the formula of the loss and
checked by finite differences in ``test_reference.py``. Adding a loss is adding a row to ``LOSSES``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

Array = npt.NDArray[np.float64]
Pointwise = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Loss:
    """One loss l(y, f); ``mean(f)`` and its derivative where the loss belongs to a family.

    Cases draw f about ``center``, as wide as ``spread`` times a standard case.
    """

    value: Pointwise
    d1: Pointwise
    d2: Pointwise
    draw: Callable[[np.random.Generator, Array], Array]
    mean: Callable[[Array], Array] | None = None
    mean_d1: Callable[[Array], Array] | None = None
    fisher: Callable[[Array], Array] | None = None
    center: float = 0.2
    spread: float = 1.0


def sigmoid(f: Array) -> Array:
    """Return 1 / (1 + exp(-f))."""
    return special.expit(f)


def sigmoid_d1(f: Array) -> Array:
    """Return the derivative of the sigmoid."""
    return special.expit(f) * special.expit(-f)


def draw_normal(rng: np.random.Generator, f: Array) -> Array:
    """Draw real labels about f."""
    return f + rng.normal(size=f.shape)


def draw_binary(rng: np.random.Generator, f: Array) -> Array:
    """Draw labels 0 and 1 with P(1) = sigmoid(f)."""
    return (rng.uniform(size=f.shape) < sigmoid(f)).astype(float)


def draw_sign(rng: np.random.Generator, f: Array) -> Array:
    """Draw labels -1 and 1 with P(1) = sigmoid(f)."""
    return 2.0 * draw_binary(rng, f) - 1.0


def draw_count(rng: np.random.Generator, f: Array) -> Array:
    """Draw Poisson counts of mean exp(f)."""
    return rng.poisson(np.exp(f)).astype(float)


def draw_positive(rng: np.random.Generator, f: Array) -> Array:
    """Draw gamma variables of mean exp(f) and shape 4."""
    return rng.gamma(4.0, np.exp(f) / 4.0)


SQUARED = Loss(
    value=lambda y, f: 0.5 * (f - y) ** 2,
    d1=lambda y, f: f - y,
    d2=lambda y, f: np.ones_like(f),
    draw=draw_normal,
    mean=lambda f: f,
    mean_d1=np.ones_like,
    fisher=np.ones_like,
)

LOGISTIC = Loss(  # log(1 + e^f) - y f, y in {0, 1}
    value=lambda y, f: np.logaddexp(0.0, f) - y * f,
    d1=lambda y, f: sigmoid(f) - y,
    d2=lambda y, f: sigmoid_d1(f),
    draw=draw_binary,
    mean=sigmoid,
    mean_d1=sigmoid_d1,
    fisher=sigmoid_d1,
)


def normal_density(u: Array) -> Array:
    """Return the standard normal density."""
    return np.exp(-0.5 * u**2) / np.sqrt(2 * np.pi)


def mills(u: Array) -> Array:
    """Return density / distribution function of the standard normal, (log Phi)'."""
    return np.exp(-0.5 * u**2 - special.log_ndtr(u)) / np.sqrt(2 * np.pi)


PROBIT = Loss(  # -log Phi((2y - 1) f)
    value=lambda y, f: -special.log_ndtr((2 * y - 1) * f),
    d1=lambda y, f: -(2 * y - 1) * mills((2 * y - 1) * f),
    d2=lambda y, f: mills((2 * y - 1) * f) * ((2 * y - 1) * f + mills((2 * y - 1) * f)),
    draw=draw_binary,
    mean=special.ndtr,
    mean_d1=normal_density,
    fisher=lambda f: normal_density(f) ** 2 / (special.ndtr(f) * special.ndtr(-f)),
)


def cloglog_d1(y: Array, f: Array) -> Array:
    """Return d/df of -y log(1 - exp(-e^f)) + (1 - y) e^f."""
    u = np.exp(f)
    return -y * u / np.expm1(u) + (1 - y) * u


def cloglog_d2(y: Array, f: Array) -> Array:
    """Return the second derivative of the same."""
    u = np.exp(f)
    return -y * (u / np.expm1(u) - u**2 * np.exp(u) / np.expm1(u) ** 2) + (1 - y) * u


CLOGLOG = Loss(
    value=lambda y, f: -y * np.log(-np.expm1(-np.exp(f))) + (1 - y) * np.exp(f),
    d1=cloglog_d1,
    d2=cloglog_d2,
    draw=draw_binary,
    mean=lambda f: -np.expm1(-np.exp(f)),
    mean_d1=lambda f: np.exp(f - np.exp(f)),
    fisher=lambda f: np.exp(2 * f) / np.expm1(np.exp(f)),
)

POISSON = Loss(  # e^f - y f
    value=lambda y, f: np.exp(f) - y * f,
    d1=lambda y, f: np.exp(f) - y,
    d2=lambda y, f: np.exp(f),
    draw=draw_count,
    mean=np.exp,
    mean_d1=np.exp,
    fisher=np.exp,
)

GAMMA = Loss(  # f + y e^-f
    value=lambda y, f: f + y * np.exp(-f),
    d1=lambda y, f: 1 - y * np.exp(-f),
    d2=lambda y, f: y * np.exp(-f),
    draw=draw_positive,
    mean=np.exp,
    mean_d1=np.exp,
    fisher=np.ones_like,
)

INVERSE_GAUSSIAN = Loss(  # y e^-2f / 2 - e^-f
    value=lambda y, f: 0.5 * y * np.exp(-2 * f) - np.exp(-f),
    d1=lambda y, f: -y * np.exp(-2 * f) + np.exp(-f),
    d2=lambda y, f: 2 * y * np.exp(-2 * f) - np.exp(-f),
    draw=draw_positive,
    mean=np.exp,
    mean_d1=np.exp,
    fisher=lambda f: np.exp(-f),
)


def tweedie(power: float) -> Loss:
    """Return e^{(2-p)f} / (2-p) - y e^{(1-p)f} / (1-p), log link."""
    a, b = 2.0 - power, 1.0 - power
    return Loss(
        value=lambda y, f: np.exp(a * f) / a - y * np.exp(b * f) / b,
        d1=lambda y, f: np.exp(a * f) - y * np.exp(b * f),
        d2=lambda y, f: a * np.exp(a * f) - b * y * np.exp(b * f),
        draw=draw_positive,
        mean=np.exp,
        mean_d1=np.exp,
        fisher=lambda f: np.exp(a * f),
    )


def negative_binomial(alpha: float) -> Loss:
    """Return (y + 1/alpha) log(1 + alpha e^f) - y f, log link."""
    return Loss(
        value=lambda y, f: (y + 1 / alpha) * np.log1p(alpha * np.exp(f)) - y * f,
        d1=lambda y, f: (y + 1 / alpha) * sigmoid(f + np.log(alpha)) - y,
        d2=lambda y, f: (y + 1 / alpha) * sigmoid_d1(f + np.log(alpha)),
        draw=draw_count,
        mean=np.exp,
        mean_d1=np.exp,
        fisher=lambda f: np.exp(f) / (1 + alpha * np.exp(f)),
    )


def huber(delta: float) -> Loss:
    """Return r^2 / 2 inside delta, linear outside; r = f - y."""
    return Loss(
        value=lambda y, f: np.where(
            np.abs(f - y) <= delta, 0.5 * (f - y) ** 2, delta * (np.abs(f - y) - 0.5 * delta)
        ),
        d1=lambda y, f: np.clip(f - y, -delta, delta),
        d2=lambda y, f: (np.abs(f - y) <= delta).astype(float),
        draw=draw_normal,
    )


def pseudo_huber(delta: float) -> Loss:
    """Return delta^2 (sqrt(1 + (r/delta)^2) - 1)."""
    return Loss(
        value=lambda y, f: delta**2 * (np.hypot(1.0, (f - y) / delta) - 1),
        d1=lambda y, f: (f - y) / np.hypot(1.0, (f - y) / delta),
        d2=lambda y, f: np.hypot(1.0, (f - y) / delta) ** -3.0,
        draw=draw_normal,
    )


LOGCOSH = Loss(
    value=lambda y, f: np.logaddexp(f - y, y - f) - np.log(2.0),
    d1=lambda y, f: np.tanh(f - y),
    d2=lambda y, f: 1 / np.cosh(f - y) ** 2,
    draw=draw_normal,
)


def smooth_hinge(t: float) -> Loss:
    """Return t log(1 + e^{(1-s)/t}), s = y f, y in {-1, 1}."""
    return Loss(
        value=lambda y, f: t * np.logaddexp(0.0, (1 - y * f) / t),
        d1=lambda y, f: -y * sigmoid((1 - y * f) / t),
        d2=lambda y, f: sigmoid_d1((1 - y * f) / t) / t,
        draw=draw_sign,
    )


SQUARED_HINGE = Loss(
    value=lambda y, f: np.maximum(0.0, 1 - y * f) ** 2,
    d1=lambda y, f: -2 * y * np.maximum(0.0, 1 - y * f),
    d2=lambda y, f: 2.0 * (y * f < 1),
    draw=draw_sign,
)

EXPONENTIAL = Loss(
    value=lambda y, f: np.exp(-y * f),
    d1=lambda y, f: -y * np.exp(-y * f),
    d2=lambda y, f: np.exp(-y * f),
    draw=draw_sign,
)

LOSSES: dict[str, Loss] = {
    "squared": SQUARED,
    "logistic": LOGISTIC,
    "probit": PROBIT,
    "cloglog": CLOGLOG,
    "poisson": POISSON,
    "gamma": GAMMA,
    "inverse_gaussian": INVERSE_GAUSSIAN,
    "tweedie": tweedie(1.5),
    "negative_binomial": negative_binomial(0.5),
    "huber": huber(1.0),
    "pseudo_huber": pseudo_huber(1.0),
    "logcosh": LOGCOSH,
    "smooth_hinge": smooth_hinge(0.5),
    "squared_hinge": SQUARED_HINGE,
    "exponential": EXPONENTIAL,
}
