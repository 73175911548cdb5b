"""Exponential families x links, composed from two tables.

A family is a line in ``mu``, ``log_mu``, ``inv_mu`` and ``log1m_mu`` (the mean, its logarithm, its
reciprocal, log(1 - mu)); a link says what those are as stable expressions of f. Substituting one
into the other gives an ordinary :class:`Line`, so the second derivative is the *observed* one also
where the link is not canonical, and ``fisher`` the expected one.

``fi.families.gamma(link="log")`` makes a Loss. Default links are the canonical ones for gaussian,
binomial and poisson, and log for the others, as in scikit-learn's Gamma and Tweedie regressors:
their canonical links restrict f.
"""

import math
import re
from dataclasses import dataclass, replace

from fastinfluence.errors import LossError
from fastinfluence.spec.line import REAL_LINE, Domain, Line, Param, Sample, sample_of
from fastinfluence.spec.loss import Loss

_POSITIVE = (0.0, math.inf)
_NEGATIVE = (-math.inf, 0.0)
_UNIT = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Link:
    """Expressions of f for the mean and its companions, with the open interval of valid f."""

    mu: str
    log_mu: str = ""
    inv_mu: str = ""
    log1m_mu: str = ""
    f: tuple[float, float] = REAL_LINE


@dataclass(frozen=True, slots=True)
class Family:
    """Lines of a family (one per range of its parameter) and its links, the default one first.

    `f` narrows the domain of f for links whose image is larger than the set of valid means.
    """

    lines: tuple[Line, ...]
    links: tuple[str, ...]
    f: tuple[tuple[str, tuple[float, float]], ...] = ()


LINKS: dict[str, Link] = {
    "identity": Link("f", "log(f)", "1/f", "log1p(-f)"),
    "log": Link("exp(f)", "f", "exp(-f)", "log1mexp(f)"),
    "logit": Link("sigmoid(f)", "(-softplus(-f))", "(1 + exp(-f))", "(-softplus(f))"),
    "probit": Link("ndtr(f)", "log_ndtr(f)", "", "log_ndtr(-f)"),
    "cloglog": Link("(-expm1(-exp(f)))", "cloglog(f)", "", "(-exp(f))"),
    "inverse": Link("1/f", "(-log(f))", "f", "", _POSITIVE),
    "inverse_squared": Link("1/sqrt(f)", "(-log(f)/2)", "sqrt(f)", "", _POSITIVE),
    "sqrt": Link("f**2", "(2*log(f))", "1/f**2", "", _POSITIVE),
    "softplus": Link("softplus(f)", "logsoftplus(f)", "exp(-logsoftplus(f))"),
}

ALPHA = Param("alpha", 1.0, trials=(0.01, 100.0))
_ABOVE_ZERO = (("identity", _POSITIVE),)


def _family(text: str, y: Domain, *links: str, **kwargs: object) -> Family:
    params = kwargs.pop("params", ())
    return Family((Line(text, y, params),), links, **kwargs)  # type: ignore[arg-type]


def _tweedie_line(text: str, y: Domain, low: float, high: float, *samples: float) -> Line:
    closed = low == high or high == 0.0
    default = 1.5 if low < 1.5 < high else None
    return Line(text, y, (Param("power", default, low, high, closed, samples[0], samples[1:]),))


# Tweedie's deviance has one formula, but which of its two powers of mu may be factored out without
# overflow depends on the power, and at 1 and 2 it has a limit instead.
TWEEDIE_LINES = (
    _tweedie_line(
        "exp((2-power)*log_mu)/(2-power) + y*exp((1-power)*log_mu)/(power-1)",
        *("nonnegative", 1.0, 2.0, 1.5, 1.01, 1.99),
    ),
    _tweedie_line("mu - y*log_mu", "nonnegative", 1.0, 1.0, 1.0),
    _tweedie_line("log_mu + y*inv_mu", "positive", 2.0, 2.0, 2.0),
    _tweedie_line(
        "exp((2-power)*log_mu)*(y*inv_mu/(power-1) - 1/(power-2))",
        *("positive", 2.0, 100.0, 2.5, 2.01, 3.0),
    ),
    _tweedie_line(
        "exp((1-power)*log_mu)*(mu/(2-power) - y/(1-power))",
        *("real", -100.0, 0.0, -0.5, 0.0, -1.0, -3.0),
    ),
)

FAMILIES: dict[str, Family] = {
    "gaussian": _family("(mu - y)**2/2", "real", "identity", "log", "inverse", "softplus", "logit"),
    "binomial": _family(
        "(-y)*log_mu - (1-y)*log1m_mu",
        "unit",
        *("logit", "probit", "cloglog", "log", "identity"),
        f=(("log", _NEGATIVE), ("identity", _UNIT)),
    ),
    "poisson": _family(
        "mu - y*log_mu", "nonnegative", "log", "identity", "sqrt", "softplus", f=_ABOVE_ZERO
    ),
    "gamma": _family(
        "log_mu + y*inv_mu", "positive", "log", "inverse", "identity", "softplus", f=_ABOVE_ZERO
    ),
    "inverse_gaussian": _family(
        "inv_mu*(y*inv_mu/2 - 1)",
        "positive",
        *("log", "inverse_squared", "inverse", "identity", "softplus"),
        f=_ABOVE_ZERO,
    ),
    "negative_binomial": _family(
        "log1p(alpha*mu)/alpha + y*(log(alpha) + log1p(inv_mu/alpha))",
        "nonnegative",
        *("log", "identity", "sqrt", "softplus"),
        f=_ABOVE_ZERO,
        params=(ALPHA,),
    ),
    "tweedie": Family(TWEEDIE_LINES, ("log", "identity"), _ABOVE_ZERO),
}


def compose(line: Line, link: str, f: tuple[float, float] | None = None) -> Line:
    """Line of a family with the link's expressions put in; `f` overrides the link's domain."""
    row = LINKS[link]
    text = re.sub(r"\b(mu|log_mu|inv_mu|log1m_mu)\b", lambda m: _part(row, m[1], link), line.text)
    return replace(line, text=text, f=f or row.f, mean=row.mu)


def _part(row: Link, token: str, link: str) -> str:
    text: str = getattr(row, token)
    if not text:
        raise LossError(f"link {link!r} gives no {token}")
    return text if text in ("f",) or text.startswith("(") or text.endswith("f)") else f"({text})"


def make(family: str, link: str | None = None, **params: float) -> Loss:
    """Loss of a family with a link.

    Parameters
    ----------
    family : str
        A row of the table of families.
    link : str, optional
        The family's first by default.
    **params : float
        The others keep their defaults.

    Returns
    -------
    Loss
        With the linear predictor f = link(mean) as its argument.

    Raises
    ------
    LossError
        For an unknown family, a link that does not suit it, or parameters out of range.
    """
    if family not in FAMILIES:
        raise LossError(f"no family is called {family!r}; there are {', '.join(FAMILIES)}")
    row = FAMILIES[family]
    chosen = row.links[0] if link is None else link
    if chosen not in row.links:
        raise LossError(f"{family} has no link {link!r}; use one of {', '.join(row.links)}")
    return Loss.from_table(family, _composed(family, chosen), params, family, chosen)


def _composed(family: str, link: str) -> tuple[Line, ...]:
    row = FAMILIES[family]
    return tuple(compose(line, link, dict(row.f).get(link)) for line in row.lines)


@dataclass(frozen=True)
class Factory:
    """Makes losses of one family: ``gamma(link="log")``."""

    family: str

    def __call__(self, link: str | None = None, **params: float) -> Loss:
        """Loss with this link; the family's default link if none is given.

        Parameters
        ----------
        link : str, optional
        **params : float
            The others keep their defaults.

        Returns
        -------
        Loss

        Raises
        ------
        LossError
            For a link that does not suit the family, or parameters out of range.
        """
        return make(self.family, link, **params)


def __getattr__(name: str) -> Factory:
    if name in FAMILIES:
        return Factory(name)
    raise AttributeError(f"no family is called {name!r}; there are {', '.join(FAMILIES)}")


def __dir__() -> list[str]:
    return sorted([*FAMILIES, "FAMILIES", "LINKS", "make", "registry"])


def registry() -> list[Sample]:
    """Every valid pair (and range of a parameter) as a :class:`Sample`, at sample parameters.

    Returns
    -------
    list of Sample
    """
    return [
        sample_of(Loss.from_line(family, line, line.sample_params, family, link))
        for family, row in FAMILIES.items()
        for link in row.links
        for line in _composed(family, link)
    ]
