"""What an adapter hands over."""

from __future__ import annotations

from dataclasses import dataclass

from fastinfluence.problem import Problem
from fastinfluence.removal import Refit
from fastinfluence.types import FloatArray


@dataclass(frozen=True)
class Adapted:
    """A fitted model in this library's terms.

    Attributes
    ----------
    problem : Problem
        The estimator's own objective and its training rows after any transformers.
    theta : ndarray, shape (p,)
    refit : callable
        Refits a clone of the estimator's last step on the rows given by position.
    """

    problem: Problem
    theta: FloatArray
    refit: Refit
