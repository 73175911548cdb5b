"""How the optimum moves with the penalty, from the same solutions as the scores."""

from __future__ import annotations

from dataclasses import dataclass

from fastinfluence.engines.base import Engine
from fastinfluence.errors import InputError
from fastinfluence.types import FloatArray


@dataclass(frozen=True)
class Penalised:
    """Which parameters the spec's single number l2 multiplies, shape (p,), ones and zeros."""

    share: FloatArray

    @classmethod
    def of(cls, engine: Engine) -> Penalised:
        """The share; InputError where the spec has one l2 per coefficient."""
        spec = engine.problem.spec
        if not isinstance(spec.l2, float):
            raise InputError(
                f"the spec has {len(spec.l2)} numbers l2, so there is no derivative by one: use "
                "per_coefficient=True"
            )
        problem = engine.problem
        return cls(spec.shared_l2(problem.rows.n_features, problem.n_outputs))


def by_penalty(engine: Engine, S: FloatArray) -> FloatArray:
    """Derivative of each quantity by each parameter's l2, shape (t, p).

    With S = H⁻¹∇f, shape (p, t). Stationarity of the mean form, ∇R + l2∘theta = 0, gives
    H dtheta = −theta_j e_j dl2_j, so the derivative is −s_j theta_j; the sum form's Hessian is
    W·H, so it is that divided by W.
    """
    problem = engine.problem
    out: FloatArray = -S.T * engine.theta
    return out if problem.mean_form else out / problem.W
