// Kernels over dense rows X (n, d), row-major. They know nothing of the loss: only per-row scales.
//
// p is d, or d + 1 where a column of ones is implied: column d then reads as 1. TEAM neighbouring
// threads share a row. Each kernel but the first reads X once and is bound by that; sums are double.

#define THREADS 128
#define TEAMS (THREADS / TEAM)

// The same for rows too long for registers, one vector, four rows at a time: their second use
// finds them in the second-level cache. Above some 25,000 columns they no longer fit there, and
// X is read twice. work[block, :] holds the result so far.
extern "C" __global__ void __launch_bounds__(512, 2)
hvp_long_rows(const REAL *__restrict__ X, const double *__restrict__ scale,
              const double *__restrict__ v, double *__restrict__ work, Int n, Int d, Int p)
{
    __shared__ double part[4][512 / WARP];
    double *own = work + blockIdx.x * p;
    for (Int j = threadIdx.x; j < p; j += blockDim.x)
        own[j] = 0.0;
    for (Int first = blockIdx.x * (Int)4; first < n; first += gridDim.x * (Int)4) {
        double s[4] = {};
        for (Int j = threadIdx.x; j < p; j += blockDim.x) {
#pragma unroll
            for (int r = 0; r < 4; r++)
                if (first + r < n)
                    s[r] += (j < d ? (double)X[(first + r) * d + j] : 1.0) * v[j];
        }
#pragma unroll
        for (int r = 0; r < 4; r++)
            s[r] = block_sum(s[r], part[r]) * (first + r < n ? scale[first + r] : 0.0);
        for (Int j = threadIdx.x; j < p; j += blockDim.x) {
            double total = own[j];
#pragma unroll
            for (int r = 0; r < 4; r++)
                if (first + r < n)
                    total += s[r] * (j < d ? (double)X[(first + r) * d + j] : 1.0);
            own[j] = total;
        }
    }
}

// out[i] = x_i . T[owner_i] (+ T[owner_i, d]); without an owner, T is one vector. TEAM lanes a row.
extern "C" __global__ void __launch_bounds__(THREADS, 8)
linear_rows(const REAL *__restrict__ X, const double *__restrict__ T, const Int *__restrict__ owner,
            double *__restrict__ out, Int n, Int d, Int p)
{
    const int lane = threadIdx.x % TEAM, team = threadIdx.x / TEAM;
    for (Int first = blockIdx.x * (Int)TEAMS; first < n; first += gridDim.x * (Int)TEAMS) {
        const Int i = first + team;
        double s = 0.0;
        if (i < n) {
            const double *v = owner ? T + owner[i] * p : T;
            for (Int j = lane; j < p; j += TEAM)
                s += (j < d ? (double)X[i * d + j] : 1.0) * v[j];
        }
        s = lanes_sum(s, TEAM);
        if (i < n && lane == 0)
            out[i] = s;
    }
}

// work[0, block, :] = sum of slope_i x_i, work[1, block, :] = sum of |slope_i x_i|. Blocks along y
// take rows, blocks along x take stripes of TEAM columns; a thread keeps one column.
extern "C" __global__ void __launch_bounds__(THREADS, 8)
gradient_rows(const REAL *__restrict__ X, const double *__restrict__ slope,
              double *__restrict__ work, Int n, Int d, Int p)
{
    __shared__ double columns[2][THREADS];
    const int lane = threadIdx.x % TEAM, team = threadIdx.x / TEAM;
    const Int j = blockIdx.x * (Int)TEAM + lane;
    double sum = 0.0, size = 0.0;
    if (j < p) {
#pragma unroll 4
        for (Int i = blockIdx.y * (Int)TEAMS + team; i < n; i += gridDim.y * (Int)TEAMS) {
            const double step = slope[i] * (j < d ? (double)X[i * d + j] : 1.0);
            sum += step;
            size += fabs(step);
        }
    }
    columns[0][threadIdx.x] = sum;
    columns[1][threadIdx.x] = size;
    __syncthreads();
    if (team == 0 && j < p) {
        sum = size = 0.0;
        for (int other = 0; other < TEAMS; other++) {
            sum += columns[0][other * TEAM + lane];
            size += columns[1][other * TEAM + lane];
        }
        work[blockIdx.y * p + j] = sum;
        work[(gridDim.y + blockIdx.y) * p + j] = size;
    }
}
