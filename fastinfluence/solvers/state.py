"""What a prepared solver has worked out, as arrays that it can be made from again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastinfluence.curvature import Curvature
from fastinfluence.errors import InputError
from fastinfluence.solvers.base import Conditioning, Prepared, Solver
from fastinfluence.solvers.cg import CG, PreparedCG, PreparedJacobi, PreparedPreconditioner
from fastinfluence.solvers.direct import PreparedDirect
from fastinfluence.solvers.dual import PreparedDual
from fastinfluence.solvers.factor import Factor
from fastinfluence.solvers.gauge import OnRange, prepared_on_range
from fastinfluence.solvers.nystrom import PreparedNystrom
from fastinfluence.types import FloatArray

Arrays = Mapping[str, FloatArray]


@dataclass(frozen=True)
class State:
    """A prepared solver without its operator.

    Attributes
    ----------
    kind : {"direct", "dual", "jacobi", "nystrom", "plain"}
        Which factor, or which preconditioner of conjugate gradients.
    numbers : dict
        For JSON.
    arrays : dict of str to ndarray
    """

    kind: str
    numbers: dict[str, Any]
    arrays: dict[str, FloatArray]


def state_of(prepared: Prepared) -> State | None:
    """The state of a prepared solver; None where none is kept (LiSSA finds its scale again)."""
    if isinstance(prepared, OnRange):
        return state_of(prepared.inner)
    if isinstance(prepared, (PreparedDirect, PreparedDual)):
        return _of_factor(prepared)
    if isinstance(prepared, PreparedCG):
        return _of_preconditioner(prepared.preconditioner)
    return None


def restored(solver: Solver, operator: Curvature, state: State) -> Prepared:
    """The solver prepared for an operator from the state that it had.

    Raises
    ------
    InputError
        Where the state is of another operator, or of another solver.
    """
    return prepared_on_range(operator, lambda H: _restored(solver, H, state))


def _restored(solver: Solver, operator: Curvature, state: State) -> Prepared:
    p = operator.shape[0]
    if isinstance(solver, CG):
        return PreparedCG(solver, operator, _preconditioner(state, p))
    if state.kind not in ("direct", "dual"):
        raise InputError(f"a state of kind {state.kind!r} is unknown to this version")
    out: PreparedDirect | PreparedDual
    if state.kind == "direct":
        operator.remember(_shaped(state.arrays, "matrix", (p, p)))
        factor = _factor(state, p)
        out = PreparedDirect(operator, factor)
    else:
        root = operator.engine.curvature_root
        factor = _factor(state, 0 if root is None else root.n_rows)
        out = PreparedDual(operator, factor)
    dropped = factor.null_space if state.kind == "direct" else np.zeros((p, 0))
    # As costly as the factor itself; found when the solver was first prepared.
    out.conditioning = Conditioning(null_space=dropped, **state.numbers["conditioning"])
    return out


def _of_factor(prepared: PreparedDirect | PreparedDual) -> State:
    numbers, arrays = prepared.factor.state()
    told = dict(vars(prepared.conditioning))
    del told["null_space"]
    kind = "dual"
    if isinstance(prepared, PreparedDirect):
        kind, arrays["matrix"] = "direct", prepared.matrix
    return State(kind, {"factor": numbers, "conditioning": told}, arrays)


def _factor(state: State, m: int) -> Factor:
    """The factor of an m×m matrix."""
    arrays = state.arrays
    _shaped(arrays, "scale", (m,))
    if state.numbers["factor"]["definite"]:
        _shaped(arrays, "L", (m, m))
    else:
        _shaped(arrays, "vectors", (m, len(arrays["values"])))
    return Factor.of_state(state.numbers["factor"], arrays)


def _of_preconditioner(found: PreparedPreconditioner | None) -> State | None:
    if found is None:
        return State("plain", {}, {})
    if isinstance(found, PreparedJacobi):
        return State("jacobi", {}, {"inverse": found.inverse})
    if isinstance(found, PreparedNystrom):
        arrays = {"values": found.eigenvalues, "vectors": found.vectors, "scale": found.scale}
        return State("nystrom", {"mu": found.mu}, arrays)
    return None


def _preconditioner(state: State, p: int) -> PreparedPreconditioner | None:
    arrays = state.arrays
    if state.kind == "jacobi":
        return PreparedJacobi(_shaped(arrays, "inverse", (p,)))
    if state.kind == "nystrom":
        vectors = _shaped(arrays, "vectors", (p, len(arrays["values"])))
        scale = _shaped(arrays, "scale", (p,))
        return PreparedNystrom(arrays["values"], vectors, scale, float(state.numbers["mu"]))
    if state.kind != "plain":
        raise InputError(f"a state of kind {state.kind!r} is no preconditioner")
    return None


def _shaped(arrays: Arrays, name: str, shape: tuple[int, ...]) -> FloatArray:
    """An array of the state, or InputError where it is of another operator."""
    if arrays[name].shape != shape:
        raise InputError(f"the saved {name} has shape {arrays[name].shape}, not {shape}")
    return arrays[name]
