"""What to be careful about, in plain words, each with what to do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastinfluence.diagnostics import Diagnostics
from fastinfluence.influence.account import Report
from fastinfluence.report.quality import Quality

OFF = 0.15
"""Distance of the slope from 1, and of the correlation, that deserves a word."""
HIGH = 0.5
"""Leverage from which a row decides more of its own prediction than all others together."""
BETTER = 0.01


def warnings(report: Report, quality: Quality, diagnostics: Diagnostics | None) -> Iterator[str]:
    """Warnings of one model; none means that nothing stood out."""
    yield from (f"{text[:1].upper()}{text[1:]}." for text in report.warnings)
    proof = report.proof
    if proof is not None and abs(proof.slope - 1) > OFF:
        size = "small" if proof.slope > 1 else "large"
        yield (
            f"Refitting ten rows exactly changed their own loss {proof.slope:.2f} times as much as "
            f"predicted: first-order scores are too {size}. Their order is a better guide than "
            'their size; for sizes use infl.leave_one_out(rows, method="exact") or "newton".'
        )
    if proof is not None and proof.pearson < 1 - OFF:
        yield (
            f"Predicted and exact changes of ten rows correlate only to {proof.pearson:.2f}: check "
            "that spec, l2 and weights are those that were minimised, then infl.validate(...)."
        )
    accuracy, guess = quality.accuracy, quality.guess
    if accuracy is not None and guess is not None and accuracy < guess + BETTER:
        yield (
            "The model is no better than always answering the larger class: what it finds "
            "unusual means little. Look for better features, or for a weaker penalty."
        )
    if diagnostics is not None:
        high = np.flatnonzero(diagnostics.leverage > HIGH)
        if len(high):
            rows = "row has" if len(high) == 1 else "rows have"
            yield (
                f"{len(high)} {rows} a leverage above {HIGH:g}: such a row decides its own "
                "prediction, and first-order scores understate what removing it does. Use "
                'infl.leave_one_out(rows, method="exact") for those, or add l2.'
            )
