"""Pointwise programs compiled for the CPU and run over arrays."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastinfluence.errors import InputError
from fastinfluence.kernels.cache import load
from fastinfluence.kernels.printers import numba_source
from fastinfluence.kernels.program import PointwiseProgram

Kernel = Callable[..., None]


@lru_cache(maxsize=512)
def kernel(program: PointwiseProgram, outputs: tuple[str, ...]) -> Kernel:
    """Compiled ``kernel(F, y, params, out0, out1, ...)``, one out per name in `outputs`.

    F and every out are C-contiguous floats (n, k), y is (n,) and params 1-D float64, as in
    ``Loss.param_values``. It is serial, releases the GIL and checks no shapes.
    """
    module: Any = load(numba_source(program, outputs), program.name)
    compiled: Kernel = module.kernel
    return compiled


def evaluate(
    program: PointwiseProgram,
    params: NDArray[np.float64],
    f: ArrayLike,
    y: ArrayLike,
    outputs: tuple[str, ...],
) -> tuple[NDArray[Any], ...]:
    """Outputs of a program at every f.

    Parameters
    ----------
    program : PointwiseProgram
    params : (n_params,) float64
    f : (n,) or (n, k)
        Raw predictions; float32 stays float32, anything else becomes float64.
    y : (n,)
        Labels.
    outputs : tuple of str
        Names such as ``("value", "d1")``.

    Returns
    -------
    tuple of arrays shaped and typed as f, one per name.
    """
    F, labels = np.asarray(f), np.asarray(y)
    dtype = np.float32 if F.dtype == np.float32 else np.float64
    if F.ndim not in (1, 2) or labels.shape != F.shape[:1]:
        raise InputError(
            f"f must be (n,) or (n, k) and y (n,); got shapes {F.shape} and {labels.shape}"
        )
    if len(params) != len(program.params):
        raise InputError(f"{program.name!r} takes {len(program.params)} parameters")
    F2 = np.ascontiguousarray(F.reshape(len(F), -1 if F.size else int(F.ndim == 1)), dtype=dtype)
    labels = np.ascontiguousarray(labels, dtype=dtype if labels.dtype == dtype else np.float64)
    outs = tuple(np.empty_like(F2) for _ in outputs)
    kernel(program, outputs)(F2, labels, np.ascontiguousarray(params, dtype=np.float64), *outs)
    return tuple(out.reshape(F.shape) for out in outs)
