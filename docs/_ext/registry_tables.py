"""Directives that write the library's own tables into the pages, so that no hand keeps them.

`losses-table`, `families-table`, `estimators-table`, `objectives-table`, `statsmodels-table`,
`links-table`: each is a function that returns the rows of a Markdown table. `supported-models`,
`supported-rows`, `supported-solvers` are found out by asking (`support.py`); what was refused is
told below them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import support
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from fastinfluence.adapters import stats_models
from fastinfluence.adapters.margin_readers import MARGIN_OBJECTIVES, MARGIN_READERS
from fastinfluence.adapters.other_readers import OTHER_READERS
from fastinfluence.adapters.scikit_learn_readers import OBJECTIVES, READERS
from fastinfluence.spec.families import FAMILIES
from fastinfluence.spec.line import Line, Param
from fastinfluence.spec.losses import LOSSES, VECTOR_LOSSES


def losses() -> Iterator[tuple[str, ...]]:
    """Yield the head, then a row per line, in the order of the source."""
    yield "name", "l(f, y)", "y", "parameters", ""
    for name, given in LOSSES.items():
        for line in (given,) if isinstance(given, Line) else given:
            yield _code(name), _code(line.text), line.y_text, _params(line.params), line.doc
    for name, line in VECTOR_LOSSES.items():
        yield _code(name), _code(line.text), line.y_text, "", line.doc


def families() -> Iterator[tuple[str, ...]]:
    """Yield the head, then a row per line of a family; the first link is the default."""
    yield "family", "l(mu, y)", "y", "links", "parameters"
    for name, family in FAMILIES.items():
        links = ", ".join(map(_code, family.links))
        for line in family.lines:
            yield _code(name), _code(line.text), line.y_text, links, _params(line.params)


def estimators() -> Iterator[tuple[str, ...]]:
    """Yield the head, then the models of each library that can be read."""
    yield "library", "models"
    yield "scikit-learn", ", ".join(map(_code, sorted(READERS | MARGIN_READERS)))
    for library, readers in OTHER_READERS.items():
        yield library, ", ".join(map(_code, sorted(readers)))
    yield "statsmodels", ", ".join(map(_code, sorted(stats_models.READERS)))


def objectives() -> Iterator[tuple[str, ...]]:
    """Yield the head, then what each estimator of scikit-learn minimises."""
    yield "estimator", "loss", "reduction", "l2", "l1"
    every = OBJECTIVES | MARGIN_OBJECTIVES
    for name in sorted(every):
        loss, reduction, l2, l1 = every[name]
        yield _code(name), _code(loss), reduction, _code(l2), _code(l1)


def statsmodels() -> Iterator[tuple[str, ...]]:
    """Yield the head, then what each model of statsmodels minimises and holds."""
    yield "model", "loss", "read from the model"
    for name in sorted(stats_models.READERS):
        loss, held = stats_models.OBJECTIVES[name]
        yield _code(name), loss, held


def links() -> Iterator[tuple[str, ...]]:
    """Yield the head, then the links that each family of statsmodels may have here."""
    yield "family of `GLM`", "links"
    for theirs, ours in stats_models.FAMILIES.items():
        known = FAMILIES[ours].links
        usable = (link for link, name in stats_models.LINKS.items() if name in known)
        yield _code(theirs), ", ".join(map(_code, usable))


TABLES = {
    "losses-table": losses,
    "families-table": families,
    "estimators-table": estimators,
    "objectives-table": objectives,
    "statsmodels-table": statsmodels,
    "links-table": links,
}


PAGES = {
    "supported-models": support.models,
    "supported-rows": support.rows,
    "supported-solvers": support.solvers,
}


class TableDirective(SphinxDirective):
    """Parse the Markdown of one table where the directive stands."""

    lines: Callable[[], list[str]]

    def run(self) -> list[nodes.Node]:
        holder = nodes.container()
        self.state.nested_parse(StringList(type(self).lines(), "table"), 0, holder)
        return holder.children


def with_refusals(make: Callable[[], support.Page]) -> list[str]:
    """Return the lines of a table of attempts, and below it what was refused."""
    page = make()
    told = list(page.told())
    return [*markdown(page.rows), "", *told]


def markdown(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table whose first row is its head."""
    head, *body = rows
    return [_joined(head), _joined("---" for _ in head), *map(_joined, body)]


def _joined(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _params(params: Iterable[Param]) -> str:
    return ", ".join(map(_param, params))


def _param(param: Param) -> str:
    if param.low == param.high:
        return f"`{param.name}` = {param.low:g}"
    default = "" if param.default is None else f" = {param.default:g}"
    return f"`{param.name}`{default} in {param.range}"


def _table(rows: Callable[[], Iterator[tuple[str, ...]]]) -> list[str]:
    return markdown(rows())


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    made = {name: partial(_table, rows) for name, rows in TABLES.items()}
    made |= {name: partial(with_refusals, page) for name, page in PAGES.items()}
    for name, lines in made.items():
        app.add_directive(name, type(name, (TableDirective,), {"lines": staticmethod(lines)}))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
