"""Problems that the properties found answered wrongly once, or never."""

import numpy as np
import pytest
import reference
from properties.problems import Words, build, error, muted

import fastinfluence as fi

STOPPED_EARLY = {
    "a column's coefficient hides another's step": Words(
        seed=3841381492, loss="pseudo_huber", n=19, d=5, fit_intercept=False,
        l2=(0.6003670238208978, 0.034185267791420816), weights="wide", powers=(-30, -17, -49),
        dtype="float32", zeros=0.8,
    ),
    "two orders of magnitude": Words(
        seed=2996723650, loss="smooth_hinge", n=12, fit_intercept=False, weights="counts",
        l2=(0.6039988305782225, 0.028260191394124702), powers=(-39, -14), offset=True, zeros=0.8,
    ),
    "rounding in one column hides the others' gradient": Words(
        seed=428609828, loss="exponential", n=12, reduction="sum", fit_intercept=False,
        l2=(0.6846733636424058, 0.06316579508952294, 0.2428189457676767), weights="counts",
        powers=(-42, 52, -33, 7, -60), layout="reversed", dtype="float32",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STOPPED_EARLY)
def test_units_decide_nothing_about_when_to_stop(name):
    b = build(STOPPED_EARLY[name]).at_optimum()
    assert error(b.fitted().theta * b.scale, b.unit.theta) < 1e-7
    with muted():
        found = b.influence().leave_one_out([1, 9], "exact").theta * b.scale
    wanted = reference.leave_one_out(b.unit, [1, 9], "exact")
    assert np.abs(found - wanted.theta).max() < 1e-7 * np.abs(wanted.old).max()


@pytest.mark.parametrize("heavy", [-40, -110, -250])
@pytest.mark.parametrize("loss", ["logistic", "poisson", "smooth_hinge"])
def test_light_weights_are_no_missing_optimum(loss, heavy):
    """In sum form a weight of 1e-12 makes every gradient small: that alone means nothing."""
    b = build(Words(seed=4, loss=loss, n=21, d=4, reduction="sum", heavy=heavy, weights="real"))
    assert error(b.fitted().theta, reference.refit(b.unit)) < 1e-7


def test_a_curvature_that_overflows_is_refused():
    """LAPACK does not come back from a matrix of NaN."""
    b = build(Words(seed=1, n=30, d=2, powers=(452, -128), heavy=181, weights="wide"))
    for method in ("newton", "exact"):
        with pytest.raises(fi.FastInfluenceError, match="overflow"), muted():
            b.influence().leave_one_out([3], method)


def test_a_gradient_that_overflows_is_refused():
    """Of columns beyond 1e154 the squares are no numbers: there is no norm to be small."""
    b = build(Words(seed=1, n=30, d=2))
    with pytest.raises(fi.FastInfluenceError, match=r"overflow.*Rescale"):
        fi.Influence.fit(fi.GLM("logistic", l2=0.0), b.unit.X * 1e160, b.unit.y)


def test_an_exact_removal_does_not_stop_where_the_loss_is_flat():
    """Without the row that held nearly all the weight, a chord ended at an intercept of 3052."""
    words = Words(
        seed=3018886676, loss="inverse_gaussian", n=20, d=4, penalize_intercept=False,
        l2=(0.3967372846455629, 0.33190342762603187), weights="wide", powers=(0,), heavy=-119,
        layout="read-only", zeros=0.8,
    )  # fmt: skip
    b = build(words).at_optimum()
    wanted = reference.leave_one_out(b.unit, [9, 1], "exact").theta
    with muted():
        found = b.influence().leave_one_out([9, 1], "exact").theta
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
