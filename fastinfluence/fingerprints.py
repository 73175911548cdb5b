"""Fingerprints: SHA-256 of what a result was computed from, to notice when it changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np


class Digest:
    """One fingerprint of arrays that come in parts, whatever the parts.

    Parameters
    ----------
    about : str
        What the bytes mean: shape, type, kind of storage.
    """

    def __init__(self, about: str) -> None:
        self._hash = hashlib.sha256(about.encode())
        self._hash.update(b"\0")

    def add(self, array: np.ndarray[Any, Any]) -> None:
        """The next numbers, in C order whatever their layout in memory."""
        self._hash.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

    def hexdigest(self) -> str:
        """The fingerprint of everything added."""
        return self._hash.hexdigest()


def of_array(array: np.ndarray[Any, Any]) -> str:
    """The fingerprint of an array's shape, type and numbers, whatever its layout in memory."""
    native = np.asarray(array)
    native = native.astype(native.dtype.newbyteorder("="), copy=False)
    digest = Digest(f"{native.dtype.str} {native.shape}")
    digest.add(native)
    return digest.hexdigest()


def of_arrays(arrays: Iterable[np.ndarray[Any, Any] | None]) -> str:
    """The fingerprint of several arrays in their order; None stands for one that is not there."""
    return of_json([None if array is None else of_array(array) for array in arrays])


def of_json(document: Any) -> str:
    """The fingerprint of a JSON document, whatever the order of its keys."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
