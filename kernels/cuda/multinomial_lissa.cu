// The stochastic recursion over drawn rows of K predictions, one block for each right-hand side of
// each repeat, in the manner of lissa.cu.
//
//     cur <- v + shrink cur - sum over the batch of step_m x_m (x) S_m (x_m . cur)
//
// with S = diag(p) - pp'. rows and step are (repeats, steps, b), V (sides, K, width), cur (repeats,
// sides, K, width), width = d or d + 1; shrink (K, width). A warp takes every eighth class, and
// always meets its own part of cur again, so a step costs two barriers. The products F (b, K) of a
// step stay in shared memory, or in `products` where they do not fit; cur stays where it is, in
// the first two caches.

#define WARPS 8
// F[k] becomes step p_k (F[k] - p . F), by one warp.
static __device__ void curve_row(const double *p, Int top, double step, double *F, Int K)
{
    const double base = F[top];
    double mean = 0.0;
    for (Int k = threadIdx.x % WARP; k < K; k += WARP)
        mean += p[k] * (F[k] - base);
    mean = lanes_sum(mean, WARP);
    __syncwarp(); // every lane has read F[top]
    for (Int k = threadIdx.x % WARP; k < K; k += WARP)
        F[k] = step * p[k] * (F[k] - base - mean);
}

// All rows of the batch curved, a warp each; every thread finds them done.
static __device__ void curve_batch(const double *P, const Int *top, const Int *rows,
                                   const double *step, double *F, Int b, Int K)
{
    for (Int m = threadIdx.x / WARP; m < b; m += WARPS)
        curve_row(P + rows[m] * K, top[rows[m]], step[m], F + m * K, K);
    __syncthreads();
}

extern "C" __global__ void __launch_bounds__(256, 2)
recurse_classes(const REAL *__restrict__ X, const Int *__restrict__ places, const Int *__restrict__ rows,
        const double *__restrict__ step, const double *__restrict__ P, const Int *__restrict__ top,
        const double *__restrict__ shrink, const double *__restrict__ V,
        const double *__restrict__ limits, double *cur, double *products, Int d, Int width, Int K,
        Int steps, Int b, Int sides)
{
    DYNAMIC_SHARED(shared);
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const Int repeat = blockIdx.x / sides, c = blockIdx.x % sides;
    double *F = products ? products + blockIdx.x * b * K : shared;
    double *u = cur + blockIdx.x * K * width;
    const double *v = V + c * K * width;
    for (Int s = repeat * steps; s < (repeat + 1) * steps; s++) {
        int dead = 0;
        for (Int m = 0; m < b; m++) {
            const REAL *x = X + places[s * b + m] * d;
            for (Int k = warp; k < K; k += WARPS) {
                double total = 0.0;
                for (Int j = lane; j < width; j += WARP)
                    total += (j < d ? (double)x[j] : 1.0) * u[k * width + j];
                total = lanes_sum(total, WARP);
                dead |= !(fabs(total) <= limits[c]);
                if (lane == 0)
                    F[m * K + k] = total;
            }
        }
        if (__syncthreads_or(dead)) {
            if (threadIdx.x == 0)
                u[0] = NOT_A_NUMBER;
            continue;
        }
        curve_batch(P, top, rows + s * b, step + s * b, F, b, K);
        for (Int k = warp; k < K; k += WARPS)
            for (Int j = lane; j < width; j += WARP) {
                double next = v[k * width + j] + shrink[k * width + j] * u[k * width + j];
                for (Int m = 0; m < b; m++)
                    next -= F[m * K + k] * (j < d ? (double)X[places[s * b + m] * d + j] : 1.0);
                u[k * width + j] = next;
            }
        __syncwarp(); // the products of the next step overwrite F
    }
}

extern "C" __global__ void __launch_bounds__(256, 2)
recurse_classes_csr(const REAL *__restrict__ data, const INDEX *__restrict__ indices,
            const INDEX *__restrict__ indptr, const Int *__restrict__ rows,
            const double *__restrict__ step, const double *__restrict__ P,
            const Int *__restrict__ top, const double *__restrict__ shrink,
            const double *__restrict__ V, const double *__restrict__ limits, double *cur,
            double *products, Int d, Int width, Int K, Int steps, Int b, Int sides)
{
    DYNAMIC_SHARED(shared);
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const Int repeat = blockIdx.x / sides, c = blockIdx.x % sides;
    double *F = products ? products + blockIdx.x * b * K : shared;
    double *u = cur + blockIdx.x * K * width;
    const double *v = V + c * K * width;
    for (Int s = repeat * steps; s < (repeat + 1) * steps; s++) {
        int dead = 0;
        for (Int m = 0; m < b; m++) {
            const Int i = rows[s * b + m];
            for (Int k = warp; k < K; k += WARPS) {
                double total = width > d && lane == 0 ? u[k * width + d] : 0.0;
                for (Int a = indptr[i] + lane; a < indptr[i + 1]; a += WARP)
                    total += (double)data[a] * u[k * width + indices[a]];
                total = lanes_sum(total, WARP);
                dead |= !(fabs(total) <= limits[c]);
                if (lane == 0)
                    F[m * K + k] = total;
            }
        }
        if (__syncthreads_or(dead)) {
            if (threadIdx.x == 0)
                u[0] = NOT_A_NUMBER;
            __syncwarp();
            continue;
        }
        curve_batch(P, top, rows + s * b, step + s * b, F, b, K);
        for (Int k = warp; k < K; k += WARPS) {
            for (Int j = lane; j < width; j += WARP)
                u[k * width + j] = v[k * width + j] + shrink[k * width + j] * u[k * width + j];
            __syncwarp();
            for (Int m = 0; m < b; m++) { // rows of a batch may share columns
                const Int i = rows[s * b + m];
                for (Int a = indptr[i] + lane; a < indptr[i + 1]; a += WARP)
                    u[k * width + indices[a]] -= F[m * K + k] * (double)data[a];
                if (width > d && lane == 0)
                    u[k * width + d] -= F[m * K + k];
                __syncwarp();
            }
        }
    }
}
