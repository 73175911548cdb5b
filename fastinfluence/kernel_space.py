"""Kernels as features: φ(x)·φ(z) = k(x, z), so that a kernel machine is a linear model.

With a Cholesky factor k(Z, Z) = LLᵀ of some rows Z, φ(x) = L⁻¹k(Z, x) are coordinates on the
functions k(z, ·). Where Z spans all rows they are exact, otherwise Nyström's approximation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dpstrf
from scipy.sparse import issparse

from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.inputs import check_finite_rows, listed
from fastinfluence.rows.sources import as_rows
from fastinfluence.tables import Table, as_table
from fastinfluence.types import FloatArray, IntArray


@dataclass(frozen=True)
class Kernel:
    """k(x, z) = exp(−γ‖x − z‖²) ("rbf") or (γ x·z + coef0)^degree ("poly")."""

    name: Literal["rbf", "poly"]
    gamma: float
    coef0: float = 0.0
    degree: int = 3

    def __call__(self, A: FloatArray, B: FloatArray) -> FloatArray:
        """k(a_i, b_j), shape (a, b)."""
        return self._power(A, B, self.degree)

    def _power(self, A: FloatArray, B: FloatArray, degree: int) -> FloatArray:
        inner: FloatArray = A @ B.T
        if self.name == "poly":
            return np.asarray((self.gamma * inner + self.coef0) ** degree)
        squares = (A * A).sum(axis=1)[:, None] + (B * B).sum(axis=1) - 2.0 * inner
        return np.asarray(np.exp(-self.gamma * np.maximum(squares, 0.0)))

    def slopes(self, A: FloatArray, B: FloatArray, C: FloatArray) -> FloatArray:
        """Σ_j C_ij ∇ₓk(x, b_j) at x = a_i, shape (a, d), for C (a, b) or (b,)."""
        if self.name == "poly":
            M = self.degree * self.gamma * self._power(A, B, self.degree - 1) * C
            return np.asarray(M @ B)
        M = self(A, B) * C
        return np.asarray(-2.0 * self.gamma * (M.sum(axis=1)[:, None] * A - M @ B))


@dataclass(frozen=True)
class KernelSpace:
    """A kernel, the training rows, and the functions k(z, ·) whose span stands for the rest.

    Called with the caller's rows it returns the table of their features φ.

    Attributes
    ----------
    kernel : Kernel
    X : ndarray, shape (n, d)
        Training rows, in the columns that the kernel sees.
    names : tuple of str
    named : bool
        Whether the names are the caller's.
    landmarks : ndarray, shape (r, d)
        Z.
    root : ndarray, shape (r, r)
        L.
    exact : bool
        Whether every training row's function lies in the span, to rounding.
    inner : callable or None
        The first steps of a Pipeline.
    """

    kernel: Kernel
    X: FloatArray
    names: tuple[str, ...]
    named: bool
    landmarks: FloatArray
    root: FloatArray
    exact: bool
    inner: Callable[[Any], Any] | None = None

    @classmethod
    def spanned_by(
        cls,
        kernel: Kernel,
        table: Table,
        rows: IntArray,
        inner: Callable[[Any], Any] | None = None,
    ) -> KernelSpace:
        """The space of some rows of a table; exact where they are all of them."""
        X = dense_inputs(table, "X")
        landmarks, root = _basis(kernel, X[rows])
        exact = len(rows) == len(X)
        return cls(kernel, X, table.names, table.named, landmarks, root, exact, inner)

    @property
    def rank(self) -> int:
        """Number of features r."""
        return len(self.landmarks)

    def with_rows(self, X_new: FloatArray) -> KernelSpace:
        """An exact space that also spans other rows; the training rows stay what they are."""
        landmarks, root = _basis(self.kernel, np.concatenate([self.X, X_new]))
        return replace(self, landmarks=landmarks, root=root)

    def keep(self, kept: IntArray) -> KernelSpace:
        """The same features where only some training rows are left."""
        return replace(self, X=self.X[kept])

    def features(self, X: FloatArray) -> FloatArray:
        """φ of every row, shape (m, r)."""
        columns = self.kernel(self.landmarks, X)
        solved = solve_triangular(self.root, columns, lower=True, overwrite_b=True)
        return np.ascontiguousarray(solved.T)

    def weights(self, theta: FloatArray) -> FloatArray:
        """The c with θ·φ(x) = Σ_m c_m k(z_m, x), shape (r,), for coordinates θ (r,)."""
        return np.asarray(solve_triangular(self.root, theta, lower=True, trans="T"))

    def coordinates(self, other: KernelSpace, theta: FloatArray) -> FloatArray:
        """The coordinates here of a function given by its coordinates in another space, (r,)."""
        return self.features(other.landmarks).T @ other.weights(theta)

    def slopes(self, X: FloatArray, theta: FloatArray) -> FloatArray:
        """∇ₓ(θ·φ(x)) at every row of X, shape (m, d)."""
        return self.kernel.slopes(X, self.landmarks, self.weights(theta))

    # -- the caller's rows -----------------------------------------------------------------

    def __call__(self, X: Any) -> Table:
        """The features of the caller's rows, checked first."""
        return self.table(self.inputs(X))

    def table(self, X: FloatArray) -> Table:
        """The features of checked rows as a table."""
        return Table(self.features(X), tuple(f"phi{j}" for j in range(self.rank)))

    @property
    def note(self) -> str:
        """The kernel and its features, in words."""
        kind = "exact" if self.exact else f"Nyström (basis frozen), {self.rank} rows of"
        return f"{self.kernel.name} kernel, {kind} features of rank {self.rank}"

    def inputs(self, X: Any, what: str = "X_test") -> FloatArray:
        """The caller's rows in the columns that the kernel sees, (m, d): finite, dense."""
        table = as_table(X if self.inner is None else self.inner(X), what)
        if table.named and self.named:
            missing = [name for name in self.names if name not in table.names]
            if missing:
                raise InputError(f"{what} lacks the columns {listed(missing)}")
            order = [table.names.index(name) for name in self.names]
            table = Table(table.values[:, order], self.names, table.labels, named=True)
        d = len(self.names)
        if table.values.shape[1] != d:
            raise InputError(
                f"{what} has {table.values.shape[1]} columns but the model was trained on {d}"
            )
        return dense_inputs(table, what)


def dense_inputs(table: Table, what: str) -> FloatArray:
    """Finite dense float64 rows, or one clear error."""
    if issparse(table.values):
        raise UnsupportedError(
            f"{what} is sparse, which kernel machines are not read from: give it as an array"
        )
    check_finite_rows(as_rows(table.values), table.names, what, 1)
    return np.ascontiguousarray(table.values, dtype=np.float64)


def _basis(kernel: Kernel, X: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The rows that span the others' functions to rounding, and k's Cholesky factor on them."""
    factor, order, rank, _ = dpstrf(kernel(X, X), lower=1)
    return X[order[:rank] - 1], np.tril(factor[:rank, :rank])
