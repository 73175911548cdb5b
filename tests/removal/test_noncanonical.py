"""Newton steps under links that are not canonical need the observed curvature."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "noncanonical.py"


@pytest.fixture(scope="module")
def found():
    """Return the slopes of each problem of the benchmark by name."""
    spec = importlib.util.spec_from_file_location("noncanonical", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: module.slopes(loss, X, y) for name, loss, X, y in module.problems()}


LINKS = [f"poisson, {link} link" for link in ("identity", "softplus", "sqrt")]


@pytest.mark.parametrize("name", [*LINKS, "gamma, log link"])
def test_newton_is_right_and_fisher_is_not(found, name):
    assert found[name]["newton"] == pytest.approx(1.0, abs=0.02)
    assert abs(found[name]["newton, fisher"] - 1.0) > 0.05


def test_under_a_canonical_link_they_are_the_same(found):
    slopes = found["gamma, inverse link (canonical)"]
    assert slopes["newton, fisher"] == pytest.approx(slopes["newton"], rel=1e-9)
