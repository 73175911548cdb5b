"""How to make a result again: the call, the versions, the fingerprints of what went in."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING

from fastinfluence import fingerprints
from fastinfluence.report.html import Html, el
from fastinfluence.report.pieces import facts, paragraph
from fastinfluence.spec import losses
from fastinfluence.spec.loss import Loss
from fastinfluence.spec.mlp import MLP
from fastinfluence.spec.oracle import Oracle

if TYPE_CHECKING:
    from fastinfluence.influence import Influence
    from fastinfluence.problem import Spec

PACKAGES = ("fastinfluence", "numpy", "scipy", "numba")
FEW = 4
"""Penalties that are written out one by one."""


def call_of(infl: Influence) -> str:
    """The Python that makes this Influence from the same data and parameters."""
    settings, problem = infl._settings, infl._problem
    solver = settings.solver
    given = ["spec", "X", "y", "theta"]
    if not (problem.w == 1).all():
        given.append("sample_weight=w")
    if problem.offset is not None:
        given.append("offset=offset")
    if not isinstance(solver, str):
        given.append(f"solver=fi.solvers.{solver!r}")
    if settings.damping:
        given.append(f"damping={settings.damping!r}")
    if settings.curvature != "hessian":
        given.append(f"curvature={settings.curvature!r}")
    lines = [
        "import fastinfluence as fi",
        "",
        f"spec = {spec_call(infl.spec)}",
        f"infl = fi.Influence({', '.join(given)})",
        'infl.report().to_html("report.html")',
    ]
    return "\n".join(lines)


def spec_call(spec: Spec) -> str:
    """The Python that makes a specification; of an oracle only its kind and name."""
    if isinstance(spec, Oracle):
        return f"fi.Oracle(...)  # {' '.join(spec.loss.name.split())}"
    first = [_loss(spec.loss)]
    if isinstance(spec, MLP):
        first = [f"hidden={spec.hidden!r}", f"activation={spec.activation.name!r}"]
        first.append(f"loss={_loss(spec.loss)}")
    options = [f"l2={spec.l2!r}" if _short(spec.l2) else "l2=[...]"]
    if not isinstance(spec, MLP) and not spec.fit_intercept:
        options.append("fit_intercept=False")
    if spec.penalize_intercept:
        options.append("penalize_intercept=True")
    if spec.reduction != "mean":
        options.append(f"reduction={spec.reduction!r}")
    return f"fi.{type(spec).__name__}({', '.join([*first, *options])})"


def _short(l2: float | tuple[float, ...]) -> bool:
    return isinstance(l2, float) or len(l2) <= FEW


def _loss(loss: Loss) -> str:
    params = ", ".join(f"{name}={value!r}" for name, value in loss.params.items())
    if loss.family is not None:
        link = f"link={loss.link!r}"
        return f"fi.families.{loss.family}({', '.join(filter(None, (link, params)))})"
    if loss.name not in (*losses.LOSSES, *losses.VECTOR_LOSSES):
        return f"fi.Loss({loss.text!r}, ...)"
    return f"fi.losses.{loss.name}({params})" if params else repr(loss.name)


def provenance(infl: Influence) -> list[Html]:
    """Versions, and fingerprints of data and parameters; a pass over the rows."""
    versions = [f"{name} {metadata.version(name)}" for name in PACKAGES]
    versions.insert(1, f"Python {platform.python_version()}")
    marks = {**infl._problem.fingerprints(), "theta": fingerprints.of_array(infl.theta)}
    pairs = [(name, el("code", value)) for name, value in marks.items()]
    return [
        el("h3", "Versions"),
        paragraph(", ".join(versions)),
        el("h3", "Fingerprints (SHA-256)"),
        paragraph("The same fingerprints mean the same numbers went in, whatever their storage."),
        facts(pairs),
    ]
