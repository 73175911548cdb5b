"""Every kind of streamed table gives what the same numbers in memory give."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_array
from stream_cases import (
    CHANGES,
    REMOVALS,
    ROOM,
    SCORES,
    assert_same,
    columns_of,
    pa,
    parquet,
    pq,
    small_blocks,
    worst,
    write,
)

import fastinfluence as fi

RTOL = 1e-10
N, T = 70, 5
LEVELS = {"town": ["Ayr", "Bath", "Cork", "Deal"], "size": [3, 10, 40]}
pytestmark = pytest.mark.usefixtures(small_blocks.__name__)
csv_writer = pytest.importorskip("pyarrow.csv")


def drawn(rng, n):
    """A table of two columns of numbers and two of categories, and its dense form in order."""
    table = {
        "x0": rng.normal(size=n),
        "town": rng.choice(LEVELS["town"], n),
        "x1": rng.integers(-3, 4, n),
        "size": rng.choice(LEVELS["size"], n),
    }
    table["town"][:4], table["size"][:3] = LEVELS["town"], LEVELS["size"]
    hot = {name: np.stack([table[name] == v for v in vs], axis=1) for name, vs in LEVELS.items()}
    dense = np.column_stack([table["x0"], hot["town"], table["x1"], hot["size"]]).astype(float)
    return table, dense


def as_columns(table):
    """Arrow columns: text, and numbers that are categories."""
    return {**table, "size": pa.array(table["size"]).dictionary_encode()}


@pytest.fixture
def data(rng):
    table, X = drawn(rng, N)
    test, X_test = drawn(rng, T)
    y = (rng.random(N) < 1 / (1 + np.exp(-X @ rng.normal(size=X.shape[1])))).astype(float)
    w, o = rng.uniform(0.3, 2.0, N), 0.2 * rng.normal(size=N)
    test = SimpleNamespace(
        frame=pa.table(as_columns(test)),
        X_test=X_test,
        y_test=y[:T],
        offset_test=o[:T],
    )
    return SimpleNamespace(table=as_columns(table), X=X, y=y, w=w, o=o, test=test)


SPECS = {
    "mean": lambda: fi.GLM("logistic", l2=0.05),
    "sum": lambda: fi.GLM("logistic", l2=1.5, reduction="sum", fit_intercept=False),
    "network": lambda: fi.MLP((3,), loss="logistic", l2=0.1),
}


def one_hot_table(data):
    columns = {**data.table, "y": data.y, "w": data.w, "o": data.o}
    return fi.rows.arrow(pa.table(columns), "y", weight="w", offset="o", max_memory=ROOM)


@pytest.mark.parametrize("kind", SPECS)
def test_one_hot(data, kind):
    """Categories become columns in sorted order; test rows are frames with the table's columns."""
    options = {"solver": fi.solvers.Direct(), "damping": 0.3 if kind == "network" else 0.0}
    table = one_hot_table(data)
    held = fi.Influence.fit(SPECS[kind](), data.X, data.y, data.w, data.o, **options)
    streamed = fi.Influence(SPECS[kind](), table, theta=held.theta, **options)
    names = ["x0", "town=Ayr", "town=Bath", "town=Cork", "town=Deal", "x1"]
    assert streamed._problem.feature_names == (*names, "size=3", "size=10", "size=40")
    b = data.test

    def on(i, **more):
        X = b.frame if i is streamed else b.X_test
        return i.on_loss(X, b.y_test, offset_test=b.offset_test, **more)

    def removed(i, method):
        out = i.leave_one_out([5, 60, 2], method)
        X = b.frame if i is streamed else b.X_test
        return np.concatenate([out.theta.T, out.on_loss(X, b.y_test, offset_test=b.offset_test)])

    asks = {
        "loss": lambda i, _: on(i),
        "total": lambda i, _: on(i, out=fi.Total()),
        "self-influence": lambda i, _: i.self_influence(),
        "newton": lambda i, _: removed(i, "newton"),
        "exact": lambda i, _: removed(i, "exact"),
        "params": lambda i, _: i.on_params([5, 60, 2]),
    }
    assert_same(streamed, held, b, asks, 1e-9 if kind == "network" else RTOL)


def test_fit_of_one_hot_columns(tmp_path, data):
    """In Parquet, where a dictionary of numbers is one of numbers, its categories are text."""
    spec = SPECS["mean"]()
    held = fi.Influence.fit(spec, data.X, data.y, data.w, data.o)
    assert worst(fi.Influence.fit(spec, one_hot_table(data)).theta, held.theta) <= RTOL
    text = {**data.table, "size": [f"{value.as_py():02}" for value in data.table["size"]]}
    table = parquet(tmp_path, {**text, "y": data.y, "w": data.w, "o": data.o})
    assert worst(fi.Influence.fit(spec, table).theta, held.theta) <= RTOL


def numbers(rng, dtype=float):
    X = rng.normal(size=(N + T, 3)).astype(dtype)
    y = X[:, 0] - 0.5 * X[:, 1] + rng.normal(size=N + T)
    w, o = rng.uniform(0.3, 2.0, N), 0.1 * rng.normal(size=N)
    test = SimpleNamespace(X_test=X[N:], y_test=y[N:], offset_test=np.zeros(T))
    return X[:N], y[:N], w, o, test


def mapped(folder: Path, X, y, w, o):
    """Arrays that are mapped from files."""
    out = []
    for k, values in enumerate((X, y, w, o)):
        made = np.memmap(folder / f"{k}.bin", values.dtype, "w+", shape=values.shape)
        made[...] = values
        made.flush()
        out.append(np.memmap(folder / f"{k}.bin", values.dtype, "r", shape=values.shape))
    return fi.rows.arrays(out[0], out[1], weight=out[2], offset=out[3], max_memory=ROOM)


def held_arrays(X, y, w, o, change=np.asarray):
    return fi.rows.arrays(change(X), y, weight=w, offset=o, max_memory=ROOM)


def arrow_table(X, y, w, o):
    table = pa.table(columns_of(X, y, w, o))
    return pa.concat_tables([table.slice(0, 31), table.slice(31)])  # in chunks


def described(kind, folder, X, y, w, o):
    roles = {"target": "y", "weight": "w", "offset": "o", "max_memory": ROOM}
    table = arrow_table(X, y, w, o)
    if kind == "csv":
        folder.joinpath("t").mkdir()
        for k, (start, stop) in enumerate(((0, 40), (40, N))):
            csv_writer.write_csv(table.slice(start, stop - start), folder / "t" / f"{k}.csv")
        return fi.rows.csv(folder / "t", **roles)
    kinds = {
        "parquet": lambda: fi.rows.parquet(write(folder, table), **roles),
        "one file": lambda: fi.rows.parquet(write(folder, table, 1) / "p0.parquet", **roles),
        "arrow": lambda: fi.rows.arrow(table, **roles),
        "reader": lambda: fi.rows.arrow(table.to_reader(max_chunksize=29), **roles),
        "pandas": lambda: fi.rows.arrow(table.to_pandas(), **roles),
        "memory map": lambda: mapped(folder, X, y, w, o),
        "arrays": lambda: held_arrays(X, y, w, o),
        "fortran": lambda: held_arrays(X, y, w, o, np.asfortranarray),
        "strided": lambda: held_arrays(X, y, w, o, lambda X: np.repeat(X, 2, axis=0)[::2]),
        "big endian": lambda: held_arrays(X, y, w, o, lambda X: X.astype(">f8")),
        "csr": lambda: held_arrays(X, y, w, o, csr_array),
    }
    return kinds[kind]()


KINDS = ("parquet", "one file", "csv", "arrow", "reader", "pandas", "memory map", "arrays")
KINDS += ("fortran", "strided", "big endian", "csr")


@pytest.mark.parametrize("kind", KINDS)
def test_sources(tmp_path, rng, kind):
    X, y, w, o, test = numbers(rng)
    spec, options = fi.GLM("squared", l2=0.1), {"solver": fi.solvers.Direct()}
    held = fi.Influence.fit(spec, X, y, w, o, **options)
    streamed = fi.Influence.fit(spec, described(kind, tmp_path, X, y, w, o), **options)
    assert len(streamed._problem.rows.source.units) > 1
    assert_same(streamed, held, test, {**SCORES, **REMOVALS, **CHANGES}, RTOL)


@pytest.mark.parametrize("kind", ["parquet", "memory map", "csr"])
def test_single_precision_is_kept(tmp_path, rng, kind):
    X, y, w, o, test = numbers(rng, np.float32)
    spec = fi.GLM("squared", l2=0.1)
    held = fi.Influence.fit(spec, X, y, w, o)
    streamed = fi.Influence.fit(spec, described(kind, tmp_path, X, y, w, o))
    assert streamed._problem.rows.dtype == np.float32
    assert_same(streamed, held, test, SCORES, RTOL)


@pytest.mark.parametrize("features", [None, ["b", "a"], ["a"]])
def test_columns_are_found_by_name(tmp_path, rng, features):
    """Whatever stands before, between and after them, in whatever order each file has."""
    a, b, y, w = rng.normal(size=(4, N))
    w = np.exp(w)
    names = {"a.b": b, "b": b, "y": y, "other": ["text"] * N, "a": a, "w": w}
    if features is None:
        names = {"b": b, "y": y, "w": w, "a": a}
    table = pa.table(names)
    pq.write_table(table.slice(0, 30), tmp_path / "0.parquet", row_group_size=9)
    pq.write_table(table.select(names.keys() - set()).slice(30), tmp_path / "1.parquet")
    order = features or ["b", "a"]
    found = fi.rows.parquet(tmp_path, target="y", features=features, weight="w", max_memory=ROOM)
    X = np.column_stack([names[name] for name in order])
    expected = fi.Influence.fit(fi.GLM("squared"), X, y, w).theta
    assert worst(fi.Influence.fit(fi.GLM("squared"), found).theta, expected) <= RTOL


@pytest.mark.parametrize("kind", ["csv", "polars", "reader"])
def test_text_from_elsewhere(tmp_path, rng, kind):
    """Text is a category wherever it comes from; batches may bring dictionaries of their own."""
    town = np.sort(rng.choice(LEVELS["town"], N))
    y = rng.normal(size=N) + (town == "Bath")
    X = np.stack([town == level for level in LEVELS["town"]], axis=1).astype(float)
    expected = fi.Influence.fit(fi.GLM("squared", l2=0.1), X, y)
    table = pa.table({"town": town, "y": y})
    if kind == "csv":
        csv_writer.write_csv(table, tmp_path / "a.csv")
        rows = fi.rows.csv(tmp_path / "a.csv", target="y", max_memory=ROOM)
    elif kind == "polars":
        polars = pytest.importorskip("polars")
        rows = fi.rows.arrow(polars.DataFrame({"town": town, "y": y}), "y", max_memory=ROOM)
    else:
        parts = [table.slice(0, 30), table.slice(30)]
        own = [pa.table({"town": p["town"].dictionary_encode(), "y": p["y"]}) for p in parts]
        batches = [batch for part in own for batch in part.to_batches()]
        reader = pa.RecordBatchReader.from_batches(batches[0].schema, batches)
        rows = fi.rows.arrow(reader, target="y", max_memory=ROOM)
    streamed = fi.Influence.fit(fi.GLM("squared", l2=0.1), rows)
    assert streamed._problem.feature_names == tuple(f"town={v}" for v in LEVELS["town"])
    assert worst(streamed.theta, expected.theta) <= RTOL
    assert worst(streamed.self_influence(), expected.self_influence()) <= RTOL


def test_labels_are_text_too(tmp_path, rng):
    X, y, w, _, test = numbers(rng)
    kind = np.array(["low", "mid", "top"])[np.digitize(y, [-0.5, 0.5])]
    spec = fi.GLM("multinomial", l2=0.1)
    held = fi.Influence.fit(spec, X, kind, w)
    streamed = fi.Influence.fit(spec, parquet(tmp_path, columns_of(X, kind, w)))
    assert streamed._problem.param_names == held._problem.param_names
    assert worst(streamed.theta, held.theta) <= RTOL
    asked = {"X_test": test.X_test, "y_test": kind[:T]}
    assert worst(streamed.on_loss(**asked), held.on_loss(**asked)) <= RTOL


def test_a_csv_column_of_integers_may_get_fractions(tmp_path):
    (tmp_path / "0.csv").write_text("a,y\n1,0\n2,1\n3,0\n")
    (tmp_path / "1.csv").write_text("y,a\n1,0.25\n0,-1\n")
    streamed = fi.Influence.fit(
        fi.GLM("logistic", l2=0.1), fi.rows.csv(tmp_path, target="y", max_memory=ROOM)
    )
    X, y = np.array([[1, 2, 3, 0.25, -1]]).T, np.array([0, 1, 0, 1, 0])
    assert worst(streamed.theta, fi.Influence.fit(fi.GLM("logistic", l2=0.1), X, y).theta) <= RTOL
