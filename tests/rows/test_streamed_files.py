"""Streamed tables and files: what a model saves and loads, and what is left behind."""

import gc

import numpy as np
import pytest
from stream_cases import ROOM, columns, fit, pa, parquet, small_blocks

import fastinfluence as fi

pytestmark = pytest.mark.usefixtures(small_blocks.__name__)


@pytest.mark.parametrize("categories", [True, False])
def test_a_model_is_saved_and_loaded(tmp_path, categories):
    """With what was worked out; another table is refused."""
    features = ["x0", "x1", "town"][: 2 + categories]
    table = parquet(tmp_path / "table", columns(), features=features)
    infl = fit(table)
    V = np.eye(len(infl.theta))
    expected = infl.ihvp(V).x, infl.self_influence()
    infl.save(tmp_path / "model.npz")
    again = fi.load(tmp_path / "model.npz", table)
    assert (again.theta == infl.theta).all()
    assert (again.ihvp(V).x == expected[0]).all()
    assert (again.self_influence() == expected[1]).all()
    other = parquet(tmp_path / "other", columns(x0=columns()["x0"][::-1]), features=features)
    with pytest.raises(fi.InputError, match="other data"):
        fi.load(tmp_path / "model.npz", other)
    with pytest.raises(fi.InputError, match="column of a streamed table"):
        fi.load(tmp_path / "model.npz", table, columns()["y"])


def test_scores_to_a_dataset(tmp_path):
    infl = fit(parquet(tmp_path / "table", columns(), offset=None, features=["x0", "x1"]))
    test = {"X_test": pa.table({"x0": [0.1, 0.2], "x1": [1.0, -1.0]}), "y_test": [0, 1]}
    sink = fi.ParquetSink(tmp_path / "scores", rows_per_part=13)
    assert (infl.on_loss(**test, out=sink).read() == infl.on_loss(**test)).all()
    own = infl.self_influence(out=fi.ParquetSink(tmp_path / "own"))
    assert (own.read() == infl.self_influence()).all()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_reader_that_breaks_leaves_no_file(tmp_path, monkeypatch, error):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    table = pa.table(columns())

    class Broken:
        schema = table.schema

        def read_next_batch(self):
            raise error("gone")

        def __iter__(self):
            yield from table.to_batches()
            raise error("gone")

    with pytest.raises(error, match="gone"):
        fi.rows.arrow(Broken(), target="y")
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_the_file_of_record_batches_goes_with_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rows = fi.rows.arrow(pa.table(columns()).to_reader(), target="y", max_memory=ROOM)
    assert len(list(tmp_path.iterdir())) == 1
    infl = fit(rows)
    assert len(list(tmp_path.iterdir())) == 1
    del rows, infl
    gc.collect()
    assert not list(tmp_path.iterdir())
