"""One clear error for each wrong argument; a table of calls and the words of their messages."""

import numpy as np
import pytest
from cases import CASES, Case, build
from refusal import check

import fastinfluence as fi

t = fi.targets
CASE = Case("inputs", "logistic", n=30, d=3, l2=0.1)
WITH_OFFSET = next(c for c in CASES if c.name == "logistic weighted")
UNIT = np.eye(4)[0]


def good():
    return build(CASE).influence()


def amip(gradient=UNIT, max_rows=3, **options):
    return good().most_influential_subset(gradient, max_rows, **options)


def flip(target=None, **options):
    return good().smallest_flip(target or t.coefficient("x0"), **options)


def scaled_weights():
    """Squared loss with weights that sum to one: they cannot count rows."""
    b = build(Case("scaled", "squared", n=30, d=3))
    spec = b.spec()
    infl = fi.Influence.fit(spec, b.X, b.y, sample_weight=np.full(30, 1 / 30))
    return infl.smallest_flip(t.significance("x0"))


def collinear():
    b = build(Case("doubled", "squared", n=30, d=3, l2=0.0))
    X = np.column_stack([b.X, b.X[:, 0]])
    infl = fi.Influence(fi.GLM("squared"), X, b.y, np.insert(b.theta, 3, 0.0))
    return infl.smallest_flip(t.significance("x0"))


def huber():
    return build(Case("huber", "huber", n=30)).influence().smallest_flip(t.significance("x0"))


def vector_l2():
    b = build(next(c for c in CASES if c.name == "logistic l2 each"))
    return b.influence().on_l2(b.X_test, b.y_test)


X_test, y_test = build(CASE).X_test, build(CASE).y_test
BAD = {
    "direction 0": (lambda: amip(direction=0), ["direction=0", "1", "-1"]),
    "direction up": (lambda: amip(direction="up"), ["direction='up'"]),
    "no rows": (lambda: amip(max_rows=0), ["max_rows=0", "at least 1"]),
    "half a row": (lambda: amip(max_rows=2.5), ["max_rows=2.5", "integer"]),
    "all rows": (lambda: amip(max_rows=30), ["max_rows=30", "30 rows", "stay"]),
    "all groups": (lambda: amip(max_rows=3, groups=np.arange(30) % 3), ["max_rows=3", "3 groups"]),
    "short gradient": (lambda: amip(np.ones(3)), ["gradient", "(3,)", "p = 4"]),
    "two gradients": (lambda: amip(np.ones((2, 4))), ["gradient", "(2, 4)", "p = 4"]),
    "text gradient": (lambda: amip(["a"] * 4), ["gradient", "numeric"]),
    "nan gradient": (lambda: amip(UNIT * np.nan), ["gradient", "NaN"]),
    "short direct": (lambda: amip(direct=np.ones(29)), ["direct", "29", "n = 30"]),
    "not a function": (lambda: amip(function=3.0), ["function=3.0", "callable"]),
    "wrong function": (lambda: amip(function=lambda theta: theta), ["(4,)", "one number"]),
    "function of nan": (lambda: amip(function=lambda theta: np.nan), ["nan"]),
    "target and direct": (
        lambda: amip(t.coefficient(0), direct=np.ones(30)),
        ["target", "direct"],
    ),
    "short groups": (lambda: amip(groups=np.zeros(29)), ["groups", "29", "30"]),
    "overlap": (lambda: amip(groups=[[0, 1], [1, 2]]), ["overlap"]),
    "bad tol": (lambda: amip(tol=-1.0), ["tol"]),
    "no target": (lambda: flip("x0"), ["target='x0'", "fi.targets.coefficient"]),
    "unknown name": (lambda: flip(t.coefficient("z")), ["'z'", "unknown", "x0", "intercept"]),
    "no such position": (lambda: flip(t.coefficient(4)), ["4", "0 to 3"]),
    "true": (lambda: flip(t.coefficient(True)), ["True"]),
    "half a position": (lambda: flip(t.coefficient(0.5)), ["0.5", "name", "position"]),
    "negative z": (lambda: flip(t.significance(0, z=-1)), ["z=-1"]),
    "two test rows": (lambda: flip(t.prediction(X_test[:2])), ["X_test", "2 rows", "one"]),
    "short test row": (lambda: flip(t.prediction([1.0, 2.0])), ["X_test", "2 columns", "3"]),
    "offset forgotten": (
        lambda: build(WITH_OFFSET).influence().smallest_flip(t.prediction(np.ones(4))),
        ["offset_test"],
    ),
    "bad threshold": (lambda: flip(t.prediction(X_test[0], threshold="a")), ["threshold"]),
    "text value": (lambda: flip(t.function("a", UNIT)), ["value='a'"]),
    "zero": (lambda: flip(t.function(0.0, UNIT)), ["exactly 0", "sign"]),
    "bad steps": (lambda: flip(steps=-1), ["steps"]),
    "scaled weights": (scaled_weights, ["weights sum to 1", "rescale"]),
    "no family": (huber, ["huber", "standard error"]),
    "collinear": (collinear, ["standard error of x0", "collinear"]),
    "no y_test": (lambda: good().on_weights(X_test, None), ["y_test"]),
    "bad sink": (lambda: good().on_weights(X_test, y_test, out="top"), ["out", "TopK"]),
    "unlabelled l2": (lambda: good().on_l2(X_test, None), ["y_test"]),
    "vector l2": (vector_l2, ["4 numbers", "per_coefficient"]),
    "row out of range": (lambda: good().without([30]), ["30"]),
    "no row": (lambda: good().without([]), ["rows", "empty"]),
    "float row": (lambda: good().without([0.5]), ["integer"]),
    "every row": (lambda: good().without(np.arange(30)), ["30 of 30", "stay"]),
    "tol 0": (lambda: good().without([0], tol=0.0), ["tol"]),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    check(*BAD[name])


def test_a_good_call_is_not_refused():
    with pytest.raises(pytest.fail.Exception):
        check(amip, [])
    with pytest.raises(AssertionError, match="is missing"):
        check(lambda: amip(direction=0), ["a word no message holds"])
