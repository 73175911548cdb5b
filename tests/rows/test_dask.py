"""Questions asked of a table on a cluster, and what travels for them."""

import pickle
from typing import NamedTuple

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from cases import assert_close
from dask_cases import ROLES, N, small_frame, split
from refusal import check

import fastinfluence as fi
from fastinfluence.rows.cluster import SCATTERED_BYTES, Partitions

dask = pytest.importorskip("dask", reason="dask is not installed: pip install dask")
da = pytest.importorskip("dask.array", reason="dask.array is not installed")
dd = pytest.importorskip("dask.dataframe", reason="dask.dataframe is not installed")

SPEC = fi.GLM("logistic", l2=0.05)


@pytest.fixture(scope="module")
def frame():
    return small_frame()


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


# -- what travels ------------------------------------------------------------------------


def test_the_bits_depend_on_no_scheduler(frame, client):
    parts = [dask.delayed(part) for part in split(frame, 20)]
    there, here = (
        fi.Influence.fit(SPEC, fi.rows.dask(parts, **ROLES, client=where))
        for where in (client, None)
    )
    assert there.theta.tobytes() == here.theta.tobytes()
    assert there.self_influence().tobytes() == here.self_influence().tobytes()


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
