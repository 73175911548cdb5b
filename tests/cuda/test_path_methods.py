"""Every other public method with ``device="cuda"``: the host's view of the device's engine."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cuda.host_module import compiler
from cuda.path_cases import GLMS, MLPS, SPECS, built
from cuda.standin import ON_HARDWARE, installed

import fastinfluence as fi

pytestmark = pytest.mark.skipif(
    compiler() is None and not ON_HARDWARE, reason="g++ runs the CUDA sources"
)

ROWS = [3, 0, 41]
SINGLE = ("logistic", "poisson")


def _loss_without(infl: fi.Influence, case: Any, method: str) -> np.ndarray:
    return infl.leave_one_out(ROWS, method=method).on_loss(case.X_test, case.y_test)


def _subset(infl: fi.Influence, case: Any) -> list[Any]:
    g = np.eye(len(infl._engine.theta))[0]
    found = infl.most_influential_subset(g, max_rows=3)
    return [found.rows, found.predicted, found.actual]


def _attack(infl: fi.Influence, case: Any) -> Any:
    return fi.attack(infl, case.X_test[:2], case.y_test[:2], [1, 2], step=0.1, n_steps=2).X


METHODS: dict[str, Callable[[fi.Influence, Any], Any]] = {
    "leave out, influence": lambda i, c: _loss_without(i, c, "influence"),
    "leave out, newton": lambda i, c: _loss_without(i, c, "newton"),
    "leave out, exact": lambda i, c: _loss_without(i, c, "exact"),
    "groups": lambda i, c: i.leave_group_out([[1, 2], [3]], method="exact").theta,
    "without": lambda i, c: i.without([1, 5, 7]).self_influence(),
    "without, twice": lambda i, c: i.without([1]).without([4]).on_prediction(c.X_test),
    "replacement": lambda i, c: i.replacement(
        ROWS[:2], c.X_test[:2], c.y_test[:2], c.X_test, c.y_test
    ),
    "replacement, exact": lambda i, c: i.replacement(
        ROWS[:2], c.X_test[:2], c.y_test[:2], c.X_test, c.y_test, method="exact"
    ),
    "perturbation": lambda i, c: i.perturbation(c.X_test, c.y_test, ROWS),
    "on_l2": lambda i, c: i.on_l2(c.X_test, c.y_test),
    "on_weights": lambda i, c: i.on_weights(c.X_test, c.y_test),
    "subset": _subset,
    "polish": lambda i, c: i.polish().theta,
    "validate": lambda i, c: i.validate(c.X_test, c.y_test, rows=[1, 2, 3]).actual,
}
OF_ONE_PREDICTION: dict[str, Callable[[fi.Influence, Any], Any]] = {
    "target": lambda i, c: i.on_function(fi.targets.coefficient("x1")),
    "targets": lambda i, c: i.on_function([fi.targets.significance("x1")] * 2),
    "value": lambda i, c: i.value(fi.targets.significance("x1")),
    "label": lambda i, c: i.perturbation(c.X_test, c.y_test, ROWS, wrt="y"),
    "diagnostics": lambda i, c: [
        getattr(i.diagnostics(), name) for name in ("leverage", "cooks_distance", "dfbetas")
    ],
    "cross validation": lambda i, c: i.cross_validation().prediction,
    "covariance": lambda i, c: i.covariance(),
}
BY_PATHS = ("groups", "without, twice", "replacement, exact", "validate", "subset")
"""Of networks, asked of one only: they retrain step by step."""
NEEDS_OPTIMUM = {"leave out, exact", "groups", "without", "without, twice", "replacement, exact"}
"""Of a network these end at a stationary point whose path rounding decides: fewer digits."""


@pytest.mark.parametrize("storage", ["dense", "sparse"])
@pytest.mark.parametrize("model", SPECS)
def test_agrees_with_the_cpu(model: str, storage: str) -> None:
    """Every method, to the digits that its own iterations leave."""
    case = built(model, storage)
    methods = METHODS | (OF_ONE_PREDICTION if model in SINGLE else {})
    if model in MLPS and (model, storage) != ("MLP", "dense"):
        methods = {name: ask for name, ask in methods.items() if name not in BY_PATHS}
    here = case.on("cpu")
    with installed():
        there = case.on("cuda")
        for name, ask in methods.items():
            wanted, found = (_asked(ask, infl, case) for infl in (here, there))
            _close(found, wanted, 1e-6 if name in NEEDS_OPTIMUM else 1e-8, f"{model}: {name}")


def test_fit_ends_at_the_same_optimum() -> None:
    """Newton's method on the host, sums over the rows on the device."""
    for model in SPECS:
        case = built(model)
        with installed(), warnings.catch_warnings():
            warnings.simplefilter("ignore", fi.FastInfluenceWarning)
            infl = fi.Influence.fit(
                case.spec, case.X, case.y, sample_weight=case.weights, device="cuda"
            )
        assert infl.fit_status is not None
        assert infl.fit_status.stationary, model
        _close(infl.theta, case.theta, 1e-5 if "MLP" in model else 1e-8, model)


def test_report_and_attack() -> None:
    """The account of a model, and the iterated attack, dense rows replaced on the device."""
    case = built("logistic")
    here = case.on("cpu")
    with installed():
        there = case.on("cuda")
        assert str(there.report())[:20] == str(here.report())[:20]
        assert there.report().proof.pearson == pytest.approx(here.report().proof.pearson, abs=1e-6)
        _close(_attack(there, case), _attack(here, case), 1e-9, "attack")


def test_offset_labels_and_frames() -> None:
    """An offset, labels that are words, and a data frame with names."""
    pd = pytest.importorskip("pandas")
    case = built("logistic")
    X, X_test = (pd.DataFrame(part, columns=list("abcde")) for part in (case.X, case.X_test))
    y = np.where(case.y == 1, "yes", "no")
    offset = np.linspace(-0.5, 0.5, len(y))
    found = []
    for device in ("cpu", "cuda"):
        with installed():
            infl = fi.Influence.fit(case.spec, X, y, offset=offset, device=device)
            found.append(infl.on_loss(X_test, y[:7], offset_test=offset[:7]))
    _close(found[1], found[0], 1e-8, "offset")


def test_estimator_on_a_device() -> None:
    """A fitted scikit-learn model, asked there."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    case = built("logistic")
    fitted = linear_model.LogisticRegression(tol=1e-10, max_iter=1000).fit(case.X, case.y)
    here = fi.Influence.from_estimator(fitted, case.X, case.y)
    with installed():
        there = fi.Influence.from_estimator(fitted, case.X, case.y, device="cuda")
        for ask in (lambda i: i.self_influence(), lambda i: i.leave_one_out([1], "refit").theta):
            _close(ask(there), ask(here), 1e-8, "estimator")


def test_an_oracle_is_refused() -> None:
    """Its callables decide where they run."""
    spec = fi.Oracle(lambda theta, X, y: 0 * X, lambda theta, X, y, V: 0 * V, n_params=2)
    X = np.zeros((3, 2))
    with installed(), pytest.raises(fi.UnsupportedError, match="callables run where they choose"):
        fi.Influence(spec, X, np.zeros(3), np.zeros(2), device="cuda")


@pytest.mark.skipif(ON_HARDWARE, reason="a device keeps no account")
@pytest.mark.parametrize("model", GLMS)
def test_passes_of_the_view_run_on_the_device(model: str) -> None:
    """What crosses in a product is of the size of theta; n numbers cross once, when asked for."""
    case = built(model)
    p = len(case.theta)
    with installed() as (_, ledger):
        infl = case.on("cuda")
        with ledger.of() as seen:
            infl._engine.hvp(np.ones((p, 2)))
            infl._engine.total_gradients(np.ones((p, 3)))
        assert sorted(seen.up) == sorted(seen.down) == sorted([16 * p, 24 * p])
        assert seen.launches > 0
        with ledger.of() as seen:
            assert infl._engine.f is infl._engine.f
        assert seen.down == [8 * len(case.y)]


def _asked(ask: Callable[[fi.Influence, Any], Any], infl: fi.Influence, case: Any) -> Any:
    with warnings.catch_warnings():  # a network's removals tell how far they got
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        return ask(infl, case)


def _close(found: Any, wanted: Any, tolerance: float, what: str) -> None:
    if isinstance(found, list):
        for a, b in zip(found, wanted, strict=True):
            _close(a, b, tolerance, what)
        return
    assert isinstance(found, (np.ndarray, float, np.floating)), what
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape, what
    size = max(float(np.abs(wanted).max()), 1e-300)
    error = float(np.abs(found - wanted).max()) / size
    assert error <= tolerance, f"{what}: {error:.1e} of the largest"
