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
from fastinfluence.inputs import non_negative
from fastinfluence.labels import Untouched
from fastinfluence.problem import Problem
from fastinfluence.removal import checked_refit
from fastinfluence.spec.models import Reduction
from fastinfluence.spec.oracle import Oracle
from fastinfluence.types import FloatArray

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
    _check_loss(loss)
    own = _own_copy(module)
    names = chosen_names(own, options.params)
    known = dict(own.named_parameters())
    device = known[names[0]].device
    rows, targets = as_tensor(X, device, "X"), as_tensor(y, device, "y")
    if len(rows) != len(targets):
        raise InputError(f"y has {len(targets)} entries but X has {len(rows)} rows")
    told = getattr(loss, "__name__", type(loss).__name__)
    link = MEANS.get(told) if options.mean is None else options.mean
    if link is not None and not callable(link):
        raise InputError(f"mean={link!r} is not callable: give a function of raw predictions")
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
    refit = None
    if options.refit is not None:
        refit = checked_refit(options.refit, len(theta), lambda out: _read_theta(out, names))
    return Adapted(problem, theta, refit)


def _check_loss(loss: Any) -> None:
    """A mean over weighted rows, of a single row, is that row's loss without its weight."""
    weighted = isinstance(loss, torch.nn.CrossEntropyLoss | torch.nn.NLLLoss)
    if weighted and loss.weight is not None and loss.reduction == "mean":
        raise InputError(
            f"{type(loss).__name__}(weight=..., reduction='mean') divides by the weights, and of "
            "one row nothing of its weight is left: leave weight out, and give each row its "
            "class's as sample_weight"
        )


def _own_copy(module: torch.nn.Module) -> torch.nn.Module:
    """The module in float64 and in evaluation mode; the caller's is left alone."""
    for name, value in module.named_parameters():
        if isinstance(value, torch.nn.parameter.UninitializedParameter):
            raise InputError(f"parameter {name!r} has no shape yet: call the module on rows first")
        if value.is_complex():
            raise InputError(f"parameter {name!r} is complex: a theta of real numbers is needed")
    try:
        return copy.deepcopy(module).double().eval()
    except Exception as error:
        raise InputError(
            f"the module cannot be copied ({type(error).__name__}: {error}): keep no tensors with "
            "a graph as attributes of modules, or load its state_dict into a new one"
        ) from error


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
        try:
            wanted = [params] if isinstance(params, str) else list(params)
        except TypeError as error:
            raise InputError(f"params={params!r}: give names of parameters") from error
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
    if isinstance(values, list | tuple) and any(isinstance(v, torch.Tensor) for v in values):
        values = _stacked(values, what)
    if isinstance(values, torch.Tensor):
        out = values.detach()
    else:
        try:
            # Tables hand out arrays that may not be written to, which torch does not take.
            out = torch.as_tensor(np.require(values, requirements=["C", "W"]))
        except (TypeError, ValueError) as error:
            raise InputError(f"{what} is no array of numbers: {error}") from error
    if out.layout != torch.strided or out.is_complex():
        kind = "sparse" if out.layout != torch.strided else "complex"
        raise InputError(f"{what} is {kind}: give a dense array or tensor of real numbers")
    if out.ndim == 0 or not len(out):
        raise InputError(f"{what} has no rows (shape {tuple(out.shape)})")
    out = out.to(device)
    if out.is_floating_point():
        out = out.double()
        bad = torch.nonzero(~torch.isfinite(out.reshape(len(out), -1)).all(dim=1))
        if len(bad):
            raise InputError(f"{what} holds NaN or infinity in row {int(bad[0])}")
    return out


def _stacked(values: Sequence[Any], what: str) -> torch.Tensor:
    try:
        return torch.stack([torch.as_tensor(value).detach() for value in values])
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{what} is no list of tensors of one shape: {error}") from error


def _penalty(
    l2: Any, known: Mapping[str, Any], names: Sequence[str], penalize_intercept: bool
) -> FloatArray:
    """One penalty for each entry of theta: a number skips biases, a mapping names parameters."""
    if isinstance(l2, Mapping):
        unknown = [name for name in l2 if name not in names]
        if unknown:
            raise InputError(f"l2 names {unknown[0]!r}: theta holds {', '.join(names)}")
        given = {name: non_negative(value, f"l2[{name!r}]") for name, value in l2.items()}
        values = [given.get(name, 0.0) for name in names]
    else:
        number = non_negative(l2, "l2")
        skipped = () if penalize_intercept else ("bias",)
        values = [0.0 if name.rpartition(".")[2] in skipped else number for name in names]
    sizes = [known[name].numel() for name in names]
    return np.repeat(values, sizes)


def _outputs(calls: TorchCalls, theta: FloatArray, rows: torch.Tensor) -> int:
    try:
        f = calls.prediction(theta, rows[:1])
    except Exception as error:
        whole = "" if rows.is_floating_point() else "; whole numbers are left as they are"
        raise OracleError(
            f"the module raised {type(error).__name__} for a row of X of shape "
            f"{tuple(rows.shape[1:])} and type {rows.dtype}: {error}{whole}"
        ) from error
    return 1 if f.ndim == 1 else int(f.shape[1])


def _entries(known: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """``fc.weight[0,3]`` for every entry of theta."""
    return [
        f"{name}[{','.join(map(str, place))}]"
        for name in names
        for place in np.ndindex(*known[name].shape)
    ]


def _read_theta(answer: Any, names: Sequence[str]) -> Any:
    """The theta in what a training procedure returned: a module, a tensor, or theta itself."""
    if isinstance(answer, torch.nn.Module):
        found = dict(answer.named_parameters())
        missing = [name for name in names if name not in found]
        if missing:
            raise InputError(f"refit returned a module without the parameter {missing[0]!r}")
        return flat(found, names)
    if isinstance(answer, torch.Tensor):
        return answer.detach().cpu().double().numpy()
    return answer
