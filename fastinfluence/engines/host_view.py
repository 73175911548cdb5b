"""An engine whose passes over the rows run on a device, as the host sees it.

A view is an engine of the host: gradients, predictions and derivatives of chosen rows are computed
there from the host's rows. Sums over all rows go to the ``device``: what crosses is of the size of
theta. What has n numbers crosses once, when asked for. Each method also takes arrays of the device
and then leaves its result there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastinfluence.backend import on_device, to_host, told
from fastinfluence.engines.glm import GLMEngine
from fastinfluence.engines.mlp import MLPEngine
from fastinfluence.engines.multinomial import MultinomialEngine
from fastinfluence.engines.network import Trace
from fastinfluence.types import FloatArray

if TYPE_CHECKING:
    from fastinfluence.problem import Problem

FETCHED = ("f", "d1", "d2", "P", "D", "top", "row_sizes", "objective", "gradient", "gradient_scale")
"""What linearising leaves: fetched from the device when first asked for, and kept."""


class HostView:
    """The parts of an engine that run on the device; a mixin in front of the engine's own class."""

    problem: Problem
    theta: FloatArray
    curvature: str
    device: Any
    """The engine on the device."""

    def _linearize(self, *_: Any) -> None:
        problem = self.problem
        own = type(self).__mro__[2]
        with told(problem.device, "the table, with what the model keeps of it,"):
            self.device = own(problem.twin, problem.device.array(self.theta), self.curvature)

    def __getattr__(self, name: str) -> Any:
        if name not in FETCHED:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        value = to_host(getattr(self.device, name))
        setattr(self, name, value)
        return value

    @property
    def convex(self) -> bool:
        """Whether no row's term bends downwards at theta."""
        return bool(self.device.convex)

    def _there(self, name: str, *given: Any) -> Any:
        """A method of the device's engine; its result comes back unless arrays of it were given."""
        with told(self.problem.device, f"{name}()"):
            out = getattr(self.device, name)(*(self._up(value) for value in given))
        return out if any(map(on_device, given)) else to_host(out)

    def _up(self, value: Any) -> Any:
        return self.problem.device.array(value) if isinstance(value, np.ndarray) else value

    def hvp(self, V: FloatArray) -> FloatArray:
        """Mean-form Hessian (penalty included, damping not) times V, shape (p, t)."""
        return cast("FloatArray", self._there("hvp", V))

    def hessian(self) -> FloatArray:
        """Mean-form Hessian (penalty included, damping not), shape (p, p)."""
        return cast("FloatArray", self._there("hessian"))

    def data_hessian(self) -> FloatArray:
        """Σ_i w_i ∇²l_i, shape (p, p)."""
        return cast("FloatArray", self._there("data_hessian"))

    def diagonal(self) -> FloatArray:
        """Diagonal of :meth:`hessian`, shape (p,), without forming it."""
        return cast("FloatArray", self._there("diagonal"))

    def total_gradients(self, Theta: FloatArray) -> FloatArray:
        """Σ_i w_i ∇l_i at every column of Theta (p, k), shape (p, k); no penalty."""
        return cast("FloatArray", self._there("total_gradients", Theta))


class GLMView(HostView, GLMEngine):
    """A GLM on a device."""

    def term_sizes(self) -> FloatArray:
        """What the diagonal's terms sum up to in size, shape (p,)."""
        return cast("FloatArray", self._there("term_sizes"))

    def weighted_gram(self, scale: FloatArray) -> FloatArray:
        """Σ_i scale_i x̃_i x̃_iᵀ, shape (p, p)."""
        return cast("FloatArray", self._there("weighted_gram", scale))


class MultinomialView(HostView, MultinomialEngine):
    """A multinomial model on a device."""

    convex = True


class MLPView(HostView, MLPEngine):
    """An MLP on a device."""

    @property
    def _activations(self) -> Trace | None:
        """None: the host passes only rows that are named."""
        return None

    def scales(self) -> FloatArray:
        """Sizes of the parameters, shape (p,), positive."""
        return cast("FloatArray", self._there("scales"))


def computing(engine: Any) -> Any:
    """The engine that passes run on: the device's behind a view, otherwise the engine itself."""
    return engine.device if isinstance(engine, HostView) else engine
