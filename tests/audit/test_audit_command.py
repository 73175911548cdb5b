"""The command: files, screen, JSON, and what its help says."""

import json
import stat

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from fastinfluence import cli
from fastinfluence.audit import MEANING

BASIC = ("people.csv", "--target", "label")


def run(*arguments):
    return cli.main(["audit", *arguments])


def write_csv(path, **given):
    pa.csv.write_csv(pa.table(given), path)


def test_both_files_and_what_the_screen_says(work, capsys, planted):
    assert run(*BASIC) == cli.OK
    out = capsys.readouterr()
    assert out.err == ""  # progress is for terminals
    assert "Logistic regression of label: yes against no." in out.out
    assert "n = 300, p = 10, l2 = 0.00333" in out.out
    assert "accuracy" in out.out
    assert out.out.splitlines()[-2:] == ["Table: people-audit.parquet", "Figure: people-audit.png"]
    assert (work / "people-audit.png").read_bytes().startswith(b"\x89PNG")
    assert pa.parquet.read_table(work / "people-audit.parquet").num_rows == 300
    assert {p.name for p in work.iterdir()} == {
        "people.csv", "people.parquet", "people-audit.parquet", "people-audit.png",
    }  # fmt: skip


def test_the_written_table_is_the_whole_table_ranked(work, capsys, planted):
    assert run("people.parquet", "--target", "label") == cli.OK
    table = pa.parquet.read_table(work / "people-audit.parquet")
    assert table.column_names == [*MEANING, *planted.table.column_names]
    influence = table.column("self_influence").to_numpy()
    assert (np.diff(influence) <= 0).all()
    rows = table.column("row").to_numpy()
    assert sorted(rows) == list(range(300))
    original = planted.table.take(pa.array(rows))
    for name in planted.table.column_names:
        assert table.column(name).equals(original.column(name)), name
    for name, meaning in MEANING.items():
        assert table.schema.field(name).metadata[b"meaning"].decode() == meaning


@pytest.mark.parametrize("width", ["80", "100", "200"])
def test_no_line_is_wider_than_the_terminal(work, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    long = "a rather long name of a column that nobody would like to type, ever"
    write_csv(
        work / "wide.csv",
        **{long: [1.5, 2.5, 7.0, 1.0] * 10, "t" * 60: ["some words " * 20, "y"] * 20},
        **{f"c{j}": [0.1, 0.2, 0.7, 0.4] * 10 for j in range(200)},
        constant=[1] * 40,
        answer=["a very long class indeed", "b", "b", "b"] * 10,
    )
    assert run("wide.csv", "--target", "answer") == cli.OK
    assert run("wide.csv", "--target", long) == cli.OK
    lines = [line for line in capsys.readouterr().out.splitlines() if long not in line]
    assert max(map(len, lines)) <= min(int(width), 120)
    assert any(line.endswith(" more") for line in lines)


def test_the_rows_on_screen_are_numbered_as_in_the_file(work, capsys, planted):
    assert run(*BASIC, "--top", "1") == cli.OK
    lines = capsys.readouterr().out.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("Most suspicious"))
    row, label = lines[place + 2].split()[:2]
    assert int(row) in planted.flipped
    assert label == planted.table.column("label")[int(row)].as_py()
    assert f"age={planted.table.column('age')[int(row)].as_py():.6g}" in lines[place + 3]


def test_control_characters_do_not_reach_the_terminal(work, capsys):
    write_csv(work / "t.csv", x=["\x1b[31mred", "two\nlines"] * 20, y=["a", "b", "a", "a"] * 10)
    assert run("t.csv", "--target", "y") == cli.OK
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "two lines" in out


def test_a_target_that_no_font_holds_and_that_looks_like_a_formula(work, capsys):
    write_csv(work / "t.csv", x=[1.0, 2.0, 4.0, 4.5] * 10, **{"目标 $x": ["a", "b", "b", "b"] * 10})
    assert run("t.csv", "--target", "目标 $x") == cli.OK
    assert "regression of 目标 $x" in capsys.readouterr().out


def test_json_holds_summary_and_rows(work, capsys, planted):
    assert run(*BASIC, "--json", "--top", "3") == cli.OK
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], found["p"], found["task"], found["positive"]) == (
        300, 10, "classify", "yes",
    )  # fmt: skip
    assert found["columns"] == MEANING
    assert found["out"] == "people-audit.parquet"
    assert len(found["suspicious"]) == len(found["harmful"]) == 3
    first = found["suspicious"][0]
    assert first["row"] in planted.flipped
    assert set(first) == {*MEANING, "values"}
    assert "label" not in first["values"]


def test_json_of_values_that_json_has_no_word_for(work, capsys):
    table = pa.table(
        {"x": [1.0, float("nan"), None, float("inf")] * 10, "y": [0.5, 1.5, 2.5, 4.0, 3.0] * 8}
    )
    pa.parquet.write_table(table, work / "t.parquet")
    assert run("t.parquet", "--target", "y", "--json") == cli.OK
    text = capsys.readouterr().out
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["held_out"].keys() == {"r2"}


def test_rows_without_a_target_are_said_and_kept(work, capsys):
    labels = ["a", "b", "", "b", "a"] * 8
    write_csv(work / "t.csv", x=[1.0, 2.0, 3.0, 4.5] * 10, y=labels)
    assert run("t.csv", "--target", "y", "--out", "t-out.csv") == cli.OK
    assert "8 rows are without y" in capsys.readouterr().out
    table = pa.csv.read_csv(work / "t-out.csv")
    assert table.num_rows == 40
    tail = table.slice(32)
    assert tail.column("row").to_pylist() == list(range(2, 40, 5))
    for name in ("prediction", "loss", "self_influence", "harm"):
        assert tail.column(name).null_count == 8
        assert table.slice(0, 32).column(name).null_count == 0


def test_columns_with_the_names_of_scores_are_kept(work, capsys):
    write_csv(work / "t.csv", loss=[1.0, 2.0, 4.0, 4.5] * 10, target=["a", "b", "b", "b"] * 10)
    assert run("t.csv", "--target", "target") == cli.OK
    table = pa.parquet.read_table(work / "t-audit.parquet")
    expected = ["row", "target", "prediction", "audit_loss", "self_influence", "harm", "loss"]
    assert table.column_names == expected
    assert set(table.column("loss").to_pylist()) == {1.0, 2.0, 4.0, 4.5}


def test_two_runs_write_the_same_bytes(work, capsys):
    names = ["a.parquet", "a.csv", "a.png", "a.svg", "a.pdf"]
    kept = []
    for _ in range(2):
        for out, plot in (("a.parquet", "a.png"), ("a.csv", "a.svg"), ("a.csv", "a.pdf")):
            assert run(*BASIC, "--out", out, "--plot", plot) == cli.OK
        kept.append([(work / name).read_bytes() for name in names if name != "a.svg"])
    assert kept[0] == kept[1]


def test_a_link_stays_a_link_and_permissions_are_the_usual_ones(work, capsys):
    (work / "folder").mkdir()
    (work / "link.csv").symlink_to(work / "folder" / "real.csv")
    assert run(*BASIC, "--out", "link.csv") == cli.OK
    assert (work / "link.csv").is_symlink()
    made = work / "folder" / "real.csv"
    (work / "plain").touch()
    assert stat.S_IMODE(made.stat().st_mode) == stat.S_IMODE((work / "plain").stat().st_mode)


def test_compressed_and_tab_separated_files(work, capsys, planted):
    with pa.CompressedOutputStream(str(work / "z.csv.gz"), "gzip") as file:
        pa.csv.write_csv(planted.table, file)
    options = pa.csv.WriteOptions(delimiter="\t")
    pa.csv.write_csv(planted.table, work / "z.tsv", options)
    assert run("z.csv.gz", "--target", "label", "--out", "a.parquet") == cli.OK
    assert run("z.tsv", "--target", "label", "--out", "b.parquet") == cli.OK
    a, b = (pa.parquet.read_table(work / name) for name in ("a.parquet", "b.parquet"))
    assert a.equals(b)
    assert (work / "z-audit.png").exists()


def test_help_states_every_column(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        run("--help")
    out = capsys.readouterr().out
    for name, meaning in MEANING.items():
        assert f"  {name} " in out
        assert meaning.split()[-1] in out
    assert max(map(len, out.splitlines())) <= 90
