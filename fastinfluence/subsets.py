"""The most influential subset, and the smallest one that flips a conclusion (AMIP).

Broderick, Giordano & Meager (2020), "An automatic finite-sample robustness metric". A subset's
effect is approximated by the sum of its rows' first-order removal scores, so the subset of k rows
that moves a quantity most is the k largest scores. Nothing first order is claimed: each
set is checked by an exact refit without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastinfluence.engines.base import Engine
from fastinfluence.engines.linearize import linearize
from fastinfluence.errors import InputError
from fastinfluence.flips import Attempt, Flip, InfluentialSubset
from fastinfluence.progress import Progress, silent
from fastinfluence.quantity import Linearized, Quantity
from fastinfluence.removal import RemovalSets, leave_out
from fastinfluence.scoring import stream_scores
from fastinfluence.sinks import Matrix
from fastinfluence.streaming import without_weight
from fastinfluence.types import FloatArray, IntArray

SolveAt = Callable[[Engine, FloatArray], FloatArray]
"""H⁻¹ of the engine's own model times right-hand sides (p, t)."""


@dataclass(frozen=True)
class Refitted:
    """The exact optimum without a set of rows, next to the one with them."""

    before: float
    after: float
    engine: Engine | None
    """The model without the rows: their weight is zero. None where it has no optimum."""


@dataclass(frozen=True)
class SubsetSearch:
    """What is asked of which candidates.

    Attributes
    ----------
    engine : Engine
        The model at hand.
    solve : callable
    quantity : Quantity
    candidates : RemovalSets
        Rows, or clusters of rows that leave together.
    limit : int
        Most candidates that may leave.
    tol : float
        ‖∇R‖ of each exact refit.
    """

    engine: Engine
    solve: SolveAt
    quantity: Quantity
    candidates: RemovalSets
    limit: int
    tol: float
    progress: Progress = silent

    def most_influential(self, direction: int, verify: bool) -> InfluentialSubset:
        """At most ``limit`` candidates with the largest predicted change in one direction."""
        scores = self.scores(self.engine, self.quantity.linearize(self.engine))
        chosen = strongest(scores, direction, self.limit)
        rows = self.rows(chosen)
        actual: float | None = None
        if verify:
            found = self.refit(rows)
            actual = found.after - found.before
        return InfluentialSubset(
            rows=rows,
            predicted=float(scores[chosen].sum()),
            actual=actual,
            groups=self.labels(chosen),
            n_total=self.engine.problem.n_rows,
            direction=direction,
            quantity=self.quantity.name,
        )

    def smallest_flip(self, verify: bool, steps: int, trim: bool) -> Flip:
        """Fewest candidates that flip the quantity's sign, grown until a refit confirms it."""
        start = self.quantity.linearize(self.engine)
        if start.value == 0:
            raise InputError(f"{self.quantity.name} is exactly 0: it has no sign to flip")
        scores = self.scores(self.engine, start)
        chosen = fewest(scores, -start.value, self.limit)
        attempts: list[Attempt] = []
        while True:
            attempt, model = self._attempt(chosen, scores, start.value, verify)
            attempts.append(attempt)
            self.progress("smallest flip", len(attempts), steps + 1)
            if attempt.flipped is not False or model is None or len(attempts) > steps:
                break
            more = self._next(model, chosen)
            if not len(more):
                break
            chosen = np.concatenate([chosen, more])
        found_none = abs(attempts[0].predicted) <= abs(start.value)
        if (trim or found_none) and attempts[-1].flipped and len(chosen) > 1:
            attempts.append(self._trimmed(chosen, scores, start.value, attempts[-1]))
        return Flip(
            quantity=self.quantity.name,
            value=start.value,
            attempts=tuple(attempts),
            n_total=self.engine.problem.n_rows,
            limit=self.limit,
            unit="rows" if self.candidates.labels is None else "groups",
        )

    def scores(self, engine: Engine, at: Linearized) -> FloatArray:
        """Predicted change of the quantity by removing each candidate, shape (candidates,)."""
        s = self.solve(engine, np.ascontiguousarray(at.gradient[:, None]))
        direct = None if at.direct is None else at.direct[None, :]
        per_row = stream_scores(engine, s, "removal", Matrix(), direct)[0]
        return self.candidates.sum(per_row[self.candidates.rows])

    def rows(self, chosen: IntArray) -> IntArray:
        """The rows of the chosen candidates, candidate after candidate."""
        parts = [self.candidates.members(int(j)) for j in chosen]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.intp)

    def labels(self, chosen: IntArray) -> tuple[object, ...] | None:
        """The names of the chosen clusters, None where candidates are rows."""
        names = self.candidates.labels
        return None if names is None else tuple(names[int(j)] for j in chosen)

    def refit(self, rows: IntArray) -> Refitted:
        """The exact optimum without the rows."""
        if not len(rows):
            value = self.quantity.linearize(self.engine).value
            return Refitted(value, value, None)
        sets = RemovalSets(rows, np.array([0, len(rows)], dtype=np.intp), ("of chosen rows",))
        removal = leave_out(self.engine, None, sets, "exact", self.tol)
        before = self.quantity.linearize(removal.engine).value
        theta = removal.theta[0]
        if not np.isfinite(theta).all():
            return Refitted(before, np.nan, None)
        problem = without_weight(self.engine.problem, rows)
        engine = linearize(problem, theta, self.engine.curvature)
        after = self.quantity.linearize(engine).value
        return Refitted(before, after, engine if np.isfinite(after) else None)

    def _attempt(
        self, chosen: IntArray, scores: FloatArray, value: float, verify: bool
    ) -> tuple[Attempt, Engine | None]:
        """One set of candidates: predicted from the full model, refitted without it."""
        rows, predicted = self.rows(chosen), float(scores[chosen].sum())
        if not verify:
            return Attempt(rows, predicted, groups=self.labels(chosen)), None
        found = self.refit(rows)
        attempt = Attempt(
            rows=rows,
            predicted=predicted,
            actual=found.after - found.before,
            value=found.after,
            flipped=bool(found.after * value < 0),
            groups=self.labels(chosen),
        )
        return attempt, found.engine

    def _trimmed(
        self, chosen: IntArray, scores: FloatArray, value: float, whole: Attempt
    ) -> Attempt:
        """A short head of the confirmed set that a refit confirms too, by bisection."""
        low, high = 0, len(chosen)
        while high - low > 1:
            middle = (low + high) // 2
            attempt, _ = self._attempt(chosen[:middle], scores, value, verify=True)
            if attempt.flipped:
                high, whole = middle, attempt
            else:
                low = middle
        return whole

    def _next(self, engine: Engine, chosen: IntArray) -> IntArray:
        """More candidates, linearised anew where the first ones are gone (they score zero)."""
        at = self.quantity.linearize(engine)
        scores = self.scores(engine, at)
        return fewest(scores, -at.value, self.limit - len(chosen))


def strongest(scores: FloatArray, direction: int, limit: int) -> IntArray:
    """At most ``limit`` scores that help the direction, strongest first; ties to the lower."""
    help_ = direction * scores
    order = np.argsort(-help_, kind="stable")[:limit]
    return order[help_[order] > 0]


def fewest(scores: FloatArray, change: float, limit: int) -> IntArray:
    """The fewest scores whose sum exceeds the wanted change, or ``limit`` where none does."""
    order = strongest(scores, 1 if change > 0 else -1, limit)
    reached = np.flatnonzero(np.cumsum(np.abs(scores[order])) > abs(change))
    return order[: int(reached[0]) + 1] if len(reached) else order
