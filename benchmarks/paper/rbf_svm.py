"""Section 5.1: influence of an RBF SVM against retraining it, and how it falls with distance.

    python benchmarks/paper/rbf_svm.py [FOLDER] [--quick]

1,800 images of a 3 or a 5 (half and half), gamma 0.02, C = 1, 600 test images. The rows of largest
influence on hard test images are left out one at a time and scikit-learn's SVC is retrained: the
actual change is that of the hinge loss. (The paper has dogs against fish, whose images are not
public.) Then |influence| on one test image by distance from it: far rows have next to none, of
whatever class.
"""

import time

import numpy as np
from data import Array, Split, arguments, correlation, mnist, parse, slope
from sklearn.svm import SVC

import fastinfluence as fi

GAMMA, C, TEMPERATURES = 0.02, 1.0, (1e-3, 3e-3, 1e-2, 1e-1)


def halves(data: Split, n_train: int, n_test: int) -> Split:
    """Return as many rows of each class, at random."""
    rng = np.random.default_rng(0)

    def draw(y: Array, n: int) -> np.ndarray:
        parts = [rng.choice(np.flatnonzero(y == s), n, replace=False) for s in (1, -1)]
        return np.concatenate(parts)

    train, test = draw(data.y, n_train), draw(data.y_test, n_test)
    return Split(data.X[train], data.y[train], data.X_test[test], data.y_test[test])


def largest(scores: Array, k: int) -> np.ndarray:
    """Return the rows of largest |score| for any test row, best first."""
    return np.argsort(-np.abs(scores).max(axis=0), kind="stable")[:k]


def by_distance(data: Split, scores: Array, at_test: Array) -> None:
    """Print mean |influence| of the rows in each tenth of the distances from a test image."""
    squares = ((data.X - at_test) ** 2).sum(axis=1)
    size = np.abs(scores)
    print("|influence| on that image, by tenths of the distance from it:")
    for part in np.array_split(np.argsort(squares), 10):
        far = np.sqrt(squares[part].mean())
        print(f"  distance {far:5.2f}: {size[part].mean() / size.max():9.2e} of the largest")


def main() -> None:
    """Run and print."""
    args = parse(arguments(__doc__))
    n_train, n_test, n_rows = (300, 100, 20) if args.quick else (900, 300, 100)
    data = halves(mnist(args.folder, 3, 5), n_train, n_test)
    model = SVC(C=C, gamma=GAMMA, tol=1e-6).fit(data.X, data.y)
    margins = data.y_test * model.decision_function(data.X_test)
    hard = np.argsort(margins, kind="stable")[:5]
    test = (data.X_test[hard], data.y_test[hard])
    print(f"{2 * n_train} rows, {len(model.support_)} support vectors, test accuracy", end=" ")
    print(f"{(margins > 0).mean():.3f}; margins of the hard images {np.round(margins[hard], 2)}")

    start = time.perf_counter()
    infl = fi.Influence.from_estimator(model, data.X, data.y, temperature=TEMPERATURES[0])
    scores = infl.on_loss(*test)
    print(infl.report().model)
    print(f"read and scored: {time.perf_counter() - start:.1f} s")

    rows, start = largest(scores, n_rows), time.perf_counter()
    actual = infl.leave_one_out(rows, method="refit").on_loss(*test)
    print(f"{len(rows)} rows left out, SVC retrained: {time.perf_counter() - start:.1f} s")
    print(f"{'':20}{'pearson of each hard image':^42}{'of all':>8}{'slope':>8}")
    for t in TEMPERATURES:
        smoothed = fi.Influence.from_estimator(model, data.X, data.y, temperature=t)
        found = smoothed.on_loss(*test)[:, rows]
        each = "".join(f"{correlation(*pair):8.3f}" for pair in zip(found, actual, strict=True))
        both = found.ravel(), actual.ravel()
        print(f"{f't = {t:g}':20}{each:42}{correlation(*both):8.3f}{slope(*both):8.3f}")
    by_distance(data, scores[0], data.X_test[hard[0]])
    beyond = data.y * model.decision_function(data.X) > 1 + 1e-2
    print(f"rows beyond the margin: {beyond.sum()}, largest |influence| on it", end=" ")
    print(f"{np.abs(scores[0, beyond]).max() / np.abs(scores[0]).max():.1e} of the largest")


if __name__ == "__main__":
    main()
