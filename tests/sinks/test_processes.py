"""Parts written by several processes: pickled collectors that are merged."""

import pickle

import numpy as np
import pyarrow as pa
import pytest
from cases import CASES, build

import fastinfluence as fi
from fastinfluence.sinks import ParquetSink, Question

N, T = 100, 2
RAW = np.random.default_rng(0).normal(size=(T, N))
SHIFT, SCALE = np.array([0.5, -1.0]), np.linspace(1, 2, N)
SPLITS = {
    "whole parts": ([(0, 32), (32, 96), (96, 100)]),
    "parts in pieces": ([(0, 10), (10, 50), (50, 100)]),
    "one part in three": ([(0, 33), (33, 40), (40, 100)]),
    "a part twice": ([(0, 60), (32, 100)]),
}


def opened(folder, **more):
    b = build(CASES[0])
    infl = b.influence()
    S = np.ones((len(b.theta), T))
    question = Question(infl._problem, b.theta, "on_loss", "removal", S=S, **more)
    return ParquetSink(folder, rows_per_part=32).about(question).open(T, N, 1.0)


def feed(collector, start, stop, names=None):
    for at in range(start, stop, 7):
        rows = slice(at, min(at + 7, stop))
        if names is not None:
            collector.name_rows(at, names[rows])
        collector.add(at, RAW[:, rows].copy(), SHIFT, SCALE[rows])
    return collector


def copied(collector):
    return pickle.loads(pickle.dumps(collector))


@pytest.mark.parametrize("split", SPLITS)
def test_parts_of_several_processes(split, tmp_path):
    feed(opened(tmp_path / "one"), 0, N).result()
    main = opened(tmp_path / "many")
    first, *others = [copied(feed(copied(main), *rows)) for rows in SPLITS[split]]
    for other in reversed(others):
        first.merge(other)
    main.merge(copied(first))
    scores = main.result()
    np.testing.assert_array_equal(scores.read(), SCALE * (RAW + SHIFT[:, None]))
    names = [p.name for p in (tmp_path / "one").iterdir()]
    assert sorted(names) == sorted(p.name for p in (tmp_path / "many").iterdir())
    for name in names:
        one, many = (tmp_path / folder / name for folder in ("one", "many"))
        assert one.read_bytes() == many.read_bytes(), name


def test_rows_that_nobody_scored_are_told(tmp_path):
    main = opened(tmp_path)
    main.merge(feed(copied(main), 0, 64))
    assert main.wanted(60, 70)
    assert not main.wanted(0, 64)
    with pytest.raises(fi.InputError, match=r"lacks 2 of its 4 parts.*000000000064"):
        main.result()


def test_names_of_rows_that_come_with_their_blocks(tmp_path):
    names = pa.array([f"id {i}" for i in range(N)])
    main = opened(tmp_path, id_type=pa.string(), cuts=(0, 20, 50, N))
    parts = [feed(copied(main), *rows, names) for rows in ((0, 30), (30, 60), (60, N))]
    parts[0].merge(copied(parts[1]))
    parts[0].merge(parts[2])
    main.merge(parts[0])
    table = main.result().to_arrow()
    assert table.column_names == ["row", "id", "score_0", "score_1"]
    assert table.column("id").to_pylist() == names.to_pylist()
