"""What counts as a regression: a clear one, seen twice.

All workloads are measured over a few rounds, each in fresh processes. One whose median looks
slower is only a suspect: it is measured again, longer, and judged by the new rounds alone, since
the first ones were picked for looking slow. It is a regression if it is more than 15 % slower by
two accounts: the middle one of the rounds' ratios, which a lucky moment cannot move, and the
shortest times of all rounds, which a busy machine hardly can.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

SLOWER = 1.15
"""A regression is slower than this."""
SUSPICIOUS = 1.07
"""What looks slower than this is measured again; about √1.15."""
FIRST_ROUNDS, MORE_ROUNDS = 5, 9


@dataclass(frozen=True)
class Round:
    """Shortest seconds of both trees in one round, and of the machine's limit for that work."""

    base: float
    head: float
    limit: float

    @property
    def ratio(self) -> float:
        """How many times the head's time is the base's."""
        return self.head / self.base


@dataclass(frozen=True)
class Missing:
    """Why the base cannot run a workload."""

    reason: str


Found = Mapping[str, Sequence[Round] | Missing]
Measure = Callable[[Sequence[str], int], Found]
Tell = Callable[[str], object]


@dataclass
class Verdict:
    """Outcome of a comparison.

    Attributes
    ----------
    compared
        The rounds each workload was judged by.
    missing
        Workloads that the base cannot run, and why.
    slower
        Names of the regressions.
    """

    compared: dict[str, Sequence[Round]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    slower: list[str] = field(default_factory=list)


def median_ratio(rounds: Sequence[Round]) -> float:
    """Return the middle one of the rounds' ratios."""
    return statistics.median(r.ratio for r in rounds)


def shortest_ratio(rounds: Sequence[Round]) -> float:
    """Return the ratio of the shortest times of all rounds."""
    return min(r.head for r in rounds) / min(r.base for r in rounds)


def is_suspect(rounds: Sequence[Round]) -> bool:
    """Whether the first rounds call for more."""
    return median_ratio(rounds) > SUSPICIOUS


def is_regression(rounds: Sequence[Round]) -> bool:
    """Whether the second rounds prove it."""
    return min(median_ratio(rounds), shortest_ratio(rounds)) > SLOWER


def compare(names: Sequence[str], measure: Measure, tell: Tell = print) -> Verdict:
    """Measure, measure suspects again, and judge.

    Parameters
    ----------
    names
        Workloads.
    measure
        ``measure(names, n_rounds)`` returns the rounds of each, or why the base has none.
    tell
        Receives one line a workload.
    """
    verdict = Verdict()
    for name, found in measure(names, FIRST_ROUNDS).items():
        if isinstance(found, Missing):
            verdict.missing[name] = found.reason
            tell(f"{name:24} skipped: the base cannot run it ({found.reason})")
        else:
            verdict.compared[name] = found
            tell(line(name, found))
    suspects = [name for name, rounds in verdict.compared.items() if is_suspect(rounds)]
    if suspects:
        tell(f"again, {MORE_ROUNDS} rounds: {', '.join(suspects)}")
        again = measure(suspects, MORE_ROUNDS)
        for name in suspects:
            rounds = again[name]
            if isinstance(rounds, Missing):
                raise RuntimeError(f"{name} ran once and then did not: {rounds.reason}")
            verdict.compared[name] = rounds
            tell(line(name, rounds) + ("  SLOWER" if is_regression(rounds) else ""))
            if is_regression(rounds):
                verdict.slower.append(name)
    return verdict


def line(name: str, rounds: Sequence[Round]) -> str:
    """Describe one workload."""
    base, head = (
        statistics.median(getattr(r, side) / r.limit for r in rounds) for side in ("base", "head")
    )
    ratios = sorted(r.ratio for r in rounds)
    return (
        f"{name:24} base {base:6.2f}, head {head:6.2f} times the limit; head/base "
        f"{median_ratio(rounds):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}), "
        f"shortest {shortest_ratio(rounds):.2f}"
    )
