"""One clear error for each wrong argument, and for each slope that is no derivative."""

import re

import numpy as np
import pytest
from cases import CASES, Case, build
from functions import dense
from refusal import check
from scipy.special import expit

import fastinfluence as fi
from fastinfluence.targets.slopes import check_slope, derivative

t = fi.targets
b = build(Case("inputs", "logistic", n=30, d=3, l2=0.1))
X, y, GROUP = b.X_test, (np.arange(7) % 3 > 0) * 1.0, np.arange(7) % 2
OFFSET = next(c for c in CASES if c.name == "logistic weighted")


def ask(target):
    return b.influence().on_function(target)


def own(value=np.var, slope=lambda f: 2 * (f - f.mean()) / len(f), **options):
    return ask(t.of_predictions(X, value, slope, **{"name": "the spread", **options}))


def with_offset():
    return build(OFFSET).influence().on_function(t.auc(build(OFFSET).X_test, y))


def of_classes(target):
    return lambda: dense.classes("mean").infl.on_function(target(dense.classes("mean")))


def of_vectors():
    m = dense.network("squared vectors")
    return m.infl.on_function(t.accuracy(m.X_test, np.zeros((4, 2))))


def least_squares(target):
    return build(next(c for c in CASES if c.name == "squared mean")).influence().on_function(target)


def hinge():
    m = dense.one_prediction("smooth_hinge")
    return m.infl.on_function(t.parity_gap(m.X_test, GROUP))


X4 = build(next(c for c in CASES if c.name == "squared mean")).X_test
removal = b.influence().leave_one_out([0], method="newton")

BAD = {
    "sharpness 0": (lambda: ask(t.accuracy(X, y, 0.0)), ["sharpness=0.0", "positive"]),
    "sharpness text": (lambda: ask(t.accuracy(X, y, "a")), ["sharpness='a'", "number"]),
    "width": (lambda: ask(t.auc(X, y, width=-1.0)), ["width=-1.0"]),
    "width inf": (lambda: ask(t.auc(X, y, width=np.inf)), ["width=inf", "finite"]),
    "threshold": (lambda: ask(t.accuracy(X, y, threshold=np.nan)), ["threshold=nan", "finite"]),
    "no labels": (lambda: ask(t.accuracy(X, None)), ["y_test", "accuracy"]),
    "no labels, gap": (lambda: ask(t.opportunity_gap(X, None, GROUP)), ["y_test", "opportunity"]),
    "short labels": (lambda: ask(t.auc(X, y[:6])), ["y_test", "6 entries", "7 rows"]),
    "strange label": (lambda: ask(t.auc(X, y + 2)), ["y_test", "label 2.0", "row 0"]),
    "one label": (lambda: ask(t.auc(X, np.ones(7))), ["auc", "every row", "positive"]),
    "the other label": (lambda: ask(t.auc(X, np.zeros(7))), ["auc", "every row", "negative"]),
    "columns": (lambda: ask(t.auc(X[:, :2], y)), ["X_test", "2 columns", "3"]),
    "nan": (lambda: ask(t.parity_gap(X * np.nan, GROUP)), ["X_test", "nan", "row 0"]),
    "three groups": (lambda: ask(t.parity_gap(X, np.arange(7) % 3)), ["group", "3 distinct"]),
    "one group": (lambda: ask(t.parity_gap(X, np.ones(7))), ["group", "1 distinct"]),
    "short group": (lambda: ask(t.parity_gap(X, GROUP[:5])), ["group", "5 entries", "7 rows"]),
    "nan group": (
        lambda: ask(t.parity_gap(X, [0, 1, np.nan, 0, 1, 0, 1])), ["group", "nan", "row 2"],
    ),
    "no group": (lambda: ask(t.parity_gap(X, [None, *"ababab"])), ["group", "None", "row 0"]),
    "mixed groups": (
        lambda: ask(t.parity_gap(X, np.array(["a", 1] * 3 + ["a"], dtype=object))),
        ["group", "ordered"],
    ),
    "flat group": (lambda: ask(t.parity_gap(X, np.ones((7, 2)))), ["group", "one dimension"]),
    "no positive row": (
        lambda: ask(t.opportunity_gap(X, y, y)), ["opportunity_gap", "1.0 − 0.0", "positive"],
    ),
    "offset forgotten": (with_offset, ["offset_test"]),
    "classes, parity": (
        of_classes(lambda m: t.parity_gap(m.X_test, GROUP)), ["parity_gap", "not for 3", "of_pred"],
    ),
    "classes, opportunity": (
        of_classes(lambda m: t.opportunity_gap(m.X_test, m.y_test, GROUP)),
        ["opportunity_gap", "not for 3"],
    ),
    "classes, auc": (of_classes(lambda m: t.auc(m.X_test, m.y_test)), ["auc", "not for 3"]),
    "classes, threshold": (
        of_classes(lambda m: t.accuracy(m.X_test, m.y_test, threshold=0.0)),
        ["threshold", "multinomial"],
    ),
    "vectors": (of_vectors, ["accuracy", "vectors"]),
    "no boundary": (lambda: least_squares(t.accuracy(X4, y)), ["accuracy", "threshold", "0.5"]),
    "many labels": (
        lambda: least_squares(t.auc(X4, np.arange(7.0))), ["auc", "7 distinct", "two"],
    ),
    "no mean": (hinge, ["smooth_hinge", "no mean"]),
    "output": (lambda: own(output="both"), ["output='both'", "raw", "mean"]),
    "no value": (lambda: own(value=3.0), ["value=3.0", "callable"]),
    "no slope": (lambda: own(slope=[1.0]), ["slope=[1.0]", "callable"]),
    "vector value": (lambda: own(value=lambda f: f), ["the spread", "(7,)", "one number"]),
    "nan value": (lambda: own(value=lambda f: np.nan), ["the spread", "nan", "present theta"]),
    "short slope": (lambda: own(slope=lambda f: f[:3]), ["the spread", "(3,)", "(7,)"]),
    "nan slope": (lambda: own(slope=lambda f: f * np.nan), ["the spread", "slope", "NaN"]),
    "direct too": (
        lambda: b.influence().on_function(t.auc(X, y), direct=np.ones(30)), ["target", "direct"],
    ),
    "a list with an array": (
        lambda: b.influence().on_function([t.auc(X, y), np.ones(4)]), ["target=", "fi.targets"],
    ),
    "a class": (lambda: ask([t.auc]), ["target=", "no target"]),
    "removal, no target": (lambda: removal.on_function(np.ones(4)), ["no target", "parity_gap"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    check(*BAD[name])


def test_a_good_call_is_not_refused():
    for target in (t.auc(X, y), t.accuracy(X, y), t.parity_gap(X, GROUP), [t.auc(X, y)]):
        with pytest.raises(pytest.fail.Exception):
            check(lambda target=target: ask(target), [])
    with pytest.raises(pytest.fail.Exception):
        check(own, [])


def test_pandas_in_another_order():
    pd = pytest.importorskip("pandas")
    frame, group = pd.DataFrame(X), pd.Series(GROUP)
    check(lambda: ask(t.parity_gap(frame, group[::-1])), ["group", "another order"])
    named = ask(t.parity_gap(frame, pd.Series(np.where(GROUP, "m", "f"), dtype="category")))
    np.testing.assert_array_equal(named, ask(t.parity_gap(X, GROUP)))


# -- slopes --------------------------------------------------------------------------------------

F = np.random.default_rng(5).normal(size=400)


def entry(k, factor, slope):
    """A slope with one wrong entry."""
    return lambda f: slope(f) * np.where(np.arange(f.size).reshape(f.shape) == k, factor, 1.0)


def variance(f):
    return 2 * (f - f.mean()) / f.size


RIGHT = {
    "variance": (np.var, variance, F),
    "a table": (lambda f: np.var(f), variance, F.reshape(100, 4)),
    "sharp": (
        lambda f: np.mean(np.tanh(f / 0.01)), lambda f: 100 / np.cosh(f / 0.01) ** 2 / f.size, F,
    ),
    "logarithm": (lambda f: np.log(f).sum(), lambda f: 1 / f, np.abs(F) ** 9),
    "large numbers": (lambda f: np.mean(f**2), lambda f: 2 * f / f.size, 1e6 + F),
    "one row": (lambda f: float(f[0] ** 3), lambda f: 3 * f**2, np.array([2.0])),
    "a constant": (lambda f: 3.0, np.zeros_like, F),
    "linear, cancelling": (lambda f: f[:200].mean() - f[200:].mean(),
                           lambda f: np.repeat([1 / 200, -1 / 200], 200), F),
}  # fmt: skip
WRONG = {
    "one entry is zero": (np.var, entry(123, 0.0, variance), F, "test row 123"),
    "one entry is 1 % off": (np.var, entry(7, 1.01, variance), F, "test row 7"),
    "one entry of a table": (
        np.var, entry(4 * 31 + 2, -1.0, variance), F.reshape(100, 4), "test row 31, output 2",
    ),
    "sign": (np.var, lambda f: -variance(f), F, "test row"),
    "sum, not mean": (np.var, lambda f: variance(f) * f.size, F, "test row"),
    "a step": (lambda f: np.mean(f > 0), lambda f: expit(f) * expit(-f) / f.size, F, "give 0:"),
    "nothing": (np.mean, np.zeros_like, F, "slope gives 0 for"),
}  # fmt: skip
ROUGH = {
    "a draw": lambda f: np.mean(f) + 1e-3 * np.random.default_rng().normal(),
    "half precision": lambda f: float(np.mean(f.astype(np.float16))),
}


def sizes(f):
    return np.abs(f) if (f > 0).all() else np.ones_like(f)


@pytest.mark.parametrize("name", RIGHT)
def test_right_slopes_pass(name):
    value, slope, f = RIGHT[name]
    check_slope(value, slope(f), f, sizes(f), name)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_slopes_are_caught(name):
    value, slope, f, where = WRONG[name]
    with pytest.raises(fi.InputError, match="central finite differences") as caught:
        check_slope(value, slope(f), f, sizes(f), name)
    message = str(caught.value)
    assert message.startswith(f"{name}: slope gives ")
    assert where in message


def test_both_numbers_are_told():
    wrong = entry(123, 3.0, variance)
    with pytest.raises(fi.InputError) as caught:
        check_slope(np.var, wrong(F), F, np.ones_like(F), "x")
    told = [float(word) for word in re.findall(r"gives? (\S+?)(?: for|:)", str(caught.value))]
    assert told[0] == pytest.approx(wrong(F)[123], rel=1e-6)
    assert told[1] == pytest.approx(variance(F)[123], rel=1e-6)


@pytest.mark.parametrize("name", ROUGH)
def test_rough_functions_cannot_be_checked(name):
    with pytest.raises(fi.InputError, match="float64"):
        check_slope(ROUGH[name], np.full(400, 1 / 400), F, np.ones_like(F), name)


@pytest.mark.parametrize("output", ["raw", "mean"])
def test_a_wrong_slope_of_a_target_is_caught_when_bound(output):
    for m in (
        dense.one_prediction("logistic mean"),
        dense.classes("mean"),
        dense.network("logistic"),
    ):
        slope = entry(3, 1.1, dense.spread_slope)
        target = t.of_predictions(m.X_test, dense.spread, slope, output, name="my number")
        with pytest.raises(fi.InputError, match=r"my number: slope gives .* for test row [013]"):
            m.infl.on_function(target)
        with pytest.raises(fi.InputError, match="my number"):
            m.infl.leave_one_out([0], method="influence").on_function(target)


def test_the_callables_cannot_change_the_predictions():
    """A value that sorts in place, a slope that scales in place: they get copies."""

    def value(f):
        f.sort()
        return float(f[-1] + f[0])

    def slope(f):
        out = np.zeros_like(f)
        out[[f.argmax(), f.argmin()]] = 1.0
        f *= 100
        return out

    found = b.influence().on_function(t.of_predictions(X, value, slope))
    f = b.problem.test_raw(b.theta, X, None)
    x = np.append(X[f.argmax()] + X[f.argmin()], 2.0)
    np.testing.assert_allclose(found, b.influence().on_function(x), rtol=1e-12, atol=1e-15)


def test_derivative():
    for function, wanted in ((np.sin, 1.0), (np.exp, 1.0), (lambda h: np.log(0.01 + h), 100.0)):
        found, error = derivative(function, 0.0)
        assert found == pytest.approx(wanted, rel=1e-10)
        assert error < 1e-8 * wanted
