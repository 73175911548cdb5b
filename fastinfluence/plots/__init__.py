"""Pictures of results, for those who installed matplotlib (the ``cli`` extra).

Every function takes an Axes, ``ax=None`` standing for a fresh one of a figure of its own, and
returns the Axes it drew on: ``ax.figure.savefig("picture.png")`` writes it. Nothing of pyplot is
touched: no figure is registered, shown or kept, and no default is changed. Colours are those of
Okabe and Ito, told apart in every common form of colour blindness, and a marker, a hatching or a
line style says the same once more.
"""

from fastinfluence.plots.agreement import predicted_against_actual
from fastinfluence.plots.curves import accuracy_curve, label_repair_curve
from fastinfluence.plots.images import helpful_and_harmful_images
from fastinfluence.plots.indices import NAMES as DIAGNOSTICS
from fastinfluence.plots.indices import index_plot
from fastinfluence.plots.leverage import leverage_against_residual
from fastinfluence.plots.ranking import falloff, influence_ranking
from fastinfluence.plots.records import helpful_and_harmful_rows
from fastinfluence.plots.removals import removal_curve
from fastinfluence.plots.style import BLUE, GREEN, GREY, ORANGE, PURPLE

__all__ = [
    "BLUE",
    "DIAGNOSTICS",
    "GREEN",
    "GREY",
    "ORANGE",
    "PURPLE",
    "accuracy_curve",
    "falloff",
    "helpful_and_harmful_images",
    "helpful_and_harmful_rows",
    "index_plot",
    "influence_ranking",
    "label_repair_curve",
    "leverage_against_residual",
    "predicted_against_actual",
    "removal_curve",
]
