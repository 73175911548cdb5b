"""What every target offers."""

from __future__ import annotations

from typing import Any, Protocol

from fastinfluence.engines.base import Engine
from fastinfluence.errors import InputError
from fastinfluence.quantity import Quantity


class Target(Protocol):
    """A number of a fitted model, described before there is a model."""

    def bind(self, engine: Engine) -> Quantity:
        """The number meant, for this model; InputError where the model has none such."""


def checked_target(target: Any) -> Target:
    """The target, or InputError where it is none."""
    if isinstance(target, type) or not hasattr(target, "bind"):
        shown = repr(target) if len(repr(target)) <= 60 else f"a {type(target).__name__}"
        raise InputError(
            f"target={shown} is no target: use fi.targets.coefficient(...), prediction, "
            "significance, function, of_predictions, accuracy, parity_gap, opportunity_gap or auc"
        )
    found: Target = target
    return found


def are_targets(given: Any) -> bool:
    """Whether something is a target or a sequence with a target in it."""
    if isinstance(given, (list, tuple)):
        return any(hasattr(one, "bind") for one in given)
    return hasattr(given, "bind")
