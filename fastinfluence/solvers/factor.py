"""Factorisation of a symmetric matrix that says what it could not resolve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastinfluence.backend import namespace
from fastinfluence.errors import SolverError
from fastinfluence.lazy import cached_property
from fastinfluence.solvers.algebra import algebra_of
from fastinfluence.types import FloatArray

RANK_TOLERANCE = 32.0
"""Eigenvalues below this many times p·eps of the largest one are taken to be zero."""


class Factor:
    """Solves with a symmetric matrix of shape (p, p).

    The matrix is scaled to a unit diagonal first, so that the units of the columns do not
    decide what counts as rank-deficient. A positive definite matrix is factorised by
    Cholesky; any other by an eigendecomposition whose negligible eigenvalues are dropped.
    Solutions then have the smallest Euclidean norm.

    Attributes
    ----------
    definite : bool
        Whether Cholesky succeeded.
    rank : int
    negative : int
        Number of negative eigenvalues kept.
    null_space : ndarray, shape (p, p - rank)
        Orthonormal basis of what was dropped.

    Raises
    ------
    SolverError
        Where an entry is NaN or infinite.
    """

    def __init__(self, matrix: FloatArray) -> None:
        if not bool(np.isfinite(matrix).all()):  # LAPACK may never return from such a one
            raise SolverError(
                "the curvature overflows: w·x² of some rows is no finite float64. Rescale the "
                "columns of X, the weights and l2"
            )
        p = len(matrix)
        diagonal = np.abs(np.diagonal(matrix))
        self.scale = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        scaled = matrix * self.scale[:, None] * self.scale
        self.negative, self.rank = 0, p
        self.null_space: FloatArray = namespace(matrix).zeros((p, 0))
        self._threshold = RANK_TOLERANCE * p * np.finfo(np.float64).eps
        self.definite = self._try_cholesky(scaled)
        if not self.definite:
            self._eigen(scaled)

    @property
    def _algebra(self) -> Any:
        """The module of the arrays' kind; not kept, so that a factor can be pickled."""
        return algebra_of(self.scale)

    def state(self) -> tuple[dict[str, Any], dict[str, FloatArray]]:
        """Numbers and arrays that :meth:`of_state` makes the factor from."""
        numbers = {name: getattr(self, name) for name in ("definite", "rank", "negative", "rcond")}
        arrays = {"scale": self.scale, "null_space": self.null_space}
        if self.definite:
            return numbers, {**arrays, "L": self._L}
        return numbers, {**arrays, "values": self.values, "vectors": self.vectors}

    @classmethod
    def of_state(cls, numbers: Mapping[str, Any], arrays: Mapping[str, FloatArray]) -> Factor:
        """The factor that had this state, without its matrix."""
        out = cls.__new__(cls)
        out.definite, out.rcond = bool(numbers["definite"]), float(numbers["rcond"])
        out.rank, out.negative = int(numbers["rank"]), int(numbers["negative"])
        out.scale = np.asarray(arrays["scale"], dtype=np.float64)
        out.null_space = arrays["null_space"]
        if out.definite:
            out._L = arrays["L"]
        else:
            out.values, out.vectors = arrays["values"], arrays["vectors"]
        return out

    def _try_cholesky(self, scaled: FloatArray) -> bool:
        try:
            self._L: FloatArray = self._algebra.cholesky(scaled)
        except np.linalg.LinAlgError:
            return False
        self.rcond: float = self._algebra.reciprocal_condition(self._L, scaled)
        return bool(self.rcond > self._threshold)

    def _eigen(self, scaled: FloatArray) -> None:
        values, vectors = self._algebra.eigh(scaled)
        largest = float(np.abs(values).max())
        keep = np.abs(values) > self._threshold * largest
        self.values, self.vectors = values[keep], vectors[:, keep]
        self.rank = int(keep.sum())
        self.negative = int((self.values < 0).sum())
        smallest = float(np.abs(self.values).min()) if self.rank else 0.0
        self.rcond = smallest / largest if largest > 0 else 0.0
        if self.rank < len(values):
            self.null_space = np.linalg.qr(self.scale[:, None] * vectors[:, ~keep])[0]

    def project(self, B: FloatArray) -> FloatArray:
        """B without its component along the dropped directions, shape (p, t)."""
        if self.null_space.shape[1] == 0:
            return B
        N = self.null_space
        return B - N @ (N.T @ B)

    @cached_property
    def _triangle(self) -> Any:
        return self._algebra.Triangle(self._L)

    def solve(self, B: FloatArray) -> FloatArray:
        """The matrix's (pseudo-)inverse times B, shape (p, t)."""
        s = self.scale[:, None]
        if self.definite:
            out: FloatArray = self._triangle.solve_transposed(self._triangle.solve(s * B))
            out *= s
            return out
        B = self.project(B)
        x = s * (self.vectors @ ((self.vectors.T @ (s * B)) / self.values[:, None]))
        return self.project(x)

    def inverse_root(self) -> FloatArray | None:
        """R (p, p) with RRᵀ the inverse, or None where the matrix is not positive definite."""
        if not self.definite:
            return None
        eye = namespace(self.scale).eye(len(self.scale))
        out: FloatArray = self.scale[:, None] * self._triangle.solve_transposed(eye)
        return out

    def lambda_min(self) -> float:
        """A lower bound of the smallest |eigenvalue| kept: 1 / ‖inverse‖ in the maximum norm."""
        return self._smallest(self.scale)

    def scaled_lambda_min(self) -> float:
        """The same of the matrix scaled to a unit diagonal."""
        return self._smallest(namespace(self.scale).ones(len(self.scale)))

    def _smallest(self, scale: FloatArray) -> float:
        if self.definite:
            norm: float = self._algebra.inverse_norm(self._L, scale)
        else:
            ratio = (scale / self.scale)[:, None]
            eye = namespace(scale).eye(len(scale))
            norm = float(np.abs(ratio * self.solve(ratio * eye)).sum(axis=1).max())
        return 1.0 / norm if norm > 0 else 0.0
