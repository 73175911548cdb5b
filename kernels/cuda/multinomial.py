"""Kernels of K predictions a row on the device: :mod:`fastinfluence.kernels.cpu.multinomial`.

Every array is C-contiguous, float64, or int64 for labels and classes.
"""

from fastinfluence.kernels.cuda.launcher import Array, covering, launch


def softmax_block(F: Array, y: Array, value: Array, D: Array) -> None:
    """Write losses to ``value`` (b, t), and p − e_y to ``D`` (b, K, t), which may be ``F``.

    The label's own entry of D is minus the sum of the other probabilities, exact when tiny.
    """
    b, K, t = F.shape
    launch("softmax", covering(b * t), (F, y, value, D, b, K, t))


def probabilities_block(F: Array, top: Array) -> None:
    """Turn F (b, K) into probabilities in place; write the likeliest class to ``top`` (b,)."""
    b, K = F.shape
    launch("probabilities", covering(b), (F, top, b, K))


def curve_block(P: Array, top: Array, scale: Array, F: Array) -> None:
    """Replace F (b, K, t) by scale_i p_i∘(f_i − p_i·f_i), in place."""
    b, K, t = F.shape
    launch("curve", covering(b * t), (P, top, scale, F, b, K, t))


def contract_block(F: Array, D: Array, out: Array) -> None:
    """Write Σ_k D[i, k] F[i, k, a] to ``out`` (t, b)."""
    b, K, t = F.shape
    launch("contract", covering(b * t), (F, D, out, b, K, t))
