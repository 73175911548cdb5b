"""A full disk, a limit on files, a folder that may not be written to: one error, nothing lost."""

import errno
import io
import os
import subprocess
import sys

import numpy as np
import pytest
import refusal
from cases import CASES, build

import fastinfluence as fi
from fastinfluence import files


def score(folder, resume=True):
    infl = build(CASES[0]).influence()
    return infl.self_influence(out=fi.ParquetSink(folder, resume=resume, rows_per_part=16))


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != files.FolderLock.NAME}


class FullDisk(io.FileIO):
    """A file that the disk has room for until ``room`` bytes are used up."""

    room = 0

    def write(self, data):
        FullDisk.room -= len(data)
        if FullDisk.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


@pytest.fixture
def whole(tmp_path):
    score(tmp_path / "whole")
    return contents(tmp_path / "whole")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.9, 0.999])
def test_a_full_disk(share, whole, tmp_path, monkeypatch):
    FullDisk.room = int(share * sum(map(len, whole.values())))
    folder = tmp_path / "scores"
    with monkeypatch.context() as patch:
        patch.setattr(files, "open", lambda path, mode: FullDisk(path, mode), raising=False)
        words = ["could not be written", "No space left on device", "free some space"]
        refusal.check(lambda: score(folder), words)
    left = contents(folder)
    assert len(left) < len(whole)
    assert left.items() <= whole.items(), "a part that is not whole, or an unfinished file"
    score(folder)
    assert contents(folder) == whole


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_the_last_steps_of_a_file_may_fail_too(call, whole, tmp_path, monkeypatch):
    calls = []

    def failing(*args):
        calls.append(args)
        if len(calls) > 3:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(*args)

    real = getattr(os, call)
    with monkeypatch.context() as patch:
        patch.setattr(files.os, call, failing)
        refusal.check(lambda: score(tmp_path / "scores"), ["Input/output error", "resume=True"])
    assert 0 < len(contents(tmp_path / "scores")) < len(whole)
    assert contents(tmp_path / "scores").items() <= whole.items()


LIMITED = """
import resource, sys
import numpy as np
import fastinfluence as fi
rng = np.random.default_rng(0)
X = rng.normal(size=(9_000, 2))
infl = fi.Influence.fit(fi.GLM("squared", l2=0.1), X, X[:, 0])
infl.self_influence()
resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, 16_384))
for folder, rows in (("small", 1000), ("large", 9000)):
    try:
        infl.self_influence(out=fi.ParquetSink(f"{sys.argv[1]}/{folder}", rows_per_part=rows))
    except fi.StorageError as error:
        print(folder, error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of the system")
def test_a_real_limit_on_the_size_of_files(tmp_path):
    """Parts of 1,000 rows fit into 16 kB; a single one of all rows does not."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        capture_output=True, text=True, timeout=300, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("large"), done.stdout
    assert "File too large" in done.stdout
    assert len(fi.ParquetScores.open(tmp_path / "small").parts) == 9
    assert sorted(contents(tmp_path / "large")) == ["_manifest.json"]


def test_a_folder_below_a_file(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "scores"):
        refusal.check(lambda folder=folder: score(folder), ["could not be written", "folders"])
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write to any folder"
)
@pytest.mark.parametrize("begun", [True, False])
def test_a_folder_that_may_not_be_written_to(begun, tmp_path, whole):
    folder = tmp_path / "scores"
    folder.mkdir()
    if begun:
        (folder / "_manifest.json").write_bytes(whole["_manifest.json"])
    before = contents(folder)
    folder.chmod(0o555)
    try:
        refusal.check(lambda: score(folder), ["could not be written", "Permission denied"])
        assert contents(folder) == before
    finally:
        folder.chmod(0o755)


def half_written(path, error):
    with files.whole_file(path) as file:
        file.write(b"half")
        raise error


def test_a_file_that_exists_is_kept_when_its_successor_fails(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    for error, seen in (
        (OSError(errno.ENOSPC, "full"), fi.StorageError),
        (KeyboardInterrupt, None),
    ):
        with pytest.raises(seen or error):
            half_written(path, error)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"
    with files.whole_file(path) as file:
        file.write(np.arange(3).tobytes())
    assert path.read_bytes() == np.arange(3).tobytes()
