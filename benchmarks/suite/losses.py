"""Every loss and every family × link of the registry: value and two derivatives per row."""

from __future__ import annotations

import numpy as np

import fastinfluence as fi

SAMPLES = {s.label: s for s in [*fi.losses.registry(), *fi.families.registry()]}
ROWS = 100_000


class Pointwise:
    """One pass of the derived program over 100,000 rows."""

    params = (list(SAMPLES),)
    param_names = ("loss",)

    def setup(self, label):
        sample = SAMPLES[label]
        self.loss = sample.loss
        self.f = np.resize(np.asarray(sample.f, dtype=float), ROWS)
        self.y = np.resize(np.asarray(sample.y, dtype=float), ROWS)
        self.time_value_and_derivatives(label)  # compile

    def time_value_and_derivatives(self, label):
        self.loss.evaluate(self.f, self.y, "value", "d1", "d2")
