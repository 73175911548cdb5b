"""Standard errors, and both of their derivatives, against dense formulas and refits."""

import numpy as np
import pytest
import reference
from cases import CASES, build, named
from subsets.dense import FAMILY, refitted, reweighted, slope, standard_error, wald

import fastinfluence as fi
from fastinfluence.standard_errors import dispersion, inverse_diagonal
from fastinfluence.standard_errors import wald as library_wald

ROWS = (0, 3, 17, 41)
J = 1


def derivatives(b):
    """The library's value, gradient by theta and direct derivative by the weights."""
    return library_wald(b.influence()._engine, J)


@pytest.mark.parametrize("case", **named(FAMILY))
def test_value(case):
    b = build(case)
    engine = b.influence()._engine
    se = np.sqrt(inverse_diagonal(engine, J).value * dispersion(engine).value)
    np.testing.assert_allclose(se, standard_error(b.problem, J), rtol=1e-9)
    np.testing.assert_allclose(derivatives(b).value, wald(b.problem, J), rtol=1e-9)


@pytest.mark.parametrize("case", **named(FAMILY))
def test_gradient_at_fixed_weights(case):
    b = build(case)

    def moved(unit):
        return slope(
            lambda h: wald(reference.replace(b.problem, theta=b.theta + h * unit), J), 1e-3
        )

    expected = np.array([moved(unit) for unit in np.eye(len(b.theta))])
    scale = np.abs(expected).max()
    np.testing.assert_allclose(derivatives(b).gradient, expected, rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize("case", **named(FAMILY))
def test_direct_derivative_at_fixed_theta(case):
    b = build(case)
    expected = [slope(lambda h, i=i: wald(reweighted(b.problem, i, h), J), 2e-3) for i in ROWS]
    scale = np.abs(expected).max()
    actual = derivatives(b).direct[list(ROWS)]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize("case", **named(FAMILY))
def test_both_together_are_a_refit_with_other_weights(case):
    b = build(case)
    infl, at = b.influence(), derivatives(b)
    scores = infl.on_function(at.gradient, direct=at.direct[None], effect="upweight")[0]
    expected = [
        slope(lambda h, i=i: wald(refitted(reweighted(b.problem, i, h)), J), 2e-3) for i in ROWS
    ]
    scale = np.abs(expected).max()
    actual = scores[list(ROWS)] / b.problem.total
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize("part", ["gradient", "direct"])
def test_either_part_alone_is_seen_to_be_wrong(part):
    b = build(next(c for c in CASES if c.name == "logistic weighted"))
    infl, at = b.influence(), derivatives(b)
    gradient = at.gradient if part == "gradient" else np.zeros_like(at.gradient)
    direct = at.direct if part == "direct" else np.zeros_like(at.direct)
    scores = infl.on_function(gradient, direct=direct[None], effect="upweight")[0]
    expected = slope(lambda h: wald(refitted(reweighted(b.problem, 3, h)), J), 2e-3)
    assert abs(scores[3] / b.problem.total - expected) > 0.01 * abs(expected)


def test_against_statsmodels():
    sm = pytest.importorskip("statsmodels.api")
    b = build(next(c for c in CASES if c.name == "squared unpenalised"))
    theirs = sm.OLS(b.y, b.problem.design(b.X)).fit()
    engine = b.influence()._engine
    ours = [library_wald(engine, j).value for j in range(5)]
    np.testing.assert_allclose(ours, np.abs(theirs.tvalues), rtol=1e-9)
    b = build(next(c for c in CASES if c.name == "logistic unpenalised"))
    theirs = sm.Logit(b.y, b.problem.design(b.X)).fit(disp=0)
    engine = b.influence()._engine
    ours = [library_wald(engine, j).value for j in range(4)]
    np.testing.assert_allclose(ours, np.abs(theirs.tvalues), rtol=1e-5)


def test_a_custom_loss_of_two_classes_has_unit_dispersion():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 2)), rng.integers(0, 2, 50)
    own = fi.Loss("softplus(f) - y*f", {0, 1}, mean="sigmoid(f)", name="own")
    infl = fi.Influence.fit(fi.GLM(own), X, y)
    assert dispersion(infl._engine).value == 1.0
