"""Classical regression diagnostics for every GLM, from one factor and no refits.

Notation (DESIGN 3.9): A = W·H undamped, h_i = w_i l″_i x_iᵀA⁻¹x_i, Δ_i = θ − θ₋ᵢ by one Newton
step of the objective without row i (exact for squared loss), φ the dispersion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastinfluence.deletion import Deletion
from fastinfluence.engines.glm import GLMEngine
from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.lazy import cached_property
from fastinfluence.progress import Progress, silent
from fastinfluence.residuals import FIXED_DISPERSION, deviance_residuals, pearson_residuals
from fastinfluence.tables import frame_of
from fastinfluence.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROUNDING = 1e-9
"""Degrees of freedom for each row, and distances of a leverage from 1, below which is nothing."""


class Diagnostics:
    """Leverage, Cook's distance and their kin for every training row.

    Every array has one entry per row, shape (n,), except ``dfbeta`` and ``dfbetas`` (n, p),
    which are computed when asked for. Leverages are observed (l″ as it is) or, with
    ``curvature="fisher"``, expected as in R. Made by :meth:`fastinfluence.Influence.diagnostics`,
    which hands over its engine and progress.

    Attributes
    ----------
    p_eff : float
        Effective degrees of freedom Σ h_i; p without a penalty.
    dispersion : float
        φ: Pearson χ²/(n₊ − p_eff), n₊ rows of positive weight (Σw for frequency weights); 1
        for binomial, Poisson and negative binomial models, and for losses without a mean.
    """

    def __init__(self, engine: GLMEngine, progress: Progress = silent) -> None:
        self._engine = engine
        self._deletion = Deletion(engine, progress)
        self._rows, dfbeta = self._deletion()
        if dfbeta is not None:
            self.__dict__["dfbeta"] = dfbeta  # what the cached property would compute again
        self.p_eff = float(self._rows.leverage.sum())
        self.dispersion = self._dispersion()

    def _dispersion(self) -> float:
        loss = self._engine.problem.spec.loss
        if loss.name in FIXED_DISPERSION or "fisher" not in loss.program.outputs:
            return 1.0
        return self._chi2 / self._spare

    @cached_property
    def _chi2(self) -> float:
        return float(self.pearson @ self.pearson)

    @property
    def _spare(self) -> float:
        """Residual degrees of freedom n₊ − p_eff."""
        problem = self._engine.problem
        n = problem.W if problem.frequency_weights else float((problem.w > 0).sum())
        spare = n - self.p_eff
        if spare <= 0:
            raise InputError(
                f"{n:g} rows leave no degrees of freedom beside p_eff = {self.p_eff:.1f}: the "
                "dispersion cannot be estimated; add rows or l2"
            )
        return spare

    @cached_property
    def _dispersion_without(self) -> FloatArray:
        """φ₋ᵢ: the dispersion estimated without each row, shape (n,)."""
        problem = self._engine.problem
        if self.dispersion == 1.0 and problem.spec.loss.name in FIXED_DISPERSION:
            return np.ones(problem.n_rows)
        if "fisher" not in problem.spec.loss.program.outputs:
            return np.ones(problem.n_rows)
        gone = problem.w if problem.frequency_weights else (problem.w > 0).astype(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            rest = self._chi2 - self.pearson**2 / (1 - self.leverage)
            spare = self._spare - gone  # without freedom or without a unique fit: undefined
            known = (spare > ROUNDING * problem.n_rows) & (self.leverage < 1 - ROUNDING)
            return np.where(known, np.maximum(rest, 0.0) / spare, np.nan)

    # -- per row -----------------------------------------------------------------------

    @property
    def leverage(self) -> FloatArray:
        """h_i = w_i l″_i x_iᵀA⁻¹x_i: how much of row i's fit is its own label's."""
        return self._rows.leverage

    @property
    def cooks_distance(self) -> FloatArray:
        """Δ_iᵀAΔ_i/(p_eff·φ) (Cook 1977; Pregibon 1981 for GLMs)."""
        return self._rows.cook / (self.p_eff * self.dispersion)

    @cached_property
    def dffits(self) -> FloatArray:
        """x_iᵀΔ_i/√(φ₋ᵢ x_iᵀA⁻¹x_i): change of the row's own prediction in standard errors."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._rows.shift / np.sqrt(self._dispersion_without * self._rows.spread)

    @cached_property
    def pearson(self) -> FloatArray:
        """√w (y − μ)/√V(μ)."""
        return pearson_residuals(self._engine)

    @cached_property
    def deviance(self) -> FloatArray:
        """Signed root of each row's share of the deviance."""
        return deviance_residuals(self._engine)

    @cached_property
    def studentized_internal(self) -> FloatArray:
        """Pearson residual / √(φ(1 − h)); standardised residuals of a linear model."""
        return self._studentized(self.dispersion)

    @cached_property
    def studentized_external(self) -> FloatArray:
        """Pearson residual / √(φ₋ᵢ(1 − h)): t-distributed for a linear model."""
        return self._studentized(self._dispersion_without)

    def _studentized(self, dispersion: FloatArray | float) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.pearson / np.sqrt(dispersion * (1 - self.leverage)))

    @cached_property
    def covratio(self) -> FloatArray:
        """Ratio of det cov(θ₋ᵢ) to det cov(θ), (φ₋ᵢ/φ)^p/(1 − h); least squares only."""
        if self._engine.problem.spec.loss.name not in ("squared", "gaussian"):
            raise UnsupportedError("COVRATIO is defined for least squares only")
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (self._dispersion_without / self.dispersion) ** self._engine.n_params
            return np.asarray(ratio / (1 - self.leverage))

    @property
    def loo_prediction(self) -> FloatArray:
        """Linear predictor of each row by the model without it (ALO; exact for squared loss)."""
        return self._engine.f - self._rows.shift

    @cached_property
    def dfbeta(self) -> FloatArray:
        """Δ_i = θ − θ₋ᵢ, shape (n, p): full minus deleted, the opposite of a removal."""
        return self._deletion.dfbeta()

    @property
    def dfbetas(self) -> FloatArray:
        """Δ_ij/√(φ₋ᵢ (A⁻¹)_jj), shape (n, p)."""
        spread = np.diagonal(self._deletion.factor.solve(np.eye(self._engine.n_params)))
        out = self.dfbeta / np.sqrt(self._dispersion_without)[:, None]
        out /= np.sqrt(spread)
        return np.asarray(out)

    # -- as a table --------------------------------------------------------------------

    @property
    def thresholds(self) -> dict[str, float]:
        """Customary bounds on the absolute value, beyond which a row deserves a look."""
        n, p = self._engine.problem.n_rows, self.p_eff
        return {
            "leverage": 2 * p / n,
            "cooks_distance": 4 / n,
            "dffits": 2 * float(np.sqrt(p / n)),
            "dfbetas": 2 / float(np.sqrt(n)),
            "studentized_internal": 2.0,
            "studentized_external": 2.0,
        }

    def flagged(self, name: str) -> BoolArray:
        """Rows beyond the customary threshold of one diagnostic, shape (n,).

        Parameters
        ----------
        name : str
            A key of ``thresholds``.

        Returns
        -------
        ndarray of bool, shape (n,)
            Of ``dfbetas``: beyond it in any parameter.

        Raises
        ------
        InputError
            For a name without a threshold.
        """
        if name not in self.thresholds:
            known = ", ".join(self.thresholds)
            raise InputError(f"no threshold is known for {name!r}: use one of {known}")
        beyond: BoolArray = np.abs(getattr(self, name)) > self.thresholds[name]
        return np.asarray(beyond.any(axis=1)) if beyond.ndim == 2 else beyond

    @property
    def labels(self) -> Sequence[Any] | None:
        """The caller's row labels, or None."""
        return self._engine.problem.labels

    def plot(self, name: str = "cooks_distance", labelled: int = 5, ax: Axes | None = None) -> Axes:
        """One diagnostic of every row with its customary threshold.

        Parameters
        ----------
        name : str, default "cooks_distance"
        labelled : int, default 5
            How many of the largest are named.
        ax : Axes, optional
            Of matplotlib; a new one by default.

        Returns
        -------
        Axes

        Raises
        ------
        InputError
            For a name without a threshold.
        UnsupportedError
            If matplotlib is not installed.
        """
        from fastinfluence.plots import index_plot

        return index_plot(self, name, labelled, ax)

    def plot_leverage(self, labelled: int = 5, ax: Axes | None = None) -> Axes:
        """Leverage against residual, with contours of Cook's distance.

        Parameters
        ----------
        labelled : int, default 5
            How many of the largest Cook's distances are named.
        ax : Axes, optional
            Of matplotlib; a new one by default.

        Returns
        -------
        Axes

        Raises
        ------
        UnsupportedError
            If matplotlib is not installed.
        """
        from fastinfluence.plots import leverage_against_residual

        return leverage_against_residual(self, labelled, ax)

    def to_frame(self) -> Any:
        """All of it as a data frame with the caller's row labels and column names.

        Returns
        -------
        data frame, n rows
            Of the library of the training table (pandas, polars), or of pandas.
        """
        problem = self._engine.problem
        columns = {name: getattr(self, name) for name in _COLUMNS}
        if problem.spec.loss.name in ("squared", "gaussian"):
            columns["covratio"] = self.covratio
        dfbetas = self.dfbetas
        for j, name in enumerate(problem.param_names):
            columns[f"dfbetas_{name}"] = dfbetas[:, j]
        return frame_of(columns, problem.labels, problem.library)


_COLUMNS = (
    "leverage",
    "cooks_distance",
    "dffits",
    "studentized_internal",
    "studentized_external",
    "pearson",
    "deviance",
    "loo_prediction",
)
