"""The paper's hospital data: the encoding, the published numbers, exact leave-one-out at size."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import fastinfluence as fi

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "hospital.py"
L2 = 1e-4


@pytest.fixture(scope="module")
def hospital():
    """Return the loader of the benchmarks folder, which is no package."""
    spec = importlib.util.spec_from_file_location("hospital", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(hospital, data_folder):
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    return hospital.load(data_folder)


@pytest.fixture(scope="module")
def splits(hospital, data_folder):
    return hospital.read_splits(data_folder)


@pytest.fixture(scope="module")
def published(data_folder):
    return json.loads((data_folder / "koh2017_published_numbers.json").read_text())["hospital"]


@pytest.fixture(scope="module")
def infl(data):
    spec = fi.GLM("logistic", l2=L2, fit_intercept=False)
    return fi.Influence.fit(spec, data.X_train, data.y_train)


def test_a_category_with_an_underscore_finds_its_column(hospital):
    columns = ["age", "glyburide", "glyburide-metformin", "discharge_disposition_id", "change"]
    found = {
        "discharge_disposition_id_1": "discharge_disposition_id",
        "glyburide-metformin_Up": "glyburide-metformin",
        "glyburide_Up": "glyburide",
        "age_[0-10)": "age",
        "change": "change",
    }
    for name, column in found.items():
        assert hospital.column_of(name, columns) == column


def test_shapes_and_balance(data, published):
    n, p = published["n_train"], published["n_params"]
    assert data.X_train.shape == (n, p)
    assert data.X_test.shape == (81_766, p)
    assert data.y_train.sum() == n / 2
    assert len(data.feature_names) == p


def test_every_category_is_found(data):
    """A misread name would be a column of zeros; every level was seen in the whole table."""
    everything = np.vstack([data.X_train, data.X_test])
    assert (everything != 0).any(axis=0).all()
    for prefix in ("race_", "gender_", "age_", "max_glu_serum_", "A1Cresult_", "insulin_"):
        levels = [j for j, name in enumerate(data.feature_names) if name.startswith(prefix)]
        np.testing.assert_array_equal(everything[:, levels].sum(axis=1), 1.0)


def test_children_are_those_of_the_paper(data, splits, published):
    child = data.feature_names.index("age_[0-10)")
    of_test = np.flatnonzero(data.X_test[:, child] == 1)
    np.testing.assert_array_equal(of_test, splits["hospital_test_children_pos"])
    of_train = np.flatnonzero(data.X_train[:, child] == 1)
    readmitted, children = published["children_readmitted_original"]
    assert (int(data.y_train[of_train].sum()), len(of_train)) == (readmitted, children)
    left = np.setdiff1d(of_train, splits["hospital_removed_train_pos"])
    assert [int(data.y_train[left].sum()), len(left)] == published["children_readmitted_modified"]


def test_the_published_losses_are_met(data, infl, published):
    """The published fit stopped early, so ours is a little lower on the training rows."""
    original = published["original"]
    f = data.X_train @ infl.theta
    plain = np.mean(np.logaddexp(0, f) - data.y_train * f)
    total = plain + 0.5 * L2 * infl.theta @ infl.theta
    assert original["train_loss_with_reg"] - 2e-4 < total < original["train_loss_with_reg"]
    f_test = data.X_test @ infl.theta
    test_loss = np.mean(np.logaddexp(0, f_test) - data.y_test * f_test)
    assert test_loss == pytest.approx(original["test_loss"], abs=2e-3)
    assert np.mean((f > 0) == data.y_train) == pytest.approx(original["train_acc"], abs=5e-3)
    assert np.linalg.norm(infl.theta) == pytest.approx(original["param_norm"], rel=0.05)


def gradients_without(data, rows, thetas):
    """Return grad R_-i at every theta (k, p), from the formula."""
    residual = 1 / (1 + np.exp(-(data.X_train @ thetas.T))) - data.y_train[:, None]
    residual[rows, np.arange(len(rows))] = 0.0
    return (data.X_train.T @ residual).T / (len(data.y_train) - 1) + L2 * thetas


@pytest.fixture(scope="module")
def rows(data):
    """Return 500 rows: the 100 of largest norm, which lever most, and 400 at random."""
    norm = np.linalg.norm(data.X_train - data.X_train.mean(axis=0), axis=1)
    largest = np.argsort(-norm)[:100]
    rest = np.setdiff1d(np.arange(len(norm)), largest)
    return np.concatenate([largest, np.random.default_rng(0).choice(rest, 400, replace=False)])


def test_exact_leave_one_out_is_stationary_for_every_row(data, infl, rows):
    removed = infl.leave_one_out(rows=rows, method="exact")
    norms = np.linalg.norm(gradients_without(data, rows, removed.theta), axis=1)
    assert norms.max() <= 1e-10
    assert np.max(removed.gradient_norms) <= 1e-10


def test_rare_categories_are_exact_too(data, infl):
    """The only row of a category has leverage near one: there a plain chord is slow to arrive."""
    counts = (data.X_train != 0).sum(axis=0)
    alone = [int(np.flatnonzero(data.X_train[:, j])[0]) for j in np.flatnonzero(counts == 1)]
    assert len(alone) > 0
    removed = infl.leave_one_out(rows=alone, method="exact")
    norms = np.linalg.norm(gradients_without(data, alone, removed.theta), axis=1)
    assert norms.max() <= 1e-10


def test_predictions_are_near_the_exact_change(data, infl, rows, hospital):
    position = [hospital.TEST_POSITION]
    test = data.X_test[position], data.y_test[position]
    exact = infl.leave_one_out(rows=rows, method="exact")
    change = exact.on_loss(*test)
    error = {}
    for method in ("influence", "newton"):
        predicted = infl.leave_one_out(rows=rows, method=method)
        error[method] = np.abs(predicted.on_loss(*test) - change).max() / np.abs(change).max()
    assert error["influence"] < 0.3
    assert error["newton"] < 0.05
    assert error["newton"] < error["influence"]


def test_the_change_of_the_paper_is_retraining(data, infl, splits):
    """Dropping 20 of the 24 children (section 5.1): a group, exact, seen by its gradient."""
    group = splits["hospital_removed_train_pos"]
    removed = infl.leave_group_out([group], method="exact")
    keep = np.setdiff1d(np.arange(len(data.y_train)), group)
    X, y = data.X_train[keep], data.y_train[keep]
    theta = removed.theta[0]
    gradient = X.T @ (1 / (1 + np.exp(-(X @ theta))) - y) / len(y) + L2 * theta
    assert np.linalg.norm(gradient) <= 1e-10
    newton = infl.leave_group_out([group], method="newton").theta[0]
    influence = infl.leave_group_out([group], method="influence").theta[0]
    assert np.linalg.norm(newton - theta) < 0.5 * np.linalg.norm(influence - theta)


def test_every_score_of_the_paper_test_patient(data, infl, hospital):
    """All 20,000 scores by the formula, against the library."""
    x, y = data.X_test[hospital.TEST_POSITION], data.y_test[hospital.TEST_POSITION]
    X, n = data.X_train, len(data.y_train)
    mu = 1 / (1 + np.exp(-(X @ infl.theta)))
    H = X.T @ ((mu * (1 - mu))[:, None] * X) / n + L2 * np.eye(X.shape[1])
    g = (mu - data.y_train)[:, None] * X + L2 * infl.theta
    s = np.linalg.solve(H, (1 / (1 + np.exp(-x @ infl.theta)) - y) * x)
    actual = infl.on_loss(x[None], y[None])[0]
    expected = g @ s / n
    assert np.abs(actual - expected).max() <= 1e-9 * np.abs(expected).max()
