"""Model specifications: what is being minimised, before any data is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, cast

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.spec import losses
from fastinfluence.spec.loss import Loss
from fastinfluence.spec.multinomial import Multinomial

if TYPE_CHECKING:
    from fastinfluence.types import FloatArray

Reduction = Literal["mean", "sum"]


@dataclass(frozen=True, init=False)
class GLM:
    r"""A generalised linear model: a loss of the linear predictor, plus an L2 penalty.

    The objective of parameters ``theta`` (coefficients, then the intercept) is, with
    ``f = X @ coef + intercept + offset`` and ``W = sum(w)``,

    - ``reduction="mean"``:
      :math:`R = \frac1W \sum_i w_i\, l(f_i, y_i) + \frac12\sum_j l2_j\theta_j^2`
    - ``reduction="sum"``:
      :math:`R = \sum_i w_i\, l(f_i, y_i) + \frac12\sum_j l2_j\theta_j^2`

    ``"multinomial"`` has K predictions a row, one for each distinct label: ``theta`` is then of
    shape (d [+ 1], K), raveled in C order.

    Parameters
    ----------
    loss : str or Loss
        A name from ``fi.losses`` or ``fi.families``, or a :class:`fastinfluence.Loss`.
    l2 : float or sequence of float, default 0.0
        Coefficient of ½·theta², one number or one per coefficient, in the reduction named.
        With ``penalize_intercept=True`` a sequence ends with the intercept's. For K classes a
        sequence has an entry per row of ``theta``, or one per entry.
    fit_intercept : bool, default True
        Whether ``theta`` ends with an intercept.
    penalize_intercept : bool, default False
        Whether ``l2`` applies to the intercept too.
    reduction : {"mean", "sum"}, default "mean"
        The form of the objective.

    Raises
    ------
    InputError
        If ``l2`` is negative or not finite, or an option is unknown.
    """

    loss: Loss
    l2: float | tuple[float, ...]
    fit_intercept: bool
    penalize_intercept: bool
    reduction: Reduction

    def __init__(
        self,
        loss: str | Loss,
        l2: float | Sequence[float] | FloatArray = 0.0,
        fit_intercept: bool = True,
        penalize_intercept: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        if reduction not in ("mean", "sum"):
            raise InputError(f'reduction={reduction!r} is unknown: use "mean" or "sum"')
        if not isinstance(loss, (str, Loss)):
            raise InputError(
                f'loss is a {type(loss).__name__}: give a name such as "logistic", or an object '
                "of fi.losses, fi.families or fi.Loss"
            )
        set_field = object.__setattr__
        set_field(self, "loss", losses.get(loss) if isinstance(loss, str) else loss)
        set_field(self, "l2", checked_l2(l2))
        set_field(self, "fit_intercept", bool(fit_intercept))
        set_field(self, "penalize_intercept", bool(penalize_intercept))
        set_field(self, "reduction", reduction)

    takes_vectors: ClassVar[bool] = False
    """Whether y may have several columns."""

    @property
    def vector(self) -> bool:
        """Whether each row has several predictions, one for each class."""
        return isinstance(self.loss, Multinomial)

    def n_params(self, n_features: int, n_outputs: int = 1) -> int:
        """Length p of ``theta`` for ``n_features`` columns and K = ``n_outputs`` predictions."""
        return (n_features + int(self.fit_intercept)) * n_outputs

    def l2_vector(self, n_features: int, n_outputs: int = 1) -> FloatArray:
        """The penalty of each parameter, shape (p,), in this spec's reduction."""
        p = self.n_params(n_features, n_outputs)
        if isinstance(self.l2, float):
            out = np.full(p, self.l2)
            if self.fit_intercept and not self.penalize_intercept:
                out[-n_outputs:] = 0.0
            return out
        given = np.array(self.l2)
        rows = n_features + int(self.fit_intercept and self.penalize_intercept)
        if len(given) not in (rows, rows * n_outputs):
            either = f"{rows} or {rows * n_outputs}" if n_outputs > 1 else f"{rows}"
            raise InputError(
                f"l2 has {len(given)} entries but X has {n_features} columns: give one number, or "
                f"{either} (one per coefficient, and the intercept's last if and only if "
                "penalize_intercept=True)"
            )
        out = np.zeros(p)
        out[: rows * n_outputs] = given if len(given) != rows else np.repeat(given, n_outputs)
        return out

    def shared_l2(self, n_features: int, n_outputs: int = 1) -> FloatArray:
        """1 where the single number l2 multiplies a parameter, else 0, shape (p,)."""
        share = np.ones(self.n_params(n_features, n_outputs))
        if self.fit_intercept and not self.penalize_intercept:
            share[-n_outputs:] = 0.0
        return share

    def gauge_start(self, n_features: int, n_outputs: int) -> int:
        """First entry in theta of the table whose rows hold one parameter for each class."""
        return 0

    def param_names(self, feature_names: Sequence[str], classes: Sequence[str] = ()) -> list[str]:
        """Names of the entries of ``theta``, in order: ``age``, or ``age[ill]`` for a class."""
        rows = [*feature_names, "intercept"] if self.fit_intercept else list(feature_names)
        return [f"{row}[{name}]" for row in rows for name in classes] if classes else rows


def checked_l2(l2: float | Sequence[float] | FloatArray) -> float | tuple[float, ...]:
    """A penalty as a number, or as a tuple of them: finite and not negative."""
    """A penalty as a number, or as a tuple of them: finite and not negative."""
    try:
        values = np.asarray(l2, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"l2={l2!r} is not a number or a sequence of numbers") from error
    if values.ndim > 1:
        raise InputError(f"l2 has shape {values.shape}: give one number, or one per coefficient")
    if not np.isfinite(values).all() or (values < 0).any():
        raise InputError(f"l2={l2!r} must be finite and not negative")
    if values.ndim == 0:
        return float(values)
    return tuple(cast("list[float]", values.tolist()))
