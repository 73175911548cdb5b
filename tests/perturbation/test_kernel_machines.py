"""Moving the rows of a kernel machine moves its basis: against retraining by the dual."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from cases import assert_close
from kernel_reference import Machine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

import fastinfluence as fi

N, D, T = 70, 3, 5
ROWS = [4, 21]


@dataclass(frozen=True)
class Drawn:
    X: Any
    y: Any
    X_test: Any
    y_test: Any
    weights: Any
    infl: Any
    machine: Machine


OPTIONS: dict[str, dict[str, Any]] = {
    "rbf": {"kernel": "rbf", "gamma": 0.4},
    "rbf scale": {"kernel": "rbf", "gamma": "scale", "C": 3.0},
    "poly": {"kernel": "poly", "gamma": 0.3, "coef0": 1.0, "degree": 2},
    "cubic auto": {"kernel": "poly", "gamma": "auto", "coef0": 0.5, "degree": 3, "C": 0.5},
    "rbf weighted": {"kernel": "rbf", "gamma": 0.4, "weights": True},
    "svr": {"kernel": "rbf", "gamma": 0.5, "epsilon": 0.1},
    "svr poly": {"kernel": "poly", "gamma": 0.3, "coef0": 1.0, "degree": 2, "epsilon": 0.2},
}


def draw(name: str, **reading: Any) -> Drawn:
    """Fit an SVM; return it read and polished, beside the reference of the same objective."""
    options = dict(OPTIONS[name])
    rng = np.random.default_rng(7)
    X, X_test = rng.normal(size=(N, D)), rng.normal(size=(T, D))
    f, f_test = (np.sin(2 * A[:, 0]) + A[:, 1] * A[:, 2] for A in (X, X_test))
    weights = rng.uniform(0.5, 2, N) if options.pop("weights", False) else None
    real = "epsilon" in options
    y = f + 0.2 * rng.normal(size=N)
    y_test = f_test if real else np.where(f_test > 0, 1.0, -1.0)
    y = y if real else np.where(y > 0, 1.0, -1.0)
    model = (SVR if real else SVC)(**options).fit(X, y, sample_weight=weights)
    t = 0.3
    infl = fi.Influence.from_estimator(
        model, X, y, sample_weight=weights, temperature=t, **reading
    ).polish(tol=1e-12)
    gamma = {"scale": 1 / (D * X.var()), "auto": 1 / D}.get(model.gamma, model.gamma)
    machine = Machine(
        X, y, np.ones(N) if weights is None else weights, model.C, t, model.kernel, gamma,
        model.coef0, model.degree, getattr(model, "epsilon", None) if real else None,
    )  # fmt: skip
    return Drawn(X, y, X_test, y_test, weights, infl, machine)


every = pytest.mark.parametrize("name", OPTIONS)


@every
def test_the_features_are_the_kernel_s(name):
    d = draw(name)
    beta, b = d.machine.fit()
    expected = d.machine.k(d.X_test, d.X) @ beta + b
    engine, test = d.infl._engine, d.infl._problem.test_rows(d.X_test)
    f = engine.predictions(test, d.infl.theta[:, None], "raw")[:, 0]
    assert_close(f, expected, rtol=1e-8)
    space = d.infl._problem.space
    assert_close(
        space.features(d.X) @ space.features(d.X_test).T, d.machine.k(d.X, d.X_test), rtol=1e-7
    )


@every
def test_exact_removal_is_retraining_by_the_dual(name):
    d = draw(name)
    before = d.machine.test_losses(d.X_test, d.y_test)
    removal = d.infl.leave_one_out(ROWS, method="exact").on_loss(d.X_test, d.y_test)
    for k, i in enumerate(ROWS):
        after = d.machine.without(i).test_losses(d.X_test, d.y_test)
        assert_close(removal[:, k], after - before, rtol=1e-7)


@every
def test_perturbation_is_the_derivative_of_retraining(name):
    """Central differences of the dual: the basis moves with the row."""
    d, h = draw(name), 1e-4
    expected = np.empty((T, len(ROWS), D))
    for k, i in enumerate(ROWS):
        for j in range(D):
            step = h * np.eye(D)[j]
            up, down = (
                d.machine.with_row(i, d.X[i] + c * step).test_losses(d.X_test, d.y_test)
                for c in (1, -1)
            )
            expected[:, k, j] = (up - down) / (2 * h)
    actual = d.infl.perturbation(d.X_test, d.y_test, ROWS)
    assert np.abs(actual - expected).max() <= 1e-4 * np.abs(expected).max()
    share = d.machine.w[ROWS] / d.machine.w.sum()
    upweight = d.infl.perturbation(d.X_test, d.y_test, ROWS, effect="upweight")
    assert_close(share[:, None] * upweight, actual, rtol=1e-10)


def test_a_frozen_basis_would_be_wrong():
    """The check above can fail: features that stay behind give another derivative."""
    d = draw("rbf")
    actual = d.infl.perturbation(d.X_test, d.y_test, ROWS)
    space, engine = d.infl._problem.space, d.infl._engine
    S = d.infl.ihvp(engine.loss_gradients(d.infl._problem.test_rows(d.X_test, d.y_test)).T).x
    frozen = []
    for s in S.T:
        G = -engine.mixed_vjp(np.array(ROWS), np.ascontiguousarray(s)) / N
        weights = np.linalg.solve(space.root.T, G.T).T
        frozen.append(space.kernel.slopes(d.X[ROWS], space.landmarks, weights))
    assert np.abs(np.stack(frozen) - actual).max() > 1e-2 * np.abs(actual).max()


@every
@pytest.mark.parametrize("what", ["features", "label", "both"])
def test_replacement(name, what):
    d = draw(name)
    rng = np.random.default_rng(3)
    X_new = d.X[ROWS] + 0.3 * rng.normal(size=(2, D)) if what != "label" else None
    y_new = -d.y[ROWS] if what != "features" else None
    args = (ROWS, X_new, y_new, d.X_test, d.y_test)
    exact = d.infl.replacement(*args, method="exact")
    before = d.machine.test_losses(d.X_test, d.y_test)
    for k, i in enumerate(ROWS):
        x = d.X[i] if X_new is None else X_new[k]
        machine = d.machine.with_row(i, x, None if y_new is None else y_new[k])
        expected = machine.test_losses(d.X_test, d.y_test) - before
        assert np.abs(exact[:, k] - expected).max() <= 1e-7 * np.abs(expected).max()
    first = d.infl.replacement(*args)
    assert np.corrcoef(first.ravel(), exact.ravel())[0, 1] > 0.9


@every
def test_first_order_replacement_is_the_limit_of_retraining(name):
    """A row of little weight: its first order is the whole truth."""
    d, share = draw(name), 1e-5
    w = d.machine.w.copy()
    w[ROWS[0]] = share
    machine = Machine(**{**vars(d.machine), "w": w})
    model = (SVR if machine.eps is not None else SVC)(
        kernel=machine.name, gamma=machine.gamma, coef0=machine.coef0, degree=machine.degree,
        C=machine.C, **({} if machine.eps is None else {"epsilon": machine.eps}),
    )  # fmt: skip
    model.fit(d.X, d.y, sample_weight=w)
    infl = fi.Influence.from_estimator(model, d.X, d.y, sample_weight=w, temperature=machine.t)
    X_new, y_new = d.X[[ROWS[0]]] + 0.5, -d.y[[ROWS[0]]]
    actual = infl.polish(tol=1e-12).replacement(ROWS[:1], X_new, y_new, d.X_test, d.y_test)[:, 0]
    moved = machine.with_row(ROWS[0], X_new[0], y_new[0])
    args = (d.X_test, d.y_test)
    assert_close(actual, moved.test_losses(*args) - machine.test_losses(*args), rtol=1e-4)


def test_damping_enters_the_representer():
    """With damping the same numbers come from any landmarks that span the rows."""
    d = draw("rbf", damping=0.05)
    plain = draw("rbf")
    damped = d.infl.perturbation(d.X_test, d.y_test, ROWS)
    assert not np.allclose(damped, plain.infl.perturbation(d.X_test, d.y_test, ROWS), rtol=1e-2)
    h = 1e-5
    for j in range(D):
        X_new = d.X[ROWS] + h * np.eye(D)[j]
        slope = d.infl.replacement(ROWS, X_new, None, d.X_test, d.y_test) / h
        assert_close(slope, damped[:, :, j], rtol=1e-3)


def test_through_an_extractor_and_a_pipeline():
    rng = np.random.default_rng(1)
    X, X_test = 3 * rng.normal(size=(N, D)) + 1, 3 * rng.normal(size=(T, D)) + 1
    y, y_test = np.where(X[:, 0] * X[:, 1] > 1, "b", "a"), np.array(list("ababa"))
    model = make_pipeline(StandardScaler(), SVC(gamma=0.4)).fit(X, y)
    scale = model[0].scale_
    piped = fi.Influence.from_estimator(model, X, y)
    vjp = lambda rows, G: G / scale  # noqa: E731 - the scaler's own Jacobian
    by_raw = piped.perturbation(X_test, y_test, ROWS, vjp=vjp)
    assert_close(by_raw, piped.perturbation(X_test, y_test, ROWS) / scale, rtol=1e-12)
    X_new = X[ROWS] + 1e-5 * np.eye(D)[0]
    moved = piped.replacement(ROWS, X_new, None, X_test, y_test)
    assert_close(moved / 1e-5, by_raw[:, :, 0], rtol=1e-2)


# -- a frozen basis ------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*raise max_rank")
def test_nystrom_features_are_frozen():
    """Perturbation is then the derivative of retraining on the same basis functions."""
    d = draw("rbf", max_rank=30)
    space = d.infl._problem.space
    assert not space.exact
    assert space.rank == 30
    h = 1e-4
    actual = d.infl.perturbation(d.X_test, d.y_test, ROWS)
    spec, phi = d.infl.spec, space.features(d.X)
    phi_test = space.features(d.X_test)
    args = (phi_test, d.y_test)
    for k, i in enumerate(ROWS):
        for j in range(D):
            change = []
            for c in (1, -1):
                moved = phi.copy()
                moved[i] = space.features(d.X[[i]] + c * h * np.eye(D)[j])[0]
                refit = fi.Influence.fit(spec, moved, d.y, tol=1e-12)
                f = phi_test @ refit.theta[:-1] + refit.theta[-1]
                change.append(spec.loss.evaluate(f, args[1], "value")[0])
            expected = (change[0] - change[1]) / (2 * h)
            assert np.abs(actual[:, k, j] - expected).max() <= 1e-4 * np.abs(expected).max()
    X_new = d.X[ROWS] + 1e-4 * np.eye(D)[1]
    exact = d.infl.replacement(ROWS, X_new, None, *(d.X_test, d.y_test), method="exact")
    assert_close(exact / 1e-4, actual[:, :, 1], rtol=1e-2)


def test_enough_landmarks_leave_nothing_out():
    """Features that span the support vectors and their neighbours score like the exact ones."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(300, 2))
    y = np.where(np.abs(X).sum(axis=1) > 1.1, 1, -1)
    model = SVC(C=10.0, tol=1e-8).fit(X, y)
    test = (rng.normal(size=(6, 2)), np.array([1, -1, 1, -1, 1, -1]))
    exact, part = (fi.Influence.from_estimator(model, X, y, max_rank=m) for m in (300, 150))
    assert len(model.support_) < 150
    one, other = exact.on_loss(*test), part.on_loss(*test)
    assert np.abs(one - other).max() < 1e-3 * np.abs(one).max()


def test_too_few_landmarks_are_told():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(100, 4))
    model = SVC().fit(X, rng.integers(0, 2, 100))
    with pytest.warns(fi.FastInfluenceWarning, match="max_rank"):
        fi.Influence.from_estimator(model, X, model.predict(X), max_rank=10)
