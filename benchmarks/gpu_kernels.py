"""Every kernel of the device beside its namesake on the processor, on fresh random inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.sparse import random_array

from fastinfluence.backend import CPU, CUDA
from fastinfluence.spec.losses import LOSSES
from fastinfluence.spec.losses import make as make_loss

Args = tuple[Any, ...]
Maker = Callable[[np.random.Generator, Any, int], Args]


def _dense(rng: np.random.Generator, real: Any, n: int, d: int = 37) -> Any:
    return rng.standard_normal((n, d)).astype(real)


def _sparse(rng: np.random.Generator, real: Any, n: int, d: int = 61) -> Args:
    X = random_array((n, d), density=0.1, format="csr", rng=rng, dtype=np.float64)
    return X.data.astype(real), X.indices.astype(np.int32), X.indptr.astype(np.int32)


def _normal(rng: np.random.Generator, *shape: int) -> Any:
    return rng.standard_normal(shape)


def _classes(rng: np.random.Generator, n: int, K: int) -> tuple[Any, Any]:
    F = _normal(rng, n, K)
    top = np.zeros(n, dtype=np.intp)
    CPU.kernels.multinomial.probabilities_block(F, top)
    return F, top


def _drawn(rng: np.random.Generator, n: int, steps: int = 50, batch: int = 2) -> tuple[Any, Any]:
    rows = rng.integers(n, size=(steps, batch))
    return rows, rng.uniform(0.0, 0.01, rows.shape)


def _recursion(rng: np.random.Generator, p: int, t: int = 3) -> Args:
    V = _normal(rng, t, p)
    return np.full(p, 0.99), V, np.full(t, 1e9), V.copy()


def _class_recursion(rng: np.random.Generator, K: int, width: int, t: int = 3) -> Args:
    V = _normal(rng, t, K, width)
    return np.full((K, width), 0.99), V, np.full(t, 1e9), V.copy()


def _ranking(rng: np.random.Generator, n: int, t: int = 5, k: int = 8) -> Args:
    raw, kept = _normal(rng, t, n), np.full((2, t, k), -np.inf)
    rows = np.full((2, t, k), -1, dtype=np.intp)
    return raw, _normal(rng, t), rng.uniform(0.1, 1.0, n), 0, kept, rows


MAKERS: dict[str, Maker] = {
    "glm.linear_block": lambda g, r, n: (_dense(g, r, n), _normal(g, 38), np.zeros(n)),
    "glm.gradient_block": lambda g, r, n: (
        *(_dense(g, r, n), _normal(g, n)),
        *(np.zeros(38), np.zeros(38)),
    ),
    "glm.hvp_block": lambda g, r, n: (_dense(g, r, n), _normal(g, n), _normal(g, 38), np.zeros(38)),
    "glm.hvp_four": lambda g, r, n: (
        *(_dense(g, r, n), _normal(g, n)),
        *(_normal(g, 4, 38), np.zeros((4, 38))),
    ),
    "csr.hvp_block": lambda g, r, n: (
        *_sparse(g, r, n),
        *(_normal(g, n), _normal(g, 62), np.zeros(62), 61),
    ),
    "csr.hvp_columns": lambda g, r, n: (
        *_sparse(g, r, n),
        *(_normal(g, n), _normal(g, 62, 5), np.zeros((62, 5)), 61),
    ),
    "csr.linear_block": lambda g, r, n: (*_sparse(g, r, n), _normal(g, 61, 3), np.zeros((n, 3))),
    "csr.transposed_block": lambda g, r, n: (
        *_sparse(g, r, n),
        *(_normal(g, n, 3), np.zeros((61, 3))),
    ),
    "csr.gradient_block": lambda g, r, n: (
        *_sparse(g, r, n),
        *(_normal(g, n), np.zeros(61), np.zeros(61)),
    ),
    "csr.gram_block": lambda g, r, n: (*_sparse(g, r, n), _normal(g, n), np.zeros((61, 61))),
    "csr.paired_block": lambda g, r, n: (
        *_sparse(g, r, n),
        *(_normal(g, 4, 61), g.integers(4, size=n), np.zeros(n)),
    ),
    "multinomial.softmax_block": lambda g, _, n: (
        *(_normal(g, n, 5, 3), g.integers(5, size=n)),
        *(np.zeros((n, 3)), np.zeros((n, 5, 3))),
    ),
    "multinomial.probabilities_block": lambda g, _, n: (
        _normal(g, n, 5),
        np.zeros(n, dtype=np.intp),
    ),
    "multinomial.curve_block": lambda g, _, n: (
        *_classes(g, n, 5),
        *(_normal(g, n), _normal(g, n, 5, 3)),
    ),
    "multinomial.contract_block": lambda g, _, n: (
        *(_normal(g, n, 5, 3), _normal(g, n, 5), np.zeros((3, n))),
    ),
    "mlp.scale_block": lambda g, _, n: (
        *(_normal(g, n, 3, 9), _normal(g, n, 9), np.zeros((n, 3, 9))),
    ),
    "mlp.bend_block": lambda g, _, n: (
        *(_normal(g, n, 3, 9), _normal(g, n, 3, 9)),
        *(_normal(g, n, 9), _normal(g, n, 9), _normal(g, n, 9), _normal(g, n, 3, 9)),
    ),
    "lissa.recurse": lambda g, r, n: (_dense(g, r, n), *_drawn(g, n), *_recursion(g, 38)),
    "lissa.recurse_csr": lambda g, r, n: (
        *_sparse(g, r, n),
        *(*_drawn(g, n), *_recursion(g, 62), 61),
    ),
    "multinomial_lissa.recurse": lambda g, r, n: (
        *(_dense(g, r, n), *(2 * _drawn(g, n)[:1]), _drawn(g, n)[1]),
        *(*_classes(g, n, 4), *_class_recursion(g, 4, 38)),
    ),
    "multinomial_lissa.recurse_csr": lambda g, r, n: (
        *(*_sparse(g, r, n), *_drawn(g, n)),
        *(*_classes(g, n, 4), *_class_recursion(g, 4, 62), 61),
    ),
    "scores.finish": lambda g, _, n: (_normal(g, 5, n), _normal(g, 5), _normal(g, n)),
    "scores.sums": lambda g, _, n: (_normal(g, 5, n), _normal(g, 5), _normal(g, n), np.zeros(n)),
    "scores.merge_extremes": lambda g, _, n: _ranking(g, n),
}
TYPES = {"float64": np.float64, "float32": np.float32}
SMOOTHED = ("smooth_quantile", "smooth_eps_insensitive", "smooth_hinge")
PARAMS = {name: {"t": 0.1} for name in SMOOTHED}
"""Of losses that have no usual values."""
STORED = ("glm", "csr", "lissa", "multinomial_lissa")
"""Modules whose first argument may be stored as float32."""


def errors(n: int, seed: int) -> Iterator[tuple[str, str, float]]:
    """Kernel, type, and the largest difference from the processor's, relative to its largest."""
    rng = np.random.default_rng(seed)
    for name, make in MAKERS.items():
        module, function = name.split(".")
        for word, real in TYPES.items():
            if word == "float64" or module in STORED:
                args = make(rng, real, n)
                yield name, word, _error(module, function, args)
    for name in LOSSES:
        loss = make_loss(name, **PARAMS.get(name, {}))
        yield f"pointwise: {name}", "float64", _pointwise(loss, n, rng)


def _error(module: str, function: str, args: Args) -> float:
    there = [CUDA.array(a) if isinstance(a, np.ndarray) else a for a in args]
    here = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    getattr(getattr(CPU.kernels, module), function)(*here)
    getattr(getattr(CUDA.kernels, module), function)(*there)
    pairs = zip(here, there, strict=True)
    return max(_apart(a, CUDA.xp.asnumpy(b)) for a, b in pairs if isinstance(a, np.ndarray))


def _pointwise(loss: Any, n: int, rng: np.random.Generator) -> float:
    low, high = (float(np.clip(end, -3.0, 3.0)) for end in loss.f_domain)
    f, y = rng.uniform(low + 0.1, high, n), np.ones(n)
    outputs, params = tuple(loss.program.outputs), loss.param_values
    here = CPU.kernels.pointwise.evaluate(loss.program, params, f, y, outputs)
    given = (CUDA.array(a) for a in (params, f, y))
    there = CUDA.kernels.pointwise.evaluate(loss.program, *given, outputs)
    return max(_apart(a, CUDA.xp.asnumpy(b)) for a, b in zip(here, there, strict=True))


def _apart(a: Any, b: Any) -> float:
    same = (a == b) | (np.isnan(a) & np.isnan(b)) if a.dtype.kind == "f" else a == b
    if same.all():
        return 0.0
    size = float(np.abs(a[np.isfinite(a)]).max(initial=1e-300))
    return float(np.abs(a[~same] - b[~same]).max()) / size
