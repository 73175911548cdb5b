"""A specification met with data: validated once, then trusted by every layer above."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np

from fastinfluence.active_set import ActiveSet
from fastinfluence.errors import InputError
from fastinfluence.fingerprints import of_arrays
from fastinfluence.inputs import (
    check_finite_rows,
    check_spec,
    checked_offset,
    checked_weights,
    listed,
    positive_count,
)
from fastinfluence.kernel_space import KernelSpace
from fastinfluence.labels import LabelCodec, Untouched
from fastinfluence.lazy import cached_property
from fastinfluence.placement import Placed, checked_device
from fastinfluence.rows.base import Rows, available_threads
from fastinfluence.rows.features import Features
from fastinfluence.rows.indexed import Indexed, IndexedRows, alike
from fastinfluence.rows.sources import as_rows
from fastinfluence.rows.stream import StreamRows
from fastinfluence.spec.loss import Loss
from fastinfluence.spec.mlp import MLP
from fastinfluence.spec.models import GLM
from fastinfluence.spec.oracle import Oracle
from fastinfluence.tables import Table, as_table, check_same_order, own_table
from fastinfluence.types import FloatArray, IntArray

Spec: TypeAlias = GLM | MLP | Oracle


@dataclass(frozen=True)
class TestRows:
    """Test rows checked against the training table: X (t, d), y (t,) or None, offset (t,).

    For K predictions a row the offset is (t, K).

    X keeps its own storage, whatever the training table has. Of a kernel machine X holds
    features, and ``inputs`` the rows that they were made from.
    """

    __test__ = False  # not a test class, whatever its name suggests to a collector

    X: Features
    y: FloatArray | None
    offset: FloatArray
    inputs: FloatArray | None = None

    def part(self, rows: slice | IntArray) -> TestRows:
        """Some of the rows."""
        y, inputs = (None if a is None else a[rows] for a in (self.y, self.inputs))
        return TestRows(self.X[rows], y, self.offset[rows], inputs)


@dataclass(frozen=True)
class Problem(Placed):
    """Rows, encoded targets, weights and offset of one model.

    Attributes
    ----------
    spec : GLM, MLP or Oracle
    rows : Rows
        n rows of d features.
    y : ndarray, shape (n,), or (n, K) for a vector of K targets a row
        Targets as the loss wants them.
    w : ndarray, shape (n,)
        Sample weights; ones when none were given.
    offset : ndarray, shape (n,), or (n, K) for K predictions a row, or None
        Added to the linear predictor.
    codec : LabelCodec
        How the caller's targets are encoded.
    feature_names : tuple of str
    labels : sequence or None
        The caller's row labels.
    named : bool
        Whether the column names are the caller's.
    library : str
        The library of the caller's table, "numpy" for arrays.
    n_threads : int
    transform : callable or None
        Turns the caller's test rows into this table's columns (a Pipeline's first steps).
    frequency_weights : bool
        Whether a weight counts identical rows, so that the number of rows is W.
    active : ActiveSet or None
        The columns that an l1 penalty left in, where the model has one.
    sharp_loss : Loss or None
        What the caller's estimator minimised, where ``spec`` holds a smoothed form of it: the
        unit of what its refits show.
    space : KernelSpace or None
        The kernel behind the features, of a kernel machine; it is ``transform`` too.
    total_weight : float or None
        W, where the rows are a block of more.
    first_row : int
        Position of the first row in the table that a block is of, for messages.
    """

    spec: Spec
    rows: Rows
    y: FloatArray
    w: FloatArray
    offset: FloatArray | None
    codec: LabelCodec | Untouched
    feature_names: tuple[str, ...]
    labels: Sequence[Any] | None
    named: bool
    library: str
    n_threads: int
    transform: Callable[[Any], Any] | None = None
    frequency_weights: bool = False
    active: ActiveSet | None = None
    sharp_loss: Loss | None = None
    space: KernelSpace | None = None
    total_weight: float | None = None
    first_row: int = 0

    @classmethod
    def build(
        cls,
        spec: Spec,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        offset: Any = None,
        device: str = "cpu",
        n_threads: int | None = None,
        codec: LabelCodec | Untouched | None = None,
        transform: Callable[[Any], Any] | None = None,
    ) -> Problem:
        """Check everything the caller gave; raise one clear InputError, or return a Problem."""
        check_spec(spec)
        checked_device(device)
        threads = (
            available_threads() if n_threads is None else positive_count(n_threads, "n_threads")
        )
        rows: Rows
        if isinstance(spec, Oracle):
            if offset is not None:
                raise InputError("an oracle takes no offset: make it a part of X")
            threads = 1  # nothing is known of what a caller's code does in two
            table, rows = own_table(X), IndexedRows(X, y, spec.batch)
            codec = codec or Untouched(spec.n_outputs)
        else:
            table = as_table(X)
            rows = as_rows(table.values)
            check_finite_rows(rows, table.names, "X", threads)
            codec = codec or LabelCodec.learn(spec.loss, y, spec.takes_vectors)
        for given, what in ((y, "y"), (sample_weight, "sample_weight"), (offset, "offset")):
            check_same_order(X, given, what)
        n = rows.n_rows
        w = np.ones(n) if sample_weight is None else checked_weights(sample_weight, n)
        return cls(
            spec=spec,
            rows=rows,
            y=codec.encode(y, n),
            w=w,
            offset=None if offset is None else checked_offset(offset, n, codec.n_outputs, "offset"),
            codec=codec,
            feature_names=table.names,
            labels=table.labels,
            named=table.named,
            library=table.library,
            n_threads=threads,
            transform=transform,
        ).placed(device)

    @property
    def n_rows(self) -> int:
        """Number of training rows n."""
        return self.rows.n_rows

    @property
    def n_params(self) -> int:
        """Length p of theta."""
        return self.spec.n_params(self.rows.n_features, self.n_outputs)

    @property
    def n_outputs(self) -> int:
        """Predictions per row: K classes of a multinomial model, otherwise 1."""
        return self.codec.n_outputs

    @cached_property
    def W(self) -> float:  # noqa: N802 - the symbol of the paper's tables
        """Sum of the weights."""
        return float(self.w.sum()) if self.total_weight is None else self.total_weight

    @cached_property
    def l2(self) -> FloatArray:
        """The penalty of each parameter in the spec's reduction, shape (p,)."""
        l2 = self.spec.l2_vector(self.rows.n_features, self.n_outputs)
        return cast("FloatArray", self.backend.array(l2))

    @property
    def mean_form(self) -> bool:
        """Whether the objective divides by W."""
        return self.spec.reduction == "mean"

    @cached_property
    def penalty(self) -> FloatArray:
        """The penalty of each parameter in mean form, shape (p,): what H has on its diagonal."""
        return self.l2 if self.mean_form else self.l2 / self.W

    def pull(self, theta: FloatArray) -> FloatArray:
        """Gradient of the penalty at theta, in the spec's reduction, shape (p,)."""
        out: FloatArray = self.l2 * theta
        return out if self.active is None else out + self.active.linear

    def price(self, theta: FloatArray) -> float:
        """Value of the penalty at theta, in the spec's reduction."""
        out = 0.5 * float(self.l2 @ theta**2)
        return out if self.active is None else out + float(self.active.linear @ theta)

    @cached_property
    def param_names(self) -> list[str]:
        """Names of the entries of theta."""
        named = self.output_names if self.n_outputs > 1 else ()
        return self.spec.param_names(self.feature_names, named)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the K predictions of a row: the classes, or numbers."""
        classes = self.codec.classes
        return tuple(str(k) for k in (range(self.n_outputs) if classes is None else classes))

    def fingerprints(self) -> dict[str, str]:
        """SHA-256 of each part of the data, as it is used; a pass over the rows."""
        if isinstance(self.rows, StreamRows):  # its rows hold the rest
            return {"X": self.rows.fingerprint()}
        arrays = {"sample_weight": self.w, "offset": self.offset}
        if not isinstance(self.y, Indexed):  # an oracle's targets are a part of its rows
            arrays["y"] = self.y
        own = {name: of_arrays([array]) for name, array in arrays.items()}
        return {"X": self.rows.fingerprint(), **own}

    def test_rows(self, X_test: Any, y_test: Any = None, offset_test: Any = None) -> TestRows:
        """Check test rows against this problem."""
        for given, what in ((y_test, "y_test"), (offset_test, "offset_test")):
            check_same_order(X_test, given, what, "X_test")
        X, inputs = self.features(X_test)
        t = len(X)
        if offset_test is None and self.offset is not None:
            raise InputError("the model was trained with an offset: give offset_test too")
        offset = self.no_offset(t)
        if offset_test is not None:
            given = checked_offset(offset_test, t, self.n_outputs, "offset_test")
            offset = self.backend.array(given)
        y: Any = None if y_test is None else self.codec.encode(y_test, t, "y_test")
        if y is not None and not isinstance(y, Indexed):
            y = self.backend.array(y)
        if isinstance(self.y, Indexed) and self.y.X is None:  # an oracle whose rows have no targets
            y = self.y
        return TestRows(X, y, offset, inputs)

    def no_offset(self, t: int) -> FloatArray:
        """Zeros in the shape of t rows' offsets: (t,), or (t, K) for K predictions a row."""
        shape = t if self.n_outputs == 1 else (t, self.n_outputs)
        return cast("FloatArray", self.backend.xp.zeros(shape))

    def features(self, X: Any, what: str = "X_test") -> tuple[Features, FloatArray | None]:
        """Check the caller's rows and turn them into this model's columns.

        Of a kernel machine also the inputs that the features were made from.
        """
        if self.space is not None:
            inputs = self.space.inputs(X, what)
            return self.here(as_rows(self.space.features(inputs))), inputs
        if isinstance(self.spec, Oracle):
            own = X if self.transform is None else self.transform(X)
            return alike(own, self.rows.take(slice(0, 1)).native(), what), None
        rows = as_rows(self._test_table(X, what).values)
        if rows.n_features != self.rows.n_features:
            raise InputError(
                f"{what} has {rows.n_features} columns but the model was trained on "
                f"{self.rows.n_features}"
            )
        check_finite_rows(rows, self.feature_names, what, 1)
        return self.here(rows), None

    def _test_table(self, X: Any, what: str) -> Table:
        if self.transform is not None:
            X = self.transform(X)
        table = as_table(X, what)
        if not (table.named and self.named):
            return table
        missing = [name for name in self.feature_names if name not in table.names]
        if missing:
            raise InputError(f"{what} lacks the columns {listed(missing)}")
        order = [table.names.index(name) for name in self.feature_names]
        return Table(table.values[:, order], self.feature_names, table.labels, named=True)
