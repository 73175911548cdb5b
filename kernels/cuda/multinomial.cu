// Kernels of K predictions a row: F (n, K, t), K classes side by side for t vectors.
//
// A thread takes one (row, vector) and goes over its classes, which the first-level cache holds
// from one sweep to the next; neighbouring threads read neighbouring vectors, or, where t is 1,
// rows K numbers apart. Bytes: F once, what is written once, probabilities once. Everything is
// double: predictions are results of double-precision products whatever the rows are stored as.
// Above some 500 classes a warp's sweep no longer fits the cache and F is read again.

#define AT(k) ((i * K + (k)) * t + a)

// value = loss (n, t), D = p - e_y (n, K, t); D may be F. The label's own entry is minus the sum
// of the other probabilities, exact when tiny.
extern "C" __global__ void __launch_bounds__(256, 2)
softmax(const double *F, const Int *__restrict__ y, double *__restrict__ value, double *D, Int n,
        Int K, Int t)
{
    FOR_EACH(at, n * t) {
        const Int i = at / t, a = at % t, own = y[i];
        double top = F[AT(0)], rest = 0.0, others = 0.0;
        Int arg = 0;
        for (Int k = 1; k < K; k++)
            if (F[AT(k)] > top) {
                top = F[AT(k)];
                arg = k;
            }
        const double gap = top - F[AT(own)];
        for (Int k = 0; k < K; k++) {
            const double e = exp(F[AT(k)] - top);
            D[AT(k)] = e;
            rest += k != arg ? e : 0.0;
            others += k != own ? e : 0.0;
        }
        value[at] = gap + log1p(rest);
        for (Int k = 0; k < K; k++)
            D[AT(k)] = k == own ? -others / (1.0 + rest) : D[AT(k)] / (1.0 + rest);
    }
}

// F (n, K) becomes probabilities; top = the likeliest class, the first of several.
extern "C" __global__ void __launch_bounds__(256, 2)
probabilities(double *F, Int *__restrict__ top, Int n, Int K)
{
    FOR_EACH(i, n) {
        double *f = F + i * K;
        Int best = 0;
        for (Int k = 1; k < K; k++)
            if (f[k] > f[best])
                best = k;
        const double largest = f[best];
        double total = 0.0;
        for (Int k = 0; k < K; k++) {
            f[k] = exp(f[k] - largest);
            total += f[k];
        }
        for (Int k = 0; k < K; k++)
            f[k] /= total;
        top[i] = best;
    }
}

// F becomes scale_i p_i (f_i - p_i . f_i), taken from differences with the likeliest class.
extern "C" __global__ void __launch_bounds__(256, 4)
curve(const double *__restrict__ P, const Int *__restrict__ top, const double *__restrict__ scale,
      double *F, Int n, Int K, Int t)
{
    FOR_EACH(at, n * t) {
        const Int i = at / t, a = at % t;
        const double base = F[AT(top[i])];
        double mean = 0.0;
        for (Int k = 0; k < K; k++)
            mean += P[i * K + k] * (F[AT(k)] - base);
        for (Int k = 0; k < K; k++)
            F[AT(k)] = scale[i] * P[i * K + k] * (F[AT(k)] - base - mean);
    }
}

// out[a, i] = sum over k of D[i, k] F[i, k, a].
extern "C" __global__ void __launch_bounds__(256, 4)
contract(const double *__restrict__ F, const double *__restrict__ D, double *__restrict__ out,
         Int n, Int K, Int t)
{
    FOR_EACH(at, n * t) {
        const Int i = at / t, a = at % t;
        double total = D[i * K] * F[AT(0)];
        for (Int k = 1; k < K; k++)
            total += D[i * K + k] * F[AT(k)];
        out[a * n + i] = total;
    }
}
