"""`fastinfluence demo`: the main job on real data, checked against retraining.

The breast cancer table that scikit-learn carries (569 rows, 30 features); a tenth of the training
labels is flipped. Two questions: does self-influence bring the flipped rows to the top, and do the
predicted effects of removing a row agree with retraining without it?
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from fastinfluence.errors import InputError
from fastinfluence.types import BoolArray, FloatArray, IntArray
from fastinfluence.validation import Agreement

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastinfluence.influence import Influence

TRAINING_ROWS = 400
SHARES = (0.1, 0.2)  # of the rows, inspected from the top of a ranking
NAMES = {"influence": "first order", "newton": "Newton", "exact": "exact retraining"}
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"  # distinct in colour blindness too
Method: TypeAlias = Literal["influence", "newton", "exact"]


@dataclass(frozen=True)
class Data:
    """Standardised rows, some training labels wrong on purpose.

    Attributes
    ----------
    X, y : ndarray of shape (n, d) and (n,)
        Training rows; `y` holds the flipped labels.
    X_test, y_test : ndarray of shape (t, d) and (t,)
        Held-out rows, their labels untouched.
    flipped : ndarray of bool of shape (n,)
        Which training labels are wrong.
    """

    X: FloatArray
    y: FloatArray
    X_test: FloatArray
    y_test: FloatArray
    flipped: BoolArray


class Effects(NamedTuple):
    """Change of the mean held-out loss when each training row is left out, by one method.

    Attributes
    ----------
    method : str
        One of those of `Influence.leave_one_out`.
    values : ndarray of shape (n,)
        New minus old loss, in nats.
    seconds : float
        What computing them took.
    """

    method: str
    values: FloatArray
    seconds: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `demo`."""
    parser.add_argument("--out", type=Path, default=Path("demo-output"), metavar="FOLDER")
    parser.add_argument("--flip", type=float, default=0.1, metavar="SHARE", help="labels to flip")
    parser.add_argument("--l2", type=float, default=0.1, help="ridge penalty (mean form)")
    parser.add_argument("--seed", type=int, default=0, help="of the split and the flips")


def run(args: argparse.Namespace) -> int:
    """Fit, rank, verify, draw."""
    for needed in ("sklearn", "matplotlib"):
        import_module(needed)  # the cli says which extra brings it, before any work is done
    picture = _output_folder(args.out) / "demo.png"
    data = load(args.flip, args.seed)
    _print_data(data)
    infl = fit(data, args.l2)
    _print_fit(infl)
    rankings = rank(infl, data)
    _print_rankings(rankings, data.flipped)
    exact = leave_out(infl, data, "exact")
    predictions = [leave_out(infl, data, "influence"), leave_out(infl, data, "newton")]
    _print_agreements(exact, predictions)
    draw(picture, rankings, data.flipped, exact, predictions)
    print(f"Figure: {picture}")
    return 0


def load(flip: float, seed: int) -> Data:
    """Split and standardise the breast cancer table and flip a share of the training labels."""
    from sklearn.datasets import load_breast_cancer

    if not 0 < flip < 0.5:
        raise InputError(f"--flip must lie between 0 and 0.5, got {flip:g}")
    if seed < 0:
        raise InputError(f"--seed must not be negative, got {seed}")
    X, y = load_breast_cancer(return_X_y=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    train, test = order[:TRAINING_ROWS], order[TRAINING_ROWS:]
    X = (X - X[train].mean(axis=0)) / X[train].std(axis=0)
    flipped = np.zeros(TRAINING_ROWS, dtype=bool)
    flipped[rng.choice(TRAINING_ROWS, max(1, round(flip * TRAINING_ROWS)), replace=False)] = True
    labels = y[train].astype(np.float64)
    return Data(X[train], np.abs(labels - flipped), X[test], y[test].astype(np.float64), flipped)


def fit(data: Data, l2: float) -> Influence:
    """Fit a logistic regression to the optimum."""
    from fastinfluence.influence import Influence
    from fastinfluence.spec.models import GLM

    return Influence.fit(GLM("logistic", l2=l2), data.X, data.y)


def rank(infl: Influence, data: Data) -> dict[str, FloatArray]:
    """Score every training row twice: by self-influence and by its own training loss."""
    f = data.X @ infl.theta[:-1] + infl.theta[-1]
    loss = np.logaddexp(0.0, f) - data.y * f
    return {"self-influence": infl.self_influence(), "training loss": loss}


def found(score: FloatArray, flipped: BoolArray) -> IntArray:
    """Count the flipped rows among the k highest scores, for k = 0 … n."""
    return np.concatenate([[0], np.cumsum(flipped[np.argsort(-score, kind="stable")])])


def leave_out(infl: Influence, data: Data, method: Method) -> Effects:
    """Leave out every training row, one at a time, and look at the held-out rows."""
    for _ in range(2):  # the first run compiles, the second is timed
        start = time.perf_counter()
        removal = infl.leave_one_out(method=method)
        values = removal.on_loss(data.X_test, data.y_test).mean(axis=0)
        seconds = time.perf_counter() - start
    return Effects(method, values, seconds)


def draw(
    path: Path,
    rankings: dict[str, FloatArray],
    flipped: BoolArray,
    exact: Effects,
    predictions: list[Effects],
) -> None:
    """Draw both answers side by side into a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 4.6), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_rankings(left, rankings, flipped)
    _draw_agreements(right, exact, predictions)
    figure.savefig(path)


def _draw_rankings(axes: Axes, rankings: dict[str, FloatArray], flipped: BoolArray) -> None:
    share = 100.0 * np.arange(flipped.size + 1) / flipped.size
    for (name, score), colour, style in zip(
        rankings.items(), (BLUE, ORANGE), ("-", "--"), strict=True
    ):
        hits = 100.0 * found(score, flipped) / flipped.sum()
        axes.plot(share, hits, style, color=colour, label=name)
    axes.plot([0, 100], [0, 100], ":", color=GREY, label="chance")
    axes.set(
        title=f"Finding {flipped.sum()} flipped labels",
        xlabel="training rows inspected, highest score first (%)",
        ylabel="flipped labels found (%)",
        xlim=(0, 100),
        ylim=(0, 103),
    )
    axes.legend(loc="lower right")


def _draw_agreements(axes: Axes, exact: Effects, predictions: list[Effects]) -> None:
    actual = 1e3 * exact.values
    ends = [actual.min(), actual.max()]
    axes.plot(ends, ends, "-", color=GREY, linewidth=1, zorder=0, label="predicted = exact")
    for effects, colour, marker in zip(predictions, (BLUE, ORANGE), ("o", "x"), strict=True):
        label = NAMES[effects.method]
        axes.plot(1e3 * effects.values, actual, marker, markersize=4, color=colour, label=label)
    axes.set(
        title="Leaving out one training row",
        xlabel="predicted change of the mean held-out loss (millinats)",
        ylabel="change found by retraining (millinats)",
    )
    axes.legend(loc="upper left")


def _print_data(data: Data) -> None:
    print(
        "Breast cancer (scikit-learn): "
        f"{len(data.y)} training rows, {len(data.y_test)} held out, {data.X.shape[1]} features."
    )
    print(f"{data.flipped.sum()} training labels flipped.", flush=True)


def _print_fit(infl: Influence) -> None:
    print(
        f"Logistic regression, l2 = {infl.spec.l2:g}, "
        f"fitted to a gradient norm of {infl.gradient_norm:.0e}.\n"
    )


def _print_rankings(rankings: dict[str, FloatArray], flipped: BoolArray) -> None:
    counts = [round(share * flipped.size) for share in SHARES]
    heads = [f"in the top {share:.0%} ({k} rows)" for share, k in zip(SHARES, counts, strict=True)]
    rows = [
        [name, *(str(found(score, flipped)[k]) for k in counts)] for name, score in rankings.items()
    ]
    rows.append(["chance", *(f"{flipped.sum() * k / flipped.size:.0f}" for k in counts)])
    _print_table([f"Flipped labels found, of {flipped.sum()}", *heads], rows)


def _print_agreements(exact: Effects, predictions: list[Effects]) -> None:
    rows = []
    for effects in [*predictions, exact]:
        agreement = Agreement.of(effects.values, exact.values)
        numbers = [f"{agreement.pearson:.5f}", f"{agreement.slope:.4f}", f"{effects.seconds:.3f} s"]
        rows.append([NAMES[effects.method], *numbers])
    title = f"Leaving out each of {exact.values.size} rows"
    _print_table([title, "Pearson r", "slope", "time"], rows)
    print(
        "r and slope (through the origin): exact on predicted change of the mean held-out loss;\n"
        "1 is perfect, a slope above 1 means that the prediction is too small.\n"
    )


def _print_table(heads: list[str], rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for first, *others in [heads, ["-" * width for width in widths], *rows]:
        numbers = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        print("  ".join([first.ljust(widths[0]), *numbers]))
    print()


def _output_folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to --out {path}: {error.strerror}") from None
    return path
