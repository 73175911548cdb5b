"""LiSSA: the inverse as an average of short stochastic recursions over single rows.

Agarwal, Bullins & Hazan (2017), as used by Koh & Liang (2017, section 3). With row samples H_k
of H and a scale s, cur_0 = v and

    cur_{k+1} = v + (I − H_k/s) cur_k,        E cur_t / s = H⁻¹ (I − (I − H/s)^{t+1}) v,

so ``depth`` steps leave the bias H⁻¹(I − H/s)^{depth+1} v, and the mean over ``repeats``
independent recursions tells its own standard error. O(p) per step: O(np + rtp) in all.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastinfluence.backend import contiguous, numbers
from fastinfluence.curvature import Curvature
from fastinfluence.errors import FastInfluenceWarning, InputError, SolverError
from fastinfluence.inputs import one_of, positive, positive_count
from fastinfluence.lazy import cached_property
from fastinfluence.solvers.base import Conditioning, Prepared, Solution, residual_bound
from fastinfluence.solvers.draws import SAMPLINGS, draws_of
from fastinfluence.solvers.gauge import prepared_on_range
from fastinfluence.solvers.recursion import Recursions
from fastinfluence.solvers.spectrum import LowerEnd, smallest_eigenvalue
from fastinfluence.solvers.stability import assess
from fastinfluence.types import BoolArray, FloatArray

RUNAWAY = 1e3
"""At a stable scale ‖cur_k‖ has a root mean square of at most (k + 1)‖v‖: one this many times
longer has diverged, with a false alarm in less than one of RUNAWAY² runs."""
SIGMAS = 3.0
INDEFINITE = "negative curvature: no scale is stable; add damping, or use curvature='gauss-newton'"


@dataclass(frozen=True)
class LiSSA:
    """Stochastic recursion over rows, O(np + repeats·depth·batch·p).

    Only its cost per right-hand side speaks for it: it is noisy, and H of any model whose rows
    fit on the machine is usually solved sooner by :class:`CG`. It is here because the paper
    uses it, and for tables so long that even CG's passes cost too much.

    Parameters
    ----------
    depth : int, default 5000
        Steps t of one recursion.
    repeats : int, default 10
        Recursions r that are averaged. One gives no standard error.
    batch : int, default 1
        Rows drawn per step.
    scale : "auto" or float, default "auto"
        s above. ``"auto"`` is the smallest scale for which mean and mean square contract,
        from products with H and Σ H_i² (:mod:`fastinfluence.solvers.stability`), or a larger
        and quieter one, up to max_i ‖H_i‖, where ``depth`` affords it.
    seed : int, default 0
        Repeats use independent streams spawned from it: same bits at any number of threads,
        the same rows for every right-hand side. Global random state is never touched.
    sampling : {"weight", "curvature"}, default "weight"
        Rows are drawn with probability ∝ w_i (the paper's uniform draws where all weights are
        equal), or ∝ w_i‖∇²l_i‖, which allows the smallest scale. H_k is unbiased either way.
    replacement : bool, default True
        False: every row of positive weight once per epoch in shuffled order, carrying
        w_i, as in the original code; the recursion is then only nearly unbiased. Needs
        ``sampling="weight"``.
    tol : float, default 0.05
        A column is ``"converged"`` when its bias bound is at most this share of ‖x‖.
    """

    depth: int = 5000
    repeats: int = 10
    batch: int = 1
    scale: float | str = "auto"
    seed: int = 0
    sampling: str = "weight"
    replacement: bool = True
    tol: float = 0.05

    stochastic: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("depth", "repeats", "batch"):
            positive_count(getattr(self, name), name)
        if not isinstance(self.seed, int | np.integer) or self.seed < 0:
            raise InputError(f"seed={self.seed!r} must be an integer of at least 0")
        if isinstance(self.scale, str):
            one_of(self.scale, ("auto",), "scale")
        else:
            positive(self.scale, "scale")
        positive(self.tol, "tol")
        one_of(self.sampling, SAMPLINGS, "sampling")
        if not self.replacement and self.sampling != "weight":
            raise InputError('replacement=False draws uniformly: use sampling="weight"')

    def prepare(self, operator: Curvature) -> Prepared:
        """Find the scale and the smallest eigenvalue: about thirty passes over the data."""
        return prepared_on_range(operator, lambda H: PreparedLiSSA(self, H))


class PreparedLiSSA:
    """The recursion on one operator.

    Attributes
    ----------
    scale : float
        s in use.
    stability : Stability
        The recommended scale and the certain one.
    """

    def __init__(self, config: LiSSA, operator: Curvature) -> None:
        self.config, self.operator = config, operator
        self.draws = draws_of(operator, config.sampling, config.replacement)
        given = config.scale if not isinstance(config.scale, str) else None
        self.stability = assess(operator, self.draws.factors, config.batch, given)
        self.scale = self._auto() if given is None else float(given)

    def _auto(self) -> float:
        """The smallest stable scale, or a quieter larger one that ``depth`` can afford.

        The variance falls as 1/s, the bias (1 − λ_min/s)^depth grows: s rises, at most to the
        certain bound, while the proven bias stays below a fifth of ``tol``.
        """
        stable, top = self.stability.scale, self.stability.ceiling
        affordable = self._lower.value * self.config.depth / np.log(5 / min(1.0, self.config.tol))
        return float(np.clip(affordable, stable, max(stable, top))) if np.isfinite(top) else stable

    @cached_property
    def _lower(self) -> LowerEnd:
        return smallest_eigenvalue(self.operator, self.config.seed)

    @property
    def indefinite(self) -> bool:
        """Whether H has a direction of negative curvature."""
        return self.stability.indefinite or self._lower.value < 0

    @cached_property
    def conditioning(self) -> Conditioning:
        """λ_min (a bound or an estimate), and the scale in use."""
        chosen = "auto" if isinstance(self.config.scale, str) else "as given"
        return Conditioning(
            lambda_min=max(0.0, self._lower.value),
            certain=self._lower.certain,
            negative=int(self.indefinite),
            note=f"LiSSA scale {self.scale:.4g} ({chosen}; recommended "
            f"{self.stability.scale:.4g}, largest row {self.stability.ceiling:.4g})",
        )

    def apply(self, B: FloatArray) -> FloatArray:
        """H⁻¹ B; SolverError where a column diverged, a warning where one was cut short."""
        solution = self.solve(B)
        told = [f"LiSSA, right-hand side {j}: {text}" for j, text in enumerate(solution.status)]
        lost = np.flatnonzero(~np.isfinite(solution.x).all(axis=0))
        if len(lost):
            raise SolverError(told[lost[0]])
        cut = np.flatnonzero(~solution.converged)
        if len(cut):
            warnings.warn(told[cut[0]], FastInfluenceWarning, stacklevel=3)
        return solution.x

    def solve(self, B: FloatArray) -> Solution:
        """H⁻¹ B, shape (p, t), with bias bounds and, from two repeats on, standard errors."""
        V = contiguous(B.T)
        if self.indefinite:
            return self._refused(B)
        mean, error = self._average(V)
        x, std_error = mean.T / self.scale, None if error is None else error.T / self.scale
        residuals = np.linalg.norm(B - self.operator.matmat(x), axis=0)
        lost = self._lost(x, residuals, np.linalg.norm(B, axis=0))
        x[:, lost], residuals[lost] = np.nan, np.inf
        if std_error is not None:
            std_error[:, lost] = np.nan
        bias = self._bias_bound(B, x, std_error)
        bias[lost] = np.inf
        return Solution(
            x=x,
            converged=~lost & (bias <= self.config.tol * np.linalg.norm(x, axis=0)),
            iterations=np.full_like(residuals, self.config.depth, dtype=np.intp),
            residual_norms=residuals,
            error_bound=residual_bound(residuals, self.conditioning.lambda_min),
            std_error=std_error,
            status=self._statuses(x, lost, bias),
            bound_is_certain=self.conditioning.certain,
            bias_bound=bias,
        )

    # -- the recursions ----------------------------------------------------------------

    def _average(self, V: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """Mean and standard error of ``cur`` over repeats, in the order of the repeats."""
        mean, spread, done = np.zeros_like(V), np.zeros_like(V), 0
        with np.errstate(invalid="ignore", over="ignore"):
            for some in self._repeats(V):
                total = done + len(some)
                own = some.mean(axis=0)
                gap = own - mean
                mean += gap * (len(some) / total)
                spread += np.square(some - own).sum(axis=0) + gap * gap * (done * len(some) / total)
                done = total
        r = self.config.repeats
        return mean, None if r == 1 else np.sqrt(spread / (r * (r - 1)))

    def _repeats(self, V: FloatArray) -> Iterator[FloatArray]:
        config = self.config
        limits = RUNAWAY * (config.depth + 1) * np.linalg.norm(V, axis=1)
        recursions = Recursions(self.operator, self.draws, config.batch, self.scale, limits)
        seeds = np.random.SeedSequence(config.seed).spawn(config.repeats)
        return recursions.run(V, seeds, config.depth)

    # -- the account -------------------------------------------------------------------

    @property
    def _too_small(self) -> bool:
        return not self.stability.certain(self.scale) and self.scale < 0.5 * self.stability.scale

    def _lost(self, x: FloatArray, residuals: FloatArray, norms: FloatArray) -> BoolArray:
        """Columns that blew up, or that a scale known to be too small left worse than x = 0."""
        lost = ~np.isfinite(x).all(axis=0)
        return lost | (~(residuals <= norms) & self._too_small)

    def _bias_bound(self, B: FloatArray, x: FloatArray, std_error: FloatArray | None) -> FloatArray:
        """‖H⁻¹(I − H/s)^{depth+1} b‖ ≤ q‖H⁻¹b‖, and two bounds of ‖H⁻¹b‖.

        q = max |1 − λ/s|^{depth+1} over the spectrum, which ends at s* at the latest.
        ‖H⁻¹b‖ is at most ‖b‖/λ_min, and at most ‖Ex‖/(1 − q) with ‖Ex‖ ≤ ‖x‖ + 3 standard errors.
        """
        lower = self.conditioning.lambda_min
        if lower <= 0:
            return np.full_like(B[0], np.inf)
        slowest = max(1.0 - lower / self.scale, self.stability.scale / self.scale - 1.0)
        q = min(1.0, slowest) ** (self.config.depth + 1)
        bound: FloatArray = np.linalg.norm(B, axis=0) / lower
        if std_error is not None and q < 1:
            spread = SIGMAS * np.linalg.norm(std_error, axis=0)
            bound = np.fmin(bound, (np.linalg.norm(x, axis=0) + spread) / (1.0 - q))
        return q * bound

    def _statuses(self, x: FloatArray, lost: BoolArray, bias: FloatArray) -> tuple[str, ...]:
        sizes = np.linalg.norm(x, axis=0)
        return tuple(
            self._diverged() if gone else self._finished(bound, size)
            for gone, bound, size in zip(*map(numbers, (lost, bias, sizes)), strict=True)
        )

    def _diverged(self) -> str:
        return (
            f"diverged: scale={self.scale:.4g} is too small for these rows; "
            f"use scale='auto' ({self.stability.scale:.4g}) or a larger one"
        )

    def _finished(self, bias: float, size: float) -> str:
        if self._too_small:
            return (
                f"unstable: scale={self.scale:.4g} is below half of {self.stability.scale:.4g}, "
                "so the variance may not be finite; use scale='auto'"
            )
        if bias <= self.config.tol * size:
            return "converged"
        share = f"{bias / size:.0%} of ‖x‖" if size > 0 and np.isfinite(bias) else "unknown"
        known = "at most" if self._lower.certain else "at most (λ_min is an estimate)"
        return f"truncated after {self.config.depth} steps: bias {known} {share}; {self._advice()}"

    def _advice(self) -> str:
        lower = self.conditioning.lambda_min
        if lower <= 0:
            return "λ_min is not known: use CG or Direct, or add damping"
        steps = np.log1p(1 / self.config.tol) * self.scale / lower
        return f"depth={steps:.0f} would bring it to {self.config.tol:.0%}, CG or Direct to none"

    def _refused(self, B: FloatArray) -> Solution:
        t = B.shape[1]
        unknown = np.full_like(B[0], np.inf)
        return Solution(
            x=np.full_like(B, np.nan),
            converged=np.zeros_like(unknown, dtype=bool),
            iterations=np.zeros_like(unknown, dtype=np.intp),
            residual_norms=unknown,
            error_bound=unknown,
            std_error=None,
            status=(INDEFINITE,) * t,
            bias_bound=unknown,
        )
