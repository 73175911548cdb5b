"""Compiled kernels in the cache: hits in the next process, whatever became of the folder."""

import os
import pickle
import subprocess
import sys

import numba
import pytest

from fastinfluence.kernels.cpu import kept

CHILD = """
import numpy as np
from fastinfluence.spec import losses

from fastinfluence.kernels.cpu.pointwise import evaluate, kernel
loss = losses.gamma()
value = evaluate(loss.program, loss.param_values, np.zeros(2), np.ones(2), ("value",))[0][0]

made = kernel(loss.program, ("value",)).__globals__["kernel_rows"]
print(value, sum(made.stats.cache_hits.values()), sum(made.stats.cache_misses.values()))
"""


def start(folder, **environment):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CHILD],
        env={**os.environ, "FASTINFLUENCE_CACHE_DIR": str(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(child):
    out, error = child.communicate(timeout=300)
    assert child.returncode == 0, error
    return out.split()


def child(folder, **environment):
    return ended(start(folder, **environment))


COMPILED, FOUND = ["1.0", "0", "1"], ["1.0", "1", "0"]


def test_the_next_process_compiles_nothing(tmp_path):
    folder = tmp_path / "kernels"
    assert child(folder) == COMPILED
    assert child(folder) == FOUND
    assert {path.suffix for path in folder.iterdir()} == {".kernel"}
    for path in folder.iterdir():
        data = path.read_bytes()
        path.write_bytes(data[:50] + bytes(50) + data[100:])
    assert child(folder) == COMPILED, "a damaged entry was used"
    assert child(folder) == FOUND, "it was not written anew"


def test_processes_that_compile_at_once(tmp_path):
    several = [start(tmp_path / "kernels") for _ in range(3)]
    assert all(ended(one)[0] == "1.0" for one in several)
    assert child(tmp_path / "kernels") == FOUND


def test_without_a_folder_each_process_compiles_and_nothing_is_left(tmp_path):
    (tmp_path / "file").write_text("")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for _ in range(2):
        assert child(tmp_path / "file" / "below", TMPDIR=str(scratch)) == COMPILED
    assert list(scratch.iterdir()) == []


def test_kernels_run_as_plain_functions_where_numba_is_off(tmp_path):
    text = CHILD.replace("made = ", "made = 1 #").replace("print(value, ", "print(value) #")
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.split() == ["1.0"], done.stderr


class Evil:
    """What an attacker would put into a pickle."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle that was not checked was read",))


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX")
def test_a_pickle_of_another_is_never_read(tmp_path, monkeypatch):
    from fastinfluence.kernels import cache

    monkeypatch.setenv("FASTINFLUENCE_CACHE_DIR", str(tmp_path / "kernels"))
    dispatcher = kept.kept(numba.njit(nogil=True)(_plus_one))
    assert dispatcher(1) == 2
    (path,) = (tmp_path / "kernels").iterdir()
    whole = path.read_bytes()
    evil = pickle.dumps(Evil())
    path.write_bytes(whole[:32] + evil)  # under the hash of what was there
    assert kept.kept(numba.njit(nogil=True)(_plus_one))(1) == 2
    cache.write(path.stem, evil)  # under its own, in a file that others may write
    path.chmod(0o666)
    assert kept.kept(numba.njit(nogil=True)(_plus_one))(1) == 2


def _plus_one(x):
    return x + 1


def test_a_changed_kernel_or_flag_is_another_entry():

    plain = kept.KernelCache(numba.njit(nogil=True)(_plus_one))
    flagged = kept.KernelCache(numba.njit(nogil=True, fastmath={"arcp", "nsz"})(_plus_one))
    again = kept.KernelCache(numba.njit(nogil=True, fastmath={"nsz", "arcp"})(_plus_one))
    codegen = numba.core.registry.cpu_target.target_context.codegen()
    name = plain._name("(int64,)", codegen)
    assert name == plain._name("(int64,)", codegen)
    assert name != plain._name("(float64,)", codegen)
    assert name != flagged._name("(int64,)", codegen)
    assert flagged._name("(int64,)", codegen) == again._name("(int64,)", codegen)


def test_a_switched_off_cache_neither_reads_nor_writes(tmp_path, monkeypatch):

    monkeypatch.setenv("FASTINFLUENCE_CACHE_DIR", str(tmp_path / "kernels"))
    dispatcher = kept.kept(numba.njit(nogil=True)(_plus_one))
    dispatcher._cache.disable()
    assert dispatcher(1) == 2
    assert not (tmp_path / "kernels").exists()
    dispatcher._cache.enable()
    assert dispatcher(1.0) == 2.0
    assert len(list((tmp_path / "kernels").iterdir())) == 1
