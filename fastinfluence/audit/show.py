"""An audit on the screen: plain text of the terminal's width, or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from fastinfluence.audit.options import MEANING
from fastinfluence.audit.result import Audit
from fastinfluence.screen import cell, clipped, flow, plain, shortened
from fastinfluence.types import IntArray

CELL = 40
"""Characters of one value at most."""
INDENT = 4
VALUE_LINES, SHORT_LINES = 12, 2
"""Lines of a row's own values, in the first list and in the second."""


def text(result: Audit, top: int, width: int) -> str:
    """Heading, notices and both lists, wrapped to a width."""
    width = clipped(width)
    suspicious, harmful = result.most_suspicious(top), result.most_harmful(top)
    heading = [*_heading(result), *(f"Note: {cell(notice)}" for notice in result.notices)]
    first = f"Most suspicious rows: largest self-influence (scores in {_unit(result)})"
    second = f"Most harmful rows: largest harm to held-out rows (scores in {_unit(result)})"
    parts = [
        *(line for item in heading for line in flow(item.split(), width, 6)),
        "",
        *flow(first.split(), width, 6),
        *_rows(result, suspicious, width, VALUE_LINES),
        "",
        *flow(second.split(), width, 6),
        *(_rows(result, harmful, width, SHORT_LINES) if len(harmful) else ["none does harm"]),
    ]
    return "\n".join(parts)


def as_json(result: Audit, top: int, files: dict[str, str]) -> str:
    """Summary and top rows as one JSON object."""
    target = result.target
    summary = {
        "target": target.name,
        "task": target.task,
        "positive": target.positive or None,
        "against": target.negative or None,
        "rows": result.table.num_rows,
        "n": len(target.rows),
        "p": result.n_params,
        "l2": result.scores.l2,
        "folds": result.options.folds,
        "seed": result.options.seed,
        "held_out": result.quality(),
        "notices": list(result.notices),
        "columns": MEANING,
        **files,
        "suspicious": [_record(result, i) for i in result.most_suspicious(top)],
        "harmful": [_record(result, i) for i in result.most_harmful(top)],
    }
    return json.dumps(plain(summary), indent=2, ensure_ascii=False, allow_nan=False)


def _heading(result: Audit) -> Iterator[str]:
    target, scores, options = result.target, result.scores, result.options
    size = f"n = {len(target.rows):,}, p = {result.n_params:,}, l2 = {scores.l2:.3g}"
    quality = result.quality()
    name, held = cell(target.name), f"Held-out rows ({options.folds} folds):"
    if target.task == "classify":
        positive, negative = cell(target.positive), cell(target.negative)
        yield f"Logistic regression of {name}: {positive} against {negative}."
        yield size
        yield (
            f"{held} accuracy {quality['accuracy']:.1%}; the larger class alone "
            f"{quality['larger_class']:.1%}"
        )
    else:
        yield f"Least squares fit of {name}."
        yield size
        yield f"{held} R2 = {quality['r2']:.3f}"


def _unit(result: Audit) -> str:
    return "nats" if result.target.task == "classify" else f"squares of {cell(result.target.name)}"


def _rows(result: Audit, chosen: IntArray, width: int, n_lines: int) -> Iterator[str]:
    """A line of scores for each row, its own values below."""
    target = result.target
    label = f"P({target.positive})" if target.task == "classify" else "predicted"
    heads = ["row", target.name, label, "loss", "self-infl.", "harm"]
    body = [_numbers(result, int(i)) for i in chosen]
    limits = [12, width - 64, 12, 10, 10, 10]  # and two blanks between
    places = [int(target.rows[i]) for i in chosen]
    return ranking(heads, body, limits, own_values(result.table, target.name, places), n_lines)


def own_values(table: Any, target: str, places: Iterable[int]) -> list[dict[str, Any]]:
    """The values of some rows of a table, the target's left out."""
    found = [table.slice(place, 1).to_pylist()[0] for place in places]
    return [{name: value for name, value in row.items() if name != target} for row in found]


def ranking(
    heads: list[str],
    body: list[list[str]],
    limits: list[int],
    values: list[dict[str, Any]],
    n_lines: int,
) -> Iterator[str]:
    """A line of aligned cells for each row, none wider than its limit, its own values below."""
    width = sum(limits) + 2 * (len(limits) - 1)
    table = [
        [shortened(cell(c), limit) for c, limit in zip(line, limits, strict=True)]
        for line in [heads, *body]
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for place, line in enumerate(table):
        yield "  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True))
        if place:
            pairs = [_pair(name, value) for name, value in values[place - 1].items()]
            yield from _values(pairs, width, n_lines)


def _values(pairs: list[str], width: int, n_lines: int) -> Iterator[str]:
    """A row's own values, the last line saying how many columns did not fit."""
    room = len(f" … {len(pairs)} more")
    lines = flow(pairs, width - INDENT - room, 0, "  ")
    left = len(pairs) - sum(len(line.split("  ")) for line in lines[:n_lines])
    for place, line in enumerate(lines[:n_lines], start=1):
        more = f" … {left} more" if left and place == n_lines else ""
        yield " " * INDENT + line + more


def _pair(name: str, value: Any) -> str:
    return f"{shortened(cell(name), CELL)}={shortened(cell(value), CELL)}"


def _numbers(result: Audit, i: int) -> list[str]:
    scores, target = result.scores, result.target
    row = int(target.rows[i])
    prediction = scores.prediction[i]
    return [
        f"{row:,}",
        cell(result.table.column(target.name)[row].as_py()),
        f"{prediction:.4f}" if target.task == "classify" else f"{prediction:.6g}",
        *(f"{v[i]:#.3g}" for v in (scores.loss, scores.self_influence, scores.harm)),
    ]


def _record(result: Audit, i: int) -> dict[str, Any]:
    scores, row = result.scores, int(result.target.rows[i])
    values = result.table.slice(row, 1).to_pylist()[0]
    return {
        "row": row,
        "target": values.pop(result.target.name),
        "prediction": float(scores.prediction[i]),
        "loss": float(scores.loss[i]),
        "self_influence": float(scores.self_influence[i]),
        "harm": float(scores.harm[i]),
        "values": values,
    }
