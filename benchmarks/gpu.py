"""Everything about a GPU in one run: tests on it, errors, times; writes the table of docs/gpu.md.

    python benchmarks/gpu.py [--print] [--no-tests] [--small]

Needs an NVIDIA GPU with CuPy and NVRTC, and no network; takes less than eight minutes. Without one
it says what is missing and exits with 1. ``--small`` takes tables of a few rows, to try the script.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from gpu_kernels import errors

import fastinfluence as fi
from fastinfluence.backend import CUDA, device_name, free_bytes
from fastinfluence.kernels.cuda.launcher import missing
from fastinfluence.scoring import stream_scores
from fastinfluence.solvers.lissa import LiSSA

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "gpu.md"
BEGIN, END = "% gpu: begin\n", "% gpu: end\n"
TESTS = ("tests/cuda/test_path_scores.py", "tests/cuda/test_path_methods.py")
TEST_SECONDS = 270
REPEATS = 7
LIMITS = {"float64": 1e-10, "float32": 1e-4}
"""Largest errors, relative to the largest number of a result."""


@dataclass(frozen=True)
class Sizes:
    """How large the tables are."""

    x_bytes: int = 4 << 30
    kernel_rows: int = 5003
    scored: tuple[int, int, int] = (1 << 20, 512, 1024)  # n, d, t
    recursions: tuple[int, int, int] = (1000, 1000, 784)  # repeats, depth, d
    repeats: int = REPEATS


SMALL = Sizes(x_bytes=20_000, kernel_rows=67, scored=(300, 6, 9), recursions=(5, 8, 6), repeats=1)


def seconds(work: Callable[[], Any], repeats: int) -> float:
    """The shortest of some runs, the device idle before and after each."""
    work()
    stream, best = CUDA.xp.cuda.get_current_stream(), np.inf
    for _ in range(repeats):
        stream.synchronize()
        start = time.perf_counter()
        work()
        stream.synchronize()
        best = min(best, time.perf_counter() - start)
    return best


def table(n: int, d: int, real: str) -> Any:
    """n rows of normal numbers on the device, a drawn block of them over and over."""
    block = CUDA.array(np.random.default_rng(0).standard_normal((min(n, 4096), d)).astype(real))
    X = CUDA.xp.empty((n, d), dtype=real)
    for first in range(0, n, len(block)):
        part = X[first : first + len(block)]
        part[...] = block[: len(part)]
    return X


def model(X: Any, **options: Any) -> fi.Influence:
    """A logistic model on rows of the device, at theta near zero: only its passes matter."""
    n, d = X.shape
    rng = np.random.default_rng(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        theta = 0.1 * rng.standard_normal(d + 1) / np.sqrt(d)
        y, spec = rng.integers(2, size=n), fi.GLM("logistic", l2=0.1)
        return fi.Influence(spec, X, y, theta, device="cuda", **options)


def bandwidth(size: Sizes) -> float:
    """Bytes per second of a copy within the device: read and written."""
    n = size.x_bytes // 16
    a, b = CUDA.xp.zeros(n), CUDA.xp.zeros(n)

    def copy() -> None:
        b[...] = a

    return 16 * n / seconds(copy, size.repeats)


def products(size: Sizes) -> Iterator[list[str]]:
    """H times one vector, and four, against the copy."""
    copy = bandwidth(size)
    yield ["device copy", "", f"{copy / 1e9:,.0f} GB/s", ""]
    available = min(size.x_bytes, free_bytes() // 3)
    for real, d in (("float32", 64), ("float32", 1000), ("float64", 64), ("float64", 1000)):
        n = max(8, available // (d * np.dtype(real).itemsize))
        engine: Any = model(table(n, d, real))._passes
        for t in (1, 4):
            V = CUDA.xp.ones((d + 1, t))
            took = seconds(lambda V=V, engine=engine: engine.hvp(V), size.repeats)
            rate = n * d * np.dtype(real).itemsize / took
            what = f"H·V, {t} column{'s' * (t > 1)}, dense {real}, {n:,} × {d}"
            budget = "≥ 70 %" if t == 1 else ""
            yield [what, f"{took * 1e3:.3g} ms", f"{rate / copy:.0%} of the copy", budget]
        del engine


def scoring(size: Sizes) -> Iterator[list[str]]:
    """Top 10 of many test rows' scores, against one product of the same size by cuBLAS."""
    n, d, t = size.scored
    for real in ("float32", "float64"):
        X = table(n, d, real)
        engine: Any = model(X)._passes
        S = CUDA.array(np.random.default_rng(2).standard_normal((d + 1, t)))
        left = S[:d].T.astype(real)
        out = CUDA.xp.empty((t, n), dtype=real)
        gemm = seconds(lambda X=X, a=left, out=out: np.matmul(a, X.T, out=out), size.repeats)
        del out
        took = seconds(
            lambda e=engine, S=S: stream_scores(e, S, "removal", fi.TopK(10)), size.repeats
        )
        rate = 2 * n * d * t / gemm / 1e12
        yield [
            f"cuBLAS, {t} × {d} × {n:,}, {real}",
            f"{gemm * 1e3:.3g} ms",
            f"{rate:.1f} Tflop/s",
            "",
        ]
        share = f"{gemm / took:.0%} of cuBLAS"
        yield [f"scores and top 10, {real}, the same size", f"{took * 1e3:.3g} ms", share, "≥ 60 %"]
        del engine, X


def recursions(size: Sizes) -> Iterator[list[str]]:
    """LiSSA, every repeat a block of its own."""
    repeats, depth, d = size.recursions
    X = table(20_000 if size is not SMALL else 50, d, "float32")
    took = {}
    for r in (1, repeats):
        solver = LiSSA(depth=depth, repeats=r, scale=4.0 * d, tol=1e9)
        infl = model(X, solver=solver)
        side = CUDA.xp.ones((d + 1, 1))
        took[r] = seconds(lambda i=infl, s=side: i._prepared.solve(s), 2)
        step = took[r] / (r * depth) * 1e6
        yield [
            f"LiSSA, {r:,} × {depth:,} steps, d = {d}",
            f"{took[r]:.3g} s",
            f"{step:.3g} µs a step",
            "",
        ]
    yield ["the same, many repeats beside one", "", f"{took[repeats] / took[1]:.3g} × the time", ""]


def correctness(size: Sizes) -> list[list[str]]:
    """The largest error of every kernel."""
    seed = int.from_bytes(os.urandom(4), "little")
    rows = []
    for name, real, error in errors(size.kernel_rows, seed):
        verdict = "✓" if error <= LIMITS[real] else f"above {LIMITS[real]:g}"
        rows.append([f"`{name}`", real, f"{error:.1e}", verdict])
    return rows


def tests() -> str:
    """Run the tests of the path on the device; what they said last."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *TESTS]
    words = dict(os.environ, FASTINFLUENCE_GPU="1")
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=words, capture_output=True, text=True, timeout=TEST_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"tests did not end in {TEST_SECONDS} s"
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return lines[-1].strip("= ") if lines else done.stderr.strip().splitlines()[-1]


def versions() -> str:
    """What ran."""
    names = ("fastinfluence", "numpy", "scipy", "numba", "sympy")
    found = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    driver = CUDA.xp.cuda.runtime.driverGetVersion()
    nvrtc = ".".join(map(str, CUDA.xp.cuda.nvrtc.getVersion()))
    return f"Python {platform.python_version()}, {found}; CUDA driver {driver}, NVRTC {nvrtc}"


def marked(rows: list[list[str]], head: list[str]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def report(size: Sizes, run_tests: bool) -> str:
    """The text between the page's markers."""
    said = tests() if run_tests else "not run"
    parts = [f"Measured {date.today()} on {device_name()}. {versions()}.\n"]
    parts.append(f"Tests on the device: {said}.\n")
    timed = [row for part in (products, scoring, recursions) for row in part(size)]
    parts.append(marked(timed, ["what", "time", "reached", "budget"]))
    told = f"{LIMITS['float64']:g} (float64), {LIMITS['float32']:g} (float32)"
    parts.append(f"Largest errors against the processor's kernels; allowed are {told}.\n")
    parts.append(marked(correctness(size), ["kernel", "storage", "largest error", "within"]))
    return "\n".join(parts)


def main(given: list[str] | None = None) -> int:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("--print", "--no-tests", "--small"):
        parser.add_argument(option, action="store_true")
    options = vars(parser.parse_args(given))
    lacking = missing()
    if lacking is not None:
        print(f"no GPU to measure: {lacking}", file=sys.stderr)
        return 1
    text = report(SMALL if options["small"] else Sizes(), not options["no_tests"])
    print(text)
    if not options["print"]:
        page = PAGE.read_text("utf-8")
        before, rest = page.split(BEGIN)
        PAGE.write_text(before + BEGIN + "\n" + text + "\n" + END + rest.split(END)[1], "utf-8")
    return int("failed" in text or "error" in text.split("\n")[2] or "above" in text)


if __name__ == "__main__":
    sys.exit(main())
