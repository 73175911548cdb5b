"""What a statistician asks of a fitted model: diagnostics, cross-validation, intervals."""

from __future__ import annotations

from fastinfluence.influence.removals import Removals


class Statistics(Removals):
    """Classical diagnostics and what leave-one-out gives beyond them."""
