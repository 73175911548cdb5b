"""What goes wrong: one line for every mistake, and no file half written."""

import os

import pyarrow as pa
import pyarrow.parquet
import pytest

from fastinfluence import cli
from fastinfluence.audit import draw, score, write

BASIC = ("people.csv", "--target", "label")


def run(*arguments):
    return cli.main(["audit", *arguments])


class Broken(Exception):
    pass


@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
@pytest.mark.parametrize("place", [(draw, "draw"), (write, "write_table"), (score, "score")])
def test_a_failure_leaves_the_folder_as_it_was(work, capsys, monkeypatch, error, place):
    (work / "people-audit.parquet").write_text("old")
    before = sorted(work.iterdir())
    module, name = place
    real = getattr(module, name)

    def fails(*args):
        if module is not score:
            real(*args)
        raise error

    target = "fastinfluence.audit.result" if module is score else module.__name__
    monkeypatch.setattr(f"{target}.{name}", fails)
    if error is KeyboardInterrupt:
        assert run(*BASIC) == cli.INTERRUPTED
        assert capsys.readouterr().err == "fastinfluence: interrupted\n"
    else:
        with pytest.raises(Broken):
            run(*BASIC)
    assert sorted(work.iterdir()) == before
    assert (work / "people-audit.parquet").read_text() == "old"


def test_a_full_disk_is_one_line(work, capsys, monkeypatch, refused):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "write_table", full)
    assert "No space left" in refused(*BASIC)


FILES = {
    "empty.csv": b"",
    "head.csv": b"x,y\n",
    "ragged.csv": b"x,y\n1,2\n1,2,3\n",
    "latin.csv": b"x,y\n" + b"caf\xe9,a\nbar,b\n" * 10,
    "latin_head.csv": b"\xe9x,y\n" + b"1,a\n2,b\n" * 10,
    "twice.csv": b"x,x,y\n" + b"1,2,a\n3,4,b\n" * 10,
    "semi.csv": b"x;y\n" + b"1;a\n2;b\n" * 10,
    "broken.parquet": b"PAR1 and no more",
    "few.csv": b"x,y\n1,a\n2,b\n3,a\n",
    "one.csv": b"x,y\n" + b"1,a\n2,a\n" * 10,
    "same.csv": b"x,y\n" + b"1,5\n2,5\n" * 10,
    "lone.csv": b"x,y\n1,b\n" + b"1,a\n2,a\n" * 10,
    "three.csv": b"x,y\n" + b"1,a\n2,b\n4,c\n" * 10,
    "void.csv": b"x,y\n" + b",a\n,b\n" * 10,
    "blank.csv": b"x,y\n" + b"1,\n2,\n" * 10,
    "dates.csv": b"x,y\n" + b"1,2020-01-01\n2,2020-01-02\n" * 10,
}
Y = ("--target", "y")
MISTAKES = {
    "missing file": (("none.csv", *Y), ["none.csv", "no such file"]),
    "folder": ((".", *Y), ["folder"]),
    "empty": (("empty.csv", *Y), ["empty.csv", "Empty CSV"]),
    "no rows": (("head.csv", *Y), ["no value"]),
    "ragged": (("ragged.csv", *Y), ["ragged.csv", "Expected 2 columns, got 3"]),
    "not UTF-8": (("latin.csv", *Y), ["'x'", "UTF-8"]),
    "names not UTF-8": (("latin_head.csv", *Y), ["column names", "UTF-8"]),
    "names twice": (("twice.csv", *Y), ["more than one column named 'x'"]),
    "semicolons": (("semi.csv", *Y), ["--delimiter", "';'"]),
    "broken Parquet": (("broken.parquet", *Y), ["broken.parquet"]),
    "few rows": (("few.csv", *Y), ["3 rows", "5 folds need 10"]),
    "one class": (("one.csv", *Y), ["one class only ('a')"]),
    "constant target": (("same.csv", *Y), ["5 in every row"]),
    "one row of a class": (("lone.csv", *Y), ["'b' has one row only"]),
    "three classes": (("three.csv", *Y), ["3 classes", "--positive", "'a', 'b', 'c'"]),
    "wrong class": (("three.csv", *Y, "--positive", "d"), ["no class 'd'", "'a', 'b', 'c'"]),
    "text by numbers": (("three.csv", *Y, "--task", "regress"), ["holds classes"]),
    "both": (("one.csv", *Y, "--task", "regress", "--positive", "a"), ["give one only"]),
    "all missing": (("void.csv", *Y), ["no column is left", "without any value", "x"]),
    "target missing": (("blank.csv", *Y), ["no value in any row"]),
    "target of dates": (("dates.csv", *Y), ["date32", "classes or numbers"]),
    "unknown target": (("people.csv", "--target", "Lable"), ["'Lable'", "did you mean 'label'?"]),
    "unknown, far off": (("people.csv", "--target", "zzz"), ["'zzz'", "it has age, wealth"]),
    "unknown drop": ((*BASIC, "--drop", "aeg"), ["--drop 'aeg'", "did you mean 'age'?"]),
    "unknown category": ((*BASIC, "--category", "ctiy"), ["--category", "'city'?"]),
    "target dropped": ((*BASIC, "--drop", "label"), ["is the target"]),
    "folder missing": ((*BASIC, "--out", "no/a.csv"), ["--out no/a.csv", "does not exist"]),
    "plot folder missing": ((*BASIC, "--plot", "no/a.png"), ["--plot", "does not exist"]),
    "wrong ending": ((*BASIC, "--out", "a.xlsx"), ["--out a.xlsx", ".parquet or .csv"]),
    "wrong plot": ((*BASIC, "--plot", "a.txt"), ["--plot a.txt", ".png"]),
    "out is input": ((*BASIC, "--out", "people.csv"), ["is the table to be read"]),
    "out is input, again": ((*BASIC, "--out", "./people.csv"), ["is the table to be read"]),
    "delimiter by name": ((*BASIC, "--delimiter", "tab"), ["one ASCII character"]),
    "l2 zero": ((*BASIC, "--l2", "0"), ["l2 must be positive"]),
    "l2 negative": ((*BASIC, "--l2", "-1"), ["l2"]),
    "one fold": ((*BASIC, "--folds", "1"), ["folds"]),
    "none on top": ((*BASIC, "--top", "0"), ["top"]),
    "seed": ((*BASIC, "--seed", "-1"), ["seed"]),
    "delimiter": ((*BASIC, "--delimiter", "::"), ["delimiter"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(name, work, refused):
    for file, content in FILES.items():
        (work / file).write_bytes(content)
    arguments, words = MISTAKES[name]
    message = refused(*arguments)
    for word in words:
        assert word in message


def test_a_hard_link_of_the_input_is_the_input(work, refused):
    os.link(work / "people.csv", work / "same.csv")
    assert "is the table to be read" in refused(*BASIC, "--out", "same.csv")


def test_a_folder_in_the_place_of_the_file(work, refused):
    (work / "a.csv").mkdir()
    assert "is a folder" in refused(*BASIC, "--out", "a.csv")


def test_a_read_only_folder_is_one_line(work, refused, monkeypatch):
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and real(path, mode))
    assert "read-only" in refused(*BASIC)


def test_a_nested_column_cannot_go_into_a_csv(work, refused, capsys):
    nested = pa.table({"l": [[1]] * 20, "x": [1.0, 2.0, 4.0, 5.0] * 5, "y": ["a", "b"] * 10})
    pa.parquet.write_table(nested, work / "n.parquet")
    assert "nested columns l" in refused("n.parquet", *Y, "--out", "n.csv")
    assert run("n.parquet", *Y) == cli.OK
    assert "l" in pa.parquet.read_table(work / "n-audit.parquet").column_names


def test_wrong_usage_exits_with_2(work, capsys):
    for arguments in ([], ["people.csv"], [*BASIC, "--task", "guess"], [*BASIC, "--folds", "x"]):
        with pytest.raises(SystemExit) as exit_:
            run(*arguments)
        assert exit_.value.code == cli.USAGE
