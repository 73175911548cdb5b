"""Trained torch modules as oracles."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fastinfluence.adapters.base import Adapted
from fastinfluence.adapters.torch_calls import TorchCalls
from fastinfluence.errors import InputError, OracleError
from fastinfluence.labels import Untouched
from fastinfluence.problem import Problem
from fastinfluence.removal import Refit, checked_refit
from fastinfluence.spec.models import Reduction
from fastinfluence.spec.oracle import Oracle
from fastinfluence.types import FloatArray, IntArray

MEANS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "cross_entropy": lambda f: torch.softmax(f, dim=1),
    "binary_cross_entropy_with_logits": torch.sigmoid,
    "mse_loss": lambda f: f,
    "CrossEntropyLoss": lambda f: torch.softmax(f, dim=1),
    "BCEWithLogitsLoss": torch.sigmoid,
    "MSELoss": lambda f: f,
}
"""Means of the losses that state one, by the name of the function or class."""


NAMED = FORMED = 100_000
"""Up to this many parameters each has a name of its own, for messages, and row_dot comes from row
gradients: forming those costs one vectorised pass, whatever the number of directions."""


@dataclass(frozen=True)
class Options:
    """What a caller says of a module, as in :meth:`fastinfluence.Influence.from_torch`."""

    l2: Any
    params: Any
    penalize_intercept: bool
    reduction: Reduction
    mean: Any
    refit: Any
    batch: int


def adapt_module(
    module: Any, loss: Any, X: Any, y: Any, sample_weight: Any, options: Options
) -> Adapted:
    """The oracle of a module in evaluation mode and float64, its rows, and theta."""
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"module is a {type(module).__name__}: give a torch.nn.Module")
    if not callable(loss):
        raise InputError(f"loss={loss!r} is not callable: give loss(f, y) of torch tensors")
    own = copy.deepcopy(module).double().eval()
    names = chosen_names(own, options.params)
    known = dict(own.named_parameters())
    device = known[names[0]].device
    rows, targets = as_tensor(X, device, "X"), as_tensor(y, device, "y")
    if len(rows) != len(targets):
        raise InputError(f"y has {len(targets)} entries but X has {len(rows)} rows")
    told = getattr(loss, "__name__", type(loss).__name__)
    link = MEANS.get(told) if options.mean is None else options.mean
    calls = TorchCalls(own, loss, names, link)
    theta = flat(known, names)
    spec = Oracle(
        calls.gradient,
        calls.hvp,
        calls.row_dot if len(theta) > FORMED else None,
        calls.loss,
        calls.prediction,
        calls.prediction_gradient,
        None if link is None else calls.mean,
        None if link is None else calls.mean_gradient,
        calls.gauss_newton,
        calls.mixed_vjp if rows.is_floating_point() else None,
        n_params=len(theta),
        l2=_penalty(options.l2, known, names, options.penalize_intercept),
        reduction=options.reduction,
        n_outputs=_outputs(calls, theta, rows),
        batch=options.batch,
        param_names=_entries(known, names) if len(theta) <= NAMED else None,
        name=f"{type(module).__name__} with {told}",
    )
    problem = Problem.build(
        spec,
        rows,
        targets,
        sample_weight,
        codec=Untouched(spec.n_outputs, lambda values, what: as_tensor(values, device, what)),
        transform=lambda values: as_tensor(values, device, "X_test"),
    )
    return Adapted(problem, theta, _refitter(options.refit, names, theta))


def chosen_names(module: torch.nn.Module, params: Any) -> list[str]:
    """Names of the parameters that theta holds, in the module's order.

    Raises
    ------
    InputError
        For a name that the module does not have, or none at all.
    """
    known = dict(module.named_parameters())
    if params is None:
        names = [name for name, value in known.items() if value.requires_grad]
    else:
        wanted = [params] if isinstance(params, str) else list(params)
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise InputError(f"params names {unknown[0]!r}: the module has {', '.join(known)}")
        names = [name for name in known if name in set(wanted)]
    if not names:
        raise InputError("the module has no parameters to score: all are frozen; name some")
    return names


def flat(state: Mapping[str, Any], names: Sequence[str]) -> FloatArray:
    """The named parameters end to end, float64."""
    parts = [state[name].detach().cpu().double().reshape(-1) for name in names]
    out: FloatArray = torch.cat(parts).numpy()
    return out


def as_tensor(values: Any, device: torch.device, what: str) -> torch.Tensor:
    """Rows on the module's device; floating ones in float64, whole numbers as they are."""
    if isinstance(values, torch.Tensor):
        out = values.detach()
    else:
        try:
            out = torch.as_tensor(np.ascontiguousarray(values))
        except (TypeError, ValueError) as error:
            raise InputError(f"{what} is no array of numbers: {error}") from error
    if out.ndim == 0 or not len(out):
        raise InputError(f"{what} has no rows (shape {tuple(out.shape)})")
    out = out.to(device)
    if out.is_floating_point():
        out = out.double()
        bad = torch.nonzero(~torch.isfinite(out.reshape(len(out), -1)).all(dim=1))
        if len(bad):
            raise InputError(f"{what} holds NaN or infinity in row {int(bad[0])}")
    return out


def _penalty(
    l2: Any, known: Mapping[str, Any], names: Sequence[str], penalize_intercept: bool
) -> FloatArray:
    """One penalty for each entry of theta: a number skips biases, a mapping names parameters."""
    if isinstance(l2, Mapping):
        unknown = [name for name in l2 if name not in names]
        if unknown:
            raise InputError(f"l2 names {unknown[0]!r}: theta holds {', '.join(names)}")
        values = [float(l2.get(name, 0.0)) for name in names]
    else:
        try:
            number = float(l2)
        except (TypeError, ValueError) as error:
            raise InputError(f"l2={l2!r}: give a number, or one for each parameter") from error
        skipped = () if penalize_intercept else ("bias",)
        values = [0.0 if name.rpartition(".")[2] in skipped else number for name in names]
    sizes = [known[name].numel() for name in names]
    return np.repeat(values, sizes)


def _outputs(calls: TorchCalls, theta: FloatArray, rows: torch.Tensor) -> int:
    try:
        f = calls.prediction(theta, rows[:1])
    except Exception as error:
        raise OracleError(
            f"the module raised {type(error).__name__} for a row of X of shape "
            f"{tuple(rows.shape[1:])}: {error}"
        ) from error
    return 1 if f.ndim == 1 else int(f.shape[1])


def _entries(known: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """``fc.weight[0,3]`` for every entry of theta."""
    return [
        f"{name}[{','.join(map(str, place))}]"
        for name in names
        for place in np.ndindex(*known[name].shape)
    ]


def _refitter(refit: Any, names: Sequence[str], theta: FloatArray) -> Refit | None:
    """The caller's training procedure; a module that it returns becomes a theta."""
    if refit is None:
        return None
    if not callable(refit):
        raise InputError(f"refit={refit!r} is not callable: give a function of the rows that stay")

    def flattened(rows: IntArray) -> FloatArray:
        out = refit(rows)
        if isinstance(out, torch.nn.Module):
            out = flat(dict(out.named_parameters()), names)
        elif isinstance(out, torch.Tensor):
            out = out.detach().cpu().double().numpy()
        return np.asarray(out)

    return checked_refit(flattened, len(theta))
