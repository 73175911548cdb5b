"""Groups of a thousandth to a fifth of the rows: how first order and Newton age, exact does not."""

import numpy as np
import pytest
import reference
from cases import Case, assert_close, build

SHARES = (0.001, 0.01, 0.05, 0.2)
CASE = Case("many rows", "logistic", n=1000, d=5, l2=0.02, weights="real")


def groups(b, share):
    """Return a random group of a share of the rows, and the rows of largest influence."""
    size = max(1, round(share * b.case.n))
    random = np.random.default_rng(size).choice(b.case.n, size, replace=False)
    scores = reference.on_loss(b.problem, b.X_test, b.y_test, "removal").sum(axis=0)
    return [random, np.argsort(-scores)[:size]]


@pytest.mark.parametrize("share", SHARES)
def test_exact_is_a_refit_at_any_size(share):
    b = build(CASE)
    chosen = groups(b, share)
    exact = b.influence().leave_group_out(chosen, method="exact").theta
    for group, theta in zip(chosen, exact, strict=True):
        assert_close(theta, reference.refit(b.problem.without(group)), rtol=1e-8)


def test_newton_is_nearer_than_first_order_at_every_size():
    b = build(CASE)
    infl, worst = b.influence(), []
    for share in SHARES:
        found = {}
        for method in ("influence", "newton", "exact"):
            removal = infl.leave_group_out(groups(b, share), method=method)
            found[method] = removal.theta - removal.theta_old
        size = np.abs(found["exact"]).max()
        errors = [np.abs(found[m] - found["exact"]).max() / size for m in ("influence", "newton")]
        assert errors[1] < 0.5 * errors[0]
        worst.append(errors)
    assert worst[0][0] < 0.05  # a single row
    assert worst[-1][0] > 0.3  # a fifth of them, all pulling one way: first order is far off
