"""Between the matrix products of a network, on the device: :mod:`fastinfluence.kernels.cpu.mlp`.

The floats of a call have one type, float32 or float64; the indices of pairs are int64.
"""

from fastinfluence.kernels.cuda.launcher import Array, covering, launch


def scale_block(moved: Array, slopes: Array, out: Array) -> None:
    """Set ``out`` to a′∘Rz: moved and out (b, t, w), slopes (b, w)."""
    launch("scale_layer", covering(moved.size), (moved, slopes, out, *moved.shape))


def bend_block(
    up: Array, side: Array, slopes: Array, pulls: Array, bends: Array, moved: Array
) -> None:
    """Replace ``up`` (b, t, w) by (up + side)∘a′ + pulls∘a″∘Rz; the arrays without t are (b, w)."""
    args = (up, side, slopes, pulls, bends, moved, *up.shape)
    launch("bend_layer", covering(up.size), args)


def pairs_block(S: Array, inner: Array, b: Array, c: Array, out: Array) -> None:
    """Write S[b_g, i, c_g]·inner_i of every pair g to ``out`` (rows, pairs, width)."""
    args = (S, inner, None, None, b, c, out, *out.shape, S.shape[2])
    launch("pair_units", covering(out.size), args)


def bent_pairs_block(
    S: Array, inner: Array, J: Array, delta: Array, b: Array, c: Array, out: Array
) -> None:
    """The same with J[b_g, i]·δ[i, c_g] added, J (units, rows, width) and δ (rows, units)."""
    args = (S, inner, J, delta, b, c, out, *out.shape, S.shape[2])
    launch("pair_units", covering(out.size), args)
