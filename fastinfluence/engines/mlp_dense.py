"""An MLP's curvature as a matrix, pair of layers by pair of layers, without products by columns.

With S_km = ∂²l/∂z_k∂z_m and J_km = ∂h_{m-1}/∂z_k of one row, the block of its Hessian between the
tables of layers k ≤ m is

    ∂²l/∂T_k[a,b]∂T_m[e,c] = h̃_{k-1}[a] (S_km[b,c] h̃_{m-1}[e] + J_km[b,e] δ_m[c]),

and S and J go backwards through the layers: S_{k-1,m} = a′∘(W_k S_km), J likewise, and S_{m-1,m-1}
as in :mod:`fastinfluence.engines.mlp_diagonal`. So a pair of units (b, c) is one matrix product
over rows, about np²/2 multiplications in all, where p columns of products would take some 4np².
Gauss–Newton is the same without J and without the layers' bending in S, whatever K is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastinfluence.backend import contiguous, namespace
from fastinfluence.engines.heads import AtOutputs
from fastinfluence.engines.network import Network, Tables, Trace
from fastinfluence.rows.features import Features
from fastinfluence.types import FloatArray, IntArray

if TYPE_CHECKING:
    from fastinfluence.engines.mlp import MLPEngine

PART_BYTES = 1 << 22
"""Bytes of one product's factor; S and J of one part may take four times that."""
MOST, FEWEST = 512, 32
"""Rows of a part: enough that adding its sums costs little, and few enough for PART_BYTES."""


class Pairs(NamedTuple):
    """The units (b, c) of layers k ≤ m, b ≤ c within one layer, and a block for each."""

    k: int
    m: int
    b: IntArray
    c: IntArray
    sums: FloatArray
    """Shape (fan_in of k + 1, pairs, fan_in of m + 1)."""


class DenseCurvature:
    """Σ_i scale_i ∇²l_i, gathered part by part of the rows."""

    def __init__(self, network: Network, second_order: bool) -> None:
        self._net, self._second_order = network, second_order
        depth = network.depth
        self._pairs = {(k, m): self._room(k, m) for m in range(depth) for k in range(m + 1)}

    def _room(self, k: int, m: int) -> Pairs:
        (a, units), (e, others) = self._net.shapes[k], self._net.shapes[m]
        xp = self._net.backend.xp
        b, c = xp.triu_indices(units) if k == m else xp.indices((units, others)).reshape(2, -1)
        return Pairs(k, m, b, c, xp.zeros((a + 1, len(b), e + 1)))

    def rows_at_once(self) -> int:
        """Rows of one part."""
        widths = [b for _, b in self._net.shapes]
        room = 4 * self._net.backend.budget(PART_BYTES)
        return int(np.clip(room // (16 * max(widths) ** 2), FEWEST, MOST))

    def add(self, trace: Trace, end: AtOutputs, scale: FloatArray) -> None:
        """Add some rows, each times its scale (b,)."""
        net, depth = self._net, self._net.depth
        K = trace.f.shape[1]
        deltas, pulls = net.backward(trace, end.slope * scale[:, None])
        inputs = self._inputs(trace)
        eye = np.broadcast_to(net.backend.xp.eye(K), (len(scale), K, K))
        curved = end.curve(eye) * scale[:, None, None]
        S: FloatArray = contiguous(curved.transpose(1, 0, 2))
        for m in range(depth - 1, -1, -1):
            self._add_product(self._pairs[m, m], inputs, S, None, None)
            up = _times(net.weights[m], S) if m else S
            self._add_pairs_with(m, trace, inputs, up, deltas[m])
            if m:
                bent = trace.bends[m - 1] * pulls[m - 1] if self._second_order else None
                S = _before(up, net.weights[m], trace.slopes[m - 1], bent)

    def _inputs(self, trace: Trace) -> Tables:
        """h̃_{k-1} of every layer, the one included."""
        one: FloatArray = self._net.backend.xp.ones((len(trace.X), 1))
        design = trace.X.design(len(self._net.tables[0]))
        return [design, *(np.concatenate([h, one], axis=1) for h in trace.hidden)]

    def _add_pairs_with(
        self, m: int, trace: Trace, inputs: Tables, up: FloatArray, delta: FloatArray
    ) -> None:
        """The blocks of layers before m with m, for up = W_m S_mm."""
        J: FloatArray | None = None
        for k in range(m - 1, -1, -1):
            slopes = contiguous(trace.slopes[k].T)[:, :, None]
            S = up * slopes
            if self._second_order:
                J = _moves(slopes) if J is None else _times(self._net.weights[k + 1], J) * slopes
            self._add_product(self._pairs[k, m], inputs, S, J, delta)
            up = _times(self._net.weights[k], S) if k else S

    def _add_product(
        self,
        at: Pairs,
        inputs: Tables,
        S: FloatArray,
        J: FloatArray | None,
        delta: FloatArray | None,
    ) -> None:
        first, second = inputs[at.k], inputs[at.m]
        rows, width = second.shape
        step = max(1, PART_BYTES // (8 * rows * width))
        xp, kernels = self._net.backend.xp, self._net.backend.kernels.mlp
        room: FloatArray = xp.empty((rows, min(step, len(at.b)), width))
        for start in range(0, len(at.b), step):
            part = slice(start, start + step)
            b, c = at.b[part], at.c[part]
            M = room[:, : len(b)] if len(b) == room.shape[1] else xp.empty((rows, len(b), width))
            if J is None or delta is None:
                kernels.pairs_block(S, second, b, c, M)
            else:
                kernels.bent_pairs_block(S, second, J, delta, b, c, M)
            at.sums[:, part] += (first.T @ M.reshape(rows, -1)).reshape(-1, len(b), width)

    def matrix(self) -> FloatArray:
        """The whole of it, shape (p, p), symmetric."""
        net = self._net
        p = sum(T.size for T in net.tables)
        out: FloatArray = net.backend.xp.empty((p, p))
        for at in self._pairs.values():
            for rows, columns, values in self._placed(at):
                out[net.place(rows), net.place(columns)] = values
        return out

    def _placed(self, at: Pairs) -> Iterator[tuple[int, int, FloatArray]]:
        """A block in theta's layout and, between two layers, its transpose."""
        (a, units), (e, others) = self._net.shapes[at.k], self._net.shapes[at.m]
        block: FloatArray = self._net.backend.xp.empty((a + 1, units, e + 1, others))
        values = at.sums.transpose(1, 0, 2)
        if at.k == at.m:
            values = 0.5 * (values + at.sums.transpose(1, 2, 0))
            block[:, at.c, :, at.b] = values
        block[:, at.b, :, at.c] = values
        flat = block.reshape((a + 1) * units, -1)
        yield at.k, at.m, flat
        if at.k != at.m:
            yield at.m, at.k, flat.T


def gather(
    engine: MLPEngine, into: DenseCurvature, X: Features, rows: slice | IntArray, scale: FloatArray
) -> None:
    """Add training rows, each times its scale (b,), part by part."""
    for at in X.pieces(1, 8 * into.rows_at_once()):
        named: slice | IntArray
        if isinstance(rows, slice):
            named = slice(rows.start + at.start, rows.start + at.stop)
        else:
            named = rows[at]
        trace = engine._trace(X[at].widened(), named)
        into.add(trace, engine._at_outputs(trace.f, named), scale[at])


def _times(W: FloatArray, S: FloatArray) -> FloatArray:
    """W s for every row's s, S (units, rows, c)."""
    return (W @ S.reshape(len(S), -1)).reshape(len(W), *S.shape[1:])


def _before(
    up: FloatArray, W: FloatArray, slopes: FloatArray, bent: FloatArray | None
) -> FloatArray:
    """S of the layer before: (up Wᵀ)∘a′a′ᵀ, with ``bent`` (rows, units) on its diagonal."""
    units, rows, c = up.shape
    out = (up.reshape(-1, c) @ W.T).reshape(units, rows, units)
    out *= slopes.T[:, :, None]
    out *= slopes
    if bent is not None:
        each = namespace(W).arange(units)
        out[each, :, each] += bent.T
    return out


def _moves(slopes: FloatArray) -> FloatArray:
    """∂h/∂z of a layer for slopes (b, rows, 1): diagonal, with nothing for the one."""
    units, rows, _ = slopes.shape
    xp = namespace(slopes)
    out: FloatArray = xp.zeros((units, rows, units + 1))
    each = xp.arange(units)
    out[each, :, each] = slopes[:, :, 0]
    return out
