"""Questions about chosen rows, penalties and weights."""

from __future__ import annotations

from fastinfluence.influence.removals import Removals


class Subsets(Removals):
    """The most influential subset, unlearning, and sensitivity to l2 and to weights."""
