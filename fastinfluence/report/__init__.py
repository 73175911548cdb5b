"""Reports as one HTML file: no scripts, no network, readable on a phone and on paper.

:meth:`fastinfluence.influence.account.Report.to_html` makes one of a model,
:meth:`fastinfluence.audit.Audit.to_html` and ``fastinfluence audit --report`` one of a table.
Every text of the user's, names of columns and values included, is escaped.
"""

from importlib import import_module
from typing import Any

__all__ = ["audit_page", "model_page"]

_PLACES = {"audit_page": "of_audit", "model_page": "of_model"}


def __getattr__(name: str) -> Any:
    """Import either kind of page when it is asked for: an audit needs the ``cli`` extra."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
