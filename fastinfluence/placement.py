"""Where a problem's arrays live, and where the passes over its rows run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

from fastinfluence.backend import CPU, CUDA, Backend, require_device
from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.inputs import one_of
from fastinfluence.lazy import cached_property
from fastinfluence.rows.base import Rows
from fastinfluence.rows.features import Features
from fastinfluence.rows.paired import PairedRows, twin
from fastinfluence.rows.uploads import uploaded
from fastinfluence.spec.oracle import Oracle

DEVICES = ("cpu", "cuda")


def checked_device(device: Any) -> str:
    """The name of a device that is there; DeviceError naming what this machine lacks."""
    name = one_of(device, DEVICES, "device")
    if name == "cuda":
        require_device()
    return name


@dataclass(frozen=True, kw_only=True)
class Placed:
    """The part of a problem that knows of devices.

    A problem of the host keeps its arrays there whatever the device: labels are encoded and
    options checked on them. With another device its passes run on the ``twin``.

    Attributes
    ----------
    backend : Backend
        Where the arrays of this problem live.
    device : Backend
        Where passes over its rows run.
    """

    backend: Backend = field(default=CPU)
    device: Backend = field(default=CPU)

    def placed(self, device: str) -> Self:
        """The same problem with its passes on a device, "cuda"; itself for "cpu"."""
        me: Any = self
        if checked_device(device) == "cpu":
            if isinstance(me.rows, PairedRows):
                raise InputError('X lies on a device: say device="cuda", or give a NumPy array')
            return self
        if isinstance(me.spec, Oracle):
            raise UnsupportedError(
                "an oracle's callables run where they choose: leave device out, and put the module "
                "or the arrays that they use on the device"
            )
        rows = me.rows if isinstance(me.rows, PairedRows) else PairedRows(me.rows)
        return cast("Self", replace(me, rows=rows, device=CUDA))

    @cached_property
    def twin(self) -> Self:
        """The same problem with its arrays on the device: what every pass reads, uploaded once."""
        me: Any = self
        at = self.device.array
        active = me.active
        return cast(
            "Self",
            replace(
                me,
                rows=twin(me.rows),
                y=at(me.y),
                w=at(me.w),
                offset=None if me.offset is None else at(me.offset),
                active=None if active is None else replace(active, linear=at(active.linear)),
                backend=self.device,
            ),
        )

    @property
    def keeps_results(self) -> bool:
        """Whether the caller's own table lies on a device, so that results stay there."""
        rows = cast("Any", self).rows
        return isinstance(rows, PairedRows) and rows.given_there

    def here(self, rows: Rows) -> Features:
        """All of some rows, where this problem's arrays live."""
        if self.backend is CPU:
            return rows.take(slice(None))
        return uploaded((rows.device if isinstance(rows, PairedRows) else rows).take(slice(None)))
