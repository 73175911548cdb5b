"""Influence functions for GLMs and small MLPs at compiled speed.

>>> import fastinfluence as fi
>>> spec = fi.GLM("logistic", l2=0.01)
>>> infl = fi.Influence.fit(spec, X, y)                     # doctest: +SKIP
>>> infl.on_loss(X_test, y_test)                            # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fastinfluence.errors import (
    DeviceError,
    FastInfluenceError,
    FastInfluenceWarning,
    InputError,
    LossError,
    NoOptimumError,
    OracleError,
    SolverError,
    StorageError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from fastinfluence import rows, solvers, targets
    from fastinfluence.attacks import attack
    from fastinfluence.influence import Influence
    from fastinfluence.influence.loading import load
    from fastinfluence.rankings import find_label_issues, rank_harmful, removal_curve, value_rows
    from fastinfluence.rankings.scorer import InfluenceScorer as InfluenceScorer  # see __all__
    from fastinfluence.sinks import ParquetScores, ParquetSink, TopK, Total
    from fastinfluence.spec import activations, families, losses
    from fastinfluence.spec.loss import Loss
    from fastinfluence.spec.mlp import MLP
    from fastinfluence.spec.models import GLM
    from fastinfluence.spec.oracle import Oracle

__version__ = "0.1.0"

_PLACES = {
    "GLM": "fastinfluence.spec.models:GLM",
    "MLP": "fastinfluence.spec.mlp:MLP",
    "Influence": "fastinfluence.influence:Influence",
    "InfluenceScorer": "fastinfluence.rankings.scorer:InfluenceScorer",
    "Oracle": "fastinfluence.spec.oracle:Oracle",
    "Loss": "fastinfluence.spec.loss:Loss",
    "ParquetScores": "fastinfluence.sinks:ParquetScores",
    "ParquetSink": "fastinfluence.sinks:ParquetSink",
    "TopK": "fastinfluence.sinks:TopK",
    "Total": "fastinfluence.sinks:Total",
    "activations": "fastinfluence.spec.activations",
    "attack": "fastinfluence.attacks:attack",
    "families": "fastinfluence.spec.families",
    "find_label_issues": "fastinfluence.rankings:find_label_issues",
    "load": "fastinfluence.influence.loading:load",
    "losses": "fastinfluence.spec.losses",
    "rank_harmful": "fastinfluence.rankings:rank_harmful",
    "removal_curve": "fastinfluence.rankings:removal_curve",
    "rows": "fastinfluence.rows",
    "solvers": "fastinfluence.solvers",
    "targets": "fastinfluence.targets",
    "value_rows": "fastinfluence.rankings:value_rows",
}
"""Public names, imported when first used: importing the package costs next to nothing."""


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'fastinfluence' has no attribute {name!r}")
    module, _, attribute = place.partition(":")
    value = importlib.import_module(module)
    if attribute:
        value = getattr(value, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])


# InfluenceScorer stays out: a star import must not need scikit-learn.
__all__ = [
    "GLM",
    "MLP",
    "DeviceError",
    "FastInfluenceError",
    "FastInfluenceWarning",
    "Influence",
    "InputError",
    "Loss",
    "LossError",
    "NoOptimumError",
    "Oracle",
    "OracleError",
    "ParquetScores",
    "ParquetSink",
    "SolverError",
    "StorageError",
    "TopK",
    "Total",
    "UnsupportedError",
    "activations",
    "attack",
    "families",
    "find_label_issues",
    "load",
    "losses",
    "rank_harmful",
    "removal_curve",
    "rows",
    "solvers",
    "targets",
    "value_rows",
]
