"""What reads outside input: for each reader how hostile input is made and how it is read."""

import ast
import contextlib
import io
import json
import random
import sys
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fastinfluence as fi
from benchmarks.reliability.mutate import a_document, an_expression, json_bytes, some_bytes
from fastinfluence.archive import telling_damage
from fastinfluence.cli import main
from fastinfluence.errors import FastInfluenceError
from fastinfluence.solvers.document import solver_document, solver_of
from fastinfluence.spec.atoms import ATOMS
from fastinfluence.spec.document import spec_document, spec_of
from fastinfluence.spec.parse import ARITY, check_syntax, parse
from fastinfluence.streaming import build

Input = str | bytes | list[str]
NAMES = ("f", "y", "a")
GRAMMAR = {
    "Constant", "Name", "Load", "UnaryOp", "USub", "UAdd", "BinOp", "Add", "Sub", "Mult", "Div",
    "Pow", "Call", "Compare", "Lt", "LtE", "Gt", "GtE",
}  # fmt: skip
OPTIONS = (
    "--target", "--test", "--drop", "--out", "--top", "--delimiter", "--l2", "--loss", "--model",
    "--family", "--effect", "--weight", "--id", "--offset", "--json", "--threads", "--memory",
    "--seed", "--rows", "--method", "--help", "-h", "--version", "--target=y", "--target=", "--no",
)  # fmt: skip
VALUES = (
    "y", "x0", "town", "--", "-", "", "-1", "0", "3", "1e400", "nan", "logistic", "squared", "\x00",
    "é", "../..", "a,b", "-x", "=", "*", ";", "'",
)  # fmt: skip
SPEC = fi.GLM("logistic", l2=0.1)


@dataclass(frozen=True)
class Target:
    """A reader: ``make`` draws an input, ``read`` returns if it is taken and raises if refused."""

    make: Callable[[random.Random], Input]
    read: Callable[[Any], None]


def table(n: int = 12) -> dict[str, Any]:
    """Columns of numbers, text and labels."""
    rng = np.random.default_rng(0)
    town = np.array(["Ayr", "Bath", "Cork"])[np.arange(n) % 3]
    return {"x0": rng.normal(size=n), "town": town, "x1": rng.normal(size=n), "y": np.arange(n) % 2}


def model() -> "fi.Influence":
    """What is saved: a fitted model that has worked out a factor."""
    columns = table()
    X = np.column_stack([columns["x0"], columns["x1"]])
    infl = fi.Influence.fit(SPEC, X, columns["y"], n_threads=1)
    infl.self_influence()
    return infl


class Bench:
    """A folder to work in, the good inputs, and the readers by name."""

    def __init__(self, folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.csv
        import pyarrow.parquet

        self.folder, self.infl = folder, model()
        self.X, self.y = (
            np.asarray(self.infl._problem.rows.take(slice(0, 12)).native()),
            table()["y"],
        )
        self.infl.save(folder / "good.npz")
        self.npz = (folder / "good.npz").read_bytes()
        arrow = pa.table(table())
        pa.csv.write_csv(arrow, folder / "good.csv")
        pa.parquet.write_table(arrow, folder / "good.parquet", row_group_size=5)
        self.csv = (folder / "good.csv").read_bytes()
        self.parquet = (folder / "good.parquet").read_bytes()
        self.scores = folder / "scores"
        self.infl.self_influence(out=fi.ParquetSink(self.scores, rows_per_part=5))
        self.manifest = json.loads((self.scores / "_manifest.json").read_bytes())
        self.specs = [spec_document(spec) for spec in specs()]
        self.solvers = [solver_document(s) for s in solvers()]

    def targets(self) -> dict[str, Target]:
        """The readers."""
        return {
            "syntax": Target(an_expression, read_syntax),
            "expression": Target(an_expression, read_expression),
            "spec": Target(lambda r: document(self.specs, r), read_spec),
            "solver": Target(lambda r: document(self.solvers, r), read_solver),
            "manifest": Target(lambda r: json_bytes(self.manifest, r), self.read_manifest),
            "saved": Target(self.a_saved_model, self.read_saved),
            "csv": Target(lambda r: some_bytes(self.csv, r), self.read_csv),
            "parquet": Target(lambda r: some_bytes(self.parquet, r), self.read_parquet),
            "loss": Target(an_expression, read_loss),
            "shell": Target(self.a_command, self.run_command),
        }

    def a_saved_model(self, rng: random.Random) -> bytes:
        """A damaged archive, or a whole one of which a member is damaged or another's."""
        if rng.random() < 0.3:
            return some_bytes(self.npz, rng)
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(self.npz)) as old, zipfile.ZipFile(out, "w") as new:
            names = old.namelist()
            chosen = "document.npy" if rng.random() < 0.6 else rng.choice(names)
            for name in names:
                if name != chosen:
                    new.writestr(name, old.read(name))
                elif name == "document.npy":
                    held = np.load(io.BytesIO(old.read(name)))
                    text = json_bytes(json.loads(held.tobytes()), rng)
                    new.writestr(name, saved_array(np.frombuffer(text, dtype=np.uint8)))
                elif rng.random() < 0.5:
                    new.writestr(name, some_bytes(old.read(name), rng))
                elif rng.random() < 0.5:
                    new.writestr(name, old.read(rng.choice(names)))
        return out.getvalue()

    def read_saved(self, data: bytes) -> None:
        path = self.folder / "bad.npz"
        path.write_bytes(data)
        infl = fi.load(path, self.X, self.y, n_threads=1)
        infl.self_influence()

    def read_manifest(self, data: bytes) -> None:
        (self.scores / "_manifest.json").write_bytes(data)
        fi.ParquetScores.open(self.scores).read([0, 7])

    def read_csv(self, data: bytes) -> None:
        path = self.folder / "bad.csv"
        path.write_bytes(data)
        build(SPEC, fi.rows.csv(path, target="y"), n_threads=1)

    def read_parquet(self, data: bytes) -> None:
        path = self.folder / "bad.parquet"
        path.write_bytes(data)
        build(SPEC, fi.rows.parquet(path, target="y"), n_threads=1)

    def a_command(self, rng: random.Random) -> list[str]:
        """A subcommand with options of its own and of others, and odd values."""
        command = rng.choice(("audit", "score", "validate", "diagnose", "info", "demo", "", "x"))
        bad = self.folder / "bad.csv"
        if rng.random() < 0.3:
            bad.write_bytes(some_bytes(self.csv, rng))
        files = [str(self.folder / f"{name}") for name in ("good.csv", "good.parquet", "none.csv")]
        pool = [*files, str(bad), *OPTIONS, *VALUES]
        start = [command, str(self.folder / "good.csv"), "--target", "y"]
        given = start if rng.random() < 0.4 else [command]
        return given + [rng.choice(pool) for _ in range(rng.randrange(5))]

    def run_command(self, argv: list[str]) -> None:
        """An exit code of the documented ones, and no traceback."""
        if argv[:1] == ["demo"] and "-h" not in argv:
            argv = [*argv, "--help"]  # without it a demonstration of half a minute
        told = io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            try:
                code = main(argv)
            except SystemExit as end:
                code = int(end.code or 0)
        if code not in (0, 1, 2) or "Traceback" in told.getvalue():
            raise AssertionError(f"exit code {code}: {told.getvalue()[-300:]}")


def document(good: list[Any], rng: random.Random) -> str:
    """One of some documents, made hostile, as text."""
    return json.dumps(a_document(rng.choice(good), rng))


def specs() -> list[Any]:
    """Specifications of each kind."""
    return [
        SPEC,
        fi.GLM(fi.losses.huber(delta=1.0), l2=(0.1, 0.2), reduction="sum"),
        fi.GLM(fi.families.gamma(link="log"), l2=0.0, fit_intercept=False),
        fi.GLM("multinomial", l2=0.1),
        fi.MLP(hidden=(3, 2), activation="tanh", loss="logistic", l2=0.01),
    ]


def solvers() -> list[Any]:
    """Solvers of each kind."""
    nystrom = fi.solvers.CG(preconditioner=fi.solvers.Nystrom(rank=5))
    return [fi.solvers.Direct(), fi.solvers.CG(), nystrom, fi.solvers.LiSSA(depth=10, repeats=2)]


def saved_array(array: Any) -> bytes:
    """An array as a member of an archive."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def read_syntax(text: str) -> None:
    """The gate before anything is built: every node of what passes is of the grammar."""
    tree = check_syntax(text, NAMES)
    kinds = {type(node).__name__ for node in ast.walk(tree)}
    if strange := kinds - GRAMMAR:
        raise AssertionError(f"{text!r} holds {strange}")
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if strange := named - {*NAMES, *ARITY, "pi"}:
        raise AssertionError(f"{text!r} names {strange}")


def read_expression(text: str) -> None:
    """Only what the grammar allows comes out: known functions of known names."""
    import sympy

    found = parse(text, NAMES)
    strange = {str(s) for s in found.free_symbols} - set(NAMES)
    allowed = set(ATOMS) | {"exp", "log", "Abs", "sinh", "cosh", "atan", "sin", "cos", "Piecewise"}
    used = {type(part).__name__ for part in found.atoms(sympy.Function)} - allowed - {"tanh"}
    if strange or used:
        raise AssertionError(f"{text!r} became {found}: {strange | used}")


def read_loss(text: str) -> None:
    fi.Loss(text, params={"a": 0.5})


def read_spec(text: str) -> None:
    with telling_damage(Path("document")):
        spec_of(json.loads(text))


def read_solver(text: str) -> None:
    with telling_damage(Path("document")):
        solver_of(json.loads(text))


class Forbidden(Exception):
    """Reading an input ran a program, code of its own, or reached for the network."""


class Watch:
    """Sees what the interpreter is asked to do while an input is read (PEP 578)."""

    EVENTS = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect",
              "pickle.find_class", "os.remove", "shutil.rmtree")  # fmt: skip

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if self.on and event in self.EVENTS:
            self.seen.append(f"{event}{args!r}"[:200])
        if self.on and event == "exec" and getattr(args[0], "co_filename", "") == "<unknown>":
            self.seen.append(f"exec of an expression {args!r}"[:200])


def attempt(target: Target, data: Input, watch: Watch | None = None) -> str:
    """``"taken"`` or ``"refused"``; anything but the library's own errors is raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if watch is not None:
            watch.on, watch.seen = True, []
        try:
            target.read(data)
            outcome = "taken"
        except FastInfluenceError:
            outcome = "refused"
        finally:
            if watch is not None:
                watch.on = False
    if watch is not None and watch.seen:
        raise Forbidden(watch.seen[0])
    return outcome
