"""Diagonals of an MLP's curvature, without forming it.

With s_l = ∂²l_i/∂z_l∂z_lᵀ of one row, the diagonal of its Hessian over layer l is
h̃²_{l-1} ⊗ diag s_l, and s goes backwards through the layers (Botev, Ritter & Barber 2017):

    s_{l-1} = a′a′ᵀ∘(W_l s_l W_lᵀ) + diag(a″∘(W_l δ_l)).

Without the last term it is Gauss–Newton's, which factors: s_l = Σ_k ± c_k c_kᵀ needs K passes only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastinfluence.backend import contiguous
from fastinfluence.engines.network import Tables, Trace
from fastinfluence.rows.base import Block
from fastinfluence.rows.features import squared
from fastinfluence.types import FloatArray

if TYPE_CHECKING:
    from fastinfluence.engines.mlp import MLPEngine


def exact_diagonal(engine: MLPEngine) -> FloatArray:
    """Diagonal of the Hessian without the penalty, mean form, shape (p,)."""
    net, problem, out = engine.network, engine.problem, engine.network.zeros(1)
    scale = problem.w / problem.W

    def task(part: Block) -> None:
        at = part.rows
        trace = net.forward(part.X, engine._offset(at), 2)
        end = engine._at_outputs(trace.f, at)
        _, pulls = net.backward(trace, end.slope)
        s = end.curve(_eyes(engine, len(trace.f)))
        bends = [np.einsum("ijj->ij", s)]
        for k in range(net.depth - 1, 0, -1):
            W, slopes = net.weights[k], trace.slopes[k - 1]
            s = (W @ s @ W.T) * (slopes[:, :, None] * slopes[:, None, :])
            each = engine.problem.backend.xp.arange(len(W))
            s[:, each, each] += trace.bends[k - 1] * pulls[k - 1]
            bends.append(np.einsum("ijj->ij", s))
        weighted = [scale[at, None, None] * bend[:, None, :] for bend in bends[::-1]]
        net.add_outer(out, _squares(trace), weighted)

    engine._each(max(engine.spec.hidden), task)
    return net.join(out)[:, 0]


def gauss_newton_diagonal(engine: MLPEngine, signed: bool = True) -> FloatArray:
    """Diagonal of Gauss–Newton without the penalty, mean form, shape (p,).

    With ``signed=False`` rows that bend downwards count as if they bent upwards.
    """
    net, problem, out = engine.network, engine.problem, engine.network.zeros(1)
    scale = problem.w / problem.W

    def task(part: Block) -> None:
        at = part.rows
        trace = net.forward(part.X, engine._offset(at), 1)
        end = engine._at_outputs(trace.f, at)
        values, vectors = np.linalg.eigh(end.curve(_eyes(engine, len(trace.f))))
        roots = (vectors * np.sqrt(np.abs(values))[:, None, :]).transpose(0, 2, 1)
        signs = scale[at, None] * (np.sign(values) if signed else np.ones_like(values))
        pulled = net.pull(trace, contiguous(roots))
        sums = [np.einsum("bk,bkj->bj", signs, delta**2)[:, None, :] for delta in pulled]
        net.add_outer(out, _squares(trace), sums)

    engine._each(engine.K, task)
    return net.join(out)[:, 0]


def _eyes(engine: MLPEngine, b: int) -> FloatArray:
    """The identity over outputs for each of b rows, shape (b, K, K)."""
    K = engine.K
    return np.broadcast_to(engine.problem.backend.xp.eye(K), (b, K, K))


def _squares(trace: Trace) -> Trace:
    """The same rows with every input of a layer squared."""
    hidden: Tables = [np.square(h) for h in trace.hidden]
    return Trace(trace.X.mapped(squared), hidden)
