"""The same properties of models with many outputs: softmax regressions and networks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties.problems import LAYOUTS, error, muted
from properties.strategies import powers
from scipy import sparse

import fastinfluence as fi

pytestmark = pytest.mark.filterwarnings("ignore::fastinfluence.FastInfluenceWarning")
LIMIT = 1e-8


@dataclass(frozen=True)
class Drawn:
    """A model of several classes or a network, at a theta drawn at random."""

    spec: Any
    X: np.ndarray
    y: np.ndarray
    w: np.ndarray
    theta: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    def influence(self, keep: Any = slice(None), stored: Any = np.asarray, **changes: Any) -> Any:
        """The library's object of some rows; damped, for H need not be definite here."""
        w = changes.pop("w", self.w)
        with muted():
            return fi.Influence(
                self.spec,
                stored(self.X[keep]),
                self.y[keep],
                self.theta,
                sample_weight=w[keep],
                damping=1.0,
                n_threads=1,
                **changes,
            )

    def scores(self, infl: Any) -> np.ndarray:
        """Scores of the test losses, (t, n)."""
        return infl.on_loss(self.X_test, self.y_test)


@st.composite
def models(draw: st.DrawFn, kinds: tuple[str, ...] = ("softmax", "network", "classes")) -> Drawn:
    """Softmax regressions, and networks of one output and of several."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind, n = draw(st.sampled_from(kinds)), draw(st.integers(8, 30))
    d, K = draw(st.integers(1, 4)), draw(st.integers(2, 4))
    common = {
        "l2": draw(st.floats(0.01, 1.0)),
        "reduction": draw(st.sampled_from(("mean", "sum"))),
        "penalize_intercept": draw(st.booleans()),
    }
    spec: Any
    if kind == "softmax":
        spec = fi.GLM("multinomial", fit_intercept=draw(st.booleans()), **common)
    else:
        hidden = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=2)))
        loss = (
            "multinomial" if kind == "classes" else draw(st.sampled_from(("logistic", "squared")))
        )
        activation = draw(st.sampled_from(("tanh", "softplus")))
        spec = fi.MLP(hidden=hidden, activation=activation, loss=loss, **common)
    K = 1 if kind == "network" else K
    X, X_test = rng.normal(size=(n, d)), rng.normal(size=(3, d))
    y, y_test = np.arange(n) % max(K, 2), np.arange(3) % max(K, 2)
    theta = rng.normal(size=spec.n_params(d, K)) * 0.5
    w = np.where(rng.random(n) < 0.2, 0.0, rng.uniform(0.3, 2.0, n))
    w[:6] = np.maximum(w[:6], 0.5)
    return Drawn(spec, X, y, w, theta, X_test, y_test)


@given(models(), st.randoms(use_true_random=False))
def test_a_permutation_of_rows_permutes_scores(m, random):
    order = np.array(random.sample(range(len(m.y)), len(m.y)))
    one, other = m.influence(), m.influence(order)
    assert error(m.scores(other), m.scores(one)[:, order]) < LIMIT
    assert error(other.self_influence(), one.self_influence()[order]) < LIMIT


@given(models(), st.integers(0, 5))
def test_two_copies_of_a_row_are_the_doubled_row(m, i):
    twice = m.w.copy()
    twice[i] *= 2
    keep = np.append(np.arange(len(m.y)), i)
    doubled, copied = m.influence(w=twice), m.influence(keep)
    one, both = m.scores(doubled), m.scores(copied)
    assert error(both[:, i] + both[:, -1], one[:, i]) < LIMIT
    for method in ("influence", "newton") if isinstance(m.spec, fi.GLM) else ("influence",):
        with muted():
            single = doubled.leave_one_out([i], method).theta
            pair = copied.leave_group_out([[i, len(m.y)]], method).theta
        assert error(pair, single) < LIMIT


@given(models(), st.sampled_from([*LAYOUTS, "csr"]))
def test_layouts_and_sparse_rows_give_the_same(m, layout):
    one = m.influence()
    other = m.influence(stored=sparse.csr_array if layout == "csr" else LAYOUTS[layout])
    assert error(m.scores(other), m.scores(one)) < LIMIT
    assert error(other.hessian.dense(), one.hessian.dense()) < LIMIT


@given(models())
def test_the_curvature_is_symmetric_and_of_a_softmax_not_negative(m):
    infl = m.influence()
    H = infl.hessian.dense() - np.eye(len(m.theta))
    assert np.abs(H - H.T).max() <= 1e-14 * np.abs(H).max()
    if isinstance(m.spec, fi.GLM):
        assert np.linalg.eigvalsh(H)[0] > -1e-13 * np.abs(H).max()
    V = np.eye(len(m.theta))
    assert error(infl.hessian.matmat(V) - V, H) < LIMIT


@given(models())
def test_removal_is_minus_a_share_of_upweight(m):
    infl = m.influence()
    up = infl.on_loss(m.X_test, m.y_test, effect="upweight")
    np.testing.assert_allclose(m.scores(infl), -m.w / m.w.sum() * up, rtol=1e-12, atol=0)


@given(models(("softmax",)), powers(300))
def test_units_of_the_columns_leave_a_softmax_alone(m, scales):
    d, K = m.X.shape[1], int(m.y.max()) + 1
    c = np.ldexp(1.0, np.resize(scales, d))
    l2 = m.spec.l2 * c**2
    fitted = m.spec.fit_intercept
    if fitted:
        l2 = np.append(l2, m.spec.l2) if m.spec.penalize_intercept else l2
    spec = fi.GLM(
        "multinomial",
        l2=l2,
        fit_intercept=fitted,
        penalize_intercept=m.spec.penalize_intercept,
        reduction=m.spec.reduction,
    )
    rows = np.repeat(np.append(c, 1.0) if fitted else c, K)
    data = {"sample_weight": m.w, "n_threads": 1}
    with muted():
        one = fi.Influence(m.spec, m.X, m.y, m.theta, **data)
        other = fi.Influence(spec, m.X * c, m.y, m.theta / rows, **data)
        wanted = one.on_loss(m.X_test, m.y_test)
        assert error(other.on_loss(m.X_test * c, m.y_test), wanted) < LIMIT
        single = one.leave_one_out([0, 2], "newton").theta
        assert error(other.leave_one_out([0, 2], "newton").theta * rows, single) < LIMIT
