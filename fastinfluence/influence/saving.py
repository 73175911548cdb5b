"""A model and what was worked out for it, saved to a file."""

from __future__ import annotations

import os
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from fastinfluence.archive import write_archive
from fastinfluence.errors import UnsupportedError
from fastinfluence.influence.base import InfluenceBase
from fastinfluence.labels import LabelCodec
from fastinfluence.problem import Problem
from fastinfluence.solvers.document import solver_document
from fastinfluence.solvers.state import state_of
from fastinfluence.spec.document import loss_document, spec_document
from fastinfluence.streaming import stream_of

KIND = "Influence"
FORMAT = 1
"""Raised whenever older versions of the library could not read what newer ones write."""
PREPARED = "prepared."
"""Before the names of a prepared solver's arrays."""
PLAIN = "biufSUMm"
"""Kinds of NumPy types that a file holds as they are."""

Arrays = dict[str, np.ndarray[Any, Any]]


class Saving(InfluenceBase):
    """Saving to a file, for :func:`fastinfluence.load`."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the model for ``fi.load(path, X, y)``.

        The file holds theta, the spec, labels and column names, the solver, what it has worked
        out so far (a factor, a preconditioner), how the fit ended, and fingerprints of the data; no
        rows, and nothing that is run when it is loaded. A file of that name is replaced once the
        new one is complete. A factor takes 16 p² bytes.

        Parameters
        ----------
        path : str or path
            Of the file, in NumPy's ``.npz`` format whatever its name.

        Raises
        ------
        UnsupportedError
            Where the model is made of functions of others: an oracle or a torch module, the first
            steps of a Pipeline, a kernel, a formula, a solver of your own.
        StorageError
            If the file cannot be written.
        """
        problem = self._problem
        _refuse_functions(problem)
        arrays: Arrays = {"theta": self.theta}
        document = {
            "kind": KIND,
            "format": FORMAT,
            "library": version("fastinfluence"),
            "shape": [problem.n_rows, problem.rows.n_features],
            "fingerprints": problem.fingerprints(),
            **_model(problem, arrays),
            **_settings(self),
            **_worked_out(self, arrays),
            "fit_status": None if self.fit_status is None else asdict(self.fit_status),
        }
        write_archive(Path(path), document, arrays)


def _refuse_functions(problem: Problem) -> None:
    stream = stream_of(problem)
    if stream is not None and (len(stream.silenced) or stream.changed):
        raise UnsupportedError(
            "this model leaves out or replaces rows of a streamed table, which no table to load it "
            "with would show: save the model of all rows and call without(rows) again, or write "
            "the weights to a column"
        )
    made = problem.transform is not None and stream_of(problem) is None  # of a table: read again
    if made or problem.active is not None:
        raise UnsupportedError(
            "this model turns the rows that it is given into other columns (the first steps of a "
            "Pipeline, a kernel, a formula, an l1 penalty's choice) by functions that cannot be "
            "saved: save the estimator, and wrap it again with from_estimator"
        )


def _model(problem: Problem, arrays: Arrays) -> dict[str, Any]:
    sharp = problem.sharp_loss
    return {
        "spec": spec_document(problem.spec),
        "sharp_loss": None if sharp is None else loss_document(sharp),
        "codec": _codec(problem, arrays),
        "feature_names": list(problem.feature_names),
        "named": problem.named,
        "frequency_weights": problem.frequency_weights,
    }


def _codec(problem: Problem, arrays: Arrays) -> dict[str, Any]:
    codec = problem.codec
    assert isinstance(codec, LabelCodec), "an oracle was refused before"
    classes: str | list[Any] | None = None
    if codec.classes is not None and codec.classes.dtype.kind in PLAIN:
        classes, arrays["classes"] = "array", codec.classes
    elif codec.classes is not None:
        classes = codec.classes.tolist()
        odd = [label for label in classes if not isinstance(label, (str, int, float))]
        if odd:
            raise UnsupportedError(
                f"the label {odd[0]!r} is a {type(odd[0]).__name__}, which cannot be saved: use "
                "text or numbers as labels"
            )
    return {"classes": classes, "values": list(codec.values), "columns": codec.columns}


def _settings(infl: InfluenceBase) -> dict[str, Any]:
    settings = infl._settings
    solver = settings.solver
    return {
        "solver": solver if isinstance(solver, str) else solver_document(solver),
        "damping": settings.damping,
        "curvature": settings.curvature,
    }


def _worked_out(infl: InfluenceBase, arrays: Arrays) -> dict[str, Any]:
    """The solver's choice and state, as far as any question has needed them."""
    known = vars(infl)
    out: dict[str, Any] = {"choice": None, "prepared": None}
    if "_choice" in known:
        choice = infl._choice
        out["choice"] = {**vars(choice), "solver": solver_document(choice.solver)}
    state = state_of(infl._prepared) if "_prepared" in known else None
    if state is not None:
        out["prepared"] = {"kind": state.kind, "numbers": state.numbers}
        arrays.update({PREPARED + name: array for name, array in state.arrays.items()})
    return out
