"""Collectors filled by several processes and merged in a tree give what one gives."""

import pickle
from dataclasses import fields

import numpy as np
import pytest

import fastinfluence as fi
from fastinfluence.sinks import Matrix, PerOutput

T, N = 6, 40
SINKS = {
    "matrix": Matrix(),
    "total": fi.Total(),
    "top 1": fi.TopK(1),
    "top 3": fi.TopK(3),
    "top of more rows than there are": fi.TopK(100),
    "top 3 of each output": PerOutput(fi.TopK(3), 2),
    "matrix of each output": PerOutput(Matrix(), 3),
}
TREES = {
    "pairs": [(0, 1), (2, 3), (0, 2)],
    "one after another": [(0, 1), (0, 2), (0, 3)],
    "the last first": [(2, 3), (1, 2), (0, 1)],
}


def feed(collector, start, stop, seed=0):
    """Add the scores of some rows, many of them tied."""
    rng = np.random.default_rng(seed)
    raw, shift = rng.integers(-2, 3, size=(T, N)).astype(float), np.arange(T) / 2.0
    scale = rng.integers(0, 3, size=N).astype(float)
    for at in range(start, stop, 4):
        rows = slice(at, min(at + 4, stop))
        collector.add(at, raw[:, rows].copy(), shift, scale[rows])
    return collector


def same(a, b):
    """Assert equal arrays, or equal arrays in every field."""
    if isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b)
    else:
        for field in fields(a):
            same(getattr(a, field.name), getattr(b, field.name))


def copied(collector):
    return pickle.loads(pickle.dumps(collector))


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("name", SINKS)
def test_a_tree_of_pickled_collectors(name, sign, tree):
    sink = SINKS[name]
    expected = feed(sink.open(T, N, sign), 0, N).result()
    main = sink.open(T, N, sign)
    parts = [copied(feed(copied(main), a, b)) for a, b in ((0, 8), (8, 12), (12, 30), (30, N))]
    for into, other in TREES[tree]:
        parts[into].merge(parts[other])
    main.merge(copied(parts[0]))
    same(main.result(), expected)


@pytest.mark.parametrize("name", SINKS)
def test_a_pickled_collector_gives_the_result_too(name):
    sink = SINKS[name]
    expected = feed(sink.open(T, N, 1.0), 0, N).result()
    half = feed(sink.open(T, N, 1.0), 0, 20)
    same(feed(copied(half), 20, N).result(), expected)


def test_an_empty_array_is_not_sent_to_other_processes():
    assert len(pickle.dumps(Matrix().open(1000, 10**6, 1.0))) < 1000


def test_a_wrong_merge_is_seen():
    """Ties broken the other way round do not pass for equal."""
    first, second = (feed(fi.TopK(3).open(T, N, 1.0), a, b) for a, b in ((0, 20), (20, N)))
    expected = feed(fi.TopK(3).open(T, N, 1.0), 0, N).result()
    first.merge(second)
    values, rows = first._kept
    first._kept = values, rows[:, :, ::-1].copy()
    with pytest.raises(AssertionError):
        same(first.result(), expected)
