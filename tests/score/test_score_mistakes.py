"""What goes wrong: one line for every mistake, and no file left behind."""

import os
import resource

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from fastinfluence import cli
from fastinfluence.rows.memory import as_bytes
from fastinfluence.rows.readers import Part
from fastinfluence.score import memory, tables
from fastinfluence.score.options import Options

B = ("--target", "bought", "--id", "name")
FILES = {
    "broken.parquet": b"PAR1 and no more",
    "empty.csv": b"",
    "paris.csv": b"age,income,city,bought,visits,spent,weight,offset\n1,1,Paris,no,0,1,1,0\n",
    "miss.csv": b"age,income,city,bought,visits,spent,weight,offset\n1,,Rome,no,0,1,1,0\n",
    "nan.csv": b"age,income,city,bought,visits,spent,weight,offset\n1,inf,Rome,no,0,1,1,0\n",
    "label.csv": b"age,income,city,bought,visits,spent,weight,offset\n1,1,Rome,maybe,0,1,1,0\n",
    "short.csv": b"age,bought\n1,no\n",
    "text.csv": b"age,income,city,bought,visits,spent,weight,offset\nold,1,Rome,no,0,1,1,0\n",
    "same.csv": b"x,y\n1,2\n2,2\n",
    "dates.csv": b"x,y\n2020-01-01,1\n2020-01-02,2\n",
    "nan_train.csv": b"x,y\n1,1.5\n,2.5\n3,3.5\n",
}
MISTAKES = {
    "no TEST": (("train", *B), ["TEST is missing", "--quantity self"]),
    "TEST too many": (("train", "new.csv", *B, "--quantity", "self"), ["leave new.csv out"]),
    "no file": (("none", "new.csv", *B), ["no file matches 'none'"]),
    "no TEST file": (("train", "none.csv", *B), ["no file matches 'none.csv'"]),
    "empty folder": (("void", "new.csv", *B), ["void holds no files"]),
    "broken": (("broken.parquet", "new.csv", *B), ["broken.parquet"]),
    "empty": (("empty.csv", "new.csv", *B), ["empty.csv"]),
    "target": (("train", "new.csv", "--target", "bougt"), ["did you mean 'bought'?"]),
    "feature": (("train", "new.csv", *B, "--features", "agee"), ["--features 'agee'", "'age'?"]),
    "drop": (("train", "new.csv", *B, "--drop", "zzz"), ["--drop 'zzz'"]),
    "both": (("train", "new.csv", *B, "--drop", "age", "--features", "city"), ["--drop out"]),
    "two roles": (("train", "new.csv", *B, "--weight", "bought"), ["'bought' is named twice"]),
    "names": (("train", "new.csv", "--target", "bought"), ["'name'", "--id name"]),
    "loss": (("train", "new.csv", *B, "--loss", "logstic"), ["Did you mean 'logistic'?"]),
    "loss of text": (("train", "new.csv", *B, "--loss", "squared"), ["needs numbers"]),
    "domain": (
        ("train", "new.csv", "--id", "name", "--target", "offset", "--loss", "gamma"),
        ["'offset'", "gamma"],
    ),
    "one label": (("same.csv", "same.csv", "--target", "y"), ["holds 2 in every row"]),
    "dates": (("dates.csv", "dates.csv", "--target", "y"), ["'x' holds date32", "--drop 'x'"]),
    "category": (("train", "paris.csv", *B), ["'Paris' in row 0", "'Oslo'"]),
    "missing": (("train", "miss.csv", *B), ["'income' of miss.csv is missing in row 0"]),
    "not finite": (("train", "nan.csv", *B), ["'income' of nan.csv is not finite in row 0"]),
    "label": (("train", "label.csv", *B), ["'maybe' in row 0", "'no' and 'yes'"]),
    "column": (("train", "short.csv", *B), ["short.csv has no column 'income'"]),
    "text": (("train", "text.csv", *B), ["'age'", "text.csv"]),
    "gap in TRAIN": (("nan_train.csv", "same.csv", "--target", "y"), ["'x' is missing", "row 1"]),
    "resume": (("train", "new.csv", *B, "--resume"), ["name it with --out"]),
    "file as folder": (("train", "new.csv", *B, "--out", "new.csv"), ["new.csv is a file"]),
    "taken": (("train", "new.csv", *B, "--out", "train"), ["train is not empty", "--resume"]),
    "other folder": (
        ("train", "new.csv", *B, "--out", "train", "--resume"),
        ["train holds no job", "0.parquet"],
    ),
    "memory": (("train", "new.csv", *B, "--max-memory", "50MB"), ["50 MB is too small", "MB"]),
    "size": (("train", "new.csv", *B, "--max-memory", "lots"), ["--max-memory='lots'"]),
    "top": (("train", "new.csv", *B, "--top", "0"), ["--top=0"]),
    "l2": (("train", "new.csv", *B, "--l2", "-1"), ["--l2=-1"]),
    "damping": (("train", "new.csv", *B, "--damping", "nan"), ["--damping"]),
    "threads": (("train", "new.csv", *B, "--threads", "0"), ["--threads=0"]),
    "delimiter": (("train.csv", "new.csv", *B, "--delimiter", "ab"), ["one ASCII character"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(score, work, name):
    for path, content in FILES.items():
        (work / path).write_bytes(content)
    (work / "void").mkdir()
    before = sorted(work.rglob("*"))
    given, words = MISTAKES[name]
    told = score(*given, expect=cli.FAILED)
    for word in words:
        assert word in told, told
    assert sorted(work.rglob("*")) == before


def test_a_folder_of_two_kinds_of_file_is_refused(score, work):
    (work / "train/more.csv").write_bytes((work / "train.csv").read_bytes())
    told = score("train", "new.csv", *B, expect=cli.FAILED)
    assert ".parquet" in told
    assert "more.csv" in told


@pytest.mark.parametrize("more", [("--loss",), ("--effect", "x"), ("--quantity", "x")])
def test_wrong_usage_exits_with_2(work, capsys, more):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["score", "train", "new.csv", *B, *more])
    assert exit_.value.code == cli.USAGE


def test_a_folder_in_use_is_refused(score, work):
    from fastinfluence.files import FolderLock

    (work / "out").mkdir()
    lock = FolderLock(work / "out")
    told = score("train", "new.csv", *B, "--out", "out", expect=cli.FAILED)
    lock.release()
    assert "another process" in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_line(score, work):
    (work / "fixed").mkdir(mode=0o500)
    told = score("train", "new.csv", *B, "--out", "fixed/out", expect=cli.FAILED)
    assert "fixed" in told


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_warnings_of_the_library_are_notes(score, work, train):
    double = train.select(["age", "spent"]).append_column("twice", train.column("age"))
    pa.parquet.write_table(double, work / "double.parquet")
    out = score("double.parquet", "double.parquet", "--target", "spent", "--l2", "0")
    flowed = " ".join(out.split())
    assert "Note: H is singular" in flowed
    assert "age, twice" in flowed


# -- memory ----------------------------------------------------------------------------------


def test_what_the_process_holds_is_measured():
    before = memory.resident()
    held = np.ones(6_000_000)
    grown = memory.resident() - before
    assert 40e6 < grown < 60e6
    assert len(held) == 6_000_000
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert before < memory.resident() <= 1.01 * peak


@pytest.fixture
def table(work):
    return tables.train_table("train", Options(target="bought", id="name"), None)


def test_the_limit_is_shared_out(table, monkeypatch):
    monkeypatch.setattr(memory, "resident", lambda: 200 << 20)
    held = (200 << 20) + memory.LATER  # a multiple of the step already after rounding up
    roomy = memory.room(table, "4GB", 8, n_tests=5)
    assert roomy.threads == 8
    beside = 4 * 10**9 - roomy.table.max_memory
    assert held + 7 * memory.ARENA < beside < held + memory.STEP + 8 * (memory.ARENA + (8 << 20))
    assert memory.room(table, "4GB", 8, n_tests=0).table.max_memory > roomy.table.max_memory


def test_little_memory_means_fewer_threads_and_then_a_refusal(table, monkeypatch):
    monkeypatch.setattr(memory, "resident", lambda: 200 << 20)
    found = [memory.room(table, size, 8, 5).threads for size in ("500MB", "650MB", "1GB")]
    assert found == sorted(found)
    assert 1 <= found[0] < found[-1] == 8
    with pytest.raises(ValueError, match="give at least") as caught:
        memory.room(table, "300MB", 8, 5)
    enough = str(caught.value).rsplit(" ", 1)[1]
    assert memory.room(table, enough, 8, 5).threads == 1
    less = as_bytes(enough) - 2 * 10**6
    with pytest.raises(ValueError, match="too small"):
        memory.room(table, less, 8, 5)


def test_a_limit_that_is_named_is_enough_for_large_parts_too(table, monkeypatch):
    monkeypatch.setattr(memory, "resident", lambda: 200 << 20)
    units = [Part("x", 0, 1 << 20)]
    monkeypatch.setattr(type(table.reader), "parts", units)
    with pytest.raises(ValueError, match="give at least") as caught:
        memory.room(table, "380MB", 1, 5)
    assert memory.room(table, str(caught.value).rsplit(" ", 1)[1], 1, 5).threads == 1


def test_a_job_has_the_same_blocks_each_time(table, monkeypatch):
    plans = []
    for held in (200_000_000, 201_000_000, 203_000_000):
        monkeypatch.setattr(memory, "resident", lambda held=held: held)
        plan = memory.room(table, "1GB", 2, 5).table.plan(2)
        plans.append((plan.threads, plan.block_rows))
    assert len(set(plans)) == 1
