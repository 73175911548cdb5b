"""A saved model, met with its data again."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fastinfluence.archive import Archive, read_archive, telling_damage
from fastinfluence.errors import InputError
from fastinfluence.fit import FitStatus
from fastinfluence.influence.base import Settings
from fastinfluence.influence.facade import Influence
from fastinfluence.influence.saving import FORMAT, KIND, PREPARED
from fastinfluence.inputs import checked_theta, listed
from fastinfluence.labels import LabelCodec
from fastinfluence.problem import Problem
from fastinfluence.progress import Progress
from fastinfluence.removal import Refit, checked_refit
from fastinfluence.solvers.choose import Choice
from fastinfluence.solvers.document import solver_of
from fastinfluence.solvers.state import State, restored
from fastinfluence.spec.document import loss_of, spec_of
from fastinfluence.spec.loss import Loss
from fastinfluence.streaming import build


def load(
    path: str | os.PathLike[str],
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    offset: Any = None,
    device: str = "cpu",
    n_threads: int | None = None,
    progress: bool | Progress | None = None,
    refit: Refit | None = None,
    check: bool = True,
) -> Influence:
    """The Influence that :meth:`Influence.save` saved, with its training rows.

    What was worked out before it was saved (a factor, a preconditioner) is taken from the file.
    Nothing that the file holds is run: a loss of your own is parsed and checked again.

    Parameters
    ----------
    path : str or path
    X, y, sample_weight, offset : array_like
        The data that the model was made with, row by row. Their numbers must be the same, in the
        same precision; how they lie in memory does not matter. A table of ``fi.rows`` holds all
        four.
    device, n_threads, progress, refit
        As in :class:`Influence`; a file holds none of them.
    check : bool, default True
        Compare fingerprints of the data with the saved ones, which takes a pass over the rows.
        False compares the number of rows, the columns and their names alone.

    Returns
    -------
    Influence

    Raises
    ------
    InputError
        Where the data are others, naming which; where the file is damaged, cut off, none of this
        library's, or written by a newer version.
    """
    place = Path(path)
    saved = read_archive(place, KIND, FORMAT)
    with telling_damage(place):
        settings, spec = _settings(saved.document, progress), spec_of(saved.document["spec"])
        codec = _codec(saved, spec.loss)
    told = settings.progress
    problem = build(spec, X, y, sample_weight, offset, device, n_threads, told, codec)
    with telling_damage(place):
        problem = _as_saved(problem, saved.document, place)
        if check:
            _refuse_other_data(problem, saved.document["fingerprints"], place)
        p, d = problem.n_params, problem.rows.n_features
        theta = checked_theta(saved.arrays["theta"], p, d, problem.n_outputs)
        status = saved.document["fit_status"]
        trusted = None if refit is None else checked_refit(refit, p)
        out = Influence._of(
            problem, theta, settings, None if status is None else FitStatus(**status), trusted
        )
        _take_up(out, saved)
    return out


def _settings(document: dict[str, Any], progress: bool | Progress | None) -> Settings:
    solver = document["solver"]
    chosen = solver if isinstance(solver, str) else solver_of(solver)
    return Settings.of(chosen, document["damping"], document["curvature"], progress)


def _codec(saved: Archive, loss: Loss) -> LabelCodec:
    told = saved.document["codec"]
    classes = told["classes"]
    if classes == "array":
        classes = saved.arrays["classes"]
    elif classes is not None:
        classes = np.array(classes, dtype=object)
    values, columns = tuple(map(float, told["values"])), int(told["columns"])
    fitting = classes is None or (classes.ndim == 1 and len(classes) == len(values))
    if not fitting or columns < 1:
        raise ValueError("its classes do not fit together")
    return LabelCodec(loss, classes, values, columns)


def _as_saved(problem: Problem, document: dict[str, Any], path: Path) -> Problem:
    """The problem with what only the file knows of it; InputError where it is another table."""
    given = [problem.n_rows, problem.rows.n_features]
    if given != document["shape"]:
        raise InputError(
            f"X has {given[0]} rows of {given[1]} columns, but {path} was saved with "
            f"{document['shape'][0]} of {document['shape'][1]}"
        )
    names = tuple(map(str, document["feature_names"]))
    if len(names) != given[1]:
        raise ValueError(f"{len(names)} names of {given[1]} columns")
    if problem.named and document["named"] and problem.feature_names != names:
        pairs = zip(problem.feature_names, names, strict=True)
        told = [f"{new!r} where {old!r} was" for new, old in pairs if new != old]
        raise InputError(f"X has other columns than {path} was saved with: {listed(told)}")
    if document["named"]:
        problem = replace(problem, feature_names=names, named=True)
    sharp = document["sharp_loss"]
    return replace(
        problem,
        frequency_weights=bool(document["frequency_weights"]),
        sharp_loss=None if sharp is None else loss_of(sharp),
    )


def _refuse_other_data(problem: Problem, known: dict[str, str], path: Path) -> None:
    found = problem.fingerprints()
    if "X" in known and found.keys() != known.keys():
        raise InputError(
            f"{path} was saved from a streamed table or from arrays, and X is now the other: give "
            "rows of the same kind; check=False skips this comparison"
        )
    changed = [name for name in found if found[name] != known[name]]
    if changed:
        weights = " (class weights of an estimator count)" if "sample_weight" in changed else ""
        raise InputError(
            f"{path} was saved with other data: {' and '.join(changed)} differ{weights}. Give the "
            "same rows in the same order and precision; check=False skips this comparison"
        )


def _take_up(infl: Influence, saved: Archive) -> None:
    """The solver's choice and state, as they were worked out before."""
    choice, known = saved.document["choice"], saved.document["prepared"]
    if choice is not None:
        infl._choice = Choice(**{**choice, "solver": solver_of(choice["solver"])})
    if known is not None:
        own = {
            n.removeprefix(PREPARED): a for n, a in saved.arrays.items() if n.startswith(PREPARED)
        }
        state = State(known["kind"], known["numbers"], own)
        infl._prepared = restored(infl._choice.solver, infl.hessian, state)
        infl._warn_about_null_space(infl._prepared)
