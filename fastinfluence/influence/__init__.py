"""The façade users meet, in layers: base, scores, removals, construction."""

from fastinfluence.influence.facade import Influence

__all__ = ["Influence"]
