"""How well each fitted model of scikit-learn and statsmodels is read.

    python benchmarks/adapters.py

Prints ‖∇R‖ at the model's own parameters, and slopes of the predicted changes of theta on those of
refits of the same estimator: 1 is perfect. The models are the rows of the tests' tables.
"""

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import estimator_cases
import numpy as np
import statsmodels_cases

import fastinfluence as fi
from fastinfluence.removal.active import changed_sets


def scikit_learn() -> Iterator[tuple[str, fi.Influence, object]]:
    """Yield every estimator, bare and behind a scaler, with the rows to leave out."""
    for row in estimator_cases.ESTIMATORS:
        for form in ("bare", "scaled"):
            yield f"{row.name}, {form}", estimator_cases.fit(row, form).influence(), None


def sparse() -> Iterator[tuple[str, fi.Influence, object]]:
    """Yield every l1-penalised estimator, with rows whose removal keeps the active set."""
    for row in estimator_cases.SPARSE:
        infl = estimator_cases.fit_sparse(row).influence()
        removal = infl.leave_one_out(method="exact")
        changed = changed_sets(infl._problem, removal.theta, removal.sets)
        yield f"{row.name}, active set", infl, np.flatnonzero(~changed)[:8]


def statsmodels() -> Iterator[tuple[str, fi.Influence, object]]:
    """Yield every model, family and link."""
    for row in statsmodels_cases.MODELS:
        infl = fi.Influence.from_estimator(row.fit())
        yield f"statsmodels {row.name}", infl, statsmodels_cases.ROWS


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore", fi.FastInfluenceWarning)
    print("slopes are shown minus 1")
    print(f"{'estimator':68}{'gradient':>10}{'first order':>13}{'newton':>10}{'exact':>10}")
    for source in (scikit_learn, sparse, statsmodels):
        for name, infl, rows in source():
            chosen = estimator_cases.ROWS if rows is None else rows
            found = estimator_cases.agreements(infl, chosen)
            slopes = (found[method].slope - 1 for method in ("influence", "newton", "exact"))
            first, newton, exact = slopes
            print(f"{name:68}{infl.gradient_norm:10.1e}{first:13.1e}{newton:10.1e}{exact:10.1e}")


if __name__ == "__main__":
    main()
