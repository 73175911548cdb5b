"""Targets: encoding of class labels, and the domain a loss allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.inputs import finite_matrix, finite_vector, listed
from fastinfluence.rows.indexed import Indexed, count
from fastinfluence.spec.multinomial import LABELS
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

    ``classes`` holds the caller's labels, sorted (of two, the positive one last), or None for
    numeric targets that are used as they are; ``values`` holds what the loss is given for them:
    for a loss of one prediction per class, the places 0 … K − 1.
    """

    loss: Loss
    classes: np.ndarray[Any, Any] | None = None
    values: tuple[float, ...] = (0.0, 1.0)
    columns: int = 1
    """Columns of y, where it is a table of numbers."""

    @property
    def n_outputs(self) -> int:
        """Predictions per row: one for each class or column of y."""
        return len(self.values) if self.loss.y_domain == LABELS else self.columns

    @classmethod
    def learn(cls, loss: Loss, y: Any, takes_vectors: bool = False) -> LabelCodec:
        """The encoding that the training targets ask for; y (n, K) where vectors are taken."""
        if takes_vectors and np.ndim(y) == 2 and np.shape(y)[1] > 1:
            return cls(loss, columns=int(np.shape(y)[1]))
        if loss.y_domain == LABELS:
            return cls.of_classes(loss, _unique(as_vector(y, "y")))
        if isinstance(loss.y_domain, str) or len(loss.y_domain) != 2:
            return cls(loss)
        seen = _unique(as_vector(y, "y"))
        if len(seen) == 1:
            raise InputError(
                f"y holds one class only ({_plain(seen[0])!r}): {loss.name} needs rows of two "
                "classes"
            )
        if len(seen) > 2:
            raise InputError(
                f"y holds {len(seen)} different labels, {loss.name} needs exactly two: "
                "select two classes, or set y to one class against the rest"
            )
        low, high = sorted(loss.y_domain)
        return cls(loss, seen, (float(low), float(high)))

    @classmethod
    def of_classes(cls, loss: Loss, classes: np.ndarray[Any, Any]) -> LabelCodec:
        """One class for each of the sorted labels."""
        if len(classes) < 2:
            only = listed([repr(_plain(label)) for label in classes])
            raise InputError(
                f"y holds one class only ({only}): {loss.name} needs rows of at least two classes"
            )
        return cls(loss, classes, tuple(float(k) for k in range(len(classes))))

    def encode(self, y: Any, n: int, what: str = "y") -> FloatArray:
        """Targets as finite float64, shape (n,) or (n, K), inside the loss's domain."""
        if self.columns > 1:
            table = finite_matrix(y, what)
            if table.shape != (n, self.columns):
                raise InputError(f"{what} has shape {table.shape}: give ({n}, {self.columns})")
            return table
        if as_vector(y, what).dtype.kind == "c":
            raise InputError(f"{what} holds complex numbers: give real ones or labels")
        if self.classes is None:
            return self._checked(finite_vector(y, n, what), what)
        given = as_vector(y, what)
        if len(given) != n:
            raise InputError(f"{what} has {len(given)} entries but X has {n} rows")
        if len(self.classes) == 2:
            low, high = (np.asarray(given == label) for label in self.classes)
            out, known = np.where(high, self.values[1], self.values[0]), low | high
        else:
            out, known = np.empty(n), np.zeros(n, dtype=bool)
            for label, value in zip(self.classes, self.values, strict=True):
                mine = np.asarray(given == label)
                out[mine], known = value, known | mine
        if not known.all():
            row = int(np.flatnonzero(~known)[0])
            raise InputError(
                f"{what} holds the label {_plain(given[row])!r} in row {row}: the model knows "
                f"{_told(self.classes)}"
            )
        return out

    def _checked(self, y: FloatArray, what: str) -> FloatArray:
        description, inside = domain_of(self.loss.y_domain)
        bad = np.flatnonzero(~inside(y))
        if len(bad):
            raise InputError(
                f"{what} holds {y[bad[0]]:g} in row {bad[0]}: "
                f"the loss {self.loss.name} is defined for {description}"
            )
        return y


@dataclass(frozen=True)
class Untouched:
    """Targets handed to an oracle's callables as the caller has them, in any container."""

    n_outputs: int = 1
    convert: Callable[[Any, str], Any] | None = None
    """Brings targets into the container that the callables take."""
    classes: None = None

    def encode(self, y: Any, n: int, what: str = "y") -> Any:
        """The container with its rows counted; None where rows have no targets."""
        if y is None:
            return Indexed(None)
        if count(y) != n:
            raise InputError(f"{what} has {count(y)} entries but X has {n} rows")
        return Indexed(y if self.convert is None else self.convert(y, what))


def _told(classes: np.ndarray[Any, Any]) -> str:
    names = [repr(_plain(label)) for label in classes]
    return " and ".join(names) if len(names) == 2 else listed(names, 12)


def domain_of(domain: str | frozenset[float]) -> tuple[str, Callable[[FloatArray], BoolArray]]:
    """Which numbers a loss is defined for, in words and as a test of an array."""
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


def _plain(label: Any) -> Any:
    """The label as Python writes it, not as NumPy does."""
    return label.item() if isinstance(label, np.generic) else label
