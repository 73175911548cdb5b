"""Ground truth by the caller's own training procedure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from fastinfluence.engines.base import Engine
from fastinfluence.engines.linearize import linearize
from fastinfluence.errors import InputError
from fastinfluence.progress import Progress, silent
from fastinfluence.removal.active import warn_changed_sets
from fastinfluence.removal.leave_out import Removal
from fastinfluence.removal.sets import RemovalSets
from fastinfluence.search import gradient_norm
from fastinfluence.streaming import without_weight
from fastinfluence.types import FloatArray, IntArray

Refit: TypeAlias = Callable[[IntArray], FloatArray]
"""Refits on the rows given by position and returns theta (p,)."""


def _as_it_is(answer: Any) -> Any:
    return answer


def checked_refit(refit: Any, p: int, read: Callable[[Any], Any] = _as_it_is) -> Refit:
    """The caller's training procedure, whose answers are checked at each call.

    ``read`` turns an answer into a theta (p,), where it may be something else.

    Raises
    ------
    InputError
        Here where it is not callable; later for an answer that is no finite theta (p,).
    """
    if not callable(refit):
        raise InputError(f"refit={refit!r} is not callable: give a function of the rows that stay")

    def checked(rows: IntArray) -> FloatArray:
        returned = read(refit(rows))
        try:
            theta = np.array(returned, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"refit returned no array of numbers: {error}") from error
        if theta.shape != (p,) or not np.isfinite(theta).all():
            what = f"shape {theta.shape}" if theta.shape != (p,) else "NaN or infinity"
            raise InputError(f"refit returned {what}: it must return a finite theta ({p},)")
        return theta

    return checked


def leave_out_by_refit(
    engine: Engine, sets: RemovalSets, refit: Refit, progress: Progress = silent
) -> Removal:
    """Refit without each set; "before" is the same procedure on all rows.

    What the procedure does not reach in either run (a loose tolerance, a kink) then cancels.
    """
    sets.weight(engine.problem)
    everything = np.arange(engine.problem.n_rows)
    k = len(sets)
    theta = np.empty((k, engine.n_params))
    norms = np.empty(k)
    for j in range(k):
        gone = sets.members(j)
        theta[j] = refit(np.setdiff1d(everything, gone))
        norms[j] = gradient_norm(linearize(without_weight(engine.problem, gone), theta[j]))
        progress("refitting", j + 1, k)
    warn_changed_sets(engine, theta, sets)
    return Removal(
        theta=theta,
        theta_old=refit(everything),
        gradient_norms=norms,
        iterations=np.zeros(k, dtype=np.intp),
        method="refit",
        sets=sets,
        engine=engine,
    )
