"""Leave-one-out under links that are not canonical: observed against expected curvature.

    python benchmarks/noncanonical.py

Slope of the exact change of theta on the predicted one, over all rows; 1 is perfect. The observed
Hessian is what deleting a row meets; the expected one (curvature="fisher", R's choice) is not.
"""

import numpy as np

import fastinfluence as fi


def problems():
    """Yield name, loss, X, y: the true mean is curved and the model is not, as in real tables.

    Where the model misses the mean, observed and expected curvature differ row by row and the
    difference does not average out.
    """
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(800, 2))
    mu = 0.5 + 12 * (X[:, 0] - 0.3) ** 2 + 2 * X[:, 1]
    counts = rng.poisson(mu).astype(float)
    times = rng.gamma(3, mu / 3) + 1e-3
    yield "poisson, identity link", fi.families.poisson(link="identity"), X, counts
    yield "poisson, softplus link", fi.families.poisson(link="softplus"), X, counts
    yield "poisson, sqrt link", fi.families.poisson(link="sqrt"), X, counts
    yield "gamma, log link", fi.families.gamma(link="log"), X, times
    yield "gamma, inverse link (canonical)", fi.families.gamma(link="inverse"), X, times


def slope(infl: fi.Influence, truth: np.ndarray, method: str) -> float:
    """Return the least-squares slope of the true on the predicted change, through the origin."""
    removed = infl.leave_one_out(method=method)
    predicted = removed.theta - removed.theta_old
    return float((predicted * truth).sum() / (predicted * predicted).sum())


def slopes(loss: fi.Loss, X: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Return the slopes of Newton steps and first order, with both curvatures."""
    observed = fi.Influence.fit(fi.GLM(loss), X, y)
    exact = observed.leave_one_out(method="exact")
    truth = exact.theta - exact.theta_old
    expected = fi.Influence(observed.spec, X, y, observed.theta, curvature="fisher")
    return {
        "newton": slope(observed, truth, "newton"),
        "newton, fisher": slope(expected, truth, "newton"),
        "first order": slope(observed, truth, "influence"),
        "first order, fisher": slope(expected, truth, "influence"),
    }


def main() -> None:
    for name, loss, X, y in problems():
        found = slopes(loss, X, y)
        print(f"{name:33}" + "  ".join(f"{key} {value:.4f}" for key, value in found.items()))


if __name__ == "__main__":
    main()
