"""An oracle gives the numbers of the engine whose model its callables describe."""

import copy
import pickle

import numpy as np
import pytest
from oracle_cases import (
    ANSWERS,
    OPTIMUM,
    PENALTY,
    P,
    X,
    X_test,
    glm,
    oracle,
    w,
    weighted_hvp,
    y,
    y_test,
)

import fastinfluence as fi

WEIGHTS = {"even": None, "uneven": w}
HVPS = {"with weights": weighted_hvp, "without": oracle().calls["hvp"]}


def pair(
    reduction: str, weights: str, product: str, **options
) -> tuple[fi.Influence, fi.Influence]:
    chosen = WEIGHTS[weights]
    own = fi.Influence.fit(glm(reduction), X, y, sample_weight=chosen, tol=1e-11, **options)
    spec = oracle(hvp=HVPS[product], reduction=reduction, batch=25)
    return own, fi.Influence(spec, X, y, own.theta, sample_weight=chosen, **options)


def close(found, wanted, tol=1e-9):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tol * np.abs(wanted).max())


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("product", HVPS)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_every_answer(reduction, weights, product, name):
    own, other = pair(reduction, weights, product)
    close(ANSWERS[name](other), ANSWERS[name](own))


@pytest.mark.parametrize("name", ["on_loss", "self_influence", "newton"])
def test_damping_and_gauss_newton(name):
    own, _ = pair("mean", "uneven", "without", damping=0.2)
    damped = fi.Influence(
        oracle(), X, y, own.theta, sample_weight=w, damping=0.2, curvature="gauss-newton"
    )
    close(ANSWERS[name](damped), ANSWERS[name](own))


def test_two_callables_are_enough_for_scores():
    own, _ = pair("mean", "uneven", "without")
    spec = fi.Oracle(oracle().calls["gradient"], oracle().calls["hvp"], l2=PENALTY)
    bare = fi.Influence(spec, X, y, own.theta, sample_weight=w)
    for name in ("on_loss", "self_influence", "newton", "on_weights"):
        close(ANSWERS[name](bare), ANSWERS[name](own))


MISSING = {
    "loss": lambda infl: infl.leave_one_out([0], method="exact"),
    "loss ": lambda infl: infl.polish(),
    " loss": lambda infl: infl.leave_one_out([0], method="newton").on_loss(X_test, y_test),
    "prediction_gradient": lambda infl: infl.on_prediction(X_test),
    "mean_gradient": lambda infl: infl.on_prediction(X_test, output="mean"),
    "prediction": lambda infl: infl.leave_one_out([0]).on_prediction(X_test),
    "mixed_vjp": lambda infl: infl.perturbation(X_test, y_test, [0]),
}


@pytest.mark.parametrize("name", MISSING)
def test_what_needs_another_callable_names_it(name):
    calls = oracle().calls
    bare = fi.Influence(fi.Oracle(calls["gradient"], calls["hvp"], l2=PENALTY), X, y, OPTIMUM)
    with pytest.raises(fi.UnsupportedError, match=name.strip()):
        MISSING[name](bare)


SOLVERS = {
    "CG": fi.solvers.CG(tol=1e-12),
    "plain CG": fi.solvers.CG(tol=1e-12, preconditioner=None),
    "Nyström": fi.solvers.CG(tol=1e-12, preconditioner=fi.solvers.Nystrom(rank=3)),
    "direct": fi.solvers.Direct(),
}


@pytest.mark.parametrize("name", SOLVERS)
def test_solvers(name):
    own, _ = pair("mean", "uneven", "without")
    other = fi.Influence(oracle(), X, y, own.theta, sample_weight=w, solver=SOLVERS[name])
    close(ANSWERS["on_loss"](other), ANSWERS["on_loss"](own), 1e-8)


def test_lissa_at_a_scale_of_the_callers():
    own, _ = pair("mean", "even", "without")
    solver = fi.solvers.LiSSA(scale=4.0, depth=400, repeats=12, batch=4, seed=1)
    other = fi.Influence(oracle(), X, y, own.theta, solver=solver)
    side = np.eye(P)[:, :1]
    found, wanted = other.ihvp(side), own.ihvp(side).x
    assert found.std_error is not None
    assert (np.abs(found.x - wanted) <= 5 * found.std_error + 1e-3).all()
    assert np.linalg.norm(found.x - wanted) < 0.2 * np.linalg.norm(wanted)


def test_lissa_says_that_a_scale_is_too_small():
    infl = fi.Influence(oracle(), X, y, OPTIMUM, solver=fi.solvers.LiSSA(scale=1e-3, depth=200))
    found = infl.ihvp(np.eye(P)[:, :1])
    assert "diverged" in found.status[0]
    with pytest.warns(fi.FastInfluenceWarning, match="diverged"):
        assert np.isnan(infl.on_loss(X_test, y_test)).all()


def test_copies():
    spec = oracle()
    for other in (pickle.loads(pickle.dumps(spec)), copy.deepcopy(spec)):
        assert other == spec
        assert hash(other) == hash(spec)
    infl = fi.Influence(spec, X, y, OPTIMUM)
    close(copy.deepcopy(infl).on_loss(X_test, y_test), infl.on_loss(X_test, y_test))


def test_lissa_finds_no_scale_by_itself():
    infl = fi.Influence(oracle(), X, y, OPTIMUM, solver=fi.solvers.LiSSA(depth=10))
    with pytest.raises(fi.UnsupportedError, match="scale of your own"):
        infl.ihvp(np.eye(P))


def test_fits_from_a_given_start():
    own, _ = pair("sum", "uneven", "without")
    found = fi.Influence.fit(oracle(reduction="sum"), X, y, sample_weight=w, theta=np.zeros(P))
    assert found.fit_status.stationary
    close(found.theta, own.theta, 1e-7)
    near = fi.Influence(oracle(), X, y, OPTIMUM + 1e-4)
    close(near.polish().theta, OPTIMUM, 1e-7)


def test_fits_need_a_start():
    with pytest.raises(fi.InputError, match="theta"):
        fi.Influence.fit(oracle(), X, y)


def test_the_report_names_the_oracle():
    own, _ = pair("mean", "even", "without")
    text = str(fi.Influence(oracle(name="my model"), X, y, own.theta).report())
    assert "my model" in text
    assert "smallest eigenvalue" in text


def test_progress_counts_refits():
    own, _ = pair("mean", "even", "without")
    seen = []
    infl = fi.Influence(
        oracle(), X, y, own.theta, progress=lambda phase, done, total: seen.append(phase)
    )
    infl.on_loss(X_test, y_test)
    assert "scoring" in seen


@pytest.mark.parametrize(
    "call",
    [
        lambda infl: infl.diagnostics(),
        lambda infl: infl.cross_validation(),
        lambda infl: infl.replacement([0], X[:1], None, X_test, y_test, method="exact"),
        lambda infl: fi.attack(infl, X_test, y_test, [0], step=0.1, n_steps=1),
    ],
)
def test_what_an_oracle_does_not_answer(call):
    _, other = pair("mean", "even", "without")
    with pytest.raises(fi.UnsupportedError, match="oracle"):
        call(other)


def test_an_offset_is_refused():
    with pytest.raises(fi.InputError, match="offset"):
        fi.Influence(oracle(), X, y, np.zeros(P), offset=np.ones(len(X)))


def test_fisher_is_refused():
    with pytest.raises(fi.UnsupportedError, match="fisher"):
        fi.Influence(oracle(), X, y, np.zeros(P), curvature="fisher")
