"""Bias bound and standard error cover the true error on real data."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import fastinfluence as fi

SEEDS = 20


def mnist_1_vs_7(folder):
    with np.load(folder / "mnist.npz") as file:
        X, y = file["x_train"][5000:], file["y_train"][5000:]
    keep = np.flatnonzero((y == 1) | (y == 7))[:4000]
    return X[keep].reshape(len(keep), -1) / 255.0, (y[keep] == 7).astype(float)


def a9a(folder):
    with np.load(folder / "a9a.npz") as file:
        starts, columns = file["train_indptr"], file["train_indices"]
        X = np.zeros((len(starts) - 1, int(file["n_features"])))
        X[np.repeat(np.arange(len(X)), np.diff(starts)), columns] = 1.0
        return X, (file["y_train"] > 0).astype(float)


def hospital(folder):
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    script = Path(__file__).parents[2] / "benchmarks" / "hospital.py"
    spec = importlib.util.spec_from_file_location("hospital", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    data = module.load(folder)
    return data.X_train, data.y_train


DATA = {
    "mnist": (mnist_1_vs_7, fi.GLM("logistic", l2=0.01, fit_intercept=False)),
    "a9a": (a9a, fi.GLM("logistic", l2=1e-3)),
    "hospital": (hospital, fi.GLM("logistic", l2=1e-4, fit_intercept=False)),
}


@pytest.mark.parametrize("name", DATA)
def test_bounds_cover_the_error_in_nine_of_ten_seeds(name, data_folder):
    load, spec = DATA[name]
    infl = fi.Influence.fit(spec, *load(data_folder), tol=1e-6)
    sides = infl._engine.row_gradients(np.array([3, 7])).T.copy()
    truth = np.linalg.solve(infl.hessian.dense(), sides)
    covered = []
    for seed in range(SEEDS):
        config = fi.solvers.LiSSA(depth=1500, scale=first_scale(infl), seed=seed)
        solution = config.prepare(infl.hessian).solve(sides)
        error = np.linalg.norm(solution.x - truth, axis=0)
        told = solution.bias_bound + 3 * np.linalg.norm(solution.std_error, axis=0)
        covered.append(error <= told)
        assert np.isfinite(told).all()
        assert (error <= solution.error_bound).all() or not solution.bound_is_certain
    assert np.mean(covered) >= 0.9


def first_scale(infl):
    """Return the automatic scale, found once per data set."""
    if "scale" not in infl.__dict__:
        infl.__dict__["scale"] = fi.solvers.LiSSA(depth=1500).prepare(infl.hessian).scale
    return infl.__dict__["scale"]
