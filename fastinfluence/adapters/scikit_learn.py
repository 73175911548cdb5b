"""scikit-learn: from a fitted estimator to the problem that it solved.

``scikit_learn_readers`` says what each estimator minimises. With an l1 penalty, theta holds the
coefficients that are not zero: the others stay at zero and the signs stay what they are, which is
exact while a removal changes neither. Where one does, a FastInfluenceWarning says so.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastinfluence.active_set import ActiveSet
from fastinfluence.adapters.active_columns import Columns, active_set
from fastinfluence.adapters.advice import refuse
from fastinfluence.adapters.base import Adapted, Margins
from fastinfluence.adapters.kernel_machines import adapt_machine, check_machine, has_kernel
from fastinfluence.adapters.margin_readers import MARGIN_READERS
from fastinfluence.adapters.other_readers import OTHER_READERS
from fastinfluence.adapters.pipelines import split_pipeline
from fastinfluence.adapters.scikit_learn_networks import NETWORKS
from fastinfluence.adapters.scikit_learn_readers import READERS, Objective
from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.inputs import finite_matrix, positive
from fastinfluence.labels import LabelCodec
from fastinfluence.problem import Problem
from fastinfluence.rows.sources import as_rows
from fastinfluence.spec.loss import Loss
from fastinfluence.tables import Table, as_table, as_vector
from fastinfluence.types import FloatArray, IntArray

SOFTMAX = ("LogisticRegression", "LogisticRegressionCV")
"""Estimators that fit one softmax over three classes or more."""
ALL_READERS = READERS | MARGIN_READERS
SMOOTHING = 3e-3
"""Temperature by default: of the margin, or of the targets' standard deviation. Narrower ones
follow retraining better where many rows share the margin, wider ones where few do."""
SHARP = 1e-12
"""Temperature, likewise, at which a smoothed loss is the sharp one to twelve digits."""


def adapt_estimator(
    fitted: Any, X: Any, y: Any, sample_weight: Any, n_threads: int | None, margins: Margins
) -> Adapted:
    """The problem, theta and refitting procedure behind a fitted scikit-learn estimator."""
    transform, last = split_pipeline(fitted)
    library = type(last).__module__.partition(".")[0]
    readers = {"sklearn": ALL_READERS, **OTHER_READERS}.get(library, {})
    reader = readers.get(type(last).__name__)
    if reader is None:
        if library in OTHER_READERS:
            refuse(last, readers, library)
        refuse(last, (*ALL_READERS, *NETWORKS), "sklearn")
    kernel = has_kernel(last)
    (check_machine if kernel else _check_fitted)(last)
    d = int(last.n_features_in_ if kernel else np.shape(last.coef_)[-1])
    objective, sharp = at_temperature(reader(last, d), margins, y)
    _check_weights(objective, last, sample_weight)
    full = as_table(X if transform is None else transform(X))
    if full.values.shape[1] != d:
        raise InputError(
            f"X has {full.values.shape[1]} columns but {type(last).__name__} was fitted on {d}"
        )
    classes = getattr(last, "classes_", None)
    weights = _class_weights(objective, classes, y, sample_weight)
    codec = _codec(objective, classes, y)
    if kernel:
        out = adapt_machine(last, objective, full, y, weights, codec, transform, margins, n_threads)
        return replace(out, problem=replace(out.problem, sharp_loss=sharp))
    theta = _theta(last)
    columns = Columns(transform, full, np.flatnonzero(theta[:d]) if objective.l1 else np.arange(d))
    active = _active(objective, full, theta, columns.kept)
    problem = Problem.build(
        objective.spec,
        columns.part(full, columns.kept) if objective.l1 else full,
        y,
        sample_weight=weights,
        n_threads=n_threads,
        codec=codec,
        transform=columns if objective.l1 else transform,
    )
    kept = np.append(columns.kept, np.arange(d, len(theta)))
    own = None if weights is None else problem.w
    refit = _Refit(objective.frozen, full.values, as_vector(y, "y"), own, len(theta), kept)
    problem = replace(problem, active=active, sharp_loss=sharp)
    return Adapted(problem, theta[kept], refit, objective.stationary)


def at_temperature(objective: Objective, margins: Margins, y: Any) -> tuple[Objective, Loss | None]:
    """The objective with its hinge smoothed as asked for, and the hinge itself.

    By default over 0.003 of the margin, or of the targets' standard deviation.
    """
    if objective.smooth is None:
        if margins.temperature is not None:
            raise InputError("temperature smooths the hinge of an SVM; this loss has no kink")
        return objective, None
    real = isinstance(objective.spec.loss.y_domain, str)
    unit = float(np.std(finite_matrix(y, "y"))) or 1.0 if real else 1.0
    width = SMOOTHING * unit
    if margins.temperature is not None:
        width = positive(margins.temperature, "temperature")
    spec = replace(objective.spec, loss=objective.smooth(width))
    stationary = objective.unweighted  # descent is judged: it may have stopped anywhere
    return replace(objective, spec=spec, stationary=stationary), objective.smooth(SHARP * unit)


def _check_weights(objective: Objective, estimator: Any, sample_weight: Any) -> None:
    if objective.unweighted and (sample_weight is not None or objective.class_weight is not None):
        raise UnsupportedError(
            f"{type(estimator).__name__} takes no weights, or divides its weighted losses by the "
            "number of rows, so that a removed row would change the penalty's share: fit it "
            "without weights, or describe the model with fi.GLM"
        )


def _active(
    objective: Objective, full: Table, theta: FloatArray, kept: IntArray
) -> ActiveSet | None:
    if not objective.l1:
        return None
    return active_set(full, theta, kept, objective.l1, objective.l1_intercept)


def _check_fitted(estimator: Any) -> None:
    if not hasattr(estimator, "coef_"):
        raise InputError(f"{type(estimator).__name__} is not fitted yet: call fit first")
    shape = np.shape(estimator.coef_)
    if len(shape) == 2 and shape[0] != 1 and type(estimator).__name__ not in SOFTMAX:
        what = "classes" if hasattr(estimator, "classes_") else "targets"
        raise UnsupportedError(
            f"{type(estimator).__name__} was fitted on several {what}: fit one class against the "
            "rest, or one target at a time"
        )


def _theta(estimator: Any) -> FloatArray:
    """Coefficients, then the intercept; of several classes (d [+ 1], K) in C order."""
    if len(np.shape(estimator.coef_)) == 2 and np.shape(estimator.coef_)[0] > 1:
        rows = np.asarray(estimator.coef_, dtype=np.float64).T
        if estimator.fit_intercept:
            rows = np.vstack([rows, np.asarray(estimator.intercept_, dtype=np.float64)])
        return rows.ravel()
    coef = np.asarray(estimator.coef_, dtype=np.float64).ravel()
    if not getattr(estimator, "fit_intercept", True):  # libsvm always fits one
        return coef
    return np.append(coef, np.asarray(estimator.intercept_, dtype=np.float64).ravel())


def _codec(objective: Objective, classes: Any, y: Any) -> LabelCodec | None:
    if classes is None:
        return None
    unknown = np.setdiff1d(as_vector(y, "y"), classes)
    if len(unknown):
        raise InputError(f"y holds the label {unknown[0]!r}, unknown to the fitted estimator")
    if objective.spec.vector:
        return LabelCodec.of_classes(objective.spec.loss, np.asarray(classes))
    values = (-1.0, 1.0) if objective.signs else (0.0, 1.0)
    return LabelCodec(objective.spec.loss, np.asarray(classes), values)


def _class_weights(objective: Objective, classes: Any, y: Any, sample_weight: Any) -> Any:
    """Sample weights times class weights, as the estimator multiplied them."""
    if objective.class_weight is None:
        return sample_weight
    from sklearn.utils.class_weight import compute_class_weight

    labels = as_vector(y, "y")
    # "balanced" counts rows in ridge classifiers and, in newer releases, weights in logistic ones.
    counted = {}
    by_weight = not objective.signs if objective.by_weight is None else objective.by_weight
    if by_weight and "sample_weight" in inspect.signature(compute_class_weight).parameters:
        counted["sample_weight"] = sample_weight
    per_class = compute_class_weight(objective.class_weight, classes=classes, y=labels, **counted)
    own = per_class[np.searchsorted(classes, labels)]
    return own if sample_weight is None else own * as_vector(sample_weight, "sample_weight")


@dataclass(frozen=True)
class _Refit:
    """Refits the frozen clone; transformers and class weights keep their fitted values.

    An object, and no closure, so that what holds it can be pickled.
    """

    frozen: Any
    X: FloatArray
    y: np.ndarray[Any, Any]
    weights: FloatArray | None
    size: int
    kept: IntArray

    def __call__(self, rows: IntArray) -> FloatArray:
        """Parameters of the kept columns, fitted to the rows named."""
        from sklearn.base import clone

        estimator = clone(self.frozen)
        given = {} if self.weights is None else {"sample_weight": self.weights[rows]}
        estimator.fit(as_rows(self.X).take(rows).native(), self.y[rows], **given)
        theta = _theta(estimator)
        if len(theta) != self.size:
            raise UnsupportedError(
                f"without these rows a class of {type(estimator).__name__} has no row left, so its "
                'refit has other parameters: use method="exact"'
            )
        return theta[self.kept]
