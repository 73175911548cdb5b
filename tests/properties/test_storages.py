"""One problem in every storage: dense, sparse, streamed, in partitions, on a device."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cuda.host_module import compiler
from cuda.standin import installed
from hypothesis import given
from hypothesis import strategies as st
from properties.problems import LAYOUTS, Problem, build, error, muted
from properties.strategies import FAR, fewer, words
from scipy import sparse

import fastinfluence as fi

pytestmark = pytest.mark.filterwarnings("ignore::fastinfluence.FastInfluenceWarning")
ROLES = {"weight": "w", "offset": "o"}


def columns(b: Problem) -> dict[str, Any]:
    """The given form as columns x0, x1, …, y and, where they are given, w and o."""
    X = b.stored(b.unit.X)
    given_data = {"w": b.data()["sample_weight"], "o": b.data()["offset"]}
    native = {
        f"x{j}": np.ascontiguousarray(X[:, j], X.dtype.newbyteorder("=")) for j in range(X.shape[1])
    }
    own = {k: np.ascontiguousarray(v, "=f8") for k, v in given_data.items() if v is not None}
    return {**native, "y": np.asarray(b.unit.y), **own}


def roles(table: Any) -> dict[str, str]:
    """The columns of weights and offsets, where there are any."""
    return {role: name for role, name in ROLES.items() if name in table}


@contextmanager
def dense(b: Problem) -> Iterator[fi.Influence]:
    yield b.influence()


@contextmanager
def csr(b: Problem, form: Any = sparse.csr_array) -> Iterator[fi.Influence]:
    X = b.stored(b.unit.X)
    stored = form(np.ascontiguousarray(X, X.dtype.newbyteorder("=")))
    yield fi.Influence(b.spec, stored, b.unit.y, b.unit.theta / b.scale, **b.data())


@contextmanager
def csc(b: Problem) -> Iterator[fi.Influence]:
    with csr(b, sparse.csc_matrix) as infl:
        yield infl


@contextmanager
def streamed(b: Problem) -> Iterator[fi.Influence]:
    frame = pd.DataFrame(columns(b))
    table = fi.rows.arrow(frame, target="y", **roles(frame))
    yield fi.Influence(b.spec, table, theta=b.unit.theta / b.scale)


@contextmanager
def partitions(b: Problem) -> Iterator[fi.Influence]:
    import dask

    frame = pd.DataFrame(columns(b))
    cut = len(frame) // 3
    parts = [dask.delayed(frame.iloc[:cut]), dask.delayed(frame.iloc[cut:])]
    with dask.config.set(scheduler="synchronous"):
        table = fi.rows.dask(parts, target="y", **roles(frame))
        yield fi.Influence(b.spec, table, theta=b.unit.theta / b.scale)


@contextmanager
def device(b: Problem) -> Iterator[fi.Influence]:
    with installed():
        yield b.influence(device="cuda")


OTHERS: dict[str, Callable[[Problem], Any]] = {
    "csr": csr,
    "csc": csc,
    "streamed": streamed,
    "partitions": partitions,
}


def asked(infl: fi.Influence, b: Problem) -> dict[str, Any]:
    """Every kind of score."""
    top = infl.on_loss(*b.test, out=fi.TopK(3), **b.asked())
    return {
        "loss": infl.on_loss(*b.test, **b.asked()),
        "raw": infl.on_prediction(b.test[0], **b.asked()),
        "self": infl.self_influence(),
        "params": infl.on_params([0, 7]) * b.scale,
        "hessian": infl.hessian.dense() / b.scale / b.scale[:, None],
        "top": top.helpful.values,
        "bottom": top.harmful.values,
    }


def removed(infl: fi.Influence, b: Problem) -> dict[str, Any]:
    """Rows and groups removed by every method but a refit."""
    found = {}
    for method in ("influence", "newton"):
        single = infl.leave_one_out([3, 9], method).theta
        group = infl.leave_group_out([[1, 4], [2]], method).theta
        found[method] = np.vstack([infl.theta, single, group]).ravel() * np.tile(b.scale, 5)
    return found


def assert_same(b: Problem, one: fi.Influence, other: fi.Influence, limit: float) -> None:
    for ask in (asked, removed):
        wanted, found = ask(one, b), ask(other, b)
        wrong = {k: error(found[k], wanted[k]) for k in wanted}
        assert max(wrong.values()) < limit, wrong


@given(words(far=FAR), st.sampled_from(sorted(OTHERS)))
def test_every_storage_gives_the_dense_answers(w, storage):
    b = build(w)
    with muted(), OTHERS[storage](b) as infl:
        assert_same(b, b.influence(), infl, 1e-9)


@given(words(far=100), st.sampled_from(sorted(LAYOUTS)))
def test_every_layout_gives_the_same_bits(w, layout):
    """What lies in memory otherwise is read as the same numbers, in the same order."""
    b = build(w)
    plain, laid = (replace(b, words=replace(w, layout=x)) for x in ("C", layout))
    one, other = plain.influence(), laid.influence()
    for found, wanted in zip(asked(other, laid).values(), asked(one, plain).values(), strict=True):
        assert error(found, wanted) < 1e-12


@pytest.mark.skipif(compiler() is None, reason="g++ runs the CUDA sources")
@fewer(3)
@given(words(loss="logistic"))
def test_a_device_gives_the_dense_answers(w):
    b = build(w)
    here = b.influence()
    with device(b) as there:
        wanted, found = asked(here, b), asked(there, b)
    wrong = {k: error(found[k], wanted[k]) for k in wanted}
    assert max(wrong.values()) < (1e-9 if w.dtype == "float64" else 1e-3), wrong
