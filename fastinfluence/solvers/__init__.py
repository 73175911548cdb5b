"""Solvers of H x = b: frozen configurations that see only an operator."""

from fastinfluence.solvers.base import Conditioning, Solution, Solver
from fastinfluence.solvers.cg import CG, Jacobi
from fastinfluence.solvers.choose import choose
from fastinfluence.solvers.direct import Direct
from fastinfluence.solvers.lissa import LiSSA
from fastinfluence.solvers.nystrom import Nystrom

__all__ = [
    "CG",
    "Conditioning",
    "Direct",
    "Jacobi",
    "LiSSA",
    "Nystrom",
    "Solution",
    "Solver",
    "choose",
]
