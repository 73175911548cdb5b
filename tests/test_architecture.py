"""The shape of the code: imports point down, files are short, nothing global is changed."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Highest first. A module may import its own package and every lower line, never its own line.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("__init__",),
    ("cli", "report"),
    ("checks", "score"),
    ("rankings",),
    ("audit", "demo", "info"),
    ("screen",),
    ("plots",),
    ("adapters",),
    ("influence",),
    ("validation",),
    ("crossval", "subsets", "sensitivity", "unlearning"),
    ("diagnostics", "perturbation", "attacks"),
    ("replaced", "representer", "deletion"),
    ("removal",),
    ("targets",),
    ("standard_errors",),
    ("residuals",),
    ("quantity", "flips"),
    ("scoring",),
    ("sinks",),
    ("fit",),
    ("descent",),
    ("search",),
    ("start",),
    ("solvers",),
    ("curvature",),
    ("engines",),
    ("streaming",),
    ("problem",),
    ("surveys",),
    ("labels", "active_set", "boxes", "kernel_space", "placement"),
    ("inputs",),
    ("rows", "spec"),
    ("tables",),
    ("sparse",),
    ("backend",),
    ("kernels",),
    ("archive",),
    ("files", "fingerprints"),
    ("progress",),
    ("types",),
    ("errors",),
    ("forks", "lazy"),
)

# Imports inside a function that may point up, by name: who, whom, and for which public method.
LAZY_UPWARD: dict[tuple[str, str], str] = {
    ("influence", "adapters"): "Influence.from_estimator, Influence.from_torch",
    ("validation", "plots"): "Validation.plot()",
    ("diagnostics", "plots"): "Diagnostics.plot(), Diagnostics.plot_leverage()",
    ("sinks", "plots"): "TopKResult.plot()",
    ("audit", "report"): "Audit.to_html()",
    ("influence", "report"): ".to_html()",
}
# Changes of the process that a file may make, and why.
ALLOWED_CHANGES = {
    "sys.modules": ("kernels", "cache"),  # a generated module enters under its name
    "warnings.catch_warnings": ("score", "notes"),  # a command prints the library's as its notes
    "warnings.simplefilter": ("score", "notes"),
}
# Programs, not the library: they may print and use the public names.
PROGRAMS = ("audit", "checks", "cli", "demo", "info", "report", "score")
MAX_LINES = 300

SETTERS = {
    "np.seterr", "numpy.seterr", "np.random.seed", "np.set_printoptions", "random.seed",
    "warnings.simplefilter", "warnings.filterwarnings", "warnings.resetwarnings",
    "warnings.catch_warnings", "os.putenv", "os.chdir", "os.environ.update",
    "os.environ.setdefault", "sys.setrecursionlimit", "sys.path.append", "sys.path.insert",
    "logging.basicConfig", "locale.setlocale", "signal.signal", "threading.stack_size",
    "numba.config.reload_config", "threadpoolctl.threadpool_limits", "gc.disable", "gc.freeze",
    "faulthandler.enable", "atexit.register", "multiprocessing.set_start_method",
}  # fmt: skip
ASSIGNED = ("os.environ", "sys.path", "sys.modules", "numba.config", "np.random", "mpmath.mp", "mp")


def sources() -> list[Path]:
    """Return every Python file of the library, the kernels at their real place."""
    own = [p for p in (ROOT / "fastinfluence").rglob("*.py") if "kernels" not in p.parts]
    return sorted(own + list((ROOT / "kernels").rglob("*.py")))


def module(path: Path) -> tuple[str, ...]:
    """Return the parts of a file's module name below fastinfluence."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts if parts[0] == "kernels" else parts[1:]


def rank(name: str) -> int:
    """Return the line of LAYERS that a top-level name stands on."""
    for line, names in enumerate(LAYERS):
        if name in names:
            return line
    raise AssertionError(f"{name} is not in LAYERS: give it a line in {Path(__file__).name}")


def lazy_nodes(tree: ast.AST) -> set[ast.AST]:
    """Return every node inside a function."""
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {inner for f in functions for inner in ast.walk(f)}


def targets(node: ast.AST, own: tuple[str, ...]) -> Iterator[str]:
    """Yield the top-level names below fastinfluence that one import statement names."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            head, *rest = alias.name.split(".")
            if head == "fastinfluence":
                yield rest[0] if rest else "__init__"
    elif isinstance(node, ast.ImportFrom):
        base = (node.module or "").split(".") if node.module else []
        if node.level:
            base = ["fastinfluence", *own[: len(own) - node.level], *base]
        if base[:1] != ["fastinfluence"]:
            return
        if len(base) > 1:
            yield base[1]
        else:
            known = {name for names in LAYERS for name in names}
            yield from (a.name if a.name in known else "__init__" for a in node.names)


def upward(tree: ast.AST, own: tuple[str, ...]) -> list[str]:
    """Return the imports of a file that do not point down."""
    found, lazy = [], lazy_nodes(tree)
    if own[0] == "__init__":
        return found
    for node in ast.walk(tree):
        for name in targets(node, own):
            if name == own[0] or rank(name) > rank(own[0]):
                continue
            if node in lazy and (own[0], name) in LAZY_UPWARD:
                continue
            found.append(f"line {node.lineno}: {'.'.join(own)} imports {name}")
    return found


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` of an attribute chain, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return f"{head}.{node.attr}" if head else ""
    return dotted(node.value) if isinstance(node, ast.Subscript) else ""


def as_program(tree: ast.AST) -> set[ast.AST]:
    """Return every node below `if __name__ == "__main__"`, which importing does not run."""
    tops = [n for n in ast.walk(tree) if isinstance(n, ast.If)]
    mains = [n for n in tops if ast.unparse(n.test) == "__name__ == '__main__'"]
    return {inner for main in mains for inner in ast.walk(main)}


def global_changes(tree: ast.AST, may_print: bool) -> list[str]:
    """Return statements that change what other code of the process sees."""
    found, skipped = [], as_program(tree)
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Global):
            found.append(f"line {node.lineno}: global {', '.join(node.names)}")
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in SETTERS or (name == "print" and not may_print):
                found.append(f"line {node.lineno}: {name}()")
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
            places = [node.target] if isinstance(node, ast.AugAssign) else node.targets
            for place in places:
                if isinstance(place, ast.Subscript | ast.Attribute) and dotted(place).startswith(
                    tuple(f"{a}" for a in ASSIGNED)
                ):
                    found.append(f"line {node.lineno}: {dotted(place)} is assigned")
    return found


def swallowed(tree: ast.AST) -> list[str]:
    """Return handlers of every exception, and handlers of broad ones that only pass."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or dotted(node.type) in ("Exception", "BaseException")
            silent = all(isinstance(s, ast.Pass) for s in node.body)
            if node.type is None or (broad and silent):
                found.append(f"line {node.lineno}: except {ast.unparse(node.type or ast.Name(''))}")
    return found


FILES = pytest.mark.parametrize("path", sources(), ids=lambda p: "/".join(module(p)))


@FILES
def test_imports_point_down(path):
    assert upward(ast.parse(path.read_text()), module(path)) == []


@FILES
def test_files_are_short(path):
    lines = len(path.read_text().splitlines())
    assert lines <= MAX_LINES, f"{lines} lines: split it by idea"


@FILES
def test_no_global_state_is_changed(path):
    tree = ast.parse(path.read_text())
    found = global_changes(tree, may_print=module(path)[0] in PROGRAMS)
    allowed = [what for what, where in ALLOWED_CHANGES.items() if where == module(path)]
    assert [line for line in found if not any(what in line for what in allowed)] == []


@FILES
def test_no_error_is_swallowed(path):
    assert swallowed(ast.parse(path.read_text())) == []


def everything() -> list[Path]:
    """Return every Python file of the repository's own folders."""
    folders = ("fastinfluence", "kernels", "tests", "benchmarks", "docs")
    return sorted(p for f in folders for p in (ROOT / f).rglob("*.py"))


@pytest.mark.parametrize("path", everything(), ids=lambda p: str(p.relative_to(ROOT)))
def test_kernels_are_imported_by_their_installed_name(path):
    """`import kernels` from the repository root would load a second copy."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        assert not any(n.split(".")[0] == "kernels" for n in names), f"line {node.lineno}"


@pytest.mark.parametrize("folder", ["tests", "benchmarks"])
def test_other_files_are_short_too(folder):
    for path in (ROOT / folder).rglob("*.py"):
        assert len(path.read_text().splitlines()) <= MAX_LINES, path.name


WRONG = {
    "up": ("from fastinfluence.influence import Influence", ("solvers", "cg")),
    "up, relative": ("from ..influence import Influence", ("solvers", "cg")),
    "up, root": ("import fastinfluence as fi", ("solvers", "cg")),
    "sideways": ("from fastinfluence.spec.models import GLM", ("rows", "dense")),
    "lazy but not listed": ("def f():\n    import fastinfluence.adapters", ("fit",)),
    "listed but not lazy": ("import fastinfluence.adapters", ("influence",)),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_import_is_seen(name):
    text, own = WRONG[name]
    assert len(upward(ast.parse(text), own)) == 1


def test_right_imports_pass():
    text = (
        "from fastinfluence.rows import dense\nfrom . import cg\nimport numpy\nfrom ..fit import f"
    )
    assert upward(ast.parse(text), ("removal", "exact")) == []
    lazy = "def plot(self):\n    from fastinfluence import adapters"
    assert upward(ast.parse(lazy), ("influence",)) == []


@pytest.mark.parametrize(
    "text",
    [
        "np.seterr(all='ignore')",
        "os.environ['OMP_NUM_THREADS'] = '1'",
        "def f():\n    global x",
        "print(1)",
        "mpmath.mp.dps = 50",
        "with warnings.catch_warnings():\n    pass",
    ],
)
def test_a_global_change_is_seen(text):
    assert len(global_changes(ast.parse(text), may_print=False)) == 1


@pytest.mark.parametrize(
    "text", ["try:\n    f()\nexcept:\n    pass", "try:\n    f()\nexcept Exception:\n    pass"]
)
def test_a_swallowed_error_is_seen(text):
    assert len(swallowed(ast.parse(text))) == 1
