"""`fi.find_label_issues`: the rows whose labels are most likely wrong, and what they should be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.influence import Influence
from fastinfluence.inputs import non_negative, positive_count
from fastinfluence.progress import Progress
from fastinfluence.rankings.default_model import default_model
from fastinfluence.rankings.mislabelled import Judge, Judged, check_classes, judged
from fastinfluence.rankings.named import Names
from fastinfluence.streaming import stream_of
from fastinfluence.types import FloatArray, IntArray

REFITS = 2
"""Refits that trust suspected labels less, where rows are in memory."""
SHOWN = 10


@dataclass(frozen=True, repr=False)
class LabelIssues:
    """How far each training label is contradicted by the other rows.

    Attributes
    ----------
    rows : ndarray of int, shape (n,)
        Positions of all rows, the most suspicious label first; ties go to the lower row. Rows
        that the others leave undetermined come last, with a score of NaN.
    score : ndarray, shape (n,)
        −log of ``probability``, in nats; large: suspicious. In the order of the training rows, as
        the next three.
    probability : ndarray, shape (n,)
        That the given label is right, by a model that has not seen the row and an estimate of how
        often a row of one class is labelled as another.
    given, suggested : ndarray, shape (n,)
        The label as it is, and the likeliest one by that model.
    model : Influence
        The model given, or the default one fitted.
    method : str
        How rows were held out.
    names : Names
        What the caller calls the rows.
    """

    rows: IntArray
    score: FloatArray
    probability: FloatArray
    given: np.ndarray[Any, Any]
    suggested: np.ndarray[Any, Any]
    model: Influence
    method: str
    names: Names

    @property
    def issues(self) -> IntArray:
        """Positions of the rows for which another label is likelier, most suspicious first."""
        contradicted = np.asarray(self.given != self.suggested, dtype=bool)
        out: IntArray = self.rows[contradicted[self.rows]]
        return out

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return len(self.rows)

    def to_frame(self, k: int | None = None) -> Any:
        """The ranking as a table: row, given, suggested, probability, score; the first k rows.

        Parameters
        ----------
        k : int, optional
            All rows by default.

        Returns
        -------
        DataFrame or Table
            Of the library of the training table (pandas, polars, Arrow), pandas where X was an
            array. ``row`` is the position; a pandas frame keeps the caller's index.

        Raises
        ------
        InputError
            If k is no count.
        """
        count = self.n_rows if k is None else positive_count(k, "k")
        at = self.rows[:count]
        columns = ("given", "suggested", "probability", "score")
        return self.names.frame(at, {name: getattr(self, name)[at] for name in columns})

    def __repr__(self) -> str:
        return f"<LabelIssues: {len(self.issues)} of {self.n_rows} labels contradicted>"

    def __str__(self) -> str:
        found = self.issues
        head = (
            f"{len(found)} of {self.n_rows} labels contradicted ({self.method}); "
            f"most suspicious first:"
        )
        shown = self.rows[:SHOWN]
        names = [str(name) for name in self.names.at(shown)]
        lines = [
            f"  {name}: given {_plain(self.given[i])}, suggested {_plain(self.suggested[i])}, "
            f"right with probability {self.probability[i]:.2g}"
            for name, i in zip(names, shown, strict=True)
        ]
        return "\n".join([head, *lines])


def find_label_issues(
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    l2: float | None = None,
    refits: int | None = None,
    folds: int | None = None,
    seed: int = 0,
    n_threads: int | None = None,
    progress: bool | Progress | None = None,
) -> LabelIssues:
    """Rank the rows whose label is most likely wrong.

    Each row is judged by a model that has not seen it: leaving a row out is one Newton step from
    the fit of all rows, so that no fit is made per row. How often one class is labelled as another
    is estimated from all rows, which gives the probability that a label is right. The model is
    then refitted with each row weighed by it, and every row judged again.

    Parameters
    ----------
    X : Influence, or array_like of shape (n, d), or data frame
        A model of classes ("logistic", "probit", "cloglog" or "multinomial"), also from
        ``Influence.from_estimator``; give it alone. Or the rows: logistic or multinomial
        regression is then fitted. Columns are standardised; of a data frame text becomes
        categories and missing values are filled, which needs the ``cli`` extra.
    y : array_like, shape (n,)
        Labels of any kind, two classes or more.
    sample_weight : array_like, shape (n,), optional
    l2 : float, optional
        The default model's penalty, the coefficient of ½·theta² in mean form on standardised
        columns. By default chosen by held-out loss.
    refits : int, optional
        Refits that trust suspected labels less. 2 by default, 0 for a streamed table, whose
        weights are its own; 0 judges by the given model alone.
    folds : int, optional
        Hold rows out in so many parts, by a fit for each, instead of one by one; 1 asks for one
        by one. By default 1 where that takes minutes at most, else 5.
    seed : int, default 0
        Of the deal into folds.
    n_threads, progress
        Of the default model, as in :class:`Influence`.

    Returns
    -------
    LabelIssues
        ``.rows``, most suspicious first; ``.score``, ``.given``, ``.suggested``; ``.issues``;
        ``.to_frame()``.

    Raises
    ------
    InputError
        If y holds no classes, or what belongs to the default model is given beside a fitted one.
    UnsupportedError
        If the model gives classes no probability.
    """
    held = None if folds is None else Judge(positive_count(folds, "folds"), seed)
    extra = {"y": y, "sample_weight": sample_weight, "l2": l2, "n_threads": n_threads}
    if isinstance(X, Influence):
        given = [
            name for name, value in {**extra, "progress": progress}.items() if value is not None
        ]
        if given:
            raise InputError(f"{given[0]} belongs to the fitted model: give the model alone")
        infl = X
    elif y is None:
        raise InputError("y is needed: one label for each row of X")
    else:
        infl = default_model(X, y, sample_weight, l2, held, n_threads, progress)
    codec = check_classes(infl._problem)
    told = infl._settings.progress
    judge = replace(held or Judge.affordable(infl._engine, seed), progress=told)
    streamed = stream_of(infl._problem) is not None
    again = (0 if streamed else REFITS) if refits is None else int(non_negative(refits, "refits"))
    if again and streamed:
        raise UnsupportedError("a streamed table's weights are its own: use refits=0")
    return _told(infl, judged(infl, again, judge), np.asarray(codec.classes), judge, again)


def _told(
    infl: Influence, found: Judged, classes: np.ndarray[Any, Any], judge: Judge, refits: int
) -> LabelIssues:
    held = "rows left out one by one" if judge.folds == 1 else f"{judge.folds} folds held out"
    truth = found.truth(infl._problem.w)
    known = ~np.isnan(truth[:, 0])
    log_p = np.where(known[:, None], found.log_p, 0.0)
    likeliest = np.where(known, log_p.argmax(axis=1), found.given)
    score = -truth[np.arange(len(truth)), found.given]
    return LabelIssues(
        rows=np.argsort(-np.where(known, score, -np.inf), kind="stable"),
        score=score,
        probability=np.exp(-score),
        given=classes[found.given],
        suggested=classes[likeliest],
        model=infl,
        method=held + (f", after {refits} refits" if refits else ""),
        names=Names.of(infl),
    )


def _plain(label: Any) -> str:
    return repr(label.item() if isinstance(label, np.generic) else label)
