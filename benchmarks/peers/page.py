"""The page of results, as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.limits import gemm_rate, last_level_cache, n_cpus, read_bandwidth
from benchmarks.peers.compare import Result, Timing
from benchmarks.peers.peak import Peak
from benchmarks.peers.threads import Threads

HEAD = """# Beside other libraries

Written by `make bench-peers`: do not edit. Every comparison first checks that the numbers
are equal, after the peer's sign and scale have been converted, then times both in turn in
one process and keeps the shortest of {repeats} runs. In float64 throughout.

- Times are end to end: from arrays, or a fitted estimator, to all t × n scores.
- BLAS and torch run on one thread and then on all {cpus}; the faster counts, for each library
  by itself, and stands in brackets. Calls of more than {patience:g} s are timed once, on one.
  This library's own kernels use all {cpus} throughout.
- Of several settings of a peer the fastest counts. "pyDVL, tuned" is handed whole batches, which
  its guide does not do; "as documented" is its guide's `DataLoader` over a `TensorDataset`.
- LiSSA draws other rows in every library. What is compared there first is a recursion over all
  rows, which is not random.
"""


@dataclass(frozen=True)
class Limits:
    """What this machine can do, measured in the same run."""

    read: float  # bytes/s, all processors
    gemm: Mapping[int, float]  # threads of BLAS -> flop/s
    load: float = 0.0  # processes that wanted to run in the last minute, this one aside

    @classmethod
    def measured(cls, threads: Threads) -> Limits:
        rates, load = {}, os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        for count in threads.settings:
            with threads.limited(count):
                rates[count] = gemm_rate()
        return cls(read_bandwidth(), rates, load)

    @property
    def best_gemm(self) -> float:
        return max(self.gemm.values())


def page(
    results: Iterable[Result],
    missing: Mapping[str, str],
    peaks: Iterable[tuple[Peak, float]],
    limits: Limits,
    versions: Mapping[str, str],
    repeats: int,
    patience: float,
) -> str:
    """Put all sections together."""
    results = list(results)
    return "\n".join(
        [
            HEAD.format(repeats=repeats, patience=patience, cpus=n_cpus()),
            *_machine(limits, versions),
            "## Times\n",
            *_times(results, missing),
            "",
            *_memory(list(peaks)),
            *_aims(results, limits),
        ]
    )


def _machine(limits: Limits, versions: Mapping[str, str]) -> list[str]:
    gemm = ", ".join(f"{rate / 1e9:.0f} with {n}" for n, rate in limits.gemm.items())
    return [
        "## The machine",
        "",
        f"- {cpu()}, {n_cpus()} processors, {last_level_cache() >> 20} MiB of last-level cache",
        f"- reads memory at {limits.read / 1e9:.1f} GB/s",
        f"- NumPy's float64 matrix product, in GFlop/s: {gemm} thread(s)",
        f"- Python {platform.python_version()}, "
        + ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"- {limits.load:.1f} other processes wanted to run when this began",
        f"- {datetime.now(UTC):%Y-%m-%d}",
        "",
    ]


def cpu() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _times(results: list[Result], missing: Mapping[str, str]) -> list[str]:
    lines = [
        "| question | size | peer | its time | ours | times faster | aim | differs by |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for result in results:
        lines += rows(result)
    lines += [f"| – | – | {name} | not installed: {why} |||||" for name, why in missing.items()]
    return lines


def rows(result: Result) -> list[str]:
    """Lines of the table, one for each peer."""
    asked, out = result.comparison, []
    for name, error in result.errors.items():
        theirs = result.timings[name]
        setting = f" ({theirs.setting})" if theirs.setting else ""
        aim = "" if (a := result.aim(name)) is None else f"{a:,g}"
        out.append(
            f"| {asked.title} | {asked.size} | {name}{setting} | {_timed(theirs)} | "
            f"{_timed(result.ours)} | {_times_faster(result.ratio(name))} | {aim} | {error:.0e} |"
        )
    return out


def _timed(timing: Timing) -> str:
    return f"{_duration(timing.seconds)} [{timing.threads}]"


def _duration(seconds: float) -> str:
    unit, factor = ("s", 1.0) if seconds >= 1 else ("ms", 1e3) if seconds >= 1e-3 else ("µs", 1e6)
    return f"{seconds * factor:.3g} {unit}"


def _times_faster(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.3g}"


def _memory(peaks: list[tuple[Peak, float]]) -> list[str]:
    if not peaks:
        return []
    lines = [
        "## Memory",
        "",
        "Growth of resident memory at its highest, above the tables, in a fresh process.",
        "",
        "| question | size | library | peak | one t × n matrix |",
        "|---|---|---|---:|---:|",
    ]
    for peak, grown in peaks:
        n, p, t = peak.size
        lines.append(
            f"| {peak.what} | n = {n:,}, p = {p:,}, t = {t:,} | {peak.name} | "
            f"{grown / 1e6:,.0f} MB | {8 * n * t / 1e6:,.0f} MB |"
        )
    return [*lines, ""]


def _aims(results: list[Result], limits: Limits) -> list[str]:
    """Say plainly which aims were missed, and what no exact method could have beaten."""
    lines = ["## Aims that were missed", ""]
    for result in results:
        for name in result.errors:
            aim = result.aim(name)
            if aim is not None and result.ratio(name) < aim:
                lines.append(_missed(result, name, aim, limits))
    if len(lines) == 2:
        lines.append("None.")
    return [*lines, ""]


def _missed(result: Result, name: str, aim: float, limits: Limits) -> str:
    asked, theirs = result.comparison, result.timings[name].seconds
    line = (
        f"- {asked.title}, {asked.size}: {_times_faster(result.ratio(name))} times faster than "
        f"{name}, not {aim:,g}."
    )
    if asked.flops:
        floor = asked.flops / limits.best_gemm
        line += (
            f" The matrix products alone take {_duration(floor)} at the rate measured above, so "
            f"{_times_faster(theirs / floor)} times is as far as this peer could be left behind."
        )
    return line
