"""Jobs that were interrupted or killed go on; those that changed are refused."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from score_cases import files, people

from fastinfluence import cli, fit
from fastinfluence.score import bar, job

BASE = ("train", "new.csv", "--target", "bought", "--id", "name", "--out", "out")
SCRIPT = Path(__file__).with_name("killing.py")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_kills_change_no_byte(tmp_path):
    here = str(SCRIPT.parents[1])
    root = str(SCRIPT.parents[2])
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([here, root]),
        },
    )
    assert done.returncode == 0, done.stderr
    *left, total = map(int, re.findall(r"\d+", done.stdout.splitlines()[-1]))
    assert sum(0 < count < total for count in left) >= 3, f"few kills in the middle: {left}"


def interrupt_at(monkeypatch, phase, after):
    """Press Ctrl-C, as it were, once so many rows of a phase are done."""

    def pressed(self, name, done, total):
        if name == phase and done >= after:
            raise KeyboardInterrupt

    monkeypatch.setattr(bar.Display, "__call__", pressed)


@pytest.mark.parametrize(
    ("phase", "after", "left"),
    [("reading", 1, set()), ("scoring", 100, {"model.npz", "scores"}),
     ("ranking", 100, {"model.npz", "scores"})],
)  # fmt: skip
def test_an_interrupted_job_leaves_whole_files_and_goes_on(
    score, work, monkeypatch, phase, after, left
):
    score(*BASE[:-1], "whole")
    with monkeypatch.context() as patched:
        interrupt_at(patched, phase, after)
        told = score(*BASE, expect=cli.INTERRUPTED)
    assert told == "fastinfluence: interrupted; the same command with --resume goes on\n"
    assert {path.name for path in (work / "out").iterdir()} - {".lock"} == left
    assert not list((work / "out").rglob("*.tmp"))
    assert set(files(work / "out").items()) <= set(files(work / "whole").items())
    score(*BASE, "--resume")
    assert files(work / "out") == files(work / "whole")


def test_without_a_folder_nothing_is_said_of_going_on(score, monkeypatch):
    interrupt_at(monkeypatch, "scoring", 1)
    assert score(*BASE[:-2], expect=cli.INTERRUPTED) == "fastinfluence: interrupted\n"


def test_what_is_complete_is_not_fitted_again(score, work, monkeypatch):
    score(*BASE)
    before = files(work / "out")

    def forbidden(*args, **kwargs):
        raise AssertionError("it was fitted again")

    monkeypatch.setattr(fit, "minimize", forbidden)
    monkeypatch.setattr("fastinfluence.influence.facade.minimize", forbidden)
    assert "The fit of before: converged" in score(*BASE, "--resume", "--top", "10")
    assert files(work / "out") == before


def test_another_number_of_rows_to_list_is_no_other_job(score, work):
    score(*BASE, "--top", "3")
    score(*BASE, "--top", "5", "--resume")
    assert pa.parquet.read_table(work / "out" / "top.parquet").num_rows == 5 * 2 * 5


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--l2", "1"), "--l2 (was 0.00"),
        (("--effect", "upweight"), "--effect (was removal, is upweight)"),
        (("--solver", "cg"), "--solver (was auto, is cg)"),
        (("--no-intercept",), "--intercept"),
        (("--drop", "age"), "--drop"),
        (("--weight", "weight"), "--weight (was None, is weight)"),
    ],
)
def test_other_options_are_refused(score, work, more, told):
    score(*BASE)
    before = files(work / "out")
    assert told in score(*BASE, "--resume", *more, expect=cli.FAILED)
    assert files(work / "out") == before


def test_other_data_are_refused(score, work, train):
    score(*BASE)
    before = files(work / "out")
    pa.parquet.write_table(people(5, 2), work / "new.parquet")
    changed = ("train", "new.parquet", *BASE[2:])
    assert "the test rows" in score(*changed, "--resume", expect=cli.FAILED)
    values = train.column("age").to_pylist()
    values[7] += 1e-9
    place = train.schema.get_field_index("age")
    other = train.set_column(place, "age", pa.array(values)).slice(0, 100)
    pa.parquet.write_table(other, work / "train" / "0.parquet", row_group_size=40)
    assert "the training rows" in score(*BASE, "--resume", expect=cli.FAILED)
    assert files(work / "out") == before


def test_the_data_are_compared_before_scores_are_begun_too(score, work, monkeypatch, train):
    with monkeypatch.context() as patched:
        patched.setattr(job, "_score", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        score(*BASE, expect=cli.INTERRUPTED)
    assert not (work / "out" / "scores").exists()
    assert (work / "out" / "model.npz").exists()
    other = train.slice(0, 100).set_column(2, "income", train.slice(0, 100).column("age"))
    pa.parquet.write_table(other, work / "train" / "0.parquet", row_group_size=40)
    wrong = "column 'income' holds"  # in the other files
    told = score(*BASE, "--resume", expect=cli.FAILED)
    assert "the training rows" in told or wrong in told


def test_a_damaged_model_is_one_line(score, work):
    score(*BASE)
    (work / "out" / "model.npz").write_bytes(b"PK and no more")
    assert "model.npz" in score(*BASE, "--resume", expect=cli.FAILED)
