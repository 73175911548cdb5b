"""What the model would be without some rows: first order, Newton, exact, refitted."""

from fastinfluence.removal.leave_out import METHODS, Removal, leave_out
from fastinfluence.removal.refit import Refit, checked_refit, leave_out_by_refit
from fastinfluence.removal.sets import RemovalSets

__all__ = [
    "METHODS",
    "Refit",
    "Removal",
    "RemovalSets",
    "checked_refit",
    "leave_out",
    "leave_out_by_refit",
]
