"""Labels and groups of test rows, checked: which rows are positive, where a class begins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import brentq

from fastinfluence.engines.base import Engine
from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.inputs import finite_number, finite_vector
from fastinfluence.problem import TestRows
from fastinfluence.rows.indexed import Indexed
from fastinfluence.spec.loss import Loss
from fastinfluence.tables import as_vector
from fastinfluence.types import BoolArray

FAR = 50.0
"""Raw predictions between which the boundary of two classes is looked for."""
ADVICE = "give threshold, the raw prediction at which the class changes (0.5 for labels 0 and 1)"


def single(engine: Engine, what: str) -> None:
    """UnsupportedError where a row has several predictions."""
    K = engine.problem.n_outputs
    if K > 1:
        raise UnsupportedError(
            f"{what} is defined for models of one prediction a row, not for {K}: write it for one "
            "class with fi.targets.of_predictions, whose f is (t, K)"
        )


def labelled(engine: Engine, X: Any, y: Any, offset: Any, what: str) -> TestRows:
    """Test rows with their labels."""
    if y is None:
        raise InputError(f"y_test is needed: {what} asks about labelled rows")
    test = engine.problem.test_rows(X, y, offset)
    if not isinstance(test.y, Indexed):
        return test
    labels = finite_vector(y, len(test.X), "y_test")  # an oracle's own, in any container
    K = engine.problem.n_outputs
    if K > 1 and not np.isin(labels, np.arange(K)).all():
        raise InputError(f"{what}: y_test must count the {K} predictions of a row, 0 to {K - 1}")
    return replace(test, y=labels)


def positives(test: TestRows, what: str) -> BoolArray:
    """The rows of the larger of two labels, shape (t,)."""
    y = test.y
    assert y is not None
    known = [float(value) for value in np.unique(y)]
    if set(known) <= {0.0, 1.0} or set(known) <= {-1.0, 1.0}:
        return np.asarray(y == 1.0)
    if len(known) != 2:
        raise InputError(
            f"{what}: y_test holds {len(known)} distinct value(s): give two labels, the larger "
            "one positive"
        )
    return np.asarray(y == known[1])


def threshold_of(engine: Engine, given: float | None) -> float:
    """The raw prediction at which a model of two labels changes its mind."""
    if given is not None:
        return finite_number(given, "threshold")
    loss = getattr(engine.problem.spec, "loss", None)
    if not isinstance(loss, Loss) or isinstance(loss.y_domain, str) or len(loss.y_domain) != 2:
        raise InputError(f"accuracy: the model's loss has no two labels of its own: {ADVICE}")
    if "mean" not in loss.program.outputs:
        return 0.0
    half = sum(loss.y_domain) / 2

    def excess(f: float) -> float:
        return float(loss.evaluate(np.array([f]), np.zeros(1), "mean")[0][0]) - half

    if excess(0.0) == 0.0:
        return 0.0
    low, high = np.clip(loss.f_domain, -FAR, FAR)
    if not excess(low) * excess(high) < 0:
        raise InputError(f"accuracy: the mean of {loss.name} never passes {half:g}: {ADVICE}")
    return float(brentq(excess, low, high, xtol=1e-14))


def groups(given: Any, t: int) -> tuple[BoolArray, str]:
    """Which rows are of the larger group, shape (t,), and "larger − smaller" for messages."""
    values = as_vector(given, "group")
    if len(values) != t:
        raise InputError(f"group has {len(values)} entries but X_test has {t} rows")
    missing = np.flatnonzero([value is None or value != value for value in values.tolist()])
    if len(missing):
        raise InputError(f"group holds {values[missing[0]]} in row {missing[0]}: name its group")
    try:
        names = np.unique(values)
    except TypeError as error:
        raise InputError(f"group mixes labels that cannot be ordered: {error}") from error
    if len(names) != 2:
        raise InputError(
            f"group holds {len(names)} distinct value(s): give two, one for each side of the gap"
        )
    smaller, larger = (str(name) for name in names.tolist())
    return np.asarray(values == names[1]), f"{larger} − {smaller}"
