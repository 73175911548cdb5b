"""A streamed table answers as one in memory does, for every loss of a generalised linear model."""

import numpy as np
import pytest
from cases import CASES, FURTHER, build, named
from stream_cases import SCORES, assert_same, both, of_case, small_blocks, worst

import fastinfluence as fi

RTOL = 1e-10
EVERY = CASES + FURTHER
pytestmark = pytest.mark.usefixtures(small_blocks.__name__)


@pytest.mark.parametrize("case", **named(EVERY))
def test_scores(tmp_path, case):
    b, streamed, held = both(tmp_path, case)
    assert streamed._problem.rows.block_rows < 11 < streamed.n_rows / 3
    assert_same(streamed, held, b, SCORES, RTOL)
    assert streamed.gradient_norm == pytest.approx(held.gradient_norm, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("case", **named(EVERY))
def test_fit(tmp_path, case):
    b = build(case)
    held = fi.Influence.fit(b.spec(), b.X, b.y, **b.data())
    streamed = fi.Influence.fit(b.spec(), of_case(tmp_path, b))
    assert worst(streamed.theta, held.theta) <= RTOL


def test_another_row_would_be_noticed(tmp_path):
    """What holds the two against each other fails where one row differs by little."""
    b, streamed, held = both(tmp_path, CASES[9])
    other = np.array(b.X)
    other[17, 2] += 1e-6
    moved = fi.Influence(b.spec(), other, b.y, b.theta, **b.data(), solver=fi.solvers.Direct())
    with pytest.raises(AssertionError, match="self-influence"):
        assert_same(streamed, moved, b, SCORES, RTOL)
    assert_same(streamed, held, b, SCORES, RTOL)
