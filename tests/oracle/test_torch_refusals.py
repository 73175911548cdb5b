"""What from_torch refuses, each with one error that names it."""

from __future__ import annotations

import numpy as np
import pytest

import fastinfluence as fi

torch = pytest.importorskip("torch", reason="torch is not installed: its modules are oracles")

from torch_cases import X_TEST, Y_TEST, F, X, Y, convolutional, wrapped  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:theta is far:fastinfluence.FastInfluenceWarning")


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
