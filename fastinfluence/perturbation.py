"""What changing a training row does to test losses: its features, its label, or all of it.

With s = H⁻¹∇l(z_test), the paper's I_pert,loss(z_i, z_test) is −∇x(∇θ l(z_i)·s) (eq. 5), and
replacing z_i by z_δ moves theta by (w_i/W)(I_up(z_δ) − I_up(z_i)) (eq. 3; the sentence after it
has a sign misprinted). The penalty does not hold x, so it leaves no trace in either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np

from fastinfluence.engines.base import Engine
from fastinfluence.engines.linearize import single_output
from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.inputs import one_of
from fastinfluence.problem import TestRows
from fastinfluence.progress import Progress, silent
from fastinfluence.replaced import Retrainer, at_optimum, with_rows_replaced
from fastinfluence.representer import Representer, in_common_space
from fastinfluence.spec.oracle import Oracle
from fastinfluence.types import FloatArray, IntArray

Change: TypeAlias = Literal["replacement", "upweight"]
"""What a score is: the predicted change of the test loss, or the paper's influence."""
CHANGES = ("replacement", "upweight")
VectorJacobian: TypeAlias = Callable[[IntArray, FloatArray], Any]
"""(rows (k,), G (k, d)) -> J_iᵀG_i for each row, J_i the Jacobian of its features: (k, ...)."""


def factors(engine: Engine, rows: IntArray, effect: Change) -> FloatArray:
    """What turns −∇x(∇l_i·s) into the effect asked for, shape (k,): w_i/W, or 1."""
    one_of(effect, CHANGES, "effect")
    share: FloatArray = engine.problem.w[rows] / engine.problem.W
    return share if effect == "replacement" else np.ones(len(rows))


def by_features(
    engine: Engine,
    S: FloatArray,
    rows: IntArray,
    effect: Change,
    vjp: VectorJacobian | None = None,
    by_kernel: Representer | None = None,
) -> FloatArray:
    """Derivative of each test loss by each feature of each row, shape (t, k, d).

    Parameters
    ----------
    S : ndarray, shape (p, t)
        H⁻¹∇l(z_test).
    vjp : callable, optional
        Takes the derivatives to the inputs of a feature extractor, (t, k, ...).
    by_kernel : Representer, optional
        Of a kernel machine: d is then the number of its inputs.
    """
    if vjp is not None and isinstance(engine.problem.spec, Oracle):
        raise UnsupportedError(
            "vjp goes with tables of features: the mixed_vjp of an oracle (or torch module) is by "
            "its own inputs already, so make the extractor a part of it"
        )
    scale = -factors(engine, rows, effect)[:, None]
    space = engine.problem.space
    d = engine.problem.rows.n_features if space is None else len(space.names)
    pull = None if vjp is None else PulledBack(vjp, rows, d)
    out = []
    for j, s in enumerate(S.T):
        if by_kernel is None:
            G = scale * engine.mixed_vjp(rows, np.ascontiguousarray(s))
        else:
            G = scale * by_kernel.mixed(rows, j)
        out.append(G if pull is None else pull(G))
    return np.stack(out)


def by_label(engine: Engine, S: FloatArray, rows: IntArray, effect: Change) -> FloatArray:
    """Derivative of each test loss by each row's label, shape (t, k)."""
    scale = -factors(engine, rows, effect)
    return scale * single_output(engine, 'wrt="y"').label_dot(rows, S)


class PulledBack:
    """A caller's vector-Jacobian product, probed once and checked at each call."""

    def __init__(self, vjp: VectorJacobian, rows: IntArray, d: int) -> None:
        if not callable(vjp):
            raise InputError(f"vjp={vjp!r} is not callable: give a function of (rows, G)")
        self._vjp, self._rows = vjp, rows
        probe = self._called(rows[:1], np.zeros((1, d)))
        if probe.any():
            raise InputError(
                "vjp(rows, G) is not linear in G: it must be zero where G is; give the product "
                "of G with each row's Jacobian, nothing added"
            )
        self._shape = probe.shape[1:]

    def __call__(self, G: FloatArray) -> FloatArray:
        """J_iᵀG_i, shape (k, ...)."""
        out = self._called(self._rows, G)
        if out.shape[1:] != self._shape:
            raise InputError(
                f"vjp(rows, G) returned {out.shape[1:]} numbers a row for {len(G)} rows but "
                f"{self._shape} for one: every row's inputs must have one shape"
            )
        return out

    def _called(self, rows: IntArray, G: FloatArray) -> FloatArray:
        values = self._vjp(rows, G)
        try:
            out = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"vjp(rows, G) returned no numbers: {error}") from error
        if out.ndim < 2 or len(out) != len(rows):
            raise InputError(
                f"vjp(rows, G) returned shape {out.shape} for {len(rows)} rows: it must have one "
                "entry per row, (k, ...), in the inputs' own space"
            )
        if not np.isfinite(out).all():
            raise InputError("vjp(rows, G) returned NaN or infinity")
        return out


# -- replacing rows ------------------------------------------------------------------------


def replaced_first_order(
    engine: Engine,
    S: FloatArray,
    rows: IntArray,
    new: TestRows,
    effect: Change,
    by_kernel: Representer | None = None,
) -> FloatArray:
    """−scale_i·s·(∇l(z_δ) − ∇l(z_i)) for every test row and replacement, shape (t, k)."""
    _check_domain(engine, new)
    if by_kernel is not None:
        return -by_kernel.moved(rows, new).T * factors(engine, rows, effect)
    moved = engine.loss_gradients(new) - engine.row_gradients(rows)
    return -(moved @ S).T * factors(engine, rows, effect)


def _check_domain(engine: Engine, new: TestRows) -> None:
    low, high = engine.problem.spec.loss.f_domain
    if np.isinf([low, high]).all():
        return
    f = engine.predictions(new, engine.theta[:, None], "raw")[:, 0]
    wild = np.flatnonzero(~((f > low) & (f < high)))
    if len(wild):
        raise InputError(
            f"replacement {wild[0]} has f = {f[wild[0]]:.3g}, outside the domain ({low:g}, "
            f"{high:g}) of {engine.problem.spec.loss.name}: keep rows where the model is defined"
        )


def replaced_exactly(
    engine: Engine,
    test: TestRows,
    rows: IntArray,
    new: TestRows,
    tol: float,
    progress: Progress = silent,
) -> FloatArray:
    """Test losses at the optimum with row i replaced, minus those before, shape (t, k).

    Each replacement is made alone. "Before" is the optimum, also where theta is not.
    """
    if isinstance(engine.problem.spec, Oracle):
        raise UnsupportedError(
            "an oracle's rows may be anything, so none is written over: retrain with the new row "
            'on your own, or use method="influence"'
        )
    if engine.problem.space is not None:
        machine = single_output(engine, "a kernel")
        engine, test, new = in_common_space(machine, test, new)
    best = at_optimum(engine, tol)
    trained, k = Retrainer(best), len(rows)
    Theta = np.empty((engine.n_params, k))
    for j in range(k):
        at = slice(j, j + 1)
        one = TestRows(new.X[at], None if new.y is None else new.y[at], new.offset[at])
        problem = with_rows_replaced(engine.problem, rows[at], one)
        Theta[:, j] = trained.optimum(problem, best.theta, tol).theta
        progress("replacing rows", j + 1, k)
    return best.test_losses(test, Theta) - best.test_losses(test, best.theta[:, None])
