"""What a network does not answer says so once; what callers get wrong too."""

import warnings

import numpy as np
import pytest
from mlp_cases import VECTOR, Case, build

import fastinfluence as fi

BUILT = build(Case("refusals", n=30))
VECTORS = build(Case("vectors", loss=VECTOR, n=30))


def make(built=BUILT, **changes):
    good = {
        "spec": built.spec(), "X": built.X, "y": built.problem.y, "theta": built.problem.theta,
        "damping": 1.0,
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        return fi.Influence(**{**good, **changes})


UNSUPPORTED = {
    "diagnostics": lambda i: i.diagnostics(),
    "cross_validation": lambda i: i.cross_validation(),
    "prediction_interval": lambda i: i.prediction_interval(BUILT.X_test),
    "prediction target": lambda i: i.smallest_flip(fi.targets.prediction(BUILT.X_test[0])),
    "significance target": lambda i: i.smallest_flip(fi.targets.significance(0)),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_needs_a_linear_model(name):
    with pytest.raises(fi.UnsupportedError, match=r"generalised linear models, not for an MLP"):
        UNSUPPORTED[name](make())


def test_solvers_that_need_bounds_of_a_row():
    with pytest.raises(fi.UnsupportedError, match=r"bounds of each row.*scale of your own.*CG\(\)"):
        make(solver=fi.solvers.LiSSA(depth=10)).on_loss(**BUILT.test())
    with pytest.raises(fi.UnsupportedError, match="a sketch needs"):
        make().self_influence(sketch=20)


WRONG = {
    "theta": (lambda: make(theta=np.zeros(3)), r"theta has shape \(3,\).*28.*W1, b1"),
    "l2": (lambda: make(spec=BUILT.spec(l2=[1.0, 2.0])), "l2 has 2 entries.*3 layers.*28 entries"),
    "y": (
        lambda: make(VECTORS, y=VECTORS.problem.y[:-1]),
        r"y has shape \(29, 2\): give \(30,",
    ),
    "spec": (lambda: make(spec="mlp"), r"pass fi.GLM\(...\), fi.MLP\(...\) or fi.Oracle"),
    "y_test": (lambda: make(VECTORS).on_loss(VECTORS.X_test, np.zeros(4)), r"give \(4, 2\)"),
    "table for one output": (lambda: make(y=VECTORS.problem.y), "one dimension"),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_clear_error(name):
    call, words = WRONG[name]
    with pytest.raises(fi.InputError, match=words):
        call()


def test_l2_per_layer_and_per_entry():
    by_layer = BUILT.spec(l2=[0.1, 0.2, 0.3])
    found = make(spec=by_layer)._problem.l2
    shapes = BUILT.problem.shapes()
    wanted = np.concatenate(
        [np.append(np.full(a * b, l2), np.zeros(b)) for l2, (a, b) in
         zip((0.1, 0.2, 0.3), shapes, strict=True)]
    )  # fmt: skip
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(make(spec=BUILT.spec(l2=wanted + 1))._problem.l2, wanted + 1)


def test_names_of_parameters():
    names = make()._problem.param_names
    assert names[0] == "W1[x0,0]"
    assert names[9] == "b1[0]"
    assert names[-1] == "b3[f]"
    assert len(set(names)) == 28


def test_on_l2_is_the_derivative_of_the_test_loss():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 3)), rng.normal(size=80)

    def at(l2):
        return fi.Influence.fit(fi.MLP((2,), "tanh", "squared", l2=l2), X, y, theta=start)

    start = fi.Influence.fit(fi.MLP((2,), "tanh", "squared", l2=0.02), X, y).theta
    found = at(0.02).on_l2(X[:3], y[:3])
    step = 1e-5
    ends = []
    for l2 in (0.02 + step, 0.02 - step):
        infl = at(l2)
        test = infl._problem.test_rows(X[:3], y[:3])
        ends.append(infl._engine.test_losses(test, infl.theta[:, None])[:, 0])
    np.testing.assert_allclose(found, (ends[0] - ends[1]) / (2 * step), rtol=1e-4)
