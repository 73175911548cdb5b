"""Support vector machines with a kernel: linear models on the kernel's own features."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import issparse

from fastinfluence.adapters.base import Adapted, Margins
from fastinfluence.adapters.margin_readers import linear_svc, linear_svr
from fastinfluence.adapters.scikit_learn_readers import Objective
from fastinfluence.errors import FastInfluenceWarning, InputError, UnsupportedError
from fastinfluence.kernel_space import Kernel, KernelSpace, dense_inputs
from fastinfluence.labels import LabelCodec
from fastinfluence.problem import Problem
from fastinfluence.removal import Refit
from fastinfluence.tables import Table, as_vector
from fastinfluence.types import FloatArray, IntArray

KERNEL_MACHINES = {"SVC": linear_svc, "SVR": linear_svr}
FAITHFUL = 1e-3
"""Largest error of the approximated decision values, of their size, that needs no warning."""


def has_kernel(estimator: Any) -> bool:
    """Whether this is an SVM whose features are a kernel's."""
    return type(estimator).__name__ in KERNEL_MACHINES and estimator.kernel != "linear"


def check_machine(estimator: Any) -> None:
    """Refuse what is not fitted, has several classes, or a kernel without a feature space."""
    name = type(estimator).__name__
    if not hasattr(estimator, "dual_coef_"):
        raise InputError(f"{name} is not fitted yet: call fit first")
    if estimator.dual_coef_.shape[0] != 1:
        raise UnsupportedError(
            f"{name} was fitted on several classes: fit one class against the rest"
        )
    advice = {
        "sigmoid": "it is not positive definite, so the fit has no unique optimum: use 'rbf'",
        "precomputed": "it does not tell what the rows are: pass kernel='rbf' or 'poly' and X",
    }
    if estimator.kernel not in ("rbf", "poly", "linear"):
        why = advice.get(estimator.kernel, "only 'linear', 'rbf' and 'poly' are read")
        raise UnsupportedError(f"{name}(kernel={estimator.kernel!r}): {why}")
    if estimator.kernel == "poly" and estimator.coef0 < 0:
        raise UnsupportedError(
            f"{name}(coef0={estimator.coef0!r}): with a negative coef0 the polynomial kernel is "
            "not positive definite, so the fit has no unique optimum: use coef0 of at least 0"
        )


def kernel_of(estimator: Any, X: FloatArray) -> Kernel:
    """The fitted kernel, its gamma as a number."""
    gamma, d = estimator.gamma, X.shape[1]
    if gamma == "scale":
        spread = float(X.var())
        gamma = 1.0 / (d * spread) if spread else 1.0
    elif gamma == "auto":
        gamma = 1.0 / d
    return Kernel(estimator.kernel, float(gamma), float(estimator.coef0), int(estimator.degree))


def adapt_machine(
    estimator: Any,
    objective: Objective,
    full: Table,
    y: Any,
    weights: Any,
    codec: LabelCodec | None,
    inner: Callable[[Any], Any] | None,
    margins: Margins,
    n_threads: int | None,
) -> Adapted:
    """The problem of a fitted kernel machine on at most ``max_rank`` features."""
    X = dense_inputs(full, "X")
    kernel = kernel_of(estimator, X)
    f = kernel(X, _dense(estimator.support_vectors_)) @ dual_coefficients(estimator)
    f += float(estimator.intercept_[0])
    encoded = (codec or LabelCodec(objective.spec.loss)).encode(y, len(X))
    span = _spanning_rows(objective, f, encoded, margins.max_rank)
    space = KernelSpace.spanned_by(kernel, full, span, inner)
    table = space.table(X)
    features = table.values
    problem = Problem.build(
        objective.spec,
        table,
        y,
        sample_weight=weights,
        n_threads=n_threads,
        codec=codec,
        transform=space,
    )
    problem = replace(problem, labels=full.labels, library=full.library, space=space)
    own = None if weights is None else problem.w
    theta = machine_theta(estimator, features, _fitted_rows(np.arange(len(X)), own))
    _warn_if_unfaithful(space, features @ theta[:-1] + theta[-1], f)
    held = objective.frozen.set_params(gamma=kernel.gamma)
    refit = _refitter(held, X, features, as_vector(y, "y"), own)
    return Adapted(problem, theta, refit, objective.stationary)


def _fitted_rows(rows: IntArray, weights: FloatArray | None) -> IntArray:
    """The rows that libsvm saw: it drops those of weight zero before it numbers the rest."""
    return rows if weights is None else rows[weights[rows] > 0]


def machine_theta(estimator: Any, features: FloatArray, rows: IntArray) -> FloatArray:
    """Coordinates of Σ_j dual_j k(x_j, ·), then the intercept; ``rows``: what it was fitted on."""
    support = rows[estimator.support_]
    coordinates = features[support].T @ dual_coefficients(estimator)
    return np.append(coordinates, np.ravel(estimator.intercept_))


def dual_coefficients(estimator: Any) -> FloatArray:
    """The weight of each support vector's function; sparse where X was."""
    return np.ravel(_dense(estimator.dual_coef_))


def _dense(values: Any) -> FloatArray:
    return np.asarray(values.toarray() if issparse(values) else values, dtype=np.float64)


def _spanning_rows(objective: Objective, f: FloatArray, y: FloatArray, most: int) -> IntArray:
    """All rows, or those that weigh most in the gradient: the support vectors first."""
    if len(f) <= most:
        return np.arange(len(f))
    (slope,) = objective.spec.loss.evaluate(f, y, "d1")
    return np.argsort(-np.abs(slope), kind="stable")[:most].astype(np.intp)


def _warn_if_unfaithful(space: KernelSpace, ours: FloatArray, theirs: FloatArray) -> None:
    error = float(np.abs(ours - theirs).max()) / float(np.abs(theirs).max() or 1.0)
    if error > FAITHFUL:
        warnings.warn(
            f"{space.rank} features reproduce the decision values to {error:.1%} of the largest "
            "only: raise max_rank above the number of support vectors",
            FastInfluenceWarning,
            stacklevel=5,
        )


def _refitter(
    held: Any, X: FloatArray, features: FloatArray, y: Any, weights: FloatArray | None
) -> Refit:
    from sklearn.base import clone

    def refit(rows: IntArray) -> FloatArray:
        estimator = clone(held)
        w = None if weights is None else weights[rows]
        estimator.fit(X[rows], y[rows], sample_weight=w)
        return machine_theta(estimator, features, _fitted_rows(rows, weights))

    return refit
