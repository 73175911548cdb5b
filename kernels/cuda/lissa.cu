// The stochastic recursion over drawn rows, one block for each right-hand side of each repeat.
//
//     cur <- v + shrink cur - sum over the batch of step_m (x_m . cur) x_m
//
// rows and step are (repeats, steps, b), V (sides, p), limits (sides,), cur (repeats, sides, p). The
// loop over the steps runs on the device. cur stays in shared memory where it fits there, and the
// b products of a step too, otherwise in `dots`; p is d, or d + 1 with a column of ones.
//
// A step waits for memory, for one drawn row, and for two barriers: one or two microseconds are
// expected, hidden behind the other blocks of a multiprocessor, of which up to eight are resident. A right-hand
// side with a product above its limit has diverged: it becomes NaN and is left alone.

extern "C" __global__ void __launch_bounds__(256, 4)
recurse(const REAL *__restrict__ X, const Int *__restrict__ rows, const double *__restrict__ step,
        const double *__restrict__ shrink, const double *__restrict__ V,
        const double *__restrict__ limits, double *cur, double *dots, Int d, Int p, Int steps,
        Int b, Int sides, Int in_shared)
{
    DYNAMIC_SHARED(shared);
    __shared__ double part[2][256 / WARP];
    const Int repeat = blockIdx.x / sides, c = blockIdx.x % sides;
    double *dot = dots ? dots + blockIdx.x * b : shared;
    double *home = cur + blockIdx.x * p, *u = in_shared ? shared + (dots ? 0 : b) : home;
    int turn = 0;
    if (in_shared)
        for (Int j = threadIdx.x; j < p; j += blockDim.x)
            u[j] = home[j];
    for (Int s = repeat * steps; s < (repeat + 1) * steps; s++) {
        bool alive = true;
        for (Int m = 0; m < b; m++) {
            const REAL *x = X + rows[s * b + m] * d;
            double total = 0.0;
            for (Int j = threadIdx.x; j < p; j += blockDim.x)
                total += (j < d ? (double)x[j] : 1.0) * u[j];
            total = block_sum(total, part[turn]);
            turn = 1 - turn;
            alive = alive && fabs(total) <= limits[c];
            if (threadIdx.x == 0)
                dot[m] = step[s * b + m] * total;
        }
        if (!alive) {
            if (threadIdx.x == 0)
                u[0] = NOT_A_NUMBER;
            continue;
        }
        __syncthreads();
        for (Int j = threadIdx.x; j < p; j += blockDim.x) { // each thread meets its own j again
            double next = V[c * p + j] + shrink[j] * u[j];
            for (Int m = 0; m < b; m++)
                next -= dot[m] * (j < d ? (double)X[rows[s * b + m] * d + j] : 1.0);
            u[j] = next;
        }
    }
    if (in_shared)
        for (Int j = threadIdx.x; j < p; j += blockDim.x)
            home[j] = u[j];
}

// The same for compressed sparse rows: O(p + stored numbers of the batch) a step.
extern "C" __global__ void __launch_bounds__(256, 4)
recurse_csr(const REAL *__restrict__ data, const INDEX *__restrict__ indices,
            const INDEX *__restrict__ indptr, const Int *__restrict__ rows,
            const double *__restrict__ step, const double *__restrict__ shrink,
            const double *__restrict__ V, const double *__restrict__ limits, double *cur,
            double *dots, Int d, Int p, Int steps, Int b, Int sides, Int in_shared)
{
    DYNAMIC_SHARED(shared);
    __shared__ double part[2][256 / WARP];
    const Int repeat = blockIdx.x / sides, c = blockIdx.x % sides;
    double *dot = dots ? dots + blockIdx.x * b : shared;
    double *home = cur + blockIdx.x * p, *u = in_shared ? shared + (dots ? 0 : b) : home;
    int turn = 0;
    if (in_shared)
        for (Int j = threadIdx.x; j < p; j += blockDim.x)
            u[j] = home[j];
    __syncthreads();
    for (Int s = repeat * steps; s < (repeat + 1) * steps; s++) {
        bool alive = true;
        for (Int m = 0; m < b; m++) {
            const Int i = rows[s * b + m];
            double total = p > d && threadIdx.x == 0 ? u[d] : 0.0;
            for (Int k = indptr[i] + threadIdx.x; k < indptr[i + 1]; k += blockDim.x)
                total += (double)data[k] * u[indices[k]];
            total = block_sum(total, part[turn]);
            turn = 1 - turn;
            alive = alive && fabs(total) <= limits[c];
            if (threadIdx.x == 0)
                dot[m] = step[s * b + m] * total;
        }
        if (!alive) {
            if (threadIdx.x == 0)
                u[0] = NOT_A_NUMBER;
            __syncthreads();
            continue;
        }
        for (Int j = threadIdx.x; j < p; j += blockDim.x)
            u[j] = V[c * p + j] + shrink[j] * u[j];
        __syncthreads();
        double rest = 0.0;
        for (Int m = 0; m < b; m++) { // rows of a batch may share columns: one after another
            const Int i = rows[s * b + m];
            for (Int k = indptr[i] + threadIdx.x; k < indptr[i + 1]; k += blockDim.x)
                u[indices[k]] -= dot[m] * (double)data[k];
            rest += dot[m];
            __syncthreads();
        }
        if (p > d && threadIdx.x == 0)
            u[d] -= rest; // read by this thread alone
    }
    __syncthreads();
    if (in_shared)
        for (Int j = threadIdx.x; j < p; j += blockDim.x)
            home[j] = u[j];
}
