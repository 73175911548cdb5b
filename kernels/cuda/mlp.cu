// What happens between the matrix products of a network, number by number.
//
// Bound by memory: each array is read once, the result written once. Nothing is summed, so every
// kernel computes in the type of its arrays: the float32 forms hold no double-precision operation.

// out = slopes * moved: moved and out (n, t, w), slopes (n, w).
extern "C" __global__ void __launch_bounds__(256, 4)
scale_layer(const REAL *moved, const REAL *__restrict__ slopes, REAL *out, Int n, Int t, Int w)
{
    FOR_EACH(at, n * t * w) out[at] = moved[at] * slopes[at / (t * w) * w + at % w];
}

// up = (up + side) slopes + pulls bends moved: up, side, moved (n, t, w), the others (n, w).
extern "C" __global__ void __launch_bounds__(256, 4)
bend_layer(REAL *up, const REAL *__restrict__ side, const REAL *__restrict__ slopes,
           const REAL *__restrict__ pulls, const REAL *__restrict__ bends,
           const REAL *__restrict__ moved, Int n, Int t, Int w)
{
    FOR_EACH(at, n * t * w) {
        const Int unit = at / (t * w) * w + at % w;
        up[at] = (up[at] + side[at]) * slopes[unit] + pulls[unit] * bends[unit] * moved[at];
    }
}

// out[i, g, e] = S[b_g, i, c_g] inner[i, e], with J[b_g, i, e] delta[i, c_g] added where J is
// given: out (n, pairs, width), S (units, n, s), J (units, n, width), delta (n, s).
extern "C" __global__ void __launch_bounds__(256, 4)
pair_units(const REAL *__restrict__ S, const REAL *__restrict__ inner, const REAL *__restrict__ J,
           const REAL *__restrict__ delta, const Int *__restrict__ b, const Int *__restrict__ c,
           REAL *__restrict__ out, Int n, Int pairs, Int width, Int s)
{
    FOR_EACH(at, n * pairs * width) {
        const Int i = at / (pairs * width), g = at / width % pairs, e = at % width;
        const REAL curved = S[(b[g] * n + i) * s + c[g]] * inner[i * width + e];
        out[at] = J ? curved + J[(b[g] * n + i) * width + e] * delta[i * s + c[g]] : curved;
    }
}
