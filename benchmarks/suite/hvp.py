"""Hessian-vector products: one pass over X each, so memory-bound."""

from __future__ import annotations

import numpy as np

from .common import fitted


class DenseHVP:
    """One vector, and a block of sixteen."""

    params = ([(200_000, 32), (50_000, 128), (5_000, 1024)],)
    param_names = ("n_d",)

    def setup(self, n_d):
        n, d = n_d
        self.H = fitted(n, d).hessian
        rng = np.random.default_rng(1)
        self.v = rng.standard_normal(d + 1)
        self.V = rng.standard_normal((d + 1, 16))
        self.H @ self.v, self.H @ self.V  # compile

    def time_one_vector(self, n_d):
        self.H @ self.v

    def time_sixteen_vectors(self, n_d):
        self.H @ self.V
