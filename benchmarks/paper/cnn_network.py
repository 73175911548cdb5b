"""The paper's all-convolutional network and its gradient, compiled: many models on shared batches.

Five 3 × 3 convolutions of 8 channels (strides 1, 2, 1, 2, 1, no padding), a 1 × 1 convolution to
10 channels, each with tanh; a mean over the 2 × 2 places left; a linear layer to 10 classes; 2,616
parameters in the order of torch's ``named_parameters``. Rows go in blocks of ``LANES``, the last
axis everywhere, so that each loop over them is one of vector instructions. The first layer works
on patches of 9 pixels, cut once for all models of a step.
"""

from __future__ import annotations

import numba as nb
import numpy as np

SIDE, CLASSES, LANES = 28, 10, 100
# (patch side, stride, channels in, channels out, side out); the first reads patches of 9 pixels
LAYERS = (
    (1, 1, 9, 8, 26),
    (3, 2, 8, 8, 12),
    (3, 1, 8, 8, 10),
    (3, 2, 8, 8, 4),
    (3, 1, 8, 8, 2),
    (1, 1, 8, 10, 2),
    (1, 1, 10, 10, 1),
)
DEPTH = len(LAYERS)
N_PARAMETERS = sum(k * k * a * b + b for k, _, a, b, _ in LAYERS)
compiled = nb.njit(fastmath=True, error_model="numpy", nogil=True, cache=True)


@compiled
def add_product(out, W, x):
    """Add W x to out; x and out are rows of LANES one after the other."""
    M, K = W.shape
    whole = K // 8 * 8
    for m in range(0, M, 2):
        o = out[m * LANES : (m + 2) * LANES]
        for k in range(0, whole, 8):
            z = x[k * LANES : (k + 8) * LANES]
            a = (W[m, k], W[m, k + 1], W[m, k + 2], W[m, k + 3],
                 W[m, k + 4], W[m, k + 5], W[m, k + 6], W[m, k + 7])  # fmt: skip
            b = (W[m + 1, k], W[m + 1, k + 1], W[m + 1, k + 2], W[m + 1, k + 3],
                 W[m + 1, k + 4], W[m + 1, k + 5], W[m + 1, k + 6], W[m + 1, k + 7])  # fmt: skip
            for q in range(LANES):
                s, t = o[q], o[LANES + q]
                for c in range(8):
                    s += a[c] * z[c * LANES + q]
                    t += b[c] * z[c * LANES + q]
                o[q], o[LANES + q] = s, t
        for k in range(whole, K):
            z = x[k * LANES : (k + 1) * LANES]
            s, t = W[m, k], W[m + 1, k]
            for q in range(LANES):
                o[q] += s * z[q]
                o[LANES + q] += t * z[q]


@compiled
def add_outer(G, d, x):
    """Add d xᵀ, summed over the lanes, to G."""
    M, K = G.shape
    whole = K // 4 * 4
    for m in range(0, M, 2):
        e = d[m * LANES : (m + 2) * LANES]
        for k in range(0, whole, 4):
            z = x[k * LANES : (k + 4) * LANES]
            a0, a1, a2, a3 = G[m, k], G[m, k + 1], G[m, k + 2], G[m, k + 3]
            b0, b1, b2, b3 = G[m + 1, k], G[m + 1, k + 1], G[m + 1, k + 2], G[m + 1, k + 3]
            for q in range(LANES):
                s, t = e[q], e[LANES + q]
                z0, z1 = z[q], z[LANES + q]
                z2, z3 = z[2 * LANES + q], z[3 * LANES + q]
                a0 += s * z0
                a1 += s * z1
                a2 += s * z2
                a3 += s * z3
                b0 += t * z0
                b1 += t * z1
                b2 += t * z2
                b3 += t * z3
            G[m, k], G[m, k + 1], G[m, k + 2], G[m, k + 3] = a0, a1, a2, a3
            G[m + 1, k], G[m + 1, k + 1], G[m + 1, k + 2], G[m + 1, k + 3] = b0, b1, b2, b3
        for k in range(whole, K):
            z = x[k * LANES : (k + 1) * LANES]
            a0, b0 = G[m, k], G[m + 1, k]
            for q in range(LANES):
                a0 += e[q] * z[q]
                b0 += e[LANES + q] * z[q]
            G[m, k], G[m + 1, k] = a0, b0


@compiled
def convolve(out, W, b, x, stride):
    """Set out (side, side, channels·LANES) to the convolution of x, before tanh."""
    side, patch = out.shape[0], W.shape[0]
    for h in range(side):
        for v in range(side):
            o = out[h, v]
            for m in range(len(b)):
                o[m * LANES : (m + 1) * LANES] = b[m]
            for i in range(patch):
                for j in range(patch):
                    add_product(o, W[i, j], x[h * stride + i, v * stride + j])


@compiled
def pull_back(G, g, W, d, x, stride, dx):
    """Add the gradients by W and b, and (where dx is not empty) set the one by x."""
    side, patch = d.shape[0], W.shape[0]
    dx[:] = 0
    for h in range(side):
        for v in range(side):
            for m in range(len(g)):
                g[m] += d[h, v, m * LANES : (m + 1) * LANES].sum()
            for i in range(patch):
                for j in range(patch):
                    y, z = h * stride + i, v * stride + j
                    add_outer(G[i, j], d[h, v], x[y, z])
                    if dx.size:
                        add_product(dx[y, z], W[i, j].T, d[h, v])


@compiled
def squash(x):
    """Replace x by tanh: Lambert's continued fraction at a fraction of x, then doubled again."""
    number, flat = x.dtype.type, x.ravel()
    doublings = x.itemsize // 2
    scale, most = number(2.0**-doublings), number(20.0)
    for q in range(flat.size):
        u = min(max(flat[q], -most), most) * scale
        z = u * u
        p = z + number(990)
        p = p * z + number(135135)
        p = p * z + number(4729725)
        p = p * z + number(34459425)
        r = number(45) * z + number(13860)
        r = r * z + number(945945)
        r = r * z + number(16216200)
        r = r * z + number(34459425)
        flat[q] = u * p / r
    for _ in range(doublings):
        for q in range(flat.size):
            t = flat[q]
            flat[q] = (t + t) / (number(1) + t * t)


@compiled
def losses(f, y, w, d):
    """Return the sum of w·loss of one block and set d to its slopes by f (10·LANES)."""
    total = 0.0
    for q in range(LANES):
        top = f[q]
        for c in range(CLASSES):
            top = max(top, f[c * LANES + q])
        mass = 0.0
        for c in range(CLASSES):
            mass += np.exp(f[c * LANES + q] - top)
        for c in range(CLASSES):
            d[c * LANES + q] = w[q] * np.exp(f[c * LANES + q] - top) / mass
        own = y[q] * LANES + q
        d[own] -= w[q]
        total += w[q] * (np.log(mass) + top - f[own])
    return total


@compiled
def patches(pixels, out):
    """Set out (26, 26, 9·LANES) to the 3 × 3 patches of one block, pixels (784, LANES)."""
    for h in range(SIDE - 2):
        for v in range(SIDE - 2):
            for c in range(9):
                pixel = pixels[(h + c // 3) * SIDE + v + c % 3]
                out[h, v, c * LANES : (c + 1) * LANES] = pixel


@compiled
def split(theta):
    """Return the weights (patch, patch, out, in) and biases of all layers."""
    W, b, first = [], [], 0
    for patch, _, a, m, _ in LAYERS:
        size = m * a * patch * patch
        part = theta[first : first + size].reshape(m, a, patch, patch)
        W.append(np.ascontiguousarray(part.transpose(2, 3, 0, 1)))
        b.append(theta[first + size : first + size + m].copy())
        first += size + m
    return W, b


@compiled
def join(W, b):
    """Return parameters in torch's order."""
    out, first = np.empty(N_PARAMETERS, W[0].dtype), 0
    for G, g in zip(W, b):  # noqa: B905  (numba knows no strict=)
        part = np.ascontiguousarray(G.transpose(2, 3, 0, 1)).ravel()
        out[first : first + part.size] = part
        out[first + part.size : first + part.size + g.size] = g
        first += part.size + g.size
    return out


@compiled
def storage(like):
    """Return room for the outputs of all layers over one block."""
    return [np.empty((side, side, m * LANES), like.dtype) for _, _, _, m, side in LAYERS]


@compiled
def forward(W, b, cut, a):
    """Set a to the layers' outputs; the last is before softmax."""
    convolve(a[0], W[0], b[0], cut, 1)
    squash(a[0])
    for k in range(1, DEPTH - 1):
        convolve(a[k], W[k], b[k], a[k - 1], LAYERS[k][1])
        squash(a[k])
    places, quarter = a[DEPTH - 2], cut.dtype.type(0.25)
    pooled = np.empty((1, 1, places.shape[2]), cut.dtype)
    pooled[0, 0] = quarter * (places[0, 0] + places[0, 1] + places[1, 0] + places[1, 1])
    convolve(a[DEPTH - 1], W[DEPTH - 1], b[DEPTH - 1], pooled, 1)
    return pooled


@compiled
def backward(G, g, W, cut, a, pooled, d):
    """Add the gradient to G and g, given the slopes in the last of d."""
    one, last = pooled.dtype.type(1), DEPTH - 1
    dx = np.empty_like(pooled)
    pull_back(G[last], g[last], W[last], d[last], pooled, 1, dx)
    d[last - 1][:] = dx[0, 0] * pooled.dtype.type(0.25)
    for k in range(last - 1, -1, -1):
        flat, out = d[k].ravel(), a[k].ravel()
        for q in range(flat.size):
            flat[q] *= one - out[q] * out[q]
        if k:
            pull_back(G[k], g[k], W[k], d[k], a[k - 1], LAYERS[k][1], d[k - 1])
        else:
            pull_back(G[0], g[0], W[0], d[0], cut, 1, cut[:0])


@compiled
def gradient(theta, X, y, rows, w):
    """Return the sum of w·loss over rows, and its gradient (p,), in the precision of X.

    X (n, 784) pixels, y (n,) classes, rows (b,) positions with weights w (b,); theta and the
    gradient are float64.
    """
    W, b = split(theta.astype(X.dtype))
    G, g = [np.zeros_like(x) for x in W], [np.zeros_like(x) for x in b]
    a, d, total = storage(X), storage(X), 0.0
    cut = np.empty((SIDE - 2, SIDE - 2, 9 * LANES), X.dtype)
    pixels = np.empty((SIDE * SIDE, LANES), X.dtype)
    label, weight = np.empty(LANES, np.int64), np.empty(LANES, X.dtype)
    for first in range(0, len(rows), LANES):
        for q in range(LANES):
            row = rows[min(first + q, len(rows) - 1)]
            pixels[:, q], label[q] = X[row], y[row]
            weight[q] = w[first + q] if first + q < len(rows) else 0.0
        patches(pixels, cut)
        pooled = forward(W, b, cut, a)
        total += losses(a[DEPTH - 1][0, 0], label, weight, d[DEPTH - 1][0, 0])
        backward(G, g, W, cut, a, pooled, d)
    return total, join(G, g).astype(np.float64)


@compiled
def descend(theta, speed, X, y, batches, rates, momentum, l2, absent):
    """Move theta and speed by stochastic gradient steps with momentum.

    Batches (steps, b) hold rows; the objective of a batch is the mean loss of its rows but the
    one ``absent`` (-1 for none), plus ½·l2·theta².
    """
    for k in range(len(batches)):
        w = np.where(batches[k] == absent, 0.0, 1.0)
        g = gradient(theta, X, y, batches[k], w / w.sum())[1]
        for j in range(len(theta)):
            speed[j] = momentum * speed[j] - rates[k] * (g[j] + l2[j] * theta[j])
            theta[j] += speed[j]
