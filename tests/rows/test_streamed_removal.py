"""Removed and changed rows of streamed tables: as those of a table in memory, for every loss."""

import numpy as np
import pytest
from cases import CASES, FURTHER, named
from stream_cases import (
    CHANGES,
    REMOVALS,
    assert_same,
    both,
    removal,
    small_blocks,
    worst,
)

import fastinfluence as fi

RTOL = 1e-10
EVERY = CASES + FURTHER
WEIGHTED = CASES[13]
pytestmark = pytest.mark.usefixtures(small_blocks.__name__)


@pytest.mark.parametrize("case", **named(EVERY[1::2]))
def test_removals(tmp_path, case):
    b, streamed, held = both(tmp_path, case)
    assert_same(streamed, held, b, REMOVALS, RTOL)


@pytest.mark.parametrize("case", **named(EVERY[::4]))
def test_changed_rows(tmp_path, case):
    b, streamed, held = both(tmp_path, case)
    assert_same(streamed, held, b, CHANGES, RTOL)


def test_every_row_and_labelled_groups(tmp_path):
    b, streamed, held = both(tmp_path, WEIGHTED)
    labels = np.arange(held.n_rows) % 7
    asks = {
        "all rows": lambda i, b: removal(i.leave_one_out(method="newton"), b),
        "labels": lambda i, b: removal(i.leave_group_out(labels, "exact"), b),
    }
    assert_same(streamed, held, b, asks, RTOL)


def test_without(tmp_path):
    """Rows that are gone weigh nothing, in every answer, also after a second removal."""
    b, streamed, held = both(tmp_path, WEIGHTED)
    kept = np.setdiff1d(np.arange(held.n_rows), [3, 17, 40])
    one, other = streamed.without([3, 40]).without([17]), held.without([3, 40]).without([16])
    assert worst(one.theta, other.theta) <= RTOL
    test = {"X_test": b.X_test, "y_test": b.y_test, "offset_test": b.offset_test}
    scores = one.on_loss(**test)
    assert worst(scores[:, kept], other.on_loss(**test)) <= RTOL
    assert not scores[:, [3, 17, 40]].any()
    with pytest.raises(fi.FastInfluenceError, match="no weight"):
        streamed.without(np.arange(held.n_rows))


def test_a_replaced_row_may_be_replaced_again(tmp_path):
    b, streamed, _ = both(tmp_path, CASES[9])
    rows = streamed._problem.rows
    new = rows.take(np.array([50, 51]))
    twice = rows.replaced(np.array([30, 4]), new, None).replaced(np.array([4]), new[[0]], None)
    assert (twice.take(np.array([4, 30, 5])).toarray() == b.X[[50, 50, 5]]).all()


def test_validate(tmp_path):
    b, streamed, held = both(tmp_path, WEIGHTED)

    def ask(i, b):
        found = i.validate(b.X_test, b.y_test, rows=8, offset_test=b.offset_test)
        return np.stack([found.rows, found.predicted, found.actual])

    assert_same(streamed, held, b, {"validate": ask}, RTOL)


def test_subsets(tmp_path):
    b, streamed, held = both(tmp_path, CASES[9])

    def most(i, b, **options):
        found = i.most_influential_subset(np.eye(len(i.theta))[0], 4, **options)
        return np.array([*found.rows, found.predicted, found.actual])

    def flip(i, b):
        found = i.smallest_flip(fi.targets.significance(0), steps=1)
        return np.array([*found.rows, found.predicted, found.actual])

    groups = np.arange(held.n_rows) // 5
    asks = {"rows": most, "groups": lambda i, b: most(i, b, groups=groups), "flip": flip}
    assert_same(streamed, held, b, asks, RTOL)
