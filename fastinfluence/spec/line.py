"""A loss as data: one line of text with its parameters and domains."""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from fastinfluence.errors import LossError

if TYPE_CHECKING:
    from fastinfluence.spec.loss import Loss

# Part of every key: raise it whenever the same line would be derived differently.
DERIVATION_VERSION = 1

Domain: TypeAlias = frozenset[float] | str

NAMED_DOMAINS = ("real", "positive", "nonnegative", "counts", "unit")
SAMPLE_Y: dict[str, tuple[float, ...]] = {
    "real": (-3.0, -0.4, 0.0, 1.25, 40.0),
    "positive": (1e-3, 0.5, 1.0, 3.25, 250.0),
    "nonnegative": (0.0, 0.5, 3.0, 250.0),
    "counts": (0.0, 1.0, 4.0, 1000.0),
    "unit": (0.0, 0.25, 0.9, 1.0),
}
SAMPLE_F: tuple[float, ...] = (
    *(0.0, 1e-12, 1e-6, 1e-3, 0.1, 0.37, 0.5, 0.962, 1.0, 1.7, 2.0, 2.62, 3.0, 4.05, 5.0),
    *(7.0, 10.0, 20.0, 36.0, 40.0, 80.0, 100.0, 300.0, 700.0, 740.0, 800.0),
)
SAMPLE_UNIT = (1e-12, 1e-6, 1e-3, 0.1, 0.37, 0.5, 0.9, 0.999, 1 - 1e-9)
REAL_LINE = (-math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class Param:
    """Range of a run-time parameter: ``low < value < high``, ends included where `closed`.

    A `default` of None means that the caller must choose. Tests and benchmarks use `sample`;
    derivations are also tried at the values in `trials`, which should reach the ends of the range
    that people use.
    """

    name: str
    default: float | None = None
    low: float = 0.0
    high: float = math.inf
    closed: bool = False
    sample: float | None = None
    trials: tuple[float, ...] = ()

    @property
    def sample_value(self) -> float:
        """Value for tests and benchmarks."""
        value = self.sample if self.sample is not None else self.default
        return 1.0 if value is None else value

    def accepts(self, value: object) -> bool:
        """Whether a value is a finite number in range."""
        if isinstance(value, str | bool):
            return False
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return False
        if self.closed:
            return math.isfinite(number) and self.low <= number <= self.high
        return self.low < number < self.high

    @property
    def positive(self) -> bool:
        """Whether every allowed value is above 0."""
        return self.low > 0.0 or (self.low == 0.0 and not self.closed)

    def check(self, value: Any, owner: str) -> float:
        """Return the value as a float, or raise LossError naming the range."""
        if not self.accepts(value):
            raise LossError(f"{owner}: {self.name} must lie in {self.range}, got {value!r}")
        return float(value)

    @property
    def range(self) -> str:
        """Interval as text."""
        left, right = ("[", "]") if self.closed else ("(", ")")
        return f"{left}{self.low:g}, {self.high:g}{right}"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table of losses.

    Parameters
    ----------
    text : str
        Expression in ``y``, ``f`` and the parameters.
    y : frozenset of labels, or one of :data:`NAMED_DOMAINS`
        Domain of y.
    params : tuple of Param
        Run-time parameters in kernel order.
    f : (float, float)
        Open interval in which f must lie.
    mean : str, optional
        Expected y given f, in ``f`` and the parameters.
    doc : str
        What it is and where it comes from.
    """

    text: str
    y: Domain
    params: tuple[Param, ...] = ()
    f: tuple[float, float] = REAL_LINE
    mean: str | None = None
    doc: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names in kernel order."""
        return tuple(p.name for p in self.params)

    @property
    def y_text(self) -> str:
        """Domain of y for people."""
        if isinstance(self.y, str):
            return self.y
        return "{" + ", ".join(f"{v:g}" for v in sorted(self.y)) + "}"

    @property
    def sample_y(self) -> tuple[float, ...]:
        """Labels inside the domain, for tests."""
        return SAMPLE_Y[self.y] if isinstance(self.y, str) else tuple(sorted(self.y))

    @property
    def sample_f(self) -> tuple[float, ...]:
        """Raw predictions inside the domain, both ends of it included, for tests."""
        low, high = self.f
        tried = {s * v + 0.0 for v in SAMPLE_F for s in (1.0, -1.0)}
        if math.isfinite(low) and math.isfinite(high):
            tried |= {low + (high - low) * u for u in SAMPLE_UNIT}
        return tuple(sorted(v for v in tried if low < v < high))

    @property
    def sample_params(self) -> dict[str, float]:
        """Parameter values for tests."""
        return {p.name: p.sample_value for p in self.params}

    @property
    def trial_values(self) -> list[tuple[float, ...]]:
        """Parameter values to judge a derivation at: the samples, then one trial at a time."""
        samples = self.sample_params
        changed = [{**samples, p.name: v} for p in self.params for v in p.trials]
        return [tuple(values.values()) for values in (samples, *changed)]

    @property
    def assumptions(self) -> dict[str, str]:
        """What the derivation may assume of each symbol's sign."""
        known = {p.name: "positive" for p in self.params if p.positive}
        if self.f[0] >= 0.0:
            known["f"] = "positive"
        elif self.f[1] <= 0.0:
            known["f"] = "negative"
        if self.y == "positive":
            known["y"] = "positive"
        elif isinstance(self.y, frozenset) and 0.0 not in self.y:
            known["y"] = "nonzero"
        elif self.y in ("counts", "nonnegative", "unit") or _all_at_least_zero(self.y):
            known["y"] = "nonnegative"
        return known

    @property
    def key(self) -> str:
        """Hash of all that a derivation depends on; parameter values are not part of it."""
        domain = sorted(self.y) if isinstance(self.y, frozenset) else self.y
        signs = sorted(self.assumptions.items())
        text = [DERIVATION_VERSION, self.text, self.mean, self.names, domain, self.f, signs]
        return hashlib.sha256(json.dumps(text).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Sample:
    """One row for tests, benchmarks and docs: a loss with values of f and y to try it at."""

    label: str
    loss: "Loss"
    f: tuple[float, ...]
    y: tuple[float, ...]


def sample_of(loss: "Loss") -> Sample:
    """Sample inside the domain of a loss."""
    parts = [loss.name, *([loss.link] if loss.link else [])]
    parts += [f"{key}={value:g}" for key, value in loss.params.items()]
    return Sample("-".join(parts), loss, loss.line_data.sample_f, loss.line_data.sample_y)


def _all_at_least_zero(y: Domain) -> bool:
    return isinstance(y, frozenset) and min(y) >= 0.0


def as_domain(y_domain: object, owner: str) -> Domain:
    """Return the domain as a Line holds it; raise LossError for anything else."""
    if isinstance(y_domain, str):
        if y_domain in NAMED_DOMAINS:
            return y_domain
    elif isinstance(y_domain, set | frozenset | tuple | list):
        labels = [v for v in y_domain if isinstance(v, int | float)]
        values = frozenset(float(v) for v in labels if math.isfinite(v))
        if len(values) == len(y_domain) and values:
            return values
    raise LossError(
        f"{owner}: y_domain must be a set of numbers or one of {', '.join(NAMED_DOMAINS)}; "
        f"got {y_domain!r}"
    )
