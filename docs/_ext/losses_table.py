"""The directive `losses-table`: one row per loss in the registry, written by no hand."""

from __future__ import annotations

from docutils import nodes
from docutils.statemachine import StringList
from fastinfluence.spec.losses import registry
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

HEADS = ("name", "loss", "y", "parameters")


class LossesTable(SphinxDirective):
    """Parse a Markdown table made from the registry."""

    def run(self) -> list[nodes.Node]:
        holder = nodes.container()
        self.state.nested_parse(StringList(table(), "losses-table"), 0, holder)
        return holder.children


def table() -> list[str]:
    """Return the lines of the table, sorted by name."""
    rows = [_row(name, loss) for name, loss in sorted(registry.items())]
    return [_line(HEADS), _line("---" for _ in HEADS), *map(_line, rows)]


def _row(name: str, loss: object) -> tuple[str, ...]:
    params = ", ".join(f"{key} = {value:g}" for key, value in loss.params.items())
    return f"`{name}`", f"`{loss.expression}`", str(loss.y_domain), params


def _line(cells: object) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("losses-table", LossesTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
