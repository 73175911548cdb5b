"""Tables of what callers get wrong: a call, and the words its message must hold.

The words are the essential ones, alternatives apart by a bar; the wording is free.
"""

import numpy as np
import pytest
from cases import Case, build

import fastinfluence as fi

CASE = Case("inputs", "logistic", n=30, d=3, l2=0.1)
WITH_OFFSET = Case("inputs with offset", "logistic", n=30, d=3, l2=0.1, offset=True)


def logistic(**options):
    return fi.GLM("logistic", **{"l2": 0.1, **options})


def make(**changes):
    """Construct with one argument of a good call replaced."""
    b = build(CASE)
    good = {"spec": b.spec(), "X": b.X, "y": b.y, "theta": b.theta}
    return fi.Influence(**{**good, **changes})


def good():
    return build(CASE).influence()


def with_entry(array, index, value):
    """Return a copy with one entry replaced."""
    out = np.array(array, dtype=float)
    out[index] = value
    return out


def X_with(value, row=7, column=2):
    return with_entry(build(CASE).X, (row, column), value)


def y_with(value, row=7):
    return with_entry(build(CASE).y, row, value)


def frame(names, values):
    return pytest.importorskip("pandas").DataFrame(values, columns=list(names))


def positives(value=1.0, n=30):
    return np.full(n, value)


b = build(CASE)
X, y, theta, X_test, y_test = b.X, b.y, b.theta, b.X_test, b.y_test
ragged = np.empty(30, dtype=object)
mixed = X.astype(object)
mixed[7, 2] = "high"


# Changes of one good call of the constructor (and of fit), and words.
TRAINING = {
    "nan in X": (lambda: dict(X=X_with(np.nan)), ["X", "nan", "7", "2"]),
    "inf in X": (lambda: dict(X=X_with(np.inf)), ["X", "inf", "7", "2"]),
    "minus inf in X": (lambda: dict(X=X_with(-np.inf)), ["X", "inf", "7", "2"]),
    "nan in float32": (lambda: dict(X=X_with(np.nan).astype("f4")), ["X", "nan", "7", "2"]),
    "nan in fortran X": (lambda: dict(X=np.asfortranarray(X_with(np.nan))), ["nan", "7", "2"]),
    "nan in y": (lambda: dict(y=y_with(np.nan)), ["y", "nan", "7"]),
    "inf in y": (lambda: dict(y=y_with(np.inf)), ["y", "inf", "7"]),
    "nan in theta": (lambda: dict(theta=with_entry(theta, 1, np.nan)), ["theta", "1"]),
    "nan weight": (
        lambda: dict(sample_weight=with_entry(positives(), 7, np.nan)),
        ["sample_weight", "nan", "7"],
    ),
    "nan offset": (
        lambda: dict(offset=with_entry(positives(), 7, np.nan)),
        ["offset", "nan", "7"],
    ),
    "negative weight": (
        lambda: dict(sample_weight=with_entry(positives(), 7, -0.5)),
        ["sample_weight", "negative", "7"],
    ),
    "all weights zero": (lambda: dict(sample_weight=positives(0.0)), ["sample_weight"]),
    "X of one dimension": (lambda: dict(X=X[:, 0]), ["X", "dimension"]),
    "X of three dimensions": (lambda: dict(X=X[None]), ["X", "dimension"]),
    "no rows": (lambda: dict(X=X[:0], y=y[:0]), ["rows"]),
    "short y": (lambda: dict(y=y[:-1]), ["y", "29", "30"]),
    "y of two columns": (lambda: dict(y=np.stack([y, y], axis=1)), ["y", "dimension"]),
    "short theta": (lambda: dict(theta=theta[:-1]), ["theta", "3", "4", "intercept"]),
    "square theta": (lambda: dict(theta=theta.reshape(2, 2)), ["theta", "4"]),
    "text theta": (lambda: dict(theta=["a"] * 4), ["theta"]),
    "short weights": (lambda: dict(sample_weight=positives(n=29)), ["sample_weight", "29", "30"]),
    "short offset": (lambda: dict(offset=positives(n=31)), ["offset", "31", "30"]),
    "object X": (lambda: dict(X=mixed), ["X", "high", "7", "2"]),
    "complex X": (lambda: dict(X=X.astype(complex)), ["X", "complex"]),
    "text X": (lambda: dict(X=X.astype(str)), ["X"]),
    "ragged y": (lambda: dict(y=ragged), ["y"]),
    "three classes": (lambda: dict(y=np.arange(30) % 3), ["y", "3|three", "two|binary"]),
    "one class": (lambda: dict(y=positives()), ["y", "one class"]),
    "negative count": (
        lambda: dict(spec=fi.GLM("poisson"), y=with_entry(positives(), 7, -1)),
        ["y", "-1", "7", "poisson"],
    ),
    "bad damping": (lambda: dict(damping=-0.1), ["damping", "negative|positive|zero"]),
    "nan damping": (lambda: dict(damping=np.nan), ["damping"]),
    "text damping": (lambda: dict(damping="big"), ["damping", "big"]),
    "no threads": (lambda: dict(n_threads=0), ["n_threads", "0", "1"]),
    "half a thread": (lambda: dict(n_threads=1.5), ["n_threads", "integer"]),
    "unknown solver": (lambda: dict(solver="fastest"), ["solver", "fastest", "auto"]),
    "unknown curvature": (lambda: dict(curvature="full"), ["curvature", "full", "hessian"]),
    "unknown device": (lambda: dict(device="tpu"), ["device", "tpu", "cpu"]),
    "spec that is none": (lambda: {"spec": "logistic"}, ["spec", "GLM"]),
    "l2 for other columns": (lambda: dict(spec=logistic(l2=[0.1, 0.2])), ["l2", "2", "3"]),
}

SPECS = {
    "unknown loss": (lambda: fi.GLM("logistik"), ["logistik", "logistic"]),
    "loss of a wrong type": (lambda: fi.GLM(3.5), ["loss", "3.5|float"]),
    "negative l2": (lambda: logistic(l2=-0.1), ["l2", "-0.1|negative"]),
    "nan l2": (lambda: logistic(l2=np.nan), ["l2"]),
    "infinite l2": (lambda: logistic(l2=np.inf), ["l2"]),
    "negative l2 in a list": (lambda: logistic(l2=[0.1, -0.2, 0.1]), ["l2", "-0.2|negative"]),
    "text l2": (lambda: logistic(l2="small"), ["l2", "small"]),
    "square l2": (lambda: logistic(l2=np.eye(2)), ["l2"]),
    "unknown reduction": (lambda: logistic(reduction="average"), ["reduction", "average", "mean"]),
    "not an expression": (lambda: fi.Loss("f +* y", "real"), ["f +* y"]),
    "unknown symbol": (lambda: fi.Loss("(f - y)**2 * q", "real"), ["q"]),
    "no prediction in it": (lambda: fi.Loss("y**2", "real"), ["f"]),
    "unknown function": (lambda: fi.Loss("frobnicate(f - y)", "real"), ["frobnicate"]),
    "an equation": (lambda: fi.Loss("f == y", "real"), ["f == y|expression|equation|comparison"]),
    "empty": (lambda: fi.Loss("", "real"), ["empty|expression"]),
    "code": (
        lambda: fi.Loss("__import__('os').getcwd()", "real"),
        ["__import__|expression|not allowed"],
    ),
    "unknown domain": (lambda: fi.Loss("(f - y)**2", "reals"), ["reals", "real"]),
    "hinge parameter": (
        lambda: fi.losses.smooth_hinge(t=-1.0),
        ["smooth_hinge", "t", "-1", "positive|> 0|(0"],
    ),
}

SCORING = {
    "wrong columns": (lambda: good().on_loss(X_test[:, :2], y_test), ["X_test", "2", "3"]),
    "flat test row": (lambda: good().on_loss(X_test[0], y_test[:1]), ["X_test", "dimension"]),
    "no test rows": (lambda: good().on_loss(X_test[:0], y_test[:0]), ["X_test"]),
    "short y_test": (lambda: good().on_loss(X_test, y_test[:3]), ["y_test", "3", "7"]),
    "unknown test label": (
        lambda: good().on_loss(X_test, with_entry(y_test, 3, 2.0)),
        ["y_test", "2", "3"],
    ),
    "nan in X_test": (
        lambda: good().on_loss(with_entry(X_test, (4, 1), np.nan), y_test),
        ["X_test", "nan", "4", "1"],
    ),
    "nan for a prediction": (
        lambda: good().on_prediction(with_entry(X_test, (4, 1), np.inf)),
        ["X_test", "inf", "4", "1"],
    ),
    "offset forgotten": (
        lambda: build(WITH_OFFSET).influence().on_loss(X_test, y_test),
        ["offset_test"],
    ),
    "offset forgotten in a prediction": (
        lambda: build(WITH_OFFSET).influence().on_prediction(X_test, output="mean"),
        ["offset_test"],
    ),
    "short offset_test": (
        lambda: build(WITH_OFFSET).influence().on_loss(X_test, y_test, offset_test=np.zeros(3)),
        ["offset_test", "3", "7"],
    ),
    "bad effect": (
        lambda: good().on_loss(X_test, y_test, effect="deletion"),
        ["effect", "deletion", "removal", "upweight"],
    ),
    "bad effect of params": (
        lambda: good().on_params([0], effect="deletion"),
        ["effect", "deletion", "removal"],
    ),
    "bad effect of self-influence": (
        lambda: good().self_influence(effect=None),
        ["effect", "removal"],
    ),
    "bad output": (
        lambda: good().on_prediction(X_test, output="probability"),
        ["output", "probability", "raw", "mean"],
    ),
    "bad sink": (lambda: good().on_loss(X_test, y_test, out="top"), ["out", "TopK"]),
    "top 0": (lambda: good().on_loss(X_test, y_test, out=fi.TopK(0)), ["k", "0"]),
    "top half": (lambda: good().on_loss(X_test, y_test, out=fi.TopK(2.5)), ["k", "2.5"]),
    "short gradient": (lambda: good().on_function(np.ones((1, 3))), ["gradient", "3", "4"]),
    "cubic gradient": (lambda: good().on_function(np.ones((1, 1, 4))), ["gradient"]),
    "nan gradient": (lambda: good().on_function(np.full((1, 4), np.nan)), ["gradient"]),
    "wrong direct": (
        lambda: good().on_function(np.ones((1, 4)), direct=np.ones((1, 29))),
        ["direct", "29", "30"],
    ),
    "short V": (lambda: good().ihvp(np.ones((3, 1))), ["V", "3", "4"]),
    "nan V": (lambda: good().ihvp(np.full((4, 1), np.nan)), ["V"]),
}

# Rows, groups and methods: (what is passed for rows, words).
ROWS = {
    "too large": ([0, 30], ["30", "rows"]),
    "too small": ([-31], ["-31", "rows"]),
    "float": ([0.5], ["rows", "integer"]),
    "whole floats": ([1.0, 2.0], ["rows", "integer"]),
    "text": (["a"], ["rows", "integer"]),
    "object": (np.array([1, None], dtype=object), ["rows", "integer"]),
    "empty": ([], ["rows", "empty"]),
    "short mask": (np.ones(29, dtype=bool), ["rows", "29", "30"]),
    "square": ([[1, 2], [3, 4]], ["rows", "dimension"]),
    "beyond int64": ([2**63], ["rows"]),
    "beyond uint64": ([2**70], ["rows"]),
}

REMOVAL = {
    "bad method": (
        lambda: good().leave_one_out([0], method="loo"),
        ["method", "loo", "influence", "newton", "exact"],
    ),
    "bad group method": (
        lambda: good().leave_group_out([[0]], method="loo"),
        ["method", "loo", "exact"],
    ),
    "short labels": (lambda: good().leave_group_out(np.zeros(29)), ["groups", "29", "30"]),
    "group out of range": (lambda: good().leave_group_out([[0], [30]]), ["30"]),
    "float group": (lambda: good().leave_group_out([[0.5], [1.5]]), ["integer"]),
    "no groups": (lambda: good().leave_group_out([]), ["groups", "empty|no"]),
    "unknown label after": (
        lambda: good().leave_one_out([0]).on_loss(X_test, with_entry(y_test, 3, 2.0)),
        ["y_test", "2", "3"],
    ),
    "offset forgotten after": (
        lambda: build(WITH_OFFSET).influence().leave_one_out([0]).on_loss(X_test, y_test),
        ["offset_test"],
    ),
    "bad output after": (
        lambda: good().leave_one_out([0]).on_prediction(X_test, output="probability"),
        ["output", "probability", "raw"],
    ),
}

# Not refused cleanly yet: each row moves to its table once it is (the tests are strict).
ODD = {
    "masked X": (lambda: make(X=np.ma.masked_array(X, mask=X > 1)), ["X", "mask"]),
    "complex y": (lambda: make(y=y.astype(complex)), ["y", "complex"]),
    "ragged X": (lambda: make(X=[[1, 2], [3]]), ["X"]),
    "no columns at all": (
        lambda: fi.Influence(logistic(fit_intercept=False), X[:, :0], y, []),
        ["X", "column"],
    ),
    "text gradient": (lambda: good().on_function("abc"), ["gradient"]),
    "text V": (lambda: good().ihvp("abc"), ["V"]),
    "complex V": (lambda: good().ihvp(np.ones((4, 1), dtype=complex)), ["V", "complex"]),
    "sink that was not made": (
        lambda: good().on_loss(X_test, y_test, out=fi.TopK),
        ["out", "TopK("],
    ),
    "labels that mix": (
        lambda: good().leave_group_out(np.array(["a", 1] * 15, dtype=object)),
        ["groups"],
    ),
    "labels with nan": (
        lambda: good().leave_group_out(np.where(np.arange(30) < 3, np.nan, 1.0)),
        ["groups", "nan"],
    ),
    "half a row to validate": (lambda: good().validate(X_test, y_test, rows=2.5), ["rows", "2.5"]),
    "text rows to validate": (lambda: good().validate(X_test, y_test, rows="all"), ["rows"]),
    "validate by itself": (
        lambda: good().validate(X_test, y_test, method="influence"),
        ["method", "exact"],
    ),
    "l2 of an intercept that is not penalised": (
        lambda: make(spec=logistic(l2=[0.1, 0.1, 0.1, 0.1])),
        ["l2", "penalize_intercept"],
    ),
    "no l2 for an intercept that is penalised": (
        lambda: make(spec=logistic(l2=[0.1, 0.1, 0.1], penalize_intercept=True)),
        ["l2", "penalize_intercept"],
    ),
    "negative tol": (lambda: good().leave_one_out([0], method="exact", tol=-1), ["tol"]),
    "text tol": (lambda: fi.solvers.CG(tol="small"), ["tol", "small"]),
}
