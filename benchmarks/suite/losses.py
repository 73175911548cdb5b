"""Every loss and every family × link of the registry: value and two derivatives per row."""

from __future__ import annotations

import numpy as np

import fastinfluence as fi

from .quick import EVERY, choices, rows

SAMPLES = {s.label: s for s in [*fi.losses.registry(), *fi.families.registry()]}
ROWS = 100_000
USED_MOST = ("squared", "logistic", "probit", "poisson", "gamma")


class Pointwise:
    """One pass of the derived programs over 100,000 rows."""

    params = (choices([*USED_MOST, EVERY]),)
    param_names = ("loss",)

    def setup(self, label):
        chosen = [SAMPLES[row] for row in rows(SAMPLES, label)]
        self.data = [(s.loss, repeated(s.f), repeated(s.y)) for s in chosen]
        self.time_value_and_derivatives(label)  # compile

    def time_value_and_derivatives(self, label):
        for loss, f, y in self.data:
            loss.evaluate(f, y, "value", "d1", "d2")


def repeated(values):
    """Repeat the samples of a loss's own domain."""
    return np.resize(np.asarray(values, dtype=float), ROWS)
