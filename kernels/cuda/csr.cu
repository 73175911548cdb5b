// Kernels over compressed sparse rows: data and indices, one a stored number, and indptr (n + 1).
//
// A warp takes a row, whose column indices are distinct. Its lanes stand as S sides by 32 / S
// entries, S a power of two up to 32, so that one vector is read entry by entry and many side by
// side. What scatters to columns gets one result a block, in shared memory where it fits there;
// the block's warps compute together and add in turns, a row at a time, which fixes the order of
// every sum. Rows are read from memory once, their second use finds them in the first-level cache.
//
// Bound by the stored numbers and their indices for long rows; by the turns, some hundred cycles
// each, for rows of fewer than about a hundred entries. Results beyond shared memory, of more than
// 5,120 columns, are added in the second-level cache, where a turn waits several times longer.
// These are expectations: the bytes are counted, the cycles are not measured.

#define WARPS 8
#define THREADS (WARPS * WARP)

// Sum of the row's entries times V[index, a], in every lane of the same side.
static __device__ double row_times(const REAL *data, const INDEX *indices, Int low, Int high,
                                   const double *V, Int t, Int a, int S)
{
    double s = 0.0;
    if (a < t)
        for (Int k = low + threadIdx.x % WARP / S; k < high; k += WARP / S)
            s += (double)data[k] * V[(Int)indices[k] * t + a];
    for (int step = S; step < WARP; step *= 2)
        s += __shfl_xor_sync(EVERY_LANE, s, step);
    return s;
}

// out[i, a] = x_i . V[:, a]. With owners t is 1 and V[:, 0] is T[owner_i], of p numbers.
extern "C" __global__ void __launch_bounds__(THREADS, 4)
csr_linear(const REAL *__restrict__ data, const INDEX *__restrict__ indices,
           const INDEX *__restrict__ indptr, const double *__restrict__ V,
           const Int *__restrict__ owner, double *__restrict__ out, Int n, Int p, Int t, Int S)
{
    const int lane = threadIdx.x % WARP;
    for (Int i = blockIdx.x * (Int)WARPS + threadIdx.x / WARP; i < n; i += gridDim.x * (Int)WARPS) {
        const double *own = owner ? V + owner[i] * p : V;
        for (Int first = 0; first < t; first += S) {
            const Int a = first + lane % S;
            const double s = row_times(data, indices, indptr[i], indptr[i + 1], own, t, a, S);
            if (lane < S && a < t)
                out[i * t + a] = s;
        }
    }
}

// Zero the block's result, (p, S) in shared memory or (p, t) of `work`; returns where it is.
static __device__ double *cleared(double *shared, double *work, Int p, Int t, Int S, Int in_shared)
{
    double *own = in_shared ? shared : work + blockIdx.x * p * t;
    const Int first = blockIdx.y * S;
    for (Int at = threadIdx.x; at < p * S; at += blockDim.x)
        if (in_shared)
            own[at] = 0.0;
        else if (first + at % S < t)
            own[at / S * t + first + at % S] = 0.0;
    __syncthreads();
    return own;
}

// Add s times the row to the block's result, the warps one after another.
static __device__ void add_in_turns(const REAL *data, const INDEX *indices, Int low, Int high,
                                    double s, double *own, Int stride, Int side, int S, Int ones)
{
    const int warp = threadIdx.x / WARP, entry = threadIdx.x % WARP / S;
    for (int turn = 0; turn < WARPS; turn++) {
        if (turn == warp && side >= 0) {
            for (Int k = low + entry; k < high; k += WARP / S)
                own[(Int)indices[k] * stride + side] += s * (double)data[k];
            if (ones >= 0 && entry == 0)
                own[ones * stride + side] += s;
        }
        __syncthreads();
    }
}

static __device__ void written(const double *own, double *work, Int p, Int t, Int S, Int in_shared)
{
    const Int first = blockIdx.y * S;
    if (in_shared)
        for (Int at = threadIdx.x; at < p * S; at += blockDim.x)
            if (first + at % S < t)
                work[(blockIdx.x * p + at / S) * t + first + at % S] = own[at];
}

// work[block, :, a] = sum over the block's rows of c_ia x_i, where c is C (n, t) or, with a scale,
// scale_i (x_i . V[:, a]), V in place of C. Then p > d implies a column of ones. Blocks along y
// take S sides each.
extern "C" __global__ void __launch_bounds__(THREADS, 4)
csr_scatter(const REAL *__restrict__ data, const INDEX *__restrict__ indices,
            const INDEX *__restrict__ indptr, const double *__restrict__ scale,
            const double *__restrict__ C, double *work, Int n, Int d, Int p, Int t, Int S,
            Int in_shared)
{
    DYNAMIC_SHARED(shared);
    double *own = cleared(shared, work, p, t, S, in_shared);
    const Int a = blockIdx.y * S + threadIdx.x % WARP % S;
    const Int stride = in_shared ? S : t, side = in_shared ? a - blockIdx.y * S : a;
    const Int ones = scale && p > d ? d : -1;
    for (Int first = blockIdx.x * (Int)WARPS; first < n; first += gridDim.x * (Int)WARPS) {
        const Int i = first + threadIdx.x / WARP;
        const bool here = i < n && a < t;
        const Int low = i < n ? indptr[i] : 0, high = i < n ? indptr[i + 1] : 0;
        double s = here && !scale ? C[i * t + a] : 0.0;
        if (scale) {
            s = row_times(data, indices, low, high, C, t, a, S);
            if (here)
                s = scale[i] * (ones >= 0 ? s + C[d * t + a] : s);
        }
        add_in_turns(data, indices, low, high, s, own, stride, here ? side : -1, S, ones);
    }
    written(own, work, p, t, S, in_shared);
}

// work[0, block, :] = sum of slope_i x_i, work[1, block, :] = sum of |slope_i x_i|.
extern "C" __global__ void __launch_bounds__(THREADS, 4)
csr_gradient(const REAL *__restrict__ data, const INDEX *__restrict__ indices,
             const INDEX *__restrict__ indptr, const double *__restrict__ slope, double *work,
             Int n, Int p, Int in_shared)
{
    DYNAMIC_SHARED(shared);
    double *sum = in_shared ? shared : work + blockIdx.x * p;
    double *size = in_shared ? shared + p : work + (gridDim.x + blockIdx.x) * p;
    for (Int j = threadIdx.x; j < p; j += blockDim.x)
        sum[j] = size[j] = 0.0;
    __syncthreads();
    for (Int first = blockIdx.x * (Int)WARPS; first < n; first += gridDim.x * (Int)WARPS) {
        for (int turn = 0; turn < WARPS; turn++) {
            const Int i = first + turn;
            if (turn == threadIdx.x / WARP && i < n)
                for (Int k = indptr[i] + threadIdx.x % WARP; k < indptr[i + 1]; k += WARP) {
                    const double step = slope[i] * (double)data[k];
                    sum[indices[k]] += step;
                    size[indices[k]] += fabs(step);
                }
            __syncthreads();
        }
    }
    if (in_shared)
        for (Int j = threadIdx.x; j < p; j += blockDim.x) {
            work[blockIdx.x * p + j] = sum[j];
            work[(gridDim.x + blockIdx.x) * p + j] = size[j];
        }
}

// out[j, :] += sum over rows of scale_i x_ij x_i, out with `width` columns. A warp owns the rows j
// of out that are its own number modulo the power of two `stripes`: it goes over all indices for
// them, and for each it finds adds the row that the entry stands in. Both halves of out get the
// same product of the same operands in the same order. Bound by `stripes` reads of the indices,
// from the second-level cache while they fit there.
extern "C" __global__ void __launch_bounds__(128, 8)
csr_gram(const REAL *__restrict__ data, const INDEX *__restrict__ indices,
         const INDEX *__restrict__ indptr, const double *__restrict__ scale, double *out, Int n,
         Int width, Int stripes)
{
    const int lane = threadIdx.x % WARP;
    const Int mine = (blockIdx.x * (Int)blockDim.x + threadIdx.x) / WARP;
    const Int stored = indptr[n];
    Int i = 0; // the row that holds the entry at hand
#pragma unroll 4
    for (Int first = indptr[0]; first < stored; first += WARP) {
        const Int own = first + lane;
        const bool takes = own < stored && ((Int)indices[own] & (stripes - 1)) == mine;
        for (unsigned left = __ballot_sync(EVERY_LANE, takes); left; left &= left - 1) {
            const Int k = first + __ffs(left) - 1;
            int ended = WARP; // of the next 32 rows, those that end before the entry
            while (ended == WARP) {
                const bool ends = i + lane < n && indptr[i + lane + 1] <= k;
                ended = __popc(__ballot_sync(EVERY_LANE, ends));
                i += ended;
            }
            const Int low = indptr[i], high = indptr[i + 1];
            double *row = out + (Int)indices[k] * width;
            for (Int m = low + lane; m < high; m += WARP) {
                const Int late = m > k ? m : k, early = m > k ? k : m;
                row[indices[m]] += scale[i] * (double)data[late] * (double)data[early];
            }
            __syncwarp();
        }
    }
}
