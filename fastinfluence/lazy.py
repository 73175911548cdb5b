"""What an object works out when it is first asked, without a lock."""

from __future__ import annotations

import functools
from typing import Any, TypeVar, overload

T = TypeVar("T")


class cached_property(functools.cached_property[T]):  # noqa: N801 - as the one it stands for
    """A property that is worked out once, as of Python 3.12 in every version.

    Before 3.12 Python's own holds a lock while it works, one for all objects of a class: threads
    would wait for each other's models, and a process forked meanwhile would wait for ever. Two
    threads that ask at once may both work; the first result is everybody's.
    """

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> cached_property[T]: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...
    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        """The value, from the object's own dictionary once it is there."""
        if instance is None:
            return self
        known: dict[str, Any] = vars(instance)
        assert self.attrname is not None, "set when the class was made"
        if self.attrname in known:
            return known[self.attrname]
        return known.setdefault(self.attrname, self.func(instance))
