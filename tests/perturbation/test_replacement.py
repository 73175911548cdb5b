"""A training row becomes another one: first order against the formula, exact against refits."""

from dataclasses import replace

import numpy as np
import pytest
import reference
from cases import CASES, FURTHER, Case, assert_close, build, named
from scipy import sparse

import fastinfluence as fi
from fastinfluence.rows.base import Block
from fastinfluence.rows.overlay import OverlayRows
from fastinfluence.rows.sources import as_rows
from fastinfluence.validation import Agreement

ROWS = np.array([30, 2, 11])
OPTIMA = tuple(c for c in CASES + FURTHER if c.at_optimum and not c.damping)


def changed(b, rows, seed=8):
    """Return other features and labels for some rows: far ones, labels of other rows."""
    rng = np.random.default_rng(seed)
    return b.X[rows] + 0.5 * rng.normal(size=(len(rows), b.case.d)), b.y[(rows + 5) % b.case.n]


def truth(b, rows, X_new, y_new):
    """Return the change of the test losses by the reference's refits, (t, k)."""
    theta = reference.refit(b.problem, b.theta)

    def losses(at):
        return b.problem.pointwise.value(b.y_test, b.problem.test_raw(at, b.X_test, b.offset_test))

    out = []
    for k, i in enumerate(rows):
        X, y = b.X.copy(), b.y.copy()
        X[i], y[i] = X_new[k], y_new[k]
        out.append(losses(reference.refit(replace(b.problem, X=X, y=y), theta)) - losses(theta))
    return np.stack(out, axis=1)


@pytest.mark.parametrize("case", **named(CASES + FURTHER))
def test_first_order_is_the_formula(case):
    """Eq. 3: the difference of two upweightings, in features and label at once."""
    b = build(case)
    X_new, y_new = changed(b, ROWS)
    design, theta = b.problem.design(X_new), b.theta
    f = design @ theta + b.problem.offset[ROWS]
    moved = b.problem.pointwise.d1(y_new, f)[:, None] * design
    moved -= b.problem.row_gradients(theta)[ROWS]
    gradients = b.problem.loss_gradients(b.X_test, b.y_test, b.offset_test)
    expected = -gradients @ np.linalg.solve(b.problem.hessian(), moved.T)
    args = (ROWS, X_new, y_new, b.X_test, b.y_test)
    infl, offset = b.influence(), {"offset_test": b.offset_test}
    upweight = infl.replacement(*args, effect="upweight", **offset)
    assert_close(upweight, expected, rtol=1e-8)
    share = b.problem.weights[ROWS] / b.problem.total
    assert_close(infl.replacement(*args, **offset), share * expected, rtol=1e-8)


@pytest.mark.parametrize("case", **named(OPTIMA))
def test_exact_is_a_refit(case):
    b = build(case)
    X_new, y_new = changed(b, ROWS)
    actual = b.influence().replacement(
        ROWS, X_new, y_new, b.X_test, b.y_test, method="exact", offset_test=b.offset_test
    )
    expected = truth(b, ROWS, X_new, y_new)
    assert np.abs(actual - expected).max() <= 1e-7 * np.abs(expected).max()


def test_first_order_predicts_retraining():
    """With enough rows the slope of retraining on first order is near one."""
    b = build(Case("many", "logistic", n=400, d=4, l2=0.05))
    rows = np.arange(40)
    X_new, y_new = changed(b, rows)
    args = (rows, X_new, y_new, b.X_test, b.y_test)
    infl = b.influence()
    found = Agreement.of(infl.replacement(*args), infl.replacement(*args, method="exact"))
    assert found.pearson > 0.999
    assert abs(found.slope - 1) < 0.05


@pytest.mark.parametrize("method", ["influence", "exact"])
def test_features_or_label_alone(method):
    b = build(next(c for c in CASES if c.name == "logistic weighted"))
    infl, test = b.influence(), (b.X_test, b.y_test)
    X_new, y_new = changed(b, ROWS)
    options = {"method": method, "offset_test": b.offset_test}
    alone = infl.replacement(ROWS, X_new, None, *test, **options)
    assert_close(alone, infl.replacement(ROWS, X_new, b.y[ROWS], *test, **options), rtol=1e-9)
    alone = infl.replacement(ROWS, None, y_new, *test, **options)
    assert_close(alone, infl.replacement(ROWS, b.X[ROWS], y_new, *test, **options), rtol=1e-9)


def test_a_replacement_by_itself_changes_nothing():
    b = build(CASES[10])
    infl, test = b.influence(), (b.X_test, b.y_test)
    assert not infl.replacement(ROWS, b.X[ROWS], None, *test).any()
    exact = infl.replacement(ROWS, b.X[ROWS], b.y[ROWS], *test, method="exact")
    assert np.abs(exact).max() < 1e-12


def test_small_moves_are_what_perturbation_says():
    b = build(CASES[10])
    infl, test, h = b.influence(), (b.X_test, b.y_test), 1e-5
    direction = np.linspace(-1, 1, b.case.d)
    slopes = infl.perturbation(*test, ROWS) @ direction
    moved = infl.replacement(ROWS, b.X[ROWS] + h * direction, None, *test, method="exact")
    assert_close(moved / h, slopes, rtol=1e-4)


def test_the_caller_s_labels_and_columns():
    pd = pytest.importorskip("pandas")
    b = build(CASES[10])
    names = list("abcd")
    words = np.array(["no", "yes"])[b.y.astype(int)]
    table = pd.DataFrame(b.X, columns=names)
    infl = fi.Influence(b.spec(), table, words, b.theta)
    X_new, _ = changed(b, ROWS)
    new = pd.DataFrame(X_new, columns=names)[names[::-1]]
    flipped = np.where(words[ROWS] == "yes", "no", "yes")
    test = (pd.DataFrame(b.X_test, columns=names), np.where(b.y_test == 1, "yes", "no"))
    actual = infl.replacement(ROWS, new, flipped, *test)
    expected = b.influence().replacement(ROWS, X_new, 1 - b.y[ROWS], b.X_test, b.y_test)
    assert_close(actual, expected, rtol=1e-12)


def test_a_pipeline_transforms_new_rows():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    b = build(CASES[10])
    model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-10)).fit(b.X * 3 + 1, b.y)
    piped = fi.Influence.from_estimator(model, b.X * 3 + 1, b.y)
    scale = model[0].transform
    bare = fi.Influence.from_estimator(model[1], scale(b.X * 3 + 1), b.y)
    X_new, _ = changed(b, ROWS)
    for method in ("influence", "exact"):
        one = piped.replacement(ROWS, X_new, None, b.X_test, b.y_test, method=method)
        args = (ROWS, scale(X_new), None, scale(b.X_test), b.y_test)
        assert_close(one, bare.replacement(*args, method=method), rtol=1e-9)


@pytest.mark.parametrize("method", ["influence", "exact"])
@pytest.mark.parametrize("new", ["dense", "sparse"])
def test_sparse_training_rows(method, new):
    b = build(CASES[10])
    X = np.where(np.abs(b.X) < 0.6, 0.0, b.X)
    dense = fi.Influence.fit(b.spec(), X, b.y)
    infl = fi.Influence(b.spec(), sparse.csr_array(X), b.y, dense.theta)
    X_new = np.where(np.abs(X[ROWS] + 1) < 1, 0.0, X[ROWS] + 1)
    given = sparse.csr_array(X_new) if new == "sparse" else X_new
    test = (b.X_test, b.y_test)
    expected = dense.replacement(ROWS, X_new, None, *test, method=method)
    assert_close(infl.replacement(ROWS, given, None, *test, method=method), expected, rtol=1e-8)
    slopes = dense.perturbation(*test, ROWS)
    assert_close(infl.perturbation(*test, ROWS), slopes, rtol=1e-9)


def test_single_precision_rows_are_not_rounded_by_a_replacement():
    b = build(CASES[10])
    X = b.X.astype(np.float32)
    infl = fi.Influence.fit(b.spec(), X, b.y)
    wide = fi.Influence.fit(b.spec(), X.astype(float), b.y)
    X_new = b.X[ROWS] + 1e-3 / 7
    args = (ROWS, X_new, None, b.X_test, b.y_test)
    expected = wide.replacement(*args, method="exact")
    assert_close(infl.replacement(*args, method="exact"), expected, rtol=1e-7)


# -- rows that stand in for others ---------------------------------------------------------


@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("at", [[0], [5_000, 4_999, 5_001], [20_010, 0, 12_345]])
def test_an_overlay_is_the_changed_table(storage, at, rng):
    X = rng.normal(size=(20_011, 40)) * (rng.random((20_011, 40)) < 0.3)
    new = rng.normal(size=(len(at), 40))
    changed = X.copy()
    changed[at] = new
    wrap = sparse.csr_array if storage == "csr" else np.asarray
    rows = OverlayRows(as_rows(wrap(X)), np.array(at), as_rows(new).take(slice(None)))
    v = rng.normal(size=41)

    def task(block: Block) -> list:
        return [(block.start, block.stop, block.X.linear(v))]

    blocks = rows.map_reduce(task, lambda a, b: a + b, 2)
    assert [start for start, _, _ in blocks[1:]] == [stop for _, stop, _ in blocks[:-1]]
    np.testing.assert_allclose(
        np.concatenate([f for *_, f in blocks]), changed @ v[:-1] + v[-1], atol=1e-12
    )
    for some in (slice(None), np.array([*at, 7, 3]), np.array([7, 3]), np.array(at * 2)):
        np.testing.assert_array_equal(rows.take(some).toarray(), changed[some])


MISTAKES = {
    "nothing new": (dict(X_new=None, y_new=None), "both None"),
    "rows": (dict(rows=[1, 2, 60]), "60"),
    "few rows": (dict(X_new=np.ones((2, 4))), r"2.*3"),
    "columns": (dict(X_new=np.ones((3, 5))), r"X_new.*5.*4"),
    "nan": (dict(X_new=np.full((3, 4), np.nan)), "X_new.*nan"),
    "label": (dict(y_new=[0, 1, 2]), "y_new.*2"),
    "few labels": (dict(y_new=[0, 1]), "y_new.*2"),
    "method": (dict(method="newton"), "method"),
    "effect": (dict(effect="removal"), "effect"),
    "exact upweighting": (dict(effect="upweight", method="exact"), "exact"),
    "tol": (dict(tol=0.0), "tol"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(name):
    changes, words = MISTAKES[name]
    b = build(CASES[10])
    X_new, _ = changed(b, ROWS)
    good = {"rows": ROWS, "X_new": X_new, "y_new": None, "X_test": b.X_test, "y_test": b.y_test}
    with pytest.raises(fi.InputError, match=words):
        b.influence().replacement(**{**good, **changes})


def test_a_replacement_outside_the_domain_is_named():
    b = build(next(c for c in FURTHER if c.loss == "gamma inverse"))
    X_new = b.X[ROWS] * [[1.0], [-1e3], [1e3]]
    with pytest.raises(fi.FastInfluenceError, match="domain"):
        b.influence().replacement(ROWS, X_new, None, b.X_test, b.y_test, offset_test=b.offset_test)
