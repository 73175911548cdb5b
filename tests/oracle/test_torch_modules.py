"""What is read of a torch module: which parameters, in which mode, on which rows."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest

import fastinfluence as fi

torch = pytest.importorskip("torch", reason="torch is not installed: its modules are oracles")

from torch_cases import X_TEST, Y_TEST, F, X, Y, convolutional, wrapped  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:theta is far:fastinfluence.FastInfluenceWarning")


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
