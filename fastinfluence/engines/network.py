"""Passes of rows through the layers of a network at one theta, without autograd.

Layer l is a table T_l (fan_in + 1, fan_out) of theta: W_l and, as its last row, b_l. With
h_0 = x, z_l = h_{l-1} W_l + b_l, h_l = a(z_l), f = z of the last layer and δ_l = ∂(some loss)/∂z_l:

- forward: h_l and the activation's derivatives a′(z_l), a″(z_l);
- backward: δ_{l-1} = (δ_l W_lᵀ)∘a′(z_{l-1}), and ∂/∂T_l = h̃_{l-1}ᵀ δ_l;
- forward along V (Pearlmutter's R-operator): Rz_l = Rh_{l-1} W_l + h̃_{l-1} V_l, Rh_l = a′∘Rz_l;
- backward along V: Rδ_{l-1} = (Rδ_l W_lᵀ + δ_l V_lᵀ)∘a′ + (δ_l W_lᵀ)∘a″∘Rz_{l-1}.

Directions are (b, t, fan): t of them for each of b rows, so every step is one matrix product. A
block (p, t) of parameter vectors is kept as tables (fan_in + 1, t, fan_out).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from fastinfluence.backend import Backend, backend_of, contiguous
from fastinfluence.rows.features import Features, squared
from fastinfluence.spec.activations import Activation
from fastinfluence.types import FloatArray, IntArray

ORDERS = (("value",), ("value", "d1"), ("value", "d1", "d2"))
Tables = list[FloatArray]
Room = Callable[..., FloatArray]
"""Where a pass puts its arrays: called with a shape."""


class Scratch:
    """Memory that the passes of one part of the rows leave to the next part.

    What is new has to be mapped by the system first, a page for each 512 numbers, which costs more
    than what most passes do with them. Parts must ask for arrays in the same order.
    """

    def __init__(self, xp: Any) -> None:
        self._xp = xp
        self._rooms: Tables = []
        self._taken = 0

    def restart(self) -> None:
        """Give everything back."""
        self._taken = 0

    def __call__(self, *shape: int) -> FloatArray:
        """An array of this shape that holds anything."""
        size, k = math.prod(shape), self._taken
        if k == len(self._rooms):
            self._rooms.append(self._xp.empty(size))
        elif self._rooms[k].size < size:
            self._rooms[k] = self._xp.empty(size)
        self._taken += 1
        return self._rooms[k][:size].reshape(shape)


@dataclass
class Trace:
    """What a forward pass leaves: h_1 … h_L, a′ and a″ of each hidden layer, and f (b, K)."""

    X: Features
    hidden: Tables = field(default_factory=list)
    slopes: Tables = field(default_factory=list)
    bends: Tables = field(default_factory=list)
    f: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def arrays(self) -> Tables:
        """Every array of it, a row of each for a row of X."""
        return [*self.hidden, *self.slopes, *self.bends, self.f]

    def of(self, X: Features, rows: slice | IntArray) -> Trace:
        """The part of some rows X."""
        hidden, slopes, bends = (
            [a[rows] for a in part] for part in (self.hidden, self.slopes, self.bends)
        )
        return Trace(X, hidden, slopes, bends, self.f[rows])

    @classmethod
    def empty(cls, X: Features, n: int, widths: Sequence[int], K: int, order: int) -> Trace:
        """Room for n rows and ``order`` derivatives."""
        xp = X.backend.xp
        layers: list[Tables] = [
            [xp.empty((n, width)) for width in widths] if k <= order else [] for k in range(3)
        ]
        return cls(X, layers[0], layers[1], layers[2], xp.empty((n, K)))


class Network:
    """The layers at one theta (p,)."""

    def __init__(
        self, shapes: Sequence[tuple[int, int]], activation: Activation, theta: FloatArray
    ) -> None:
        self.shapes, self.activation = list(shapes), activation
        self.backend: Backend = backend_of(theta)
        self._params = self.backend.array(activation.param_values)
        ends = np.cumsum([0, *((a + 1) * b for a, b in self.shapes)])
        self._at = [slice(int(i), int(j)) for i, j in pairwise(ends)]
        self.tables: Tables = [
            contiguous(theta[at]).reshape(a + 1, b)
            for at, (a, b) in zip(self._at, self.shapes, strict=True)
        ]
        self.weights = [T[:-1] for T in self.tables]

    @property
    def depth(self) -> int:
        """Number of layers, the output's included."""
        return len(self.shapes)

    @property
    def width(self) -> int:
        """Numbers that one row and one direction take in a pass, about."""
        return 5 * sum(b for _, b in self.shapes)

    def place(self, k: int) -> slice:
        """Where the table of layer k lies in theta."""
        return self._at[k]

    # -- between theta's layout and tables ---------------------------------------------

    def split(self, V: FloatArray) -> Tables:
        """Vectors (p, t) as tables (fan_in + 1, t, fan_out)."""
        t = V.shape[1]
        return [
            contiguous(V[at].reshape(a + 1, b, t).transpose(0, 2, 1))
            for at, (a, b) in zip(self._at, self.shapes, strict=True)
        ]

    def join(self, tables: Tables) -> FloatArray:
        """Tables (fan_in + 1, t, fan_out) as vectors (p, t)."""
        t = tables[0].shape[1]
        return np.concatenate([T.transpose(0, 2, 1).reshape(-1, t) for T in tables])

    def zeros(self, t: int) -> Tables:
        """Tables of zeros for t vectors."""
        return [self.backend.xp.zeros((a + 1, t, b)) for a, b in self.shapes]

    def fresh(self, *shape: int) -> FloatArray:
        """New memory."""
        out: FloatArray = self.backend.xp.empty(shape)
        return out

    # -- passes ------------------------------------------------------------------------

    def forward(
        self, X: Features, offset: FloatArray | None, order: int, room: Room | None = None
    ) -> Trace:
        """Activations of some rows with ``order`` derivatives, and f with the offset (b, K)."""
        out, room = Trace(X), room or self.fresh
        kernel = self.backend.kernels.pointwise.kernel(self.activation.program, ORDERS[order])
        params, nothing = self._params, self.backend.xp.zeros(len(X))
        z = X.linear_into(self.tables[0], room(len(X), self.shapes[0][1]))
        for T in self.tables[1:]:
            h, *derivatives = (room(*z.shape) for _ in range(order + 1))
            kernel(z, nothing, params, h, *derivatives)  # over itself it would go one by one
            out.hidden.append(h)
            for kept, values in zip((out.slopes, out.bends), derivatives, strict=False):
                kept.append(values)
            z = np.matmul(h, T[:-1], out=room(len(X), T.shape[1]))
            z += T[-1]
        out.f = z if offset is None else z + offset.reshape(z.shape)
        return out

    def backward(
        self, trace: Trace, slope: FloatArray, room: Room | None = None
    ) -> tuple[Tables, Tables]:
        """δ_l of every layer for ∂/∂f = slope (b, K), and δ_l W_lᵀ of all but the first."""
        room = room or self.fresh
        deltas: Tables = [slope]
        pulls: Tables = []
        for W, slopes in zip(self.weights[:0:-1], trace.slopes[::-1], strict=True):
            pulls.append(np.matmul(deltas[-1], W.T, out=room(*slopes.shape)))
            deltas.append(np.multiply(pulls[-1], slopes, out=room(*slopes.shape)))
        return deltas[::-1], pulls[::-1]

    def push(self, trace: Trace, sides: Tables, room: Room | None = None) -> tuple[Tables, Tables]:
        """Rz_l of every layer along the sides, each (b, t, fan_out), and Rh_l of the hidden ones.

        The last Rz is Rf.
        """
        b, t, room = len(trace.X), sides[0].shape[1], room or self.fresh
        first = room(b, t, self.shapes[0][1])
        trace.X.linear_into(sides[0].reshape(len(sides[0]), -1), first.reshape(b, -1))
        moved, along = [first], []
        layers = zip(self.weights[1:], sides[1:], trace.hidden, trace.slopes, strict=True)
        for W, V, h, slopes in layers:
            along.append(room(*moved[-1].shape))
            self.backend.kernels.mlp.scale_block(moved[-1], slopes, along[-1])
            z, inner = room(b, t, W.shape[1]), room(b, t, W.shape[1])
            np.matmul(along[-1].reshape(b * t, -1), W, out=z.reshape(b * t, -1))
            np.matmul(h, V[:-1].reshape(h.shape[1], -1), out=inner.reshape(b, -1))
            inner += V[-1]
            z += inner
            moved.append(z)
        return moved, along

    def pull(
        self,
        trace: Trace,
        outer: FloatArray,
        moved: Tables | None = None,
        back: tuple[Tables, Tables] | None = None,
        transposed: Tables | None = None,
        room: Room | None = None,
    ) -> Tables:
        """Rδ_l of every layer for Rδ of the output = outer (b, t, K).

        With ``moved`` (Rz of :meth:`push`), ``back`` (of :meth:`backward`) and the sides
        ``transposed`` the second-order terms are in it; without them it is Jᵀ's pass.
        """
        (b, t), room = outer.shape[:2], room or self.fresh
        out = [outer]
        for k in range(self.depth - 1, 0, -1):
            W, slopes = self.weights[k], trace.slopes[k - 1]
            up = room(b, t, len(W))
            np.matmul(out[-1].reshape(b * t, -1), W.T, out=up.reshape(b * t, -1))
            if moved is not None and back is not None and transposed is not None:
                deltas, pulls = back
                side = np.matmul(deltas[k], transposed[k], out=room(b, t * len(W)))
                bends = trace.bends[k - 1]
                self.backend.kernels.mlp.bend_block(
                    up, side.reshape(up.shape), slopes, pulls[k - 1], bends, moved[k - 1]
                )
            else:
                up *= slopes[:, None, :]
            out.append(up)
        return out[::-1]

    def transposed(self, sides: Tables) -> Tables:
        """V_lᵀ of every layer's W as tables (fan_out, t·fan_in), for :meth:`pull`."""
        return [contiguous(V[:-1].transpose(2, 1, 0)).reshape(V.shape[2], -1) for V in sides]

    # -- sums over rows ----------------------------------------------------------------

    def add_outer(self, out: Tables, trace: Trace, deltas: Sequence[FloatArray]) -> None:
        """Add Σ_i h̃_{l-1} ⊗ δ_l to tables (fan_in + 1, t, fan_out), δ_l (b, t, fan_out)."""
        for k, (T, delta) in enumerate(zip(out, deltas, strict=True)):
            flat = contiguous(delta).reshape(len(delta), -1)
            if k == 0:
                T += trace.X.transposed(flat, len(T)).reshape(T.shape)
            else:
                T[:-1] += (trace.hidden[k - 1].T @ flat).reshape(T[:-1].shape)
                T[-1] += flat.sum(axis=0).reshape(T[-1].shape)

    def add_moved(self, out: Tables, along: Tables, deltas: Tables) -> None:
        """Add Σ_i Rh_{l-1} ⊗ δ_l, the part of a product where the inputs of a layer move."""
        for T, moving, delta in zip(out[1:], along, deltas[1:], strict=True):
            b, t, a = moving.shape
            sums = moving.reshape(b, t * a).T @ delta
            T[:-1] += sums.reshape(t, a, -1).transpose(1, 0, 2)

    def row_gradients(self, trace: Trace, deltas: Tables) -> FloatArray:
        """h̃_{l-1} ⊗ δ_l of each row, shape (b, p), for δ_l (b, fan_out)."""
        b = len(deltas[0])
        out = self.fresh(b, self._at[-1].stop)
        design = trace.X.design(len(self.tables[0]))
        for k, (at, T, delta) in enumerate(zip(self._at, self.tables, deltas, strict=True)):
            block = out[:, at].reshape(b, *T.shape)
            h = trace.hidden[k - 1] if k else design
            np.multiply(h[:, :, None], delta[:, None, :], out=block[:, : h.shape[1]])
            if k:
                block[:, -1] = delta
        return out

    def squared_norms(self, trace: Trace, deltas: Tables) -> FloatArray:
        """‖∇‖² of each row, shape (b,), without forming the gradient."""
        ones: FloatArray = self.backend.xp.ones((trace.X.n_features, 1))
        sizes = [trace.X.mapped(squared).linear(ones)[:, 0]]
        sizes += [np.einsum("ij,ij->i", h, h) for h in trace.hidden]
        terms = [
            (1.0 + size) * np.einsum("ij,ij->i", delta, delta)
            for size, delta in zip(sizes, deltas, strict=True)
        ]
        out: FloatArray = sum(terms[1:], terms[0])
        return out
