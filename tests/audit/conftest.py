"""Tables with a known fault, and the command line with its output caught."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from fastinfluence import cli

N, N_FLIPPED = 300, 12


class Planted(NamedTuple):
    table: pa.Table
    flipped: np.ndarray  # rows whose label is wrong on purpose


def make_planted(seed: int = 3) -> Planted:
    """Return a table of every common kind of column, with some labels flipped."""
    rng = np.random.default_rng(seed)
    age, income = rng.normal(40, 12, N), rng.normal(size=N)
    city = rng.choice(["Rome", "Oslo", "Lima"], N)
    since = [datetime.date(2015, 1, 1) + datetime.timedelta(days=int(d)) for d in 9 * age]
    f = 0.25 * (age - 40) + 2 * income + (city == "Rome")
    label = f > 0
    sure = np.flatnonzero(np.abs(f) > 2)
    flipped = np.sort(rng.choice(sure, N_FLIPPED, replace=False))
    label[flipped] ^= True
    columns = {
        "age": pa.array(age.round(2)),
        "wealth": pa.array(income, mask=rng.random(N) < 0.1),
        "city": pa.array(city, mask=rng.random(N) < 0.1),
        "since": pa.array(since),
        "member": pa.array(rng.random(N) < 0.5),
        "label": pa.array(np.where(label, "yes", "no")),
    }
    return Planted(pa.table(columns), flipped)


@pytest.fixture
def planted() -> Planted:
    return make_planted()


@pytest.fixture
def work(tmp_path, monkeypatch, planted) -> Path:
    """Return a current folder that holds the planted table as CSV and as Parquet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    pa.csv.write_csv(planted.table, tmp_path / "people.csv")
    pa.parquet.write_table(planted.table, tmp_path / "people.parquet")
    return tmp_path


@pytest.fixture
def refused(work, capsys):
    """Return what runs a command that must fail with one line and leave no file."""

    def run(*arguments: str) -> str:
        before = sorted(work.rglob("*"))
        assert cli.main(["audit", *arguments]) == cli.FAILED
        caught = capsys.readouterr()
        assert caught.out == ""
        assert caught.err.count("\n") == 1, caught.err
        assert sorted(work.rglob("*")) == before
        return caught.err

    return run
