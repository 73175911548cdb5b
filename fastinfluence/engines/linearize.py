"""Which engine serves which model: the one place that knows."""

from __future__ import annotations

from fastinfluence.engines.base import Engine
from fastinfluence.engines.glm import GLMEngine
from fastinfluence.engines.mlp import MLPEngine
from fastinfluence.engines.multinomial import MultinomialEngine
from fastinfluence.engines.oracle import OracleEngine
from fastinfluence.engines.streamed_kinds import StreamedGLM, StreamedMLP, StreamedMultinomial
from fastinfluence.errors import UnsupportedError
from fastinfluence.problem import Problem
from fastinfluence.spec.mlp import MLP
from fastinfluence.spec.oracle import Oracle
from fastinfluence.streaming import stream_of
from fastinfluence.types import FloatArray


def linearize(problem: Problem, theta: FloatArray, curvature: str = "hessian") -> Engine:
    """The problem's model linearised at theta (p,); seen from the host where a device has it."""
    if stream_of(problem) is not None:
        return _streamed(problem, theta, curvature)
    if problem.device is not problem.backend:
        return _view(problem, theta, curvature)
    if isinstance(problem.spec, MLP):
        return MLPEngine(problem, theta, curvature)
    if isinstance(problem.spec, Oracle):
        return OracleEngine(problem, theta, curvature)
    if problem.spec.vector:
        return MultinomialEngine(problem, theta, curvature)
    return GLMEngine(problem, theta, curvature)


def _streamed(problem: Problem, theta: FloatArray, curvature: str) -> Engine:
    if isinstance(problem.spec, MLP):
        return StreamedMLP(problem, theta, curvature)
    if problem.spec.vector:
        return StreamedMultinomial(problem, theta, curvature)
    return StreamedGLM(problem, theta, curvature)


def _view(problem: Problem, theta: FloatArray, curvature: str) -> Engine:
    from fastinfluence.engines.host_view import GLMView, MLPView, MultinomialView

    if isinstance(problem.spec, MLP):
        return MLPView(problem, theta, curvature)
    kind = MultinomialView if problem.spec.vector else GLMView
    return kind(problem, theta, curvature)


def single_output(engine: Engine, what: str) -> GLMEngine:
    """The engine, where each row has one prediction; UnsupportedError naming what needs that."""
    if isinstance(engine, GLMEngine):
        return engine
    if isinstance(engine.problem.spec, (MLP, Oracle)):
        kind = "an MLP" if isinstance(engine.problem.spec, MLP) else "an oracle"
        raise UnsupportedError(
            f"{what} is defined for generalised linear models, not for {kind}: fit an fi.GLM, or "
            f"use leave_one_out() and on_prediction(), which {kind} answers"
        )
    raise UnsupportedError(
        f"{what} is defined for models of one prediction a row, not for the multinomial's one per "
        'class: ask it of one class against the rest, with fi.GLM("logistic")'
    )
