"""What is read of a torch module: which parameters, in which mode, on which rows."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest

import fastinfluence as fi

torch = pytest.importorskip("torch", reason="torch is not installed: its modules are oracles")
F = torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore:theta is far:fastinfluence.FastInfluenceWarning")

RNG = np.random.default_rng(8)
X, Y = RNG.normal(size=(40, 1, 6, 6)), np.arange(40) % 3
X_TEST, Y_TEST = RNG.normal(size=(3, 1, 6, 6)), np.array([0, 1, 2])


def convolutional() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3, stride=2),
        torch.nn.BatchNorm2d(2),
        torch.nn.Tanh(),
        torch.nn.Dropout(0.5),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 3),
    )


def wrapped(module: torch.nn.Module | None = None, **options) -> fi.Influence:
    options = {"l2": 0.01, "damping": 0.5, **options}
    return fi.Influence.from_torch(module or convolutional(), F.cross_entropy, X, Y, **options)


def dense_hessian(module: torch.nn.Module, names: list[str]) -> np.ndarray:
    """Return the Hessian of the mean loss by torch.autograd.functional, a block at a time."""
    module = copy.deepcopy(module).double().eval()
    known = dict(module.named_parameters())
    shapes = [known[name].shape for name in names]
    sizes = [known[name].numel() for name in names]

    def objective(theta):
        parts = torch.split(theta, sizes)
        chosen = {n: p.reshape(s) for n, p, s in zip(names, parts, shapes, strict=True)}
        f = torch.func.functional_call(module, chosen, (torch.tensor(X),))
        return F.cross_entropy(f, torch.tensor(Y))

    theta = torch.cat([known[name].detach().reshape(-1) for name in names])
    return torch.autograd.functional.hessian(objective, theta).numpy()


def test_a_convolutional_network_against_autograd():
    module = convolutional()
    infl = wrapped(module)
    names = [name for name, _ in module.named_parameters()]
    H = dense_hessian(module, names)
    penalty = np.concatenate(
        [np.full(p.numel(), 0.0 if n.endswith("bias") else 0.01) for n, p in
         module.named_parameters()]
    )  # fmt: skip
    wanted = H + np.diag(penalty) + 0.5 * np.eye(len(H))
    np.testing.assert_allclose(infl.hessian.dense(), wanted, atol=1e-12)


def test_dropout_is_off_and_batch_norm_has_its_running_statistics():
    module = convolutional()
    module.train()
    before = copy.deepcopy(module.state_dict())
    infl = wrapped(module)
    np.testing.assert_array_equal(
        infl.on_loss(X_TEST, Y_TEST), wrapped(module).on_loss(X_TEST, Y_TEST)
    )
    assert module.training
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name
        assert value.dtype == before[name].dtype


def test_later_training_does_not_move_the_copy():
    module = convolutional()
    infl = wrapped(module)
    before = infl.on_loss(X_TEST, Y_TEST)
    with torch.no_grad():
        for value in module.parameters():
            value.add_(1.0)
    np.testing.assert_array_equal(infl.on_loss(X_TEST, Y_TEST), before)


@pytest.mark.parametrize("how", ["frozen", "named"])
def test_parameters_are_frozen_or_chosen_by_name(how):
    module = convolutional()
    names = ["5.weight", "5.bias"]
    if how == "frozen":
        for name, value in module.named_parameters():
            value.requires_grad_(name in names)
        infl = wrapped(module, l2=0.0)
    else:
        infl = wrapped(module, l2=0.0, params=names[::-1])  # the module's order counts
    assert infl.theta.shape == (27,)
    wanted = dense_hessian(module, names) + 0.5 * np.eye(27)
    np.testing.assert_allclose(infl.hessian.dense(), wanted, atol=1e-12)
    assert infl._problem.param_names[0] == "5.weight[0,0]"


def test_penalties():
    module = convolutional()
    sizes = {name: value.numel() for name, value in module.named_parameters()}
    every = wrapped(module, penalize_intercept=True)._problem.l2
    np.testing.assert_array_equal(every, 0.01)
    named = wrapped(module, l2={"5.weight": 2.0})._problem.l2
    assert named.sum() == 2.0 * sizes["5.weight"]


def test_single_precision_modules_are_scored_in_double():
    module = convolutional().float()
    infl = fi.Influence.from_torch(
        module, F.cross_entropy, torch.tensor(X, dtype=torch.float32), Y, l2=0.01, damping=0.5
    )
    assert infl.theta.dtype == np.float64
    found = infl.on_loss(X_TEST.astype(np.float32), Y_TEST)
    wanted = wrapped(module).on_loss(X_TEST, Y_TEST)
    np.testing.assert_allclose(found, wanted, atol=1e-6 * np.abs(wanted).max())


class NoForward(torch.autograd.Function):
    """The square, with a backward pass only."""

    @staticmethod
    def forward(x):
        return x**2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, slope):
        (x,) = ctx.saved_tensors
        return 2 * x * slope

    @staticmethod
    def vmap(info, in_dims, x):
        return NoForward.apply(x), in_dims[0]


class Square(torch.nn.Module):
    def __init__(self, plain: bool) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.linear, self.plain = torch.nn.Linear(36, 3), plain

    def forward(self, x):
        h = self.linear(x.reshape(len(x), -1))
        return h**2 if self.plain else NoForward.apply(h)


def test_operations_without_forward_derivatives():
    """Products go backward twice, so forward mode is never needed."""
    found, wanted = (wrapped(Square(plain), damping=20.0) for plain in (False, True))
    np.testing.assert_allclose(
        found.on_loss(X_TEST, Y_TEST), wanted.on_loss(X_TEST, Y_TEST), rtol=1e-10, atol=1e-14
    )


def test_row_dot_without_row_gradients(monkeypatch):
    """Above a number of parameters, products with rows' gradients are passes of their own."""
    from fastinfluence.adapters import torch_modules

    wanted = wrapped().on_loss(X_TEST, Y_TEST)
    monkeypatch.setattr(torch_modules, "FORMED", 10)
    infl = wrapped()
    assert "row_dot" in infl.spec.calls
    np.testing.assert_allclose(infl.on_loss(X_TEST, Y_TEST), wanted, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("answer", ["module", "tensor", "array"])
def test_refits_may_return_modules(answer):
    module = convolutional()

    def train(rows):
        out = copy.deepcopy(module)
        with torch.no_grad():
            out[5].bias.add_(0.001 * (40 - len(rows)))
        theta = torch.cat([value.detach().reshape(-1) for value in out.parameters()])
        return {"module": out, "tensor": theta, "array": theta.numpy()}[answer]

    removal = wrapped(module, refit=train).leave_one_out([3, 4], method="refit")
    moved = removal.theta - removal.theta_old
    np.testing.assert_allclose(moved[:, -3:], 0.001, atol=1e-6)
    np.testing.assert_allclose(moved[:, :-3], 0.0, atol=1e-12)


def test_images_are_perturbed_pixel_by_pixel():
    infl = wrapped()
    found = infl.perturbation(X_TEST, Y_TEST, [0, 7])
    assert found.shape == (3, 2, 36)
    h, new = 1e-5, X[[7]].copy()
    new[0, 0, 2, 3] += h
    moved = infl.replacement([7], new, Y[[7]], X_TEST, Y_TEST)[:, 0]
    np.testing.assert_allclose(found[:, 1, 15], moved / h, rtol=1e-3, atol=1e-9)


class Random(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(36, 3)

    def forward(self, x):
        return F.dropout(self.linear(x.reshape(len(x), -1)), 0.5, training=True)


class Mixing(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(36, 3)

    def forward(self, x):
        return self.linear(x.reshape(len(x), -1) - x.mean())


def with_attribute() -> torch.nn.Module:
    module = convolutional()
    module.last = module(torch.ones(1, 1, 6, 6))
    return module


BAD = {
    "no module": (lambda: wrapped(lambda x: x), fi.InputError, "module is a function"),
    "no loss": (
        lambda: fi.Influence.from_torch(convolutional(), "mse", X, Y),
        fi.InputError,
        "loss='mse' is not callable",
    ),
    "unknown name": (lambda: wrapped(params=["fc"]), fi.InputError, "params names 'fc'"),
    "all frozen": (
        lambda: wrapped(convolutional().requires_grad_(False)), fi.InputError, "all are frozen",
    ),
    "unknown penalty": (lambda: wrapped(l2={"fc": 1.0}), fi.InputError, "l2 names 'fc'"),
    "penalty no number": (lambda: wrapped(l2="big"), fi.InputError, "l2='big'"),
    "rows apart": (
        lambda: fi.Influence.from_torch(convolutional(), F.cross_entropy, X, Y[:5]),
        fi.InputError,
        "y has 5 entries",
    ),
    "texts": (
        lambda: fi.Influence.from_torch(convolutional(), F.cross_entropy, ["a"] * 40, Y),
        fi.InputError,
        "X is no array of numbers",
    ),
    "missing values": (
        lambda: fi.Influence.from_torch(
            convolutional(), F.cross_entropy, np.where(X > 2, np.nan, X), Y
        ),
        fi.InputError,
        "X holds NaN",
    ),
    "random": (lambda: wrapped(Random()), fi.OracleError, "randomness|not the same twice"),
    "rows that mix": (lambda: wrapped(Mixing()), fi.OracleError, "other rows|sum over its rows"),
    "penalty of no number": (
        lambda: wrapped(l2={"5.weight": "a"}), fi.InputError, r"l2\['5.weight'\]='a' is not a",
    ),
    "negative penalty": (lambda: wrapped(l2=-1.0), fi.InputError, "^l2=-1.0 must be finite"),
    "names that are none": (lambda: wrapped(params=5), fi.InputError, "params=5: give names"),
    "no mean": (lambda: wrapped(mean="softmax"), fi.InputError, "mean='softmax' is not callable"),
    "weighted mean of a row": (
        lambda: fi.Influence.from_torch(
            convolutional(), torch.nn.CrossEntropyLoss(weight=torch.ones(3)), X, Y
        ),
        fi.InputError,
        "sample_weight",
    ),
    "a graph in the module": (
        lambda: wrapped(with_attribute()), fi.InputError, "cannot be copied",
    ),
    "no shape yet": (
        lambda: wrapped(torch.nn.Sequential(torch.nn.LazyLinear(3))), fi.InputError, "no shape yet",
    ),
    "complex rows": (
        lambda: fi.Influence.from_torch(convolutional(), F.cross_entropy, X + 0j, Y),
        fi.InputError,
        "X is complex",
    ),
    "sparse rows": (
        lambda: fi.Influence.from_torch(
            convolutional(), F.cross_entropy, torch.tensor(X).to_sparse(), Y
        ),
        fi.InputError,
        "X is sparse",
    ),
    "ragged rows": (
        lambda: fi.Influence.from_torch(
            convolutional(), F.cross_entropy, [torch.ones(2), torch.ones(3)], Y[:2]
        ),
        fi.InputError,
        "X is no list of tensors of one shape",
    ),
    "whole numbers": (
        lambda: fi.Influence.from_torch(convolutional(), F.cross_entropy, X.astype(int), Y),
        fi.OracleError,
        "torch.int64.*whole numbers are left as they are",
    ),
    "a mean that is not known": (
        lambda: fi.Influence.from_torch(
            convolutional(), lambda f, y: F.cross_entropy(f, y), X, Y, damping=1.0
        ).on_prediction(X_TEST, output="mean"),
        fi.UnsupportedError,
        r"from_torch\(..., mean=...\)",
    ),
    "another architecture": (
        lambda: wrapped(refit=lambda rows: torch.nn.Linear(2, 2)).leave_one_out([0], "refit"),
        fi.InputError,
        "without the parameter '0.weight'",
    ),
    "refit to a pair": (
        lambda: wrapped(refit=lambda rows: (torch.nn.Linear(2, 2), 1)).leave_one_out([0], "refit"),
        fi.InputError,
        "refit returned no array",
    ),
    "an extractor": (
        lambda: wrapped().perturbation(X_TEST, Y_TEST, [0], vjp=lambda rows, G: G),
        fi.UnsupportedError,
        "vjp goes with tables",
    ),
    "a shape that torch refuses": (
        lambda: fi.Influence.from_torch(convolutional(), F.cross_entropy, X[:, :, :4, :4], Y),
        (fi.OracleError, fi.InputError),
        "mat1 and mat2|shape",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_modules(name):
    call, kind, words = BAD[name]
    with pytest.raises(kind, match=words):
        call()


ROWS = {
    "a table": lambda: pd.DataFrame(X.reshape(40, 36)),
    "an array that is not written to": lambda: frozen(X.reshape(40, 36)),
    "tensors that require gradients": lambda: [
        torch.tensor(row, requires_grad=True) for row in X.reshape(40, 36)
    ],
    "a list of lists": lambda: X.reshape(40, 36).tolist(),
    "a view": lambda: X[::-1].reshape(40, 36)[::-1],
}


def frozen(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values.flags.writeable = False
    return values


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_any_kind_without_a_word(name):
    """Torch warns of arrays that may not be written to; warnings are errors here."""
    torch.manual_seed(2)
    module = torch.nn.Sequential(torch.nn.Linear(36, 3))

    def scores(rows):
        infl = fi.Influence.from_torch(module, F.cross_entropy, rows, Y, l2=0.1, damping=1.0)
        return infl.on_loss(X_TEST.reshape(3, 36), Y_TEST)

    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)  # otherwise once in a process
    try:
        found = scores(ROWS[name]())
    finally:
        torch.set_warn_always(before)
    np.testing.assert_array_equal(found, scores(X.reshape(40, 36)))


def test_a_module_that_fits_exactly():
    """Nothing is left of its gradients but rounding."""
    torch.manual_seed(3)
    linear = torch.nn.Linear(36, 8)
    module = torch.nn.Sequential(linear, torch.nn.Tanh(), torch.nn.Linear(8, 2)).double()
    rows = X.reshape(40, 36)
    fitted = module(torch.tensor(rows)).detach().numpy()
    infl = fi.Influence.from_torch(module, F.mse_loss, rows, fitted, l2=0.1)
    assert infl._engine.row_sizes.max() < 1e-12
