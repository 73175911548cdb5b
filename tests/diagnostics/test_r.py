"""Diagnostics against R's own functions on R's own data (tests/data/make_r_diagnostics.R)."""

import csv
from pathlib import Path

import numpy as np
import pytest

import fastinfluence as fi

FOLDER = Path(__file__).parents[1] / "data"
LOSSES = {
    "lm_stackloss": lambda: fi.losses.squared(),
    "lm_weighted": lambda: fi.losses.squared(),
    "glm_logit": lambda: fi.families.binomial(),
    "glm_probit": lambda: fi.families.binomial(link="probit"),
    "glm_poisson": lambda: fi.families.poisson(),
    "glm_gamma_inverse": lambda: fi.families.gamma(link="inverse"),
    "glm_gamma_log": lambda: fi.families.gamma(link="log"),
    "glm_inverse_gaussian": lambda: fi.families.inverse_gaussian(link="log"),
}
EVERY = {
    "leverage": "hat",
    "cooks_distance": "cook",
    "studentized_internal": "rstandard_pearson",
    "deviance": "deviance_residual",
}
LINEAR = {"studentized_external": "rstudent", "dffits": "dffits", "covratio": "covratio"}


class RCase:
    """One file: the design matrix, then R's numbers."""

    def __init__(self, name):
        with (FOLDER / f"r_{name}.csv").open() as file:
            self.rows = list(csv.DictReader(file))
        self.terms = list(self.rows[0])[: list(self.rows[0]).index("y")]
        self.X = np.column_stack([self.column(term) for term in self.terms])
        self.theta = np.array([self.column(f"coef_{j + 1}")[0] for j in range(len(self.terms))])

    def column(self, name):
        return np.array([float(row[name]) for row in self.rows])

    def diagnostics(self, loss, curvature="fisher"):
        spec = fi.GLM(loss, fit_intercept=False, reduction="sum")
        infl = fi.Influence(
            spec,
            self.X,
            self.column("y"),
            self.theta,
            sample_weight=self.column("weight"),
            curvature=curvature,
        )
        return infl.diagnostics()


def assert_equal_to_r(ours, theirs, digits=1e-9):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=digits * np.abs(theirs).max())


@pytest.mark.parametrize("name", LOSSES)
def test_equal_to_r(name):
    case = RCase(name)
    found = case.diagnostics(LOSSES[name]())
    for ours, theirs in EVERY.items():
        # R's working weights and dispersion belong to the step before its last coefficients.
        assert_equal_to_r(getattr(found, ours), case.column(theirs), 1e-6)
    assert found.dispersion == pytest.approx(case.column("dispersion")[0], rel=1e-7)


@pytest.mark.parametrize("name", [name for name in LOSSES if name.startswith("lm")])
def test_least_squares_to_the_last_digits(name):
    case = RCase(name)
    found = case.diagnostics(LOSSES[name]())
    for ours, theirs in (EVERY | LINEAR).items():
        assert_equal_to_r(getattr(found, ours), case.column(theirs))
    for j, term in enumerate(case.terms):
        column = "dfbetas_" + ("(Intercept)" if term == "X.Intercept." else term)
        assert_equal_to_r(found.dfbetas[:, j], case.column(column))


def test_canonical_links_need_no_fisher():
    case = RCase("glm_logit")
    observed = case.diagnostics(LOSSES["glm_logit"](), curvature="hessian")
    assert_equal_to_r(observed.cooks_distance, case.column("cook"))


def test_the_comparison_can_fail():
    case = RCase("glm_gamma_log")
    observed = case.diagnostics(LOSSES["glm_gamma_log"](), curvature="hessian")
    with pytest.raises(AssertionError):
        assert_equal_to_r(observed.leverage, case.column("hat"), 1e-6)
