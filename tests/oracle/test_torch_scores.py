"""A torch module gives the numbers of this library's own engine for the same model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

import fastinfluence as fi

torch = pytest.importorskip("torch", reason="torch is not installed: its modules are oracles")
F = torch.nn.functional

N, D = 60, 4
RNG = np.random.default_rng(4)
X = RNG.normal(size=(N, D))
X_TEST = RNG.normal(size=(4, D))
W = RNG.uniform(0.5, 2.0, N)
LABELS = {
    "logistic": np.arange(N) % 2.0,
    "squared": X[:, 0] - X[:, 1] + RNG.normal(size=N),
    "poisson": RNG.poisson(2.0, size=N).astype(float),
    "multinomial": np.arange(N) % 3,
    "huber": X[:, 0] + RNG.standard_t(2, size=N),
}
OUTPUTS = {"multinomial": 3}
LOSSES = {
    "logistic": lambda f, y: F.binary_cross_entropy_with_logits(f[:, 0], y),
    "squared": lambda f, y: 0.5 * (f[:, 0] - y) ** 2,
    "poisson": lambda f, y: torch.exp(f[:, 0]) - y * f[:, 0],
    "multinomial": F.cross_entropy,
    "huber": lambda f, y: F.huber_loss(f[:, 0], y, delta=1.35),
}
MEANS = {
    "logistic": torch.sigmoid,
    "squared": lambda f: f,
    "poisson": torch.exp,
    "multinomial": lambda f: torch.softmax(f, dim=1),
}
ACTIVATIONS = {"tanh": torch.nn.Tanh, "silu": torch.nn.SiLU, "softplus": torch.nn.Softplus}


def module(shapes: list[tuple[int, int]], theta: np.ndarray, activation: str) -> torch.nn.Module:
    """Return the torch network of a theta in this library's layout."""
    layers, first = [], 0
    for k, (a, b) in enumerate(shapes):
        linear = torch.nn.Linear(a, b, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(theta[first : first + a * b].reshape(a, b).T))
            linear.bias.copy_(torch.tensor(theta[first + a * b : first + (a + 1) * b]))
        first += (a + 1) * b
        layers += [linear] if k + 1 == len(shapes) else [linear, ACTIVATIONS[activation]()]
    return torch.nn.Sequential(*layers)


def places(shapes: list[tuple[int, int]]) -> np.ndarray:
    """Return where each of torch's parameters stands in this library's theta."""
    out, first = [], 0
    for a, b in shapes:
        out += [(first + np.arange(a * b)).reshape(a, b).T.ravel()]
        out += [first + a * b + np.arange(b)]
        first += (a + 1) * b
    return np.concatenate(out)


@cache
def models(
    loss: str, hidden: tuple[int, ...], activation: str, reduction: str, curvature: str
) -> tuple[fi.Influence, fi.Influence, np.ndarray]:
    """Return one model twice, by the engine and by torch: a GLM fitted, a network drawn."""
    l2 = 0.1 if reduction == "mean" else 0.1 * N
    K, y = OUTPUTS.get(loss, 1), LABELS[loss]
    form = {"l2": l2, "reduction": reduction, "penalize_intercept": True}
    shapes = list(pairwise((D, *hidden, K)))
    if hidden:
        spec = fi.MLP(hidden, activation, loss, **form)
        theta = 0.5 * np.random.default_rng(6).normal(size=spec.n_params(D, K))
    else:
        spec = fi.GLM(loss, **form)
        theta = fi.Influence.fit(spec, X, y, sample_weight=W, tol=1e-11).theta
    options = {"damping": 0.4, "curvature": curvature}
    own = fi.Influence(spec, X, y, theta, sample_weight=W, **options)
    other = fi.Influence.from_torch(
        module(shapes, own.theta, activation),
        LOSSES[loss],
        X,
        y,
        l2=l2,
        sample_weight=W,
        penalize_intercept=True,
        reduction=reduction,
        mean=MEANS.get(loss),
        batch=25,
        **options,
    )
    return own, other, places(shapes)


def y_test(loss: str) -> np.ndarray:
    return LABELS[loss][:4]


QUESTIONS = {
    "theta": lambda infl, loss: infl.theta[None],
    "on_loss": lambda infl, loss: infl.on_loss(X_TEST, y_test(loss)),
    "raw": lambda infl, loss: infl.on_prediction(X_TEST),
    "mean": lambda infl, loss: infl.on_prediction(X_TEST, output="mean"),
    "self": lambda infl, loss: infl.self_influence(),
    "params": lambda infl, loss: infl.on_params([0, 3]),
    "newton": lambda infl, loss: infl.leave_one_out([2], method="newton").on_loss(
        X_TEST, y_test(loss)
    ),
    "perturbation": lambda infl, loss: infl.perturbation(X_TEST, y_test(loss), [1, 5]),
    "replacement": lambda infl, loss: infl.replacement(
        [1], X_TEST[:1], y_test(loss)[:1], X_TEST, y_test(loss)
    ),
}
BY_PARAMETER = ("theta", "params")
CASES = [
    (loss, hidden, activation, reduction, curvature)
    for loss, hidden, activation in [
        ("logistic", (), "tanh"),
        ("squared", (), "tanh"),
        ("poisson", (), "tanh"),
        ("multinomial", (), "tanh"),
        ("huber", (), "tanh"),
        ("logistic", (4, 3), "tanh"),
        ("multinomial", (4,), "silu"),
        ("squared", (3, 3), "softplus"),
    ]
    for reduction, curvature in (("mean", "hessian"), ("sum", "gauss-newton"))
]


def compare(case: tuple, question: str) -> None:
    own, other, order = models(*case)
    wanted = QUESTIONS[question](own, case[0])
    wanted = wanted[:, order] if question in BY_PARAMETER else wanted
    found = QUESTIONS[question](other, case[0])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())


@pytest.mark.filterwarnings("ignore:theta is far:fastinfluence.FastInfluenceWarning")
@pytest.mark.filterwarnings("ignore:H has:fastinfluence.FastInfluenceWarning")
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_engine_and_oracle_agree(case, question):
    if question == "mean" and case[0] not in MEANS:
        with pytest.raises(fi.UnsupportedError, match="mean"):
            QUESTIONS[question](models(*case)[1], case[0])
        return
    compare(case, question)


@pytest.mark.parametrize("loss", ["logistic", "multinomial"])
def test_exact_removals_agree(loss):
    own, other, _ = models(loss, (), "tanh", "mean", "hessian")
    found, wanted = (
        infl.leave_one_out([2], method="exact").on_loss(X_TEST, y_test(loss))
        for infl in (other, own)
    )
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-8 * np.abs(wanted).max())


@pytest.mark.parametrize("loss", ["logistic", "multinomial"])
def test_tensors_are_rows_as_arrays_are(loss):
    """Test rows as tensors; rows taken away."""
    own, other, _ = models(loss, (), "tanh", "mean", "hessian")
    wanted = own.on_loss(X_TEST, y_test(loss))
    test = torch.tensor(X_TEST), torch.tensor(y_test(loss))
    np.testing.assert_allclose(other.on_loss(*test), wanted, atol=1e-12)
    again = other.without([0]).on_loss(X_TEST, y_test(loss))
    kept = own.without([0]).on_loss(X_TEST, y_test(loss))
    np.testing.assert_allclose(again, kept, atol=1e-7)


def simple(**options) -> fi.Influence:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))
    rows = np.random.default_rng(0).normal(size=(30, 4))
    options = {"l2": 0.1, "damping": 1.0, **options}
    return fi.Influence.from_torch(module, F.cross_entropy, rows, np.arange(30) % 3, **options)


@pytest.mark.filterwarnings("ignore:theta is far:fastinfluence.FastInfluenceWarning")
def test_lissa_does_not_enter_a_module_from_two_threads():
    solver = fi.solvers.LiSSA(scale=20.0, depth=200, repeats=8)
    infl = simple(solver=solver)
    assert infl._problem.n_threads == 1
    side = np.eye(len(infl.theta))[:, :1]
    found, wanted = infl.ihvp(side), simple().ihvp(side).x
    assert (np.abs(found.x - wanted) <= 6 * found.std_error + 1e-2).all()


@pytest.mark.filterwarnings("ignore:theta is far:fastinfluence.FastInfluenceWarning")
def test_several_threads_may_ask_one_influence():
    infl = simple()
    rows, labels = np.random.default_rng(1).normal(size=(20, 4)), np.arange(20) % 3
    wanted = infl.on_loss(rows, labels)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: infl.on_loss(rows, labels), range(40)))
    for one in found:
        np.testing.assert_array_equal(one, wanted)
