"""What happens between the matrix products of a network, for t directions of each of b rows."""

from typing import Any

from fastinfluence.kernels.cpu.jit import jit


@jit
def scale_block(moved: Any, slopes: Any, out: Any) -> None:
    """Set ``out`` to a′∘Rz: moved and out (b, t, w), slopes (b, w)."""
    for i in range(moved.shape[0]):
        for s in range(moved.shape[1]):
            for j in range(moved.shape[2]):
                out[i, s, j] = moved[i, s, j] * slopes[i, j]


@jit
def bend_block(up: Any, side: Any, slopes: Any, pulls: Any, bends: Any, moved: Any) -> None:
    """Replace ``up`` (b, t, w) by (up + side)∘a′ + pulls∘a″∘Rz; the arrays without t are (b, w)."""
    for i in range(up.shape[0]):
        for s in range(up.shape[1]):
            for j in range(up.shape[2]):
                curved = pulls[i, j] * bends[i, j] * moved[i, s, j]
                up[i, s, j] = (up[i, s, j] + side[i, s, j]) * slopes[i, j] + curved


@jit
def pairs_block(S: Any, inner: Any, b: Any, c: Any, out: Any) -> None:
    """Write S[b_g, i, c_g]·inner_i of every pair g to ``out`` (rows, pairs, width)."""
    for i in range(out.shape[0]):
        for g in range(out.shape[1]):
            curved = S[b[g], i, c[g]]
            for e in range(out.shape[2]):
                out[i, g, e] = curved * inner[i, e]


@jit
def bent_pairs_block(S: Any, inner: Any, J: Any, delta: Any, b: Any, c: Any, out: Any) -> None:
    """The same with J[b_g, i]·δ[i, c_g] added, J (units, rows, width) and δ (rows, units)."""
    for i in range(out.shape[0]):
        for g in range(out.shape[1]):
            curved, slope = S[b[g], i, c[g]], delta[i, c[g]]
            for e in range(out.shape[2]):
                out[i, g, e] = curved * inner[i, e] + J[b[g], i, e] * slope
