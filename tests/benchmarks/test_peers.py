"""Peers give our numbers; the comparison refuses to time what differs."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import pytest

pytest.importorskip("threadpoolctl")

import fastinfluence as fi
from benchmarks.peers.__main__ import PEERS, load, versions
from benchmarks.peers.compare import Comparison, Disagreement, Entry, agree, disagreement, measure
from benchmarks.peers.page import Limits, page, rows
from benchmarks.peers.peak import POSSIBLE, Peak, grown
from benchmarks.peers.threads import Threads

pytestmark = [
    pytest.mark.filterwarnings("ignore::fastinfluence.FastInfluenceWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
]
SHRINK = 100
TWO = np.array([3.0, 4.0])


def module_of(name):
    found, missing = load([name])
    if missing:
        pytest.skip(f"{name} cannot be imported: {missing[name]}")
    return found[name]


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_gives_our_numbers(name):
    module = module_of(name)
    with Threads().limited(1):
        for comparison in module.comparisons(SHRINK):
            errors = agree(comparison)
            assert errors.keys() == {peer.name for peer in comparison.peers}


def test_pydvls_lissa_is_as_noisy_as_ours():
    """What is timed there is random: both must be near the exact scores, by the same measure."""
    module = module_of("pyDVL")
    case = module.logistic(1_000, 20, 3)
    exact = case.scores(fi.solvers.Direct())()
    pair = module.recursion(case, depth=500, batch=20, scale=10.0)
    with Threads().limited(1):
        found = [entry.values(entry.run())[0] for entry in pair.entries]
    ours, theirs = (np.linalg.norm(f - exact) / np.linalg.norm(exact) for f in found)
    assert max(ours, theirs) < 0.4
    assert 0.5 < ours / theirs < 2


def pair(theirs, **options):
    ours = Entry("fastinfluence", lambda: TWO)
    return Comparison("a question", "n = 2", ours, [Entry("peer", theirs, **options)])


def test_numbers_that_differ_are_not_timed():
    for wrong in (TWO * (1 + 1e-9), -TWO, TWO[:1], TWO * np.nan):
        with pytest.raises(Disagreement, match="peer"):
            measure(pair(lambda wrong=wrong: wrong), Threads(), repeats=1)


def test_a_peers_convention_is_converted_and_its_random_runs_are_not_compared():
    assert agree(pair(lambda: -2 * TWO, values=lambda found: [found / -2]))["peer"] == 0
    assert agree(pair(lambda: np.zeros(2), check=lambda: TWO))["peer"] == 0


def test_disagreement_is_relative_to_the_largest_number_of_each_array():
    near = [np.array([3.1, 4.0]), 10 * TWO]
    assert disagreement([TWO, 10 * TWO], near) == pytest.approx(0.1 / 4)
    assert disagreement([TWO], [TWO, TWO]) == np.inf


def waiting(name, setting, seconds, **options):
    def run():
        time.sleep(seconds)
        return TWO

    return Entry(name, run, setting=setting, **options)


def test_the_fastest_setting_counts_and_slow_calls_run_once_more():
    asked = Comparison(
        "a question",
        "n = 2",
        waiting("fastinfluence", "", 0.002),
        [waiting("peer", "slow", 0.3, aim=5.0), waiting("peer", "fast", 0.04, aim=5.0)],
    )
    result = measure(asked, Threads(), repeats=2, patience=0.2)
    assert result.timings["peer"].setting == "fast"
    assert result.ratio("peer") == result.timings["peer"].seconds / result.ours.seconds > 1
    assert result.aim("peer") == 5.0
    assert len(rows(result)) == 1


def test_the_page_names_missing_peers_and_missed_aims():
    asked = Comparison(
        "a question",
        "n = 2",
        waiting("fastinfluence", "", 0.002),
        [waiting("peer", "", 0.01, aim=1000.0)],
        flops=1e6,
    )
    result = measure(asked, Threads(), repeats=1)
    limits = Limits(1e10, {1: 1e9})
    text = page([result], {"pyDVL": "No module named 'torch'"}, [], limits, versions({}), 1, 2.0)
    assert "not installed: No module named 'torch'" in text
    assert "not 1,000" in text
    assert "take 1 ms at the rate" in text


def test_threads_are_put_back():
    import threadpoolctl

    def counts():
        return [
            m["num_threads"] for m in threadpoolctl.threadpool_info() if m["user_api"] == "blas"
        ]

    before = counts()
    with Threads().limited(1):
        assert set(counts()) == {1}
    assert counts() == before


@pytest.mark.skipif(not POSSIBLE, reason="the system does not tell a process's largest size")
def test_peak_memory_is_that_of_the_call():
    million = 1_000_000
    size = (1, 1, 1)
    small = grown(Peak("", "", size, partial(partial, np.ones, million)))
    large = grown(Peak("", "", size, partial(partial, np.ones, 10 * million)))
    assert small == pytest.approx(8e6, abs=2e6)
    assert large == pytest.approx(80e6, abs=2e6)
