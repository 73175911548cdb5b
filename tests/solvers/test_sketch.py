"""Self-influence from a few random solves."""

import numpy as np
import pytest
from cases import CASES, build, named

import fastinfluence as fi


@pytest.mark.parametrize("effect", ["removal", "upweight"])
@pytest.mark.parametrize("case", **named(CASES))
def test_sketch_is_within_its_standard_error(case, effect):
    infl = build(case).influence()
    exact, found = infl.self_influence(effect), infl.self_influence(effect, sketch=300)
    assert found.values.shape == found.std_error.shape == exact.shape
    known = found.std_error == 0
    np.testing.assert_allclose(found.values[known], exact[known], atol=1e-12)
    z = (found.values - exact)[~known] / found.std_error[~known]
    assert np.abs(z).max() <= 6
    assert np.mean(np.abs(z) <= 2) >= 0.7  # rows share the draws, so this is loose


def test_mean_over_seeds_is_exact():
    infl = build(CASES[13]).influence()
    exact = infl.self_influence()
    runs = np.array([infl.self_influence(sketch=50, seed=s).values for s in range(80)])
    error = runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    assert np.all(np.abs(runs.mean(axis=0) - exact) <= 5 * error)
    told = infl.self_influence(sketch=50).std_error
    assert 0.7 <= np.median(error * np.sqrt(len(runs)) / told) <= 1.3


def test_sketch_works_with_conjugate_gradients_and_is_reproducible():
    b = build(CASES[13])
    infl = b.influence(solver=fi.solvers.CG(tol=1e-10))
    one, two = (infl.self_influence(sketch=70, seed=5).values for _ in range(2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(
        one, b.influence().self_influence(sketch=70, seed=5).values, rtol=1e-6
    )


def test_bad_sketches_are_refused():
    infl = build(CASES[13]).influence()
    for bad in (0, -3, 2.5, "many"):
        with pytest.raises(fi.InputError):
            infl.self_influence(sketch=bad)
