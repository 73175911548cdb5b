"""Families and links by hand, joined by the chain rule: the observed second derivative."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from reference_losses import LOSSES, Array, Loss, draw_normal, sigmoid, sigmoid_d1

Of = Callable[[Array], Array]


@dataclass(frozen=True)
class Family:
    """A loss in the mean, L(y, mu), its two derivatives in mu, its variance, and how to draw."""

    value: Callable[[Array, Array], Array]
    d1: Callable[[Array, Array], Array]
    d2: Callable[[Array, Array], Array]
    variance: Of
    draw: Callable[[np.random.Generator, Array], Array]


@dataclass(frozen=True)
class Link:
    """The mean as a function of f, its two derivatives, and where f lives in the cases."""

    mean: Of
    d1: Of
    d2: Of
    center: float = 0.2
    spread: float = 1.0


GAUSSIAN = Family(
    value=lambda y, mu: 0.5 * (mu - y) ** 2,
    d1=lambda y, mu: mu - y,
    d2=lambda y, mu: np.ones_like(mu),
    variance=np.ones_like,
    draw=draw_normal,
)
POISSON = Family(
    value=lambda y, mu: mu - y * np.log(mu),
    d1=lambda y, mu: 1 - y / mu,
    d2=lambda y, mu: y / mu**2,
    variance=lambda mu: mu,
    draw=lambda rng, mu: rng.poisson(mu).astype(float),
)
GAMMA = Family(
    value=lambda y, mu: np.log(mu) + y / mu,
    d1=lambda y, mu: 1 / mu - y / mu**2,
    d2=lambda y, mu: -1 / mu**2 + 2 * y / mu**3,
    variance=lambda mu: mu**2,
    draw=lambda rng, mu: rng.gamma(8.0, mu / 8.0),
)
INVERSE_GAUSSIAN = Family(
    value=lambda y, mu: 0.5 * y / mu**2 - 1 / mu,
    d1=lambda y, mu: -y / mu**3 + 1 / mu**2,
    d2=lambda y, mu: 3 * y / mu**4 - 2 / mu**3,
    variance=lambda mu: mu**3,
    draw=lambda rng, mu: rng.wald(mu, 8.0),
)

LOG = Link(np.exp, np.exp, np.exp)
SOFTPLUS = Link(lambda f: np.logaddexp(0.0, f), sigmoid, sigmoid_d1, center=1.0)
SQRT = Link(lambda f: f**2, lambda f: 2 * f, lambda f: np.full_like(f, 2.0), 3.0, 0.3)
INVERSE = Link(lambda f: 1 / f, lambda f: -(f**-2.0), lambda f: 2 * f**-3.0, 2.0, 0.2)
INVERSE_SQUARED = Link(
    lambda f: f**-0.5, lambda f: -0.5 * f**-1.5, lambda f: 0.75 * f**-2.5, 2.0, 0.2
)
LOGIT = Link(sigmoid, sigmoid_d1, lambda f: -sigmoid_d1(f) * np.tanh(f / 2), center=0.2, spread=1.0)


def compose(family: Family, link: Link) -> Loss:
    """Return the loss in f; its Fisher weight is mu'^2 / V(mu)."""
    return Loss(
        value=lambda y, f: family.value(y, link.mean(f)),
        d1=lambda y, f: family.d1(y, link.mean(f)) * link.d1(f),
        d2=lambda y, f: (
            family.d2(y, link.mean(f)) * link.d1(f) ** 2 + family.d1(y, link.mean(f)) * link.d2(f)
        ),
        draw=lambda rng, f: family.draw(rng, link.mean(f)),
        mean=link.mean,
        mean_d1=link.d1,
        fisher=lambda f: link.d1(f) ** 2 / family.variance(link.mean(f)),
        center=link.center,
        spread=link.spread,
    )


FAMILIES: dict[str, tuple[Family, Link]] = {
    "gaussian log": (GAUSSIAN, LOG),
    "gaussian logit": (GAUSSIAN, LOGIT),
    "gaussian softplus": (GAUSSIAN, SOFTPLUS),
    "poisson sqrt": (POISSON, SQRT),
    "poisson softplus": (POISSON, SOFTPLUS),
    "gamma inverse": (GAMMA, INVERSE),
    "gamma softplus": (GAMMA, SOFTPLUS),
    "inverse_gaussian inverse_squared": (INVERSE_GAUSSIAN, INVERSE_SQUARED),
    "inverse_gaussian inverse": (INVERSE_GAUSSIAN, INVERSE),
}
LOSSES.update({name: compose(*pair) for name, pair in FAMILIES.items()})
