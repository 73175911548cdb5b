"""The caller's names of rows as an Arrow array."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any


def ids_of(labels: Sequence[Any] | None, n_rows: int) -> Any:
    """The labels as an Arrow array (n,); None where there are none, or they are the positions.

    Labels of no plain type (pairs, categories, mixed ones) become strings.
    """
    if labels is None or _are_positions(labels, n_rows):
        return None
    import pyarrow as pa

    try:
        out = pa.array(labels)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        out = None
    if isinstance(out, pa.Array) and (pa.types.is_primitive(out.type) or _is_text(out.type)):
        return out
    return pa.array([str(label) for label in labels])


def fingerprint_of_ids(ids: Any) -> str:
    """SHA-256 of an Arrow array that starts its own buffers."""
    digest = hashlib.sha256(f"{ids.type} {len(ids)}".encode())
    for buffer in ids.buffers():
        digest.update(b"" if buffer is None else buffer)
    return digest.hexdigest()


def _are_positions(labels: Sequence[Any], n_rows: int) -> bool:
    """Whether labels are a pandas RangeIndex 0, 1, 2, …, which a table gets without being asked."""
    found = [getattr(labels, name, None) for name in ("start", "stop", "step")]
    return found == [0, n_rows, 1]


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
