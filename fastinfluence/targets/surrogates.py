"""Smooth stand-ins for what models are judged by: accuracy, group gaps, the area under the ROC.

The true accuracy, the true AUC and gaps between thresholded decisions are steps in theta, with no
derivative to use. Each target here is a smooth number next to one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from fastinfluence.engines.base import Engine
from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.inputs import positive
from fastinfluence.problem import TestRows
from fastinfluence.quantity import Quantity
from fastinfluence.tables import check_same_order
from fastinfluence.targets.classes import groups, labelled, positives, single, threshold_of
from fastinfluence.targets.pairs import pair_mean, pair_slopes
from fastinfluence.targets.predictions import OnPredictions
from fastinfluence.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class accuracy:  # noqa: N801 - reads as a word: fi.targets.accuracy(X_test, y_test)
    """A smooth accuracy: the mean of σ(sharpness·m) over test rows, σ(u) = 1/(1 + e⁻ᵘ).

    m is the row's margin: f − threshold for rows of the positive (larger) label, threshold − f
    for the others, f the raw prediction. With K classes it is
    m = f_y − (1/sharpness)·log Σ_{k≠y} exp(sharpness·f_k), so that each term is
    softmax(sharpness·f)_y; with two classes both forms are the same. 1/sharpness is the width of
    the step: as sharpness grows the value nears the true accuracy, and rows within that width of
    the boundary alone keep a say. At sharpness 1 a logistic or multinomial model's value is the
    mean probability of the right label.

    Parameters
    ----------
    X_test : array_like, shape (t, d)
    y_test : array_like, shape (t,)
        Two labels, the larger one positive; or the classes of a multinomial model.
    sharpness : float, default 1.0
        1/width of the step, in units of 1/f.
    threshold : float, optional
        The raw prediction at which the class changes; by default where the model's mean is half
        way between its two labels (0 for logistic and probit), and 0 for hinges.
    offset_test : array_like, shape (t,), optional
        Required where the model was trained with an offset.

    Raises
    ------
    InputError
        When bound: where the labels are not two, or the model's loss has no two labels (least
        squares on 0 and 1) and no threshold is given.
    UnsupportedError
        When bound: where the model predicts several numbers a row that are no classes.
    """

    X_test: Any
    y_test: Any
    sharpness: float = 1.0
    threshold: float | None = None
    offset_test: Any = None

    def bind(self, engine: Engine) -> Quantity:
        """Mean of σ(sharpness·margin)."""
        beta = positive(self.sharpness, "sharpness")
        test = labelled(engine, self.X_test, self.y_test, self.offset_test, "accuracy")
        if engine.problem.n_outputs > 1:
            made = self._of_classes(test, beta)
        else:
            sign = np.where(positives(test, "accuracy"), 1.0, -1.0)
            made = _of_margins(test, sign, threshold_of(engine, self.threshold), beta)
        return made.quantity(engine, "the smooth accuracy")

    def _of_classes(self, test: TestRows, beta: float) -> OnPredictions:
        if self.threshold is not None:
            raise InputError(
                "threshold is for two classes in one prediction: a multinomial model chooses the "
                "class of the largest prediction, leave it out"
            )
        if test.y is None or test.y.ndim != 1:
            raise UnsupportedError(
                "accuracy needs a model of classes, this one predicts vectors of numbers: use "
                "fi.targets.of_predictions"
            )
        own = np.arange(len(test.y)), test.y.astype(np.intp)

        def slope(f: FloatArray) -> FloatArray:
            p = softmax(beta * f, axis=1)
            right = p[own].copy()
            out = -p * right[:, None]
            out[own] += right
            return np.asarray(out * (beta / len(f)))

        return OnPredictions(
            test, "raw", lambda f: float(softmax(beta * f, axis=1)[own].mean()), slope
        )


def _of_margins(test: TestRows, sign: FloatArray, threshold: float, beta: float) -> OnPredictions:
    def slope(f: FloatArray) -> FloatArray:
        u = beta * sign * (f - threshold)
        return np.asarray(sign * beta / len(f) * expit(u) * expit(-u))

    return OnPredictions(
        test, "raw", lambda f: float(expit(beta * sign * (f - threshold)).mean()), slope
    )


@dataclass(frozen=True, eq=False)
class parity_gap:  # noqa: N801
    """Demographic parity: mean predicted probability of one group less that of the other.

    The group of the larger label minus that of the smaller (1 − 0, "Male" − "Female"): positive
    where the model gives the positive label more readily to the larger one. Probabilities, not
    decisions, are averaged, so that the gap is smooth. Of a model of counts or amounts it is the
    difference of the mean predictions.

    Parameters
    ----------
    X_test : array_like, shape (t, d)
    group : array_like, shape (t,)
        Two distinct values.
    offset_test : array_like, shape (t,), optional
        Required where the model was trained with an offset.

    Raises
    ------
    InputError
        When bound: where ``group`` has not one of two values for each test row.
    UnsupportedError
        When bound: where the model has several predictions a row, or its loss no mean.
    """

    X_test: Any
    group: Any
    offset_test: Any = None

    def bind(self, engine: Engine) -> Quantity:
        """Mean of one group's probabilities less that of the other's."""
        single(engine, "parity_gap")
        check_same_order(self.X_test, self.group, "group", "X_test")
        test = engine.problem.test_rows(self.X_test, None, self.offset_test)
        larger, name = groups(self.group, len(test.offset))
        return _mean_gap(test, larger).quantity(engine, f"the parity gap, {name}")


@dataclass(frozen=True, eq=False)
class opportunity_gap:  # noqa: N801
    """Equal opportunity: :class:`parity_gap` among the rows whose true label is positive.

    A smooth stand-in for the difference of the two true positive rates (Hardt, Price & Srebro
    2016, "Equality of opportunity in supervised learning").

    Parameters
    ----------
    X_test : array_like, shape (t, d)
    y_test : array_like, shape (t,)
        Two labels, the larger one positive.
    group : array_like, shape (t,)
        Two distinct values; the group of the larger minus that of the smaller.
    offset_test : array_like, shape (t,), optional
        Required where the model was trained with an offset.

    Raises
    ------
    InputError
        When bound: as :class:`parity_gap`; or where a group has no row of positive label.
    UnsupportedError
        When bound: as :class:`parity_gap`.
    """

    X_test: Any
    y_test: Any
    group: Any
    offset_test: Any = None

    def bind(self, engine: Engine) -> Quantity:
        """Mean of one group's probabilities less that of the other's, of positive rows."""
        single(engine, "opportunity_gap")
        check_same_order(self.X_test, self.group, "group", "X_test")
        test = labelled(engine, self.X_test, self.y_test, self.offset_test, "opportunity_gap")
        larger, name = groups(self.group, len(test.offset))
        chosen: IntArray = np.flatnonzero(positives(test, "opportunity_gap"))
        if len(np.unique(larger[chosen])) != 2:
            raise InputError(
                f"opportunity_gap: a group of {name} has no row of positive label: it needs some "
                "of both groups"
            )
        made = _mean_gap(test.part(chosen), larger[chosen])
        return made.quantity(engine, f"the opportunity gap, {name}")


def _mean_gap(test: TestRows, larger: BoolArray) -> OnPredictions:
    share = np.where(larger, 1.0 / larger.sum(), -1.0 / (~larger).sum())
    return OnPredictions(test, "mean", lambda f: float(share @ f), lambda f: share)


@dataclass(frozen=True, eq=False)
class auc:  # noqa: N801
    """A smooth AUC: the mean of σ((f_i − f_j)/width) over positive rows i and negative rows j.

    As the width falls to 0 the value nears the area under the ROC curve, the share of pairs that
    are in order. Every pair is counted, in blocks: time O(pairs), memory O(t).

    Parameters
    ----------
    X_test : array_like, shape (t, d)
    y_test : array_like, shape (t,)
        Two labels, the larger one positive.
    width : float, default 1.0
        Difference of two raw predictions within which their order is soft.
    offset_test : array_like, shape (t,), optional
        Required where the model was trained with an offset.

    Raises
    ------
    InputError
        When bound: where the labels are not two, or one of them has no row.
    UnsupportedError
        When bound: where the model has several predictions a row.
    """

    X_test: Any
    y_test: Any
    width: float = 1.0
    offset_test: Any = None

    def bind(self, engine: Engine) -> Quantity:
        """Mean over pairs of σ((f_i − f_j)/width)."""
        single(engine, "auc")
        width = positive(self.width, "width")
        test = labelled(engine, self.X_test, self.y_test, self.offset_test, "auc")
        upper = positives(test, "auc")
        if upper.all() or not upper.any():
            kind = "positive" if upper.all() else "negative"
            raise InputError(f"auc: every row of y_test is {kind}: it needs rows of both labels")

        def slope(f: FloatArray) -> FloatArray:
            out = np.empty_like(f)
            out[upper], out[~upper] = pair_slopes(f[upper], f[~upper], width)
            return out

        made = OnPredictions(test, "raw", lambda f: pair_mean(f[upper], f[~upper], width), slope)
        return made.quantity(engine, "the smooth AUC")
