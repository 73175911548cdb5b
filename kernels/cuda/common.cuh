// Shared by every source of this folder, which the launcher puts behind this text.
//
// REAL is the type in which rows are stored, float or double; sums are double whatever it is.
// YREAL is that of labels. INDEX is the type of column indices, int or long long. Counts and positions are 64-bit, so that
// a table may hold 2^40 numbers. No kernel adds floats atomically: each block writes a sum of its
// own and `add_partials` adds those in order, so equal launches give equal bits.

#ifndef REAL
#define REAL double
#endif
#ifndef YREAL
#define YREAL double
#endif
#ifndef INDEX
#define INDEX int
#endif
#ifndef DYNAMIC_SHARED
#define DYNAMIC_SHARED(name) extern __shared__ double name[]
#endif

typedef long long Int;

#define WARP 32
#define EVERY_LANE 0xffffffffu
#define NOT_A_NUMBER __longlong_as_double(0x7ff8000000000000LL)
#define FOR_EACH(k, n) \
    for (Int k = blockIdx.x * (Int)blockDim.x + threadIdx.x; k < (n); k += (Int)gridDim.x * blockDim.x)

// Sum over groups of `width` neighbouring lanes, a power of two up to 32; each lane gets it.
static __device__ double lanes_sum(double x, int width)
{
    for (int step = width / 2; step > 0; step /= 2)
        x += __shfl_xor_sync(EVERY_LANE, x, step);
    return x;
}

// Sum over the block, in the same order in each thread; `part` is shared and holds a number for
// each warp. Two calls in a row need two parts: the barrier stands between writing and reading.
static __device__ double block_sum(double x, double *part)
{
    x = lanes_sum(x, WARP);
    if (threadIdx.x % WARP == 0)
        part[threadIdx.x / WARP] = x;
    __syncthreads();
    double total = 0.0;
    for (int w = 0; w < blockDim.x / WARP; w++)
        total += part[w];
    return total;
}
