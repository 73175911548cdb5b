"""Words and numbers of a command on a screen: plain text of the terminal's width, or JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

MIN_WIDTH, MAX_WIDTH = 72, 120


def clipped(width: int) -> int:
    """A width that lines can be read at."""
    return max(MIN_WIDTH, min(width, MAX_WIDTH))


def flow(items: Iterable[str], width: int, indent: int, gap: str = " ") -> list[str]:
    """Items in lines of a width, none broken unless it is longer than a line."""
    lines: list[str] = []
    for item in items:
        if lines and len(lines[-1]) + len(gap) + len(item) <= width:
            lines[-1] += gap + item
        else:
            start = " " * indent if lines else ""
            lines.append(start + shortened(item, width - len(start)))
    return lines


def shortened(value: str, length: int) -> str:
    """At most ``length`` characters, the cut marked."""
    return value if len(value) <= length else value[: length - 1] + "…"


def cell(value: Any) -> str:
    """One value on one line: no line breaks, no control characters."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    shown = f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())
    return "".join(c if c.isprintable() else "?" for c in shown) or "-"


def plain(value: Any) -> Any:
    """A value that JSON can hold; NaN and infinity become null, dates and the rest text."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)
