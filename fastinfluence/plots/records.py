"""Helpful and harmful training rows of one test row, value by value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.inputs import positive_count
from fastinfluence.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    checked_labels,
    new_axes,
    plain,
    row_name,
    shortened,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastinfluence.sinks.extremes import TopKResult

LETTER = 0.602
"""Width of a letter of the monospaced font, in font sizes."""
LINE = 1.5
"""Height of a line, in font sizes."""
SIZE, SMALLEST = 9.0, 4.0
WORD, NAME = 12, 20
"""Letters of a value and of a column's name at most."""
FOOT = "▲ ▼ above, below the test row by over one standard deviation   ≠ another category"


class _Column(NamedTuple):
    """One feature: the training rows' values, the test row's, and their spread if numbers."""

    name: str
    values: Any
    own: Any
    spread: float | None

    def mark(self, row: int) -> str:
        """How a training row differs from the test row, or nothing."""
        value = self.values[row]
        if self.spread is None:
            return "" if _word(value) == _word(self.own) else "≠"
        difference = float(value) - float(self.own)
        if not np.isfinite(difference):
            return "" if _word(value) == _word(self.own) else "≠"
        return "" if abs(difference) <= self.spread else ("▲" if difference > 0 else "▼")


def helpful_and_harmful_rows(
    table: Any,
    found: TopKResult,
    test_table: Any,
    test: int = 0,
    top: int = 3,
    max_columns: int = 15,
    labels: Sequence[Any] | None = None,
    unit: str = "unit of the loss",
    ax: Axes | None = None,
) -> Axes:
    """A test row beside the training rows that help and that harm its prediction most.

    Each value that differs from the test row's is marked: ▲ or ▼ where a number lies more than
    one standard deviation of the training column above or below it, ≠ where a category is another.

    Parameters
    ----------
    table, test_table : pandas, polars or Arrow table, or array (n, d) and (t, d)
        Training and test rows as people read them: names and categories rather than codes.
    found : TopKResult
        Of ``infl.on_loss(X_test, y_test, out=fi.TopK(k))``; the scores stand in the second line.
    test : int, default 0
        Which test row.
    top : int, default 3
        Training rows of each kind.
    max_columns : int, default 15
        Columns shown, those with the most marks; the last line says how many are not.
    labels : sequence of n, optional
        What to call the training rows.
    unit : str
        Of the scores.
    ax : Axes, optional
        The letters shrink to fit its width.

    Returns
    -------
    Axes
        Without ticks.

    Raises
    ------
    InputError
        If the tables have different columns.
    """
    columns = _columns(table, test_table, test)
    k = positive_count(top, "top")
    names = checked_labels(labels, len(columns[0].values))
    ends = found.of(test)
    rows = [int(i) for end in (ends.helpful, ends.harmful) for i in end.rows[:k]]
    scores = [float(v) for end in (ends.helpful, ends.harmful) for v in end.values[:k]]
    n_helpful = len(ends.helpful.rows[:k])
    shown = sorted(columns, key=lambda c: -sum(bool(c.mark(row)) for row in rows))[:max_columns]
    shown = [column for column in columns if column in shown]
    heads = [shortened(row_name(names, row), WORD + 2) for row in rows]
    lines = [
        ["", "test row", *heads],
        ["change of its loss", "", *(f"{score:+.2g}" for score in scores)],
        *(list(_line(column, rows)) for column in shown),
    ]
    foot = FOOT if len(shown) == len(columns) else f"{FOOT}   {len(columns) - len(shown)} more"
    ax = _draw(lines, n_helpful, foot, ax)
    title = f"Training rows that help and harm one prediction (loss in {plain(unit)})"
    ax.set_title(title, fontsize="medium")
    return ax


def _line(column: _Column, rows: list[int]) -> Iterator[str]:
    yield plain(shortened(column.name, NAME))
    yield plain(_word(column.own))
    for row in rows:
        mark = column.mark(row)
        yield f"{mark} {plain(_word(column.values[row]))}".strip()


def _draw(lines: list[list[str]], n_helpful: int, foot: str, ax: Axes | None) -> Axes:
    widths = [max(len(line[j]) for line in lines) + 2 for j in range(len(lines[0]))]
    letters, height = max(sum(widths), len(foot) + 2), len(lines) + 3
    if ax is None:
        ax = new_axes(SIZE * LETTER * letters / 72 + 0.3, SIZE * LINE * height / 72 + 0.4)
    size = _fitting(ax, letters, height)
    ends = np.cumsum(widths)
    ax.set(xlim=(0, letters), ylim=(height, 0))
    ax.set_axis_off()
    style: dict[str, Any] = {"family": "monospace", "fontsize": size, "va": "center"}
    groups = (
        ("helpful", "without it the loss rises", BLUE, 2, 2 + n_helpful),
        ("harmful", "without it the loss falls", ORANGE, 2 + n_helpful, len(widths)),
    )
    roomy = all(ends[g[4] - 1] - ends[g[3] - 1] > len(f"{g[0]}: {g[1]}") + 1 for g in groups)
    for kind, meaning, colour, first, last in groups:
        if last > first:
            left, right = ends[first - 1] + 1, ends[last - 1]
            ax.text(
                left,
                0.6,
                f"{kind}: {meaning}" if roomy else kind,
                color=colour,
                weight="bold",
                **style,
            )
            dash = "-" if first == 2 else "--"
            ax.plot([left, right], [1.1, 1.1], dash, color=colour, lw=1.5)
    for i, line in enumerate(lines):
        y = i + 1.8
        for j, text in enumerate(line):
            marked = j > 1 and text[:1] in ("▲", "▼", "≠") and i > 1
            look: dict[str, Any] = {"color": ORANGE, "weight": "bold"} if marked else {}
            if j:
                ax.text(ends[j], y, text, ha="right", **look, **style)
            else:
                ax.text(0, y, text, ha="left", **style)
    ax.plot([0, letters], [3.3, 3.3], color=GREY, lw=0.8)
    ax.text(0, height - 0.5, foot, color=GREY, **{**style, "fontsize": 0.9 * size})
    return ax


def _fitting(ax: Axes, letters: int, height: int) -> float:
    """The font size at which so many letters and lines fit into the Axes."""
    points = np.array(ax.get_window_extent().size) * (72 / ax.figure.dpi)
    return float(np.clip(min(points / (LETTER * letters, LINE * height)), SMALLEST, SIZE))


def _columns(table: Any, test_table: Any, test: int) -> list[_Column]:
    train, own = _as_columns(table), _as_columns(test_table)
    if list(train) != list(own):
        raise InputError(
            f"table has the columns {list(train)[:5]} …, test_table {list(own)[:5]} …: give both "
            "the same columns in the same order"
        )
    count = len(next(iter(own.values())))
    if not -count <= test < count:
        raise InputError(f"test={test} but test_table has {count} rows")
    return [_Column(name, v, own[name][test], _spread(v)) for name, v in train.items()]


def _as_columns(table: Any) -> dict[str, Any]:
    if hasattr(table, "columns") or hasattr(table, "__arrow_c_stream__"):
        import narwhals as nw

        frame = nw.from_native(table, eager_only=True)
        return {str(name): frame[name].to_numpy() for name in frame.columns}
    values = np.asarray(table)
    if values.ndim != 2 or 0 in values.shape:
        raise InputError(f"a table has shape {values.shape}: give rows and columns, (n, d)")
    return {f"x{j}": values[:, j] for j in range(values.shape[1])}


def _spread(values: Any) -> float | None:
    """The standard deviation of a column of numbers, None for one of categories."""
    if np.asarray(values).dtype.kind not in "iuf":
        return None
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    return float(known.std()) if len(known) else 0.0


def _word(value: Any) -> str:
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return "–"
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    return shortened(" ".join(str(value).split()), WORD)
