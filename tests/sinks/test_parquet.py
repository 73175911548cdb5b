"""Scores in a Parquet dataset: the numbers of the array, named, typed and explained."""

import json
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from cases import CASES, build

import fastinfluence as fi
from fastinfluence.sinks.plan import default_cuts

WEIGHTED = next(c for c in CASES if c.name == "logistic sum weighted")
SMALL = {"rows_per_part": 16}


@pytest.fixture(scope="module")
def classes():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(90, 3)), rng.choice(["ham", "spam", "eggs"], size=90)
    return fi.Influence.fit(fi.GLM("multinomial", l2=0.1), X, y), X


def calls(b, infl, effect):
    rng = np.random.default_rng(1)
    gradient, direct = rng.normal(size=(2, len(b.theta))), rng.normal(size=(2, b.case.n))
    test = {"offset_test": b.offset_test}
    return {
        "on_loss": lambda out: infl.on_loss(b.X_test, b.y_test, effect, out=out, **test),
        "on_prediction": lambda out: infl.on_prediction(
            b.X_test[:1], "mean", effect, out, b.offset_test[:1]
        ),
        "on_function": lambda out: infl.on_function(gradient, direct, effect, out),
        "self_influence": lambda out: infl.self_influence(effect, out=out),
        "on_weights": lambda out: infl.on_weights(b.X_test, b.y_test, out=out, **test),
    }


@pytest.mark.parametrize("effect", ["removal", "upweight"])
@pytest.mark.parametrize(
    "method", ["on_loss", "on_prediction", "on_function", "self_influence", "on_weights"]
)
def test_every_method_writes_what_it_returns(method, effect, tmp_path):
    b = build(WEIGHTED)
    call = calls(b, b.influence(), effect)[method]
    expected = call(None)
    scores = call(fi.ParquetSink(tmp_path / "new" / "scores", **SMALL))
    np.testing.assert_array_equal(scores.read(), expected)
    assert scores.n_rows == b.case.n
    assert len(scores.parts) == -(-b.case.n // 16)
    table = scores.to_arrow()
    assert table.column("row").to_pylist() == list(range(b.case.n))
    lines = np.atleast_2d(expected)
    names = ["score"] if len(lines) == 1 else [f"score_{j}" for j in range(len(lines))]
    assert list(scores.columns) == table.column_names == ["row", *names]
    for name, line in zip(names, lines, strict=True):
        np.testing.assert_array_equal(table.column(name), line)
    manifest = json.loads((scores.path / "_manifest.json").read_text())
    assert manifest == scores.manifest
    assert manifest["method"] == method
    assert ("derivative" in manifest["sign"]) == (effect == "upweight" or method == "on_weights")


def test_other_libraries_read_the_folder(tmp_path):
    b = build(WEIGHTED)
    scores = b.influence().self_influence(out=fi.ParquetSink(tmp_path, **SMALL))
    expected = scores.read()
    np.testing.assert_array_equal(pd.read_parquet(tmp_path)["score"], expected)
    np.testing.assert_array_equal(pl.read_parquet(tmp_path / "*.parquet")["score"], expected)
    found = ds.dataset(tmp_path).to_table()
    assert found.num_rows == scores.dataset().count_rows() == b.case.n


def test_some_rows(tmp_path):
    b = build(WEIGHTED)
    scores = b.influence().on_weights(
        b.X_test, b.y_test, fi.ParquetSink(tmp_path, **SMALL), b.offset_test
    )
    every = scores.read()
    for rows in ([3], [60, 2, 2, 17, -1], np.arange(b.case.n) % 3 == 0):
        np.testing.assert_array_equal(scores.read(rows), every[:, rows])
    with pytest.raises(fi.InputError, match="rows holds 70 but there are 70 rows"):
        scores.read([70])


@pytest.mark.parametrize("output", ["raw", "mean"])
def test_a_column_for_each_class(classes, output, tmp_path):
    infl, X = classes
    expected = infl.on_prediction(X[:2], output)
    scores = infl.on_prediction(X[:2], output, out=fi.ParquetSink(tmp_path, rows_per_part=50))
    names = [f"score_{j}_{name}" for j in range(2) for name in ("eggs", "ham", "spam")]
    assert list(scores.columns) == ["row", *names]
    np.testing.assert_array_equal(scores.read(), expected)
    np.testing.assert_array_equal(scores.read([50, 3]), expected[:, [50, 3]])
    np.testing.assert_array_equal(scores.to_arrow().column("score_1_ham"), expected[1, :, 1])


LABELS = {
    "numbers": (pd.Index(np.arange(60) * 10), "int64", lambda v: v),
    "text": (pd.Index([f"row {i}" for i in range(60)]), "large_string", lambda v: v),
    "times": (pd.date_range("2026-01-01", periods=60, freq="h"), None, lambda v: v),
    "pairs": (pd.MultiIndex.from_arrays([range(60), ["a"] * 60]), "string", str),
    "mixed": (pd.Index([1, "b"] * 30, dtype=object), "string", str),
    "some of a range": (pd.RangeIndex(5, 65), "int64", lambda v: v),
}


@pytest.mark.parametrize("name", LABELS)
def test_row_labels_are_kept(name, tmp_path):
    labels, kind, told = LABELS[name]
    b = build(CASES[0])
    frame = pd.DataFrame(b.X, index=labels, columns=list("abcd"))
    infl = fi.Influence(b.spec(), frame, b.y, b.theta)
    scores = infl.self_influence(out=fi.ParquetSink(tmp_path, **SMALL))
    assert scores.columns == ("row", "id", "score")
    table = scores.to_arrow()
    assert kind is None or kind in str(table.schema.field("id").type)
    assert table.column("id").to_pylist() == [told(v) for v in labels]


@pytest.mark.parametrize("kind", ["array", "pandas", "polars"])
def test_positions_are_no_labels(kind, tmp_path):
    b = build(CASES[0])
    X = {"array": np.asarray, "pandas": pd.DataFrame, "polars": pl.DataFrame}[kind](b.X)
    scores = fi.Influence(b.spec(), X, b.y, b.theta).self_influence(out=fi.ParquetSink(tmp_path))
    assert scores.columns == ("row", "score")


def test_every_part_says_what_it_is(tmp_path):
    b = build(CASES[0])
    scores = b.influence().self_influence("upweight", out=fi.ParquetSink(tmp_path, **SMALL))
    for path in scores.parts:
        told = json.loads(pq.read_schema(path).metadata[b"fastinfluence"])
        assert told["effect"] == "upweight"
        assert told["library"] == fi.__version__
        assert "Koh & Liang" in told["sign"]


def test_parts_are_of_a_size():
    for n, t in ((10, 1), (50_000_000, 1), (3_000_000, 100), (1000, 100_000)):
        cuts = np.array(default_cuts((0, n), t))
        assert cuts[0] == 0
        assert cuts[-1] == n
        rows = np.diff(cuts)
        assert (rows > 0).all()
        assert rows.max() * t <= max(1 << 22, 256 * t)
    assert len(default_cuts((0, 50_000_000), 1)) - 1 == 48


def test_parts_end_where_units_end():
    cuts = default_cuts((0, 700, 2000, 2100), 1, rows_per_part=500)
    assert cuts == (0, 500, 700, 1200, 1700, 2000, 2100)


@pytest.mark.parametrize("sink", ["parts", "matrix"])
def test_memory_is_that_of_a_part(sink, tmp_path):
    """Of 32 MB of scores a part of 0.64 MB is held, beside a block of 4 MiB being scored."""
    n, t = 100_000, 40
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, 2)), rng.normal(size=n)
    infl = fi.Influence(fi.GLM("squared", l2=0.1, fit_intercept=False), X, y, 0.9 * (X.T @ y) / n)
    out = fi.ParquetSink(tmp_path, rows_per_part=2_000) if sink == "parts" else None
    infl.on_loss(X[:2], y[:2])
    tracemalloc.start()
    infl.on_loss(X[:t], y[:t], out=out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (peak < 16e6) == (sink == "parts"), peak


def test_strongest_rows_of_self_influence():
    b = build(WEIGHTED)
    infl = b.influence()
    own = infl.self_influence()
    top = infl.self_influence(out=fi.TopK(5))
    np.testing.assert_array_equal(top.helpful.rows, np.argsort(-own, kind="stable")[None, :5])
    np.testing.assert_array_equal(top.harmful.values, np.sort(own)[None, :5])


def test_an_oracle(tmp_path):
    """Its rows, theta and settings have fingerprints; its callables have none."""
    rng = np.random.default_rng(0)
    X, y, theta = rng.normal(size=(50, 3)), rng.normal(size=50), rng.normal(size=3)

    def influence(X):
        spec = fi.Oracle(
            lambda theta, X, y: (X @ theta - y)[:, None] * X,
            lambda theta, X, y, V: X.T @ (X @ V),
            batch=8,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fi.FastInfluenceWarning)
            return fi.Influence(spec, X, y, theta)

    sink = fi.ParquetSink(tmp_path, resume=True, rows_per_part=20)
    scores = influence(X).self_influence(out=sink)
    np.testing.assert_array_equal(scores.read(), influence(X).self_influence())
    assert influence(X.copy()).self_influence(out=sink) == scores
    with pytest.raises(fi.InputError, match="the training rows"):
        influence(X + 1e-12).self_influence(out=sink)


def test_a_sketch_takes_no_sink(tmp_path):
    infl = build(CASES[9]).influence()
    with pytest.raises(fi.InputError, match="leave out= away"):
        infl.self_influence(sketch=10, out=fi.ParquetSink(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", [None, 3, b"x"])
def test_a_path_is_needed(path):
    with pytest.raises(fi.InputError, match="must be the path of a folder"):
        fi.ParquetSink(path)


def test_pyarrow_is_named_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(fi.UnsupportedError, match=r"pip install 'fastinfluence\[parquet\]'"):
        build(CASES[9]).influence().self_influence(out=fi.ParquetSink(tmp_path))
