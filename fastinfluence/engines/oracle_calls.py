"""What an oracle's callables return, checked at every call: shape, precision, finiteness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastinfluence.errors import LossError, OracleError, UnsupportedError
from fastinfluence.rows.indexed import Indexed
from fastinfluence.spec.oracle import ARGUMENTS, Oracle
from fastinfluence.types import FloatArray

OF_MODULES = {
    "mean": "; of a torch module give from_torch(..., mean=...)",
    "mean_gradient": "; of a torch module give from_torch(..., mean=...)",
    "mixed_vjp": "; a torch module has it where X holds floating numbers",
}
"""What the users of a torch module can do about a callable that is missing."""


class Calls:
    """The callables of one oracle with p parameters."""

    def __init__(self, spec: Oracle) -> None:
        self.spec, self.p = spec, spec.n_params()
        self._weighted = {name: spec.takes_weights(name) for name in spec.calls}

    def knows(self, name: str) -> bool:
        """Whether the oracle has a callable of this name."""
        return name in self.spec.calls

    # -- one method for each kind of callable: as many rows at a time as the oracle wants ------

    def gradient(self, theta: FloatArray, rows: Indexed) -> FloatArray:
        """∇l_i of each row, shape (b, p)."""
        return self._stacked("gradient", (self.p,), theta, rows)

    def row_dot(self, theta: FloatArray, rows: Indexed, S: FloatArray) -> FloatArray:
        """∇l_i·s of each row and every column of S (p, t), shape (b, t)."""
        if not self.knows("row_dot"):
            return self.gradient(theta, rows) @ S
        return _finite_columns(
            lambda some: self._stacked("row_dot", (some.shape[1],), theta, rows, some), S, len(rows)
        )

    def loss(self, theta: FloatArray, rows: Indexed) -> FloatArray:
        """l_i of each row, shape (b,)."""
        return self._stacked("loss", (), theta, rows)

    def predictions(self, name: str, theta: FloatArray, rows: Indexed) -> FloatArray:
        """``prediction`` or ``mean`` of each row, shape (b, K)."""
        K = self.spec.n_outputs
        return self._stacked(name, () if K == 1 else (K,), theta, rows).reshape(len(rows), K)

    def prediction_gradients(self, name: str, theta: FloatArray, rows: Indexed) -> FloatArray:
        """``prediction_gradient`` or ``mean_gradient`` of each row, shape (b, K, p)."""
        K, p = self.spec.n_outputs, self.p
        found = self._stacked(name, (p,) if K == 1 else (K, p), theta, rows)
        return found.reshape(len(rows), K, p)

    def mixed_vjp(self, theta: FloatArray, rows: Indexed, s: FloatArray) -> FloatArray:
        """∇x(∇l_i·s) of each row, of the shape of X."""
        try:
            shape = np.shape(rows.X)[1:]
        except ValueError as error:
            raise UnsupportedError(
                "the rows asked about have different shapes: ask about rows of one shape at a time"
            ) from error
        return self._stacked("mixed_vjp", shape, theta, rows, s)

    def curvature(
        self, name: str, theta: FloatArray, rows: Indexed, w: FloatArray, V: FloatArray
    ) -> FloatArray:
        """Σ_i w_i ∇²l_i V by ``hvp`` or ``gauss_newton``, shape (p, t).

        A callable without weights is handed the rows of each weight in turn.
        """
        return _finite_columns(lambda some: self._product(name, theta, rows, w, some), V, self.p)

    def _product(
        self, name: str, theta: FloatArray, rows: Indexed, w: FloatArray, V: FloatArray
    ) -> FloatArray:
        out = np.zeros((self.p, V.shape[1]))
        if self._weighted.get(name, False):
            for at, part in self._parts(rows):
                out += self._call(name, out.shape, theta, part.X, part.y, V.copy(), w=w[at].copy())
            return out
        for weight in np.unique(w[w != 0]):
            mine = w == weight
            alike = rows if mine.all() else rows[np.flatnonzero(mine)]
            for _, part in self._parts(alike):
                out += weight * self._call(name, out.shape, theta, part.X, part.y, V.copy())
        return out

    def _parts(self, rows: Indexed) -> Iterator[tuple[slice, Indexed]]:
        """At most ``batch`` rows at a time, and their places."""
        step = self.spec.batch
        for start in range(0, len(rows), step):
            at = slice(start, min(start + step, len(rows)))
            yield at, rows if len(rows) <= step else rows[at]

    def _stacked(
        self,
        name: str,
        shape: tuple[int, ...],
        theta: FloatArray,
        rows: Indexed,
        *rest: FloatArray,
    ) -> FloatArray:
        """What a callable returns of each row, of the shape given, shape (b, ...)."""
        labelled = "y" in ARGUMENTS[name]
        found = []
        for _, part in self._parts(rows):
            given = (part.X, part.y) if labelled else (part.X,)
            own = (values.copy() for values in rest)
            found.append(self._call(name, (len(part), *shape), theta, *given, *own))
        return found[0] if len(found) == 1 else np.concatenate([np.empty((0, *shape)), *found])

    # -- the checks ---------------------------------------------------------------------------

    def _call(
        self, name: str, shape: tuple[int, ...], theta: FloatArray, *rest: Any, **weights: Any
    ) -> FloatArray:
        if not self.knows(name):
            arguments = ", ".join(ARGUMENTS[name])
            raise UnsupportedError(
                f"this needs {name}: give fi.Oracle(..., {name}=...), a function of ({arguments})"
                f"{OF_MODULES.get(name, '')}"
            )
        try:
            returned = self.spec.calls[name](theta.copy(), *rest, **weights)
        except Exception as error:
            named = zip(ARGUMENTS[name][1:], rest, strict=True)
            given = ", ".join(f"{argument} {_shape(value)}" for argument, value in named)
            raise OracleError(
                f"{name} raised {type(error).__name__}: {error} (called with theta "
                f"({self.p},), {given})"
            ) from error
        return checked(name, returned, shape)


def _finite_columns(
    product: Callable[[FloatArray], FloatArray], V: FloatArray, height: int
) -> FloatArray:
    """The product with every column of V (p, t), shape (height, t).

    Columns that are not finite (a recursion that was given up) stay so, and are not handed over.
    """
    finite = np.isfinite(V).all(axis=0)
    if finite.all():
        return product(V)
    out = np.full((height, V.shape[1]), np.nan)
    if finite.any():
        out[:, finite] = product(np.ascontiguousarray(V[:, finite]))
    return out


def checked(name: str, returned: Any, shape: tuple[int, ...]) -> FloatArray:
    """What a callable returned, as a float64 array of the shape wanted.

    Raises
    ------
    OracleError
        For what is no array, not float64, or of another shape.
    LossError
        For NaN or infinity.
    """
    try:
        out = np.asarray(returned)
    except Exception as error:
        raise OracleError(
            f"{name} returned a {type(returned).__name__} that is no NumPy array ({error}): "
            "detach it and bring it to the CPU"
        ) from error
    if out.dtype != np.float64:
        raise OracleError(
            f"{name} returned {out.dtype}: compute in float64 (solvers and removals go to "
            "tolerances that fewer digits cannot reach)"
        )
    if out.shape != shape:
        raise OracleError(f"{name} returned shape {out.shape} where {shape} was expected")
    if not np.isfinite(out).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(out))[0])
        raise LossError(f"{name} returned {out[where]} in entry {where}")
    return out


def _shape(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else str(tuple(int(k) for k in shape))
