"""A small convolutional module on small images, and its Influence."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import fastinfluence as fi

F = torch.nn.functional
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


def wrapped(module: torch.nn.Module | None = None, **options: Any) -> fi.Influence:
    options = {"l2": 0.01, "damping": 0.5, **options}
    return fi.Influence.from_torch(module or convolutional(), F.cross_entropy, X, Y, **options)
