"""The scores: against formulas, against retraining, and on faults planted on purpose."""

import numpy as np
import pyarrow as pa
import pytest

import fastinfluence as fi
from fastinfluence.audit import Options, audit
from fastinfluence.audit.encode import encode
from fastinfluence.audit.score import deal
from fastinfluence.audit.target import read_target

LABEL = Options("label", l2=0.01)


@pytest.fixture
def result(planted):
    return audit(planted.table, LABEL)


@pytest.fixture
def design(planted):
    """Return what the model is fitted to: X, y, fold."""
    target = read_target(planted.table.column("label"), LABEL)
    return encode(planted.table, LABEL).X, target.y, deal(target, LABEL)


def plain_fit(X, y, l2, keep):
    """Fit a logistic regression by Newton's method, from the formula; the intercept is free."""
    Z = np.column_stack([X, np.ones(len(X))])[keep]
    penalty = np.append(np.full(X.shape[1], l2), 0.0)
    theta = np.zeros(Z.shape[1])
    for _ in range(30):
        mu = 1 / (1 + np.exp(-Z @ theta))
        H = (Z.T * (mu * (1 - mu))) @ Z / len(Z) + np.diag(penalty)
        theta = theta - np.linalg.solve(H, Z.T @ (mu - y[keep]) / len(Z) + penalty * theta)
    return theta, H, penalty


def plain_loss(X, y, theta):
    f = X @ theta[:-1] + theta[-1]
    return np.logaddexp(0, f) - y * f


def test_flipped_labels_come_first(planted, result):
    found = np.isin(result.most_suspicious(2 * len(planted.flipped)), planted.flipped).sum()
    assert found >= len(planted.flipped) - 2
    assert np.isin(result.most_suspicious(5), planted.flipped).all()
    assert np.isin(result.most_harmful(5), planted.flipped).all()


def test_scores_are_those_of_the_formula(design, result):
    X, y, _ = design
    n = len(y)
    theta, H, penalty = plain_fit(X, y, 0.01, np.ones(n, bool))
    Z = np.column_stack([X, np.ones(n)])
    slope = 1 / (1 + np.exp(-Z @ theta)) - y
    g = slope[:, None] * Z
    own = np.einsum("ij,ij->i", g, np.linalg.solve(H, (g + penalty * theta).T).T) / n
    np.testing.assert_allclose(result.scores.self_influence, own, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(result.scores.loss, plain_loss(X, y, theta), rtol=1e-7)
    np.testing.assert_allclose(result.scores.prediction, slope + y, rtol=1e-7)


def test_harm_is_the_sum_over_the_folds_that_a_row_trains_in(design, result):
    X, y, fold = design
    harm = np.zeros(len(y))
    for k in range(5):
        rest, held = fold != k, fold == k
        part = fi.Influence.fit(fi.GLM("logistic", l2=0.01), X[rest], y[rest])
        harm[rest] -= part.on_loss(X[held], y[held]).sum(axis=0)
    np.testing.assert_allclose(result.scores.harm, harm, rtol=1e-6, atol=1e-9)


def test_harm_predicts_what_retraining_finds(design, result):
    """Sign, scale and order: remove a row, fit every fold again, look at the held-out rows."""
    X, y, fold = design
    chosen = np.concatenate([np.argsort(result.scores.harm)[[0, 1, 2, -3, -2, -1]], [7, 77, 177]])
    fell = np.zeros(len(chosen))
    for k in range(5):
        held = fold == k
        old = plain_loss(X[held], y[held], plain_fit(X, y, 0.01, ~held)[0]).sum()
        for place, i in enumerate(chosen):
            keep = ~held & (np.arange(len(y)) != i)
            if fold[i] != k:
                theta, *_ = plain_fit(X, y, 0.01, keep)
                fell[place] += old - plain_loss(X[held], y[held], theta).sum()
    predicted = result.scores.harm[chosen]
    assert np.corrcoef(fell, predicted)[0, 1] > 0.99
    assert predicted @ fell / (predicted @ predicted) == pytest.approx(1, abs=0.15)


def test_every_row_is_judged_and_a_judge(result):
    assert set(result.scores.fold) == {0, 1, 2, 3, 4}
    counts = np.bincount(result.scores.fold)
    assert counts.max() - counts.min() <= 1
    assert (result.scores.harm != 0).all()


def test_each_class_is_spread_evenly(planted):
    target = read_target(planted.table.column("label"), LABEL)
    per_fold = [target.y[deal(target, LABEL) == k].sum() for k in range(5)]
    assert max(per_fold) - min(per_fold) <= 1


def test_the_same_table_gives_the_same_bits(planted):
    a, b = (audit(planted.table, LABEL).ranked() for _ in range(2))
    assert a.equals(b)
    other = audit(planted.table, Options("label", l2=0.01, seed=1))
    assert not a.equals(other.ranked())


def test_least_squares_finds_a_wrong_number_in_the_unit_of_the_target():
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    y = 1e6 + 3e4 * x + rng.normal(size=200) * 1e3
    y[17] += 3e5
    result = audit(pa.table({"x": x, "price": y}), Options("price"))
    assert result.most_suspicious(1)[0] == 17
    assert result.most_harmful(1)[0] == 17
    misfit = result.scores.prediction - y
    np.testing.assert_allclose(result.scores.loss, 0.5 * misfit**2, rtol=1e-9, atol=1e-6)
    assert 0 < result.quality()["r2"] < 1


def test_least_squares_scores_scale_with_the_target():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 100))
    one = audit(pa.table({"x": x, "y": y}), Options("y")).scores
    ten = audit(pa.table({"x": x, "y": 10 * y + 5}), Options("y")).scores
    for name in ("loss", "self_influence", "harm"):
        np.testing.assert_allclose(getattr(ten, name), 100 * getattr(one, name), rtol=1e-6)


def test_a_category_of_one_fold_only():
    """Nothing is known of it where it is held out, and every score is finite."""
    rng = np.random.default_rng(2)
    city = np.array(["a", "b"] * 50, dtype=object)
    city[31] = "once"
    table = pa.table({"city": city, "x": rng.normal(size=100), "y": rng.random(100) < 0.5})
    result = audit(table, Options("y"))
    assert "city = once" in result.feature_names
    assert np.isfinite(result.scores.harm).all()
    assert np.isfinite(result.scores.held_out).all()


def test_one_class_against_the_rest():
    rng = np.random.default_rng(4)
    x = rng.normal(size=150)
    kind = np.array(["low", "mid", "high"])[np.digitize(x, [-0.5, 0.5])]
    kind[np.argmax(x)] = "low"
    result = audit(pa.table({"x": x, "kind": kind}), Options("kind", positive="low", l2=0.01))
    assert result.most_suspicious(1)[0] == np.argmax(x)
    assert (result.target.positive, result.target.negative) == ("low", "all others")


def test_the_default_penalty_is_that_of_scikit_learn(planted):
    from sklearn.linear_model import LogisticRegression

    result = audit(planted.table, Options("label"))
    options = Options("label")
    X = encode(planted.table, options).X
    y = read_target(planted.table.column("label"), options).y
    theirs = LogisticRegression(tol=1e-10, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(
        result.scores.prediction, theirs.predict_proba(X)[:, 1], rtol=1e-5, atol=1e-7
    )
