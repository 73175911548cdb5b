"""What an audit may be told, and what the columns of its result mean."""

from __future__ import annotations

from dataclasses import dataclass

from fastinfluence.errors import InputError
from fastinfluence.inputs import non_negative, one_of, positive_count

TASKS = ("classify", "regress")

MEANING = {
    "row": "position of the row in the file; the first row of data is 0",
    "target": "the target, as in the file",
    "prediction": "by the model fitted to all rows: the probability of the positive class, or "
    "the predicted target in its own unit",
    "loss": "of that prediction: -log(probability of the row's class) in nats, or half the "
    "squared error in the target's unit squared",
    "self_influence": "predicted rise of the row's own loss when the row is left out of the fit, "
    "in the unit of the loss; large: the model fits the row only because it is there",
    "harm": "predicted fall of the summed loss of held-out rows when the row is left out, summed "
    "over the folds that the row trains in, in the unit of the loss; positive: without the row "
    "the others are predicted better",
}
"""Meaning, unit and sign of every column that an audit adds to a table."""


@dataclass(frozen=True)
class Options:
    """What to audit and how; checked when made.

    Attributes
    ----------
    target : str
        Column that the model predicts.
    drop : tuple of str
        Columns that the model must not see. They stay in the written table.
    category : tuple of str
        Columns of codes, to be read as categories and not as quantities.
    positive : str, optional
        The class whose probability is modelled, against all the others.
    task : {"classify", "regress"}, optional
        Logistic regression or least squares; by default what the target suggests.
    l2 : float, optional
        Ridge penalty, the coefficient of ½·theta² in the mean objective, intercept excluded.
        By default 1/n, which is C = 1 or alpha = 1 in scikit-learn.
    folds : int, default 5
        Parts of the table that take turns at being held out.
    max_categories : int, default 50
        Columns that one column of categories becomes at most; its rarest ones share a column.
    seed : int, default 0
        Of the deal of rows into folds.
    """

    target: str
    drop: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    positive: str | None = None
    task: str | None = None
    l2: float | None = None
    folds: int = 5
    max_categories: int = 50
    seed: int = 0

    def arguments(self) -> list[str]:
        """What the shell's commands are told for the same choices.

        Returns
        -------
        list of str
        """
        found = ["--target", self.target]
        for name in ("drop", "category"):
            for column in getattr(self, name):
                found += [f"--{name}", column]
        for name in ("positive", "task"):
            if getattr(self, name) is not None:
                found += [f"--{name}", getattr(self, name)]
        if self.l2 is not None:
            found += ["--l2", repr(self.l2)]
        for name in ("folds", "max_categories", "seed"):
            value = getattr(self, name)
            if value != type(self).__dataclass_fields__[name].default:
                found += [f"--{name.replace('_', '-')}", str(value)]
        return found

    def __post_init__(self) -> None:
        for name in ("drop", "category"):
            if isinstance(getattr(self, name), str):
                raise InputError(f"{name} must be a tuple of column names, not a text")
        if self.task is not None:
            one_of(self.task, TASKS, "task")
        if self.task == "regress" and self.positive is not None:
            raise InputError("positive names a class, and task='regress' has none: give one only")
        if self.l2 is not None and not non_negative(self.l2, "l2") > 0:
            raise InputError("l2 must be positive: every category has a column of its own")
        for name in ("folds", "max_categories"):
            if positive_count(getattr(self, name), name) < 2:
                raise InputError(f"{name} must be at least 2")
        if self.seed < 0:
            raise InputError(f"seed must not be negative, got {self.seed}")
