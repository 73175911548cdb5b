"""A worker that is killed in the middle of a pass changes no bit of any result."""

import os
import signal

import numpy as np
import pandas as pd
import pytest

import fastinfluence as fi

pytestmark = pytest.mark.slow
dask = pytest.importorskip("dask", reason="dask is not installed: pip install dask")
distributed = pytest.importorskip("distributed", reason="distributed is not installed")

PARTS, VICTIM = 6, 4


@pytest.fixture(scope="module")
def mortal():
    """Return a client of workers that may die: others are started, however long that takes."""
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "10 minutes"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def parts():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(300, 5)), columns=list("abcde"))
    frame["y"] = (frame["a"] + rng.normal(size=300) > 0).astype(float)
    return [frame.iloc[k::PARTS] for k in range(PARTS)]


def made_by(folder, deadly_call=0):
    """Return a function that makes a partition, and once kills the worker that runs it.

    It is made here, so that it travels to workers that know nothing of this file.
    """
    calls = str(folder / "calls")

    def make(k, part):
        import os
        import signal

        if k == VICTIM:
            with open(calls, "ab") as file:
                file.write(b".")
                file.flush()
                if file.tell() == deadly_call:
                    os.kill(os.getpid(), signal.SIGKILL)
        return part

    return make, lambda: os.path.getsize(calls)


def asked(client, parts, folder, deadly_call=0):
    """Return solutions by CG and a ranking, and how often the victim was read before and after."""
    folder.mkdir()
    make, calls = made_by(folder, deadly_call)
    blocks = [dask.delayed(make)(k, part) for k, part in enumerate(parts)]
    table = fi.rows.dask(blocks, target="y", client=client)
    solver = fi.solvers.CG(tol=1e-12)
    spec = fi.GLM("logistic", l2=1e-4)
    infl = fi.Influence(spec, table, theta=np.full(6, 0.1), solver=solver, damping=0.01)
    read = [calls()]
    solution = infl.ihvp(np.eye(6)[:, :2])
    read.append(calls())
    top = infl.on_function(np.ones((3, 6)), out=fi.TopK(5))
    read.append(calls())
    found = (solution.x, solution.residual_norms, top.helpful.values, top.harmful.rows)
    return [array.tobytes() for array in found], read


@pytest.mark.filterwarnings("ignore::fastinfluence.FastInfluenceWarning")  # theta is no optimum
def test_a_worker_killed_while_it_works(mortal, parts, tmp_path):
    expected, (begun, solved, scored) = asked(mortal, parts, tmp_path / "undisturbed")
    assert solved - begun >= 4, "too few products for a middle"
    for name, call in (("solving", (begun + solved) // 2), ("scoring", scored)):
        mortal.wait_for_workers(1, timeout=120)
        found, read = asked(mortal, parts, tmp_path / name, deadly_call=call)
        assert read[-1] == scored + 1, "the worker was not killed where it should have been"
        assert found == expected, name


@pytest.mark.filterwarnings("ignore::fastinfluence.FastInfluenceWarning")
def test_a_worker_killed_with_the_partitions_that_it_held(mortal, parts):
    table = mortal.persist([dask.delayed(part) for part in parts])
    passes, killed = [], []

    def scored(deadly_pass):
        mortal.wait_for_workers(1, timeout=120)
        passes.clear()

        def kill(phase, done, total):
            passes.append(phase)
            if len(passes) == deadly_pass:
                killed.append(min(mortal.run(os.getpid).values()))
                os.kill(killed[-1], signal.SIGKILL)

        rows = fi.rows.dask(table, target="y", client=mortal)
        spec = fi.GLM("logistic", l2=0.01)
        infl = fi.Influence.fit(spec, rows, progress=kill)
        top = infl.self_influence(out=fi.TopK(9)).helpful
        return infl.theta.tobytes(), top.rows.tobytes(), top.values.tobytes()

    expected, count = scored(0), len(passes)
    assert scored(count // 2) == expected
    assert scored(count - 1) == expected
    assert len(killed) == 2
