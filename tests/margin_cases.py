"""Support vector machines as a table: how each is made, its targets, its weights."""

import numpy as np
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR

import fastinfluence as fi

TIGHT = {"tol": 1e-9, "max_iter": 1_000_000}
N = 150
rng = np.random.default_rng(5)
X = rng.normal(size=(N, 3))
REAL = X @ [1.0, -0.7, 0.2] + 0.5 * rng.normal(size=N) + 0.3
WORDS = np.where(REAL > 0.4, "yes", "no")
SIGNS = np.where(REAL > 0.4, 1.0, -1.0)
WEIGHTS = rng.uniform(0.3, 2.0, size=N)
TEST = (rng.normal(size=(6, 3)), np.array(["yes", "no", "yes", "yes", "no", "no"]))
TEST_REAL = (TEST[0], TEST[0][:, 0])


def hinge_svc(**options):
    return LinearSVC(**{"loss": "hinge", "random_state": 0, **TIGHT, **options})


MODELS = {
    "LinearSVC": (lambda: hinge_svc(), WORDS, None),
    "LinearSVC C": (lambda: hinge_svc(C=0.1), WORDS, None),
    "LinearSVC bare": (lambda: hinge_svc(fit_intercept=False), WORDS, None),
    "LinearSVC scaled": (lambda: hinge_svc(intercept_scaling=4.0), WORDS, None),
    "LinearSVC weights": (lambda: hinge_svc(), WORDS, WEIGHTS),
    "LinearSVC balanced": (lambda: hinge_svc(class_weight="balanced"), WORDS, WEIGHTS),
    "LinearSVC dict": (lambda: hinge_svc(class_weight={"no": 1, "yes": 3}), WORDS, None),
    "SVC linear": (lambda: SVC(kernel="linear", tol=1e-9), WORDS, None),
    "SVC linear balanced": (
        lambda: SVC(kernel="linear", class_weight="balanced", tol=1e-9),
        WORDS,
        WEIGHTS,
    ),
    "SVC rbf": (lambda: SVC(C=2.0, tol=1e-9), WORDS, None),
    "SVC rbf weights": (lambda: SVC(class_weight={"no": 2.0}, tol=1e-9), WORDS, WEIGHTS),
    "SVC poly": (lambda: SVC(kernel="poly", degree=2, coef0=1, tol=1e-9), WORDS, None),
    "LinearSVR": (lambda: LinearSVR(epsilon=0.2, random_state=0, **TIGHT), REAL, None),
    "LinearSVR no tube": (lambda: LinearSVR(random_state=0, **TIGHT), REAL, WEIGHTS),
    "SVR linear": (lambda: SVR(kernel="linear", tol=1e-9), REAL, None),
    "SVR rbf": (lambda: SVR(tol=1e-9), REAL, WEIGHTS),
}


def fitted(name):
    make, y, w = MODELS[name]
    return make().fit(X, y, **({} if w is None else {"sample_weight": w})), y, w


def read(name, **options):
    model, y, w = fitted(name)
    return fi.Influence.from_estimator(model, X, y, sample_weight=w, **options)


def decision(model, rows):
    predict = model.decision_function if hasattr(model, "classes_") else model.predict
    return predict(rows)


# Squared hinges are smooth as they are.
SQUARED = {"loss": "squared_hinge", "dual": False, "random_state": 0, **TIGHT}
SMOOTH = {
    "squared hinge": (lambda: LinearSVC(**SQUARED), WORDS, None),
    "squared hinge weights": (
        lambda: LinearSVC(**{**SQUARED, "intercept_scaling": 2.0, "class_weight": "balanced"}),
        WORDS,
        WEIGHTS,
    ),
    "squared hinge l1": (lambda: LinearSVC(penalty="l1", C=0.2, **SQUARED), WORDS, None),
}
