"""statsmodels' models as a table: every model, and every family with every link.

Adding a model is adding a row to ``MODELS``. Targets are drawn near a linear predictor that lies
well inside the link's domain, so that dropping a few rows stays inside it too.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import statsmodels.api as sm
from statsmodels.tools.sm_exceptions import DomainWarning

N = 72
ROWS = np.arange(0, N, 12)
F, L = sm.families, sm.families.links
TIGHT = {"tol": 1e-12, "rtol": 1e-12, "tol_criterion": "params", "maxiter": 2000}
NEWTON = {"method": "newton", "tol": 1e-11, "disp": 0}
LOOSE = {"disp": 0, "maxiter": 500}

_rng = np.random.default_rng(5)
X = sm.add_constant(_rng.uniform(-1.0, 1.0, size=(N, 2)))
COUNTS = _rng.integers(1, 4, size=N).astype(float)
WEIGHTS = _rng.uniform(0.5, 2.0, size=N)
OFFSET = _rng.uniform(-0.15, 0.15, size=N)
EXPOSURE = _rng.uniform(1.0, 3.0, size=N)
TRIALS = _rng.integers(8, 20, size=N)


@dataclass(frozen=True)
class Row:
    """One model: how it is fitted, and what its objective is made of."""

    name: str
    fit: Callable[[], Any]


# Linear predictors by link: the image of the link's inverse stays inside every family's means.
PREDICTORS: dict[str, tuple[float, float, float]] = {
    "Identity": (3.0, 0.5, -0.4),
    "Log": (0.8, 0.4, -0.3),
    "Logit": (0.2, 0.6, -0.5),
    "Probit": (0.2, 0.5, -0.4),
    "CLogLog": (-0.2, 0.5, -0.4),
    "InversePower": (1.0, 0.2, -0.15),
    "InverseSquared": (1.0, 0.2, -0.15),
    "Sqrt": (2.0, 0.3, -0.2),
    "Power": (2.0, 0.3, -0.2),
}
UNIT = {"Identity": (0.5, 0.15, -0.1), "Log": (-1.2, 0.3, -0.2)}


def means(link: Any, binomial: bool = False, offset: Any = 0.0) -> Any:
    """Return the mean of every row under a link."""
    name = type(link).__name__
    beta = UNIT.get(name, PREDICTORS[name]) if binomial else PREDICTORS[name]
    return link.inverse(X @ beta + offset)


def draw(kind: str, mu: Any) -> Any:
    """Draw targets of a family at given means."""
    rng = np.random.default_rng(7)
    if kind == "Gaussian":
        return mu + 0.1 * rng.normal(size=N)
    if kind == "trials":
        k = rng.binomial(TRIALS, mu)
        return np.column_stack([k, TRIALS - k])
    if kind == "labels":
        return (rng.random(N) < mu).astype(float)
    if kind == "Poisson":
        return rng.poisson(mu).astype(float)
    if kind == "NegativeBinomial":
        return rng.poisson(mu * rng.gamma(4.0, 0.25, size=N)).astype(float)
    return mu * rng.gamma(20.0, 0.05, size=N)


def glm(family: Any, y: Any, options: dict[str, Any], **data: Any) -> Any:
    """Fit a GLM tightly; a link that may leave the family's means is what is wanted here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DomainWarning)
        return sm.GLM(y, X, family=family, **data).fit(**options)


def family_row(kind: str, link: Any, data: dict[str, Any], **params: float) -> Row:
    """Return the row of a family with a link."""
    family = "Binomial" if kind in ("trials", "labels") else kind
    if kind == "trials":  # they are weights too, and such a mixture warns
        data = {key: value for key, value in data.items() if key != "freq_weights"}
    mu = means(link, family == "Binomial", data.get("offset", 0.0))
    words = [*(f"{key}={value:g}" for key, value in params.items()), *data]
    name = " ".join([f"GLM {family} {type(link).__name__}", *words])
    name += f" {kind}" if family == "Binomial" else ""
    if family == "Tweedie" and params["var_power"] == 0:
        kind = "Gaussian"

    def fit() -> Any:
        return glm(getattr(F, family)(link=link, **params), draw(kind, mu), TIGHT, **data)

    return Row(name, fit)


LINKS_OF: dict[str, tuple[str, ...]] = {
    "Gaussian": ("Identity", "Log", "InversePower"),
    "trials": ("Logit", "Probit", "CLogLog", "Log", "Identity"),
    "labels": ("Logit", "Probit", "CLogLog"),
    "Poisson": ("Log", "Identity", "Sqrt"),
    "Gamma": ("Log", "Identity", "InversePower"),
    "InverseGaussian": ("Log", "Identity", "InversePower", "InverseSquared"),
    "NegativeBinomial": ("Log", "Identity", "Power"),
    "Tweedie": ("Log", "Identity"),
}
DATA: tuple[dict[str, Any], ...] = (
    {},
    {"var_weights": WEIGHTS},
    {"freq_weights": COUNTS},
    {"offset": OFFSET, "var_weights": WEIGHTS},
)
PARAMS: dict[str, tuple[dict[str, float], ...]] = {
    "NegativeBinomial": ({"alpha": 0.5},),
    "Tweedie": tuple({"var_power": power} for power in (0.0, 1.0, 1.5, 2.0, 3.0)),
}


def link(name: str) -> Any:
    """Return a link by name; the power is that of a square root, NegativeBinomial's only way."""
    return L.Power(power=0.5) if name == "Power" else getattr(L, name)()


def families() -> list[Row]:
    """Every family with every link; what else the objective holds alternates from row to row."""
    turn = itertools.cycle(DATA)
    return [
        family_row(kind, link(name), next(turn), **params)
        for kind, names in LINKS_OF.items()
        for name in names
        for params in PARAMS.get(kind, ({},))
    ]


def counts() -> Any:
    return draw("Poisson", np.exp(X @ PREDICTORS["Log"]))


def overdispersed() -> Any:
    return draw("NegativeBinomial", np.exp(X @ PREDICTORS["Log"]))


def labels() -> Any:
    return draw("labels", means(L.Logit()))


def linear() -> Any:
    return draw("Gaussian", X @ PREDICTORS["Identity"])


def geometric() -> Any:
    return sm.NegativeBinomial(overdispersed(), X, loglike_method="geometric")


def exposed() -> Any:
    return glm(F.Poisson(), counts(), TIGHT, offset=OFFSET, exposure=EXPOSURE)


MODELS: tuple[Row, ...] = (
    Row("OLS", lambda: sm.OLS(linear(), X).fit()),
    Row("WLS", lambda: sm.WLS(linear(), X, weights=WEIGHTS).fit()),
    Row("Logit", lambda: sm.Logit(labels(), X).fit(**NEWTON)),
    Row("Logit offset", lambda: sm.Logit(labels(), X, offset=OFFSET).fit(**NEWTON)),
    Row("Logit shares", lambda: sm.Logit(0.8 * labels() + 0.1, X).fit(**NEWTON)),
    Row("Probit", lambda: sm.Probit(labels(), X).fit(**NEWTON)),
    Row("Poisson", lambda: sm.Poisson(counts(), X).fit(**NEWTON)),
    Row(
        "Poisson offset exposure",
        lambda: sm.Poisson(counts(), X, offset=OFFSET, exposure=EXPOSURE).fit(**NEWTON),
    ),
    Row("NegativeBinomial", lambda: sm.NegativeBinomial(overdispersed(), X).fit(**LOOSE)),
    Row("NegativeBinomial geometric", lambda: geometric().fit(**NEWTON)),
    Row("GLM Poisson exposure", exposed),
    *families(),
)
