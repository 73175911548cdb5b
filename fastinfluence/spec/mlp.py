"""The specification of a multilayer perceptron."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.spec import activations, losses
from fastinfluence.spec.activations import Activation
from fastinfluence.spec.loss import Loss
from fastinfluence.spec.models import Reduction, checked_l2
from fastinfluence.spec.multinomial import Multinomial

if TYPE_CHECKING:
    from fastinfluence.types import FloatArray


@dataclass(frozen=True, init=False)
class MLP:
    r"""A multilayer perceptron: hidden layers with one activation, then a loss of its output.

    With :math:`h_0 = x`, :math:`h_l = a(h_{l-1} W_l + b_l)` and :math:`f = h_L W_{L+1} + b_{L+1}`
    (+ offset), the objective is that of :class:`GLM` with this f. ``theta`` is W1, b1, W2, b2, …
    raveled in C order, each W of shape (fan_in, fan_out).

    The loss decides the outputs K: one for any loss of one prediction, one for each class with
    ``"multinomial"``, and one for each column of y (n, K) with ``"squared"``, whose loss is then
    ½‖f − y‖².

    Parameters
    ----------
    hidden : sequence of int
        Width of each hidden layer.
    activation : str or Activation, default "tanh"
        A name or an object of ``fi.activations``.
    loss : str or Loss, default "logistic"
        As in :class:`GLM`.
    l2 : float or sequence of float, default 0.0
        Coefficient of ½·theta², in the reduction named: one number, one for each layer, or one
        for each entry of ``theta``, biases included.
    penalize_intercept : bool, default False
        Whether ``l2`` applies to the biases too.
    reduction : {"mean", "sum"}, default "mean"

    Raises
    ------
    InputError
        If a width or an option is not what it must be.
    """

    fit_intercept: ClassVar[bool] = True
    """Every layer has biases."""

    hidden: tuple[int, ...]
    activation: Activation
    loss: Loss
    l2: float | tuple[float, ...]
    penalize_intercept: bool
    reduction: Reduction

    def __init__(
        self,
        hidden: Sequence[int],
        activation: str | Activation = "tanh",
        loss: str | Loss = "logistic",
        l2: float | Sequence[float] | FloatArray = 0.0,
        penalize_intercept: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        if isinstance(hidden, (int, str)) or not len(hidden):
            raise InputError(f"hidden={hidden!r}: give the widths of the layers, as (32, 16)")
        if reduction not in ("mean", "sum"):
            raise InputError(f'reduction={reduction!r} is unknown: use "mean" or "sum"')
        if not isinstance(loss, (str, Loss)):
            raise InputError(f"loss is a {type(loss).__name__}: give a name, or an object")
        if not isinstance(activation, (str, Activation)):
            raise InputError(
                f"activation is a {type(activation).__name__}: give a name such as "
                '"tanh", or an object of fi.activations'
            )
        chosen = activations.make(activation) if isinstance(activation, str) else activation
        set_field = object.__setattr__
        set_field(self, "hidden", tuple(_width(h) for h in hidden))
        set_field(self, "activation", chosen)
        set_field(self, "loss", losses.get(loss) if isinstance(loss, str) else loss)
        set_field(self, "l2", checked_l2(l2))
        set_field(self, "penalize_intercept", bool(penalize_intercept))
        set_field(self, "reduction", reduction)

    @property
    def vector(self) -> bool:
        """Whether each row has several predictions, one for each class."""
        return isinstance(self.loss, Multinomial)

    @property
    def takes_vectors(self) -> bool:
        """Whether y may have several columns."""
        return self.loss.name == "squared"

    def shapes(self, n_features: int, n_outputs: int = 1) -> list[tuple[int, int]]:
        """(fan_in, fan_out) of each layer's W."""
        widths = (n_features, *self.hidden, n_outputs)
        return list(pairwise(widths))

    def n_params(self, n_features: int, n_outputs: int = 1) -> int:
        """Length p of ``theta``."""
        return sum((a + 1) * b for a, b in self.shapes(n_features, n_outputs))

    def l2_vector(self, n_features: int, n_outputs: int = 1) -> FloatArray:
        """The penalty of each parameter, shape (p,), in this spec's reduction."""
        shapes = self.shapes(n_features, n_outputs)
        p = self.n_params(n_features, n_outputs)
        given = (self.l2,) * len(shapes) if isinstance(self.l2, float) else self.l2
        if len(given) == p:
            return np.array(given)
        if len(given) != len(shapes):
            raise InputError(
                f"l2 has {len(given)} entries: give one number, one for each of the {len(shapes)} "
                f"layers, or one for each of the {p} entries of theta"
            )
        parts = []
        for value, (a, b) in zip(given, shapes, strict=True):
            parts += [np.full(a * b, value), np.full(b, value if self.penalize_intercept else 0.0)]
        return np.concatenate(parts)

    def shared_l2(self, n_features: int, n_outputs: int = 1) -> FloatArray:
        """1 where the single number l2 multiplies a parameter, else 0, shape (p,)."""
        one = MLP(self.hidden, self.activation, self.loss, 1.0, self.penalize_intercept)
        return one.l2_vector(n_features, n_outputs)

    def gauge_start(self, n_features: int, n_outputs: int) -> int:
        """First entry in theta of the table whose rows hold one parameter for each class."""
        a, b = self.shapes(n_features, n_outputs)[-1]
        return self.n_params(n_features, n_outputs) - (a + 1) * b

    def param_names(self, feature_names: Sequence[str], outputs: Sequence[str] = ()) -> list[str]:
        """Names of the entries of ``theta``, in order: ``W1[age,3]``, ``b1[3]``."""
        rows: list[str] = list(feature_names)
        names: list[str] = []
        widths = [*map(_counted, self.hidden), list(outputs) or ["f"]]
        for layer, columns in enumerate(widths, start=1):
            names += [f"W{layer}[{row},{column}]" for row in rows for column in columns]
            names += [f"b{layer}[{column}]" for column in columns]
            rows = columns
        return names


def _width(value: object) -> int:
    try:
        width = operator.index(value)  # type: ignore[arg-type]
    except TypeError as error:
        raise InputError(f"hidden holds {value!r}: each width must be an integer") from error
    if width < 1:
        raise InputError(f"hidden holds {value!r}: each layer needs at least one unit")
    return width


def _counted(width: int) -> list[str]:
    return [str(k) for k in range(width)]
