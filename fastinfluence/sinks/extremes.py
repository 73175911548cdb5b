"""The rows at both ends of a ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastinfluence.errors import InputError
from fastinfluence.types import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Ranking:
    """The k rows at one end of the scores, best first; ties go to the lower row.

    Attributes
    ----------
    rows : ndarray of int, shape (t, k)
    values : ndarray, shape (t, k)
    """

    rows: IntArray
    values: FloatArray


@dataclass(frozen=True)
class TopKResult:
    """The extremes of each test quantity.

    Attributes
    ----------
    helpful : Ranking
        The largest removal scores: removing these rows raises the quantity (a loss) most. For
        ``effect="upweight"`` the sign is the opposite and the smallest scores are meant.
    harmful : Ranking
        The other end.
    """

    helpful: Ranking
    harmful: Ranking

    def of(self, test: int = 0, output: int | None = None) -> TopKResult:
        """One test row's: rows and values are (k,).

        Parameters
        ----------
        test : int, default 0
        output : int, optional
            Counts the predictions of a test row where there are several.

        Returns
        -------
        TopKResult

        Raises
        ------
        InputError
            If there is no such test row or output, or an output must be chosen.
        """
        shape = self.helpful.rows.shape
        if not -shape[0] <= test < shape[0]:
            raise InputError(f"test={test!r} but {shape[0]} test rows were asked about")
        if (output is None) == (len(shape) == 3):
            known = f"0 to {shape[2] - 1}" if len(shape) == 3 else "None: there is one"
            raise InputError(f"output={output!r} must be {known}")
        if output is not None and not 0 <= output < shape[2]:
            raise InputError(f"output={output!r} must be 0 to {shape[2] - 1}")
        at = (test,) if output is None else (test, slice(None), output)
        ends = (self.helpful, self.harmful)
        return TopKResult(*(Ranking(end.rows[at], end.values[at]) for end in ends))

    def plot(
        self,
        test: int = 0,
        output: int | None = None,
        labels: Sequence[Any] | None = None,
        quantity: str | None = None,
        unit: str = "unit of the loss",
        ax: Axes | None = None,
    ) -> Axes:
        """Bars of one test row's most helpful and most harmful rows.

        Both ends are drawn as they are, whatever their sign.

        Parameters
        ----------
        test, output
            As in :meth:`of`.
        labels : sequence, shape (n,), optional
            Names of the training rows.
        quantity, unit : str
            Name of the scores, and their unit.
        ax : Axes, optional
            Of matplotlib; a new one by default.

        Returns
        -------
        Axes

        Raises
        ------
        InputError
            As :meth:`of`; for labels of another length.
        UnsupportedError
            If matplotlib is not installed.
        """
        from fastinfluence.plots.ranking import REMOVAL, two_ends

        words = REMOVAL if quantity is None else quantity
        return two_ends(self.of(test, output), labels, words, unit, ax)
