"""`fi.value_rows` and `fi.rank_harmful` against scores one by one and refits."""

import numpy as np
import pytest
from refusal import check

import fastinfluence as fi

HARMED = 11


def draw(rng, K, n=70, d=3):
    X = rng.normal(size=(n, d))
    F = 1.5 * X @ rng.normal(size=(d, K))
    y = (F + rng.gumbel(size=F.shape)).argmax(axis=1)
    return X, y


@pytest.fixture(params=["squared", "logistic", "multinomial"])
def case(request, rng):
    """A model of each kind, and validation rows."""
    X, y = draw(rng, 3 if request.param == "multinomial" else 2)
    X_val, y_val = X[50:], y[50:]
    spec = fi.GLM(request.param, l2=0.05)
    w = rng.uniform(0.5, 2.0, size=50)
    return fi.Influence.fit(spec, X[:50], y[:50], sample_weight=w), X_val, y_val


def test_values_are_mean_removal_scores(case):
    infl, X_val, y_val = case
    found = fi.value_rows(infl, X_val, y_val)
    np.testing.assert_allclose(
        found.values, infl.on_loss(X_val, y_val).mean(axis=0), rtol=1e-9, atol=1e-15
    )


def test_values_add_up_to_groups_and_to_nothing(case):
    infl, X_val, y_val = case
    found = fi.value_rows(infl, X_val, y_val)
    group = np.array([3, 8, 20])
    assert found.sum(group) == pytest.approx(
        float(infl.on_loss(X_val, y_val)[:, group].sum(axis=1).mean())
    )
    assert found.sum(np.arange(50)) == pytest.approx(0.0, abs=1e-9)


def test_in_parts_as_at_once(case, monkeypatch):
    from fastinfluence.rankings import values

    infl, X_val, y_val = case
    whole = fi.value_rows(infl, X_val, y_val).values
    monkeypatch.setattr(values, "PART_BYTES", 100)
    np.testing.assert_allclose(fi.value_rows(infl, X_val, y_val).values, whole, atol=1e-14)


def test_a_sink_and_a_streamed_table(rng):
    X, y = draw(rng, 2)
    spec = fi.GLM("logistic", l2=0.05)
    held = fi.value_rows(fi.Influence.fit(spec, X, y), X[:9], y[:9])
    streamed = fi.Influence.fit(spec, fi.rows.arrays(X, y))
    np.testing.assert_allclose(fi.value_rows(streamed, X[:9], y[:9]).values, held.values, atol=1e-9)
    top = fi.value_rows(streamed, X[:9], y[:9], out=fi.TopK(4))
    np.testing.assert_array_equal(top.harmful.rows[0], np.argsort(held.values)[:4])
    ranked = fi.rank_harmful(streamed, X[:9], y[:9], k=4)
    np.testing.assert_array_equal(ranked.rows, top.harmful.rows[0])


@pytest.fixture
def harmed(rng):
    """Rows of a line with noise, one of which is far off it."""
    x = rng.normal(size=(60, 2))
    y = x[:, 0] + 0.1 * rng.normal(size=60)
    y[HARMED] += 8.0
    return x[:40], y[:40], x[40:], x[40:, 0]


def test_the_harmful_row_is_named(harmed):
    pd = pytest.importorskip("pandas")
    X, y, X_val, y_val = harmed
    frame = pd.DataFrame(X, index=[f"id{i}" for i in range(40)], columns=["a", "b"])
    infl = fi.Influence.fit(fi.GLM("squared", l2=0.01), frame, y)
    found = fi.rank_harmful(infl, pd.DataFrame(X_val, columns=["a", "b"]), y_val, k=3)
    assert found.rows[0] == HARMED
    assert found.labels[0] == f"id{HARMED}"
    assert (found.values < 0).all()
    assert (np.diff(found.values) >= 0).all()
    assert found.actual is None
    table = found.to_frame()
    assert list(table.index) == list(found.labels)
    assert list(table.columns) == ["row", "value"]
    assert "squared unit of y" in repr(found)
    values = fi.value_rows(infl, pd.DataFrame(X_val, columns=["a", "b"]), y_val)
    assert values.to_frame()["value"].idxmin() == f"id{HARMED}"


def test_verified_rows_do_harm(harmed):
    X, y, X_val, y_val = harmed
    infl = fi.Influence.fit(fi.GLM("squared", l2=0.01), X, y)
    before = _mean_loss(infl.theta, X_val, y_val)
    found = fi.rank_harmful(infl, X_val, y_val, k=40, verify=True)
    assert (found.actual < 0).all()
    for row, change in zip(found.rows, found.actual, strict=True):
        keep = np.arange(40) != row
        theta = fi.Influence.fit(fi.GLM("squared", l2=0.01), X[keep], y[keep]).theta
        assert _mean_loss(theta, X_val, y_val) - before == pytest.approx(change, abs=1e-9)
    assert "actual" in found.to_frame()


def _mean_loss(theta, X, y):
    return 0.5 * np.mean((X @ theta[:-1] + theta[-1] - y) ** 2)


def test_only_rows_that_harm_are_named(harmed):
    """Of 40 rows some help: asking for all gives fewer."""
    X, y, X_val, y_val = harmed
    infl = fi.Influence.fit(fi.GLM("squared", l2=0.01), X, y)
    values = fi.value_rows(infl, X_val, y_val).values
    found = fi.rank_harmful(infl, X_val, y_val, k=100)
    assert len(found.rows) == (values < 0).sum() < 40
    np.testing.assert_array_equal(np.sort(found.rows), np.flatnonzero(values < 0))


def test_refits_may_clear_every_suspect(harmed):
    """On the one row that is off, nothing that pulls towards it does harm."""
    X, y, _, _ = harmed
    infl = fi.Influence.fit(fi.GLM("squared", l2=0.01), X, y)
    own = fi.rank_harmful(infl, X[[HARMED]], y[[HARMED]], k=40, verify=True)
    assert HARMED not in own.rows


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_tables_come_out_as_they_came_in(harmed, library):
    module = pytest.importorskip(library)
    X, y, X_val, y_val = harmed

    def table(values):
        columns = {"a": values[:, 0], "b": values[:, 1]}
        return module.table(columns) if library == "pyarrow" else module.DataFrame(columns)

    infl = fi.Influence.fit(fi.GLM("squared", l2=0.01), table(X), y)
    for found in (
        fi.value_rows(infl, table(X_val), y_val),
        fi.rank_harmful(infl, table(X_val), y_val),
    ):
        assert type(found.to_frame()).__module__.partition(".")[0] == library


def test_mistakes(harmed):
    X, y, X_val, y_val = harmed
    infl = fi.Influence.fit(fi.GLM("squared", l2=0.01), X, y)
    check(lambda: fi.value_rows(infl, X_val, None), ["y_val"])
    check(lambda: fi.value_rows(infl, X_val[:, :1], y_val), ["columns"])
    check(lambda: fi.rank_harmful(infl, X_val, y_val[:-1]), ["y_test", "rows"])
    check(lambda: fi.rank_harmful(infl, X_val, y_val, k=0), ["k=0"])
    check(lambda: fi.value_rows(infl, X_val, y_val, out="file"), ["out="])
