"""scikit-learn's estimators as a table: every row is fitted tightly, bare and in Pipelines.

Adding an estimator is adding a row to ``ESTIMATORS``; ``test_every_reader_has_a_row`` asks for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn import linear_model as lm
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastinfluence as fi

N, D = 60, 3
NAMES = ["age", "dose", "mass"]
ROWS = np.arange(0, N, 10)
TIGHT = {"tol": 1e-10, "max_iter": 10_000}
NEWTON = {"solver": "newton-cholesky", **TIGHT}


@dataclass(frozen=True)
class Row:
    """One estimator: how it is made, the kind of its targets, whether it is weighted."""

    name: str
    make: Callable[[], Any]
    target: str
    weighted: bool = False


def known(cls: type, **options: Any) -> Any:
    """Make an estimator, leaving out options that this release of scikit-learn lacks."""
    names = inspect.signature(cls).parameters
    return cls(**{key: value for key, value in options.items() if key in names})


def logistic(**options: Any) -> Callable[[], Any]:
    return lambda: lm.LogisticRegression(**{**NEWTON, **options})


def logistic_cv() -> Any:
    return known(
        lm.LogisticRegressionCV,
        **{**NEWTON, "Cs": [0.1, 1.0], "cv": 3, "l1_ratios": (0.0,)},
        use_legacy_attributes=False,
        scoring="neg_log_loss",
    )


def liblinear(**options: Any) -> Callable[[], Any]:
    return logistic(solver="liblinear", **options)


def tweedie(power: float) -> Row:
    target = "real" if power == 0 else "counts" if power < 2 else "positive"
    # At power 3 a row's curvature may be negative, and then Newton's method resorts to lbfgs.
    options = {"solver": "lbfgs", "tol": 1e-8} if power == 3 else NEWTON
    make = lambda: lm.TweedieRegressor(power=power, alpha=0.1, **options)  # noqa: E731
    return Row(f"TweedieRegressor power {power:g}", make, target)


def gaussian_log() -> Any:
    return lm.TweedieRegressor(power=0, link="log", alpha=0.1, **NEWTON)


ESTIMATORS: tuple[Row, ...] = (
    Row("LogisticRegression", logistic(), "binary"),
    Row("LogisticRegression weights", logistic(), "binary", weighted=True),
    Row("LogisticRegression C", logistic(C=0.3, fit_intercept=False), "binary"),
    Row("LogisticRegression C=inf", logistic(C=np.inf), "binary"),
    Row("LogisticRegression lbfgs", logistic(solver="lbfgs", tol=1e-8), "binary"),
    Row("LogisticRegression liblinear", liblinear(), "binary"),
    Row("LogisticRegression liblinear scaled", liblinear(intercept_scaling=3.0), "binary"),
    Row("LogisticRegression liblinear bare", liblinear(fit_intercept=False), "binary"),
    Row("LogisticRegression balanced", logistic(class_weight="balanced"), "binary"),
    Row("LogisticRegression balanced weights", logistic(class_weight="balanced"), "binary", True),
    Row("LogisticRegression dict", logistic(class_weight={"no": 1.0, "yes": 3.0}), "binary", True),
    Row("LogisticRegressionCV", logistic_cv, "binary"),
    Row("LogisticRegressionCV weights", logistic_cv, "binary", weighted=True),
    Row("LinearRegression", lm.LinearRegression, "real"),
    Row("LinearRegression weights", lm.LinearRegression, "real", weighted=True),
    Row("Ridge", lambda: lm.Ridge(alpha=2.0), "real"),
    Row("Ridge weights", lambda: lm.Ridge(alpha=2.0, fit_intercept=False), "real", True),
    Row("RidgeCV", lambda: lm.RidgeCV(alphas=(0.1, 1.0)), "real"),
    Row("RidgeCV weights", lambda: lm.RidgeCV(alphas=(0.1, 1.0)), "real", weighted=True),
    Row("RidgeClassifier", lm.RidgeClassifier, "binary"),
    Row("RidgeClassifier balanced", lambda: lm.RidgeClassifier(class_weight="balanced"), "binary"),
    Row("PoissonRegressor", lambda: lm.PoissonRegressor(alpha=0.1, **NEWTON), "counts"),
    Row("PoissonRegressor weights", lambda: lm.PoissonRegressor(**NEWTON), "counts", True),
    Row("GammaRegressor", lambda: lm.GammaRegressor(alpha=0.1, **NEWTON), "positive"),
    Row("GammaRegressor weights", lambda: lm.GammaRegressor(**NEWTON), "positive", True),
    *(tweedie(power) for power in (0.0, 1.0, 1.5, 2.0, 3.0)),
    Row("TweedieRegressor log link", gaussian_log, "positive"),
)


def elastic_logistic() -> Any:
    options = {"C": 0.5, "solver": "saga", "l1_ratio": 0.7, "random_state": 0, **TIGHT}
    if known(lm.LogisticRegression).penalty == "l2":  # releases that name the penalty
        options["penalty"] = "elasticnet"
    return lm.LogisticRegression(**options)


def l1_logistic(solver: str = "liblinear", **options: Any) -> Callable[[], Any]:
    given = {"C": 0.3, "solver": solver, "random_state": 0, **TIGHT, **options}
    if known(lm.LogisticRegression).penalty == "l2":
        return lambda: lm.LogisticRegression(penalty="l1", **given)
    return lambda: lm.LogisticRegression(l1_ratio=1.0, **given)


def l1_logistic_cv() -> Any:
    options = {"Cs": [0.3], "cv": 3, "solver": "saga", "random_state": 0, **TIGHT}
    if known(lm.LogisticRegressionCV).penalty == "l2":
        options["penalty"] = "elasticnet"
    return known(
        lm.LogisticRegressionCV,
        **options,
        l1_ratios=[0.8],
        use_legacy_attributes=False,
        scoring="neg_log_loss",
    )


NET = {"tol": 1e-12, "max_iter": 100_000}
SPARSE: tuple[Row, ...] = (
    Row("Lasso", lambda: lm.Lasso(alpha=0.1, **NET), "real"),
    Row("Lasso weights", lambda: lm.Lasso(alpha=0.1, fit_intercept=False, **NET), "real", True),
    Row("Lasso random", lambda: lm.Lasso(0.1, selection="random", random_state=0, **NET), "real"),
    Row("ElasticNet", lambda: lm.ElasticNet(alpha=0.2, l1_ratio=0.6, **NET), "real"),
    Row("ElasticNet weights", lambda: lm.ElasticNet(alpha=0.2, **NET), "real", True),
    Row("LassoCV", lambda: lm.LassoCV(alphas=[0.1, 0.2], cv=3, **NET), "real"),
    Row("ElasticNetCV", lambda: lm.ElasticNetCV(alphas=[0.2], l1_ratio=[0.5], cv=3, **NET), "real"),
    Row("LogisticRegression l1 liblinear", l1_logistic(), "binary"),
    Row("LogisticRegression l1 scaled", l1_logistic(intercept_scaling=5.0), "binary", True),
    Row("LogisticRegression l1 saga", l1_logistic("saga"), "binary", True),
    Row("LogisticRegression l1 balanced", l1_logistic("saga", class_weight="balanced"), "binary"),
    Row("LogisticRegression elastic net", elastic_logistic, "binary"),
    Row("LogisticRegressionCV l1", l1_logistic_cv, "binary"),
)


def fit_sparse(row: Row, form: str = "bare") -> Fit:
    """Fit a row of SPARSE on three columns that matter and five that do not."""
    rng = np.random.default_rng(11)
    X = rng.normal(size=(N, 8))
    f = X[:, :3] @ [1.2, -1.0, 0.8]
    y: Any = f + 0.5 * rng.normal(size=N) + 1.0
    if row.target == "binary":
        y = np.where(rng.random(N) < 1 / (1 + np.exp(-f - 0.8)), "yes", "no")
    weights = rng.uniform(0.5, 2.0, size=N) if row.weighted else None
    estimator = row.make()
    model = make_pipeline(StandardScaler(), estimator) if form == "scaled" else estimator
    name = type(estimator).__name__.lower() + "__" if form == "scaled" else ""
    given = {} if weights is None else {f"{name}sample_weight": weights}
    return Fit(model.fit(X, y, **given), X, y, weights)


@dataclass(frozen=True)
class Fit:
    """A fitted model with the rows that it was fitted on."""

    fitted: Any
    X: Any
    y: Any
    weights: Any

    def influence(self, X: Any = None, y: Any = None) -> fi.Influence:
        """Read the model, from other containers of the same rows where given."""
        rows = self.X if X is None else X
        return fi.Influence.from_estimator(
            self.fitted, rows, self.y if y is None else y, sample_weight=self.weights
        )


def frame(n: int = N, seed: int = 0) -> pd.DataFrame:
    """Return rows with labels that are no positions, and a category."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, D)), columns=NAMES, index=[f"r{i}" for i in range(n)])
    return X.assign(ward=rng.choice(["A", "B", "C"], size=n))


def targets(kind: str, X: pd.DataFrame, seed: int = 1) -> Any:
    """Draw targets of a kind, not far from a linear model."""
    rng = np.random.default_rng(seed)
    f = X[NAMES].to_numpy() @ [0.5, -0.4, 0.2] + 0.3 * (X["ward"] == "B").to_numpy()
    if kind == "binary":
        return np.where(rng.random(len(f)) < 1 / (1 + np.exp(-f)), "yes", "no")
    if kind == "counts":
        return rng.poisson(np.exp(f + 0.5)).astype(float)
    if kind == "positive":
        return np.exp(f) * rng.gamma(20.0, 0.05, size=len(f))
    return np.exp(0.3 * f) + 0.3 * rng.normal(size=len(f)) + 2.0


def columns() -> Any:
    """Return a ColumnTransformer that scales the numbers and encodes the category."""
    return ColumnTransformer(
        [("num", StandardScaler(), NAMES), ("cat", OneHotEncoder(drop="first"), ["ward"])]
    )


def fit(row: Row, form: str = "bare") -> Fit:
    """Fit a row "bare" on an array, "scaled" in a Pipeline, or on encoded "columns"."""
    table = frame()
    y = targets(row.target, table)
    X: Any = table if form == "columns" else table[NAMES].to_numpy()
    estimator = row.make()
    steps = {"bare": [], "scaled": [StandardScaler()], "columns": [columns()]}[form]
    model = make_pipeline(*steps, estimator) if steps else estimator
    weights = np.random.default_rng(2).uniform(0.5, 2.0, size=N) if row.weighted else None
    name = type(estimator).__name__.lower() + "__" if steps else ""
    given = {} if weights is None else {f"{name}sample_weight": weights}
    return Fit(model.fit(X, y, **given), X, y, weights)


# -- agreement with refits -----------------------------------------------------------------


@dataclass(frozen=True)
class Agreement:
    """Slope of a method's changes of theta on those of refits, and their relative distance."""

    slope: float
    distance: float


def agreements(infl: fi.Influence, rows: Any = ROWS) -> dict[str, Agreement]:
    """Compare every method with refits of the caller's own estimator, row by row."""
    change = {}
    for method in ("influence", "newton", "exact", "refit"):
        removal = infl.leave_one_out(rows, method)
        change[method] = (removal.theta - removal.theta_old).ravel()
    truth = change.pop("refit")
    size = truth @ truth
    return {
        method: Agreement(float(d @ truth / size), float(np.sqrt((d - truth) @ (d - truth) / size)))
        for method, d in change.items()
    }
