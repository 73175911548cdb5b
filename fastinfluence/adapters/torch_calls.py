"""A torch module's derivatives by ``torch.func``, as the callables of an oracle.

Row gradients are vectorised over rows. Products with the Hessian are backward passes through a
gradient's graph, made once for all directions. A product with a Jacobian, J v, is a backward pass
too: of u ↦ Jᵀu, which is linear. Forward mode would save a pass, but not every operation has it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from torch.func import functional_call, grad, vjp, vmap

from fastinfluence.forks import held_across_forks
from fastinfluence.types import FloatArray

Tensor: TypeAlias = torch.Tensor
Map: TypeAlias = Callable[[Tensor], Tensor]

SWAPPING = held_across_forks(threading.RLock())
"""Held while ``functional_call`` has a module's parameters replaced: other threads would see it."""


class TorchCalls:
    """The callables of one module and loss; theta is the chosen parameters end to end.

    Parameters
    ----------
    module : torch.nn.Module
        In float64 and in evaluation mode.
    loss : callable
        Takes predictions and targets of a batch of one row.
    names : list of str
        The parameters that theta holds, in order.
    mean : callable or None
        From raw predictions to means.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        loss: Callable[..., Tensor],
        names: list[str],
        mean: Callable[[Tensor], Tensor] | None,
    ) -> None:
        self._module, self._loss, self._mean = module, loss, mean
        known = dict(module.named_parameters())
        self._names, self._like = names, [known[name].detach() for name in names]
        self._frozen = {k: v.detach() for k, v in known.items() if k not in set(names)}
        self._frozen |= {k: v.detach() for k, v in module.named_buffers()}

    # -- the callables ------------------------------------------------------------------------

    def gradient(self, theta: FloatArray, X: Tensor, y: Tensor) -> FloatArray:
        """∇l_i of each row, shape (b, p)."""

        def one(at: Tensor, x: Tensor, label: Tensor) -> Tensor:
            return self._row_loss(self._raw(at, x[None])[0], label)

        return self._out(vmap(grad(one), in_dims=(None, 0, 0))(self._in(theta), X, y))

    def hvp(
        self, theta: FloatArray, X: Tensor, y: Tensor, V: FloatArray, w: FloatArray
    ) -> FloatArray:
        """Σ_i w_i ∇²l_i V, shape (p, t)."""
        weights, at = self._in(w), self._in(theta)

        def slope(point: Tensor) -> Tensor:
            out: Tensor = grad(lambda q: weights @ self._losses(q, X, y))(point)
            return out

        return self._each(_transposed(slope, at), V)

    def gauss_newton(
        self, theta: FloatArray, X: Tensor, y: Tensor, V: FloatArray, w: FloatArray
    ) -> FloatArray:
        """Σ_i w_i J_iᵀ (∂²l_i/∂f²) J_i V, shape (p, t), J_i the Jacobian of the predictions."""
        weights, at = self._in(w), self._in(theta)

        def outputs(point: Tensor) -> Tensor:
            return self._raw(point, X)

        def bent(out: Tensor) -> Tensor:
            slope: Tensor = grad(lambda g: weights @ vmap(self._row_loss)(g, y))(out)
            return slope

        back = _transposed(outputs, at)
        f = outputs(at)
        forward, curve = _transposed(back, torch.zeros_like(f)), _transposed(bent, f)
        return self._each(lambda v: back(curve(forward(v))), V)

    def row_dot(self, theta: FloatArray, X: Tensor, y: Tensor, S: FloatArray) -> FloatArray:
        """∇l_i·s of each row and column of S, shape (b, t)."""
        back = _transposed(lambda q: self._losses(q, X, y), self._in(theta))
        return self._each(_transposed(back, self._in(np.zeros(len(y)))), S)

    def loss(self, theta: FloatArray, X: Tensor, y: Tensor) -> FloatArray:
        """l_i of each row, shape (b,)."""
        with torch.no_grad():
            return self._out(self._losses(self._in(theta), X, y))

    def prediction(self, theta: FloatArray, X: Tensor) -> FloatArray:
        """Raw predictions, shape (b, K), or (b,) for one."""
        with torch.no_grad():
            return self._flat(self._raw(self._in(theta), X))

    def prediction_gradient(self, theta: FloatArray, X: Tensor) -> FloatArray:
        """Their gradients, shape (b, K, p), or (b, p) for one."""
        return self._jacobians(theta, X, lambda f: f)

    def mean(self, theta: FloatArray, X: Tensor) -> FloatArray:
        """Means or probabilities, as :meth:`prediction`."""
        assert self._mean is not None
        with torch.no_grad():
            return self._flat(self._mean(self._raw(self._in(theta), X)))

    def mean_gradient(self, theta: FloatArray, X: Tensor) -> FloatArray:
        """Their gradients, as :meth:`prediction_gradient`."""
        assert self._mean is not None
        return self._jacobians(theta, X, self._mean)

    def mixed_vjp(self, theta: FloatArray, X: Tensor, y: Tensor, s: FloatArray) -> FloatArray:
        """∇x(∇l_i·s) of each row, of the shape of X."""
        at, along = self._in(theta), self._in(s)

        def total(rows: Tensor) -> Tensor:
            slope: Tensor = grad(lambda q: self._losses(q, rows, y).sum())(at)
            return slope @ along

        return self._out(grad(total)(X))

    # -- in common ----------------------------------------------------------------------------

    def _raw(self, at: Tensor, X: Tensor) -> Tensor:
        """Raw predictions of a batch at a flat theta."""
        parts = torch.split(at, [like.numel() for like in self._like])
        chosen = {
            name: part.reshape(like.shape)
            for name, part, like in zip(self._names, parts, self._like, strict=True)
        }
        with SWAPPING:
            out: Tensor = functional_call(self._module, {**self._frozen, **chosen}, (X,))
        return out

    def _row_loss(self, f: Tensor, label: Tensor) -> Tensor:
        """The loss of one row, whatever the loss's reduction: of a batch of one it is the row's."""
        out: Tensor = self._loss(f[None], label[None]).reshape(())
        return out

    def _losses(self, at: Tensor, X: Tensor, y: Tensor) -> Tensor:
        out: Tensor = vmap(self._row_loss)(self._raw(at, X), y)
        return out

    def _jacobians(self, theta: FloatArray, X: Tensor, link: Map) -> FloatArray:
        def one(at: Tensor, x: Tensor) -> Tensor:
            return link(self._raw(at, x[None]))[0].reshape(-1)

        J = self._out(vmap(torch.func.jacrev(one), in_dims=(None, 0))(self._in(theta), X))
        return J[:, 0] if J.shape[1] == 1 else J

    def _each(self, product: Map, V: FloatArray) -> FloatArray:
        """The product with every column of V (p, t), a column of the result each."""
        return self._out(torch.stack([product(v) for v in self._in(V).T], dim=1))

    def _flat(self, f: Tensor) -> FloatArray:
        out = self._out(f.reshape(len(f), -1))
        return out[:, 0] if out.shape[1] == 1 else out

    def _in(self, values: FloatArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._like[0].device)

    @staticmethod
    def _out(values: Tensor) -> FloatArray:
        out: FloatArray = values.detach().cpu().numpy()
        return out


def _transposed(function: Map, at: Tensor) -> Map:
    """U ↦ Jᵀu, J the Jacobian of a function at a point; itself differentiable."""
    back: Callable[[Tensor], tuple[Tensor]] = vjp(function, at)[1]
    return lambda u: back(u)[0]
