"""A table of people with columns of every kind, and the files of a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

N, T = 240, 5


def people(n: int, seed: int) -> pa.Table:
    """Return rows of numbers, text, weights and offsets, with targets of every kind."""
    rng = np.random.default_rng(seed)
    age, income = rng.normal(size=n), rng.normal(size=n)
    city = rng.choice(["Lima", "Oslo", "Rome"], n)
    f = age - income + (city == "Rome")
    return pa.table(
        {
            "name": [f"p{seed}-{i}" for i in range(n)],
            "age": age,
            "income": income.astype(np.float32),
            "city": city,
            "bought": np.where(f + rng.logistic(size=n) > 0, "yes", "no"),
            "visits": rng.poisson(np.exp(0.3 * f)),
            "spent": f + rng.normal(size=n),
            "weight": rng.uniform(0.5, 2, n),
            "offset": 0.1 * rng.normal(size=n),
        }
    )


def files(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder by its name there."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}
