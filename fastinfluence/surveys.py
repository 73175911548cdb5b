"""A streamed table met with a loss: one pass that learns the labels and checks everything."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.labels import LabelCodec, domain_of
from fastinfluence.progress import Progress
from fastinfluence.rows.stream import StreamRows
from fastinfluence.rows.survey import Question
from fastinfluence.rows.tables import StreamTable
from fastinfluence.spec.loss import Loss
from fastinfluence.spec.multinomial import LABELS


def read_table(
    table: StreamTable, loss: Loss, n_threads: int, progress: Progress, known: LabelCodec | None
) -> tuple[StreamRows, LabelCodec]:
    """The table's rows, and how its targets are encoded.

    Raises
    ------
    InputError
        Naming file, column and row of a value that is missing, not finite or outside the loss's
        domain; for labels of too many classes, or of one only.
    """
    plan = table.plan(n_threads)
    classes = loss.y_domain == LABELS or (
        not isinstance(loss.y_domain, str) and len(loss.y_domain) == 2
    )
    if classes:
        question = Question(True, np.isfinite, "labels")
    else:
        description, inside = domain_of(loss.y_domain)
        question = Question(False, inside, description)
    source, found = table.survey(question, plan)
    codec = known or LabelCodec.learn(loss, np.zeros(1) if found.labels is None else found.labels)
    if not 0 < found.weight < np.inf:
        raise InputError(f"the weights sum to {found.weight}: at least one must be positive")
    return table.rows(source, partial(_encoded, codec), found.weight, plan, progress), codec


def _encoded(codec: LabelCodec, y: np.ndarray[Any, Any], n: int) -> Any:
    return codec.encode(y, n)


def refuse_extras(**given: Any) -> None:
    """InputError where an array was given beside a table that has columns for it."""
    for name, value in given.items():
        if value is not None:
            role = {"sample_weight": "weight", "y": "target"}.get(name, name)
            raise InputError(
                f"{name} is a column of a streamed table: name it there, {role}=…, and leave "
                f"{name} out"
            )


def refuse_kind(kind: str) -> None:
    """UnsupportedError for a model that takes no streamed tables."""
    raise UnsupportedError(f"{kind} takes no streamed table: give it the rows themselves")
