"""Rows on a cluster give the numbers of rows in memory, for every loss and kind of model."""

import pytest
from cases import CASES, FURTHER, assert_close, build, named
from dask_cases import Tables

import fastinfluence as fi

# Squared and logistic loss have many cases: those with weights and an offset stand for them.
EVERY_LOSS = (
    tuple(case for case in CASES if case.name in ("squared sum weighted", "logistic weighted"))
    + FURTHER
)


def three_ways(case, one_hot, client):
    """Return one model in memory, streamed and on the cluster; and the tables."""
    built = build(case)
    tables, spec = Tables.of(built, one_hot), built.spec()
    if one_hot:
        spec = fi.GLM(spec.loss, l2=0.3, fit_intercept=case.fit_intercept, reduction=case.reduction)
    memory = fi.Influence.fit(spec, tables.X, built.y, **built.data())
    streamed = fi.Influence(spec, tables.streamed(), theta=memory.theta)
    return memory, streamed, fi.Influence(spec, tables.dask(client), theta=memory.theta), tables


@pytest.mark.parametrize("one_hot", [False, True], ids=["dense", "one-hot"])
@pytest.mark.parametrize("case", **named(EVERY_LOSS))
def test_every_loss(case, one_hot, client):
    memory, streamed, there, tables = three_ways(case, one_hot, client)
    offset = {} if tables.built.offset_test is None else {"offset_test": tables.built.offset_test}

    def scores(infl, X_test):
        yield infl.hessian.dense()
        yield infl.on_loss(X_test, tables.built.y_test, **offset)
        yield infl.self_influence()

    expected = list(scores(memory, tables.X_test))
    for infl in (streamed, there):
        for found, wanted in zip(scores(infl, tables.frame_test), expected, strict=True):
            assert_close(found, wanted, rtol=1e-10)
