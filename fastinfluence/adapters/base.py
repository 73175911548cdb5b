"""What an adapter hands over."""

from __future__ import annotations

from dataclasses import dataclass

from fastinfluence.problem import Problem
from fastinfluence.removal import Refit
from fastinfluence.types import FloatArray


@dataclass(frozen=True)
class Margins:
    """How support vector machines are read.

    Attributes
    ----------
    temperature : float or None
        Width over which a hinge is smoothed; None for 0.003 of its unit.
    max_rank : int
        Most features that stand for a kernel: exact up to this many rows.
    """

    temperature: float | None = None
    max_rank: int = 2000


@dataclass(frozen=True)
class Adapted:
    """A fitted model in this library's terms.

    Attributes
    ----------
    problem : Problem
        The estimator's own objective and its training rows after any transformers.
    theta : ndarray, shape (p,)
    refit : callable or None
        Refits a clone of the estimator's last step on the rows given by position.
    stationary : bool
        Whether theta should be an optimum of the problem; not so where a hinge was smoothed.
    """

    problem: Problem
    theta: FloatArray
    refit: Refit | None
    stationary: bool = True
