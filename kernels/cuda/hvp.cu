// The fused product of a Hessian with one or four vectors, over dense rows X (n, d), row-major.
//
// p is d, or d + 1 where a column of ones is implied; its share of a sum is that of no column. TEAM
// neighbouring threads share a row, VECTOR numbers at a time: number v of pack k of a thread is that of
// column (k TEAM + lane) VECTOR + v, so that a warp reads stretches of whole sectors. Where VECTOR
// is above 1 it divides d, and X starts at a multiple of its bytes.
//
// X is read once: ROWS rows wait in registers between their two uses, and so does the thread's
// share of the result, over all the rows of the block. Moved are the bytes of X, 8 bytes of scale a
// row, and the partial results of at most 1024 blocks; V comes from the first-level cache. A number
// of float32 is widened once, which on Hopper takes four times as long as a double-precision operation,
// and a sum over a team costs as much as several: so each lane finishes one of the sums and hands
// it round, instead of all lanes finishing each.

#define THREADS (TEAM > 128 ? TEAM : 128)
#define TEAMS (THREADS / TEAM)
#define LANES (TEAM < WARP ? TEAM : WARP)
#define PACKS (EACH / VECTOR)
#define SUMS (ROWS * SIDES)

struct alignas(VECTOR * sizeof(REAL)) Pack {
    REAL number[VECTOR];
};

// The place in `sums` of the one that this lane finishes; SUMS is a power of two, at most LANES.
static __device__ int finished(int lane)
{
    int place = 0;
#pragma unroll
    for (int half = SUMS / 2, bit = 1; half > 0; half /= 2, bit *= 2)
        place += lane & bit ? half : 0;
    return place;
}

// Replace `sums` by their sums over the team, that of row r times scale[r TEAMS], the same bits in
// each thread. Rows from `rows` on do not exist.
static __device__ void team_sums(double (&sums)[SUMS], const double *scale, Int rows,
                                 double (*part)[LANES])
{
    const int lane = threadIdx.x % LANES;
#pragma unroll
    for (int half = SUMS / 2, bit = 1; half > 0; half /= 2, bit *= 2) {
        const bool upper = lane & bit;
#pragma unroll
        for (int q = 0; q < half; q++) {
            const double own = upper ? sums[q + half] : sums[q];
            const double other = upper ? sums[q] : sums[q + half];
            sums[q] = own + __shfl_xor_sync(EVERY_LANE, other, bit);
        }
    }
    double total = sums[0];
#pragma unroll
    for (int bit = SUMS; bit < LANES; bit *= 2)
        total += __shfl_xor_sync(EVERY_LANE, total, bit);
    if (TEAM > WARP) {
        part[threadIdx.x / WARP][lane] = total;
        __syncthreads();
        total = 0.0;
        for (int w = 0; w < TEAM / WARP; w++)
            total += part[threadIdx.x / TEAM * (TEAM / WARP) + w][lane];
    }
    const Int row = finished(lane) / SIDES * (Int)TEAMS;
    total *= row < rows ? scale[row] : 0.0;
#pragma unroll
    for (int from = 0; from < SUMS; from++)
        sums[finished(from)] =
            __shfl_sync(EVERY_LANE, total, threadIdx.x % WARP / LANES * LANES + from);
}

// work[block, a, :] = sum over the block's rows of scale_i x_i (x_i . V[a]), for SIDES vectors.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT / THREADS)
hvp_rows(const REAL *__restrict__ X, const double *__restrict__ scale, const double *__restrict__ V,
         double *__restrict__ work, Int n, Int d, Int p)
{
    __shared__ double part[2][THREADS / WARP][LANES];
    __shared__ double column[THREADS];
    const int lane = threadIdx.x % TEAM, team = threadIdx.x / TEAM;
    double own[SIDES][EACH] = {}, ones[SIDES] = {};
    int turn = 0;
    for (Int first = blockIdx.x * (Int)(TEAMS * ROWS); first < n;
         first += gridDim.x * (Int)(TEAMS * ROWS)) {
        double x[ROWS][EACH], sums[SUMS];
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const Int i = first + r * TEAMS + team;
#pragma unroll
            for (int k = 0; k < PACKS; k++) {
                const Int j = (k * TEAM + lane) * VECTOR;
                Pack pack = {};
                if (i < n && j < d)
                    pack = *(const Pack *)(X + i * d + j);
#pragma unroll
                for (int v = 0; v < VECTOR; v++)
                    x[r][k * VECTOR + v] = (double)pack.number[v];
            }
        }
#pragma unroll
        for (int q = 0; q < SUMS; q++)
            sums[q] = lane == 0 && p > d ? V[q % SIDES * p + d] : 0.0;
#pragma unroll
        for (int e = 0; e < EACH; e++) {
            const Int j = (e / VECTOR * TEAM + lane) * VECTOR + e % VECTOR;
#pragma unroll
            for (int a = 0; a < SIDES; a++) {
                const double v = j < d ? V[a * p + j] : 0.0;
#pragma unroll
                for (int r = 0; r < ROWS; r++)
                    sums[r * SIDES + a] += x[r][e] * v;
            }
        }
        team_sums(sums, scale + first + team, n - first - team, part[turn]);
        turn = 1 - turn;
#pragma unroll
        for (int q = 0; q < SUMS; q++) {
            ones[q % SIDES] += sums[q];
#pragma unroll
            for (int e = 0; e < EACH; e++)
                own[q % SIDES][e] += sums[q] * x[q / SIDES][e];
        }
    }
#pragma unroll
    for (int a = 0; a < SIDES; a++) {
#pragma unroll
        for (int e = 0; e <= EACH; e++) { // the last is that of the ones
            const Int j = e < EACH ? (e / VECTOR * TEAM + lane) * VECTOR + e % VECTOR : d + lane;
            column[threadIdx.x] = e < EACH ? own[a][e < EACH ? e : 0] : ones[a];
            __syncthreads();
            if (team == 0 && j < (e < EACH ? d : p)) {
                double total = 0.0;
                for (int other = 0; other < TEAMS; other++)
                    total += column[other * TEAM + lane];
                work[(blockIdx.x * (Int)SIDES + a) * p + j] = total;
            }
            __syncthreads();
        }
    }
}
