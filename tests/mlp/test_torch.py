"""Products against torch's double backward, where torch is installed."""

import numpy as np
import pytest

import fastinfluence as fi
from fastinfluence.engines.linearize import linearize
from fastinfluence.problem import Problem
from fastinfluence.rows.base import Block

torch = pytest.importorskip("torch", reason="torch is not installed: its double backward is a peer")

RNG = np.random.default_rng(5)
MODULES = {
    "tanh": torch.nn.Tanh(),
    "sigmoid": torch.nn.Sigmoid(),
    "relu": torch.nn.ReLU(),
    "softplus": torch.nn.Softplus(threshold=800),
    "gelu": torch.nn.GELU(),
    "silu": torch.nn.SiLU(),
    "elu": torch.nn.ELU(),
}


def objective(theta, X, y, shapes, activation, loss):
    h, first = X, 0
    for k, (a, b) in enumerate(shapes):
        h = h if k == 0 else MODULES[activation](h)
        W = theta[first : first + a * b].reshape(a, b)
        h = h @ W + theta[first + a * b : first + a * b + b]
        first += (a + 1) * b
    if loss == "logistic":
        f = h[:, 0]
        return torch.nn.functional.binary_cross_entropy_with_logits(f, y, reduction="none")
    return torch.nn.functional.cross_entropy(h, y.long(), reduction="none")


@pytest.mark.parametrize("loss", ["logistic", "multinomial"])
@pytest.mark.parametrize("activation", MODULES)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_double_backward(activation, loss, depth):
    K = 1 if loss == "logistic" else 3
    X, y = RNG.normal(size=(30, 4)), np.arange(30) % max(K, 2)
    spec = fi.MLP((5, 4, 3)[:depth], activation, loss)
    problem = Problem.build(spec, X, y)
    theta = 0.5 * RNG.normal(size=problem.n_params)
    engine = linearize(problem, theta)
    v = RNG.normal(size=len(theta))
    at = torch.tensor(theta, requires_grad=True)
    rows = objective(
        at, torch.tensor(X), torch.tensor(y, dtype=torch.float64), spec.shapes(4, K), activation,
        loss,
    )  # fmt: skip
    (g,) = torch.autograd.grad(rows.mean(), at, create_graph=True)
    (wanted,) = torch.autograd.grad(g @ torch.tensor(v), at)
    np.testing.assert_allclose(engine.gradient, g.detach().numpy(), atol=1e-13)
    np.testing.assert_allclose(engine.hvp(v[:, None])[:, 0], wanted.numpy(), atol=1e-12)
    each = [
        torch.autograd.grad(row, at, retain_graph=True)[0].numpy() @ v
        for row in objective(
            at, torch.tensor(X), torch.tensor(y, dtype=torch.float64), spec.shapes(4, K),
            activation, loss,
        )
    ]  # fmt: skip
    whole = Block(0, 30, problem.rows.take(slice(None)))
    np.testing.assert_allclose(engine.row_dot(whole, v[:, None])[0], each, atol=1e-12)
