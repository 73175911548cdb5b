"""Fitted scaling exponents: 1 says that time grows in proportion."""

from __future__ import annotations

from exponents import EXPONENTS


class Exponent:
    """Sizes and what to expect are in ``benchmarks/exponents.py``."""

    timeout = 300
    params = (list(EXPONENTS),)
    param_names = ("call",)

    def track_exponent(self, name):
        return EXPONENTS[name].exponent()

    track_exponent.unit = "exponent"
