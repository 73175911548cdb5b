"""The directive `losses-table`: a row per line of the table of losses, written by no hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from fastinfluence.spec.line import Line, Param
from fastinfluence.spec.losses import LOSSES

HEADS = ("name", "l(f, y)", "y", "parameters", "")


class LossesTable(SphinxDirective):
    """Parse a Markdown table made from the table of losses."""

    def run(self) -> list[nodes.Node]:
        holder = nodes.container()
        self.state.nested_parse(StringList(table(), "losses-table"), 0, holder)
        return holder.children


def table() -> list[str]:
    """Return the lines of the table, in the order of the source."""
    rows = [row for name, given in LOSSES.items() for row in _rows(name, given)]
    return [_joined(HEADS), _joined("---" for _ in HEADS), *map(_joined, rows)]


def _rows(name: str, given: Line | tuple[Line, ...]) -> Iterator[tuple[str, ...]]:
    for line in (given,) if isinstance(given, Line) else given:
        params = ", ".join(map(_param, line.params))
        yield f"`{name}`", f"`{line.text}`", line.y_text, params, line.doc


def _param(param: Param) -> str:
    if param.low == param.high:
        return f"`{param.name}` = {param.low:g}"
    default = "" if param.default is None else f" = {param.default:g}"
    return f"`{param.name}`{default} in {param.range}"


def _joined(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("losses-table", LossesTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
