"""Write ``docs/paper.md``: ``page.md`` with the numbers of the results in place of its fields.

    python -m benchmarks.paper.page

A field such as ``{fig1_components[rows_of_same_label]}`` is a number of the result of that name, in
the syntax of Python's format strings.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from benchmarks.paper import study
from benchmarks.paper.__main__ import EXPERIMENTS

TEMPLATE = study.FOLDER / "page.md"
PAGE = study.FIGURES.with_suffix(".md")


def minutes(seconds: dict[str, float]) -> str:
    """Return processor and wall time in words."""
    return f"{seconds['cpu']:,.0f} ({seconds['wall']:,.0f})"


class NotRun:
    """Stands for the numbers of an experiment that has not been run at full size."""

    def __getitem__(self, _: str) -> NotRun:
        return self

    def __format__(self, _: str) -> str:
        return "(not run)"


def is_there(name: str, results: Path = study.RESULTS) -> bool:
    """Return whether an experiment's full-size result is kept."""
    return (results / f"{name}.json").exists()


def values(results: Path = study.RESULTS) -> dict[str, Any]:
    """Return what the page's fields name: each result, its time in words beside it."""
    found = {name: study.read(name, results) for name in EXPERIMENTS if is_there(name, results)}
    missing = {name: NotRun() for name in EXPERIMENTS if name not in found}
    times = {name: minutes(result["seconds"]["total"]) for name, result in found.items()}
    total = {
        clock: sum(result["seconds"]["total"][clock] for result in found.values()) / 60
        for clock in ("cpu", "wall")
    }
    return found | missing | {"time": times | missing, "total": total}


def text(results: Path = study.RESULTS) -> str:
    """Return the page; a section whose experiment has not been run says that and nothing else."""
    template = TEMPLATE.read_text(encoding="utf-8")
    for name in EXPERIMENTS:
        if not is_there(name, results):
            template = without_section(template, name)
    return template.format(**values(results))


def without_section(template: str, name: str) -> str:
    """Return the page without what it says of one experiment below its heading."""
    sections = re.split(r"(?m)^(?=## )", template)
    figure = f"(paper/{name}.png)"
    told = f"*Not run at full size for this version: `make paper PAPER_ARGS={name}` runs it.*\n\n"
    return "".join(
        part.partition("\n")[0] + "\n\n" + told if figure in part else part for part in sections
    )


def main() -> None:
    """Write the page."""
    PAGE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
