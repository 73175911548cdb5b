"""scikit-learn's MLPClassifier and MLPRegressor: the network, and the objective that it descends.

Their gradient (``_backprop``) is that of Σ_i w_i l_i + ½·alpha·Σ W², divided by Σw of the rows it
sees, biases unpenalised; l is the logistic loss for two classes, softmax for more, and for numbers
½‖f − y‖² or the Poisson loss. With ``solver="lbfgs"`` those rows are all rows: the sum form with
l2 = alpha. With "adam" and "sgd" they are a batch of B rows, so on average a mean is descended
whose penalty is alpha/B, whatever n: the mean form with l2 = alpha/(B·mean weight).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastinfluence.adapters.base import Adapted
from fastinfluence.adapters.pipelines import split_pipeline
from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.labels import LabelCodec
from fastinfluence.problem import Problem
from fastinfluence.rows.sources import as_rows
from fastinfluence.spec.mlp import MLP
from fastinfluence.tables import as_table, as_vector
from fastinfluence.types import FloatArray, IntArray

NETWORKS = ("MLPClassifier", "MLPRegressor")
ACTIVATIONS = {"logistic": "sigmoid", "tanh": "tanh", "relu": "relu", "identity": "identity"}
AUTO_BATCH = 200
"""Rows in a batch where scikit-learn chooses, or all of them where there are fewer."""


def is_network(fitted: Any) -> bool:
    """Whether a fitted model, or a Pipeline's last step, is one of scikit-learn's networks."""
    _, last = split_pipeline(fitted)
    return type(last).__name__ in NETWORKS and type(last).__module__.startswith("sklearn.")


def adapt_network(
    fitted: Any, X: Any, y: Any, sample_weight: Any, n_threads: int | None
) -> Adapted:
    """The problem, theta and refitting procedure behind a fitted network."""
    transform, last = split_pipeline(fitted)
    _check(last)
    full = as_table(X if transform is None else transform(X))
    d, n = int(last.coefs_[0].shape[0]), full.values.shape[0]
    if full.values.shape[1] != d:
        raise InputError(
            f"X has {full.values.shape[1]} columns but {type(last).__name__} was fitted on {d}"
        )
    spec = _spec(last, n, sample_weight)
    problem = Problem.build(
        spec,
        full,
        y,
        sample_weight=sample_weight,
        n_threads=n_threads,
        codec=_codec(last, spec, y),
        transform=transform,
    )
    own = None if sample_weight is None else problem.w
    return Adapted(problem, _theta(last), _refitter(last, full.values, y, own))


def _check(network: Any) -> None:
    name = type(network).__name__
    if not hasattr(network, "coefs_"):
        raise InputError(f"{name} is not fitted yet: call fit first")
    if getattr(network, "early_stopping", False) and network.solver != "lbfgs":
        raise UnsupportedError(
            f"{name}(early_stopping=True) trains without a share of the rows that it does not "
            "tell: refit with early_stopping=False, or on the rows of your own split"
        )
    if name == "MLPClassifier" and network._label_binarizer.y_type_.startswith("multilabel"):
        raise UnsupportedError(f"{name} was fitted on several labels a row: fit one at a time")


def _spec(network: Any, n: int, sample_weight: Any) -> MLP:
    hidden = [int(W.shape[1]) for W in network.coefs_[:-1]]
    if not hidden:
        raise UnsupportedError("the network has no hidden layer: fit a linear model instead")
    loss = {"logistic": "logistic", "softmax": "multinomial", "identity": "squared"}
    chosen = loss.get(network.out_activation_, "poisson")
    alpha, activation = float(network.alpha), ACTIVATIONS[network.activation]
    if network.solver == "lbfgs":
        return MLP(hidden, activation, chosen, alpha, reduction="sum")
    weight = 1.0
    if sample_weight is not None:
        weight = float(as_vector(sample_weight, "sample_weight").mean())
    auto = isinstance(network.batch_size, str)
    batch = min(AUTO_BATCH, n) if auto else int(np.clip(network.batch_size, 1, n))
    return MLP(hidden, activation, chosen, alpha / (batch * weight), reduction="mean")


def _codec(network: Any, spec: MLP, y: Any) -> LabelCodec | None:
    classes = getattr(network, "classes_", None)
    if classes is None:
        return None
    unknown = np.setdiff1d(as_vector(y, "y"), classes)
    if len(unknown):
        raise InputError(f"y holds the label {unknown[0]!r}, unknown to the fitted estimator")
    known = np.asarray(classes)
    return LabelCodec.of_classes(spec.loss, known) if spec.vector else LabelCodec(spec.loss, known)


def _theta(network: Any) -> FloatArray:
    """W1, b1, W2, b2, … in C order; scikit-learn's W are (fan_in, fan_out) too."""
    layers = zip(network.coefs_, network.intercepts_, strict=True)
    parts = [np.ravel(part) for layer in layers for part in layer]
    return np.concatenate(parts).astype(np.float64)


def _refitter(
    network: Any, X: Any, y: Any, weights: FloatArray | None
) -> Callable[[IntArray], FloatArray]:
    """Refit a clone on some rows, from the same random start."""
    from sklearn.base import clone

    targets, table = np.asarray(y), as_rows(X)
    size = len(_theta(network))

    def refit(rows: IntArray) -> FloatArray:
        if not isinstance(network.random_state, (int, np.integer)):
            raise UnsupportedError(
                f"{type(network).__name__} was fitted with random_state={network.random_state!r}, "
                "so a refit starts elsewhere: fit it with an integer, or use method='exact'"
            )
        again = clone(network).set_params(warm_start=False)
        options = {} if weights is None else {"sample_weight": weights[rows]}
        again.fit(table.take(rows).native(), targets[rows], **options)
        theta = _theta(again)
        if len(theta) != size:
            raise UnsupportedError("without these rows a class has no row left: use 'exact'")
        return theta

    return refit
