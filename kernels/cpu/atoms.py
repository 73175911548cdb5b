"""Stable scalar functions: the numerical side of :mod:`fastinfluence.spec.atoms`.

Plain Python on floats. Their source is copied into each generated kernel, because Numba's cache
does not see edits to functions in other files; so each may use only `math`, `np` and its neighbours
here. None subtracts nearly equal numbers, and none returns NaN for a number in its domain.

The first four are what the common atoms are made of: without a call or a branch, so that a loop
over them works on several numbers at once. ``math.exp`` and ``math.tanh`` are calls, one a number.
"""

import math

import numpy as np


def short_expm1(r: float) -> float:
    """e^r - 1 for |r| <= log(2)/2: the series, whose next term is below 2^-56 of the sum."""
    s = 1.0 / 6227020800.0
    s = s * r + 1.0 / 479001600.0
    s = s * r + 1.0 / 39916800.0
    s = s * r + 1.0 / 3628800.0
    s = s * r + 1.0 / 362880.0
    s = s * r + 1.0 / 40320.0
    s = s * r + 1.0 / 5040.0
    s = s * r + 1.0 / 720.0
    s = s * r + 1.0 / 120.0
    s = s * r + 1.0 / 24.0
    s = s * r + 1.0 / 6.0
    s = s * r + 1.0 / 2.0
    return r + r * r * s


def decay(a: float) -> float:
    """e^-a for a >= 0, within 2 units in the last place: 2^k e^r with r = -a - k log(2)."""
    a = 760.0 if a > 760.0 else a
    shifted = 6755399441055744.0 - a * 1.4426950408889634  # its last bits hold k
    k = shifted - 6755399441055744.0
    r = (-a - k * 0.6931471803691238) - k * 1.9082149292705877e-10
    bits = (np.float64(shifted).view(np.int64) + np.int64(1123)) << np.int64(52)  # of 2^(k + 100)
    return (1.0 + short_expm1(r)) * np.int64(bits).view(np.float64) * 7.888609052210118e-31


def decay_less_one(a: float) -> float:
    """e^-a - 1 for a >= 0, the same way; relatively exact for small a too."""
    a = 760.0 if a > 760.0 else a
    shifted = 6755399441055744.0 - a * 1.4426950408889634
    k = shifted - 6755399441055744.0
    r = (-a - k * 0.6931471803691238) - k * 1.9082149292705877e-10
    bits = (np.float64(shifted).view(np.int64) + np.int64(1123)) << np.int64(52)
    scale = np.int64(bits).view(np.float64) * 7.888609052210118e-31
    return scale * short_expm1(r) + (scale - 1.0)


def log1p_below_one(t: float) -> float:
    """log(1 + t) for 0 <= t <= 1: 2 atanh(t/(2 + t)), whose series ends below 2^-56."""
    z = t / (2.0 + t)
    u = z * z
    s = 1.0 / 35.0
    s = s * u + 1.0 / 33.0
    s = s * u + 1.0 / 31.0
    s = s * u + 1.0 / 29.0
    s = s * u + 1.0 / 27.0
    s = s * u + 1.0 / 25.0
    s = s * u + 1.0 / 23.0
    s = s * u + 1.0 / 21.0
    s = s * u + 1.0 / 19.0
    s = s * u + 1.0 / 17.0
    s = s * u + 1.0 / 15.0
    s = s * u + 1.0 / 13.0
    s = s * u + 1.0 / 11.0
    s = s * u + 1.0 / 9.0
    s = s * u + 1.0 / 7.0
    s = s * u + 1.0 / 5.0
    s = s * u + 1.0 / 3.0
    return 2.0 * (z + z * u * s)


def atom_softplus(x: float) -> float:
    """log(1 + e^x)."""
    return max(x, 0.0) + log1p_below_one(decay(abs(x)))


def atom_sigmoid(x: float) -> float:
    """1 / (1 + e^-x)."""
    e = decay(abs(x))
    return (1.0 if x >= 0.0 else e) / (1.0 + e)


def atom_dsigmoid(x: float) -> float:
    """Derivative of the sigmoid, sigmoid(x) * sigmoid(-x)."""
    e = decay(abs(x))
    return e / ((1.0 + e) * (1.0 + e))


def atom_tanhhalf(x: float) -> float:
    """tanh(x / 2)."""
    less = decay_less_one(abs(x))
    return math.copysign(less / (2.0 + less), x)


def atom_logcosh(x: float) -> float:
    """log(cosh(x)); through sinh^2 near 0, where cosh is 1 to most digits."""
    a = abs(x)
    if a < 1.0:
        s = math.sinh(0.5 * a)
        return math.log1p(2.0 * s * s)
    return a + math.log1p(math.exp(-2.0 * a)) - 0.6931471805599453


def atom_sqrt1pm1(u: float) -> float:
    """sqrt(1 + u) - 1; past 1e300 the one is lost anyway and u/inf must not arise."""
    return u / (1.0 + math.sqrt(1.0 + u)) if u < 1e300 else math.sqrt(u)


def atom_ndtr(x: float) -> float:
    """Normal distribution function."""
    return 0.5 * math.erfc(-0.7071067811865476 * x)


def mills_fraction(t: float, first: int) -> float:
    """Laplace's continued fraction first/(t + (first+1)/(t + ...)) of Mills' ratio, for t >= 2."""
    c = 0.0
    for k in range(30 + int(400.0 / (t * t)), first - 1, -1):
        c = k / (t + c)
    return c


def atom_log_ndtr(x: float) -> float:
    """Log Phi(x)."""
    if x > -1.0:
        return math.log1p(-0.5 * math.erfc(0.7071067811865476 * x))
    if x > -2.0:
        return math.log(0.5 * math.erfc(-0.7071067811865476 * x))
    return -0.5 * x * x - 0.9189385332046727 - math.log(mills_fraction(-x, 1) - x)


def atom_log_ndtr1(x: float) -> float:
    """phi(x) / Phi(x), the derivative of log Phi."""
    if x > -2.0:
        return 0.7978845608028654 * math.exp(-0.5 * x * x) / math.erfc(-0.7071067811865476 * x)
    return mills_fraction(-x, 1) - x


def atom_log_ndtr2(x: float) -> float:
    """Second derivative of log Phi: -h (x + h) with h = phi/Phi."""
    h = atom_log_ndtr1(x)
    if x > -2.0:
        return -h * (x + h)
    return -h * mills_fraction(-x, 1)


def atom_log_ndtr3(x: float) -> float:
    """Third derivative of log Phi."""
    h = atom_log_ndtr1(x)
    if x > -2.0:
        return h * ((x + h) * (x + h) + h * (x + h) - 1.0)
    c3 = mills_fraction(-x, 3)
    c2 = 2.0 / (c3 - x)
    c1 = 1.0 / (c2 - x)
    return h * c1 * c1 * c2 * (c3 - c2)


def atom_logit_ndtr(x: float) -> float:
    """log(Phi(x) / Phi(-x))."""
    if abs(x) < 1.0:
        e = math.erf(0.7071067811865476 * x)
        return math.log1p(e) - math.log1p(-e)
    return atom_log_ndtr(x) - atom_log_ndtr(-x)


def atom_log1mexp(x: float) -> float:
    """log(1 - e^x) for x < 0."""
    return math.log(-math.expm1(x)) if x > -0.6931471805599453 else math.log1p(-math.exp(x))


def atom_bose(x: float) -> float:
    """e^x / (1 - e^x) for x < 0: minus the derivative of log1mexp."""
    return 1.0 / math.expm1(-x)


def bose_excess(t: float) -> float:
    """1 - t - t/(e^t - 1) for t > 0; its series below 1/2, where the terms cancel."""
    if t > 0.5:
        return 1.0 - t - t / math.expm1(t)
    u = t * t  # Bernoulli numbers over factorials, highest order first
    s = 7.0 / 6.0 / 87178291200.0
    s = s * u - 691.0 / 2730.0 / 479001600.0
    s = s * u + 5.0 / 66.0 / 3628800.0
    s = s * u - 1.0 / 30.0 / 40320.0
    s = s * u + 1.0 / 42.0 / 720.0
    s = s * u - 1.0 / 30.0 / 24.0
    s = s * u + 1.0 / 12.0
    return -0.5 * t - u * s


def atom_cloglog(x: float) -> float:
    """log(1 - exp(-e^x)), the log-probability of the complementary log-log link."""
    t = math.exp(x)
    if t < 1e-9:
        return x - 0.5 * t
    return math.log(-math.expm1(-t)) if t < 0.6931471805599453 else math.log1p(-math.exp(-t))


def atom_cloglog1(x: float) -> float:
    """First derivative of cloglog: h = t/(e^t - 1), t = e^x."""
    t = math.exp(x)
    if t > 750.0:
        return 0.0
    return t / math.expm1(t) if t > 0.0 else 1.0


def atom_cloglog2(x: float) -> float:
    """Second derivative of cloglog: h (1 - t - h)."""
    t = math.exp(x)
    return atom_cloglog1(x) * bose_excess(t) if t < 750.0 else 0.0


def atom_cloglog3(x: float) -> float:
    """Third derivative of cloglog: h (k^2 - t - h k) with k = 1 - t - h."""
    t = math.exp(x)
    if t > 750.0:
        return 0.0
    h = atom_cloglog1(x)
    k = bose_excess(t)
    return h * (k * k - t - h * k)


def log1p_ratio(t: float) -> float:
    """log(1 + t) / t for t >= 0, 1 at 0."""
    return math.log1p(t) / t if t > 0.0 else 1.0


def log1p_defect(t: float) -> float:
    """(log(1 + t) - t) / t for t >= 0; atanh's series below 1/4, where the difference cancels."""
    if t > 0.25:
        return math.log1p(t) / t - 1.0
    z = t / (2.0 + t)
    u = z * z
    s = 0.0
    for k in range(19, 1, -2):
        s = s * u + 1.0 / k
    # log1p(t) = 2z + 2z^3 s and 2z - t = -t z
    return -z + 2.0 * u * s / (2.0 + t)


def atom_logsoftplus(x: float) -> float:
    """log(log(1 + e^x))."""
    if x > 0.0:
        return math.log(x + math.log1p(math.exp(-x)))
    return x + math.log(log1p_ratio(math.exp(x)))


def atom_logsoftplus1(x: float) -> float:
    """First derivative of logsoftplus: r = sigmoid/softplus."""
    if x > 0.0:
        return atom_sigmoid(x) / atom_softplus(x)
    t = math.exp(x)
    return 1.0 / ((1.0 + t) * log1p_ratio(t))


def logsoftplus_excess(x: float) -> float:
    """sigmoid(-x) - sigmoid(x)/softplus(x), free of cancellation."""
    if x > 0.0:
        return atom_sigmoid(-x) - atom_sigmoid(x) / atom_softplus(x)
    t = math.exp(x)
    return log1p_defect(t) / ((1.0 + t) * log1p_ratio(t))


def atom_logsoftplus2(x: float) -> float:
    """Second derivative of logsoftplus: r (sigmoid(-x) - r)."""
    return atom_logsoftplus1(x) * logsoftplus_excess(x)


def atom_logsoftplus3(x: float) -> float:
    """Third derivative of logsoftplus: r (u^2 - dsigmoid - r u), u = sigmoid(-x) - r."""
    r = atom_logsoftplus1(x)
    u = logsoftplus_excess(x)
    return r * (u * u - atom_dsigmoid(x) - r * u)
