"""Models of streamed tables in files."""

import numpy as np
import pytest

import fastinfluence as fi


def test_rows_taken_out_of_a_streamed_table_are_no_table_to_load(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)), rng.integers(0, 2, 40)
    infl = fi.Influence.fit(fi.GLM("logistic", l2=0.1), fi.rows.arrays(X, y))
    with pytest.raises(fi.UnsupportedError, match="leaves out or replaces rows"):
        infl.without([3]).save(tmp_path / "a.npz")
    infl.save(tmp_path / "b.npz")
    with pytest.raises(fi.InputError, match="from a streamed table or from arrays"):
        fi.load(tmp_path / "b.npz", X, y)
