"""What every model kind offers to the layers above: five primitives, and a few facts."""

from __future__ import annotations

from typing import Protocol

from fastinfluence.problem import Problem, TestRows
from fastinfluence.rows.base import Block
from fastinfluence.types import FloatArray, IntArray


class RowCurvature(Protocol):
    """The Hessians of single rows' losses, without weight and penalty.

    A model kind may add ``recurse``, the compiled loop of :class:`fastinfluence.solvers.LiSSA`.
    """

    @property
    def bounded(self) -> bool:
        """Whether ``norms`` and ``squares`` are known, not products alone."""

    @property
    def norms(self) -> FloatArray:
        """‖∇²l_i‖₂ or upper bounds of it, shape (n,)."""

    def squares(self, V: FloatArray, scale: FloatArray) -> FloatArray:
        """Σ_i scale_i (∇²l_i)² V over all rows, shape (p, t)."""

    def product(self, V: FloatArray, rows: IntArray, scale: FloatArray) -> FloatArray:
        """Σ_k scale_k ∇²l_{rows_k} V over the named rows, shape (p, t)."""


class CurvatureRoot(Protocol):
    """Z (m, p) with H = ZᵀZ + penalty, for solutions in the space of rows."""

    n_rows: int
    """m: one for each prediction of each training row."""

    def apply(self, V: FloatArray) -> FloatArray:
        """Z V, shape (m, t)."""

    def adjoint(self, U: FloatArray) -> FloatArray:
        """Zᵀ U, shape (p, t)."""

    def gram(self, diagonal: FloatArray) -> FloatArray:
        """Z diag(diagonal) Zᵀ, shape (m, m)."""


class Engine(Protocol):
    """A model linearised at one ``theta``.

    The five primitives are ``linearize`` (done when the engine is made), ``hvp``, ``hessian``,
    ``row_dot`` and ``mixed_vjp``. Right-hand sides ``V`` and ``S`` are always (p, t).
    """

    @property
    def problem(self) -> Problem:
        """The model and its data."""

    @property
    def theta(self) -> FloatArray:
        """Where the model is linearised, shape (p,)."""

    @property
    def n_params(self) -> int:
        """Length p of theta."""

    @property
    def curvature(self) -> str:
        """Which curvature :meth:`hvp` multiplies with."""

    @property
    def passes(self) -> float:
        """Work of a product for each row and parameter, in that of a generalised linear model."""

    @property
    def f(self) -> FloatArray:
        """Raw predictions, shape (n,), or (n, K) for K of them a row."""

    @property
    def objective(self) -> float:
        """R(theta) in the spec's own reduction."""

    @property
    def gradient(self) -> FloatArray:
        """∇R(theta) in mean form, shape (p,)."""

    @property
    def gradient_scale(self) -> FloatArray:
        """What each sum in ``gradient`` cancels from, shape (p,)."""

    @property
    def fold(self) -> FloatArray:
        """What a row's g_i adds to ∇l_i, shape (p,)."""

    @property
    def row_sizes(self) -> FloatArray:
        """A cheap stand-in for every row's self-influence, shape (n,)."""

    @property
    def convex(self) -> bool:
        """Whether no row's term bends downwards at theta."""

    @property
    def row_curvature(self) -> RowCurvature:
        """The Hessians of single rows' losses, for solvers that draw rows."""

    @property
    def curvature_root(self) -> CurvatureRoot | None:
        """Z with H = ZᵀZ + penalty, or None where the model kind has no such form."""

    def hvp(self, V: FloatArray) -> FloatArray:
        """Mean-form Hessian (penalty included, damping not) times V, shape (p, t)."""

    def hessian(self) -> FloatArray:
        """Mean-form Hessian (penalty included, damping not), shape (p, p)."""

    def data_hessian(self) -> FloatArray:
        """Σ_i w_i ∇²l_i, shape (p, p)."""

    def diagonal(self) -> FloatArray:
        """Diagonal of :meth:`hessian`, shape (p,), without forming it."""

    def row_dot(self, block: Block, S: FloatArray) -> FloatArray:
        """∇l_i · s for the block's rows and every column of S, shape (t, b); no penalty."""

    def mixed_vjp(self, rows: IntArray, s: FloatArray) -> FloatArray:
        """∇x (∇l_i · s) for the chosen rows, shape (k, d)."""

    def row_gradients(self, rows: IntArray) -> FloatArray:
        """∇l_i of the chosen rows, shape (k, p); no penalty."""

    def block_gradients(self, block: Block) -> FloatArray:
        """∇l_i of a block's rows, shape (b, p); no penalty."""

    def grouped_gradients(
        self, rows: IntArray, owner: IntArray, k: int, scale: FloatArray
    ) -> FloatArray:
        """Σ scale_i ∇l_i over the rows of each of k owners, shape (k, p)."""

    def loss_gradients(self, test: TestRows) -> FloatArray:
        """∇l(z_test), shape (t, p); no penalty."""

    def prediction_gradients(self, test: TestRows, output: str) -> FloatArray:
        """Gradient of the raw or mean prediction of each test row, shape (t, p).

        With K predictions a row (t·K, p): test row after test row.
        """

    def at(self, theta: FloatArray) -> Engine:
        """The same model and data linearised at another theta."""

    # Values at every column of Theta (p, k), for removals.

    def test_losses(self, test: TestRows, Theta: FloatArray) -> FloatArray:
        """Loss of each test row, shape (t, k)."""

    def predictions(self, test: TestRows, Theta: FloatArray, output: str) -> FloatArray:
        """Predictions of the test rows, shape (t, k), or (t, k, K) for K of them a row."""

    def total_gradients(self, Theta: FloatArray) -> FloatArray:
        """Σ_i w_i ∇l_i, shape (p, k); no penalty."""

    def set_gradients(
        self, Theta: FloatArray, rows: IntArray, owner: IntArray, scale: FloatArray
    ) -> FloatArray:
        """Σ scale_i ∇l_i over the rows of each owner j at column j of Theta, shape (k, p)."""
