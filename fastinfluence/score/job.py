"""A whole scoring job: look, fit, score, rank."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from fastinfluence.fit import FitStatus
from fastinfluence.influence import Influence
from fastinfluence.labels import LabelCodec
from fastinfluence.rows.base import available_threads
from fastinfluence.score.bar import Display
from fastinfluence.score.folder import Fitted, Folder, refuse_changed
from fastinfluence.score.look import check_test, chosen_loss, codec_of, look
from fastinfluence.score.memory import Room, room
from fastinfluence.score.options import REMOVAL, SELF, Options
from fastinfluence.score.tables import TestTable, read_test, train_table
from fastinfluence.score.top import as_table, from_scores, ids_from_scores, ids_from_table, kinds
from fastinfluence.sinks import ParquetScores, ParquetSink, Sink, TopK, TopKResult
from fastinfluence.solvers import CG, Direct, Solver
from fastinfluence.spec.models import GLM
from fastinfluence.types import IntArray

_SOLVERS: dict[str, Solver | str] = {"auto": "auto", "direct": Direct(), "cg": CG()}

ROWS = "rows_per_part"


@dataclass(frozen=True)
class Job:
    """What is to be scored, all of it checked.

    Attributes
    ----------
    options : Options
    room : Room
        TRAIN, and what memory and threads there are for it.
    test : TestTable or None
        None for self-influence.
    spec : GLM
    reason : str
        Why this loss.
    codec : LabelCodec or None
        The labels, where the loss takes any.
    n_rows : int
    """

    options: Options
    room: Room
    test: TestTable | None
    spec: GLM
    reason: str
    codec: LabelCodec | None
    n_rows: int


@dataclass(frozen=True)
class Done:
    """What a job found.

    Attributes
    ----------
    job : Job
    n_params : int
    fit : FitStatus
    resumed : bool
        Whether the fit was there already.
    top : TopKResult
    table : pyarrow.Table
        The same as it is written.
    """

    job: Job
    n_params: int
    fit: FitStatus
    resumed: bool
    top: TopKResult
    table: pa.Table


def prepare(
    train: str,
    test: str | None,
    options: Options,
    delimiter: str | None,
    writes: bool,
    display: Display,
) -> Job:
    """Read what is small and look at what is large; ``writes`` tells whether scores go to files.

    Raises
    ------
    InputError
        For every mistake that can be seen before the model is fitted.
    """
    display.stage("looking at the tables")
    table = train_table(train, options, delimiter)
    asked = None if test is None else read_test(test, table, delimiter)
    found = look(table, display)
    loss, reason = chosen_loss(table, found, options)
    codec = codec_of(found, loss)
    if asked is not None:
        check_test(asked, options.target, found, codec)
    l2 = 1.0 / found.n_rows if options.l2 is None else options.l2
    spec = GLM(loss, l2=l2, fit_intercept=options.intercept)
    threads = options.threads or available_threads()
    n_tests = 0 if not writes else 1 if asked is None else len(asked)
    place = room(table, options.max_memory, threads, n_tests)
    return Job(options, place, asked, spec, reason, codec, found.n_rows)


def run(job: Job, folder: Folder | None, display: Display) -> Done:
    """Fit, unless that was done before, then score and rank; into a folder where there is one."""
    with ExitStack() as stack:
        if folder is not None:
            stack.enter_context(folder.opened())
        saved = None if folder is None else folder.saved()
        infl = _fitted(job, saved, folder, display)
        fit = infl.fit_status if saved is None else saved.status
        assert fit is not None, "a model that was fitted says how"
        if folder is None:
            top, scores = _score(job, infl, TopK(job.options.top), display), None
        else:
            scores = _score(job, infl, _sink(job, saved, folder), display)
            sign = 1.0 if job.options.effect == REMOVAL else -1.0
            display.stage("ranking")
            top = from_scores(scores, job.options.top, sign, display)
        table = _table(job, top, scores)
        if folder is not None:
            folder.write_top(table)
    return Done(job, len(infl.theta), fit, saved is not None, top, table)


def _fitted(job: Job, saved: Fitted | None, folder: Folder | None, display: Display) -> Influence:
    options = job.options
    settings: dict[str, Any] = {
        "solver": _SOLVERS[options.solver],
        "damping": options.damping,
        "n_threads": job.room.threads,
        "progress": display,
    }
    about = {**options.of_model(), "loss": job.spec.loss.name, "l2": job.spec.l2}
    display.stage("checking every row")
    if saved is None:
        infl = Influence.fit(job.spec, job.room.table, **settings)
        assert infl.fit_status is not None, "a model that was fitted says how"
        if folder is not None:
            display.stage("taking fingerprints")
            about |= {"data": _fingerprint(infl), ROWS: job.room.rows_per_part}
            folder.save(Fitted(infl.theta, infl.fit_status, about))
        return infl
    assert folder is not None, "what was saved lies in a folder"
    refuse_changed(about, saved.about, folder.path)
    infl = Influence(job.spec, job.room.table, theta=saved.theta, **settings)
    display.stage("comparing fingerprints")
    refuse_changed({"data": _fingerprint(infl)}, saved.about, folder.path)
    return infl


def _fingerprint(infl: Influence) -> str:
    """Of everything that the model was fitted to; a pass over the rows."""
    return infl._problem.fingerprints()["X"]


def _sink(job: Job, saved: Fitted | None, folder: Folder) -> ParquetSink:
    """All scores, in the parts in which they were begun."""
    rows = job.room.rows_per_part if saved is None else int(saved.about[ROWS])
    return ParquetSink(folder.scores, folder.resume, rows)


def _score(job: Job, infl: Influence, sink: Sink[Any], display: Display) -> Any:
    test, effect = job.test, job.options.effect
    display.stage("solving")
    if test is None:
        return infl.self_influence(effect=effect, out=sink)
    return infl.on_loss(test.X, test.y, effect=effect, out=sink, offset_test=test.offset)


def _table(job: Job, top: TopKResult, scores: ParquetScores | None) -> pa.Table:
    of_self = job.options.quantity == SELF
    names: dict[int, Any] = {}
    if job.options.id is not None:
        lists = [ranking.rows for _, ranking in kinds(top, of_self)]
        rows: IntArray = np.unique(np.concatenate(lists))
        ids = (
            ids_from_table(job.room.table, rows)
            if scores is None
            else ids_from_scores(scores, rows)
        )
        names = dict(zip(rows.tolist(), ids.to_pylist(), strict=True))
    return as_table(top, of_self, names, None if job.test is None else job.test.ids)
