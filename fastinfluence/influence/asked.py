"""Where scores go: the caller's ``out=``, checked and told what it is asked to collect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from fastinfluence.backend import CPU, told
from fastinfluence.errors import InputError
from fastinfluence.influence.base import InfluenceBase
from fastinfluence.sinks import ParquetSink, PerOutput, Question, Sink
from fastinfluence.solvers import Solver
from fastinfluence.streaming import stream_of
from fastinfluence.types import Effect, FloatArray

T = TypeVar("T")
P = ParamSpec("P")


def asks(method: Callable[P, T]) -> Callable[P, T]:
    """A question: memory that ends on a device while it is answered is one error that says so."""

    @wraps(method)
    def asked(*args: P.args, **kwargs: P.kwargs) -> T:
        infl: Any = args[0]
        backend = infl._passes.problem.backend
        if backend is CPU:
            return method(*args, **kwargs)
        with told(backend, f"{method.__name__}()"):
            return method(*args, **kwargs)

    return asked


def checked_sink(out: Sink[Any] | None) -> Sink[Any] | None:
    """The sink, or InputError where ``out`` is none or cannot be used."""
    if out is not None and (isinstance(out, type) or not hasattr(out, "open")):
        raise InputError(
            f"out={out!r} is not a sink: use fi.TopK(10), fi.Total(), fi.ParquetSink(path) or None"
        )
    if isinstance(out, ParquetSink):
        out.check()
    return out


def asked_of(
    infl: InfluenceBase,
    sink: Sink[Any],
    method: str,
    effect: Effect,
    S: FloatArray | None = None,
    direct: FloatArray | None = None,
    K: int = 1,
) -> Sink[Any]:
    """The sink for one question, with K scores for each row and test row."""
    if not isinstance(sink, ParquetSink):
        return PerOutput(sink, K) if K > 1 else sink
    problem, settings = infl._problem, infl._settings
    stream = stream_of(problem)
    question = Question(
        problem=problem,
        theta=infl.theta,
        method=method,
        effect=effect,
        settings={
            "solver": _told(infl._choice.solver),
            "damping": settings.damping,
            "curvature": settings.curvature,
        },
        S=S,
        direct=direct,
        outputs=problem.output_names if K > 1 else (),
        cuts=None if stream is None else stream.cuts,
        id_type=None if stream is None else stream.source.id_type,
    )
    return sink.about(question)


def _told(solver: Solver) -> str:
    """The solver in words that are the same in another process."""
    return repr(solver) if is_dataclass(solver) else type(solver).__qualname__
