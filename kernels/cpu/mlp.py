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
def bend_block(up: Any, slopes: Any, pulls: Any, bends: Any, moved: Any) -> None:
    """Replace ``up`` (b, t, w) by up∘a′ + pulls∘a″∘Rz; slopes, pulls and bends are (b, w)."""
    for i in range(up.shape[0]):
        for s in range(up.shape[1]):
            for j in range(up.shape[2]):
                curved = pulls[i, j] * bends[i, j] * moved[i, s, j]
                up[i, s, j] = up[i, s, j] * slopes[i, j] + curved
