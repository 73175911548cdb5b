"""`fastinfluence validate` and `fastinfluence diagnose`: numbers, files, screen, mistakes."""

import argparse
import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

import fastinfluence as fi
from fastinfluence import cli
from fastinfluence.audit import Options
from fastinfluence.checks import diagnose, validate
from fastinfluence.checks.diagnosis import Diagnosis
from fastinfluence.checks.fitted import Encoding

N = 120


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Return a current folder with a table of numbers, whose row 11 is a slip."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, N))
    y = 5 * x - z + rng.normal(size=N)
    y[11] += 25
    sold = np.where(x + rng.logistic(size=N) > 0, "yes", "no")
    columns = {"x": x, "z": z, "y": y, "sold": sold}
    pa.csv.write_csv(pa.table(columns), tmp_path / "t.csv")
    return tmp_path


def run(*arguments: str) -> int:
    return cli.main(list(arguments))


def told(capsys) -> dict:
    return json.loads(capsys.readouterr().out)


def standardised(values):
    return (values - values.mean()) / values.std()


def least_squares(work):
    """Return the model that the commands fit to y, from its definition."""
    table = pa.csv.read_csv(work / "t.csv")
    X = np.column_stack([standardised(table[name].to_numpy()) for name in ("x", "z")])
    return X, standardised(table["y"].to_numpy()), table["y"].to_numpy().std()


def test_diagnose_numbers_are_those_of_the_library(work, capsys):
    assert run("diagnose", "t.csv", "--target", "y", "--drop", "sold", "--json") == cli.OK
    found = told(capsys)
    X, y, _ = least_squares(work)
    d = fi.Influence.fit(fi.GLM("squared", l2=1 / N), X, y).diagnostics()
    first = found["largest"][0]
    assert first["row"] == 11
    assert first["leverage"] == pytest.approx(d.leverage[11])
    assert first["cooks_distance"] == pytest.approx(d.cooks_distance[11])
    assert first["studentized"] == pytest.approx(d.studentized_external[11])
    assert first["dffits"] == pytest.approx(d.dffits[11])
    assert first["flags"] in ("CSD", "LCSD")
    assert set(first) == {*diagnose.MEANING, "values"}
    assert found["beyond"]["dffits"] == d.flagged("dffits").sum()
    assert found["effective_parameters"] == pytest.approx(d.p_eff)
    assert found["out"] is None


def test_diagnose_writes_the_whole_table_and_a_picture(work, capsys):
    files = ("--out", "d.parquet", "--plot", "d.png")
    assert run("diagnose", "t.csv", "--target", "sold", *files) == cli.OK
    out = capsys.readouterr()
    assert out.err == ""
    assert out.out.splitlines()[-2:] == ["Table: d.parquet", "Figure: d.png"]
    table = pa.parquet.read_table(work / "d.parquet")
    assert table.column_names == [*diagnose.MEANING, "x", "z", "y", "sold"]
    assert (np.diff(table.column("cooks_distance").to_numpy()) <= 0).all()
    original = pa.csv.read_csv(work / "t.csv").take(table.column("row"))
    assert original["y"].to_numpy().tolist() == table["y"].to_numpy().tolist()
    for name, meaning in diagnose.MEANING.items():
        assert table.schema.field(name).metadata[b"meaning"].decode() == meaning
    assert (work / "d.png").read_bytes().startswith(b"\x89PNG")
    files = [p.name for p in work.iterdir()]
    assert sorted(files) == ["d.parquet", "d.png", "t.csv"]


def test_diagnose_names_its_rows_on_the_screen(work, capsys):
    assert run("diagnose", "t.csv", "--target", "y", "--top", "2") == cli.OK
    lines = capsys.readouterr().out.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("Rows of the largest"))
    assert lines[place + 2].split()[0] == "11"
    assert "sold=" in lines[place + 3]
    assert max(map(len, lines)) <= 80


def test_rows_without_a_target_come_last_and_empty(work, capsys):
    y = [None if i % 10 == 3 else float(i * i % 17) for i in range(N)]
    table = pa.table({"x": np.arange(N) % 7 * 1.0, "y": pa.array(y), "leverage": ["a"] * N})
    pa.parquet.write_table(table, work / "t.parquet")
    assert run("diagnose", "t.parquet", "--target", "y", "--out", "d.csv") == cli.OK
    out = pa.csv.read_csv(work / "d.csv")
    assert out.num_rows == N
    assert out["row"].to_pylist()[-12:] == list(range(3, N, 10))
    assert out["cooks_distance"].null_count == 12
    assert "audit_leverage" in out.column_names
    assert set(out["leverage"].to_pylist()) == {"a"}


def test_pictures_name_rows_as_the_file_counts_them(work):
    x = np.arange(N) % 11 * 1.0
    y = x + np.arange(N) % 3
    y[77] += 40
    target = pa.array(y, mask=np.arange(N) < 50)
    pa.parquet.write_table(pa.table({"x": x, "y": target}), work / "t.parquet")
    args = argparse.Namespace(table=work / "t.parquet", delimiter=None)
    found = Diagnosis.of(Encoding.read(args, Options(target="y")))
    texts = [text.get_text() for text in found.diagnostics.plot().texts]
    assert "row 77" in texts


def test_validate_numbers_are_those_of_the_library(work, capsys):
    words = ("--target", "y", "--drop", "sold", "--rows", "16", "--seed", "3", "--json")
    assert run("validate", "t.csv", *words) == cli.OK
    found = told(capsys)
    X, y, unit = least_squares(work)
    held = np.empty(N, dtype=int)
    held[np.random.default_rng(3).permutation(N)] = np.arange(N) % 5
    test = held == 0
    infl = fi.Influence.fit(fi.GLM("squared", l2=1 / (~test).sum()), X[~test], y[~test])
    expected = infl.validate(X[test], y[test], rows=16, seed=3)
    for name, part in (("random", expected.random), ("largest", expected.extreme)):
        agreement = found["agreement"][name]
        assert agreement["pearson"] == pytest.approx(part.pearson)
        assert agreement["slope"] == pytest.approx(part.slope)
        assert agreement["largest_error"] == pytest.approx(part.max_abs_error * unit**2)
    assert found["held_out_rows"] == test.sum()
    assert found["unit"] == "squared unit of the target"


@pytest.mark.parametrize("method", ["exact", "newton"])
def test_validate_draws_and_says_what_it_found(work, capsys, method):
    words = ("--target", "sold", "--drop", "y", "--rows", "20", "--method", method)
    assert run("validate", "t.csv", *words, "--plot", "v.svg") == cli.OK
    out = capsys.readouterr()
    assert out.err == ""
    lines = out.out.splitlines()
    assert lines[-1] == "Figure: v.svg"
    assert any(line.startswith("random rows") for line in lines)
    assert "nats" in out.out
    assert max(map(len, lines)) <= 80
    assert (work / "v.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("pearson", "slope", "words"),
    [
        (0.99, 1.05, "right within 10 %"),
        (0.99, 1.5, "too small: actual effects are 1.50 times"),
        (0.99, 0.5, "too large"),
        (0.5, 1.0, "do not rank"),
        (float("nan"), float("nan"), "do not rank"),
    ],
)
def test_the_verdict_is_in_plain_words(pearson, slope, words):
    assert words in validate.verdict(pearson, slope)


MISTAKES = {
    "no such file": (["none.csv", "--target", "y"], "none.csv"),
    "no such column": (["t.csv", "--target", "Y"], "did you mean 'y'"),
    "picture of no kind": (["t.csv", "--target", "y", "--plot", "p.txt"], "--plot"),
    "picture over the table": (["t.csv", "--target", "y", "--plot", "no/p.png"], "--plot"),
}
OWN = {
    "validate": {"one row": (["t.csv", "--target", "y", "--rows", "1"], "--rows")},
    "diagnose": {
        "no row": (["t.csv", "--target", "y", "--top", "0"], "top"),
        "table over itself": (["t.csv", "--target", "y", "--out", "t.csv"], "the table to be read"),
    },
}
CALLS = [
    (command, *call) for command, own in OWN.items() for call in [*MISTAKES.values(), *own.values()]
]


@pytest.mark.parametrize(("command", "arguments", "word"), CALLS)
def test_a_mistake_is_one_line_and_leaves_no_file(command, arguments, word, work, capsys):
    assert run(command, *arguments) == cli.FAILED
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err.count("\n") == 1
    assert word in caught.err
    assert [p.name for p in work.iterdir()] == ["t.csv"]


@pytest.mark.parametrize(("command", "module"), [("validate", validate), ("diagnose", diagnose)])
def test_help_teaches_what_each_number_means(command, module, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as exit_:
        run(command, "--help")
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    for name, meaning in module.MEANING.items():
        assert f"  {name} " in out
        assert meaning.split()[-1] in out
    assert f"fastinfluence {command} people.csv" in out
