"""In which unit a loss is, and with it every predicted change of a loss."""

from __future__ import annotations

NATS, PER_DISPERSION, SQUARED, PLAIN = (
    "nats",
    "nats at unit dispersion",
    "squared unit of y",
    "unit of y",
)
UNKNOWN = "unit of the loss"
_UNITS = {
    NATS: (
        "logistic", "probit", "cloglog", "binomial", "poisson", "negative_binomial", "multinomial",
    ),
    PER_DISPERSION: ("gamma", "inverse_gaussian", "tweedie"),
    SQUARED: ("squared", "gaussian", "huber", "pseudo_huber"),
    PLAIN: ("smooth_quantile", "smooth_eps_insensitive"),
}  # fmt: skip


def loss_unit(name: str) -> str:
    """The unit of a loss by its name in ``fi.losses`` or ``fi.families``.

    Negative logarithms of probabilities are in nats; those of a density with a scale of its own
    are in nats where that scale is 1. "unit of the loss" where nothing is known.
    """
    return next((unit for unit, names in _UNITS.items() if name in names), UNKNOWN)
