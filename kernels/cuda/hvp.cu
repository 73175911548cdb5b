// The fused product of a Hessian with one or four vectors, over dense rows X (n, d), row-major.
//
// p is d, or d + 1 where a column of ones is implied: column d then reads as 1 and needs no other
// treatment. TEAM neighbouring threads share a row, so that a warp reads stretches of whole
// sectors; each keeps EACH of its numbers, for columns lane, lane + TEAM, ...
//
// X is read once: a row waits in registers between its two uses, and so does the thread's share of
// the result, over all the rows of the block. Moved are the bytes of X, 8 bytes of scale a row, and
// the partial results of at most 1024 blocks; V comes from the first-level cache. RESIDENT threads
// with ROWS rows of EACH numbers each have 16 KB or more in flight on a multiprocessor, 40 KB where
// EACH is 4 or more; its share of an H100's bandwidth asks for about 10 KB at the latency of memory.
// A number of float32 is widened and takes two double-precision operations, far below the double
// rate of the data-centre devices.

#define THREADS (TEAM > 128 ? TEAM : 128)
#define TEAMS (THREADS / TEAM)
#define KEPT (EACH * SIDES)
#define ROWS (KEPT <= 4 ? 4 : KEPT <= 16 ? 2 : 1)
// Threads that fit a multiprocessor at once; it leaves a thread 64, 96, 128 or 168 registers.
#define RESIDENT (KEPT <= 2 ? 1024 : KEPT <= 8 ? 640 : KEPT <= 24 ? 512 : 384)

// The sums of `sums` over the threads of a team, the same bits in each thread.
static __device__ void team_sums(double (&sums)[ROWS * SIDES], double (*part)[THREADS / WARP])
{
#pragma unroll
    for (int q = 0; q < ROWS * SIDES; q++) {
        sums[q] = lanes_sum(sums[q], TEAM < WARP ? TEAM : WARP);
        if (TEAM > WARP && threadIdx.x % WARP == 0)
            part[q][threadIdx.x / WARP] = sums[q];
    }
    if (TEAM > WARP) {
        __syncthreads();
        const int first = threadIdx.x / TEAM * (TEAM / WARP);
#pragma unroll
        for (int q = 0; q < ROWS * SIDES; q++) {
            sums[q] = 0.0;
            for (int w = 0; w < TEAM / WARP; w++)
                sums[q] += part[q][first + w];
        }
    }
}

// work[block, a, :] = sum over the block's rows of scale_i x_i (x_i . V[a]), for SIDES vectors.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT / THREADS)
hvp_rows(const REAL *__restrict__ X, const double *__restrict__ scale, const double *__restrict__ V,
         double *__restrict__ work, Int n, Int d, Int p)
{
    __shared__ double part[2][ROWS * SIDES][THREADS / WARP];
    __shared__ double column[THREADS];
    const int lane = threadIdx.x % TEAM, team = threadIdx.x / TEAM;
    double own[SIDES][EACH] = {};
    int turn = 0;
    for (Int first = blockIdx.x * (Int)(TEAMS * ROWS); first < n;
         first += gridDim.x * (Int)(TEAMS * ROWS)) {
        REAL x[ROWS][EACH];
        double sums[ROWS * SIDES] = {};
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const Int i = first + r * TEAMS + team;
#pragma unroll
            for (int k = 0; k < EACH; k++) {
                const Int j = lane + k * TEAM;
                x[r][k] = i >= n || j >= p ? (REAL)0 : j < d ? X[i * d + j] : (REAL)1;
            }
        }
#pragma unroll
        for (int k = 0; k < EACH; k++) {
            const Int j = lane + k * TEAM;
#pragma unroll
            for (int a = 0; a < SIDES; a++) {
                const double v = j < p ? V[a * p + j] : 0.0;
#pragma unroll
                for (int r = 0; r < ROWS; r++)
                    sums[r * SIDES + a] += (double)x[r][k] * v;
            }
        }
        team_sums(sums, part[turn]);
        turn = 1 - turn;
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const Int i = first + r * TEAMS + team;
            const double c = i < n ? scale[i] : 0.0;
#pragma unroll
            for (int a = 0; a < SIDES; a++) {
                const double s = c * sums[r * SIDES + a];
#pragma unroll
                for (int k = 0; k < EACH; k++)
                    own[a][k] += s * (double)x[r][k];
            }
        }
    }
#pragma unroll
    for (int a = 0; a < SIDES; a++) {
#pragma unroll
        for (int k = 0; k < EACH; k++) {
            const Int j = lane + k * TEAM;
            column[threadIdx.x] = own[a][k];
            __syncthreads();
            if (team == 0 && j < p) {
                double total = 0.0;
                for (int other = 0; other < TEAMS; other++)
                    total += column[other * TEAM + lane];
                work[(blockIdx.x * (Int)SIDES + a) * p + j] = total;
            }
            __syncthreads();
        }
    }
}
