"""Hostile inputs to every reader: only the library's errors may come out, and soon.

    python -m benchmarks.reliability.fuzz --seed 0 --scale 1
    python -m benchmarks.reliability.fuzz --only csv --inputs 20000

Every reader runs in a process of its own, so that a crash is a finding and not the end. An input
that is neither taken nor refused is printed with what came out of it, and is repeated by
``--only READER --seed SEED --inputs K``: the K-th input of a seed is always the same.
"""

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import FrameType

from benchmarks.reliability.targets import Bench, Watch, attempt

PLAN = {
    "syntax": 900_000, "expression": 10_000, "spec": 50_000, "solver": 50_000, "manifest": 3_000,
    "saved": 3_000, "csv": 3_000, "parquet": 3_000, "shell": 300, "loss": 20,
}  # fmt: skip
SECONDS = 20.0
"""An input that takes the processor for longer hangs."""
SHOWN = 12
TOLD = 500


class HangError(Exception):
    """An input took too long."""


def _too_long(number: int, frame: FrameType | None) -> None:
    raise HangError(f"no answer within {SECONDS:g} s of work")


def run(name: str, inputs: int, seed: int) -> None:
    """Try one reader; print how its inputs ended, and what should not have come out.

    A line of JSON now and then, so that a run which is stopped has told what it did: the last
    one counts.
    """
    outcomes: Counter[str] = Counter()
    found: dict[str, str] = {}
    signal.signal(signal.SIGPROF, _too_long)
    watch, start = Watch(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        target = Bench(Path(folder)).targets()[name]
        for k in range(inputs):
            data = target.make(random.Random(f"{name} {seed} {k}"))
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                outcomes[attempt(target, data, watch)] += 1
            except Exception as error:
                outcomes["wrong"] += 1
                kind = f"{type(error).__name__}: {str(error)[:120]}"
                if kind not in found and len(found) < SHOWN:
                    found[kind] = f"input {k}: {data!r:.300}"
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            if (k + 1) % TOLD == 0 or k + 1 == inputs:
                seconds = time.perf_counter() - start
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                told = {"outcomes": outcomes, "found": found, "seconds": seconds, "MiB": peak}
                print(json.dumps(told), flush=True)
        os.chdir("/")


def in_a_process(name: str, inputs: int, seed: int) -> dict[str, object]:
    """The same in a process of its own, whose death is told."""
    options = ["--only", name, "--inputs", str(inputs), "--seed", str(seed), "--json"]
    command = [sys.executable, "-m", "benchmarks.reliability.fuzz", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        told = f"process ended with {done.returncode}: {done.stderr[-400:]}"
        return {"outcomes": {"wrong": 1}, "found": {"crash": told}, "seconds": 0.0, "MiB": 0.0}
    answer: dict[str, object] = json.loads(lines[-1])
    return answer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the planned inputs")
    parser.add_argument("--only", choices=PLAN, help="one reader")
    parser.add_argument("--inputs", type=int)
    parser.add_argument("--json", action="store_true", help="in this process, told as it goes")
    args = parser.parse_args()
    if args.only and args.json:
        run(args.only, args.inputs or PLAN[args.only], args.seed)
        return 0
    wrong = total = 0
    for name, planned in PLAN.items() if not args.only else [(args.only, PLAN[args.only])]:
        count = args.inputs or max(1, int(planned * args.scale))
        answer = in_a_process(name, count, args.seed)
        outcomes = answer["outcomes"]
        cost = f"{answer['seconds']:.0f} s, peak {answer['MiB']:.0f} MiB"
        print(f"{name:11}{count:9} inputs {outcomes}  {cost}", flush=True)
        for kind, example in answer["found"].items():
            print(f"    {kind}\n        {example}")
        wrong, total = wrong + outcomes.get("wrong", 0), total + count
    print(f"{total} inputs, seed {args.seed}: {wrong} ended otherwise than taken or refused")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
