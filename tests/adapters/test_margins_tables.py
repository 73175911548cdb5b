"""Machines in Pipelines, with named columns, without rows; what is refused, by name."""

import numpy as np
import pandas as pd
import pytest
from cases import assert_close
from margin_cases import REAL, TEST, WORDS, N, X, hinge_svc, read
from scipy import sparse
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, LinearSVR, NuSVC

import fastinfluence as fi


def test_a_kernel_machine_in_a_pipeline_with_named_columns():
    table = pd.DataFrame(X, columns=["age", "dose", "mass"], index=[f"r{i}" for i in range(N)])
    model = make_pipeline(StandardScaler(), SVC(tol=1e-9)).fit(table, WORDS)
    infl = fi.Influence.from_estimator(model, table, WORDS)
    scaled = model[0].transform(table)
    bare = fi.Influence.from_estimator(SVC(tol=1e-9).fit(scaled, WORDS), scaled, WORDS)
    rows = pd.DataFrame(TEST[0], columns=["age", "dose", "mass"])
    expected = bare.on_loss(model[0].transform(rows), TEST[1])
    assert_close(infl.on_loss(rows, TEST[1]), expected, rtol=1e-7)
    assert list(infl._problem.labels) == list(table.index)
    refit = infl.leave_one_out([0], method="refit").on_loss(rows, TEST[1])
    again = bare.leave_one_out([0], method="refit").on_loss(model[0].transform(rows), TEST[1])
    np.testing.assert_allclose(refit, again, atol=1e-7)


def test_columns_of_a_bare_kernel_machine_may_come_in_any_order():
    table = pd.DataFrame(X, columns=["age", "dose", "mass"])
    infl = fi.Influence.from_estimator(SVC().fit(table, WORDS), table, WORDS)
    rows = table[:5]
    one = infl.on_loss(rows[["mass", "age", "dose"]], WORDS[:5])
    assert_close(one, infl.on_loss(rows, WORDS[:5]), rtol=1e-12)
    with pytest.raises(fi.InputError, match=r"X_test lacks.*mass"):
        infl.on_loss(rows[["age", "dose"]], WORDS[:5])


def test_without_rows_keeps_the_kernel():
    infl = read("SVC rbf", temperature=0.3).polish()
    fewer = infl.without([0, 5])
    again = infl.leave_group_out([[0, 5]], method="exact").theta[0]
    np.testing.assert_allclose(fewer.theta, again, atol=1e-6)
    # Rows of the new object: perturbation is still the derivative of its own retraining.
    slope = fewer.perturbation(*TEST, [0])[:, 0, 1]
    X_new = X[[1]] + 1e-5 * np.eye(3)[1]
    moved = fewer.replacement([0], X_new, None, *TEST, method="exact")[:, 0]
    assert_close(moved / 1e-5, slope, rtol=1e-3)


def test_linear_machines_read_sparse_rows():
    Z = np.where(np.abs(X) < 0.5, 0.0, X)
    model = hinge_svc().fit(Z, WORDS)
    dense = fi.Influence.from_estimator(model, Z, WORDS)
    infl = fi.Influence.from_estimator(model, sparse.csr_array(Z), WORDS)
    assert_close(infl.on_loss(*TEST), dense.on_loss(*TEST), rtol=1e-9)


THREE = np.array(["a", "b", "c"])[np.arange(N) % 3]
REFUSED = {
    "sigmoid": (lambda: SVC(kernel="sigmoid"), WORDS, "sigmoid.*positive definite"),
    "precomputed": (lambda: SVC(kernel="precomputed"), WORDS, "precomputed.*rbf"),
    "own kernel": (lambda: SVC(kernel=lambda a, b: a @ b.T), WORDS, "kernel=.*linear"),
    "three classes": (SVC, THREE, "several classes"),
    "three classes, linear": (LinearSVC, THREE, "several classes"),
    "crammer-singer": (lambda: LinearSVC(multi_class="crammer_singer"), WORDS, "ovr"),
    "squared tube": (
        lambda: LinearSVR(loss="squared_epsilon_insensitive"),
        REAL,
        "epsilon_insensitive",
    ),
    "modified Huber": (lambda: SGDClassifier(loss="modified_huber"), WORDS, "loss.*log_loss"),
    "l1 descent": (lambda: SGDClassifier(penalty="l1"), WORDS, "penalty.*l2"),
    "weighted descent": (
        lambda: SGDClassifier(class_weight={"no": 2.0}),
        WORDS,
        "without weights",
    ),
    "nu": (lambda: NuSVC(nu=0.2), WORDS, "NuSVC.*SVC"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_refused_by_name(name):
    make, y, words = REFUSED[name]
    rows = X @ X.T if name == "precomputed" else X
    model = make().fit(rows, y)
    with pytest.raises(fi.UnsupportedError, match=words):
        fi.Influence.from_estimator(model, rows, y)


MISTAKES = {
    "not fitted": (lambda: fi.Influence.from_estimator(SVC(), X, WORDS), "not fitted"),
    "temperature": (lambda: read("LinearSVC", temperature=0.0), "temperature"),
    "rank": (lambda: read("SVC rbf", max_rank=0), "max_rank"),
    "columns": (lambda: read("SVC rbf").on_loss(TEST[0][:, :2], TEST[1]), "X_test.*2.*3"),
    "nan": (lambda: read("SVC rbf").on_loss(np.full((6, 3), np.nan), TEST[1]), "X_test.*nan"),
    "attack": (
        lambda: fi.attack(read("SVC rbf"), *TEST, [0], 0.1, 2),
        "moves its features",
    ),
    "sparse": (
        lambda: fi.Influence.from_estimator(
            SVC().fit(sparse.csr_array(X), WORDS), sparse.csr_array(X), WORDS
        ),
        "sparse.*array",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(name):
    call, words = MISTAKES[name]
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert isinstance(caught.value, fi.FastInfluenceError)


def test_a_temperature_needs_a_kink():
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(tol=1e-9).fit(X, WORDS)
    with pytest.raises(fi.InputError, match="temperature"):
        fi.Influence.from_estimator(model, X, WORDS, temperature=0.1)
