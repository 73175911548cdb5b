"""The report of a table, and the command that writes it."""

import json
import shlex

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from fastinfluence import cli
from fastinfluence.audit import MEANING, Options, audit

N = 80
NASTY = "<script>alert('1')</script> \u202e 👍🏽 \x07"


def make(nasty="city", cells=("Rome", "Oslo", None), target="answer", numbers=False) -> pa.Table:
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    y = x + 0.3 * rng.normal(size=N) > 0
    y[7] ^= True
    values = x * 3 + rng.normal(size=N) if numbers else np.where(y, "yes & no", cells[0] or "a")
    return pa.table(
        {
            "x": pa.array(x, mask=rng.random(N) < 0.1),
            nasty: pa.array([cells[i % len(cells)] for i in range(N)]),
            target: pa.array(values),
        }
    )


def test_the_page_holds_rows_scores_and_how_to_repeat_them(sound, without_pictures):
    result = audit(make(), Options(target="answer", folds=4, drop=("city",)))
    text = sound(result.to_html(top=3)).text
    for i in result.most_suspicious(3):
        assert f"{result.scores.self_influence[i]:#.3g}".rstrip(".") in text
        assert f"{result.target.rows[i]}" in text
    assert f"{result.quality()['accuracy']:.1%}" in text
    for meaning in MEANING.values():
        assert meaning in text
    command = "fastinfluence audit TABLE --target answer --drop city --folds 4"
    assert f"{command} --report report.html" in text
    for value in result.model._problem.fingerprints().values():
        assert value in text


def test_notices_stand_on_the_page(sound, without_pictures):
    table = make().append_column("same", pa.array([1] * N))
    text = sound(audit(table, Options(target="answer")).to_html()).text
    assert "Column constant, left out of the model: same" in text


@pytest.mark.parametrize("numbers", [False, True])
def test_what_the_table_holds_is_escaped(numbers, sound, request):
    if numbers:
        request.getfixturevalue("without_pictures")
    table = make(NASTY, (NASTY, "b" * 3000, None), f"target {NASTY}", numbers)
    result = audit(table, Options(target=f"target {NASTY}"))
    page = result.to_html(top=4)
    parsed = sound(page)
    assert "<script" not in page
    assert "\x07" not in page
    assert "&lt;script&gt;" in page
    assert ("squared unit of the target" in parsed.text) == numbers
    assert len(page) < 600_000


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pa.csv.write_csv(make(), tmp_path / "t.csv")
    return tmp_path


def test_the_command_writes_the_page(work, capsys, sound):
    assert cli.main(["audit", "t.csv", "--target", "answer", "--report", "out.html"]) == cli.OK
    assert capsys.readouterr().out.splitlines()[-1] == "Report: out.html"
    page = (work / "out.html").read_text(encoding="utf-8")
    parsed = sound(page)
    assert "Audit of t.csv" in parsed.text
    assert {p.name for p in work.iterdir()} == {
        "t.csv", "out.html", "t-audit.parquet", "t-audit.png",
    }  # fmt: skip


def test_the_command_on_the_page_repeats_it(work, capsys, sound, without_pictures):
    words = ["--target", "answer", "--l2", "0.5", "--max-categories", "3", "--seed", "2"]
    assert cli.main(["audit", "t.csv", *words, "--report", "report.html"]) == cli.OK
    page = (work / "report.html").read_text(encoding="utf-8")
    told = sound(page).text
    line = told[told.index("fastinfluence audit t.csv") :].split(" Versions")[0]
    (work / "report.html").unlink()
    capsys.readouterr()
    assert cli.main([*shlex.split(line)[1:], "--json"]) == cli.OK
    assert json.loads(capsys.readouterr().out)["report"] == "report.html"
    assert (work / "report.html").read_text(encoding="utf-8") == page


@pytest.mark.parametrize("name", ["out.txt", "none/out.html", "."])
def test_a_page_that_cannot_be_written_is_one_line(name, work, capsys):
    assert cli.main(["audit", "t.csv", "--target", "answer", "--report", name]) == cli.FAILED
    caught = capsys.readouterr()
    assert caught.err.count("\n") == 1
    assert "--report" in caught.err
    assert [p.name for p in work.iterdir()] == ["t.csv"]
