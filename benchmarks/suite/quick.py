"""The quick pass: all rows of a table in one process, since starting processes takes longest."""

from __future__ import annotations

from collections.abc import Iterable

from workloads import QUICK

EVERY = "every row"


def choices(table: Iterable[str]) -> list[str]:
    """Return the names that a benchmark is run for."""
    return [EVERY] if QUICK else list(table)


def rows(table: Iterable[str], name: str) -> list[str]:
    """Return the rows that one of those names stands for."""
    return list(table) if name == EVERY else [name]
