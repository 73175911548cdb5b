"""Networks beside their matrix products: HVP against its floor, memory of a large one.

    python benchmarks/mlp.py [--quick] [--large]

The floor is the same matrix products alone, on blocks of as many rows, in the same run and in turn
with what it bounds. "kept" is the second product at a theta, whose activations are kept where they
fit; "computed" one whose activations are computed again, as they are for tables of any size.
``--large`` adds p = 100,000 at n = 100,000: seconds of a product in one step of conjugate
gradients, and peak memory beside the stated formula.
"""

from __future__ import annotations

import argparse
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from limits import best, interleaved

import fastinfluence as fi
from fastinfluence.engines import mlp as engines
from fastinfluence.engines.linearize import linearize
from fastinfluence.problem import Problem

LIMIT = 3.0
ROWS = 256
SHAPES = [  # n, d, hidden, K, t
    (20_000, 100, (64, 32), 1, 1),
    (20_000, 100, (64, 32), 1, 16),
    (20_000, 54, (64, 64, 32), 7, 1),
    (20_000, 30, (32, 16), 1, 1),
    (10_000, 400, (200, 100), 1, 1),
]
RNG = np.random.default_rng(0)


def engine_of(n: int, d: int, hidden: tuple[int, ...], K: int) -> engines.MLPEngine:
    loss = "multinomial" if K > 1 else "logistic"
    X, y = RNG.normal(size=(n, d)), RNG.integers(0, max(K, 2), n)
    y[: max(K, 2)] = np.arange(max(K, 2))
    problem = Problem.build(fi.MLP(hidden, "tanh", loss, l2=1e-3), X, y)
    made = linearize(problem, 0.2 * RNG.normal(size=problem.n_params))
    assert isinstance(made, engines.MLPEngine)
    return made


def products(engine: engines.MLPEngine, t: int) -> Callable[[], None]:
    """Return a call that makes the matrix products of one HVP and nothing else."""
    shapes, n = engine.network.shapes, engine.problem.n_rows
    X = engine.problem.rows.take(slice(None)).native()
    widths = [(a, b, *_buffers(a, b, t)) for a, b in shapes]

    def run() -> None:
        for start in range(0, n, ROWS):
            x = X[start : start + ROWS]
            for k, (a, b, W, V, turned, h, delta, moved, bent) in enumerate(widths):
                inner = h[: len(x)] if k else x
                _layer(inner, W, V, bent[: len(x)])
                if k:
                    _hidden(W, turned, delta[: len(x)], moved[: len(x)], bent[: len(x)], a, b)

    return run


def _buffers(a: int, b: int, t: int) -> list[Any]:
    sizes = [(a, b), (a, t * b), (b, t * a), (ROWS, a), (ROWS, b), (ROWS, t * a), (ROWS, t * b)]
    return [RNG.normal(size=size) for size in sizes]


def _layer(inner: Any, W: Any, V: Any, bent: Any) -> None:
    """Forward, forward along the sides, and the sum of outer products."""
    inner @ W, inner @ V, inner.T @ bent


def _hidden(W: Any, turned: Any, delta: Any, moved: Any, bent: Any, a: int, b: int) -> None:
    """What a layer with moving inputs needs beside: two more forward and three backward."""
    moved.reshape(-1, a) @ W, bent.reshape(-1, b) @ W.T
    delta @ W.T, delta @ turned, moved.T @ delta


def compare(shape: Sequence[Any], repeats: int, scale: int = 1) -> float:
    """Print one line; return the ratio of the slower HVP to its floor."""
    n, d, hidden, K, t = shape
    engine = engine_of(n // scale, d, hidden, K)
    V = RNG.normal(size=(engine.n_params, t))

    other = engine_of(n // scale, d, hidden, K)
    other.__dict__["_activations"] = None  # as for a table of any size
    calls = {
        "kept": lambda: engine.hvp(V),
        "computed": lambda: other.hvp(V),
        "floor": products(engine, t),
    }
    found = interleaved(calls, repeats)
    again, fresh = (median_ratio(found[name], found["floor"]) for name in ("kept", "computed"))
    print(
        f"n {n // scale:6d} d {d:3d} {hidden!s:14} K {K} t {t:2d} p {engine.n_params:6d}: "
        f"floor {1e3 * best(found['floor']):7.2f} ms, kept {again:4.2f}, computed {fresh:4.2f}"
    )
    return max(again, fresh)


def median_ratio(times: list[float], floor: list[float]) -> float:
    """Round by round, since what disturbs a machine hits the calls of one round alike."""
    return float(np.median(np.array(times) / np.array(floor)))


def formula(engine: engines.MLPEngine, t: int) -> float:
    """Bytes of one product beside the data: vectors of p, kept activations, and one part."""
    width = 8 * engine.network.width * t
    part = max(engines.ROWS * width, engines.PART_BYTES)
    kept = 8 * engine.problem.n_rows * (3 * sum(engine.spec.hidden) + engine.K)
    kept = kept if kept <= engines.KEPT_BYTES else 0
    return 8.0 * engine.n_params * t * 8 + kept + 2 * part


def large(n: int) -> None:
    """p about 100,000: one product, its floor, and its memory."""
    engine = engine_of(n, 400, (200, 100), 1)
    V = RNG.normal(size=(engine.n_params, 1))
    tracemalloc.start()
    engine.hvp(V)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    times = interleaved({"hvp": lambda: engine.hvp(V), "floor": products(engine, 1)}, 3)
    seconds, floor = best(times["hvp"]), best(times["floor"])
    many = np.concatenate([V] * engines.SIDES, axis=1)
    times = interleaved({"hvp": lambda: engine.hvp(many)}, 1)
    print(f"a step with {engines.SIDES} right-hand sides: {best(times['hvp']):.2f} s")
    print(
        f"p = {engine.n_params}, n = {n}: {seconds:.2f} s a CG step, floor {floor:.2f} s "
        f"({seconds / floor:.2f} times); peak {peak / 2**20:.0f} MiB, at most "
        f"{formula(engine, 1) / 2**20:.0f} MiB foretold"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, two repeats")
    parser.add_argument("--large", action="store_true", help="p = n = 100,000 too")
    options = parser.parse_args(arguments)
    repeats, scale = (2, 10) if options.quick else (7, 1)
    worst = max(compare(shape, repeats, scale) for shape in SHAPES)
    if options.large:
        large(100_000 // scale)
    print(f"slowest HVP: {worst:.2f} times its matrix products (limit {LIMIT:g})")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
