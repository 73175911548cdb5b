"""A complete dataset of scores, read back."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fastinfluence.archive import telling_damage
from fastinfluence.errors import InputError
from fastinfluence.files import utf8_path
from fastinfluence.inputs import checked_rows
from fastinfluence.sinks.folder import MANIFEST, is_whole, read_manifest
from fastinfluence.sinks.plan import Plan
from fastinfluence.types import FloatArray, IntArray


@dataclass(frozen=True)
class ParquetScores:
    """Scores in a folder of Parquet files, one row for each training row, in their order.

    Attributes
    ----------
    path : Path
    n_rows : int
        Number of training rows n.
    columns : tuple of str
        ``row``, ``id`` where the training rows have names, and the scores.
    parts : tuple of Path
        The files, in the order of the rows.
    manifest : dict
        What was asked, the sign convention, settings and fingerprints.
    """

    path: Path
    n_rows: int
    columns: tuple[str, ...]
    parts: tuple[Path, ...] = field(repr=False)
    manifest: dict[str, Any] = field(repr=False)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> ParquetScores:
        """The dataset that a :class:`ParquetSink` wrote to a folder.

        Parameters
        ----------
        path : str or path

        Returns
        -------
        ParquetScores

        Raises
        ------
        InputError
            Where the folder holds none, or one that is not complete.
        """
        folder = Path(utf8_path(path))
        manifest = read_manifest(folder)
        with telling_damage(folder / MANIFEST):
            plan = Plan.read(manifest)
            missing = [k for k in range(len(plan)) if not is_whole(folder, plan, k)]
        if missing:
            raise InputError(
                f"{folder} lacks {len(missing)} of its {len(plan)} parts, first "
                f"{plan.file_name(missing[0])}: score again with resume=True"
            )
        parts = tuple(folder / plan.file_name(k) for k in range(len(plan)))
        return cls(folder, plan.cuts[-1], tuple(manifest["columns"]), parts, manifest)

    def dataset(self) -> Any:
        """All parts together, for filters and for other libraries.

        Returns
        -------
        pyarrow.dataset.Dataset
        """
        import pyarrow.dataset as ds

        return ds.dataset([str(part) for part in self.parts], format="parquet")

    def to_arrow(self) -> Any:
        """All of it in memory, in the order of the rows.

        Returns
        -------
        pyarrow.Table
        """
        return self.dataset().to_table()

    def read(self, rows: Any = None) -> FloatArray:
        """Scores of some rows, in the shape that ``out=None`` gives: (t, k), (t, k, K) or (k,).

        Parameters
        ----------
        rows : array_like of int, or boolean mask of shape (n,), optional
            All rows by default. Only the parts that hold them are read.

        Returns
        -------
        ndarray
            Scores in the convention of ``.manifest["effect"]``, in the order of ``rows``.

        Raises
        ------
        InputError
            If a row is none of the n.
        """
        chosen = np.arange(self.n_rows) if rows is None else checked_rows(rows, self.n_rows)
        names = self.columns[-self.manifest["n_tests"] * max(len(self._outputs), 1) :]
        out = np.empty((len(names), len(chosen)))
        order, cuts = np.argsort(chosen, kind="stable"), self.manifest["cuts"]
        ends = np.searchsorted(chosen, cuts, sorter=order)
        for k, part in enumerate(self.parts):
            mine = order[ends[k] : ends[k + 1]]
            if len(mine):
                self._fill(part, names, chosen[mine] - cuts[k], out, mine)
        if self._outputs:
            return np.moveaxis(out.reshape(-1, len(self._outputs), len(chosen)), 1, 2)
        return out[0] if self.manifest["method"] == "self_influence" else out

    @property
    def _outputs(self) -> list[str]:
        outputs: list[str] = self.manifest["outputs"]
        return outputs

    @staticmethod
    def _fill(
        part: Path, names: tuple[str, ...], rows: IntArray, out: FloatArray, at: IntArray
    ) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.ParquetFile(part).read(columns=list(names))
        except (OSError, pa.ArrowException) as error:
            raise InputError(
                f"{part} cannot be read ({error}): score again with resume=True, and it is "
                "written anew"
            ) from error
        for j, name in enumerate(names):
            out[j, at] = table.column(name).to_numpy()[rows]
