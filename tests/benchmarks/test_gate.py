"""The gate's judgement on made-up timings: noise passes, a slowdown is named."""

import numpy as np
import pytest
from script import load_script

decide = load_script("gate/decide.py")
NAMES = [f"workload {k}" for k in range(25)]
SEEDS = range(20)


def quiet(line):
    """Print nothing."""


class Machine:
    """Two trees on a noisy machine.

    Each side of a round varies by 3 %, and one round in eight is disturbed on one side by up to
    half, which is worse than what taking the shortest of ten leaves on a busy machine.
    """

    def __init__(self, seed, slower=None, missing=()):
        self.rng = np.random.default_rng(seed)
        self.slower, self.missing = slower or {}, missing
        self.asked = []

    def side(self):
        disturbed = 1 + 0.5 * self.rng.random() * (self.rng.random() < 1 / 16)
        return 3.0 * np.exp(0.03 * self.rng.standard_normal()) * disturbed

    def round(self, name):
        return decide.Round(self.side(), self.side() * self.slower.get(name, 1.0), limit=1.0)

    def measure(self, names, n_rounds):
        self.asked.append(list(names))
        return {
            name: decide.Missing("AttributeError: no such thing")
            if name in self.missing
            else [self.round(name) for _ in range(n_rounds)]
            for name in names
        }


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_comparisons_of_unchanged_code_raise_no_alarm(seed):
    machine = Machine(seed)
    for _ in range(10):
        assert decide.compare(NAMES, machine.measure, quiet).slower == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_slowdown_of_30_percent_is_named_and_nothing_else(seed):
    machine = Machine(seed, {NAMES[7]: 1.3})
    assert decide.compare(NAMES, machine.measure, quiet).slower == [NAMES[7]]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_got_faster_or_is_5_percent_slower_passes(seed):
    machine = Machine(seed, {NAMES[0]: 0.5, NAMES[1]: 1.05})
    assert decide.compare(NAMES, machine.measure, quiet).slower == []


def test_only_suspects_are_measured_again_and_judged_by_the_new_rounds():
    machine = Machine(0, {NAMES[3]: 1.3})
    verdict = decide.compare(NAMES, machine.measure, quiet)
    first, again = machine.asked
    assert first == NAMES
    assert NAMES[3] in again
    assert len(verdict.compared[NAMES[3]]) == decide.MORE_ROUNDS
    assert {len(verdict.compared[n]) for n in set(NAMES) - set(again)} == {decide.FIRST_ROUNDS}


def test_what_the_base_lacks_is_told():
    lines = []
    machine = Machine(0, missing=[NAMES[2]])
    verdict = decide.compare(NAMES, machine.measure, lines.append)
    assert verdict.missing == {NAMES[2]: "AttributeError: no such thing"}
    assert NAMES[2] not in verdict.compared
    assert [line for line in lines if "skipped" in line] == [
        f"{NAMES[2]:24} skipped: the base cannot run it (AttributeError: no such thing)"
    ]


@pytest.mark.parametrize(
    ("base", "head", "regression"),
    [
        ([2.0] * 9, [2.6] * 9, True),
        ([2.0] * 9, [2.28] * 9, False),
        ([2.0] * 9, [2.32] * 9, True),
        ([2.0] * 9, [2.6] * 7 + [2.0] * 2, False),  # reached the base's time twice
        ([2.0] * 5 + [1.0] * 4, [2.0] * 9, False),  # the base's shortest times were luck
        ([2.9] * 4 + [2.0] * 5, [2.6] * 9, True),
    ],
)
def test_the_proof_asks_for_a_slow_median_and_slow_shortest_times(base, head, regression):
    rounds = [decide.Round(b, h, limit=1.0) for b, h in zip(base, head, strict=True)]
    assert decide.is_regression(rounds) is regression
