"""Measure this library beside its peers and write docs/peers.md.

    python -m benchmarks.peers             all sizes, some minutes, on a quiet machine
    python -m benchmarks.peers --quick     a tenth of them, a minute, nothing written

Peers that are not installed get a row that says so. `pip install 'fastinfluence[peers]'` brings
all but pyDVL, whose pin of numpy < 2 needs `pip install --no-deps pyDVL`.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import time
import warnings
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType

import fastinfluence as fi
from benchmarks.peers.compare import Result, measure
from benchmarks.peers.page import Limits, page, rows
from benchmarks.peers.peak import POSSIBLE, Peak, grown
from benchmarks.peers.threads import Threads

PEERS = {
    "NumPy and SciPy": "peer_numpy",
    "torch": "peer_torch",
    "pyDVL": "peer_pydvl",
    "pyinfluence": "peer_pyinfluence",
    "statsmodels": "peer_statsmodels",
}
PAGE = Path(__file__).parents[2] / "docs" / "peers.md"


def load(names: Sequence[str]) -> tuple[dict[str, ModuleType], dict[str, str]]:
    """Import the peers that are here; say of the others what is missing."""
    found, missing = {}, {}
    for name in names:
        try:
            with warnings.catch_warnings(action="ignore"):  # of what a peer's own imports deprecate
                found[name] = importlib.import_module(f"benchmarks.peers.{PEERS[name]}")
        except ImportError as error:
            missing[name] = str(error)
    return found, missing


def versions(peers: dict[str, ModuleType]) -> dict[str, str]:
    """Versions of what takes part."""
    used = [name for module in peers.values() for name in module.DISTRIBUTIONS]
    others = {name: metadata.version(name) for name in ["numba", *used]}
    return {"fastinfluence": fi.__version__} | others


def quiet() -> None:
    """Leave out what is known here: recursions cut short, theta off the optimum."""
    warnings.simplefilter("ignore", fi.FastInfluenceWarning)
    logging.getLogger("pydvl").setLevel(logging.ERROR)


def compare(
    peers: dict[str, ModuleType], threads: Threads, shrink: int, repeats: int, patience: float
) -> list[Result]:
    """Print every comparison as it ends."""
    results = []
    for module in peers.values():
        for comparison in module.comparisons(shrink):
            results.append(measure(comparison, threads, repeats, patience))
            print(*rows(results[-1]), sep="\n", flush=True)
    return results


def memory(peers: dict[str, ModuleType], shrink: int) -> list[tuple[Peak, float]]:
    """Peaks of the peers that have a question of memory."""
    modules = [m for m in peers.values() if POSSIBLE and hasattr(m, "peaks")]
    asked = [peak for module in modules for peak in module.peaks(shrink)]
    return [(peak, grown(peak)) for peak in asked]


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, writes nothing")
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER")
    parser.add_argument("--repeats", type=int, help="runs of each call (7, or 3 with --quick)")
    parser.add_argument("--out", type=Path, help=f"where to write (default: docs/{PAGE.name})")
    args = parser.parse_args()
    repeats = args.repeats or (3 if args.quick else 7)
    shrink, patience = (10, 0.2) if args.quick else (1, 2.0)
    partial = args.quick or args.only != list(PEERS)
    out = args.out or (None if partial else PAGE)

    quiet()
    started = time.perf_counter()
    peers, missing = load(args.only)
    known = versions(peers)
    threads = Threads()
    limits = Limits.measured(threads)
    results = compare(peers, threads, shrink, repeats, patience)
    peaks = memory(peers, shrink)
    text = page(results, missing, peaks, limits, known, repeats, patience)
    print(f"\n{text}\n{time.perf_counter() - started:.0f} s")
    if args.quick:
        print("The aims are meant for the full sizes, of which these are a tenth.")
    if out:
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
