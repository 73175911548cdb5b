"""Products of an MLP's curvature with vectors: passes along them over parts of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastinfluence.backend import namespace
from fastinfluence.engines.network import Scratch
from fastinfluence.rows.base import Block
from fastinfluence.rows.features import Features
from fastinfluence.types import FloatArray, IntArray

if TYPE_CHECKING:
    from fastinfluence.engines.mlp import MLPEngine


def sum_products(engine: MLPEngine, V: FloatArray, scale: FloatArray, most: int) -> FloatArray:
    """Σ_i scale_i ∇²l_i V over all rows, ``most`` columns at a time, shape (p, t)."""
    out: FloatArray = namespace(V).empty(V.shape)
    for first in range(0, V.shape[1], most):
        at = slice(first, first + most)
        total = Products(engine, V[:, at])

        def task(part: Block, total: Products = total) -> None:
            total.add(part.X, part.rows, scale[part.rows])

        engine._each(total.t, task)
        out[:, at] = total.result()
    return out


class Products:
    """Σ scale ∇²l V, gathered part by part; V (p, t)."""

    def __init__(self, engine: MLPEngine, V: FloatArray) -> None:
        net = engine.network
        self._engine, self.t = engine, V.shape[1]
        self._sides = net.split(V)
        self._turned = net.transposed(self._sides) if engine.second_order else None
        self._sums = net.zeros(self.t)
        self._room = Scratch(namespace(V))

    def add(self, X: Features, rows: slice | IntArray, scale: FloatArray) -> None:
        """Add some training rows, each times its scale (b,)."""
        engine, net, room = self._engine, self._engine.network, self._room
        room.restart()
        trace = engine._trace(X.widened(), rows, room)
        end = engine._at_outputs(trace.f, rows)
        moved, along = net.push(trace, self._sides, room)
        outer = end.curve(moved[-1]) * scale[:, None, None]
        if self._turned is None:
            net.add_outer(self._sums, trace, net.pull(trace, outer, room=room))
            return
        back = net.backward(trace, end.slope * scale[:, None], room)
        bent = net.pull(trace, outer, moved, back, self._turned, room)
        net.add_outer(self._sums, trace, bent)
        net.add_moved(self._sums, along, back[0])

    def result(self) -> FloatArray:
        """What is gathered, shape (p, t)."""
        return self._engine.network.join(self._sums)
