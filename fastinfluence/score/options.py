"""What a scoring job may be told, and what the columns of its result mean."""

from __future__ import annotations

from dataclasses import dataclass

from fastinfluence.errors import InputError
from fastinfluence.inputs import non_negative, one_of, positive_count
from fastinfluence.rows.memory import as_bytes
from fastinfluence.spec import families, losses
from fastinfluence.spec.loss import Loss
from fastinfluence.types import Effect

LOSS, SELF = "loss", "self"
QUANTITIES = (LOSS, SELF)
SOLVERS = ("auto", "direct", "cg")
REMOVAL: Effect = "removal"
EFFECTS: tuple[Effect, ...] = (REMOVAL, "upweight")
HELPFUL, HARMFUL = "helpful", "harmful"

MEANING = {
    "test_row": "position of the row in TEST; the first row of data is 0",
    "test_id": "the row's --id, where TEST has that column",
    "kind": "helpful: the loss of the test row is predicted to rise without the training row; "
    "harmful: to fall. The --top strongest of each kind are listed",
    "rank": "1 for the strongest of its kind, then 2, 3, …; equal scores go by row",
    "row": "position of the training row in TRAIN; the first row of data is 0",
    "id": "the training row's --id",
    "score": "--effect removal: predicted change of the loss of the test row, or with --quantity "
    "self of the training row itself, when the training row is left out of the fit, in the unit of "
    "the loss: positive means that the row helps. --effect upweight: derivative of that loss by "
    "an extra share of the total weight on the training row: negative means that the row helps",
}
"""Meaning, unit and sign of every column of the table of the strongest rows."""


@dataclass(frozen=True)
class Options:
    """What to score and how; checked when made.

    Attributes
    ----------
    target : str
        Column that the model predicts.
    features : tuple of str
        Columns that it predicts from; by default all that have no other role.
    drop : tuple of str
        Columns that are left out of the default.
    weight, offset, id : str, optional
        Columns of sample weights, of offsets, and of what names a row.
    loss : str, optional
        A name of ``fi.losses`` or ``fi.families``; by default what the target suggests.
    l2 : float, optional
        Ridge penalty, the coefficient of ½·theta² in the mean objective, intercept excluded; by
        default 1/n.
    intercept : bool, default True
    solver : {"auto", "direct", "cg"}
    damping : float, default 0
        Added to the curvature for the scores; it does not enter the fit.
    effect : {"removal", "upweight"}
    quantity : {"loss", "self"}
        What is scored: the loss of each test row, or each training row's effect on its own.
    top : int, default 10
        Rows listed at each end.
    threads : int, optional
        All processors by default.
    max_memory : int, default 2 GB
        Bytes that the whole process may hold.
    """

    target: str
    features: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    weight: str | None = None
    offset: str | None = None
    id: str | None = None
    loss: str | None = None
    l2: float | None = None
    intercept: bool = True
    solver: str = "auto"
    damping: float = 0.0
    effect: Effect = REMOVAL
    quantity: str = LOSS
    top: int = 10
    threads: int | None = None
    max_memory: int | str | None = None

    def __post_init__(self) -> None:
        one_of(self.solver, SOLVERS, "--solver")
        one_of(self.effect, EFFECTS, "--effect")
        one_of(self.quantity, QUANTITIES, "--quantity")
        non_negative(self.damping, "--damping")
        positive_count(self.top, "--top")
        if self.max_memory is not None:
            as_bytes(self.max_memory, "--max-memory")
        if self.l2 is not None:
            non_negative(self.l2, "--l2")
        if self.threads is not None:
            positive_count(self.threads, "--threads")
        if self.features and self.drop:
            raise InputError("--features says what the model sees: leave --drop out")
        if self.loss is not None:
            loss_of(self.loss)

    def of_model(self) -> dict[str, object]:
        """The options that the fitted model and its scores depend on, for a job that goes on."""
        free = ("top", "threads", "max_memory")  # they change no score
        told = {name: value for name, value in vars(self).items() if name not in free}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in told.items()}


def loss_of(name: str) -> Loss:
    """A loss by its name in ``fi.losses`` or ``fi.families``."""
    return families.make(name) if name in families.FAMILIES else losses.get(name)
