"""scikit-learn's networks: the objective is theirs, to the digits of their own gradient."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array

import fastinfluence as fi

sklearn = pytest.importorskip("sklearn")
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

RNG = np.random.default_rng(11)
X = RNG.normal(size=(150, 4))
SIGNAL = np.sin(2 * X[:, 0]) + X[:, 1]
Y = {
    "two": np.where(SIGNAL + RNG.logistic(size=150) > 0, "yes", "no"),
    "three": np.digitize(SIGNAL + RNG.normal(size=150), [-0.5, 0.5]) * 10,
    "number": SIGNAL + 0.1 * RNG.normal(size=150),
    "numbers": np.column_stack([SIGNAL, X[:, 2] ** 2]) + 0.1 * RNG.normal(size=(150, 2)),
    "counts": RNG.poisson(np.exp(0.5 * SIGNAL)).astype(float),
}
OPTIONS = {
    "hidden_layer_sizes": (6, 3), "alpha": 1.0, "solver": "lbfgs", "max_iter": 3000, "tol": 1e-12,
    "max_fun": 10**6, "random_state": 0,
}  # fmt: skip


def fitted(target: str, **changes):
    kind = MLPClassifier if target in ("two", "three") else MLPRegressor
    extra = {"loss": "poisson"} if target == "counts" else {}
    weights = changes.pop("sample_weight", None)
    network = kind(**{**OPTIONS, "activation": "tanh", **extra, **changes})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return network.fit(X, Y[target], sample_weight=weights)


def own_gradient(network, rows=slice(None), weights=None) -> np.ndarray:
    """Return the gradient that the estimator itself descends, from its own backward pass."""
    y = Y[TARGET_OF[id(network)]][rows]
    if hasattr(network, "_label_binarizer"):
        y = network._label_binarizer.transform(y).astype(float)
    y = y.reshape(len(X[rows]), -1)
    widths = [W.shape for W in network.coefs_]
    activations = [X[rows]] + [None] * len(widths)
    deltas = [None] * len(widths)
    W = [np.empty(shape) for shape in widths]
    b = [np.empty(shape[1]) for shape in widths]
    network._backprop(X[rows], y, weights, activations, deltas, W, b)
    return np.concatenate([np.ravel(part) for layer in zip(W, b, strict=True) for part in layer])


TARGET_OF: dict[int, str] = {}


@pytest.mark.parametrize("target", Y)
@pytest.mark.parametrize("activation", ["tanh", "logistic", "relu", "identity"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_is_theirs(target, activation, weighted):
    """At a theta that is no optimum, where every term shows."""
    weights = RNG.uniform(0.5, 2.0, 150) if weighted else None
    network = fitted(target, activation=activation, max_iter=3, sample_weight=weights)
    TARGET_OF[id(network)] = target
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        infl = fi.Influence.from_estimator(network, X, Y[target], sample_weight=weights)
    wanted = own_gradient(network, weights=weights)
    np.testing.assert_allclose(infl._engine.gradient, wanted, atol=1e-13)


@pytest.mark.parametrize("target", ["two", "three", "number", "counts"])
def test_an_lbfgs_fit_is_an_optimum(target):
    """As near as L-BFGS gets before its objective stops falling, which differs by processor."""
    infl = fi.Influence.from_estimator(fitted(target), X, Y[target])
    assert infl.relative_gradient < 5e-3
    polished = infl.polish()
    f = polished.on_prediction(X[:5])
    assert f.shape == ((5, 150, 3) if target == "three" else (5, 150))


def test_predictions_are_theirs():
    network = fitted("three")
    infl = fi.Influence.from_estimator(network, X, Y["three"])
    test = infl._problem.test_rows(X[:7])
    found = infl._engine.predictions(test, infl.theta[:, None], "mean")[:, 0]
    np.testing.assert_allclose(found, network.predict_proba(X[:7]), atol=1e-12)


@pytest.mark.parametrize(("batch", "expected"), [("auto", 150), (30, 30), (10**6, 150)])
@pytest.mark.filterwarnings("ignore:Got `batch_size`:UserWarning")
def test_adams_penalty_is_divided_by_the_batch(batch, expected):
    network = fitted("two", solver="adam", batch_size=batch, max_iter=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        infl = fi.Influence.from_estimator(network, X, Y["two"])
    assert infl.spec.reduction == "mean"
    assert infl.spec.l2 == pytest.approx(1.0 / expected)
    TARGET_OF[id(network)] = "two"
    rows = np.split(np.arange(150), 150 // expected)
    mean = np.mean([own_gradient(network, part) for part in rows], axis=0)
    np.testing.assert_allclose(infl._engine.gradient, mean, atol=1e-13)


def test_pipelines_and_refits():
    network = MLPClassifier(**{**OPTIONS, "activation": "tanh", "hidden_layer_sizes": (3,)})
    pipeline = make_pipeline(StandardScaler(), network).fit(X, Y["two"])
    infl = fi.Influence.from_estimator(pipeline, X, Y["two"])
    refit = infl.leave_one_out([4], method="refit")
    assert refit.theta.shape == (1, len(infl.theta))
    np.testing.assert_allclose(refit.theta_old, infl.theta, atol=1e-8)


def test_sparse_rows():
    S = csr_array(X * (np.abs(X) > 0.7))
    network = MLPClassifier(**{**OPTIONS, "activation": "tanh"}).fit(S, Y["two"])
    infl = fi.Influence.from_estimator(network, S, Y["two"])
    assert infl.relative_gradient < 1e-3


REFUSED = {
    "early stopping": (
        lambda: fitted("two", solver="adam", early_stopping=True, max_iter=3),
        "early_stopping=True",
    ),
    "not fitted": (lambda: MLPClassifier(), "not fitted yet"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    make, words = REFUSED[name]
    with pytest.raises(fi.FastInfluenceError, match=words):
        fi.Influence.from_estimator(make(), X, Y["two"])


@pytest.mark.filterwarnings("ignore:theta is far:fastinfluence.FastInfluenceWarning")  # by chance
def test_refits_need_a_seed():
    network = fitted("two", random_state=None)
    infl = fi.Influence.from_estimator(network, X, Y["two"])
    with pytest.raises(fi.UnsupportedError, match="random_state=None"):
        infl.leave_one_out([0], method="refit")
