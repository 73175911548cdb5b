"""The folder of generated kernels: private, verified, shared by processes, never fatal."""

import os
import stat
import subprocess
import sys

import pytest

from fastinfluence.kernels import cache

SOURCE = '"""A module."""\n\nANSWER = {}\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    wanted = tmp_path / "kernels"
    monkeypatch.setenv("FASTINFLUENCE_CACHE_DIR", str(wanted))
    cache._resolve.cache_clear()
    yield wanted
    cache._resolve.cache_clear()


def files(folder):
    return sorted(folder.glob("*.py"))


def test_a_module_is_written_once_and_privately(folder):
    module = cache.load(SOURCE.format(41), "one two")
    assert module.ANSWER == 41
    (path,) = files(folder)
    assert path.read_text() == SOURCE.format(41)
    assert path.name.startswith("_fastinfluence_one_two_")
    assert cache.load(SOURCE.format(41), "one two") is module
    if os.name == "posix":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert cache.status() == cache.CacheStatus(folder, True, "")
    assert not list(folder.glob("*.tmp"))


def test_an_intact_file_is_never_rewritten_and_a_damaged_one_is(folder):
    source = SOURCE.format(42)
    cache.load(source, "kept")
    (path,) = files(folder)
    before = path.stat().st_mtime_ns
    assert cache._store(source, path.name) == path
    assert path.stat().st_mtime_ns == before
    path.write_text(source[:9])
    cache._store(source, path.name)
    assert path.read_text() == source


def test_a_module_that_fails_is_not_kept(folder):
    with pytest.raises(ZeroDivisionError):
        cache.load("1/0\n", "fails")
    assert not [name for name in sys.modules if "_fails_" in name]


def unusable(folder, tmp_path):
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        blocker = tmp_path / "file"
        blocker.write_text("")
        return blocker / "below"
    folder.mkdir()
    folder.chmod(0o500)
    return folder


def test_a_folder_that_cannot_be_written_falls_back_to_a_private_one(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("FASTINFLUENCE_CACHE_DIR", str(unusable(folder, tmp_path)))
    assert cache.load(SOURCE.format(43), "elsewhere").ANSWER == 43
    status = cache.status()
    assert not status.persistent
    assert "FASTINFLUENCE_CACHE_DIR" in status.note
    assert status.folder.is_dir()


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX")
def test_a_folder_that_others_may_write_is_not_trusted(folder):
    folder.mkdir()
    folder.chmod(0o777)
    assert cache.load(SOURCE.format(44), "public").ANSWER == 44
    assert "writable by everyone" in cache.status().note
    assert not files(folder)


@pytest.mark.skipif(os.name != "posix", reason="owners are POSIX")
def test_a_folder_of_another_user_is_not_trusted(folder, monkeypatch):
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    assert "another user" in cache.status().note


def test_a_disk_that_fills_up_later_is_survived(folder, monkeypatch):
    write = cache._write

    def full(source, path):
        if path.parent == folder:
            raise OSError(28, "No space left on device")
        return write(source, path)

    monkeypatch.setattr(cache, "_write", full)
    assert cache.load(SOURCE.format(45), "full").ANSWER == 45
    assert not files(folder)


def test_default_folders(monkeypatch, tmp_path):
    monkeypatch.delenv("FASTINFLUENCE_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache._wanted_folder() == tmp_path / "fastinfluence"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache._wanted_folder().parts[-2:] == (".cache", "fastinfluence")


CHILD = """
import numpy as np
from fastinfluence.spec import losses
from fastinfluence.kernels.cpu.pointwise import evaluate, kernel
loss = losses.gamma()
print(evaluate(loss.program, loss.param_values, np.zeros(2), np.ones(2), ("value",))[0][0])
made = kernel(loss.program, ("value",)).__globals__["kernel_rows"]
print(sum(made.stats.cache_hits.values()))
"""


def test_the_next_process_compiles_nothing(folder):
    env = {**os.environ, "FASTINFLUENCE_CACHE_DIR": str(folder)}
    env.pop("NUMBA_CACHE_DIR", None)

    def child():
        run = subprocess.run(
            [sys.executable, "-c", CHILD], env=env, capture_output=True, text=True, check=True
        )
        return run.stdout.split()

    assert child() == ["1.0", "0"]
    assert child() == ["1.0", "1"]
    (path,) = files(folder)
    path.write_text("damaged")
    assert child()[0] == "1.0"
