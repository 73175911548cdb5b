"""Every first-order score of multinomial models against the dense reference."""

import numpy as np
import pytest
from softmax_cases import Case, build

import fastinfluence as fi

EFFECTS = ("removal", "upweight")


def close(found, wanted, tol=1e-9):
    assert found.shape == wanted.shape
    size = max(float(np.abs(wanted).max(initial=0.0)), 1e-300)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tol * size)


@pytest.mark.parametrize("effect", EFFECTS)
def test_on_loss(built, effect):
    problem = built.problem
    gradient = problem.loss_gradients(built.X_test, built.y_test, built.offset_test)
    wanted = problem.on_function(gradient, effect)
    close(built.influence().on_loss(**built.test(), effect=effect), wanted)


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("output", ["raw", "mean"])
def test_on_prediction(built, output, effect):
    """The last axis counts classes; a raw logit is taken in the gauge Σ_k = 0."""
    problem = built.problem
    gradient = problem.prediction_gradients(built.X_test, output, built.offset_test)
    t, K, p = gradient.shape
    flat = problem.on_function(gradient.reshape(-1, p), effect)
    wanted = flat.reshape(t, K, -1).transpose(0, 2, 1)
    found = built.influence().on_prediction(
        **built.test(labelled=False), output=output, effect=effect
    )
    close(found, wanted)
    if output == "mean":  # probabilities sum to one, before and after
        assert np.abs(found.sum(axis=2)).max() <= 1e-12 * np.abs(found).max() + 1e-16


@pytest.mark.parametrize("effect", EFFECTS)
def test_on_params_and_self_influence(built, effect):
    problem, infl = built.problem, built.influence()
    factor = problem.weights / problem.total if effect == "removal" else -np.ones(problem.n_rows)
    wanted = factor[:, None] * problem.solve(problem.terms().T).T
    close(infl.on_params([3, 0, 8], effect=effect), wanted[[3, 0, 8]])
    close(infl.self_influence(effect), problem.self_influence(effect))


def test_on_function_and_ihvp(built):
    problem, infl = built.problem, built.influence()
    V = np.random.default_rng(0).normal(size=(3, infl.theta.size))
    close(infl.ihvp(V.T).x, problem.solve(V.T))
    close(infl.on_function(V), problem.on_function(V, "removal"))
    assert infl.ihvp(V.T).converged.all()


def test_sinks(built):
    infl, test = built.influence(), built.test()
    scores = infl.on_loss(**test)
    np.testing.assert_allclose(infl.on_loss(**test, out=fi.Total()), scores.sum(axis=0), rtol=1e-12)
    top = infl.on_loss(**test, out=fi.TopK(3))
    np.testing.assert_array_equal(top.helpful.values, -np.sort(-scores, axis=1)[:, :3])


def test_sinks_of_predictions_have_the_classes_last(built):
    infl, test = built.influence(), built.test(labelled=False)
    scores = infl.on_prediction(**test)
    total = infl.on_prediction(**test, out=fi.Total())
    top = infl.on_prediction(**test, out=fi.TopK(2))
    np.testing.assert_allclose(total, scores.sum(axis=0), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(top.harmful.values, np.sort(scores, axis=1)[:, :2])
    assert top.harmful.rows.shape == (len(scores), 2, scores.shape[2])


def test_on_weights_and_on_l2():
    """Derivatives by weights and by l2, against refits with a little more of each."""
    built = build(Case("weights and offset", weights="real", offset=True, K=5))
    infl, test = built.influence(), built.test()
    step = 1e-5

    def losses(spec, w):
        refit = fi.Influence.fit(
            spec, built.X, built.names[built.problem.y], w, built.problem.offset, tol=1e-12
        )
        problem = built.problem
        return problem.losses(refit.theta, built.X_test, built.y_test, built.offset_test)

    w = built.problem.weights
    moved = np.arange(len(w)) == 4
    by_weight = (
        losses(built.spec(), w + step * moved) - losses(built.spec(), w - step * moved)
    ) / (2 * step)
    np.testing.assert_allclose(infl.on_weights(**test)[:, 4], by_weight, atol=1e-7)
    l2 = float(built.case.l2)
    by_l2 = (losses(built.spec(l2=l2 + step), w) - losses(built.spec(l2=l2 - step), w)) / (2 * step)
    np.testing.assert_allclose(infl.on_l2(**test), by_l2, atol=1e-6)


def test_covariance_is_the_sandwich(built):
    problem, infl = built.problem, built.influence()
    share = problem.weights / problem.total
    u = share[:, None] * problem.solve(problem.terms().T).T
    centred = u - u.mean(axis=0)
    close(infl.covariance(), centred.T @ centred)
    groups = np.arange(problem.n_rows) % 7
    sums = np.stack([u[groups == g].sum(axis=0) for g in range(7)])
    sums -= sums.mean(axis=0)
    close(infl.covariance(groups), sums.T @ sums)


@pytest.mark.parametrize("curvature", ["gauss-newton", "fisher"])
def test_every_curvature_is_the_hessian(curvature):
    """The logit is canonical: expected and observed curvature agree."""
    built = build(Case("sum", "sum", l2=1.5))
    found = built.influence(curvature=curvature).on_loss(**built.test())
    np.testing.assert_array_equal(found, built.influence().on_loss(**built.test()))
