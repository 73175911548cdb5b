"""What multinomial models do not do says so once; what callers get wrong too."""

import pickle

import numpy as np
import pytest
from softmax_cases import Case, build

import fastinfluence as fi
from fastinfluence.errors import LossError

BUILT = build(Case("refusals"))
Y = BUILT.names[BUILT.problem.y]
THETA = BUILT.problem.theta


def make(**changes):
    good = {"spec": BUILT.spec(), "X": BUILT.X, "y": Y, "theta": THETA}
    return fi.Influence(**{**good, **changes})


UNSUPPORTED = {
    "diagnostics": lambda i: i.diagnostics(),
    "cross_validation": lambda i: i.cross_validation(),
    "prediction_interval": lambda i: i.prediction_interval(BUILT.X_test),
    "prediction target": lambda i: i.smallest_flip(fi.targets.prediction(BUILT.X_test[0])),
    "significance target": lambda i: i.smallest_flip(fi.targets.significance(0)),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_needs_one_prediction_a_row(name):
    with pytest.raises(fi.UnsupportedError, match=r"one prediction a row.*one class against"):
        UNSUPPORTED[name](BUILT.influence())


WRONG = {
    "theta": (lambda: make(theta=THETA[:-1]), r"theta has shape.*15.*3 classes"),
    "theta of a table": (lambda: make(theta=THETA.reshape(-1, 3)), r"raveled in C order"),
    "one class": (lambda: make(y=np.ones(50)), r"one class only.*at least two"),
    "nan label": (lambda: make(y=np.where(np.arange(50) == 4, np.nan, 1.0)), r"y holds nan.*row 4"),
    "offset": (lambda: make(offset=np.zeros(50)), r"offset has shape.*needs \(50, 3\)"),
    "unknown label": (
        lambda: BUILT.influence().on_loss(BUILT.X_test[:1], ["yak"]),
        r"label .*yak.*row 0.*'cat'.*'dog'.*'eel'",
    ),
    "l2": (lambda: make(spec=fi.GLM("multinomial", l2=[1.0, 2.0])), r"l2 has 2 entries.*4 or 12"),
    "direct shape": (
        lambda: BUILT.influence().on_function(np.ones((1, 14))),
        r"gradient has shape.*p = 15",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_clear_error(name):
    call, words = WRONG[name]
    with pytest.raises(fi.InputError, match=words):
        call()


def test_an_offset_is_asked_for_again():
    infl = make(offset=np.zeros((50, 3)))
    with pytest.raises(fi.InputError, match="give offset_test"):
        infl.on_prediction(BUILT.X_test)


def test_separable_classes_have_no_optimum():
    X = np.arange(12.0)[:, None]
    y = np.repeat(["low", "middle", "high"], 4)
    with pytest.raises(fi.NoOptimumError, match=r"keeps falling.*x0\[.*separable"):
        fi.Influence.fit(fi.GLM("multinomial", l2=0.0), X, y)


def test_the_loss_is_a_value():
    loss = fi.losses.multinomial()
    assert loss == fi.losses.get("multinomial") == pickle.loads(pickle.dumps(loss))
    assert fi.GLM(loss, l2=0.1) == fi.GLM("multinomial", l2=0.1)
    assert "multinomial" in dir(fi.losses)
    assert "sum_k" in fi.losses.multinomial.__doc__
    with pytest.raises(LossError, match="no parameter 't'"):
        fi.losses.multinomial(t=1.0)
    with pytest.raises(LossError, match=r"multinomal.*Did you mean 'multinomial'"):
        fi.losses.get("multinomal")
    with pytest.raises(fi.UnsupportedError, match="one prediction per class"):
        loss.program  # noqa: B018


def test_l2_per_entry_of_theta():
    l2 = np.arange(1.0, 13.0).reshape(4, 3)
    spec = fi.GLM("multinomial", l2=l2.ravel() / 50)
    wanted = np.append(l2.ravel() / 50, np.zeros(3))
    np.testing.assert_array_equal(spec.l2_vector(4, 3), wanted)
    infl = fi.Influence.fit(spec, BUILT.X, Y)
    assert infl.gradient_norm <= 1e-9


def test_any_labels_do():
    """Numbers, strings, booleans and objects; classes are their sorted distinct values."""
    base = fi.Influence.fit(BUILT.spec(), BUILT.X, Y).on_loss(
        BUILT.X_test, BUILT.names[BUILT.y_test]
    )
    codes, tests = BUILT.problem.y, BUILT.y_test
    for labels in ([10, 20, 30], [0.5, 1.5, 2.5], [b"a", b"b", b"c"]):
        names = np.array(labels)
        infl = fi.Influence.fit(BUILT.spec(), BUILT.X, names[codes])
        np.testing.assert_array_equal(infl.on_loss(BUILT.X_test, names[tests]), base)
