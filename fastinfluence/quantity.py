"""A number that a fitted model gives, and how it moves with theta and with the weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastinfluence.engines.base import Engine
from fastinfluence.engines.glm import GLMEngine
from fastinfluence.rows.base import Block
from fastinfluence.rows.columns import at_block
from fastinfluence.types import FloatArray


@dataclass(frozen=True)
class Linearized:
    """A quantity at one model.

    Attributes
    ----------
    value : float
        NaN where the model does not determine it.
    gradient : ndarray, shape (p,)
        Derivative by theta at fixed weights.
    direct : ndarray, shape (n,), or None
        Derivative by each sample weight at fixed theta; None where there is none.
    """

    value: float
    gradient: FloatArray
    direct: FloatArray | None = None


@dataclass(frozen=True)
class Quantity:
    """A named number of a model; its sign is what :meth:`Influence.smallest_flip` flips.

    Attributes
    ----------
    name : str
        For messages: "the coefficient of x1".
    linearize : callable
        Takes the engine of any refit of the same training table (rows may weigh nothing).
    values : callable or None
        The value at every column of Theta (p, k), shape (k,), of a quantity that the weights
        enter only through theta; None where they enter it themselves.
    """

    name: str
    linearize: Callable[[Engine], Linearized]
    values: Callable[[FloatArray], FloatArray] | None = None


def along_rows(engine: GLMEngine, v: FloatArray) -> FloatArray:
    """x_i·v of every training row, shape (n,), the intercept's one included."""
    out = np.empty(engine.problem.n_rows)

    def task(block: Block) -> int:
        out[block.rows] = block.X.linear(v)
        return block.stop

    engine.problem.rows.map_reduce(task, max, 1)
    return out


def sum_of_rows(engine: GLMEngine, c: FloatArray) -> FloatArray:
    """Σ_i c_i x_i, shape (p,), the intercept's one included."""
    return engine.problem.rows.map_reduce(
        lambda block: block.X.transposed(at_block(c, block), engine.n_params), np.add, 1
    )
