"""Diagnostics, cross-validation, covariance and reports of streamed tables."""

import numpy as np
import pytest
from cases import CASES, FURTHER, named
from stream_cases import assert_same, both, small_blocks, worst

import fastinfluence as fi

RTOL = 1e-10
STATISTICS = (*CASES[:5], *CASES[9:16], *FURTHER[::3])
pytestmark = pytest.mark.usefixtures(small_blocks.__name__)


def every_diagnostic(i, b):
    found = i.diagnostics()
    names = ("leverage", "cooks_distance", "dffits", "studentized_internal")
    names += ("studentized_external", "pearson", "deviance", "loo_prediction")
    return np.stack([getattr(found, name) for name in names])


def cross_validated(method):
    def ask(i, b):
        found = i.cross_validation(method)
        return np.array([*found.loss, *found.prediction, found.score, found.std_error])

    return ask


DIAGNOSTICS = {
    "diagnostics": every_diagnostic,
    "dfbetas": lambda i, b: i.diagnostics().dfbetas,
    "frame": lambda i, b: i.diagnostics().to_frame().to_numpy(dtype=float),
    "flagged": lambda i, b: i.diagnostics().flagged("leverage"),
}
OTHERS = {
    "newton": cross_validated("newton"),
    "exact": cross_validated("exact"),
    "covariance": lambda i, b: i.covariance(),
    "clusters": lambda i, b: i.covariance(np.arange(i.n_rows) // 4),
    "l2": lambda i, b: i.on_l2(b.X_test, b.y_test, offset_test=b.offset_test),
    "weights": lambda i, b: i.on_weights(b.X_test, b.y_test, offset_test=b.offset_test),
}


@pytest.mark.parametrize("case", **named(STATISTICS))
def test_diagnostics(tmp_path, case):
    b, streamed, held = both(tmp_path, case)
    with np.errstate(all="ignore"):
        try:
            held.diagnostics().to_frame()
        except fi.FastInfluenceError as error:
            with pytest.raises(type(error), match=str(error).split(",")[0]):
                streamed.diagnostics().to_frame()
            return
    assert_same(streamed, held, b, DIAGNOSTICS, RTOL)


@pytest.mark.parametrize("case", **named(STATISTICS[::2]))
def test_statistics(tmp_path, case):
    b, streamed, held = both(tmp_path, case)
    assert_same(streamed, held, b, OTHERS, RTOL)


@pytest.mark.parametrize("case", **named((CASES[0], CASES[3], CASES[13])))
def test_report_and_intervals(tmp_path, case):
    b, streamed, held = both(tmp_path, case)
    one, other = streamed.report(), held.report()
    assert (one.proof_rows == other.proof_rows).all()
    assert (one.solver, one.model) == (other.solver, other.model)
    numbers = [[r.condition, r.lambda_min, r.proof.slope, r.proof.pearson] for r in (one, other)]
    assert worst(*numbers) <= RTOL
    if case.loss == "squared":
        asked = {"X_test": b.X_test, "offset_test": b.offset_test}
        assert worst(streamed.prediction_interval(**asked), held.prediction_interval(**asked)) <= (
            RTOL
        )
