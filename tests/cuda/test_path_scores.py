"""The scoring path on a device, through the stand-in: every method, model and storage."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cuda.host_module import compiler
from cuda.path_cases import MLPS, SPECS, STORAGES, built
from cuda.standin import ON_HARDWARE, installed

import fastinfluence as fi

pytestmark = pytest.mark.skipif(
    compiler() is None and not ON_HARDWARE, reason="g++ runs the CUDA sources"
)

TOLERANCE = {"float64": 1e-10, "float32": 1e-4}
ROWS = [3, 0, 41]


def _directions(infl: fi.Influence) -> np.ndarray:
    return np.random.default_rng(5).standard_normal((len(infl._engine.theta), 3))


METHODS: dict[str, Callable[[fi.Influence, Any], Any]] = {
    "ihvp": lambda i, b: i.ihvp(_directions(i)).x,
    "on_params": lambda i, b: i.on_params(ROWS),
    "on_loss": lambda i, b: i.on_loss(b.X_test, b.y_test),
    "on_loss upweight": lambda i, b: i.on_loss(b.X_test, b.y_test, effect="upweight"),
    "on_loss total": lambda i, b: i.on_loss(b.X_test, b.y_test, out=fi.Total()),
    "on_loss top": lambda i, b: i.on_loss(b.X_test, b.y_test, out=fi.TopK(4)).helpful.values,
    "on_loss worst": lambda i, b: i.on_loss(b.X_test, b.y_test, out=fi.TopK(4)).harmful.rows,
    "on_prediction": lambda i, b: i.on_prediction(b.X_test),
    "on_prediction mean": lambda i, b: (
        i.on_prediction(b.X_test, output="mean") if "hinge" not in i.spec.loss.name else 0.0
    ),
    "on_prediction top": lambda i, b: i.on_prediction(b.X_test, out=fi.TopK(3)).harmful.values,
    "on_function": lambda i, b: i.on_function(
        _directions(i).T, direct=np.outer([1.0, 2.0, 3.0], np.arange(i.n_rows))
    ),
    "self_influence": lambda i, b: i.self_influence(),
    "hessian": lambda i, b: i.hessian.matmat(_directions(i)),
    "hessian, six": lambda i, b: i.hessian.matmat(np.tile(_directions(i), 2)),
    "hessian, many": lambda i, b: i.hessian.matmat(np.tile(_directions(i), 23)),
    "dense": lambda i, b: i.hessian.dense(),
    "diagonal": lambda i, b: i.hessian.diagonal(),
    "theta": lambda i, b: i.theta,
    "gradient's terms": lambda i, b: i._engine.gradient_scale,
    "predictions": lambda i, b: i._engine.f,
    "sizes": lambda i, b: i._engine.row_sizes,
}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("model", SPECS)
def test_agrees_with_the_cpu(model: str, storage: str, dtype: str) -> None:
    """Every question, with the solver that is chosen."""
    case = built(model, storage, dtype)
    here = case.on("cpu")
    with installed():
        there = case.on("cuda")
        for name, ask in METHODS.items():
            wanted, found = ask(here, case), ask(there, case)
            assert isinstance(found, (np.ndarray, float)), name
            _close(found, wanted, TOLERANCE[dtype], name)


SOLVERS = {
    "direct": fi.solvers.Direct("primal"),
    "CG": fi.solvers.CG(tol=1e-12),
    "plain CG": fi.solvers.CG(tol=1e-12, preconditioner=None),
    "Nyström": fi.solvers.CG(tol=1e-12, preconditioner=fi.solvers.Nystrom(rank=4)),
}


@pytest.mark.parametrize("model", SPECS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_solvers_agree(solver: str, model: str) -> None:
    """One side alone and several together."""
    case = built(model)
    here = case.on("cpu", solver=SOLVERS[solver])
    with installed():
        there = case.on("cuda", solver=SOLVERS[solver])
        for V in (_directions(here), _directions(here)[:, :1]):
            wanted, found = here.ihvp(V), there.ihvp(V)
            _close(found.x, wanted.x, 1e-9, solver)
            assert found.status == wanted.status
            assert found.converged.all()
            assert found.bound_is_certain == wanted.bound_is_certain


@pytest.mark.parametrize("sampling", ["weight", "curvature"])
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("model", ["logistic", "multinomial"])
def test_lissa_draws_the_same_rows(model: str, storage: str, sampling: str) -> None:
    """The same recursion, repeat by repeat, on the same draws."""
    case = built(model, storage)
    solver = fi.solvers.LiSSA(depth=40, repeats=3, batch=2, sampling=sampling, tol=1e3)
    wanted = case.on("cpu", solver=solver).ihvp(_directions(case.on("cpu")))
    with installed():
        found = case.on("cuda", solver=solver).ihvp(_directions(case.on("cpu")))
    _close(found.x, wanted.x, 1e-9, "mean")
    _close(found.std_error, wanted.std_error, 1e-7, "standard error")
    assert found.status == wanted.status


def test_lissa_without_replacement_and_of_a_network() -> None:
    """Shuffled epochs, and the model kind whose loop is no kernel."""
    for model, options in (("logistic", {"replacement": False}), ("MLP", {"scale": 60.0})):
        case = built(model)
        solver = fi.solvers.LiSSA(depth=25, repeats=2, tol=1e9, **options)
        V = _directions(case.on("cpu"))
        wanted = case.on("cpu", solver=solver).ihvp(V)
        with installed():
            found = case.on("cuda", solver=solver).ihvp(V)
        _close(found.x, wanted.x, 1e-9, model)


def test_dual_form_and_sketch() -> None:
    """Fewer rows than parameters, and estimated self-influence on the same draws."""
    case = built("logistic")
    X, y, spec = case.X[:4], [0, 1, 1, 0], fi.GLM("logistic", l2=0.5)
    theta = fi.Influence.fit(spec, X, y).theta
    for solver in (fi.solvers.Direct("dual"), "auto"):
        here = fi.Influence(spec, X, y, theta, solver=solver)
        with installed():
            there = fi.Influence(spec, X, y, theta, solver=solver, device="cuda")
            _close(there.self_influence(), here.self_influence(), 1e-10, "dual")
            wanted, found = (i.self_influence(sketch=40) for i in (here, there))
            _close(found.values, wanted.values, 1e-10, "sketch")
            _close(found.std_error, wanted.std_error, 1e-10, "sketch")


@pytest.mark.parametrize("model", MLPS)
def test_networks_by_gauss_newton(model: str) -> None:
    """The other curvature, and many sides of few parameters at once."""
    case = built(model)
    here = case.on("cpu", curvature="gauss-newton")
    with installed():
        there = case.on("cuda", curvature="gauss-newton")
        _close(there.hessian.dense(), here.hessian.dense(), 1e-10, "matrix")
        _close(there.hessian.diagonal(), here.hessian.diagonal(), 1e-10, "diagonal")
        G = np.random.default_rng(0).standard_normal((20, len(case.theta)))
        _close(there.on_function(G), here.on_function(G), 1e-10, "many sides")


def test_collinear_columns_warn_alike() -> None:
    """The least-norm solution, by an eigendecomposition on the device."""
    case = built("logistic")
    X = np.concatenate([case.X, case.X[:, :1]], axis=1)
    spec = fi.GLM("logistic", l2=0.0)
    fitted = fi.Influence.fit(spec, case.X, case.y).theta
    theta = np.append(np.insert(fitted[:-1], D_LAST, 0.0), fitted[-1])
    found = []
    for device in ("cpu", "cuda"):
        with installed():
            infl = fi.Influence(spec, X, case.y, theta, device=device)
            with pytest.warns(fi.FastInfluenceWarning, match="H is singular"):
                found.append(infl.self_influence())
    _close(found[1], found[0], 1e-8, "singular")


D_LAST = 5


def _vector_targets(rng: np.random.Generator, X: np.ndarray) -> tuple[Any, Any, dict[str, Any]]:
    spec = fi.MLP(hidden=(3,), activation="softplus", loss="squared", l2=0.1)
    return spec, rng.standard_normal((len(X), 2)), {"damping": 1.0}


FURTHER: dict[str, Callable[[np.random.Generator, np.ndarray], tuple[Any, Any, dict[str, Any]]]] = {
    "vector targets": _vector_targets,
    "fisher": lambda g, X: (
        fi.GLM(fi.families.gamma(link="log"), l2=0.1, reduction="sum"),
        g.gamma(2.0, size=len(X)),
        {"curvature": "fisher"},
    ),
    "offsets of classes": lambda g, X: (
        fi.GLM("multinomial", l2=0.1),
        g.integers(3, size=len(X)),
        {"offset": g.standard_normal((len(X), 3))},
    ),
    "no intercept, no penalty": lambda g, X: (
        fi.GLM("multinomial", l2=0.0, fit_intercept=False),
        g.integers(3, size=len(X)),
        {},
    ),
    "weights of zero outside the domain": lambda g, X: (
        fi.GLM(fi.families.poisson(link="identity"), l2=0.1),
        g.poisson(5.0, len(X)),
        {"sample_weight": np.where(X[:, 0] > 1.0, 0.0, 1.0)},
    ),
    "one prediction, offset": lambda g, X: (
        fi.GLM("squared", l2=0.1),
        g.standard_normal(len(X)),
        {"offset": g.standard_normal(len(X))},
    ),
}


@pytest.mark.parametrize("name", FURTHER)
def test_further_models(name: str) -> None:
    """Curvatures, offsets, targets and domains that the other tests leave out."""
    rng = np.random.default_rng(8)
    X = rng.standard_normal((50, 3))
    spec, y, options = FURTHER[name](rng, X)
    fitting = {k: v for k, v in options.items() if k in ("offset", "sample_weight")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fi.FastInfluenceWarning)
        theta = fi.Influence.fit(spec, X, y, **fitting).theta
    test = {"offset_test": options["offset"][:4]} if "offset" in options else {}
    here = fi.Influence(spec, X, y, theta, n_threads=1, **options)
    with installed():
        there = fi.Influence(spec, X, y, theta, device="cuda", **options)
        for ask in (
            lambda i: i.on_loss(X[:4], y[:4], **test),
            lambda i: i.on_prediction(X[:4], output="mean", **test),
            lambda i: i.self_influence(),
            lambda i: i.leave_one_out([3], method="newton").theta,
        ):
            _close(ask(there), ask(here), 1e-9, name)


def test_a_loss_outside_its_domain_names_the_row() -> None:
    """The same error, found on the device."""
    case = built("logistic")
    spec = fi.GLM(fi.families.poisson(link="identity"), l2=0.1)
    theta = np.append(np.ones(5), -1.0)
    told = []
    for device in ("cpu", "cuda"):
        with installed(), pytest.raises(fi.LossError, match="no finite derivatives at f =") as seen:
            fi.Influence(spec, case.X, case.y, theta, device=device)
        told.append(str(seen.value))
    assert told[0] == told[1]


def _close(found: Any, wanted: Any, tolerance: float, what: str) -> None:
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape, what
    size = max(float(np.abs(wanted).max()), 1e-300)
    error = float(np.abs(found - wanted).max()) / size
    assert error <= tolerance, f"{what}: {error:.1e} of the largest"
