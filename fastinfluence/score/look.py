"""A first look at TRAIN: how many rows, which labels, which categories; and what follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc

from fastinfluence.errors import InputError
from fastinfluence.inputs import listed
from fastinfluence.labels import LabelCodec
from fastinfluence.progress import Progress
from fastinfluence.rows.encode import is_category
from fastinfluence.rows.readers import UNIT_ROWS
from fastinfluence.rows.stream_tables import ArrowTable
from fastinfluence.score.options import Options, loss_of
from fastinfluence.score.tables import TestTable
from fastinfluence.spec.loss import Loss
from fastinfluence.spec.multinomial import LABELS

FEW = 20
"""Up to so many distinct whole numbers are taken for classes."""
MOST = 1000
"""Distinct labels from which on a column of text is no target of a classification."""
IDENTIFIER = 0.9
"""Share of distinct texts from which a column names its rows."""


@dataclass
class Look:
    """What a target and some columns of categories hold.

    Attributes
    ----------
    n_rows : int
    labels : set or None
        Distinct targets; None where they are too many to be classes.
    whole : bool
        Whether no fraction was among them.
    categories : dict of str to set
    """

    n_rows: int = 0
    labels: set[Any] | None = field(default_factory=set)
    whole: bool = True
    categories: dict[str, set[Any]] = field(default_factory=dict)


def look(table: ArrowTable, progress: Progress) -> Look:
    """Read the target and the columns of categories, no more than is needed.

    Raises
    ------
    InputError
        For a column of text that names its rows.
    """
    roles, reader = table.roles, table.reader
    schema = reader.schema
    text = is_category(schema.field(roles.target).type)
    named = [n for n in roles.features if is_category(schema.field(n).type)]
    sizes = [part.n_rows for part in reader.parts]
    total = sum(n or 0 for n in sizes) if all(n is not None for n in sizes) else 0
    columns = [roles.target, *named]
    reader.check(columns, roles.every)
    found = Look(categories={name: set() for name in named})
    for part in reader.parts:
        for batch in reader.batches(part, columns, UNIT_ROWS):
            found.n_rows += batch.num_rows
            _add_labels(found, batch.column(roles.target), MOST if text else FEW)
            for name in named:
                found.categories[name].update(_distinct(batch.column(name)))
            progress("looking", found.n_rows, total)
        if found.labels is None and total and not named:
            found.n_rows = total  # the rest would tell nothing new
            progress("looking", total, total)
            break
    for name, values in found.categories.items():
        if len(values) > max(2, IDENTIFIER * found.n_rows):
            raise InputError(
                f"column {name!r} holds text that differs in nearly every row: if it names the "
                f"rows, say --id {name}, else leave it out with --drop {name}"
            )
    return found


def _distinct(column: Any) -> list[Any]:
    values: list[Any] = pc.unique(column).drop_null().to_pylist()
    return values


def _add_labels(found: Look, column: Any, most: int) -> None:
    if found.labels is None:
        return
    distinct = pc.unique(column).drop_null()
    if len(distinct) <= most:
        found.labels.update(distinct.to_pylist())
    if len(distinct) > most or len(found.labels) > most:
        found.labels = None


def chosen_loss(table: ArrowTable, found: Look, options: Options) -> tuple[Loss, str]:
    """The loss that was asked for, or that the target suggests, and why.

    Raises
    ------
    InputError
        If the target suggests none, or does not suit the one asked for.
    """
    name = table.roles.target
    kind = table.reader.schema.field(name).type
    text = is_category(kind)
    if options.loss is not None:
        loss = loss_of(options.loss)
        if text and not _takes_labels(loss):
            raise InputError(
                f"--target {name!r} holds {kind} values: --loss {options.loss} needs numbers"
            )
        return loss, "as asked for"
    if found.labels is None and text:
        raise InputError(
            f"--target {name!r} holds more than {MOST:,} different texts: too many classes; name "
            "another column, or say --loss multinomial"
        )
    if found.labels is None or not (text or _codes(found.labels)):
        return loss_of("squared"), f"{name} holds numbers"
    if len(found.labels) == 2:
        return loss_of("logistic"), f"{name} has two values"
    if len(found.labels) < 2:
        one = listed([repr(label) for label in found.labels]) or "nothing"
        raise InputError(f"--target {name!r} holds {one} in every row: nothing to fit")
    return loss_of("multinomial"), f"{name} has {len(found.labels)} distinct values"


def _codes(labels: set[Any]) -> bool:
    """Whether numbers may be codes of classes: any two of them, or whole ones."""
    return len(labels) == 2 or all(float(label).is_integer() for label in labels)


def _takes_labels(loss: Loss) -> bool:
    domain = loss.y_domain
    return domain == LABELS or (not isinstance(domain, str) and len(domain) == 2)


def codec_of(found: Look, loss: Loss) -> LabelCodec | None:
    """How the loss takes the labels that were found; None where they are too many to know.

    Raises
    ------
    InputError
        If they are too few or too many for the loss.
    """
    if _takes_labels(loss) and found.labels is None:
        return None
    text = any(isinstance(label, str) for label in found.labels or ())
    labels = np.array(sorted(found.labels or ()), dtype=object if text else None)
    return LabelCodec.learn(loss, labels)


def check_test(test: TestTable, target: str, found: Look, codec: LabelCodec | None) -> None:
    """Refuse a category or a target of TEST that the model will not know, before it is fitted."""
    for name, known in found.categories.items():
        for row, value in enumerate(test.X.column(name).to_pylist()):
            if value not in known:
                told = listed([repr(v) for v in sorted(known, key=str)])
                raise InputError(
                    f"column {name!r} of {test.path} holds {value!r} in row {row}, which no "
                    f"training row does: there are {told}"
                )
    if codec is not None:
        codec.encode(test.y, len(test), f"{target!r} of {test.path}")
