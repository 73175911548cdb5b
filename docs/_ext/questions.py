"""Small models of every kind, and every question of one: what `support.py` makes its tables of."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

import fastinfluence as fi

N, D, T = 60, 3, 4
ROWS = [3, 17]


class Table(NamedTuple):
    """A small table, the same numbers for every kind of rows."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


class Asked(NamedTuple):
    """A model, and what it is asked with."""

    infl: fi.Influence
    X_test: Any
    y_test: np.ndarray


class Kind(NamedTuple):
    """A column: how its model is made, and where its tests are, the most telling first."""

    make: Callable[[Any], Asked]
    tests: tuple[str, ...]


@cache
def table(classes: int = 2) -> Table:
    """Some rows whose labels depend on the first two columns."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N + T, D)).round(2)
    noise = rng.logistic(size=N + T)
    y = (X[:, 0] - X[:, 1] + noise > 0).astype(int)
    if classes == 3:
        y = y + (X[:, 2] + rng.logistic(size=N + T) > 1)
    y[N : N + classes] = range(classes)  # every class is asked about
    return Table(X[:N], y[:N], X[N:], y[N:])


LINEAR = fi.GLM("squared", l2=0.1)


def of_arrays(spec: Any, classes: int = 2, **options: Any) -> Asked:
    """A fitted model of arrays."""
    rows = table(classes)
    infl = fi.Influence.fit(spec, rows.X, rows.y, **options)
    return Asked(infl, rows.X_test, rows.y_test)


@cache
def theta() -> np.ndarray:
    """The optimum that every kind of rows is asked at."""
    return np.array(of_arrays(LINEAR).infl.theta)


def of_sparse(solver: Any) -> Asked:
    """The linear model of compressed sparse rows."""
    rows = table()
    X, X_test = sparse.csr_array(rows.X), sparse.csr_array(rows.X_test)
    infl = fi.Influence(LINEAR, X, rows.y, theta(), solver=solver)
    return Asked(infl, X_test, rows.y_test)


def of_stream(solver: Any) -> Asked:
    """The linear model of a table that is streamed."""
    rows = table()
    infl = fi.Influence(LINEAR, fi.rows.arrays(rows.X, rows.y), theta=theta(), solver=solver)
    return Asked(infl, rows.X_test, rows.y_test)


def of_dask(solver: Any) -> Asked:
    """The linear model of Dask arrays, computed by Dask's own threads."""
    from dask import array

    rows = table()
    X, y = (array.from_array(part, chunks=(20, *part.shape[1:])) for part in rows[:2])
    infl = fi.Influence(LINEAR, fi.rows.dask(X, y), theta=theta(), solver=solver)
    return Asked(infl, rows.X_test, rows.y_test)


def of_oracle(solver: Any) -> Asked:
    """The linear model through callables."""
    rows = table()
    infl = fi.Influence(oracle(), rows.X, rows.y, theta(), solver=solver)
    return Asked(infl, rows.X_test, rows.y_test)


def oracle() -> fi.Oracle:
    """Least squares, by hand."""

    def ones(theta: Any, X: Any) -> Any:
        return np.c_[X, np.ones(len(X))]

    def f(theta: Any, X: Any) -> Any:
        return ones(theta, X) @ theta

    return fi.Oracle(
        lambda theta, X, y: (f(theta, X) - y)[:, None] * ones(theta, X),
        lambda theta, X, y, V: ones(theta, X).T @ (ones(theta, X) @ V),
        loss=lambda theta, X, y: (f(theta, X) - y) ** 2 / 2,
        prediction=f,
        prediction_gradient=ones,
        mixed_vjp=lambda theta, X, y, s: (
            np.outer(ones(theta, X) @ s, theta[:-1]) + np.outer(f(theta, X) - y, s[:-1])
        ),
        l2=[0.1] * D + [0.0],
    )


def _by_solver(spec: Any, classes: int = 2) -> Callable[[Any], Asked]:
    return lambda solver: of_arrays(spec, classes, solver=solver)


GLMS = (
    "influence/test_scores",
    "influence/test_operator",
    "diagnostics",
    "removal",
    "subsets/test_amip",
    "subsets",
    "perturbation",
    "functions/test_targets",
    "influence",
    "persistence/test_round_trip",
)
MODELS: dict[str, Kind] = {
    "`GLM`, one prediction": Kind(_by_solver(LINEAR), GLMS),
    '`GLM("multinomial")`': Kind(
        _by_solver(fi.GLM("multinomial", l2=0.1), 3),
        (
            "multinomial/test_scores",
            "multinomial/test_removal",
            "multinomial",
            "persistence/test_round",
        ),
    ),
    "`MLP`": Kind(
        _by_solver(fi.MLP(hidden=(2,), activation="tanh", loss="logistic", l2=0.05)),
        ("mlp/test_scores", "mlp", "functions/test_targets", "persistence/test_round"),
    ),
    "`Oracle`": Kind(of_oracle, ("oracle/test_oracle", "oracle", "functions/test_oracle_targets")),
}
STORAGES: dict[str, Kind] = {
    "sparse": Kind(of_sparse, ("rows/test_sparse_is_dense", "rows/test_sparse")),
    "streamed": Kind(
        of_stream,
        (
            "rows/test_streamed_glm",
            "rows/test_streamed_stat",
            "rows/test_streamed_removal",
            "rows/test_streamed_kinds",
            "persistence/test_streamed",
            "rows/test_streamed",
        ),
    ),
    "Dask": Kind(of_dask, ("rows/test_dask_agrees", "rows/test_dask.py", "rows/test_dask")),
}
DEVICE = ("cuda/test_path_methods", "cuda/test_path_scores", "cuda/test_path")


def _changed(asked: Asked) -> tuple[Any, Any]:
    return table().X[ROWS] + 0.5, asked.y_test[:2]


def _saved(asked: Asked) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        asked.infl.save(path)
        return path.stat().st_size > 0


QUESTIONS: dict[str, Callable[[Asked], Any]] = {
    "on_loss": lambda a: a.infl.on_loss(a.X_test, a.y_test),
    "on_prediction": lambda a: a.infl.on_prediction(a.X_test),
    "on_params": lambda a: a.infl.on_params(ROWS),
    "on_function": lambda a: a.infl.on_function(np.eye(len(a.infl.theta))[:1]),
    "self_influence": lambda a: a.infl.self_influence(),
    "ihvp": lambda a: a.infl.ihvp(np.eye(len(a.infl.theta))[:, :2]).x,
    "hessian": lambda a: a.infl.hessian.dense(),
    "value": lambda a: a.infl.value(fi.targets.coefficient(0)),
    "leave_one_out": lambda a: a.infl.leave_one_out(ROWS, method="exact").theta,
    "leave_group_out": lambda a: a.infl.leave_group_out([ROWS], method="exact").theta,
    "without": lambda a: a.infl.without(ROWS).theta,
    "validate": lambda a: a.infl.validate(a.X_test, a.y_test, rows=[1, 2, 3]).actual,
    "most_influential_subset": lambda a: (
        a.infl.most_influential_subset(fi.targets.coefficient(0), 3).actual
    ),
    "smallest_flip": lambda a: a.infl.smallest_flip(fi.targets.coefficient(0), steps=1).predicted,
    "replacement": lambda a: a.infl.replacement(ROWS, *_changed(a), a.X_test, a.y_test),
    "perturbation": lambda a: a.infl.perturbation(a.X_test, a.y_test, ROWS),
    "on_l2": lambda a: a.infl.on_l2(a.X_test, a.y_test, per_coefficient=True),
    "on_weights": lambda a: a.infl.on_weights(a.X_test, a.y_test),
    "diagnostics": lambda a: a.infl.diagnostics().cooks_distance,
    "cross_validation": lambda a: a.infl.cross_validation().loss,
    "prediction_interval": lambda a: a.infl.prediction_interval(a.X_test),
    "covariance": lambda a: a.infl.covariance(),
    "polish": lambda a: a.infl.polish().theta,
    "report": lambda a: a.infl.report().gradient_norm < 1e-6,
    "save": _saved,
}
SOLVERS: dict[str, Any] = {
    "Direct()": fi.solvers.Direct(),
    'Direct("dual")': fi.solvers.Direct("dual"),
    "CG()": fi.solvers.CG(tol=1e-10),
    "CG(preconditioner=Nystrom())": fi.solvers.CG(tol=1e-10, preconditioner=fi.solvers.Nystrom()),
    "LiSSA()": fi.solvers.LiSSA(depth=400, repeats=4),
    "LiSSA(scale=20)": fi.solvers.LiSSA(depth=400, repeats=4, scale=20.0),
    "self_influence(sketch=50)": None,
}


@cache
def model(kind: str, solver: str = "auto") -> Asked:
    """The model of a column."""
    made = {**MODELS, **STORAGES}[kind].make
    return made(SOLVERS.get(solver) or "auto")


@cache
def answer(kind: str, question: str) -> Any:
    """The answer to a question, or the message of the error that refused it."""
    return _attempt(lambda: QUESTIONS[question](model(kind)))


@cache
def solved(kind: str, solver: str) -> Any:
    """Scores by a solver, or the message of the error that refused it."""
    if SOLVERS[solver] is None:
        return _attempt(lambda: model(kind).infl.self_influence(sketch=50).values)

    def scores() -> Any:
        asked = model(kind, solver)
        return asked.infl.on_loss(asked.X_test, asked.y_test)

    return _attempt(scores)


def _attempt(ask: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        try:
            return ask()
        except fi.UnsupportedError as error:
            return str(error)
