"""Numbers that a fitted model gives, to trace to its rows or to flip.

Each target is a frozen description that knows nothing of a model until it is bound to one:
``infl.on_function(target)``, ``removal.on_function(target)``, ``infl.smallest_flip(target)`` and
``infl.most_influential_subset(target, max_rows)`` do that.
"""

from fastinfluence.targets.base import Target
from fastinfluence.targets.parameters import coefficient, function, prediction, significance
from fastinfluence.targets.predictions import of_predictions
from fastinfluence.targets.surrogates import accuracy, auc, opportunity_gap, parity_gap

__all__ = [
    "Target",
    "accuracy",
    "auc",
    "coefficient",
    "function",
    "of_predictions",
    "opportunity_gap",
    "parity_gap",
    "prediction",
    "significance",
]
