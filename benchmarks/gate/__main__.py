"""Command line of the gate."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from .decide import SLOWER, Verdict, compare
from .session import ROOT, Session, worktree
from .worker import PLANT

PLANTED, FRACTION = "HVP d=128", 0.3


def names() -> list[str]:
    """Return the names of all workloads."""
    import sys

    sys.path.insert(0, str(ROOT / "benchmarks"))
    from workloads import WORKLOADS

    return list(WORKLOADS)


def gate(session: Session, chosen: Sequence[str]) -> Verdict:
    """Compare and sum up."""
    start = time.perf_counter()
    verdict = compare(chosen, session.measure)
    told = f"{len(verdict.compared)} workloads compared, {len(verdict.missing)} skipped"
    print(f"{told}, in {time.perf_counter() - start:.0f} s")
    for name in verdict.slower:
        print(f"REGRESSION: {name} is more than {SLOWER - 1:.0%} slower")
    if not verdict.compared:
        raise SystemExit("nothing was compared")
    return verdict


def self_test(tree: Path, chosen: Sequence[str], times: int) -> None:
    """Compare a tree with itself, which must pass, and with a planted slowdown, which must not."""
    alarms = []
    for k in range(times):
        print(f"--- unchanged code, {k + 1} of {times}")
        alarms += gate(Session(tree, tree), chosen).slower
    print(f"--- {FRACTION:.0%} slower: {PLANTED}")
    slowed = Session(tree, tree, {PLANT: f"{PLANTED}={FRACTION}"})
    found = gate(slowed, chosen).slower
    print(f"false alarms: {alarms or 'none'}; planted {PLANTED}: flagged {found or 'nothing'}")
    if alarms or found != [PLANTED]:
        raise SystemExit("the gate does not hold")


def main() -> None:
    """Parse, compare, and exit with 1 on a regression."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate")
    parser.add_argument("base", nargs="?", help="commit to compare the working tree with")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="workloads by name")
    parser.add_argument(
        "--self-test", nargs="?", type=int, const=10, metavar="N", help="test the gate itself"
    )
    parser.add_argument(
        "--head", type=Path, default=ROOT, metavar="FOLDER", help="another tree than this one"
    )
    args = parser.parse_args()
    every = names()
    chosen = args.only or every
    unknown = sorted(set(chosen) - set(every))
    if unknown:
        parser.error(f"no such workload: {', '.join(unknown)}; there are {', '.join(every)}")
    if args.self_test is not None:
        self_test(args.head, chosen, args.self_test)
    elif args.base is None:
        parser.error("name the commit to compare with: make bench-compare BASE=<commit>")
    elif gate(Session(worktree(args.base), args.head), chosen).slower:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
