"""What is shown: on a terminal a bar, everywhere the lists, and a help that explains them."""

import io
import json
import sys

import pyarrow as pa
import pyarrow.parquet
import pytest

from fastinfluence import cli
from fastinfluence.score import bar
from fastinfluence.score.options import MEANING

B = ("--target", "bought", "--id", "name")


@pytest.fixture
def help_text(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main(["score", "--help"])
    return capsys.readouterr().out


def test_help_has_an_example_and_every_column(help_text):
    flowed = " ".join(help_text.split())
    assert "fastinfluence score 'train/*.parquet' new.csv --target bought" in flowed
    for name, meaning in MEANING.items():
        assert f"  {name} " in help_text
        assert meaning in flowed
    assert "bounds the whole process" in flowed
    assert max(map(len, help_text.splitlines())) <= 82


def test_the_example_of_the_help_runs(score, work, help_text):
    lines = help_text[help_text.index("  fastinfluence score '") :].split("\n\n")[0]
    arguments = lines.replace("\\", " ").replace("customer", "name").replace("'", "").split()[2:]
    assert "Strongest: scores/top.parquet, 10 rows of each kind" in score(*arguments)


def test_the_screen_lists_a_few_test_rows(score, train):
    out = score("train", "new.csv", *B, "--top", "2")
    lines = out.splitlines()
    assert lines[0] == "Logistic regression of bought: yes against no (bought has two values)."
    assert lines[1] == "n = 240, p = 10, l2 = 0.00417"
    assert lines[2].startswith("The fit: converged after ")
    titles = [line for line in lines if line.startswith("Test row")]
    assert titles[0] == f"Test row 0 (name = p1-0), bought = {'no' if 'no' in titles[0] else 'yes'}"
    assert len(titles) == 3
    assert "2 more test rows" in out
    assert max(map(len, lines)) <= 80
    first = json.loads(score("train", "new.csv", *B, "--top", "2", "--json"))["top"][0]
    best = lines[lines.index(titles[0]) + 2].split()
    assert best[:2] == [str(first["row"]), first["id"]]
    assert float(best[2]) == pytest.approx(first["score"], rel=5e-3)


@pytest.mark.parametrize("width", [80, 100])
def test_long_names_fit(score, work, monkeypatch, train, test, width):
    monkeypatch.setenv("COLUMNS", str(width))
    for name, table in (("a.parquet", train), ("b.parquet", test)):
        long = [f"{'a very long name ' * 4}{i}\x1b[31m" for i in range(table.num_rows)]
        place = table.schema.get_field_index("name")
        pa.parquet.write_table(table.set_column(place, "name", pa.array(long)), work / name)
    out = score("a.parquet", "b.parquet", *B)
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= width


def test_json_of_a_job_with_files_names_them(score, work):
    found = json.loads(score("train", "new.csv", *B, "--json", "--out", "out"))
    assert "top" not in found
    for path in found["files"].values():
        assert (work / path).exists()
    assert found["fit"]["message"] == "converged"
    meant = pa.parquet.read_schema(work / "out" / "top.parquet").field("score").metadata
    assert meant[b"meaning"].decode() == MEANING["score"]


# -- progress --------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def frames(text):
    """Return what stood on the line, one after the other."""
    return [frame for frame in text.replace("\x1b[K", "").split("\r") if frame]


@pytest.fixture
def terminal(monkeypatch):
    """Return what puts a terminal in the place of standard error, and hands it back."""

    def install():
        out = Terminal()
        monkeypatch.setattr(sys, "stderr", out)
        monkeypatch.setattr(bar, "EVERY", 0.0)
        return out

    return install


def test_without_rich_a_plain_line(work, terminal, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.split(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    screen = terminal()
    assert cli.main(["score", "train", "new.csv", *B, "--out", "out"]) == cli.OK
    seen = frames(screen.getvalue())
    assert max(map(len, seen)) < 80
    for phase in ("looking: 240 of 240 rows (100%)", "fitting, step 2", "scoring: 240 of 240 rows"):
        assert any(frame.startswith(phase) for frame in seen), phase
    assert screen.getvalue().endswith("\r\x1b[K")  # nothing is left of it


def test_with_rich_a_bar(work, terminal, monkeypatch, capsys):
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    screen = terminal()
    assert cli.main(["score", "train", "new.csv", *B]) == cli.OK
    assert "━" in screen.getvalue()
    assert "Logistic regression" in capsys.readouterr().out


def test_an_error_on_a_terminal_has_a_line_of_its_own(work, terminal, monkeypatch):
    monkeypatch.setattr(bar, "_bar", bar.PlainBar)
    screen = terminal()
    assert cli.main(["score", "train", "new.csv", *B, "--loss", "poisson"]) == cli.FAILED
    assert frames(screen.getvalue())[-1].startswith("fastinfluence: --target 'bought'")


def test_speed_and_time_left():
    pace = bar.Pace("scoring", 50_000_000, start=100.0, done=12_500_000, now=105.0)
    assert pace.texts() == ("12.5M of 50.0M rows", "2.50M rows/s", "0:15 left")
    early = bar.Pace("scoring", 900, start=100.0, done=90, now=100.1)
    assert early.texts() == ("90 of 900 rows", "", "")
    unknown = bar.Pace("looking", 0, start=100.0, done=7_000, now=102.0)
    assert unknown.texts() == ("7.00k rows", "3.50k rows/s", "")


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (999, "999"), (1000, "1.00k"), (167e3, "167k"), (5e9, "5.00G")]
)
def test_compact_numbers(count, text):
    assert bar.compact(count) == text


def test_clock():
    assert [bar.clock(s) for s in (0.2, 59.6, 754, 11100)] == ["0:00", "1:00", "12:34", "3:05:00"]


def test_a_pass_begins_anew_with_each_phase(monkeypatch):
    shown = []

    class Kept:
        def show(self, label, pace):
            shown.append((label, pace.done, pace.start))

        def close(self):
            """Nothing is left to do."""

    times = iter([10.0, 11.0, 12.0, 13.0])
    monkeypatch.setattr(bar.time, "monotonic", lambda: next(times))
    display = bar.Display(Kept())
    display("fitting", 0, 200)
    display("reading", 5, 10)
    display("reading", 10, 10)
    display("reading", 5, 10)  # another pass
    display("scoring", 1, 10)
    assert shown == [
        ("fitting, step 1", 0, 0.0),
        ("fitting, step 1", 5, 10.0),
        ("fitting, step 1", 10, 10.0),
        ("fitting, step 1", 5, 12.0),
        ("scoring", 1, 13.0),
    ]
