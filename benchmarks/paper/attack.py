"""Section 5.2: training-set attacks. How many test rows does a small change of few rows flip?

    python benchmarks/paper/attack.py [FOLDER] [--quick]

Logistic regression without intercept, weight decay 0.001. For every rightly classified test row
the k training rows of largest summed |I_pert,loss| are changed by sign steps and the model is
retrained after each, from the last weights; k = 1, 2 and 10.

- Flowers (daisies and roses, 2,048 Inception features; 1,000 train, 274 test): the features
  themselves are changed, within --reach of where they were, not below 0, on a grid of 0.01. (The
  paper changes pixels of dogs and fish by less than 8 bits show, and flips 57 % of the test images
  with one training image, 77 % with two, 97 % with ten, of 600.)
- MNIST 1 against 7: pixels on their 8-bit grid, within 8 of 255 grey levels, 100 test rows.
"""

import time

import numpy as np
from data import Split, arguments, flowers, mnist, parse

import fastinfluence as fi

WEIGHT_DECAY = 1e-3
COUNTS = (1, 2, 10)


def strongest(infl: fi.Influence, data: Split, row: int) -> np.ndarray:
    """Return the training rows by summed |I_pert,loss| on one test row, the largest first."""
    n = infl.n_rows
    test = (data.X_test[[row]], data.y_test[[row]])
    size = np.empty(n)
    for start in range(0, n, 1000):
        part = np.arange(start, min(start + 1000, n))
        size[part] = np.abs(infl.perturbation(*test, part)[0]).sum(axis=1)
    return np.argsort(-size, kind="stable")


def attacked(infl: fi.Influence, data: Split, rows: np.ndarray, options: dict) -> None:
    """Attack for each test row on its own, and print the share that flips."""
    f = data.X_test[rows] @ infl.theta
    right = rows[data.y_test[rows] * f > 0]
    print(f"  {len(right)} of {len(rows)} test rows rightly classified before")
    order = {int(j): strongest(infl, data, int(j))[: max(COUNTS)] for j in right}
    for k in COUNTS:
        start, found = time.perf_counter(), []
        for j, best in order.items():
            test = (data.X_test[[j]], data.y_test[[j]])
            found.append(fi.attack(infl, *test, best[:k], **options))
        flipped = np.array([attack.flipped[0] for attack in found])
        steps = np.array([len(attack.history) for attack in found])
        print(
            f"  {k:2d} row(s): {flipped.mean():6.1%} flipped, in {np.median(steps[flipped]):.0f} "
            f"steps (median); {time.perf_counter() - start:.0f} s"
            if flipped.any()
            else f"  {k:2d} row(s): none flipped; {time.perf_counter() - start:.0f} s"
        )


def chosen(data: Split, n: int) -> np.ndarray:
    """Return n test rows at random."""
    return np.random.default_rng(1).permutation(len(data.y_test))[:n]


def main() -> None:
    """Run and print."""
    parser = arguments(__doc__)
    parser.add_argument("--reach", type=float, default=0.1, help="box around flower features")
    args = parse(parser)
    spec = fi.GLM("logistic", l2=WEIGHT_DECAY, fit_intercept=False)

    data = flowers(args.folder)
    infl = fi.Influence.fit(spec, data.X, data.y)
    spread = data.X.std(axis=0).mean()
    print(f"flowers, features within {args.reach:g} (their standard deviation is {spread:.2f})")
    start = data.X  # the bounds are the attacked rows', so each attack makes its own
    rows = chosen(data, 6 if args.quick else len(data.y_test))
    options = {"step": 0.01, "n_steps": 100, "box": args.reach, "grid": 0.01}
    assert start.min() >= 0
    attacked(infl, data, rows, options)

    data = mnist(args.folder, 1, 7)
    if args.quick:
        data = Split(data.X[:2000], data.y[:2000], data.X_test, data.y_test)
    infl = fi.Influence.fit(spec, data.X, data.y)
    print(f"MNIST 1 against 7, {len(data.y)} rows, pixels on their grid within 8/255")
    rows = chosen(data, 6 if args.quick else 100)
    options = {"step": 1 / 255, "n_steps": 50, "box": 8 / 255, "grid": 1 / 255}
    attacked(infl, data, rows, options)


if __name__ == "__main__":
    main()
