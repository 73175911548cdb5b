"""Every budget of the library beside its limit, measured in one run: docs/performance.md's table.

    python benchmarks/budgets.py [--only WORD ...] [--skip WORD ...] [--print]

A word picks rows by a part of their name; such runs, and ``--print``, leave the page as it is.
The rows of the hospital table need the variable FASTINFLUENCE_DATA. Uses all processors.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import workloads as w
from exponents import EXPONENTS
from hospital import WEIGHT_DECAY, load
from limits import best, gemm_rate, interleaved, n_cpus, read_bandwidth
from peers.peak import Peak, grown

import fastinfluence as fi

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "% budgets: begin\n", "% budgets: end\n"
HEAD = "| what | measured | limit | ratio | budget | |\n|---|---:|---:|---:|---:|---|\n"
REPEATS = 15
FIRST_SCORE = """
import numpy as np, fastinfluence as fi
X = np.random.default_rng(0).normal(size=(500, 5))
y = (X[:, 0] > np.linspace(-1, 1, 500)).astype(float)
fi.Influence.fit(fi.GLM("logistic", l2=0.1), X, y).on_loss(X[:5], y[:5])
"""


@dataclass(frozen=True)
class Row:
    """One line of the table; ``ratio`` is what the budget speaks of."""

    measured: str
    limit: str
    ratio: float
    at_least: float | None = None
    at_most: float | None = None
    percent: bool = False

    @property
    def met(self) -> bool:
        """Whether the budget holds."""
        low, high = self.at_least, self.at_most
        return (low is None or self.ratio >= low) and (high is None or self.ratio <= high)

    def cells(self) -> list[str]:
        """What the table shows."""
        show = (lambda x: f"{x:.0%}") if self.percent else (lambda x: f"{x:,.3g}")
        low, high = self.at_least, self.at_most
        ends = [f"≥ {show(low)}" if low is not None else "", f"≤ {show(high)}" if high else ""]
        budget = ", ".join(filter(None, ends))
        verdict = ("✓" if self.met else "missed") if budget else ""
        return [self.measured, self.limit, show(self.ratio), budget, verdict]


# -- products and scores ---------------------------------------------------------------


def bandwidth(work: Callable[[], w.Workload]) -> Row:
    """Compare a product's reading of X with plain reading."""
    workload = work()
    limit: Any = workload.limit
    seconds = interleaved({"call": workload.call, "limit": limit}, REPEATS)
    rate = workload.share * limit.nbytes / best(seconds["call"]) / 1e9
    top = limit.nbytes / best(seconds["limit"]) / 1e9
    return Row(f"{rate:.1f} GB/s", f"{top:.1f} GB/s", rate / top, at_least=0.8, percent=True)


def beside(d: int, is_sparse: bool, at_least: float) -> Row:
    """Compare a product with the same formula in NumPy or SciPy."""
    X, y = w.sparse_table(12 * w.uncached(d), d) if is_sparse else w.table(w.uncached(d), d)
    H, v, scale = w.model(X, y, threads=None).hessian, np.ones(d + 1), np.full(len(y), 0.2)
    calls = {"ours": lambda: H @ v, "theirs": lambda: X.T @ (scale * (X @ v[:d]))}
    seconds = interleaved(calls, REPEATS)
    ours, theirs = best(seconds["ours"]), best(seconds["theirs"])
    return Row(milli(ours), milli(theirs), theirs / ours, at_least=at_least)


def scoring(n: int, d: int, dtype: type) -> Row:
    """Compare scores into top-10 lists with dgemm, whatever the storage."""
    work = w.scores(n, d, 256, fi.TopK(10), dtype, threads=None)
    multiply = w.Gemm(np.float64, 1024)
    seconds = interleaved({"call": work.call, "limit": multiply}, 7)
    rate = 2.0 * n * d * 256 / best(seconds["call"]) / 1e9
    top = multiply.flops / best(seconds["limit"]) / 1e9
    shown = f"{rate:.0f} GFlop/s", f"{top:.0f} GFlop/s"
    return Row(*shown, rate / top, at_least=0.7, percent=True)


def lissa_step() -> Row:
    """Time one step, on one thread, beside reading its row."""
    steps = 16_000
    work = w.lissa(784, steps, False)
    seconds = interleaved({"call": work.call, "limit": work.limit}, REPEATS)
    step, read = best(seconds["call"]) / steps, best(seconds["limit"]) * work.share / steps
    return Row(f"{1e6 * step:.2f} µs", f"{1e6 * read:.2f} µs to read a row", 1e6 * step, at_most=2)


# -- other libraries, real data --------------------------------------------------------


def versus(name: str, at_least: float) -> Row:
    """Compare diagnostics with statsmodels."""
    import diagnostics

    pair = {"OLS": partial(diagnostics.least_squares, True), "GLM": diagnostics.logistic}[name]
    ours, theirs = pair()
    return Row(milli(ours), f"{theirs:.3g} s", theirs / ours, at_least=at_least)


def hospital() -> Row | None:
    """Retrain exactly without each of the 20,000 rows."""
    folder = os.environ.get("FASTINFLUENCE_DATA")
    if not folder:
        return None
    table, spec = load(folder), fi.GLM("logistic", l2=WEIGHT_DECAY, fit_intercept=False)
    infl = fi.Influence.fit(spec, table.X_train, table.y_train)
    infl.leave_one_out(rows=[0], method="exact")  # compiled before the clock runs
    start = time.perf_counter()
    removed = infl.leave_one_out(method="exact")
    seconds = time.perf_counter() - start
    worst = removed.gradient_norms.max()
    met = seconds if worst <= 1.01e-10 else np.inf  # a gradient norm that misses misses it all
    return Row(f"{seconds:.1f} s", f"gradient norms ≤ {worst:.1e}", met, at_most=30)


# -- fresh processes -------------------------------------------------------------------


def process(code: str, **environment: str) -> float:
    """Time a new interpreter."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **environment})
    return time.perf_counter() - start


def importing() -> Row:
    """Import with NumPy against NumPy alone."""
    code = {"numpy": "import numpy", "ours": "import numpy, fastinfluence"}
    seconds = interleaved({k: partial(process, c) for k, c in code.items()}, REPEATS)
    beyond = best(seconds["ours"]) - best(seconds["numpy"])
    return Row(milli(beyond), f"{milli(best(seconds['numpy']))} for NumPy", beyond, at_most=0.15)


def first_score(cold: bool, at_most: float) -> Row:
    """Score for the first time, with compiled code on disk or without."""
    with tempfile.TemporaryDirectory() as empty:
        cache = {"FASTINFLUENCE_CACHE_DIR": empty} if cold else {}
        seconds = process(FIRST_SCORE, **cache)
        if not cold:
            seconds = min(seconds, *(process(FIRST_SCORE) for _ in range(3)))
    alone = milli(process("import numpy"))
    return Row(f"{seconds:.2f} s", f"{alone} for NumPy", seconds, at_most=at_most)


# -- memory ----------------------------------------------------------------------------


def use(kind: str, n: int, d: int, t: int) -> Callable[[], object]:
    """Prepare a call whose memory is asked for, its kernels compiled by a small one."""
    ask = {
        "Direct": lambda infl, V: fi.solvers.Direct("primal").prepare(infl.hessian).solve(V),
        "CG": lambda infl, V: fi.solvers.CG().prepare(infl.hessian).solve(V),
        "TopK": lambda infl, V: infl.on_function(V.T, out=fi.TopK(10)),
    }[kind]
    ask(w.model(*w.table(100, 8)), w.sides(9, 2))
    infl, V = w.model(*w.table(n, d)), w.sides(d + 1, t)
    return lambda: ask(infl, V)


def memory(kind: str, n: int, d: int, t: int) -> Row:
    """Compare the growth of the process with the formula stated in the docs."""
    p = d + 1
    numbers = {"Direct": 6 * p**2 + p * t, "CG": 11 * p * t, "TopK": 3 * p * t + 6 * 10 * t}
    formula = 8 * (numbers[kind] + n) + (9 << 20)
    found = grown(Peak(kind, kind, (n, p, t), partial(use, kind, n, d, t)))
    shown = f"{found / 2**20:.1f} MiB", f"{formula / 2**20:.1f} MiB"
    return Row(*shown, found / formula, at_most=1.1, percent=True)


def long_table() -> Row:
    """Time ten best of a million rows for a thousand tests; the scores alone would be 8 GB."""
    work = w.scores(1_000_000, 50, 1000, fi.TopK(10), threads=None)
    seconds = best(interleaved({"call": work.call}, 1)["call"])
    ideal = best(interleaved({"limit": work.limit}, 7)["limit"]) * work.share
    return Row(f"{seconds:.1f} s", f"{ideal:.1f} s at the gemm rate", ideal / seconds, percent=True)


# -- the table -------------------------------------------------------------------------


def milli(seconds: float) -> str:
    """Show milliseconds."""
    return f"{1e3 * seconds:,.3g} ms"


def slope(name: str) -> Row:
    """Fit a scaling exponent."""
    found, expected = EXPONENTS[name].exponent(), EXPONENTS[name].expected
    return Row(f"{found:.2f}", f"{expected}", found, expected - 0.1, expected + 0.1)


BUDGETS: dict[str, Callable[[], Row | None]] = {
    **{
        f"HVP, d = {d}: read bandwidth": partial(bandwidth, partial(w.dense_hvp, d, threads=None))
        for d in (50, 128, 1000)
    },
    "HVP, d = 50: NumPy": partial(beside, 50, False, 2),
    "HVP, d = 128: NumPy": partial(beside, 128, False, 2),
    "HVP, d = 1000: NumPy": partial(beside, 1000, False, 1.6),
    "HVP of CSR rows, d = 200: SciPy": partial(beside, 200, True, 2),
    **{
        f"scores, top 10, d = {d}, {np.dtype(dtype).name}: dgemm": partial(scoring, n, d, dtype)
        for d, n in ((128, 100_000), (784, 20_000))
        for dtype in (np.float64, np.float32)
    },
    "scores, top 10, 10⁶ rows × 10³ tests, d = 50": long_table,
    "LiSSA step, d = 784, batch 1": lissa_step,
    "OLS diagnostics, n = 2,000, p = 30: statsmodels": partial(versus, "OLS", 1000),
    "GLM diagnostics, n = 100,000, p = 21: statsmodels": partial(versus, "GLM", 3),
    "exact leave-one-out of the hospital table, seconds": hospital,
    "import beyond NumPy, seconds": importing,
    "first score in a fresh process, warm cache, seconds": partial(first_score, False, 2),
    "first score in a fresh process, cold cache, seconds": partial(first_score, True, 15),
    "peak memory, direct, p = 1,001: formula": partial(memory, "Direct", 3000, 1000, 100),
    "peak memory, direct, p = 3,001: formula": partial(memory, "Direct", 3000, 3000, 100),
    "peak memory, CG, p = 10,001, t = 100: formula": partial(memory, "CG", 1000, 10_000, 100),
    "peak memory, top 10, 10⁶ × 10³: formula": partial(memory, "TopK", 1_000_000, 50, 1000),
    **{
        f"exponent: {name}": partial(slope, name)
        for name in ("HVP in n", "HVP in d", "LiSSA in depth", "LiSSA in repeats")
    },
}


def measured(names: list[str]) -> Iterator[str]:
    """Yield the lines of the table as they are measured."""
    for name in names:
        row = BUDGETS[name]()
        cells = (
            ["not measured: its data is not here", "", "", "", ""] if row is None else row.cells()
        )
        yield "| " + " | ".join([name, *cells]) + " |\n"


def machine() -> str:
    """Describe what the table was measured on."""
    return (
        f"{date.today()}, {platform.machine()}, {n_cpus()} processors, Python "
        f"{platform.python_version()}, NumPy {np.__version__}: reads {read_bandwidth() / 1e9:.0f} "
        f"GB/s, multiplies {gemm_rate() / 1e9:.0f} GFlop/s in float64.\n\n"
    )


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD")
    parser.add_argument("--skip", nargs="+", default=[], metavar="WORD")
    parser.add_argument("--print", action="store_true", help="leave the page as it is")
    args = parser.parse_args()
    names = [
        name
        for name in BUDGETS
        if (not args.only or any(word in name for word in args.only))
        and not any(word in name for word in args.skip)
    ]
    table = machine() + HEAD
    print(table, end="", flush=True)
    for line in measured(names):
        print(line, end="", flush=True)
        table += line
    if not (args.print or args.only or args.skip):
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(before + BEGIN + table + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
