"""The specification of any model at all: the caller's own callables for its derivatives."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np

from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.spec.line import Line
from fastinfluence.spec.loss import Loss
from fastinfluence.spec.models import Reduction, checked_l2

if TYPE_CHECKING:
    from fastinfluence.types import FloatArray

Call = Callable[..., Any]
ARGUMENTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "gradient": ("theta", "X", "y"),
        "hvp": ("theta", "X", "y", "V"),
        "row_dot": ("theta", "X", "y", "S"),
        "loss": ("theta", "X", "y"),
        "prediction": ("theta", "X"),
        "prediction_gradient": ("theta", "X"),
        "mean": ("theta", "X"),
        "mean_gradient": ("theta", "X"),
        "gauss_newton": ("theta", "X", "y", "V"),
        "mixed_vjp": ("theta", "X", "y", "s"),
    }
)
"""What each callable is handed."""
WEIGHTED = ("hvp", "gauss_newton")
"""Callables that are handed the rows' weights where they name an argument ``w``."""


LINE = Line("l(theta)", "real", doc="The loss behind an oracle, known to its callables alone.")


class OracleLoss(Loss):
    """The loss of an oracle's rows: a name, and nothing that could be derived."""

    def __init__(self, name: str) -> None:
        super().__init__(LINE.text, LINE.y, {}, name, LINE.f, None, line_data=LINE)

    @property
    def program(self) -> NoReturn:
        """None: the loss is known through callables alone.

        Raises
        ------
        UnsupportedError
            Always.
        """
        raise self._unknown()

    def _unknown(self) -> UnsupportedError:
        return UnsupportedError(
            f"the loss of {self.name} is known through callables alone: what you asked for is "
            "defined for losses of this library, with fi.GLM(...)"
        )

    @property
    def source(self) -> NoReturn:
        """As :attr:`program`."""
        raise self._unknown()

    def evaluate(self, f: Any, y: Any, *outputs: str) -> NoReturn:
        """As :attr:`program`."""
        raise self._unknown()

    def __reduce__(self) -> tuple[Any, ...]:
        return OracleLoss, (self.name,)


@dataclass(frozen=True, init=False)
class Oracle:
    r"""Any model through its derivatives: "oracle access to gradients and Hessian-vector products".

    Row i's loss :math:`l_i(\theta)` is known through callables only. The library adds the penalty
    and the weights, so the callables hold neither:

    - ``reduction="mean"``:
      :math:`R = \frac1W \sum_i w_i\, l_i(\theta) + \frac12\sum_j l2_j\theta_j^2`
    - ``reduction="sum"``: without 1/W.

    Every callable gets ``theta`` (p,) float64 and b rows, ``X`` and ``y``, as the caller's own
    containers give them (see :class:`Influence`), and returns float64 arrays:

    =======================  ==================  =====================================
    callable                 arguments           returns
    =======================  ==================  =====================================
    ``gradient``             ``theta, X, y``     ∇l_i of each row, (b, p)
    ``hvp``                  ``theta, X, y, V``  Σ_i ∇²l_i V for V (p, t), (p, t)
    ``row_dot``              ``theta, X, y, S``  ∇l_i·s for S (p, t), (b, t)
    ``loss``                 ``theta, X, y``     l_i, (b,)
    ``prediction``           ``theta, X``        raw f, (b,) or (b, K)
    ``prediction_gradient``  ``theta, X``        its gradients, (b, p) or (b, K, p)
    ``mean``                 ``theta, X``        means or probabilities, as prediction
    ``mean_gradient``        ``theta, X``        their gradients
    ``gauss_newton``         ``theta, X, y, V``  as hvp, for curvature="gauss-newton"
    ``mixed_vjp``            ``theta, X, y, s``  ∇x(∇l_i·s) for s (p,), shaped like X
    =======================  ==================  =====================================

    ``hvp`` and ``gauss_newton`` may name a fifth argument ``w`` (b,) and then return
    Σ_i w_i ∇²l_i V; otherwise rows of different weights are handed over in turn.

    Parameters
    ----------
    gradient, hvp : callable
        Needed for every score.
    row_dot : callable, optional
        By default from ``gradient``, block by block.
    loss : callable, optional
        For ``fit``, ``polish``, exact removals and ``Removal.on_loss``.
    prediction, prediction_gradient, mean, mean_gradient : callable, optional
        For ``on_prediction`` and targets made of predictions.
    gauss_newton, mixed_vjp : callable, optional
        For ``curvature="gauss-newton"``; for ``perturbation``.
    n_params : int, optional
        Length p of theta; by default that of the theta given.
    l2 : float or sequence of float, default 0.0
        Coefficient of ½·theta², one number or one for each of the p parameters.
    reduction : {"mean", "sum"}, default "mean"
    n_outputs : int, default 1
        Predictions per row K.
    batch : int, default 1024
        Rows handed over at a time, at most.
    param_names : sequence of str, optional
        Names of the entries of theta, for messages; ``theta[j]`` by default.
    name : str, default "oracle"
        What reports call the loss.

    Raises
    ------
    InputError
        If a callable is not callable, or an option is not what it must be.
    """

    fit_intercept: ClassVar[bool] = False
    penalize_intercept: ClassVar[bool] = True
    vector: ClassVar[bool] = False
    takes_vectors: ClassVar[bool] = False

    calls: Mapping[str, Call]
    size: int | None
    l2: float | tuple[float, ...]
    reduction: Reduction
    n_outputs: int
    batch: int
    names: tuple[str, ...] | None
    loss: OracleLoss

    def __init__(
        self,
        gradient: Call,
        hvp: Call,
        row_dot: Call | None = None,
        loss: Call | None = None,
        prediction: Call | None = None,
        prediction_gradient: Call | None = None,
        mean: Call | None = None,
        mean_gradient: Call | None = None,
        gauss_newton: Call | None = None,
        mixed_vjp: Call | None = None,
        n_params: int | None = None,
        l2: float | Sequence[float] | FloatArray = 0.0,
        reduction: Reduction = "mean",
        n_outputs: int = 1,
        batch: int = 1024,
        param_names: Sequence[str] | None = None,
        name: str = "oracle",
    ) -> None:
        given = {
            "gradient": gradient,
            "hvp": hvp,
            "row_dot": row_dot,
            "loss": loss,
            "prediction": prediction,
            "prediction_gradient": prediction_gradient,
            "mean": mean,
            "mean_gradient": mean_gradient,
            "gauss_newton": gauss_newton,
            "mixed_vjp": mixed_vjp,
        }
        calls = {key: call for key, call in given.items() if call is not None}
        for key in ("gradient", "hvp", *calls):
            if not callable(given[key]):
                arguments = ", ".join(ARGUMENTS[key])
                raise InputError(f"{key}={given[key]!r} is not callable: give {key}({arguments})")
        if reduction not in ("mean", "sum"):
            raise InputError(f'reduction={reduction!r} is unknown: use "mean" or "sum"')
        size = None if n_params is None else _count(n_params, "n_params")
        names = None if param_names is None else tuple(str(n) for n in param_names)
        size = len(names) if size is None and names is not None else size
        if names is not None and len(names) != size:
            raise InputError(f"param_names has {len(names)} entries but n_params is {size}")
        set_field = object.__setattr__
        set_field(self, "calls", MappingProxyType(calls))
        set_field(self, "size", size)
        set_field(self, "l2", checked_l2(l2))
        set_field(self, "reduction", reduction)
        set_field(self, "n_outputs", _count(n_outputs, "n_outputs"))
        set_field(self, "batch", _count(batch, "batch"))
        set_field(self, "names", names)
        set_field(self, "loss", OracleLoss(str(name)))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "calls": dict(self.calls)}  # a mappingproxy cannot be copied

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, calls=MappingProxyType(state["calls"]))

    def __hash__(self) -> int:
        return hash((frozenset(self.calls.items()), self.size, self.l2, self.reduction))

    def sized(self, theta: Any) -> Oracle:
        """The same oracle with the number of its parameters, from a theta (p,).

        Parameters
        ----------
        theta : array_like, shape (p,)

        Returns
        -------
        Oracle

        Raises
        ------
        InputError
            For another shape.
        """
        if self.size is not None:
            return self
        try:
            flat = theta is not None and np.ndim(theta) == 1
        except ValueError:  # lists of lists of several lengths
            flat = False
        if not flat or not len(theta):
            raise InputError("give theta of shape (p,), or fi.Oracle(..., n_params=p)")
        out = copy(self)
        object.__setattr__(out, "size", len(theta))
        return out

    def takes_weights(self, name: str) -> bool:
        """Whether a callable names an argument ``w``.

        Parameters
        ----------
        name : str
            ``"hvp"`` or ``"gauss_newton"``.

        Returns
        -------
        bool
        """
        try:
            return "w" in inspect.signature(self.calls[name]).parameters
        except (TypeError, ValueError):  # a built-in that does not tell
            return False

    def n_params(self, n_features: int = 0, n_outputs: int = 1) -> int:
        """Length p of ``theta``."""
        assert self.size is not None  # set when the oracle met its theta
        return self.size

    def l2_vector(self, n_features: int = 0, n_outputs: int = 1) -> FloatArray:
        """The penalty of each parameter, shape (p,), in this spec's reduction."""
        p = self.n_params()
        if isinstance(self.l2, float):
            return np.full(p, self.l2)
        if len(self.l2) != p:
            raise InputError(f"l2 has {len(self.l2)} entries but theta has {p}: give 1 or {p}")
        return np.array(self.l2)

    def shared_l2(self, n_features: int = 0, n_outputs: int = 1) -> FloatArray:
        """1 where the single number l2 multiplies a parameter, shape (p,): everywhere."""
        return np.ones(self.n_params())

    def gauge_start(self, n_features: int, n_outputs: int) -> int:
        """Zero: an oracle has no structural null directions."""
        return 0

    def param_names(self, feature_names: Sequence[str], outputs: Sequence[str] = ()) -> list[str]:
        """Names of the entries of ``theta``."""
        if self.names is not None:
            return list(self.names)
        return [f"theta[{j}]" for j in range(self.n_params())]


def _count(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InputError(f"{what}={value!r} must be an integer of at least 1")
    return int(value)
