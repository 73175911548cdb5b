"""Randomised Nyström preconditioner for conjugate gradients.

Frangella, Tropp & Udell, "Randomized Nyström preconditioning" (2021, arXiv:2110.02820):
Algorithm 2.1 (stable approximation from one block of products), eq. 1.3 (the preconditioner)
and section 5.4 (doubling the rank). It deflates the large eigenvalues, so that CG needs a
number of steps that depends on the tail alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastinfluence.curvature import Curvature
from fastinfluence.errors import InputError
from fastinfluence.inputs import one_of, positive_count
from fastinfluence.solvers.algebra import algebra_of
from fastinfluence.types import FloatArray

FIRST_RANK = 32
NEAR_FLOOR = 10.0
"""The rank is enough once the smallest kept eigenvalue is this many times the penalty."""

FALLING = 0.5
"""Doubling goes on while it brings the smallest kept eigenvalue below this share of itself."""


@dataclass(frozen=True)
class Nystrom:
    """Inverse of the penalty plus a low-rank approximation of the rest.

    The coordinates are first scaled by 1/√(penalty + damping), or by the diagonal of H where
    a parameter has neither, so that what is left to approximate is Ĝ + I with Ĝ ⪰ 0.

    Parameters
    ----------
    rank : int or "adaptive", default "adaptive"
        Number of random test vectors, so of products with H. ``"adaptive"`` doubles it from
        32 until the smallest kept eigenvalue of Ĝ is at most 10, hardly falls any more, or
        half of p is reached.
    seed : int, default 0
    """

    rank: int | str = "adaptive"
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.rank, str):
            one_of(self.rank, ("adaptive",), "rank")
        else:
            positive_count(self.rank, "rank")
        if not isinstance(self.seed, int | np.integer) or self.seed < 0:
            raise InputError(f"seed={self.seed!r} must be an integer of at least 0")

    def prepare(self, operator: Curvature) -> PreparedNystrom:
        """Multiply H with ``rank`` random vectors."""
        sketch = _Sketch(operator, np.random.default_rng(self.seed))
        p = operator.shape[0]
        sketch.grow(min(p, self.rank if isinstance(self.rank, int) else FIRST_RANK))
        values, vectors = sketch.approximation()
        before = float(values[0])
        while isinstance(self.rank, str) and sketch.wants_more(values, before):
            before = float(values[-1])
            sketch.grow(min(p, 2 * sketch.rank) - sketch.rank)
            values, vectors = sketch.approximation()
        return PreparedNystrom(values, vectors, sketch.scale, sketch.mu)


class PreparedNystrom:
    """S (U (Λ + μ)⁻¹ Uᵀ (λ_r + μ) + I − UUᵀ) S.

    Attributes
    ----------
    eigenvalues : ndarray, shape (rank,)
        Of Ĝ, descending: approximations from below.
    vectors : ndarray, shape (p, rank)
    scale : ndarray, shape (p,)
        Diagonal of S.
    mu : float
    """

    def __init__(
        self, values: FloatArray, vectors: FloatArray, scale: FloatArray, mu: float
    ) -> None:
        self.eigenvalues = values
        self.vectors, self.scale, self.mu = vectors, scale, mu
        self._gain = ((values[-1] + mu) / (values + mu) - 1.0)[:, None]

    @property
    def rank(self) -> int:
        """Number of eigenvalues kept."""
        return len(self.eigenvalues)

    def apply(self, R: FloatArray) -> FloatArray:
        """The approximate inverse, up to a constant, times R, shape (p, t)."""
        scale = self.scale[:, None]
        scaled = scale * R
        low = self.vectors @ (self._gain * (self.vectors.T @ scaled))
        out: FloatArray = scale * (scaled + low)
        return out


class _Sketch:
    """Products of Ĝ with an orthonormal random block that can grow."""

    def __init__(self, operator: Curvature, rng: np.random.Generator) -> None:
        self._operator, self._rng = operator, rng
        shift = operator.shift
        self.mu = 1.0 if (shift > 0).any() else 0.0
        free = shift <= 0
        size = shift.copy()
        if free.any():
            diagonal = np.abs(operator.diagonal()[free])
            size[free] = np.where(diagonal > 0, diagonal, 1.0)
        self.scale: FloatArray = 1.0 / np.sqrt(size)
        self._penalised = shift * self.scale**2  # 1, or 0 where free
        self._tests: FloatArray = operator.xp.zeros((len(shift), 0))
        self._products: FloatArray = operator.xp.zeros((len(shift), 0))

    @property
    def rank(self) -> int:
        return int(self._tests.shape[1])

    def grow(self, more: int) -> None:
        """Add test vectors orthogonal to those there."""
        draws = self._rng.standard_normal((len(self.scale), more))
        new = self._operator.xp.asarray(draws)
        for _ in range(2):
            new -= self._tests @ (self._tests.T @ new)
            new = np.linalg.qr(new)[0]
        s = self.scale[:, None]
        products = s * self._operator.matmat(s * new) - self._penalised[:, None] * new
        self._tests = np.concatenate([self._tests, new], axis=1)
        self._products = np.concatenate([self._products, products], axis=1)

    def approximation(self) -> tuple[FloatArray, FloatArray]:
        """Eigenpairs of Ĝ⟨rank⟩ = Y (ΩᵀY)⁻¹ Yᵀ, made definite by a small shift."""
        size = float(np.linalg.norm(self._products))
        nu = float(np.sqrt(len(self.scale)) * np.spacing(size)) if size > 0 else 1.0
        shifted = self._products + nu * self._tests
        core = self._tests.T @ shifted
        core, algebra = 0.5 * (core + core.T), algebra_of(core)
        try:
            half = algebra.solve_triangular(algebra.lower(core), shifted.T).T
        except np.linalg.LinAlgError:  # rounding, or rows that bend downwards
            values, vectors = np.linalg.eigh(core)
            half = shifted @ (vectors / np.sqrt(np.maximum(np.abs(values), nu)))
        vectors, roots, _ = np.linalg.svd(half, full_matrices=False)
        values = np.maximum(roots**2 - nu, 0.0)
        keep = values > size * len(self.scale) * np.finfo(np.float64).eps
        keep[0] = True
        return values[keep], vectors[:, keep]

    def wants_more(self, values: FloatArray, before: float) -> bool:
        """Whether doubling may pay: the tail stands above the penalty, and still falls."""
        if values[-1] > FALLING * before:
            return False
        floor = NEAR_FLOOR * self.mu if self.mu > 0 else NEAR_FLOOR * float(values[0]) * 1e-6
        enough = 2 * self.rank >= len(self.scale) or len(values) < self.rank
        return bool(values[-1] > floor) and not enough
