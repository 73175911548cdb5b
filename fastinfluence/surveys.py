"""A streamed table met with a loss: one pass that learns the labels and checks everything."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.labels import LabelCodec, domain_of
from fastinfluence.progress import Progress
from fastinfluence.rows.source import Source
from fastinfluence.rows.stream import StreamRows
from fastinfluence.rows.stream_tables import StreamTable
from fastinfluence.rows.survey import Labels, Question
from fastinfluence.spec.loss import Loss
from fastinfluence.spec.multinomial import LABELS

MOST_CLASSES = 1 << 16
"""Different labels that are collected: more are no classes, and would fill the memory."""


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
    question, labels = _question(loss), np.zeros(1)
    source, found = table.survey(question, plan)
    if found.labels is not None:
        _check_labels(found.labels, question.most - 1, table.names["target"], loss, source)
        labels = found.labels.values
    codec = known or LabelCodec.learn(loss, labels)
    if not 0 < found.weight < np.inf:
        name = table.names["weight"]
        raise InputError(f"column {name!r} sums to {found.weight}: one weight must be positive")
    return table.rows(source, partial(_encoded, codec), found.weight, plan, progress), codec


def _question(loss: Loss) -> Question:
    domain = loss.y_domain
    if domain == LABELS:
        return Question(MOST_CLASSES + 1, np.isfinite, "labels")
    if not isinstance(domain, str) and len(domain) == 2:
        return Question(2 + 1, np.isfinite, "labels")
    description, inside = domain_of(domain)
    return Question(0, inside, description)


def _check_labels(labels: Labels, most: int, name: str, loss: Loss, source: Source) -> None:
    """InputError naming the only label there is, or the row of one too many."""
    values, first = labels
    if len(values) == 1:
        raise InputError(
            f"column {name!r} holds one label only ({values[0]!s}): {loss.name} needs rows of two"
        )
    if len(values) > most:
        extra = int(np.argmax(first))
        told = "exactly two" if most == 2 else f"at most {most}"
        raise InputError(
            f"column {name!r} is {values[extra]!s} in {source.where(int(first[extra]))}, label "
            f"number {most + 1}: {loss.name} takes {told}; select classes, or set it to one class "
            "against the rest"
        )


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
