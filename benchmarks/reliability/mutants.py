"""Small mistakes made on purpose, one at a time, and whether the tests see them.

    python -m benchmarks.reliability.mutants [--sample 300] [--seed 0] [--only solvers] [--out FILE]

A mutant is one changed place of one module: a comparison, an operator, a constant, a condition,
a sign. It is compiled in place of the module in a child process, which runs the area's tests up
to the first failure. One that fails them, or takes far longer than the unchanged module, is killed;
one that passes them all survived, and is listed. Kernels run uncompiled, so that nothing of
the unchanged one is found in a cache. A file is not changed on disk.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import io
import json
import multiprocessing
import os
import random
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

from benchmarks.reliability.places import places

ROOT = Path(__file__).parents[2]
TIMES = 4.0  # longer than the unchanged module's a run may take, and 30 seconds more


@dataclass(frozen=True)
class Area:
    """Modules, the tests that should see a mistake in them, and variables of the child."""

    files: str
    tests: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    compiled: bool = True
    omitted: str = ""  # tests, as pytest's -k names them


AREAS = {
    "spec": Area(
        "fastinfluence/spec/*.py",
        (
            "tests/spec",
            "tests/mlp/test_activations.py",
            "tests/mlp/test_refusals.py",
            "tests/multinomial/test_refusals.py",
            "tests/persistence/test_documents.py",
            "tests/test_reference.py",
        ),
        ("__init__.py",),
    ),
    "solvers": Area("fastinfluence/solvers/*.py", ("tests/solvers",), ("__init__.py",)),
    "removal": Area(
        "fastinfluence/removal/*.py",
        ("tests/removal", "tests/multinomial/test_removal.py", "tests/mlp/test_scores.py"),
        ("__init__.py",),
    ),
    "kernels": Area(
        "kernels/cpu/[cgs]*.py",
        (
            "tests/kernels/test_csr.py",
            "tests/kernels/test_few_vectors.py",
            "tests/test_reference.py",
        ),
        ("mlp.py", "multinomial.py", "multinomial_lissa.py"),
        compiled=False,
        omitted="release_the_gil or compiled or cache",
    ),
}


@dataclass(frozen=True)
class Mutant:
    """One change: the ``number``-th place of ``file`` that can be changed."""

    area: str
    file: str
    line: int
    change: str
    number: int


def all_mutants(only: str | None = None) -> list[Mutant]:
    """Every mutant of the areas."""
    out = []
    for name, area in AREAS.items():
        if only not in (None, name):
            continue
        for path in sorted(ROOT.glob(area.files)):
            if path.name in area.skipped:
                continue
            for k, (node, (told, _)) in enumerate(places(ast.parse(path.read_text("utf-8")))):
                out.append(Mutant(name, str(path.relative_to(ROOT)), node.lineno, told, k))  # type: ignore[attr-defined]
    return out


# -- running ---------------------------------------------------------------------------------


class Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a changed tree."""

    def __init__(self, mutant: Mutant) -> None:
        self.path = ROOT / mutant.file
        tree = copy.deepcopy(ast.parse(self.path.read_text("utf-8")))
        places(tree)[mutant.number][1][1]()
        self.code = compile(ast.fix_missing_locations(tree), str(self.path), "exec")
        inside = mutant.file.removeprefix("fastinfluence/").removesuffix(".py")
        self.name = "fastinfluence." + inside.replace("/", ".")

    def find_spec(self, name: str, path: object = None, target: object = None):  # type: ignore[no-untyped-def]
        """The changed module's, for its name."""
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def create_module(self, spec: object) -> None:
        """An ordinary one."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed code in it."""
        exec(self.code, module.__dict__)


def _run(area: Area, mutant: Mutant | None, send: object) -> None:
    """In the child."""
    if not area.compiled:
        os.environ["NUMBA_DISABLE_JIT"] = "1"
    if mutant is not None:
        sys.meta_path.insert(0, Instead(mutant))
    import pytest

    tests = [str(ROOT / test) for test in area.tests if (ROOT / test).exists()]
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(ROOT)]
    if area.omitted:
        options += ["-k", f"not ({area.omitted})"]
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            code = int(pytest.main([*options, *tests]))
    except BaseException:  # whatever the mistake did, it was seen
        code = 1
    send.send((code, said.getvalue()[-2000:]))  # type: ignore[attr-defined]
    os._exit(0)


def run(area: Area, mutant: Mutant | None, limit: float | None) -> tuple[str, float, str]:
    """``"survived"``, ``"killed"`` or ``"too long"``, with the seconds and the last words."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_run, args=(area, mutant, there))
    started = time.perf_counter()
    child.start()
    there.close()
    outcome, words = "too long", ""
    try:
        if here.poll(limit):
            code, words = here.recv()
            outcome = "survived" if code == 0 else "killed"
    except EOFError:  # it died without a word
        outcome = "killed"
    child.kill()
    child.join()
    return outcome, time.perf_counter() - started, words


def main(given: list[str] | None = None) -> int:
    """Draw mutants, run them, and tell what survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=AREAS)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(given)
    os.chdir(ROOT)
    every = all_mutants(options.only)
    drawn = random.Random(options.seed).sample(every, min(options.sample, len(every)))
    limits, results = {}, []
    for name in sorted({mutant.area for mutant in drawn}):
        outcome, took, words = run(AREAS[name], None, None)
        print(f"{name}: {sum(m.area == name for m in every)} places; unchanged {took:.0f} s")
        if outcome != "survived":
            print(words, f"the tests of {name} fail as they are", sep="\n", file=sys.stderr)
            return 1
        limits[name] = TIMES * took + 30.0
    for k, mutant in enumerate(sorted(drawn, key=lambda m: (m.area, m.file, m.number)), start=1):
        outcome, took, _ = run(AREAS[mutant.area], mutant, limits[mutant.area])
        results.append({**asdict(mutant), "outcome": outcome, "seconds": round(took, 1)})
        mark = "SURVIVED" if outcome == "survived" else outcome
        print(f"{k}/{len(drawn)} {mark:9} {mutant.file}:{mutant.line} {mutant.change}", flush=True)
    for name in limits:
        own = [r for r in results if r["area"] == name]
        dead = sum(r["outcome"] != "survived" for r in own)
        print(f"{name}: {dead} of {len(own)} killed, {dead / len(own):.0%}")
    if options.out:
        options.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
