"""Small networks for every test of MLPs: data, reference, and how to hand it to the library."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from cases import SPEC_LOSSES
from reference_losses import LOSSES, Array
from reference_mlp import ACTIVATIONS, Net
from scipy.sparse import csr_array

import fastinfluence as fi

HIDDEN = {1: (4,), 2: (3, 3), 3: (3, 2, 3)}
PLAIN_LOSSES = [
    name
    for name, made in SPEC_LOSSES.items()
    if name in LOSSES and np.isinf(fi.MLP((1,), loss=made()).loss.f_domain).all()
]
VECTOR = "squared vectors"
KINDS = [*PLAIN_LOSSES, "multinomial", VECTOR]
FISHER = [k for k in KINDS if k in ("multinomial", VECTOR) or LOSSES[k].fisher is not None]
SMOOTH_RELU = 0.05


@dataclass(frozen=True)
class Case:
    """One problem in words; ``build`` draws its data."""

    name: str
    activation: str = "tanh"
    loss: str = "logistic"
    hidden: tuple[int, ...] = (3, 3)
    reduction: str = "mean"
    penalize_intercept: bool = False
    l2: float = 0.05
    weights: str = "none"
    offset: bool = False
    storage: str = "dense"
    dtype: str = "float64"
    n: int = 12
    d: int = 3


GRID = [
    Case(f"{activation}-{loss}-{depth}", activation, loss, HIDDEN[depth])
    for activation in ACTIVATIONS
    for loss in KINDS
    for depth in HIDDEN
]
VARIANTS = [
    Case("sum", reduction="sum", weights="real"),
    Case("biases penalised", penalize_intercept=True),
    Case("counts", weights="counts", loss="poisson"),
    Case("absent rows", weights="some zero", loss="gamma"),
    Case("offset", offset=True, loss="multinomial"),
    Case("scalar offset", offset=True),
    Case("vector offset", offset=True, loss=VECTOR, reduction="sum"),
    Case("csr", storage="csr", loss="multinomial", reduction="sum"),
    Case("csr float32", storage="csr", dtype="float32"),
    Case("float32", dtype="float32", loss="squared"),
    Case("many rows", n=700, hidden=(2,)),
]


@dataclass(frozen=True)
class Built:
    """The data of a case and its reference."""

    case: Case
    problem: Net
    X_test: Array
    y_test: Array
    offset_test: Array | None

    def spec(self, **changes: Any) -> "fi.MLP":
        c = self.case
        loss = c.loss if c.loss == "multinomial" else "squared"
        chosen: Any = SPEC_LOSSES[c.loss]() if c.loss in SPEC_LOSSES else loss
        activation: Any = c.activation
        if c.activation == "smooth_relu":
            activation = fi.activations.smooth_relu(t=SMOOTH_RELU)
        options = {
            "loss": chosen,
            "activation": activation,
            "l2": c.l2,
            "penalize_intercept": c.penalize_intercept,
            "reduction": c.reduction,
        }
        return fi.MLP(c.hidden, **{**options, **changes})

    @property
    def X(self) -> Any:
        X = self.problem.X.astype(self.case.dtype)
        return csr_array(X) if self.case.storage == "csr" else X

    def data(self) -> dict[str, Any]:
        weights = None if self.case.weights == "none" else self.problem.weights
        offset = self.problem.offset if self.case.offset else None
        if offset is not None and self.problem.K == 1:
            offset = offset[:, 0]
        return {"sample_weight": weights, "offset": offset}

    def test(self, labelled: bool = True) -> dict[str, Any]:
        out = {"X_test": self.X_test, "offset_test": self.offset_test}
        return {**out, "y_test": self.y_test} if labelled else out

    def influence(self, **options: Any) -> "fi.Influence":
        options = {**self.data(), **options}
        return fi.Influence(self.spec(), self.X, self.problem.y, self.problem.theta, **options)


def outputs(loss: str) -> int:
    return {"multinomial": 3, VECTOR: 2}.get(loss, 1)


def draw_labels(rng: np.random.Generator, loss: str, n: int) -> Array:
    """Return labels of random rows; every class occurs."""
    if loss == "multinomial":
        return np.append(np.arange(3), rng.integers(0, 3, n - 3)).astype(float)
    if loss == VECTOR:
        return rng.normal(size=(n, 2))
    y = LOSSES[loss].draw(rng, 0.3 * rng.normal(size=n))
    if set(np.unique(y)) <= {-1.0, 0.0, 1.0} and loss not in ("poisson", "negative_binomial"):
        y[:2] = y.max(), min(-y.max(), 0.0) if y.min() < 0 else 0.0
    return y


@functools.cache
def build(case: Case) -> Built:
    rng = np.random.default_rng([len(case.name), *case.name.encode()])
    n, d, K, extra = case.n, case.d, outputs(case.loss), 4
    X = rng.normal(size=(n + extra, d))
    if case.storage == "csr":
        X *= rng.random(X.shape) < 0.5
    X = X.astype(case.dtype).astype(np.float64)
    y = draw_labels(rng, case.loss, n + extra)
    shapes = list(zip((d, *case.hidden), (*case.hidden, K), strict=True))
    p = sum((a + 1) * b for a, b in shapes)
    free = np.concatenate([np.append(np.ones(a * b), np.zeros(b)) for a, b in shapes])
    l2 = case.l2 * (np.ones(p) if case.penalize_intercept else free)
    weights = {
        "none": np.ones(n),
        "real": rng.uniform(0.3, 2.0, n),
        "counts": rng.integers(1, 4, n).astype(float),
        "some zero": rng.uniform(0.3, 2.0, n) * (np.arange(n) % 5 > 0),
    }[case.weights]
    offset = 0.5 * rng.normal(size=(n + extra, K)) if case.offset else np.zeros((n + extra, K))
    problem = Net(
        X[:n], y[:n], 0.6 * rng.normal(size=p), weights, offset[:n], l2, case.hidden, K,
        case.activation, case.loss, case.reduction,
    )  # fmt: skip
    tests = offset[n:] if K > 1 else offset[n:, 0]
    return Built(case, problem, X[n:], y[n:], tests if case.offset else None)
