"""Errors and warnings: every message says what is wrong, where, and what to do."""


class FastInfluenceError(Exception):
    """Base of every error this library raises on purpose."""


class InputError(FastInfluenceError, ValueError):
    """An argument has the wrong shape, type, label or value."""


class LossError(FastInfluenceError, ValueError):
    """An expression is not a usable loss, or a loss is used outside its domain."""


class NoOptimumError(FastInfluenceError, RuntimeError):
    """The objective has no finite minimum (separable data, an empty category)."""


class SolverError(FastInfluenceError, RuntimeError):
    """A linear system could not be solved to a stated accuracy."""


class OracleError(FastInfluenceError, RuntimeError):
    """A callable of an oracle raised, or returned what its name does not promise."""


class StorageError(FastInfluenceError, RuntimeError):
    """A file could not be written: the disk is full, or the folder may not be written to."""


class UnsupportedError(FastInfluenceError, ValueError):
    """A valid request that this library does not support, named with what to do instead."""


class DeviceError(FastInfluenceError, RuntimeError):
    """``device="cuda"`` cannot run here: what is missing or too small, and how to get it."""


class FastInfluenceWarning(UserWarning):
    """A result is usable, but rests on something the caller should know."""
