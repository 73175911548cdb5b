"""The folder of a job: the fitted model, all scores, and the strongest rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from fastinfluence.archive import read_archive, telling_damage, write_archive
from fastinfluence.errors import InputError
from fastinfluence.files import FolderLock, storage_errors, unfinished, whole_file
from fastinfluence.fit import FitStatus
from fastinfluence.types import FloatArray

SCORES, MODEL, TOP = "scores", "model.npz", "top"
KIND = "score"
FORMAT = 1
"""Raised whenever older versions could not read what newer ones write."""


@dataclass(frozen=True)
class Fitted:
    """A fit that need not be made again.

    Attributes
    ----------
    theta : ndarray, shape (p,)
    status : FitStatus
    about : dict
        What it was made with: options, the loss, fingerprints of the data.
    """

    theta: FloatArray
    status: FitStatus
    about: dict[str, Any]


@dataclass(frozen=True)
class Folder:
    """Where a job writes.

    Attributes
    ----------
    path : Path
    resume : bool
        Whether to go on with what is there.
    top_suffix : str
        ``.parquet`` or ``.csv``.
    """

    path: Path
    resume: bool
    top_suffix: str

    @property
    def scores(self) -> Path:
        """The dataset of all scores, a folder."""
        return self.path / SCORES

    @property
    def model(self) -> Path:
        """The fitted model."""
        return self.path / MODEL

    @property
    def top(self) -> Path:
        """The table of the strongest rows."""
        return self.path / f"{TOP}{self.top_suffix}"

    def check(self) -> None:
        """Refuse what must not be written to, before anything is read.

        Raises
        ------
        InputError
            For a folder that is not empty and not to be resumed, or that holds something else.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"--out {self.path} is a file: name a folder")
        there = {path.name for path in self._entries()}
        if there and not self.resume:
            raise InputError(
                f"--out {self.path} is not empty, and nothing is overwritten: --resume goes on "
                "with the job that it holds; or name another folder"
            )
        strange = there - {SCORES, MODEL, *(f"{TOP}{suffix}" for suffix in (".parquet", ".csv"))}
        if strange or (there and MODEL not in there):
            raise InputError(
                f"--out {self.path} holds no job to go on with"
                + (f", but {sorted(strange)[0]}" if strange else "")
                + ": name another folder"
            )

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The right to write to the folder, which is made where there is none."""
        with storage_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(self.path)
        try:
            self.check()  # nobody else writes from here on
            for path in unfinished(self.path, (MODEL, f"{TOP}.*")):
                path.unlink(missing_ok=True)
            yield
        finally:
            lock.release()

    def _entries(self) -> list[Path]:
        if not self.path.is_dir():
            return []
        with storage_errors(self.path):
            passing = {self.path / FolderLock.NAME, *unfinished(self.path, (MODEL, f"{TOP}.*"))}
            return [path for path in self.path.iterdir() if path not in passing]

    # -- its files -----------------------------------------------------------------------

    def save(self, fitted: Fitted) -> None:
        """Write the model, whole."""
        document = {
            "kind": KIND,
            "format": FORMAT,
            "library": version("fastinfluence"),
            "fit": vars(fitted.status),
            "about": fitted.about,
        }
        write_archive(self.model, document, {"theta": fitted.theta})

    def write_top(self, table: pa.Table) -> None:
        """Write the table of the strongest rows, whole."""
        with whole_file(self.top) as file:
            if self.top_suffix == ".csv":
                pa.csv.write_csv(table, file)
            else:
                pa.parquet.write_table(table, file)

    def saved(self) -> Fitted | None:
        """The model that is there; InputError where it cannot be read."""
        if not self.model.exists():
            return None
        found = read_archive(self.model, KIND, FORMAT)
        with telling_damage(self.model):
            document = found.document
            status = FitStatus(**document["fit"])
            return Fitted(found.arrays["theta"], status, document["about"])


def refuse_changed(now: dict[str, Any], then: dict[str, Any], folder: Path) -> None:
    """InputError naming the options, or the data, in which a job differs from its beginning."""
    told = [
        _told(name, then.get(name), value) for name, value in now.items() if then.get(name) != value
    ]
    if told:
        raise InputError(
            f"--out {folder} cannot be resumed, because these have changed since it was begun: "
            f"{', '.join(told)}. Give what it was begun with, or name another folder"
        )


def _told(name: str, then: Any, now: Any) -> str:
    if name == "data":
        return "the training rows"
    if name in ("features", "drop"):
        return f"--{name}"
    return f"--{name} (was {then}, is {now})"
