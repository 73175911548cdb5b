"""What is supported, found out by asking: every question of every kind of model, rows and solver.

A cell of these tables is what happened when the question was asked of a small table while the
pages were made: an answer, or the message that refused it. An answer is told by the test file that
asks the same of that kind; `tests/test_support.py` holds the answers against each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from questions import DEVICE, MODELS, QUESTIONS, SOLVERS, STORAGES, answer, solved

TESTS = Path(__file__).resolve().parents[2] / "tests"
EVERY = "test_support.py"
"""Asks every question of every kind."""


def proof(question: str, places: tuple[str, ...]) -> str:
    """The test file that asks a question most, in the first place that does; else the one of all.

    Files about refusals prove no answer.
    """
    asked = re.compile(rf"\.{re.escape(question)}\b")
    for place in places:
        files = TESTS.glob(f"{place}/test_*.py" if (TESTS / place).is_dir() else f"{place}*")
        counts = {
            file: len(asked.findall(file.read_text(encoding="utf-8")))
            for file in sorted(files)
            if "refusals" not in file.name
        }
        best = max(counts, key=lambda file: counts[file], default=None)
        if best is not None and counts[best]:
            return best.relative_to(TESTS).as_posix()
    return EVERY


class Page:
    """A table whose refusals are numbered and told below it."""

    def __init__(self, *heads: str) -> None:
        self.rows: list[tuple[str, ...]] = [heads]
        self.refusals: list[str] = []

    def cell(self, found: Any, test: str | None = None) -> str:
        """What one attempt says."""
        if not isinstance(found, str):
            return "yes" if test is None else f"`{test}`"
        if found not in self.refusals:
            self.refusals.append(found)
        return f"no ({self.refusals.index(found) + 1})"

    def told(self) -> Iterator[str]:
        """The refusals, as a numbered list."""
        yield from (f"{i}. {text}" for i, text in enumerate(self.refusals, 1))


def models() -> Page:
    """Every question of every kind of model."""
    page = Page("question", *MODELS)
    for question in QUESTIONS:
        cells = (
            page.cell(answer(kind, question), proof(question, MODELS[kind].tests))
            for kind in MODELS
        )
        page.rows.append((f"`{question}`", *cells))
    return page


def rows() -> Page:
    """Every question of the logistic model of every kind of rows, and on a device."""
    page = Page("question", *STORAGES, '`device="cuda"`')
    for question in QUESTIONS:
        cells = (
            page.cell(answer(kind, question), proof(question, STORAGES[kind].tests))
            for kind in STORAGES
        )
        there = proof(question, DEVICE)
        page.rows.append((f"`{question}`", *cells, "not asked" if there == EVERY else f"`{there}`"))
    return page


def solvers() -> Page:
    """Every solver with every kind of model and rows."""
    kinds = [*MODELS, *STORAGES]
    page = Page("solver", *kinds)
    for solver in SOLVERS:
        page.rows.append((f"`{solver}`", *(page.cell(solved(kind, solver)) for kind in kinds)))
    return page
