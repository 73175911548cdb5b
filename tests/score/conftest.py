"""Files of people and the command with its output caught."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from score_cases import N, T, people

from fastinfluence import cli


@pytest.fixture
def train() -> pa.Table:
    return people(N, 0)


@pytest.fixture
def test() -> pa.Table:
    return people(T, 1)


@pytest.fixture
def work(tmp_path, monkeypatch, train, test) -> Path:
    """Return a current folder that holds both tables, as CSV and as Parquet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "train").mkdir()
    for k, start in enumerate(range(0, N, 100)):
        part = train.slice(start, 100)
        pa.parquet.write_table(part, tmp_path / f"train/{k}.parquet", row_group_size=40)
    pa.csv.write_csv(train, tmp_path / "train.csv")
    pa.csv.write_csv(test, tmp_path / "new.csv")
    pa.parquet.write_table(test, tmp_path / "new.parquet")
    return tmp_path


@pytest.fixture
def score(work, capsys):
    """Return what runs the command and hands back what it printed."""

    def run(*arguments: str, expect: int = cli.OK) -> str:
        code = cli.main(["score", *arguments])
        caught = capsys.readouterr()
        assert code == expect, caught.err
        if expect == cli.OK:
            assert caught.err == ""  # progress is for terminals
            return caught.out
        assert caught.out == ""
        assert caught.err.count("\n") == 1, caught.err
        return caught.err

    return run


@pytest.fixture(autouse=True)
def a_process_of_its_own(monkeypatch, request):
    """Hold as little as a fresh process does, whatever the tests before have left in memory."""
    if "is_measured" not in request.node.name:
        monkeypatch.setattr("fastinfluence.score.memory.resident", lambda: 300 << 20)
