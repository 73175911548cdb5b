"""Files named with newlines, quotes, dots, markup, bytes that are no text: kept or refused."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

import fastinfluence as fi
from fastinfluence import cli

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
Y = X[:, 0] + RNG.normal(size=60)
NAMES = {
    "newline": "a\nb",
    "quotes": "a'b\"c`d",
    "shell": "$(touch x); rm *",
    "markup": "<script>alert(1)<&>",
    "spaces": " a  b ",
    "dots": "..b..",
    "percent": "a%20b#c?d=e",
    "brackets": "a[1]",
    "unicode": "ä🙂\u202e",
    "no text": os.fsdecode(b"a\xff\xfeb"),
    "leading dash": "-rf",
}
WITHIN_DOTS = os.path.join("sub", "..", "plain")


@pytest.fixture(params=[*NAMES, "dot dot"])
def place(request, tmp_path, monkeypatch):
    """Return a path to write to; skip where the file system takes no such name."""
    name = NAMES.get(request.param, WITHIN_DOTS)
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")  # where an audit puts its picture
    path = tmp_path / name
    try:
        path.write_bytes(b"")
    except OSError as error:
        pytest.skip(f"the file system refuses {name!r}: {error}")
    path.unlink()
    return path


@pytest.fixture(scope="module")
def infl():
    return fi.Influence.fit(fi.GLM("squared", l2=0.1), X, Y)


def only_file(folder):
    return [path.name for path in folder.iterdir() if path.name != "sub"]


def test_models_and_reports(place, infl):
    infl.save(place)
    assert only_file(place.parent if ".." not in place.parts else place.resolve().parent) == [
        place.name
    ]
    np.testing.assert_array_equal(fi.load(place, X, Y).theta, infl.theta)
    pytest.importorskip("matplotlib", reason="a report draws")
    page = place.with_name(place.name + ".html")
    assert infl.report().to_html(page) == page.read_text(encoding="utf-8")


def test_scores_in_files(place, infl):
    expected = infl.on_loss(X[:2], Y[:2])
    if is_no_text(place):
        for refused in (lambda: infl.on_loss(X[:2], Y[:2], out=fi.ParquetSink(place)),
                        lambda: fi.ParquetScores.open(place)):  # fmt: skip
            with pytest.raises(fi.InputError, match="UTF-8"):
                refused()
        assert not place.exists()
        return
    scores = infl.on_loss(X[:2], Y[:2], out=fi.ParquetSink(place))
    np.testing.assert_array_equal(scores.read(), expected)
    again = fi.ParquetScores.open(place)
    np.testing.assert_array_equal(again.read([3]), expected[:, [3]])
    assert again.to_arrow().num_rows == 60


def is_no_text(path):
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return True
    return False


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables(place, kind, infl):
    table = pa.table({"a": X[:, 0], "b": X[:, 1], "y": Y})
    with open(place, "wb") as file:
        write = pyarrow.csv.write_csv if kind == "csv" else pyarrow.parquet.write_table
        write(table, file)
    if is_no_text(place):
        with pytest.raises(fi.InputError, match="UTF-8"):
            getattr(fi.rows, kind)(place, "y")
        return
    rows = getattr(fi.rows, kind)(place, "y")
    found = fi.Influence.fit(fi.GLM("squared", l2=0.1), rows)
    np.testing.assert_allclose(found.theta, infl.theta, rtol=1e-9)


@pytest.mark.parametrize("place", ["newline", "quotes", "markup", "no text"], indirect=True)
def test_an_audit(place, capsys):
    pytest.importorskip("matplotlib", reason="an audit draws")
    table = place.with_name(place.name + ".csv")
    columns = {"a": X[:, 0], "answer": np.where(Y > 0, "yes", "no").tolist()}
    with open(table, "wb") as file:
        pyarrow.csv.write_csv(pa.table(columns), file)
    page = place.with_name(place.name + ".html")
    asked = ["--target", "answer", "--report", str(page), "--folds", "2"]
    code = cli.main(["audit", *asked, "--", str(table)])
    said = capsys.readouterr()
    if code:
        assert is_no_text(place)
        assert "UTF-8" in said.err
        assert not page.exists()
        return
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "answer" in text
