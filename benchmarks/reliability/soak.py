"""Random problems end to end against a dense float64 reference, with an eye on memory.

    python -m benchmarks.reliability.soak --problems 10000 --seed 0

Problems are those of the property tests: any loss, form, weights, offset, layout, type, and columns
scaled by up to 1e150. Each is fitted, scored in every way, and loses rows and groups. The reference
sees the same problem with columns of ordinary size. A difference beyond its limit is printed with
the words that repeat it, and so is whatever is raised.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import reference  # noqa: E402
from properties.problems import LAYOUTS, SMOOTH, Problem, Words, build, error, muted  # noqa: E402

FAR, WEIGHTS = 498, ("none", "real", "counts", "some zero", "wide")
FIRST, SECOND = 1e-8, 1e-6
"""Limits, relative to the largest entry: of scores at one theta, and of optima found to 1e-9."""
ROWS, GROUPS = [1, 9], [[2, 10, 11], [0]]
EVERY = 500


def words(seed: int, k: int) -> Words:
    """The k-th problem of a seed."""
    rng = np.random.default_rng([seed, k])
    d = int(rng.integers(1, 7))
    single = bool(rng.random() < 0.3)
    far = int(rng.choice([0, 10, 60 if single else FAR]))
    return Words(
        seed=int(rng.integers(2**32)),
        loss=str(rng.choice(SMOOTH)),
        n=int(rng.integers(12, 41)),
        d=d,
        reduction="sum" if rng.random() < 0.5 else "mean",
        fit_intercept=bool(rng.random() < 0.7),
        penalize_intercept=bool(rng.random() < 0.5),
        l2=tuple(float(v) for v in rng.uniform(0.01, 1.0, size=int(rng.integers(1, d + 1)))),
        weights=str(rng.choice(WEIGHTS)),  # type: ignore[arg-type]
        offset=bool(rng.random() < 0.5),
        powers=tuple(int(v) for v in rng.integers(-far, far + 1, size=int(rng.integers(1, 6)))),
        heavy=int(rng.integers(-200, 201)) if far <= 60 and rng.random() < 0.3 else 0,
        layout=str(rng.choice(list(LAYOUTS))),
        dtype="float32" if single else "float64",
        copied=bool(rng.random() < 0.3),
        zeros=float(rng.choice([0.0, 0.3, 0.8])),
    )


def answers(b: Problem) -> Iterator[tuple[str, Any, Any, float]]:
    """What was asked, the library's answer, the reference's, and how far they may differ."""
    unit, scale = b.unit, b.scale
    yield "fit", b.fitted().theta * scale, unit.theta, SECOND
    infl = b.influence()
    losses = reference.on_loss(unit, b.X_test, b.y_test, "removal", b.offset_test)
    yield "on_loss", infl.on_loss(*b.test, **b.asked()), losses, FIRST
    raw = reference.on_prediction(unit, b.X_test, "raw", "removal", b.offset_test)
    yield "on_prediction", infl.on_prediction(b.test[0], **b.asked()), raw, FIRST
    yield "self_influence", infl.self_influence(), reference.self_influence(unit, "removal"), FIRST
    own = reference.on_params(unit, ROWS, "upweight")
    yield "on_params", infl.on_params(ROWS, effect="upweight") * scale, own, FIRST
    yield "hessian", infl.hessian.dense() / scale / scale[:, None], unit.hessian(), FIRST
    for method, limit in (("influence", FIRST), ("newton", FIRST), ("exact", SECOND)):
        for kind, sets in (("leave_one_out", ROWS), ("leave_group_out", GROUPS)):
            found = getattr(infl, kind)(sets, method)
            wanted = getattr(reference, kind)(unit, sets, method)
            both = np.vstack([found.theta_old, found.theta]) * scale
            yield (
                f"{kind} {method}",
                both.ravel(),
                np.vstack([wanted.old, wanted.theta]).ravel(),
                limit,
            )


def resident() -> float:
    """MiB of this process that lie in memory, where Linux tells."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def try_one(seed: int, k: int, counts: Counter[str]) -> None:
    """One problem, end to end."""
    w = words(seed, k)
    try:
        b = build(w).at_optimum()
    except (RuntimeError, np.linalg.LinAlgError) as trouble:
        counts["reference found no optimum"] += 1
        print(f"problem {k}: the reference: {trouble}", flush=True)
        return
    with muted(), np.errstate(all="ignore"):
        try:
            for name, found, wanted, limit in answers(b):
                counts["answers"] += 1
                off = error(found, wanted)
                if not off <= limit:
                    counts["differences"] += 1
                    print(f"problem {k}, {name}: off by {off:.1e}: {w}", flush=True)
        except Exception as trouble:
            counts["raised"] += 1
            print(f"problem {k}: {type(trouble).__name__} {str(trouble)[:200]}: {w}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first problem")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    counts: Counter[str] = Counter()
    start, memory = time.perf_counter(), []
    for k in range(args.first, args.first + args.problems):
        try_one(args.seed, k, counts)
        counts["problems"] += 1
        if counts["problems"] % EVERY == 0 or counts["problems"] == args.problems:
            memory.append(resident())
            seconds = time.perf_counter() - start
            print(
                f"{counts['problems']} problems, {seconds:.0f} s, {memory[-1]:.0f} MiB", flush=True
            )
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(f"seed {args.seed}: {told}; resident {memory[0]:.0f} to {memory[-1]:.0f} MiB")
    return 1 if counts["differences"] or counts["raised"] else 0


if __name__ == "__main__":
    sys.exit(main())
