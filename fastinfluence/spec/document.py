"""Specifications as JSON documents, read back without running anything that they hold.

A loss of a table is stored by its name, any other by its text, which is parsed and checked again
as when it was first written.
"""

from __future__ import annotations

from typing import Any

from fastinfluence.errors import InputError, LossError, UnsupportedError
from fastinfluence.spec import activations, families, losses
from fastinfluence.spec.loss import Loss
from fastinfluence.spec.mlp import MLP
from fastinfluence.spec.models import GLM
from fastinfluence.spec.multinomial import Multinomial
from fastinfluence.spec.oracle import Oracle

Document = dict[str, Any]


def spec_document(spec: GLM | MLP | Oracle) -> Document:
    """The specification as a document, for :func:`spec_of`.

    Raises
    ------
    UnsupportedError
        For an oracle, which is made of the caller's functions.
    """
    if isinstance(spec, Oracle):
        raise UnsupportedError(
            f"the callables of {spec.loss.name} cannot be saved, as a file of them would have to "
            "be run when it is loaded: save theta and make the Influence again"
        )
    common = {
        "loss": loss_document(spec.loss),
        "l2": spec.l2 if isinstance(spec.l2, float) else list(spec.l2),
        "penalize_intercept": spec.penalize_intercept,
        "reduction": spec.reduction,
    }
    if isinstance(spec, GLM):
        return {"model": "GLM", "fit_intercept": spec.fit_intercept, **common}
    activation = {"name": spec.activation.name, "params": dict(spec.activation.params)}
    return {"model": "MLP", "hidden": list(spec.hidden), "activation": activation, **common}


def spec_of(document: Document) -> GLM | MLP:
    """The specification that a document stands for; InputError where it stands for none."""
    given = dict(document)
    kind = given.pop("model")
    given["loss"] = loss_of(given["loss"])
    if kind == "GLM":
        return GLM(**given)
    if kind == "MLP":
        activation = given.pop("activation")
        made = activations.make(activation["name"], **activation["params"])
        return MLP(activation=made, **given)
    raise InputError(f"a model of kind {kind!r} is unknown to this version")


def loss_document(loss: Loss) -> Document:
    """The loss as a document, for :func:`loss_of`."""
    if isinstance(loss, Multinomial):
        return {"kind": "table", "name": loss.name, "params": {}, "text": loss.text}
    params = dict(loss.params)
    if loss.family is not None:
        names = {"family": loss.family, "link": loss.link}
        return {"kind": "family", **names, "params": params, "text": loss.text}
    if _of_the_table(loss):
        return {"kind": "table", "name": loss.name, "params": params, "text": loss.text}
    domain = loss.y_domain if isinstance(loss.y_domain, str) else sorted(loss.y_domain)
    return {
        "kind": "custom",
        "text": loss.text,
        "y_domain": domain,
        "params": params,
        "name": loss.name,
        "f_domain": list(loss.f_domain),
        "mean": loss.mean,
    }


def loss_of(document: Document) -> Loss:
    """The loss that a document stands for.

    Raises
    ------
    InputError
        Where this version writes the loss of that name in another way.
    LossError
        Where the text is no loss.
    """
    given = dict(document)
    kind = given.pop("kind")
    if kind == "custom":
        low, high = given.pop("f_domain")
        domain = given.pop("y_domain")
        given["y_domain"] = domain if isinstance(domain, str) else frozenset(domain)
        return Loss(f_domain=(low, high), **given)
    if kind == "family":
        out = families.make(given["family"], given["link"], **given["params"])
    else:
        out = losses.make(given["name"], **given["params"])
    if out.text != given["text"]:
        raise InputError(
            f"the loss {out.name} was {given['text']!r} and is {out.text!r} in this version: load "
            "with the version that saved it"
        )
    return out


def _of_the_table(loss: Loss) -> bool:
    """Whether the loss is what the table makes of its name, not one written by the caller."""
    if loss.name not in losses.LOSSES:
        return False
    try:
        return losses.make(loss.name, **loss.params) == loss
    except LossError:  # the caller's own loss of the same name, with other parameters
        return False
