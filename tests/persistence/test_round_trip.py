"""Saved and loaded: the same numbers to the last bit, without working anything out again."""

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from cases import CASES, FURTHER, build, named
from scipy.sparse import csr_array

import fastinfluence as fi
from fastinfluence.solvers import CG, Direct, Jacobi, LiSSA, Nystrom
from fastinfluence.solvers.factor import Factor


def again(infl, path, X, y, **data):
    """Return the object saved and loaded; it is no longer the optimum's own warning."""
    infl.save(path)
    return fi.load(path, X, y, **data)


def same_scores(infl, loaded, b):
    for call in (
        lambda i: i.on_loss(b.X_test, b.y_test, offset_test=b.offset_test),
        lambda i: i.self_influence("upweight"),
        lambda i: i.on_params([0, 3]),
    ):
        np.testing.assert_array_equal(call(loaded), call(infl))
    assert loaded.spec == infl.spec
    assert loaded.hessian.damping == infl.hessian.damping


@pytest.mark.parametrize("case", **named(CASES + FURTHER))
def test_every_loss(case, tmp_path):
    b = build(case)
    infl = b.influence()
    infl.self_influence()
    loaded = again(infl, tmp_path / "model", b.X, b.y, **b.data())
    same_scores(infl, loaded, b)


SOLVERS = {
    "auto": ("auto", 0.05),
    "primal": (Direct("primal"), 0.05),
    "dual": (Direct("dual"), 0.05),
    "CG": (CG(tol=1e-6, max_iterations=np.int64(50)), 0.05),
    "plain CG": (CG(preconditioner=None), 0.05),
    "Jacobi": (CG(preconditioner=Jacobi()), 0.05),
    "Nystrom": (CG(preconditioner=Nystrom(rank=3, seed=np.int64(2))), 0.05),
    "Nystrom, adaptive": (CG(preconditioner=Nystrom()), 0.0),
    "LiSSA": (LiSSA(depth=50, repeats=2, seed=3), 0.5),
}
REUSED = ("auto", "primal", "dual", "Jacobi", "Nystrom", "Nystrom, adaptive", "CG")


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver(name, tmp_path, monkeypatch):
    b = build(CASES[9])
    solver, damping = SOLVERS[name]
    infl = b.influence(solver=solver, damping=damping)
    first = infl.on_loss(b.X_test, b.y_test)
    infl.save(tmp_path / "model")
    loaded = fi.load(tmp_path / "model", b.X, b.y)
    if name in REUSED:
        for cls in (Nystrom, Jacobi):
            monkeypatch.setattr(cls, "prepare", lambda *_: pytest.fail("prepared again"))
        if name != "dual":  # which factorises a number for the intercept
            monkeypatch.setattr(Factor, "__init__", lambda *_: pytest.fail("factorised again"))
    np.testing.assert_array_equal(loaded.on_loss(b.X_test, b.y_test), first)
    old, new = infl._prepared, loaded._prepared
    assert type(new) is type(old)
    for field in ("lambda_min", "certain", "condition", "negative", "note"):
        np.testing.assert_equal(*(getattr(p.conditioning, field) for p in (old, new)))
    V = np.eye(len(b.theta))[:, :2]
    np.testing.assert_array_equal(loaded.ihvp(V).error_bound, infl.ihvp(V).error_bound)


def test_nothing_is_worked_out_only_to_be_saved(tmp_path, monkeypatch):
    b = build(CASES[9])
    infl = b.influence()
    monkeypatch.setattr(Direct, "prepare", lambda *_: pytest.fail("prepared to be saved"))
    loaded = again(infl, tmp_path / "model", b.X, b.y)
    assert "_prepared" not in vars(infl)
    assert "_prepared" not in vars(loaded)


def test_a_singular_matrix_keeps_its_null_space_and_its_warning(tmp_path):
    b = build(CASES[2])
    X = np.concatenate([b.X, b.X[:, :1]], axis=1)
    infl = fi.Influence.fit(fi.GLM("squared"), X, b.y)
    with pytest.warns(fi.FastInfluenceWarning, match="H is singular"):
        expected = infl.self_influence()
    infl.save(tmp_path / "model")
    with pytest.warns(fi.FastInfluenceWarning, match="H is singular"):
        loaded = fi.load(tmp_path / "model", X, b.y)
    np.testing.assert_array_equal(loaded.self_influence(), expected)


LABELS = {
    "text": np.array(["ham", "spam"]),
    "objects": np.array(["no", "yes"], dtype=object),
    "booleans": np.array([False, True]),
    "numbers": np.array([-7, 40]),
    "dates": np.array(["2026-01-01", "2026-01-02"], dtype="datetime64[D]"),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels(kind, tmp_path):
    b = build(CASES[9])
    y, y_test = (LABELS[kind][v.astype(int)] for v in (b.y, b.y_test))
    infl = fi.Influence(b.spec(), b.X, y, b.theta)
    loaded = again(infl, tmp_path / "model", b.X, y)
    np.testing.assert_array_equal(loaded.on_loss(b.X_test, y_test), infl.on_loss(b.X_test, y_test))


def test_labels_that_no_file_holds(tmp_path):
    b = build(CASES[9])
    y = np.array([Decimal(1), Decimal(2)])[b.y.astype(int)]
    infl = fi.Influence(b.spec(), b.X, y, b.theta)
    with pytest.raises(fi.UnsupportedError, match="is a Decimal, which cannot be saved"):
        infl.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


MODELS = {
    "multinomial": lambda: fi.GLM("multinomial", l2=0.1),
    "multinomial, no penalty": lambda: fi.GLM("multinomial", l2=0.0, reduction="sum"),
    "network": lambda: fi.MLP((3,), "silu", "multinomial", l2=0.1, penalize_intercept=True),
    "network, smooth ReLU": lambda: fi.MLP(
        (3, 2), fi.activations.smooth_relu(t=0.1), "logistic", l2=[0.1, 0.2, 0.3]
    ),
    "own loss": lambda: fi.GLM(
        fi.Loss("softplus(-y*f) + a*(f - y)**2", y_domain={-1, 1}, params={"a": 0.1}, name="mine"),
        l2=[0.1, 0.0, 1 / 3],
    ),
    "own loss by the name of another": lambda: fi.GLM(fi.Loss("(f-y)**2", name="squared"), l2=0.1),
    "family": lambda: fi.GLM(fi.families.gaussian(link="softplus"), l2=0.3),
    "two columns of y": lambda: fi.MLP((2,), loss="squared", l2=0.1),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_model(name, tmp_path):
    rng = np.random.default_rng(0)
    X, spec = rng.normal(size=(60, 3)), MODELS[name]()
    classes = 3 if "multinomial" in str(spec.loss) else 2
    y = rng.integers(0, classes, size=60)
    if name == "two columns of y":
        y = rng.normal(size=(60, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        infl = fi.Influence.fit(spec, X, y, damping=0.5)
        infl.on_loss(X[:2], y[:2])
        loaded = again(infl, tmp_path / "model", X, y)
        np.testing.assert_array_equal(loaded.on_loss(X[:2], y[:2]), infl.on_loss(X[:2], y[:2]))
        assert loaded.spec == spec
        assert loaded.fit_status == infl.fit_status
        np.testing.assert_array_equal(loaded.polish().theta, infl.polish().theta)


def test_sparse_rows_and_column_names(tmp_path):
    b = build(CASES[9])
    frame = pd.DataFrame(b.X, columns=["age", "sex", "pay", "tax"])
    infl = fi.Influence(b.spec(), frame, b.y, b.theta)
    loaded = again(infl, tmp_path / "model", b.X, b.y)  # as an array, without names
    assert loaded._problem.param_names == infl._problem.param_names
    turned = frame[["tax", "pay", "sex", "age"]]
    np.testing.assert_array_equal(loaded.on_prediction(turned[:2]), infl.on_prediction(frame[:2]))
    sparse = fi.Influence(b.spec(), csr_array(b.X), b.y, b.theta)
    loaded = again(sparse, tmp_path / "sparse", csr_array(b.X), b.y)
    np.testing.assert_array_equal(loaded.self_influence(), sparse.self_influence())


def test_estimators(tmp_path):
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    b = build(CASES[9])
    for k, estimator in enumerate((LogisticRegression(), LinearSVC(loss="hinge", max_iter=10**5))):
        infl = fi.Influence.from_estimator(estimator.fit(b.X, b.y), b.X, b.y)
        path = tmp_path / str(k)
        loaded = again(infl, path, b.X, b.y)
        np.testing.assert_array_equal(loaded.self_influence(), infl.self_influence())
        assert loaded.report().model == infl.report().model
        with pytest.raises(fi.UnsupportedError, match="refit"):
            loaded.leave_one_out([0], method="refit")


def test_refit_is_given_again(tmp_path):
    b = build(CASES[9])
    infl = b.influence()
    infl.save(tmp_path / "model")
    loaded = fi.load(tmp_path / "model", b.X, b.y, refit=lambda rows: b.theta + len(rows))
    removal = loaded.leave_one_out([0], method="refit")
    assert removal.theta.shape == (1, len(b.theta))


def test_rows_that_were_left_out_stay_out(tmp_path):
    b = build(CASES[9])
    infl = b.influence().without([0, 5])
    kept = np.setdiff1d(np.arange(b.case.n), [0, 5])
    loaded = again(infl, tmp_path / "model", b.X[kept], b.y[kept])
    np.testing.assert_array_equal(loaded.self_influence(), infl.self_influence())


def test_saving_twice_gives_the_same_file(tmp_path):
    b = build(CASES[9])
    infl = b.influence()
    infl.self_influence()
    for name in "ab":
        infl.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    again(infl, tmp_path / "a", b.X, b.y).save(tmp_path / "c")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "c").read_bytes()
