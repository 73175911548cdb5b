"""Pointwise programs compiled for the device and run over CuPy arrays."""

from collections.abc import Callable
from functools import lru_cache

from fastinfluence.errors import InputError
from fastinfluence.kernels.cuda.launcher import Array, covering, cupy, launch, source
from fastinfluence.kernels.printers import cuda_source
from fastinfluence.kernels.program import PointwiseProgram

Kernel = Callable[..., None]


@lru_cache(maxsize=512)
def kernel(program: PointwiseProgram, outputs: tuple[str, ...]) -> Kernel:
    """Compiled ``kernel(F, y, params, out0, out1, ...)``, one out per name in `outputs`.

    F (n, k), y (n,), params and every out are C-contiguous CuPy arrays; F and the outs have one
    type, float32 or float64, and y its own; params is float64. It is enqueued on the current
    stream and checks no shapes.
    """
    text = source("") + cuda_source(program, outputs)

    def run(F: Array, y: Array, params: Array, *outs: Array) -> None:
        n, k = F.shape
        launch("pointwise", covering(n * k), (F, y, params, *outs, n, k), text=text)

    return run


def evaluate(
    program: PointwiseProgram,
    params: Array,
    f: Array,
    y: Array,
    outputs: tuple[str, ...],
) -> tuple[Array, ...]:
    """Outputs of a program at every f: :func:`fastinfluence.kernels.cpu.pointwise.evaluate`.

    Every argument is a CuPy array, and so is every result, shaped and typed as f.
    """
    if f.ndim not in (1, 2) or y.shape != f.shape[:1]:
        raise InputError(f"f must be (n,) or (n, k) and y (n,); got shapes {f.shape} and {y.shape}")
    if len(params) != len(program.params):
        raise InputError(f"{program.name!r} takes {len(program.params)} parameters")
    xp = cupy()
    real = xp.float32 if f.dtype == xp.float32 else xp.float64
    F = xp.ascontiguousarray(f.reshape(len(f), -1 if f.size else int(f.ndim == 1)), dtype=real)
    labels = xp.ascontiguousarray(y, dtype=real if y.dtype == real else xp.float64)
    outs = tuple(xp.empty_like(F) for _ in outputs)
    kernel(program, outputs)(F, labels, xp.ascontiguousarray(params, dtype=xp.float64), *outs)
    return tuple(out.reshape(f.shape) for out in outs)
