"""The one loss of several predictions a row: softmax cross-entropy over K classes.

Its derivatives are written by hand in :mod:`fastinfluence.kernels.cpu.multinomial`: with p the
probabilities they are p − e_y and p∘(v − p·v), about 4K operations a row, where a derived program
with shared subexpressions takes 265 for ten classes.
"""

from __future__ import annotations

from typing import Any, NoReturn

from fastinfluence.errors import UnsupportedError
from fastinfluence.spec.line import Line
from fastinfluence.spec.loss import Loss

LABELS = "labels"
"""The y_domain of a loss that takes any labels, one class for each."""

LINE = Line(
    "log(sum_k exp(f_k)) - f_y",
    LABELS,
    doc="Softmax over K classes, one prediction each: f has shape (n, K). Largest f first, so "
    "no exponential overflows.",
)


class Multinomial(Loss):
    """Softmax cross-entropy: log Σ_k exp(f_k) − f_y for predictions f (n, K) and K ≥ 2 classes.

    The classes are the distinct labels of the training rows, sorted.
    """

    def __init__(self) -> None:
        super().__init__(LINE.text, LINE.y, {}, "multinomial", LINE.f, None, line_data=LINE)

    @property
    def program(self) -> NoReturn:
        """None: a pointwise program has one prediction a row.

        Raises
        ------
        UnsupportedError
            Always: what asks for it is defined for one prediction a row.
        """
        raise UnsupportedError(
            "the multinomial loss has one prediction per class: what you asked for is defined for "
            "models of one prediction a row. Ask it of one class against the rest, with "
            'fi.GLM("logistic")'
        )

    @property
    def source(self) -> NoReturn:
        """As :attr:`program`."""
        raise UnsupportedError(
            "the multinomial loss has no generated source: its kernels are written by hand"
        )

    def evaluate(self, f: Any, y: Any, *outputs: str) -> NoReturn:
        """As :attr:`program`."""
        raise UnsupportedError("the multinomial loss is evaluated by its engine, row by row")

    def __reduce__(self) -> tuple[Any, ...]:
        return Multinomial, ()
