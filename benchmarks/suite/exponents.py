"""Fitted scaling exponents: 1 says that time grows in proportion."""

from __future__ import annotations

from exponents import EXPONENTS

from .quick import choices, rows


class Exponent:
    """Sizes and what to expect are in ``benchmarks/exponents.py``."""

    timeout = 300
    params = (choices(EXPONENTS),)
    param_names = ("call",)

    def track_exponent(self, name):
        return max(EXPONENTS[row].exponent() for row in rows(EXPONENTS, name))

    track_exponent.unit = "exponent"
