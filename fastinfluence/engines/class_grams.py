"""The dense Hessian of a multinomial model, from one weighted Gram matrix per pair of classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastinfluence.backend import namespace
from fastinfluence.rows.base import Block
from fastinfluence.types import FloatArray, IntArray

if TYPE_CHECKING:
    from fastinfluence.engines.multinomial import MultinomialEngine

Gram = Callable[[FloatArray], FloatArray]
"""Σ_i weights_i x̃_i x̃_iᵀ for weights (n,) ≥ 0."""


def weighted_hessian(engine: MultinomialEngine, scale: FloatArray) -> FloatArray:
    """Σ_i scale_i x̃_i x̃_iᵀ ⊗ (diag(p_i) − p_i p_iᵀ), shape (p, p), for scale ≥ 0."""
    rows = engine.problem.rows

    def gram(weights: FloatArray) -> FloatArray:
        out: FloatArray = engine.xp.zeros((engine.width, engine.width))

        def task(block: Block) -> int:
            block.X.add_gram(weights[block.rows], out)
            return block.stop

        rows.map_reduce(task, lambda _, stop: stop, 1)
        return out

    return _assembled(engine.P, scale, gram)


def rows_hessian(engine: MultinomialEngine, rows: IntArray, scale: FloatArray) -> FloatArray:
    """The same sum over the named rows only."""
    X = engine.problem.rows.take(rows)

    def gram(weights: FloatArray) -> FloatArray:
        out: FloatArray = engine.xp.zeros((engine.width, engine.width))
        X.add_gram(weights, out)
        return out

    return _assembled(engine.P[rows], scale, gram)


def _assembled(P: FloatArray, scale: FloatArray, gram: Gram) -> FloatArray:
    """All K×K blocks, each entry of which is a matrix over the rows of theta.

    The blocks of two classes are −Gram matrices with weights p_k p_l, and each block row sums to
    zero: the diagonal blocks are minus sums of the others, which all have one sign, so that
    K(K − 1)/2 products suffice and nothing cancels.
    """
    K = P.shape[1]
    first = gram(scale * P[:, 0] * P[:, 1])
    width = len(first)
    out: FloatArray = namespace(P).zeros((width, K, width, K))
    for k in range(K):
        for other in range(k):
            G = first if (k, other) == (1, 0) else gram(scale * P[:, k] * P[:, other])
            G = 0.5 * (G + G.T)
            out[:, k, :, k] += G
            out[:, other, :, other] += G
            out[:, k, :, other] = out[:, other, :, k] = -G
    return out.reshape(width * K, width * K)
