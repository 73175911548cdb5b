"""One call of every public function and method, by name, each with a World to ask about."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from embedding.surface import members
from embedding.world import World

import fastinfluence as fi
from fastinfluence import audit, plots


def saved(w: World) -> Path:
    w.infl.save(w.folder / "model.npz")
    return w.folder / "model.npz"


def read_all(result: Any) -> None:
    """Read what a result works out when it is asked."""
    for name, value in members(type(result)).items():
        if isinstance(value, property | cached_property):
            getattr(result, name)
    str(result)


def every(w: World, spec: Any) -> None:
    """Ask a spec for all that it tells about theta."""
    spec.n_params(3, 1), spec.param_names(("a", "b", "c")), spec.takes_vectors, spec.vector
    spec.l2_vector(3, 1), spec.shared_l2(3, 1), spec.gauge_start(3, 1)


INFLUENCE = {
    "Influence": lambda w: fi.Influence(w.spec, w.X, w.y, w.infl.theta),
    "Influence.fit": lambda w: fi.Influence.fit(w.spec, w.X, w.y),
    "Influence.from_estimator": lambda w: fi.Influence.from_estimator(w.fitted, w.X, w.y),
    "Influence.from_torch": lambda w: w.torch(),
    "Influence.covariance": lambda w: w.infl.covariance(),
    "Influence.cross_validation": lambda w: w.infl.cross_validation("exact"),
    "Influence.diagnostics": lambda w: w.infl.diagnostics(),
    "Influence.gradient_norm": lambda w: w.infl.gradient_norm,
    "Influence.hessian": lambda w: w.infl.hessian.dense(),
    "Influence.ihvp": lambda w: w.infl.ihvp(np.ones(4)),
    "Influence.leave_group_out": lambda w: w.infl.leave_group_out([[0, 1], [2]], "exact"),
    "Influence.leave_one_out": lambda w: w.infl.leave_one_out(None, "exact"),
    "Influence.most_influential_subset": lambda w: w.infl.most_influential_subset(np.ones(4), 3),
    "Influence.n_rows": lambda w: w.infl.n_rows,
    "Influence.on_function": lambda w: w.infl.on_function(np.ones(4)),
    "Influence.on_l2": lambda w: w.infl.on_l2(w.X_test, w.y_test),
    "Influence.on_loss": lambda w: w.infl.on_loss(w.X_test, w.y_test, out=fi.TopK(3)),
    "Influence.on_params": lambda w: w.infl.on_params([0, 1]),
    "Influence.on_prediction": lambda w: w.infl.on_prediction(w.X_test, out=w.sink("out")),
    "Influence.on_weights": lambda w: w.infl.on_weights(w.X_test, w.y_test),
    "Influence.perturbation": lambda w: w.infl.perturbation(w.X_test, w.y_test, [0]),
    "Influence.polish": lambda w: w.infl.polish(),
    "Influence.prediction_interval": lambda w: fi.Influence.fit(
        fi.GLM("squared", l2=0.1), w.X, w.number
    ).prediction_interval(w.X_test),
    "Influence.relative_gradient": lambda w: w.infl.relative_gradient,
    "Influence.replacement": lambda w: w.infl.replacement(
        [0], w.X[1:2], None, w.X_test, w.y_test, method="exact"
    ),
    "Influence.report": lambda w: str(w.infl.report()),
    "Influence.save": saved,
    "Influence.self_influence": lambda w: w.infl.self_influence(sketch=5),
    "Influence.smallest_flip": lambda w: w.infl.smallest_flip(fi.targets.coefficient(1)),
    "Influence.spec": lambda w: w.infl.spec,
    "Influence.theta": lambda w: w.infl.theta,
    "Influence.validate": lambda w: w.infl.validate(w.X_test, w.y_test, rows=4),
    "Influence.value": lambda w: w.infl.value(fi.targets.coefficient(0)),
    "Influence.without": lambda w: w.infl.without([0, 1]).on_loss(w.X_test, w.y_test),
    "load": lambda w: fi.load(saved(w), w.X, w.y),
    "attack": lambda w: fi.attack(w.infl, w.X_test, w.y_test, [0], 0.1, 2),
    "find_label_issues": lambda w: str(fi.find_label_issues(w.X, w.y)),
    "rank_harmful": lambda w: fi.rank_harmful(w.infl, w.X_test, w.y_test, verify=True).to_frame(),
    "value_rows": lambda w: fi.value_rows(w.infl, w.X_test, w.y_test).to_frame(),
    "removal_curve": lambda w: fi.removal_curve(
        w.infl, w.X_test, w.y_test, fractions=[0, 0.1], draws=1
    ).to_frame(),
}

SPECS = {
    "GLM": lambda w: every(w, fi.GLM("logistic", l2=0.1)),
    "MLP": lambda w: (every(w, fi.MLP((3,), l2=0.1)), fi.MLP((3,)).shapes(3, 1)),
    "MLP of a fit": lambda w: fi.Influence.fit(fi.MLP((3,), l2=0.1), w.X, w.y).self_influence(),
    "multinomial": lambda w: fi.Influence.fit(fi.GLM("multinomial", l2=0.1), w.X, w.y).on_loss(
        w.X_test, w.y_test
    ),
    "Oracle": lambda w: (
        w.oracle.takes_weights("gradient"),
        fi.Influence(w.oracle, w.X, w.number, w.slopes).self_influence(),
        every(w, w.oracle.sized(np.zeros(3))),
    ),
    "Loss": lambda w: fi.Loss("softplus(-y*f) + a*f**2", {-1, 1}, {"a": 0.1}).evaluate(
        np.zeros(2), np.ones(2), "d2"
    ),
}
"""Calls beyond those of the names themselves have a name of their own."""

LISTS = {
    **{f"{kind}.make": lambda w, k=kind, a=args: getattr(fi, k).make(*a)
       for kind, args in (("losses", ("logistic",)), ("families", ("poisson",)),
                          ("activations", ("tanh",)))},
    **{f"{kind}.registry": lambda w, k=kind: getattr(fi, k).registry()
       for kind in ("losses", "families", "activations")},
    "losses.get": lambda w: fi.losses.get("logistic"),
}  # fmt: skip

SINKS = {
    "ParquetSink": lambda w: w.infl.on_loss(w.X_test, w.y_test, out=w.sink("a")),
    "ParquetScores": lambda w: fi.ParquetScores.open(w.scores.path),
    "ParquetScores.dataset": lambda w: w.scores.dataset(),
    "ParquetScores.open": lambda w: fi.ParquetScores.open(w.scores.path),
    "ParquetScores.read": lambda w: w.scores.read([3, 1]),
    "ParquetScores.to_arrow": lambda w: w.scores.to_arrow(),
    "TopK": lambda w: w.infl.self_influence(out=fi.TopK(2)),
    "Total": lambda w: w.infl.on_loss(w.X_test, w.y_test, out=fi.Total()),
    "sinks.TopKResult.of": lambda w: w.top.of(1),
    "sinks.TopKResult.plot": lambda w: w.draw(w.top.plot),
}

ROWS = {
    "rows.arrays": lambda w: w.streamed(fi.rows.arrays(w.X, w.y)),
    "rows.arrow": lambda w: w.streamed(fi.rows.arrow(w.table, "y")),
    "rows.csv": lambda w: w.streamed(fi.rows.csv(w.folder / "t.csv", "y")),
    "rows.dask": lambda w: w.streamed(
        fi.rows.dask(da.from_array(w.X, (20, 3)), da.from_array(w.y, 20))
    ),
    "rows.parquet": lambda w: w.streamed(fi.rows.parquet(w.folder / "t.parquet", "y")),
}

SOLVERS = {
    "solvers.CG": lambda w: w.solved(fi.solvers.CG()),
    "solvers.Direct": lambda w: w.solved(fi.solvers.Direct()),
    "solvers.Jacobi": lambda w: w.solved(fi.solvers.CG(preconditioner=fi.solvers.Jacobi())),
    "solvers.LiSSA": lambda w: w.solved(fi.solvers.LiSSA(depth=200, repeats=2, batch=5)),
    "solvers.Nystrom": lambda w: w.solved(fi.solvers.CG(preconditioner=fi.solvers.Nystrom(2))),
    "solvers.choose": lambda w: fi.solvers.choose(w.infl.hessian),
}

TARGETS = {
    "targets.accuracy": lambda w: fi.targets.accuracy(w.X_test, w.y_test),
    "targets.auc": lambda w: fi.targets.auc(w.X_test, w.y_test),
    "targets.coefficient": lambda w: fi.targets.coefficient(1),
    "targets.function": lambda w: fi.targets.function(float(w.infl.theta[0]), np.eye(4)[0]),
    "targets.of_predictions": lambda w: fi.targets.of_predictions(
        w.X_test, lambda f: f.sum(axis=0), lambda f: np.ones_like(f)
    ),
    "targets.opportunity_gap": lambda w: fi.targets.opportunity_gap(
        w.X[:20], w.y[:20], np.arange(20) % 2
    ),
    "targets.parity_gap": lambda w: fi.targets.parity_gap(w.X_test, w.group),
    "targets.prediction": lambda w: fi.targets.prediction(w.X_test[:1]),
    "targets.significance": lambda w: fi.targets.significance(1),
}

RESULTS = {
    "removal.Removal.on_function": lambda w: w.removal.on_function(fi.targets.coefficient(0)),
    "removal.Removal.on_loss": lambda w: w.removal.on_loss(w.X_test, w.y_test),
    "removal.Removal.on_prediction": lambda w: w.removal.on_prediction(w.X_test),
    "validation.Agreement.of": lambda w: type(w.validation.random).of(w.number, w.number),
    "validation.Validation.plot": lambda w: w.draw(w.validation.plot),
    "reading results": lambda w: [read_all(result) for result in w.results()],
    "diagnostics.Diagnostics.flagged": lambda w: w.diagnostics.flagged("leverage"),
    "diagnostics.Diagnostics.plot": lambda w: w.draw(w.diagnostics.plot),
    "diagnostics.Diagnostics.plot_leverage": lambda w: w.draw(w.diagnostics.plot_leverage),
    "diagnostics.Diagnostics.to_frame": lambda w: w.diagnostics.to_frame(),
    "influence.account.Report.to_html": lambda w: w.report.to_html(w.folder / "report.html"),
}

AUDIT = {
    "audit.audit": lambda w: audit.audit(w.table, audit.Options(target="y")),
    "audit.Options.arguments": lambda w: audit.Options(target="y").arguments(),
    "audit.Audit.quality": lambda w: w.audit.quality(),
    "audit.Audit.most_suspicious": lambda w: w.audit.most_suspicious(3),
    "audit.Audit.most_harmful": lambda w: w.audit.most_harmful(3),
    "audit.Audit.to_html": lambda w: w.audit.to_html(w.folder / "audit.html"),
    "audit.Audit.score_columns": lambda w: w.audit.score_columns(),
    "audit.Audit.ranked": lambda w: w.audit.ranked(),
}

PLOTS = {
    "plots.accuracy_curve": lambda w: w.draw(plots.accuracy_curve, [0, 1], {"a": [0.5, 0.6]}),
    "plots.falloff": lambda w: w.draw(plots.falloff, w.number),
    "plots.helpful_and_harmful_images": lambda w: w.draw(
        plots.helpful_and_harmful_images, w.image(), w.top, w.image()[0]
    ),
    "plots.helpful_and_harmful_rows": lambda w: w.draw(
        plots.helpful_and_harmful_rows, w.X, w.top, w.X_test, top=2
    ),
    "plots.removal_curve": lambda w: w.draw(
        plots.removal_curve,
        fi.removal_curve(w.infl, w.X_test, w.y_test, fractions=[0, 0.1], draws=1),
    ),
    "plots.index_plot": lambda w: w.draw(plots.index_plot, w.diagnostics),
    "plots.influence_ranking": lambda w: w.draw(plots.influence_ranking, w.number),
    "plots.label_repair_curve": lambda w: w.draw(
        plots.label_repair_curve, {"a": w.number}, w.y > 0
    ),
    "plots.leverage_against_residual": lambda w: w.draw(
        plots.leverage_against_residual, w.diagnostics
    ),
    "plots.predicted_against_actual": lambda w: w.draw(
        plots.predicted_against_actual, w.validation
    ),
}

CALLS = {
    **INFLUENCE, **SPECS, **LISTS, **SINKS, **ROWS, **SOLVERS, **RESULTS, **AUDIT, **PLOTS,
    **{name: (lambda w, made=made: w.infl.on_function(made(w))) for name, made in TARGETS.items()},
}  # fmt: skip
