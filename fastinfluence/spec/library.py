"""Programs shipped with the package, so that the built-in losses never import SymPy.

``kernels/programs.json`` holds one program per line of the tables, under the hash of all that its
derivation depends on. A line that was edited or added has another hash, so it is simply derived
when first used; ``python -m fastinfluence.spec.derive`` writes the file anew.
"""

import json
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from fastinfluence.kernels.program import PointwiseProgram
from fastinfluence.spec.line import Line

FILE = "programs.json"


def program(name: str, line: Line) -> PointwiseProgram:
    """Program of a line: the shipped one, or derived now."""
    entry = shipped().get(line.key)
    if entry is not None:
        return PointwiseProgram.from_json({**entry, "name": name})
    from fastinfluence.spec.derive import derive

    return derive(name, line)


@lru_cache(maxsize=1)
def shipped() -> dict[str, Any]:
    """Shipped entries by key; none when the file is missing."""
    try:
        text = resources.files("fastinfluence.kernels").joinpath(FILE).read_text("utf-8")
    except FileNotFoundError:
        return {}
    entries: dict[str, Any] = json.loads(text)
    return entries


def table_lines() -> dict[str, tuple[str, Line]]:
    """Every line of the tables by key, with a name."""
    from fastinfluence.spec import activations, families, losses

    rows = [*losses.registry(), *families.registry()]
    lines = [(row.loss.name, row.loss.line_data) for row in rows]
    lines += activations.ACTIVATIONS.items()
    named = {line.key: (name, line) for name, line in reversed(lines)}
    return dict(reversed(named.items()))


def generate(path: Path) -> int:
    """Derive every line of the tables into a file; return how many there are."""
    from fastinfluence.spec.derive import derive

    entries = {key: derive(name, line).to_json() for key, (name, line) in table_lines().items()}
    path.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    return len(entries)


def default_path() -> Path:
    """Where the shipped file lies in a source tree."""
    return Path(str(resources.files("fastinfluence.kernels").joinpath(FILE)))
