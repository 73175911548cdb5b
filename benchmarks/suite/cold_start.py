"""Fresh processes: the import, and everything up to the first score."""

from __future__ import annotations

FIRST_SCORE = """
import numpy as np
import fastinfluence as fi
rng = np.random.default_rng(0)
X = rng.normal(size=(500, 5))
y = (X[:, 0] + rng.normal(size=500) > 0).astype(float)
fi.Influence.fit(fi.GLM("logistic", l2=0.1), X, y).on_loss(X[:5], y[:5])
"""


class ColdStart:
    """Each call is a new interpreter; compiled code comes from the cache on disk."""

    number, repeat = 1, 3

    def setup(self):
        exec(FIRST_SCORE, {})  # fill the cache

    def timeraw_import_numpy(self):
        return "import numpy"

    def timeraw_import(self):
        return "import fastinfluence"

    def timeraw_first_score(self):
        return FIRST_SCORE
