"""The command line: exit codes, one line per mistake, and the demo's figures."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from fastinfluence import cli, demo, info


@pytest.fixture
def last_error(capsys):
    def read() -> str:
        text = capsys.readouterr().err
        assert text.count("\n") == 1, f"more than one line: {text}"
        return text

    return read


def test_every_row_of_the_table_is_a_command(capsys):
    for command in cli.COMMANDS:
        with pytest.raises(SystemExit) as exit_:
            cli.main([command.name, "--help"])
        assert exit_.value.code == 0
        assert command.summary.split(",")[0] in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["demo", "--seed", "x"]])
def test_wrong_usage_exits_with_2(arguments):
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == cli.USAGE


def test_info_names_versions_cache_and_extras(capsys):
    assert cli.main(["info"]) == cli.OK
    report = capsys.readouterr().out
    for word in ("fastinfluence", "numba", "threads", "cache", "torch"):
        assert word in report


def test_info_reads_the_extras_from_the_metadata():
    assert info.extra_of("sklearn.datasets") == "cli"
    assert info.extra_of("statsmodels") == "statsmodels"
    assert info.extra_of("cupy") == "cuda13"
    assert info.extra_of("no_such_module") is None


def test_demo_into_a_file_is_one_line(tmp_path, last_error):
    file = tmp_path / "file"
    file.touch()
    assert cli.main(["demo", "--out", str(file)]) == cli.FAILED
    assert "--out" in last_error()


@pytest.mark.parametrize(
    ("option", "value"), [("--flip", "0.9"), ("--l2", "-1"), ("--l2", "nan"), ("--seed", "-1")]
)
def test_demo_options_out_of_range_are_one_line(option, value, tmp_path, last_error):
    assert cli.main(["demo", "--out", str(tmp_path), f"{option}={value}"]) == cli.FAILED
    assert option.strip("-") in last_error()


def test_a_missing_extra_is_one_line(tmp_path, monkeypatch, last_error):
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert cli.main(["demo", "--out", str(tmp_path)]) == cli.FAILED
    assert "pip install 'fastinfluence[cli]'" in last_error()


def test_a_missing_module_of_our_own_stays_a_traceback(monkeypatch):
    monkeypatch.setattr(cli, "COMMANDS", (cli.Command("x", "x", "fastinfluence.no_such"),))
    with pytest.raises(ModuleNotFoundError):
        cli.main(["x"])


def test_a_closed_pipe_is_quiet():
    command = f"'{sys.executable}' -m fastinfluence.cli info | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout == "versions\n"
    assert done.stderr == ""


def test_demo_finds_the_flips_and_draws(tmp_path, capsys):
    assert cli.main(["demo", "--out", str(tmp_path / "new" / "folder")]) == cli.OK
    picture = tmp_path / "new" / "folder" / "demo.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert str(picture) in capsys.readouterr().out


def test_demo_figures():
    data = demo.load(flip=0.1, seed=0)
    infl = demo.fit(data, l2=0.1)
    hits = demo.found(demo.rank(infl, data)["self-influence"], data.flipped)
    assert hits[80] >= 36  # of 40; chance finds 8
    exact, newton = (demo.leave_out(infl, data, method).values for method in ("exact", "newton"))
    assert np.corrcoef(exact, newton)[0, 1] > 0.99
