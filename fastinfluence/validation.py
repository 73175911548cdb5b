"""Predicted against actual: the check that every influence score deserves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastinfluence.inputs import positive_count
from fastinfluence.spec.units import UNKNOWN
from fastinfluence.types import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Agreement:
    """How well predictions match what happened, over some rows.

    Attributes
    ----------
    pearson : float
        Correlation of predicted and actual; NaN where either is constant.
    slope : float
        Least-squares slope of actual on predicted through the origin; 1 is perfect.
    max_abs_error : float
        Largest |predicted − actual|.
    """

    pearson: float
    slope: float
    max_abs_error: float

    @classmethod
    def of(cls, predicted: FloatArray, actual: FloatArray) -> Agreement:
        """Compare two arrays of the same shape, ignoring removals without an optimum.

        Parameters
        ----------
        predicted, actual : ndarray

        Returns
        -------
        Agreement
            NaN where nothing is left to compare.
        """
        known = np.isfinite(actual) & np.isfinite(predicted)
        a, b = predicted[known].ravel(), actual[known].ravel()
        if not len(a):
            return cls(np.nan, np.nan, np.nan)
        return cls(_pearson(a, b), _slope(a, b), float(np.abs(a - b).max()))


def _pearson(a: FloatArray, b: FloatArray) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else float("nan")


def _slope(a: FloatArray, b: FloatArray) -> float:
    size = float(a @ a)
    return float(a @ b) / size if size > 0 else float("nan")


@dataclass(frozen=True)
class Validation:
    """Predicted and actual change of the test loss when single rows are removed.

    The test loss is summed over the test rows. Half of the rows are random, half have the
    largest |predicted|.

    Attributes
    ----------
    rows : ndarray of int, shape (k,)
    predicted, actual : ndarray, shape (k,)
        Change of the summed test loss: new minus old.
    pearson, slope, max_abs_error : float
        Over all k rows; the slope is of actual on predicted, through the origin.
    random, extreme : Agreement
        The same three numbers for each half.
    n_random : int
        How many of the rows, the first ones, are random.
    method : str
        How ``actual`` was computed.
    unit : str
        Of ``predicted`` and ``actual``, in words.
    """

    rows: IntArray
    predicted: FloatArray
    actual: FloatArray
    n_random: int
    method: str
    unit: str = UNKNOWN

    @property
    def _all(self) -> Agreement:
        return Agreement.of(self.predicted, self.actual)

    @property
    def pearson(self) -> float:
        """Correlation over all rows."""
        return self._all.pearson

    @property
    def slope(self) -> float:
        """Slope of actual on predicted through the origin, over all rows."""
        return self._all.slope

    @property
    def max_abs_error(self) -> float:
        """Largest |predicted − actual| over all rows."""
        return self._all.max_abs_error

    @property
    def random(self) -> Agreement:
        """The random half."""
        return Agreement.of(self.predicted[: self.n_random], self.actual[: self.n_random])

    @property
    def extreme(self) -> Agreement:
        """The half with the largest |predicted|."""
        return Agreement.of(self.predicted[self.n_random :], self.actual[self.n_random :])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Predicted against actual as a scatter plot.

        Parameters
        ----------
        ax : Axes, optional
            Of matplotlib; a new one by default.

        Returns
        -------
        Axes

        Raises
        ------
        UnsupportedError
            If matplotlib is not installed.
        """
        from fastinfluence.plots import predicted_against_actual

        return predicted_against_actual(self, ax)

    def __str__(self) -> str:
        lines = [f"predicted against {self.method} removal of {len(self.rows)} rows"]
        halves = (("random", self.random), ("extreme", self.extreme))
        lines += [
            f"  {name:8} pearson {a.pearson:.5f}  slope {a.slope:.4f}  "
            f"largest error {a.max_abs_error:.2e}"
            for name, a in halves
        ]
        return "\n".join(lines)


def choose_rows(scores: FloatArray, k: int, seed: int = 0) -> tuple[IntArray, int]:
    """Half random, half largest |score|, all distinct; random ones first, and their number."""
    n = len(scores)
    k = min(k, n)
    extreme = np.argsort(-np.abs(scores), kind="stable")[: k - k // 2]
    rest = np.setdiff1d(np.arange(n), extreme)
    random = np.random.default_rng(seed).choice(rest, size=k // 2, replace=False)
    return np.concatenate([np.sort(random), extreme]).astype(np.intp), len(random)


def as_rows_or_count(rows: Any) -> int | None:
    """The number of rows to choose, or None where rows were named."""
    return positive_count(rows, "rows") if np.ndim(rows) == 0 else None
