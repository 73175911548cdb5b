"""Locks that a forked child finds free."""

from __future__ import annotations

import os
from typing import Any


def held_across_forks(lock: Any) -> Any:
    """The same lock; a fork waits until it is free, and both processes then have it free.

    A child has only the thread that forked: a lock that another thread held would stay held there,
    and whoever asks for it would wait for ever.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )
    return lock
