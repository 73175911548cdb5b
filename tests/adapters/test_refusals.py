"""What cannot be read is refused by name, with what to do instead."""

import numpy as np
import pytest
from estimator_cases import ESTIMATORS, fit, frame, targets
from sklearn import linear_model as lm
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import make_regression
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import fastinfluence as fi

X = frame()[["age", "dose", "mass"]].to_numpy()
REAL, BINARY, COUNTS = (targets(kind, frame()) for kind in ("real", "binary", "counts"))
THREE = np.repeat([0, 1, 2], len(X) // 3)


class Mine(lm.Ridge):
    """Somebody's own estimator."""


class Own:
    """Not an estimator at all."""

    coef_ = np.zeros(3)


class TheirPipeline(Pipeline):
    """Such as imblearn's, whose steps may change the rows."""


def searched():
    return GridSearchCV(lm.Ridge(), {"alpha": [1.0, 2.0]}, cv=3)


REFUSED = {
    "grid search": (searched, REAL, "GridSearchCV.*best_estimator_"),
    "grid search in a Pipeline": (
        lambda: make_pipeline(StandardScaler(), searched()),
        REAL,
        "GridSearchCV.*best_estimator_",
    ),
    "transformed target": (
        lambda: TransformedTargetRegressor(lm.Ridge(), func=np.log, inverse_func=np.exp),
        REAL + 10,
        "TransformedTargetRegressor.*regressor_",
    ),
    "one against the rest": (
        lambda: OneVsRestClassifier(lm.LogisticRegression()),
        THREE,
        "OneVsRestClassifier.*estimators_",
    ),
    "Huber": (lm.HuberRegressor, REAL, "HuberRegressor.*huber"),
    "forest": (RandomForestClassifier, BINARY, r"RandomForestClassifier.*fi\.GLM"),
    "subclass": (Mine, REAL, r"Mine is not supported: a subclass of Ridge.*Copy"),
    "another Pipeline": (
        lambda: TheirPipeline([("scale", StandardScaler()), ("fit", lm.Ridge())]),
        REAL,
        "TheirPipeline is not supported",
    ),
    "positive Ridge": (lambda: lm.Ridge(positive=True), REAL, r"Ridge\(positive=True\).*refit"),
    "positive": (
        lambda: lm.LinearRegression(positive=True),
        REAL,
        r"LinearRegression\(positive=True\).*refit",
    ),
    "liblinear dual": (
        lambda: lm.LogisticRegression(solver="liblinear", dual=True, tol=1e-3, max_iter=5000),
        BINARY,
        r"LogisticRegression\(dual=True\).*dual=False",
    ),
    "three classes": (lm.RidgeClassifier, THREE, "several classes.*one class against the rest"),
    "several targets": (lm.Ridge, np.column_stack([REAL, REAL]), "several targets.*one target"),
    "alpha per target": (
        lambda: lm.Ridge(alpha=[1.0, 2.0]),
        np.column_stack([REAL, REAL]),
        "several targets",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name):
    make, y, message = REFUSED[name]
    model = make().fit(X, y)
    with pytest.raises(fi.UnsupportedError, match=message):
        fi.Influence.from_estimator(model, X, y)


UNFITTED = (lm.Ridge, lm.LogisticRegression, lambda: make_pipeline(StandardScaler(), lm.Ridge()))


@pytest.mark.parametrize("make", UNFITTED)
def test_unfitted(make):
    with pytest.raises(fi.InputError, match="not fitted yet: call fit first"):
        fi.Influence.from_estimator(make(), X, BINARY)


def test_averaged_cross_validation():
    options = {"l1_ratios": (0.0,), "use_legacy_attributes": False, "scoring": "neg_log_loss"}
    known = lm.LogisticRegressionCV().get_params()
    kept = {key: value for key, value in options.items() if key in known}
    model = lm.LogisticRegressionCV(Cs=[0.1, 1.0], cv=3, refit=False, **kept).fit(X, BINARY)
    with pytest.raises(fi.UnsupportedError, match=r"refit=False.*refit=True"):
        fi.Influence.from_estimator(model, X, BINARY)


def test_what_is_no_estimator():
    for other in (Own(), object(), None, 3):
        with pytest.raises(fi.UnsupportedError, match=r"not a supported estimator.*fi\.GLM"):
            fi.Influence.from_estimator(other, X, REAL)


@pytest.mark.parametrize(("rows", "y"), [(None, BINARY), (X, None), (None, None)])
def test_missing_rows(rows, y):
    model = lm.LogisticRegression().fit(X, BINARY)
    with pytest.raises(fi.InputError, match="LogisticRegression does not keep its rows: pass"):
        fi.Influence.from_estimator(model, rows, y)


def test_rows_of_another_shape():
    model = fit(ESTIMATORS[0])
    with pytest.raises(fi.InputError, match="2 columns but LogisticRegression was fitted on 3"):
        fi.Influence.from_estimator(model.fitted, X[:, :2], BINARY)
    with pytest.raises(fi.InputError, match="unknown to the fitted estimator"):
        fi.Influence.from_estimator(model.fitted, X, THREE.astype(str))


def test_other_rows_are_noticed():
    other, z = make_regression(len(X), 3, noise=1.0, random_state=0)
    model = lm.Ridge().fit(X, REAL)
    with pytest.warns(fi.FastInfluenceWarning, match="far from the optimum"):
        fi.Influence.from_estimator(model, other, z)
