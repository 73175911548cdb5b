"""Hostile inputs worth keeping: each was of interest once, and is refused or taken for good."""

import io
import json
import os
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reliability.mutate import NUMBERS
from benchmarks.reliability.targets import Bench, Forbidden, Target, Watch, attempt, saved_array

EXPRESSIONS = json.loads((Path(__file__).parent / "expressions.json").read_text())


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """The good inputs and the readers."""
    return Bench(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("reader", ["syntax", "expression"])
@pytest.mark.parametrize(("outcome", "texts"), EXPRESSIONS.items())
def test_expressions(bench, outcome, texts, reader):
    late = {"2**2**2**2**2**2", "f/0", "log(0)", "1j*f"}  # what only their values tell
    target = bench.targets()[reader]
    wrong = [t for t in texts if attempt(target, t, None) != outcome and t not in late]
    assert not wrong


def edits(manifest):
    """Manifests with one entry changed."""
    for name in manifest:
        yield {k: v for k, v in manifest.items() if k != name}
        for value in (None, "x", [], {}, -1, [None], ["x"], *NUMBERS[:7]):
            yield {**manifest, name: value}
    for cuts in ([0], [0, 0, 12], [12, 5], [0, 5.0, 12], [0, True], [0, 10**30], [-5, 12]):
        yield {**manifest, "cuts": cuts}
    yield [manifest]
    yield {**manifest, "extra": "[" * 10}


def test_manifests(bench):
    target = bench.targets()["manifest"]
    seen = {attempt(target, json.dumps(edit).encode()) for edit in edits(bench.manifest)}
    assert seen == {"taken", "refused"}
    assert attempt(target, b"[" * 100_000) == "refused"
    assert attempt(target, json.dumps(bench.manifest).encode()) == "taken"


def archive(bench, **members):
    """The good archive with some of its members replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(bench.npz)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, members.get(name.removesuffix(".npy"), old.read(name)))
    return out.getvalue()


def header(text: str) -> bytes:
    """An array file that says this of itself."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + b"\n"


def test_saved_models(bench):
    target = bench.targets()["saved"]
    assert attempt(target, bench.npz) == "taken"
    number = saved_array(np.array(3.0))
    for wrong in (
        archive(bench, theta=number),
        archive(bench, classes=number),
        archive(bench, classes=saved_array(np.arange(3))),
        archive(bench, classes=saved_array(np.zeros((2, 2)))),
        archive(bench, **{"prepared.scale": number}),
        archive(bench, **{"prepared.L": saved_array(np.eye(2))}),
        archive(bench, theta=header("{'descr': '<f8', 'fortran_order': False, 'shape': (")),
        archive(bench, theta=header("{'descr': '<f8', 'fortran_order': 0, 'shape': (10**9,)}")),
        archive(bench, document=saved_array(np.frombuffer(b"[" * 50_000, dtype=np.uint8))),
        archive(bench, document=saved_array(np.frombuffer(b"{}", dtype=np.uint8))),
        bench.npz[:100],
        b"",
    ):
        assert attempt(target, wrong) == "refused"


def test_tables(bench):
    csv, parquet = bench.targets()["csv"], bench.targets()["parquet"]
    assert attempt(csv, bench.csv) == attempt(parquet, bench.parquet) == "taken"
    for wrong in (
        b"",
        b"\n",
        bench.csv.replace(b"x1", b"\xbb\x05"),
        bench.csv.replace(b"y", b"z"),
        bench.csv.replace(b"x0", b"x1"),
        bench.csv.replace(b"Bath", b"\xff"),
        bench.csv.replace(b"0.1257302210933933", b"NaN"),
        bench.csv[:-20] + b'"',
    ):
        assert attempt(csv, wrong) == "refused", wrong
    for wrong in (b"", b"PAR1", bench.parquet[:-8], bench.parquet[:50] + bench.parquet[60:]):
        assert attempt(parquet, wrong) == "refused"


@pytest.mark.parametrize(
    ("reader", "count"),
    [("syntax", 300), ("spec", 150), ("solver", 150), ("manifest", 60), ("saved", 40), ("csv", 40),
     ("parquet", 40), ("shell", 15)],
)  # fmt: skip
def test_some_of_a_run(bench, reader, count, monkeypatch):
    """The first inputs of a seed: the same ones in every run."""
    monkeypatch.chdir(bench.folder)
    target = bench.targets()[reader]
    for k in range(count):
        data = target.make(random.Random(f"{reader} 17 {k}"))
        assert attempt(target, data) in ("taken", "refused")


def test_a_reader_that_lets_another_error_out_is_seen():
    def careless(text: str) -> None:
        {}[text]

    with pytest.raises(KeyError):
        attempt(Target(str, careless), "x")


def test_a_reader_that_runs_a_program_is_seen():
    watch = Watch()
    by_value = compile("1", "<unknown>", "eval")
    for reader in (lambda text: os.system("true"), lambda text: eval(by_value)):
        with pytest.raises(Forbidden):
            attempt(Target(str, reader), "x", watch)


def test_a_grammar_that_lets_an_attribute_pass_is_seen(bench, monkeypatch):
    from benchmarks.reliability import targets

    monkeypatch.setattr(targets, "GRAMMAR", targets.GRAMMAR - {"Mult"})
    with pytest.raises(AssertionError, match="Mult"):
        attempt(bench.targets()["syntax"], "f*y")
