"""Pointwise programs: what a loss computes for one (f, y), as typed assignments without SymPy.

A program is three-address code. Each :class:`Step` applies one operation of the closed table
:data:`OPS` to operands, and an operand is ``"f"``, ``"y"``, a parameter's name, the target of an
earlier step, or a number. Equal computations are stored once, across all outputs, so asking for
several outputs together shares their work. Backends print programs; they never see an expression.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastinfluence.errors import LossError
from fastinfluence.lazy import cached_property

# Number of arguments of every operation. A backend is complete when it prints each of them.
OPS: dict[str, int] = {
    "add": 2,
    "sub": 2,
    "mul": 2,
    "div": 2,
    "neg": 1,
    "pow": 2,
    "sqrt": 1,
    "abs": 1,
    "min": 2,
    "max": 2,
    "exp": 1,
    "log": 1,
    "log1p": 1,
    "expm1": 1,
    "erf": 1,
    "erfc": 1,
    "tanh": 1,
    "sinh": 1,
    "cosh": 1,
    "atan": 1,
    "sin": 1,
    "cos": 1,
    "lt": 2,
    "le": 2,
    "gt": 2,
    "ge": 2,
    "and": 2,
    "or": 2,
    "not": 1,
    "where": 3,  # condition, value if true, value if false
    "zmul": 2,  # a * b, but 0 where a is 0, also when b is infinite
    # Stable atoms: see fastinfluence.spec.atoms for their definitions.
    "softplus": 1,
    "sigmoid": 1,
    "dsigmoid": 1,
    "tanhhalf": 1,
    "logcosh": 1,
    "sqrt1pm1": 1,
    "ndtr": 1,
    "log_ndtr": 1,
    "log_ndtr1": 1,
    "log_ndtr2": 1,
    "log_ndtr3": 1,
    "logit_ndtr": 1,
    "log1mexp": 1,
    "bose": 1,
    "cloglog": 1,
    "cloglog1": 1,
    "cloglog2": 1,
    "cloglog3": 1,
    "logsoftplus": 1,
    "logsoftplus1": 1,
    "logsoftplus2": 1,
    "logsoftplus3": 1,
}

COMMUTATIVE = frozenset({"add", "mul", "and", "or"})
VARIABLES = ("f", "y")


@dataclass(frozen=True, slots=True)
class Step:
    """One assignment: ``target = op(*args)``."""

    target: str
    op: str
    args: tuple[str, ...]


@dataclass(frozen=True)
class PointwiseProgram:
    """Straight-line code from (f, y, parameters) to named outputs.

    Parameters
    ----------
    name : str
        For messages and file names only.
    params : tuple of str
        Names of the run-time parameters, in the order a kernel reads them.
    steps : tuple of Step
        Assignments, each using operands defined before it.
    results : tuple of (str, str)
        Output names with the operand that holds each.
    """

    name: str
    params: tuple[str, ...]
    steps: tuple[Step, ...]
    results: tuple[tuple[str, str], ...]

    @property
    def outputs(self) -> dict[str, str]:
        """Operand of each output by name."""
        return dict(self.results)

    def select(self, *outputs: str) -> "PointwiseProgram":
        """Program of these outputs only, in this order, without the steps they do not need."""
        have = self.outputs
        missing = [name for name in outputs if name not in have]
        if missing:
            raise LossError(
                f"loss {self.name!r} has no output {missing[0]!r}; it has {', '.join(have)}"
            )
        results = tuple((name, have[name]) for name in outputs)
        needed = {operand for _, operand in results}
        kept: list[Step] = []
        for step in reversed(self.steps):
            if step.target in needed:
                needed.update(step.args)
                kept.append(step)
        return PointwiseProgram(self.name, self.params, tuple(reversed(kept)), results)

    def to_json(self) -> dict[str, Any]:
        """Plain lists and strings, the inverse of :meth:`from_json`."""
        return {
            "name": self.name,
            "params": list(self.params),
            "steps": [f"{s.target} {s.op} {' '.join(s.args)}" for s in self.steps],
            "outputs": dict(self.results),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "PointwiseProgram":
        """Program written by :meth:`to_json`; unknown operations are refused."""
        steps = tuple(_step(line) for line in data["steps"])
        program = cls(data["name"], tuple(data["params"]), steps, tuple(data["outputs"].items()))
        program.validate()
        return program

    def validate(self) -> None:
        """Raise LossError unless every step is known and uses only what came before it."""
        known = {*VARIABLES, *self.params}
        for step in self.steps:
            if OPS.get(step.op) != len(step.args):
                raise LossError(f"program {self.name!r} holds the unknown step {step}")
            _check_operands(self.name, step.args, known)
            if not step.target.isidentifier():
                raise LossError(f"program {self.name!r} assigns to {step.target!r}")
            known.add(step.target)
        _check_operands(self.name, (operand for _, operand in self.results), known)

    @cached_property
    def digest(self) -> str:
        """Hash of the content, the same in every process."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def __hash__(self) -> int:
        return hash(self.digest)


def is_number(operand: str) -> bool:
    """Whether an operand is a literal."""
    try:
        float(operand)
    except ValueError:
        return False
    return operand not in ("inf", "nan")


def _step(line: str) -> Step:
    target, op, *args = line.split(" ")
    return Step(target, op, tuple(args))


def _check_operands(name: str, operands: Iterable[str], known: set[str]) -> None:
    for operand in operands:
        if operand not in known and not is_number(operand):
            raise LossError(f"program {name!r} uses {operand!r} before it is assigned")


@dataclass
class Builder:
    """Collects steps, giving equal computations one target (value numbering)."""

    steps: list[Step] = field(default_factory=list)
    seen: dict[tuple[str, ...], str] = field(default_factory=dict)

    def emit(self, op: str, *args: str) -> str:
        """Operand holding ``op(*args)``."""
        folded = _fold(op, args)
        if folded is not None:
            return folded
        key = (op, *(sorted(args) if op in COMMUTATIVE else args))
        if key not in self.seen:
            self.seen[key] = f"t{len(self.steps)}"
            self.steps.append(Step(self.seen[key], op, args))
        return self.seen[key]

    def finish(
        self, name: str, params: Iterable[str], outputs: Mapping[str, str]
    ) -> PointwiseProgram:
        """Program of everything the outputs need."""
        whole = PointwiseProgram(name, tuple(params), tuple(self.steps), tuple(outputs.items()))
        program = whole.select(*outputs)
        program.validate()
        return program


def _fold(op: str, args: tuple[str, ...]) -> str | None:
    """Operand that needs no step: products by one, sums with zero, the negative of a number."""
    if op in ("mul", "zmul") and "1.0" in args:
        return args[1] if args[0] == "1.0" else args[0]
    if op == "mul" and "-1.0" in args:
        return None
    if op == "add" and "0.0" in args:
        return args[1] if args[0] == "0.0" else args[0]
    if op == "neg" and is_number(args[0]):
        return repr(-float(args[0]))
    if op == "div" and args[1] == "1.0":
        return args[0]
    return None
