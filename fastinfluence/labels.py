"""Targets: encoding of two-class labels, and the domain a loss allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.inputs import finite_vector
from fastinfluence.tables import as_vector
from fastinfluence.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastinfluence.spec.loss import Loss

DOMAINS: dict[str, tuple[str, Callable[[FloatArray], BoolArray]]] = {
    "real": ("real numbers", lambda y: np.isfinite(y)),
    "positive": ("positive numbers", lambda y: y > 0),
    "nonnegative": ("numbers that are zero or positive", lambda y: y >= 0),
    "counts": ("counts 0, 1, 2, …", lambda y: (y >= 0) & (y == np.floor(y))),
    "unit": ("numbers from 0 to 1", lambda y: (y >= 0) & (y <= 1)),
}


@dataclass(frozen=True)
class LabelCodec:
    """How the caller's targets become the numbers a loss is defined on.

    ``classes`` holds the caller's two labels, the positive one last, or None for numeric
    targets that are used as they are; ``values`` holds what the loss is given for them.
    """

    loss: Loss
    classes: np.ndarray[Any, Any] | None = None
    values: tuple[float, float] = (0.0, 1.0)

    @classmethod
    def learn(cls, loss: Loss, y: Any) -> LabelCodec:
        """The encoding that the training targets ask for."""
        if isinstance(loss.y_domain, str) or len(loss.y_domain) != 2:
            return cls(loss)
        seen = _unique(as_vector(y, "y"))
        if len(seen) == 1:
            raise InputError(
                f"y holds one class only ({seen[0]!r}): {loss.name} needs rows of two classes"
            )
        if len(seen) > 2:
            raise InputError(
                f"y holds {len(seen)} different labels, {loss.name} needs exactly two: "
                "select two classes, or set y to one class against the rest"
            )
        low, high = sorted(loss.y_domain)
        return cls(loss, seen, (float(low), float(high)))

    def encode(self, y: Any, n: int, what: str = "y") -> FloatArray:
        """Targets as finite float64, shape (n,), inside the loss's domain."""
        if as_vector(y, what).dtype.kind == "c":
            raise InputError(f"{what} holds complex numbers: give real ones or labels")
        if self.classes is None:
            return self._checked(finite_vector(y, n, what), what)
        given = as_vector(y, what)
        if len(given) != n:
            raise InputError(f"{what} has {len(given)} entries but X has {n} rows")
        positive = np.asarray(given == self.classes[1])
        known = positive | np.asarray(given == self.classes[0])
        if not known.all():
            row = int(np.flatnonzero(~known)[0])
            raise InputError(
                f"{what} holds the label {given[row]!r} in row {row}: the model knows "
                f"{self.classes[0]!r} and {self.classes[1]!r}"
            )
        low, high = self.values
        return np.where(positive, high, low)

    def _checked(self, y: FloatArray, what: str) -> FloatArray:
        description, inside = _domain(self.loss.y_domain)
        bad = np.flatnonzero(~inside(y))
        if len(bad):
            raise InputError(
                f"{what} holds {y[bad[0]]:g} in row {bad[0]}: "
                f"the loss {self.loss.name} is defined for {description}"
            )
        return y


def _domain(domain: str | frozenset[float]) -> tuple[str, Callable[[FloatArray], BoolArray]]:
    if isinstance(domain, str):
        return DOMAINS[domain]
    values = sorted(domain)
    return f"the values {values}", lambda y: np.isin(y, values)


def _unique(y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        row = int(np.flatnonzero(~np.isfinite(y))[0])
        raise InputError(f"y holds {y[row]} in row {row}: impute or drop that row")
    try:
        return np.unique(y)
    except TypeError as error:
        raise InputError(f"y mixes labels that cannot be ordered: {error}") from error
