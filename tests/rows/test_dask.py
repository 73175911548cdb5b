"""Questions asked of a table on a cluster, the containers that it may come in, and refusals."""

import pickle
from itertools import pairwise
from typing import NamedTuple

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from cases import assert_close
from refusal import check
from scipy.sparse import csr_array

import fastinfluence as fi
from fastinfluence.rows.cluster import SCATTERED_BYTES, Partitions

dask = pytest.importorskip("dask", reason="dask is not installed: pip install dask")
da = pytest.importorskip("dask.array", reason="dask.array is not installed")
dd = pytest.importorskip("dask.dataframe", reason="dask.dataframe is not installed")

SPEC = fi.GLM("logistic", l2=0.05)
N = 120


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(7)
    out = pd.DataFrame(rng.normal(size=(N, 3)), columns=["a", "b", "c"])
    out["kind"] = rng.choice(["x", "y", "z"], N)
    out["w"], out["o"] = rng.uniform(0.5, 2.0, N), rng.normal(scale=0.3, size=N)
    chance = 1 / (1 + np.exp(-out["a"] - (out["kind"] == "x") - out["o"]))
    out["y"] = (rng.uniform(size=N) < chance).astype(int)
    return out


ROLES = {"target": "y", "weight": "w", "offset": "o"}
TESTS = 6


def asked(infl, frame):
    """Yield what every kind of question gives, as arrays."""
    test = frame.iloc[:TESTS]
    args = (test, test["y"].to_numpy())
    offset = {"offset_test": test["o"].to_numpy()}
    yield infl.theta
    yield infl.hessian.dense()
    yield infl.hessian @ np.eye(len(infl.theta))
    yield infl.on_loss(*args, **offset)
    yield infl.on_loss(*args, **offset, out=fi.Total())
    for end in ("helpful", "harmful"):
        ranking = getattr(infl.on_loss(*args, **offset, out=fi.TopK(4)), end)
        yield ranking.rows.astype(float)
        yield ranking.values
    yield infl.self_influence()
    yield infl.on_params([0, 7, 119])
    yield infl.covariance()
    yield infl.leave_one_out([3, 100], method="exact").theta
    yield infl.leave_one_out([3, 100], method="newton").on_loss(*args, **offset)
    yield infl.leave_group_out([[1, 2], [50, 118]], method="exact").theta
    yield infl.without([5, 70]).theta


def test_every_question(frame, client):
    columns = ["a", "b", "c", "kind"]
    streamed = fi.Influence.fit(SPEC, fi.rows.arrow(frame, **ROLES))
    table = dd.from_pandas(frame, npartitions=4)
    there = fi.Influence.fit(SPEC, fi.rows.dask(table, **ROLES, client=client))
    memory = fi.Influence.fit(
        SPEC,
        pd.get_dummies(frame[columns], prefix_sep="=").astype(float),
        frame["y"],
        sample_weight=frame["w"],
        offset=frame["o"],
    )
    assert there._problem.feature_names == memory._problem.feature_names
    assert_close(there.theta, memory.theta)
    for found, wanted in zip(asked(there, frame), asked(streamed, frame), strict=True):
        assert_close(found, wanted, rtol=1e-9, atol=1e-15)


def test_report_and_selection(frame, client):
    there = fi.Influence.fit(SPEC, fi.rows.dask([dask.delayed(frame)], **ROLES, client=client))
    streamed = fi.Influence.fit(SPEC, fi.rows.arrow(frame, **ROLES))
    assert str(there.report()) == str(streamed.report())


def test_scores_in_files_are_those_of_a_streamed_table(frame, client, tmp_path):
    named = frame.assign(name=[f"row {k}" for k in range(N)])
    parts = split(named, 4)
    there = fi.rows.dask([dask.delayed(p) for p in parts], **ROLES, id="name", client=client)
    streamed = fi.rows.arrow(named, **ROLES, id="name")
    found = {}
    for name, table in (("there", there), ("streamed", streamed)):
        infl = fi.Influence.fit(SPEC, table)
        found[name] = infl.self_influence(out=fi.ParquetSink(tmp_path / name))
    assert len(found["there"].parts) == len(parts)  # each by the worker that has the rows
    assert_close(found["there"].read(), found["streamed"].read())
    ids = found["there"].to_arrow().column("id").to_pylist()
    assert ids == list(named["name"])


MODELS = {
    "multinomial": (fi.GLM("multinomial", l2=0.05), "kind"),
    "network": (fi.MLP(hidden=(3,), activation="tanh", loss="logistic", l2=0.05), "y"),
    "poisson by CG": (fi.GLM("poisson", l2=0.05, reduction="sum"), "y"),
}


@pytest.mark.parametrize("name", MODELS)
def test_other_models(name, frame, client):
    spec, target = MODELS[name]
    solver = fi.solvers.CG(tol=1e-12) if "CG" in name else fi.solvers.Direct()
    data = frame[["a", "b", "c", target]]
    memory = fi.Influence.fit(spec, data[["a", "b", "c"]], data[target], tol=1e-10)
    table = fi.rows.dask(dd.from_pandas(data, npartitions=3), target=target, client=client)
    there = fi.Influence(spec, table, theta=memory.theta, solver=solver, damping=0.5)
    memory = fi.Influence(
        spec, data[["a", "b", "c"]], data[target], memory.theta, solver=solver, damping=0.5
    )
    test = data.iloc[:TESTS]
    for infl in (there, memory):
        infl.scores = infl.on_loss(test[["a", "b", "c"]], test[target])
    assert_close(there.scores, memory.scores)
    assert_close(there.on_params([0, 50]), memory.on_params([0, 50]))


# -- containers --------------------------------------------------------------------------


def cut(values, parts=3):
    """Return views of an array, of different sizes."""
    ends = [0, 10, 70, N][: parts + 1]
    return [values[a:b] for a, b in pairwise(ends)]


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


# -- what travels ------------------------------------------------------------------------


def test_the_bits_depend_on_no_scheduler(frame, client):
    parts = [dask.delayed(part) for part in split(frame, 20)]
    there, here = (
        fi.Influence.fit(SPEC, fi.rows.dask(parts, **ROLES, client=where))
        for where in (client, None)
    )
    assert there.theta.tobytes() == here.theta.tobytes()
    assert there.self_influence().tobytes() == here.self_influence().tobytes()


def split(frame, parts):
    """Return partitions of about the same size."""
    ends = np.linspace(0, len(frame), parts + 1).astype(int)
    return [frame.iloc[a:b] for a, b in pairwise(ends)]


class Traffic(NamedTuple):
    """Bytes of the largest result, of all others together, and of the largest work sent out."""

    largest: int
    other: int
    work: int


def traffic(monkeypatch, table, test):
    """Return what a fit, two rankings and three exact removals send, in bytes."""
    results, works = [], []
    run = Partitions._run

    def counted(self, work, asked, phase):
        out = run(self, work, asked, phase)
        results.append(len(pickle.dumps(out)))
        works.append(len(work.packed))
        return out

    monkeypatch.setattr(Partitions, "_run", counted)
    infl = fi.Influence.fit(SPEC, table)
    infl.on_loss(test[["a", "b"]], test["y"], out=fi.TopK(3))
    infl.self_influence(out=fi.TopK(3))
    infl.leave_one_out([1, 2, 3], method="exact")
    monkeypatch.undo()
    return Traffic(max(results), sum(results) - max(results), max(works))


def test_no_traffic_with_the_client_grows_with_the_rows(monkeypatch, rng):
    found = []
    for n in (20_000, 80_000):  # beyond the sample that a fit starts from
        frame = pd.DataFrame(rng.normal(size=(n, 2)), columns=["a", "b"])
        frame["y"] = (frame["a"] + rng.normal(size=n) > 0).astype(int)
        parts = [dask.delayed(part) for part in split(frame, 8)]
        table = fi.rows.dask(parts, target="y", max_memory="8MB")
        found.append(traffic(monkeypatch, table, frame.iloc[:5]))
    few, many = found
    assert many.largest < few.largest + 1000  # the sample, with some other numbers
    assert many.other < few.other + 1000  # longer numbers of rows, another step of the fit
    assert many.work < few.work + 1000


def test_large_work_is_sent_by_itself(client, rng):
    X = rng.normal(size=(40, 3))
    y = X @ np.ones(3)
    table = fi.rows.dask(
        da.from_array(X, chunks=(10, 3)), da.from_array(y, chunks=10), client=client
    )
    infl = fi.Influence.fit(fi.GLM("squared", l2=0.1), table)
    wide = rng.normal(size=(4, SCATTERED_BYTES // 16))  # doubles: twice as much
    memory = fi.Influence(fi.GLM("squared", l2=0.1), X, y, infl.theta)
    assert_close(infl.hessian @ wide, memory.hessian @ wide)


def test_a_table_on_a_cluster_is_not_sent(frame):
    infl = fi.Influence.fit(SPEC, fi.rows.dask([dask.delayed(frame)], **ROLES))
    check(lambda: cloudpickle.dumps(infl._problem.rows), ("rows in one process", "fi.rows.parquet"))
    sent = cloudpickle.loads(cloudpickle.dumps(infl._problem.w))
    assert sent.rows is None
    assert len(cloudpickle.dumps(infl._engine.local)) < 20_000


def test_a_pass_that_brings_nothing_back_is_refused(frame, client):
    infl = fi.Influence.fit(SPEC, fi.rows.dask([dask.delayed(frame)], **ROLES, client=client))
    lost = np.empty(N)

    def task(block):
        lost[block.rows] = 1.0  # in the memory of a worker
        return block.stop

    words = ("rows in one process", "fi.rows.parquet")
    check(lambda: infl._problem.rows.map_reduce(task, max), words)
    check(infl.diagnostics, words)
    check(lambda: infl.cross_validation(method="exact"), words)
    twice = infl._problem.rows.map_reduce(lambda block: 2 * len(block.X), lambda a, b: a + b)
    assert twice == 2 * N


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
