"""THE table of losses: one symbolic line each.

To add a loss, add one line to :data:`LOSSES` and name its parameters; derivatives, kernels, tests
and its row in the docs follow. Constants free of the parameters of a model are dropped. The text
should keep its digits at both ends of f (write ``softplus(f)``, not ``log(1 + exp(f))`` minus
something close): what is derived is compared with mpmath, and refused when it loses them.
"""

import difflib
from dataclasses import dataclass

from fastinfluence.errors import InputError, LossError
from fastinfluence.spec.families import ALPHA, TWEEDIE_LINES, compose
from fastinfluence.spec.line import Line, Param, Sample, sample_of
from fastinfluence.spec.loss import Loss
from fastinfluence.spec.multinomial import LINE as MULTINOMIAL
from fastinfluence.spec.multinomial import Multinomial

_BINARY = frozenset({0.0, 1.0})
_SIGNS = frozenset({-1.0, 1.0})
_T = Param(
    "t", sample=0.05, trials=(1e-3, 10.0)
)  # no convention: t is a width in the units of y (or of the margin)
_DELTA = Param("delta", 1.35, trials=(0.01, 100.0))


LOSSES: dict[str, Line | tuple[Line, ...]] = {
    "squared": Line("(f - y)**2/2", "real", mean="f", doc="Least squares, f the mean."),
    "logistic": Line(
        "y*softplus(-f) + (1-y)*softplus(f)",
        _BINARY,
        mean="sigmoid(f)",
        doc="log(1 + e^f) - y f, to rounding of its larger term.",
    ),
    "probit": Line("-log_ndtr((2*y-1)*f)", _BINARY, mean="ndtr(f)", doc="Normal link."),
    "cloglog": Line(
        "(1-y)*exp(f) - y*cloglog(f)",
        _BINARY,
        mean="-expm1(-exp(f))",
        doc="Complementary log-log link, P(y=1) = 1 - exp(-e^f).",
    ),
    "poisson": Line("exp(f) - y*f", "nonnegative", mean="exp(f)", doc="Log link."),
    "gamma": Line("f + y*exp(-f)", "positive", mean="exp(f)", doc="Log link, unit shape."),
    "inverse_gaussian": Line(
        "exp(-f)*(y*exp(-f)/2 - 1)", "positive", mean="exp(f)", doc="Log link."
    ),
    "tweedie": tuple(compose(line, "log") for line in TWEEDIE_LINES),
    "negative_binomial": Line(
        "softplus(f + log(alpha))/alpha + y*(softplus(-f - log(alpha)) + log(alpha))",
        "nonnegative",
        (ALPHA,),
        mean="exp(f)",
        doc="Log link, variance mu + alpha mu^2; alpha is known.",
    ),
    "huber": Line(
        "where(abs(f-y) <= delta, (f-y)**2/2, delta*(abs(f-y) - delta/2))",
        "real",
        (_DELTA,),
        doc="Squared within delta, linear outside (Huber 1964); 1.35 is 95 % efficient.",
    ),
    "pseudo_huber": Line(
        "delta**2*sqrt1pm1(((f-y)/delta)**2)", "real", (_DELTA,), doc="Smooth Huber."
    ),
    "logcosh": Line("logcosh(f-y)", "real", doc="log cosh of the residual."),
    "smooth_quantile": Line(
        "t*(logcosh((f-y)/(2*t)) + log(2)) + (1/2 - tau)*(f-y)",
        "real",
        (Param("tau", 0.5, 0.0, 1.0, sample=0.3, trials=(0.5, 0.99)), _T),
        doc="Pinball loss of quantile tau, smoothed over t: tau*r + t*softplus(-r/t), r = y - f,\n"
        "written so that its derivative tanh((f-y)/2t)/2 + 1/2 - tau keeps its digits.",
    ),
    "smooth_eps_insensitive": Line(
        "t*(softplus(logcosh((f-y)/t) - logcosh(eps/t)) + softplus(-2*eps/t))",
        "real",
        (Param("eps", 0.1, trials=(1e-3, 20.0)), _T),
        doc="max(0, |f-y| - eps) of support vector regression, smoothed over t:\n"
        "t*(softplus((r-eps)/t) + softplus((-r-eps)/t)), written without differences.",
    ),
    "smooth_hinge": Line(
        "t*softplus((1-y*f)/t)",
        _SIGNS,
        (_T,),
        doc="Hinge smoothed over t (Koh & Liang 2017, section 4.2); it tends to max(0, 1-yf).",
    ),
    "squared_hinge": Line("max(0, 1-y*f)**2", _SIGNS, doc="Its second derivative jumps at yf=1."),
    "exponential": Line("exp(-y*f)", _SIGNS, doc="The loss of AdaBoost."),
}

VECTOR_LOSSES: dict[str, Line] = {"multinomial": MULTINOMIAL}
"""Losses of K predictions a row: no pointwise program is derived from their line."""


def make(name: str, **params: float) -> Loss:
    """Loss of the table with these parameter values.

    Parameters
    ----------
    name : str
        A row of the table of losses.
    **params : float
        The others keep their defaults.

    Returns
    -------
    Loss

    Raises
    ------
    LossError
        For an unknown name, or a parameter that is unknown, missing or outside its range.
    """
    if name in VECTOR_LOSSES:
        if params:
            raise LossError(f"{name} has no parameter {next(iter(params))!r}")
        return Multinomial()
    if name not in LOSSES:
        raise LossError(_unknown(name))
    return Loss.from_table(name, _lines(name), params)


def get(name: str) -> Loss:
    """Loss of the table by name, with default parameters.

    Parameters
    ----------
    name : str

    Returns
    -------
    Loss

    Raises
    ------
    LossError
        For an unknown name, or one with a parameter that has no default.
    """
    return make(name)


def _lines(name: str) -> tuple[Line, ...]:
    row = LOSSES[name] if name in LOSSES else VECTOR_LOSSES[name]
    return (row,) if isinstance(row, Line) else row


def _unknown(name: object) -> str:
    known = [*LOSSES, *VECTOR_LOSSES]
    close = difflib.get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"no loss is called {name!r}.{hint} There are {', '.join(known)}"


@dataclass(frozen=True)
class Factory:
    """Makes losses of one name: ``smooth_hinge(t=1e-3)``."""

    name: str

    def __call__(self, *unnamed: float, **params: float) -> Loss:
        """Loss with these parameter values; the others keep their defaults.

        Parameters
        ----------
        **params : float
            By name; in the range that the table of losses gives. ``*unnamed`` ones are refused.

        Returns
        -------
        Loss

        Raises
        ------
        InputError
            For a parameter without its name.
        LossError
            For one that is unknown, missing or outside its range.
        """
        if unnamed:
            known = ", ".join(f"{p.name}=" for p in _lines(self.name)[0].params) or "none"
            raise InputError(
                f"fi.losses.{self.name} takes its parameters by name: {known} (not {unnamed[0]!r})"
            )
        return make(self.name, **params)

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        line = _lines(self.name)[0]
        return f"{line.doc}\n\n    l(f, y) = {line.text},  y: {line.y_text}"


def __getattr__(name: str) -> Factory:
    if name in LOSSES or name in VECTOR_LOSSES:
        return Factory(name)
    raise AttributeError(_unknown(name))


def __dir__() -> list[str]:
    return sorted([*LOSSES, *VECTOR_LOSSES, "LOSSES", "get", "make", "registry"])


def registry() -> list[Sample]:
    """Every line of the table as a :class:`Sample`, at sample parameters.

    Returns
    -------
    list of Sample
    """
    return [
        sample_of(Loss.from_line(name, line, line.sample_params))
        for name in LOSSES
        for line in _lines(name)
    ]
