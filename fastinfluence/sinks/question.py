"""What is asked of which model: what a dataset of scores is named after and must agree with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastinfluence import fingerprints
from fastinfluence.problem import Problem
from fastinfluence.spec.document import spec_document
from fastinfluence.spec.oracle import Oracle
from fastinfluence.types import Effect, FloatArray

SIGNS = {
    "removal": "predicted change of the quantity when the row is removed: new minus old; of a "
    "loss, a positive score means that the row was helpful",
    "upweight": "derivative of the quantity by an extra share of the total weight on the row "
    "(Koh & Liang 2017, eq. 2); of a loss, a negative score means that the row was helpful",
}
WEIGHT_SIGN = (
    "derivative of the test loss by the row's sample weight; a negative score means that the row "
    "was helpful"
)


@dataclass(frozen=True)
class Question:
    """What the scores of one pass are.

    Attributes
    ----------
    problem : Problem
    theta : ndarray, shape (p,)
    method : str
        The method of Influence that was called.
    effect : {"removal", "upweight"}
    settings : mapping of str to str or float
        Solver, damping and curvature.
    S : ndarray, shape (p, t), or None
        The solved gradients of what is asked about; None for self-influence.
    direct : ndarray, shape (t, n), or None
        As in :func:`fastinfluence.scoring.stream_scores`.
    outputs : tuple of str
        Names of the predictions of each test row, where there are several.
    cuts : sequence of int, optional
        First rows of the parts that results are written in, and n, where the source of the rows
        knows better ones than those made from n and t.
    id_type : pyarrow.DataType, optional
        Of the names of rows, where the source hands them over with its blocks.
    """

    problem: Problem
    theta: FloatArray
    method: str
    effect: Effect
    settings: Mapping[str, str | float] = field(default_factory=dict)
    S: FloatArray | None = None
    direct: FloatArray | None = None
    outputs: tuple[str, ...] = ()
    cuts: Sequence[int] | None = None
    id_type: Any = None

    @property
    def sign(self) -> str:
        """What a score means, in words."""
        return WEIGHT_SIGN if self.method == "on_weights" else SIGNS[self.effect]

    def column_names(self, n_tests: int) -> tuple[str, ...]:
        """One name for each of the quantities, test row after test row."""
        if not self.outputs:
            return ("score",) if n_tests == 1 else tuple(f"score_{j}" for j in range(n_tests))
        rows = range(n_tests // len(self.outputs))
        return tuple(f"score_{j}_{name}" for j in rows for name in self.outputs)

    def fingerprints(self) -> dict[str, str]:
        """SHA-256 of all that the scores are computed from; a pass over the rows.

        An oracle's callables have none: only their names and its settings count.
        """
        out = {
            **self.problem.fingerprints(),
            "spec": _of_spec(self.problem),
            "theta": fingerprints.of_array(self.theta),
        }
        if self.S is not None:
            out["quantities"] = fingerprints.of_arrays([self.S, self.direct])
        return out


def _of_spec(problem: Problem) -> str:
    spec = problem.spec
    if not isinstance(spec, Oracle):
        return fingerprints.of_json(spec_document(spec))
    l2 = problem.l2.tolist()
    return fingerprints.of_json([spec.loss.name, sorted(spec.calls), spec.reduction, l2])
