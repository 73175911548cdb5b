"""A network and its influence functions in torch, by double backward: what one writes by hand.

:mod:`mlp_peers` measures it.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch.func import functional_call, grad, vmap

HIDDEN, D = (32, 16), 30
Vector = torch.Tensor


def network(theta: np.ndarray) -> torch.nn.Sequential:
    """Return the torch module with the same parameters."""
    widths, layers, first = (D, *HIDDEN, 1), [], 0
    for k, (a, b) in enumerate(pairwise(widths)):
        linear = torch.nn.Linear(a, b, dtype=torch.float64)
        W = theta[first : first + a * b].reshape(a, b)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(W.T))
            linear.bias.copy_(torch.tensor(theta[first + a * b : first + (a + 1) * b]))
        first += (a + 1) * b
        layers += [linear] if k == len(HIDDEN) else [linear, torch.nn.Tanh()]
    return torch.nn.Sequential(*layers)


class Torch:
    """Influence by autograd."""

    def __init__(
        self, module: torch.nn.Sequential, X: Vector, y: Vector, damping: float, tol: float
    ) -> None:
        self.module, self.X, self.y = module, X, y
        self.damping, self.tol = damping, tol
        self.parameters = list(module.parameters())
        rows = self.losses(X, y).mean()
        first = torch.autograd.grad(rows, self.parameters, create_graph=True)
        self.first = torch.cat([g.reshape(-1) for g in first])

    def losses(self, X: Vector, y: Vector) -> Vector:
        f = self.module(X)[:, 0]
        return torch.nn.functional.binary_cross_entropy_with_logits(f, y, reduction="none")

    def product(self, v: Vector) -> Vector:
        found = torch.autograd.grad(self.first @ v, self.parameters, retain_graph=True)
        return torch.cat([g.reshape(-1) for g in found]) + self.damping * v

    def solve(self, b: Vector) -> Vector:
        x, r = torch.zeros_like(b), b.clone()
        d, rr = r.clone(), r @ r
        while rr.sqrt() > self.tol * b.norm():
            Hd = self.product(d)
            step = rr / (d @ Hd)
            x, r = x + step * d, r - step * Hd
            rr, before = r @ r, rr
            d = r + rr / before * d
        return x

    def scores(self, each: Vector, X_test: Vector, y_test: Vector) -> np.ndarray:
        sides = self.row_gradients(X_test, y_test)
        return np.stack([(each @ self.solve(g)).numpy() / len(self.y) for g in sides])

    def pairs(self, X_test: Vector, y_test: Vector) -> list[tuple[Vector, Vector]]:
        return [(self.X, self.y), (X_test, y_test)]

    def row_gradients(self, X: Vector, y: Vector) -> Vector:
        names = {name: p.detach() for name, p in self.module.named_parameters()}

        def one(parameters: dict[str, Vector], x: Vector, label: Vector) -> Vector:
            f = functional_call(self.module, parameters, (x[None],))[0, 0]
            return torch.nn.functional.binary_cross_entropy_with_logits(f, label)

        found = vmap(grad(one), in_dims=(None, 0, 0))(names, X, y)
        return torch.cat([g.reshape(len(X), -1) for g in found.values()], dim=1)
