"""The folder of compiled kernels: private, checked before it is read, shared, never fatal."""

import os
import stat
import sys

import pytest

from fastinfluence.kernels import cache

SOURCE = '"""A module."""\n\nANSWER = {}\n'
POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    wanted = tmp_path / "kernels"
    monkeypatch.setenv("FASTINFLUENCE_CACHE_DIR", str(wanted))
    cache._resolve.cache_clear()
    yield wanted
    cache._resolve.cache_clear()


def files(folder):
    return sorted(folder.iterdir())


def test_equal_texts_are_one_module_and_no_file(folder):
    module = cache.load(SOURCE.format(41), "one two")
    assert module.ANSWER == 41
    assert module.__name__.startswith("_fastinfluence_one_two_")
    assert cache.load(SOURCE.format(41), "one two") is module
    assert cache.load(SOURCE.format(42), "one two").ANSWER == 42
    assert not folder.exists()


def test_a_module_that_fails_is_not_kept(folder):
    with pytest.raises(ZeroDivisionError):
        cache.load("1/0\n", "fails")
    assert not [name for name in sys.modules if "_fails_" in name]


def test_an_entry_comes_back_as_it_was(folder):
    assert cache.read("missing") is None
    cache.write("a", b"some bytes")
    assert cache.read("a") == b"some bytes"
    cache.write("a", b"others")
    assert cache.read("a") == b"others"
    cache.write("empty", b"")
    assert cache.read("empty") == b""
    assert cache.status() == cache.CacheStatus(folder, True, "")


@POSIX
@pytest.mark.parametrize("mask", [0, 0o77])
def test_nobody_else_can_read_or_write(folder, mask):
    old = os.umask(mask)
    cache.write("a", b"some bytes")
    os.umask(old)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in files(folder)] == [0o600]


def test_a_name_tells_apart_all_that_an_entry_was_made_from():
    made_from = [("1.0", None), ("1.0", "None"), ("1.0",), ("1.0", None, 1), ("1.1", None)]
    names = {cache.entry_name("f", *parts) for parts in made_from}
    assert len(names) == len(made_from)
    hostile = cache.entry_name("../../etc/passwd\n'\"\udcff", 1)
    assert hostile.split("-")[0].replace("_", "").isalnum()


DAMAGE = {
    "nothing left": lambda data: b"",
    "cut": lambda data: data[:-1],
    "cut inside the hash": lambda data: data[:20],
    "one bit": lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:],
    "one bit of the hash": lambda data: bytes([data[0] ^ 128]) + data[1:],
    "something behind": lambda data: data + b"\0",
    "garbage": lambda data: bytes(range(256)) * 9,
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_entry_is_missing_and_is_written_anew(folder, name):
    cache.write("a", b"some bytes")
    (path,) = files(folder)
    path.write_bytes(DAMAGE[name](path.read_bytes()))
    assert cache.read("a") is None
    cache.write("a", b"some bytes")
    assert cache.read("a") == b"some bytes"


def test_the_clock_does_not_matter(folder):
    cache.write("a", b"some bytes")
    (path,) = files(folder)
    for seconds in (0, 1, 2**31, 2**33):
        os.utime(path, (seconds, seconds))
        assert cache.read("a") == b"some bytes"


@POSIX
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_an_entry_that_others_may_write_is_not_read(folder, mode):
    cache.write("a", b"some bytes")
    (path,) = files(folder)
    path.chmod(mode)
    assert cache.read("a") is None


@POSIX
def test_an_entry_that_points_elsewhere_is_not_read(folder, tmp_path):
    cache.write("a", b"some bytes")
    (path,) = files(folder)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert cache.read("a") is None
    path.unlink()
    os.mkfifo(path, 0o600)  # would be waited for
    path.unlink()
    path.mkdir()
    assert cache.read("a") is None


def nothing_is_kept(words):
    """Nothing is written or read, and the note says why."""
    cache.write("a", b"some bytes")
    assert cache.read("a") is None
    status = cache.status()
    assert not status.persistent
    assert words in status.note
    assert "FASTINFLUENCE_CACHE_DIR" in status.note
    assert cache.load(SOURCE.format(43), "elsewhere").ANSWER == 43


def unusable(folder, tmp_path):
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        blocker = tmp_path / "file"
        blocker.write_text("")
        return blocker / "below"
    folder.mkdir()
    folder.chmod(0o500)
    return folder


def test_a_folder_that_cannot_be_written_keeps_nothing(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("FASTINFLUENCE_CACHE_DIR", str(unusable(folder, tmp_path)))
    nothing_is_kept("cache folder")


@POSIX
@pytest.mark.parametrize(("mode", "who"), [(0o777, "everyone"), (0o1777, "everyone"),
                                           (0o770, "its group")])  # fmt: skip
def test_a_folder_that_others_may_write_is_not_trusted(folder, mode, who):
    folder.mkdir()
    folder.chmod(mode)
    nothing_is_kept(f"is writable by {who}")
    assert not files(folder)


@POSIX
def test_a_folder_that_others_may_replace_is_not_trusted(folder, tmp_path, monkeypatch):
    swapped = tmp_path / "open to all"
    swapped.mkdir()
    swapped.chmod(0o777)
    monkeypatch.setenv("FASTINFLUENCE_CACHE_DIR", str(swapped / "kernels"))
    nothing_is_kept("where anyone may replace it")
    link = tmp_path / "link"
    link.symlink_to(swapped / "kernels")
    monkeypatch.setenv("FASTINFLUENCE_CACHE_DIR", str(link))
    nothing_is_kept("where anyone may replace it")
    swapped.chmod(0o1777)  # as /tmp is: what lies there belongs to its owner
    monkeypatch.setenv("FASTINFLUENCE_CACHE_DIR", str(swapped / "others"))
    assert cache.status().persistent


@POSIX
def test_a_folder_of_another_user_is_not_trusted(folder, monkeypatch):
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    nothing_is_kept("belongs to another user")


@POSIX
def test_an_entry_of_another_user_is_not_read(folder, monkeypatch):
    cache.write("a", b"some bytes")
    assert cache.status().persistent
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    assert cache.read("a") is None


def test_a_disk_that_fills_up_later_is_survived(folder, monkeypatch):
    assert cache.status().persistent

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    cache.write("a", b"some bytes")
    assert cache.read("a") is None
    assert not files(folder)


def test_an_interrupt_leaves_nothing_behind(folder, monkeypatch):
    assert cache.status().persistent

    def interrupted(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cache.write("a", b"some bytes")
    assert not files(folder)


def test_a_folder_that_is_taken_away_is_survived(folder):
    cache.write("a", b"some bytes")
    for path in files(folder):
        path.unlink()
    folder.rmdir()
    assert cache.read("a") is None
    cache.write("a", b"some bytes")


def test_default_folders(monkeypatch, tmp_path):
    monkeypatch.delenv("FASTINFLUENCE_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache._wanted_folder() == tmp_path / "fastinfluence"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache._wanted_folder().parts[-2:] == (".cache", "fastinfluence")
