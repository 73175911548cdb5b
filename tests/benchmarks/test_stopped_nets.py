"""The networks of the removal study, written apart from the library, against the library."""

import warnings

import numpy as np
import pytest

import fastinfluence as fi
from benchmarks.networks import stopped_nets as module

N, D, HIDDEN, DAMPING = 60, 3, (4, 3), 0.05


@pytest.fixture(scope="module")
def made():
    """Return a table, networks and a theta that is no optimum."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N + 5, D))
    y = (np.sin(2 * X[:, 0]) + rng.normal(size=N + 5) > 0).astype(float)
    data = module.Table("made", X[:N], y[:N], X[N:], y[N:])
    nets = module.Nets(D, HIDDEN)
    return data, nets, nets.start(1)


def influence(made, **options):
    data, _, theta = made
    spec = fi.MLP(HIDDEN, "tanh", "logistic", l2=module.L2 * N, reduction="sum")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        return fi.Influence(spec, data.X, data.y, theta, **options)


def test_gradients_are_the_library_s(made):
    data, nets, theta = made
    pair = np.stack([theta, theta[::-1]])
    _, sums = nets.gradient(pair, data.X, lambda f: module.expit(f) - data.y)
    mine = sums[0] / N + module.L2 * nets.penalised * theta
    np.testing.assert_allclose(
        mine, influence(made).hessian.engine.gradient, rtol=1e-10, atol=1e-14
    )
    alone = nets.gradient(pair[1:], data.X, lambda f: module.expit(f) - data.y)[1]
    np.testing.assert_allclose(sums[1], alone[0], rtol=1e-12)


def test_a_row_of_weight_zero_is_as_if_absent(made):
    data, nets, theta = made
    weights = np.ones((2, N))
    weights[0, 7] = 0.0
    changed = module.Table("made", data.X.copy(), data.y, data.X_test, data.y_test)
    changed.X[7] += 3.0
    one, other = (module.train(nets, t, theta, weights, 2, 0) for t in (data, changed))
    np.testing.assert_array_equal(one[0], other[0])
    assert np.abs(one[1] - other[1]).max() > 1e-4


def test_the_response_s_limit_is_damped_gauss_newton(made):
    data, nets, theta = made
    infl = influence(made, curvature="gauss-newton", damping=DAMPING, solver=fi.solvers.Direct())
    response = module.Response(nets, data, theta, DAMPING, infl.hessian.dense())
    expected = infl.on_params([3])[0]
    far, near = (response.moved(3, epsilon) for epsilon in (1.0, 1e-3))
    assert max(far[1], near[1]) < 1e-4
    np.testing.assert_allclose(near[0] / 1e-3, expected, atol=0.01 * np.abs(expected).max())
    assert np.abs(far[0] - expected).max() > 0.02 * np.abs(expected).max()


def test_a_whole_response_is_a_minimum(made):
    """Its gradient by differences of the stated objective, written out again."""
    data, nets, theta = made
    infl = influence(made, curvature="gauss-newton", damping=DAMPING)
    step, _ = module.Response(nets, data, theta, DAMPING, infl.hessian.dense()).moved(3, 1.0)

    def objective(at):
        f, f0 = (nets.outputs(t[None], data.X)[0] for t in (at, theta))
        p0 = module.expit(f0)
        bregman = np.logaddexp(0, f) - np.logaddexp(0, f0) - p0 * (f - f0)
        own = np.logaddexp(0, f[3]) - data.y[3] * f[3]
        away = at - theta
        stiff = DAMPING * away @ away + module.L2 * (nets.penalised * away) @ away
        return (bregman.sum() - own) / N + 0.5 * stiff

    eye = 1e-5 * np.eye(nets.p)
    slopes = [(objective(theta + step + e) - objective(theta + step - e)) / 2e-5 for e in eye]
    start = [(objective(theta + e) - objective(theta - e)) / 2e-5 for e in eye]
    assert np.abs(slopes).max() < 1e-4 * np.abs(start).max()
