"""The folder of a dataset of scores: who may write to it, and what is there already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastinfluence.archive import telling_damage
from fastinfluence.errors import InputError
from fastinfluence.files import FolderLock, storage_errors, unfinished, whole_file
from fastinfluence.sinks.plan import FORMAT, Plan, refuse_changed

MANIFEST = "_manifest.json"
"""With an underscore: readers of the folder as one Parquet table pass over it."""
OURS = (MANIFEST, "scores-*")
"""Patterns of the names of files that are written here."""


def refuse_taken(folder: Path, resume: bool) -> None:
    """InputError where a folder holds something and is not to be resumed."""
    if resume or not folder.is_dir() or not _entries(folder):
        return
    raise InputError(
        f"{folder} is not empty, and nothing is overwritten: pass resume=True to go on with the "
        "scores that it holds, or choose another folder"
    )


def begin(folder: Path, plan: Plan, resume: bool) -> tuple[FolderLock, set[int]]:
    """The right to write the parts of a plan, and those that are there already.

    Raises
    ------
    InputError
        Where another process writes there, or the folder holds something else.
    StorageError
        Where nothing can be written.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(folder)
    try:
        refuse_taken(folder, resume)
        if _entries(folder):
            found = read_manifest(folder)
            with telling_damage(folder / MANIFEST):
                refuse_changed(plan, found, str(folder))
        for path in unfinished(folder, OURS):
            path.unlink(missing_ok=True)
        if not _entries(folder):
            with whole_file(folder / MANIFEST) as file:
                file.write(json.dumps(plan.manifest, indent=1).encode() + b"\n")
        return lock, {part for part in range(len(plan)) if is_whole(folder, plan, part)}
    except BaseException:
        lock.release()
        raise


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a dataset; InputError where there is none that this version reads."""
    path = folder / MANIFEST
    try:
        found = json.loads(path.read_bytes())
        written = int(found["format"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{folder} holds no dataset of scores that was begun: it has no readable {MANIFEST}"
        ) from error
    if written > FORMAT:
        raise InputError(
            f"{folder} was written by fastinfluence {found.get('library')}, in a newer format than "
            "this version knows: update fastinfluence"
        )
    manifest: dict[str, Any] = found
    return manifest


def is_whole(folder: Path, plan: Plan, part: int) -> bool:
    """Whether a part is there, can be read, and belongs to the plan."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_metadata(folder / plan.file_name(part))
    except (OSError, pa.ArrowInvalid):  # not there, or damaged: it is written again
        return False
    start, stop = plan.rows(part)
    stamp = (found.metadata or {}).get(b"fastinfluence")
    return bool(found.num_rows == stop - start and stamp == plan.stamp)


def _entries(folder: Path) -> list[Path]:
    """What a folder holds, but for the lock and unfinished files of this library."""
    with storage_errors(folder):
        passing = {folder / FolderLock.NAME, *unfinished(folder, OURS)}
        return [path for path in folder.iterdir() if path not in passing]
