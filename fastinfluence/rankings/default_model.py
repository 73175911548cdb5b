"""The model that judges labels where none is given: linear, its penalty chosen by held-out loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from fastinfluence.engines.linearize import linearize
from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.fit import minimize
from fastinfluence.influence import Influence
from fastinfluence.inputs import positive
from fastinfluence.problem import Problem
from fastinfluence.progress import Progress
from fastinfluence.rankings.mislabelled import Judge
from fastinfluence.rows.stream_tables import StreamTable
from fastinfluence.spec.models import GLM
from fastinfluence.tables import Table, as_table, as_vector, library_of

START, FACTOR = 10.0, 10.0
"""First penalty tried, in units of 1/n, and the ratio of one to the next."""
SMALLEST, LARGEST = 1e-3, 1e4
"""Penalties beyond which, in units of 1/n, none is tried."""
FIT_TOL = 1e-5
"""‖∇R‖ of a fit: what it lacks of an optimum, the step that leaves a row out makes up for."""
LARGEST_SHARE = 0.5
"""Classes per row above which y is taken for something else."""


def default_model(
    X: Any,
    y: Any,
    sample_weight: Any,
    l2: float | None,
    judge: Judge | None,
    n_threads: int | None,
    progress: bool | Progress | None,
) -> Influence:
    """Logistic or multinomial regression on the standardised columns of X.

    ``judge`` says by which held-out loss ``l2`` is chosen where it is None: of penalties a factor
    of ten apart, the first that no neighbour beats. None: what is affordable.
    """
    table, classes = encoded(X), _classes(y)
    n = len(classes[1])
    chosen = None if l2 is None else positive(l2, "l2")
    spec = GLM("logistic" if len(classes[0]) == 2 else "multinomial", l2=chosen or START / n)
    infl = Influence.fit(
        spec, table, y, sample_weight, n_threads=n_threads, progress=progress, tol=FIT_TOL
    )
    if chosen is not None:
        return infl
    return _with_best_penalty(infl, judge or Judge.affordable(infl._engine))


def _classes(y: Any) -> tuple[Any, Any]:
    """The distinct labels and y itself; InputError where y holds no classes."""
    given = as_vector(y, "y")
    missing = [i for i, label in enumerate(given.tolist()) if _is_missing(label)]
    if missing:
        raise InputError(
            f"y is missing in row {missing[0]}, one of {len(missing)} such rows: leave them out, "
            "or give them a label"
        )
    try:
        distinct = np.unique(given)
    except TypeError as error:
        raise InputError(f"y mixes labels that cannot be ordered: {error}") from error
    real = given.dtype.kind == "f" and not (given == np.floor(given)).all()
    if real or len(distinct) > max(2, LARGEST_SHARE * len(given)):
        raise InputError(
            f"y holds {len(distinct)} distinct values in {len(given)} rows: label issues are "
            "sought among classes; for a numeric target look at "
            "infl.diagnostics().studentized_external"
        )
    return distinct, given


def _is_missing(label: Any) -> bool:
    """None, NaN, and what pandas calls NA or NaT."""
    nothing = label is None or type(label).__name__ in ("NAType", "NaTType")
    return nothing or (isinstance(label, float) and label != label)


def _with_best_penalty(infl: Influence, judge: Judge) -> Influence:
    """The same model at the penalty of the smallest mean held-out loss."""
    problem = infl._problem
    n = problem.n_rows
    unit: float = START
    best, best_loss = (problem, infl.theta), _held_out(problem, infl.theta, judge)
    for ratio in (1 / FACTOR, FACTOR):
        moved, size = False, unit
        while SMALLEST <= size * ratio <= LARGEST:
            size *= ratio
            other = replace(problem, spec=replace(problem.spec, l2=size / n))
            theta, _ = minimize(other, best[1], FIT_TOL)
            loss = _held_out(other, theta, judge)
            if not loss < best_loss:
                break
            best, best_loss, moved = (other, theta), loss, True
        if moved:
            break
    return Influence._of(*best, infl._settings)


def _held_out(problem: Problem, theta: Any, judge: Judge) -> float:
    """Mean held-out loss, by sample weight."""
    loss = judge(linearize(problem, theta)).loss
    known = ~np.isnan(loss)
    return float(problem.w[known] @ loss[known] / problem.w[known].sum())


def encoded(X: Any) -> Table:
    """Rows as standardised numbers, with the caller's row labels and library.

    Of a data frame as :func:`fastinfluence.audit.encode.encode` does it: texts become one column
    per category, missing values are filled and marked. Of an array or a sparse matrix each column
    is divided by its spread; an array's are centred too.
    """
    if isinstance(X, Influence):
        raise InputError("X is a fitted model already: give it alone")
    if isinstance(X, StreamTable):
        raise InputError(
            "X is streamed: fit it first, fi.Influence.fit(fi.GLM(...), X), and give the model"
        )
    if hasattr(X, "__arrow_c_stream__") or hasattr(X, "__arrow_c_array__") or hasattr(X, "iloc"):
        return _of_frame(X)
    table = as_table(X)
    values = table.values
    if hasattr(values, "tocsr"):
        return replace(table, values=_scaled(values))
    values = np.asarray(values)
    if not np.isfinite(values).all():
        return table  # refused where the model is built, by the place of the first
    centre, spread = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    spread = np.where(spread > 0, spread, 1.0)
    return replace(table, values=((values - centre) / spread).astype(values.dtype, copy=False))


def _scaled(X: Any) -> Any:
    """A sparse matrix with columns of standard deviation 1, zeros where they were.

    It is not centred: the model's intercept makes up for that.
    """
    out = csr_array(X, dtype=X.dtype, copy=True)
    (n, d), data = out.shape, out.data.astype(np.float64)
    mean = np.bincount(out.indices, data, minlength=d) / n
    apart = np.bincount(out.indices, np.square(data - mean[out.indices]), minlength=d)
    absent = n - np.bincount(out.indices, minlength=d)
    spread = np.sqrt((apart + absent * np.square(mean)) / n)
    out.data /= np.where(spread > 0, spread, 1.0).astype(out.dtype)[out.indices]
    return out


def _of_frame(X: Any) -> Table:
    try:
        from pyarrow import ArrowException

        from fastinfluence.audit.encode import encode
        from fastinfluence.audit.frames import arrow_table
        from fastinfluence.audit.options import Options
    except ImportError as error:
        raise UnsupportedError(
            "the columns of a data frame are read with pyarrow and scikit-learn: pip install "
            "'fastinfluence[cli]', or give numbers as an array"
        ) from error
    table, target = arrow_table(X), "y"
    while target in table.column_names:  # the name of no column: all of them are features
        target += "_"
    try:
        found = encode(table, Options(target))
    except ArrowException as error:
        raise InputError(f"a column cannot be encoded: {' '.join(str(error).split())}") from error
    labels = getattr(X, "index", None)
    return Table(found.X, found.names, labels, named=True, library=library_of(X))
