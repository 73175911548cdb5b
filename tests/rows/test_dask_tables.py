"""The containers that a table on a cluster may come in, and what is refused."""

import numpy as np
import pytest
from cases import assert_close
from dask_cases import ROLES, N, cut, small_frame
from refusal import check
from scipy.sparse import csr_array

import fastinfluence as fi

dask = pytest.importorskip("dask", reason="dask is not installed: pip install dask")
da = pytest.importorskip("dask.array", reason="dask.array is not installed")
dd = pytest.importorskip("dask.dataframe", reason="dask.dataframe is not installed")

SPEC = fi.GLM("logistic", l2=0.05)


@pytest.fixture(scope="module")
def frame():
    return small_frame()


# -- containers --------------------------------------------------------------------------


def containers(frame):
    """Yield the same rows in every container, with what is said of them."""
    import polars
    import pyarrow

    columns = ["a", "b", "c"]
    X, y = frame[columns].to_numpy(), frame["y"].to_numpy()
    w, o = frame["w"].to_numpy(), frame["o"].to_numpy()
    plain = frame[[*columns, "y", "w", "o"]]
    given = {
        "y": da.from_array(y, chunks=50),
        "weight": da.from_array(w, chunks=N),
        "offset": da.from_array(o, chunks=7),
    }
    yield "array", (da.from_array(X, chunks=(32, 2)),), given
    sparse = da.from_array(X, chunks=(32, -1)).map_blocks(csr_array)
    yield "sparse", (sparse,), given
    table = dd.from_pandas(plain, npartitions=4)
    unknown = {"weight": table["w"].values, "offset": table["o"].values, "y": table["y"].values}
    yield "unknown sizes", (table[columns].values,), unknown
    yield "frame", (table,), ROLES
    yield (
        "filtered frame",
        (dd.from_pandas(plain.assign(k=1), npartitions=4),),
        {
            **ROLES,
            "features": columns,
        },
    )
    blocks = list(zip(*map(cut, (X, y, w, o)), strict=True))
    yield "tuples", ([dask.delayed(block) for block in blocks],), {}
    yield "Arrow", ([dask.delayed(pyarrow.table(part)) for part in cut(plain)],), ROLES
    yield "polars", ([dask.delayed(polars.from_pandas(part)) for part in cut(plain)],), ROLES
    empty = [plain.iloc[:0], *cut(plain), plain.iloc[:0]]
    yield "empty partitions", ([dask.delayed(part) for part in empty],), ROLES


def test_containers(frame):
    columns = ["a", "b", "c"]
    memory = fi.Influence.fit(
        SPEC, frame[columns], frame["y"], sample_weight=frame["w"], offset=frame["o"]
    )
    for name, args, given in containers(frame):
        infl = fi.Influence.fit(SPEC, fi.rows.dask(*args, **given))
        assert_close(infl.theta, memory.theta), name
        assert_close(infl.self_influence(), memory.self_influence())


def test_futures_and_persisted_partitions(frame, client):
    memory = fi.Influence.fit(SPEC, fi.rows.arrow(frame, **ROLES))
    futures = client.scatter(cut(frame))
    persisted = client.persist(dd.from_pandas(frame, npartitions=3))
    X = client.persist(da.from_array(frame[["a", "b"]].to_numpy(), chunks=(40, 2)))
    for table in (futures, persisted):
        infl = fi.Influence.fit(SPEC, fi.rows.dask(table, **ROLES, client=client))
        assert_close(infl.theta, memory.theta)
    arrays = fi.Influence.fit(
        SPEC, fi.rows.dask(X, da.from_array(frame["y"].to_numpy(), chunks=40), client=client)
    )
    assert_close(arrays.theta, fi.Influence.fit(SPEC, frame[["a", "b"]], frame["y"]).theta)


# -- refusals ----------------------------------------------------------------------------


def broken(frame, name, value, part=1):
    """Return partitions with one bad value, in row 2 of a partition."""
    parts = [part.copy() for part in cut(frame)]
    if isinstance(value, str | float):
        parts[part][name] = parts[part][name].astype(object if isinstance(value, str) else float)
    parts[part].iloc[2, parts[part].columns.get_loc(name)] = value
    return [dask.delayed(one) for one in parts]


FAULTS = {
    "no text": ("kind", None, ("'kind'", "missing", "row 2 of partition 1")),
    "missing": ("a", np.nan, ("'a'", "nan", "row 2 of partition 1", "row 12 of the table")),
    "infinite": ("a", np.inf, ("'a'", "inf", "row 2 of partition 1")),
    "negative weight": ("w", -1.0, ("'w'", "-1", "row 2 of partition 1")),
    "text": ("a", "two", ("'a'", "partition 1", "'two'")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_in_the_rows(fault, frame):
    name, value, words = FAULTS[fault]
    plain = frame if name == "kind" else frame.drop(columns="kind")
    table = fi.rows.dask(broken(plain, name, value), **ROLES)
    check(lambda: fi.Influence.fit(SPEC, table), words)


def test_faults_of_partitions(frame):
    plain = frame[["a", "b", "y"]]
    parts = cut(plain)

    def fit(*blocks, **given):
        return fi.Influence.fit(SPEC, fi.rows.dask([dask.delayed(b) for b in blocks], **given))

    named = {"target": "y"}
    whole = parts[1].assign(a=parts[1]["a"].round().astype(int))
    check(lambda: fit(parts[0], whole, **named), ("'a'", "int64 in partition 1", "double"))
    check(lambda: fit(parts[0], parts[1][["a", "y"]], **named), ("partition 1", "'b'"))
    check(lambda: fit(parts[0], "rows", **named), ("partition 1", "str"))
    check(lambda: fit(parts[0].iloc[:0], **named), ("no rows",))
    X, y = plain[["a", "b"]].to_numpy(), plain["y"].to_numpy()
    check(lambda: fit((X, y), (X[:, :1], y)), ("'X'", "1 columns", "partition 1", "2 columns"))
    check(lambda: fit((X, y), (X, y[1:])), ("partition 1", "y has 119 entries"))
    check(lambda: fit((X, y), X), ("partition 1", "ndarray", "(X, y)"))
    bad = X.copy()
    bad[4, 1] = np.nan
    check(lambda: fit((X, y), (bad, y)), ("'x1'", "nan", "row 4 of partition 1"))


def test_faults_of_descriptions(frame):
    table = dd.from_pandas(frame, npartitions=2)
    X = da.ones((10, 2), chunks=(5, 2))
    y, fine = da.ones(10, chunks=5), da.ones(10, chunks=2)
    blocks = [dask.delayed(frame)]
    rows = fi.rows.dask
    refused = [
        (lambda: rows(frame, target="y"), ("DataFrame", "Dask")),
        (lambda: rows(table), ("target is needed",)),
        (lambda: rows(table, "y"), ("target=",)),
        (lambda: rows(table, target="z"), ("'z'",)),
        (lambda: rows(table, target="y", weight=y), ("weight", "column")),
        (lambda: rows(X), ("y is needed",)),
        (lambda: rows(X, np.ones(10)), ("ndarray", "from_array")),
        (lambda: rows(X, y, target="y"), ("target",)),
        (lambda: rows(X, y[:8]), ("8 entries", "10 rows")),
        (lambda: rows(X, X), ("one dimension",)),
        (lambda: rows(y, y), ("two dimensions",)),
        (lambda: rows(X[X[:, 0] > 0], fine[fine > 0]), ("chunks",)),
        (lambda: rows([], target="y"), ("one or more",)),
        (lambda: rows([frame], target="y"), ("delayed",)),
        (lambda: rows(blocks, y, target="y"), ("leave y out",)),
        (lambda: rows(blocks, weight="w"), ("target=",)),
        (lambda: rows(blocks, target="z"), ("'z'",)),
        (lambda: rows(table, target="y", max_memory="lots"), ("max_memory",)),
        (lambda: fi.Influence.fit(SPEC, rows(X, y), [1.0]), ("y is a column",)),
    ]
    for call, words in refused:
        check(call, words)


def test_without_dask(monkeypatch, frame):
    table = dd.from_pandas(frame, npartitions=2)
    monkeypatch.setitem(__import__("sys").modules, "dask", None)
    check(lambda: fi.rows.dask(table, target="y"), ("fastinfluence[dask]",))
