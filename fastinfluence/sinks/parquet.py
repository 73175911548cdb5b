"""Scores written to a Parquet dataset, part by part, as they stream past."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np

from fastinfluence.errors import InputError, StorageError, UnsupportedError
from fastinfluence.files import FolderLock, utf8_path, whole_file
from fastinfluence.inputs import positive_count
from fastinfluence.sinks.base import Collector
from fastinfluence.sinks.dataset import ParquetScores
from fastinfluence.sinks.folder import begin, refuse_taken
from fastinfluence.sinks.ids import fingerprint_of_ids, ids_of
from fastinfluence.sinks.memory import final_scores
from fastinfluence.sinks.plan import Plan, default_cuts
from fastinfluence.sinks.question import Question
from fastinfluence.types import FloatArray

ROW_GROUP = 1 << 17
"""Rows of a part that can be read without the others. Their scores are stored as they are: digits
of such numbers hardly repeat, so that compressing them saves a tenth and takes twice the time."""


@dataclass(frozen=True)
class ParquetSink:
    """Write the scores to a folder of Parquet files: results as large as the data.

    Each file is a part, a fixed range of training rows. It gets its name once it is complete, so
    that a job which is killed leaves whole parts, and ``resume=True`` goes on from them: the
    dataset is then the same, byte for byte, as one written without a break.

    Columns are ``row`` (position in the training table), ``id`` (the table's own row labels,
    where it has other ones than positions), and a float64 for each quantity asked about:
    ``score`` for one, ``score_0`` … for several, ``score_0_<class>`` … for predictions of several
    classes. ``_manifest.json`` holds the effect and its sign, the settings, and fingerprints of all
    that the scores were computed from.

    Needs pyarrow: ``pip install 'fastinfluence[parquet]'``.

    Parameters
    ----------
    path : str or path
        The folder; made where there is none.
    resume : bool, default False
        Go on with the parts that the folder holds; where it holds nothing, begin. False refuses
        a folder that is not empty.
    rows_per_part : int, optional
        By default what makes parts of at most 32 MiB of scores, and of 2²⁰ rows.

    Notes
    -----
    The scores of one part wait in memory: 8 (t + 1) bytes for each of its rows.
    """

    path: str | os.PathLike[str]
    resume: bool = False
    rows_per_part: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.path, (str, os.PathLike)):
            raise InputError(f"path={self.path!r} must be the path of a folder")
        if self.rows_per_part is not None:
            positive_count(self.rows_per_part, "rows_per_part")

    def check(self) -> None:
        """What can be refused before anything is computed."""
        try:
            import pyarrow.parquet  # noqa: F401 - whether it is there
        except ImportError as error:
            raise UnsupportedError(
                "a ParquetSink needs pyarrow: pip install 'fastinfluence[parquet]'"
            ) from error
        refuse_taken(Path(utf8_path(self.path)), self.resume)

    def about(self, question: Question) -> ParquetQuestion:
        """The sink for one question, which can be opened."""
        return ParquetQuestion(self, question)

    def open(self, n_tests: int, n_rows: int, sign: float) -> NoReturn:
        """Refused: what is asked must be known, see :meth:`about`."""
        raise UnsupportedError(
            "a ParquetSink must know what is asked: pass it as out= to a method of Influence"
        )


@dataclass(frozen=True)
class ParquetQuestion:
    """A :class:`ParquetSink` that knows what its scores are."""

    sink: ParquetSink
    question: Question

    def open(self, n_tests: int, n_rows: int, sign: float) -> _Parts:
        """Write the manifest, or compare with the one that is there."""
        self.sink.check()
        question = self.question
        ids = ids_of(question.problem.labels, n_rows) if question.id_type is None else None
        within = question.cuts or (0, n_rows)
        cuts = default_cuts(within, n_tests, self.sink.rows_per_part)
        described = None
        if ids is not None:
            described = str(ids.type), fingerprint_of_ids(ids)
        elif question.id_type is not None:  # the source's own fingerprint holds them
            described = str(question.id_type), ""
        plan = Plan.of(question, n_tests, n_rows, cuts, described)
        folder = Path(self.sink.path)
        lock, done = begin(folder, plan, self.sink.resume)
        return _Parts(folder, plan, ids, question.id_type, done, lock)


class _Part:
    """The scores of a part as they come: (t, rows), and which rows have come."""

    def __init__(self, n_tests: int, start: int, stop: int) -> None:
        self.start = start
        self.scores = np.empty((n_tests, stop - start))
        self.there = np.zeros(stop - start, dtype=bool)
        self.ids: dict[int, Any] = {}

    def take(self, start: int, scores: FloatArray) -> None:
        """Scores of consecutive rows, some of which may lie outside of the part."""
        first = max(start, self.start)
        last = min(start + scores.shape[1], self.start + len(self.there))
        mine = slice(first - self.start, last - self.start)
        self.scores[:, mine] = scores[:, first - start : last - start]
        self.there[mine] = True

    def join(self, other: _Part) -> None:
        """What another process has of the same part."""
        self.scores[:, other.there] = other.scores[:, other.there]
        self.there |= other.there
        self.ids |= other.ids


class _Parts(Collector[ParquetScores]):
    """Writes a part as soon as it is complete.

    A pickled copy may write parts too: the lock stays with the one that was opened.
    """

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        ids: Any,
        id_type: Any,
        done: set[int],
        lock: FolderLock | None,
    ) -> None:
        self._folder, self._plan, self._done, self._lock = folder, plan, done, lock
        self._ids, self._id_type = ids, id_type
        self._open: dict[int, _Part] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None}

    def wanted(self, start: int, stop: int) -> bool:
        return any(part not in self._done for part in self._plan.parts_of(start, stop))

    def name_rows(self, start: int, ids: Any) -> None:
        import pyarrow as pa

        names = pa.array(ids, type=self._id_type)
        for part, held in self._missing(start, start + len(names)):
            first = max(start, held.start)
            last = min(start + len(names), self._plan.rows(part)[1])
            held.ids[first] = names[first - start : last - start]

    def add(self, start: int, raw: FloatArray, shift: FloatArray, scale: FloatArray) -> None:
        scores = final_scores(raw, shift, scale)
        for part, held in self._missing(start, start + scores.shape[1]):
            held.take(start, scores)
            self._write_if_complete(part)

    def merge(self, other: Self) -> None:
        self._done |= other._done
        for part, theirs in other._open.items():
            if part in self._open and part not in self._done:
                self._open[part].join(theirs)
            elif part not in self._done:
                self._open[part] = theirs
        for part in list(self._open):
            self._write_if_complete(part)

    def result(self) -> ParquetScores:
        self.close()
        return ParquetScores.open(self._folder)

    def close(self) -> None:
        self._open.clear()
        if self._lock is not None:
            self._lock.release()

    def _missing(self, start: int, stop: int) -> list[tuple[int, _Part]]:
        """The parts with some of these rows that are not written yet."""
        for part in self._plan.parts_of(start, stop):
            if part not in self._done and part not in self._open:
                self._open[part] = _Part(len(self._plan.scores), *self._plan.rows(part))
        wanted = self._plan.parts_of(start, stop)
        return [(part, self._open[part]) for part in wanted if part in self._open]

    def _write_if_complete(self, part: int) -> None:
        if part in self._done:
            self._open.pop(part, None)
        elif self._open[part].there.all():
            self._write(part, self._open.pop(part))
            self._done.add(part)

    def _write(self, part: int, held: _Part) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        start, stop = self._plan.rows(part)
        columns = {"row": pa.array(np.arange(start, stop, dtype=np.int64))}
        if self._id_type is not None:
            named = [held.ids[at] for at in sorted(held.ids)]
            columns["id"] = pa.concat_arrays(named)
        elif self._ids is not None:
            columns["id"] = self._ids[start:stop]
        columns |= dict(zip(self._plan.scores, map(pa.array, held.scores), strict=True))
        table = pa.table(columns, metadata={b"fastinfluence": self._plan.stamp})
        try:
            with whole_file(self._folder / self._plan.file_name(part)) as file:
                pq.write_table(
                    table,
                    file,
                    row_group_size=ROW_GROUP,
                    compression={name: "zstd" if name == "id" else "none" for name in columns},
                    use_dictionary=["id"] if "id" in columns else False,
                    column_encoding={"row": "DELTA_BINARY_PACKED"},
                )
        except StorageError as error:
            raise StorageError(
                f"{error}; the parts that are complete stay, and resume=True goes on from them"
            ) from error
