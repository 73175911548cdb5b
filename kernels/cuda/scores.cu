// The last step of scoring, over raw scores (t, n): the final score of row i on quantity a is
// scale_i (raw_ai + shift_a).
//
// Bound by one read of the raw scores; `finish` writes them too. The extremes are found without
// sorting what cannot rank: a chunk of 1024 scores none of which beats the worst of a full list
// costs its read and a barrier. Each block lists the best of one segment of one quantity at one
// end, and `merge_lists` merges the lists in the order of the segments. Ranks are exact: larger
// first, equal scores by the lower row, NaN behind every number, row -1 for an empty place.

#define CHUNK 1024
#define THREADS 256

extern "C" __global__ void __launch_bounds__(THREADS, 4)
finish(REAL *raw, const double *__restrict__ shift, const double *__restrict__ scale, Int t, Int n)
{
    FOR_EACH(at, t * n) raw[at] = (REAL)(scale[at % n] * ((double)raw[at] + shift[at / n]));
}

// out[i] = sum over the quantities of the final scores of row i.
extern "C" __global__ void __launch_bounds__(THREADS, 4)
sums(const REAL *__restrict__ raw, const double *__restrict__ shift,
     const double *__restrict__ scale, double *__restrict__ out, Int t, Int n)
{
    FOR_EACH(i, n) {
        double total = 0.0, shifts = 0.0;
        for (Int a = 0; a < t; a++) {
            total += (double)raw[a * n + i];
            shifts += shift[a];
        }
        out[i] = scale[i] * (total + shifts);
    }
}

static __device__ bool before(double a, Int row_a, double b, Int row_b)
{
    if (row_a < 0 || row_b < 0)
        return row_a >= 0 && row_b < 0;
    if (a != a || b != b)
        return b != b && (a == a || row_a < row_b);
    return a > b || (a == b && row_a < row_b);
}

// How many of a sorted list stand before this score.
static __device__ Int rank_in(const double *values, const Int *rows, Int size, double value, Int row)
{
    Int low = 0;
    while (low < size) {
        const Int middle = low + (size - low) / 2;
        if (before(values[middle], rows[middle], value, row))
            low = middle + 1;
        else
            size = middle;
    }
    return low;
}

// out = the k first of two sorted lists of k and m places; the block works together.
static __device__ void merged(const double *values, const Int *rows, Int k, const double *others,
                              const Int *other_rows, Int m, double *out, Int *out_rows)
{
    for (Int q = threadIdx.x; q < k; q += blockDim.x) {
        const Int to = q + rank_in(others, other_rows, m, values[q], rows[q]);
        if (to < k) {
            out[to] = values[q];
            out_rows[to] = rows[q];
        }
    }
    for (Int q = threadIdx.x; q < m; q += blockDim.x) {
        // An empty place stands behind the whole list, whose own empty places are no different.
        const Int to = q + (other_rows[q] < 0 ? k : rank_in(values, rows, k, others[q], other_rows[q]));
        if (to < k) {
            out[to] = others[q];
            out_rows[to] = other_rows[q];
        }
    }
    __syncthreads();
}

// Sort CHUNK scores, by a bitonic network.
static __device__ void sort_chunk(double *value, Int *row)
{
    for (int size = 2; size <= CHUNK; size *= 2)
        for (int stride = size / 2; stride > 0; stride /= 2) {
            for (int pair = threadIdx.x; pair < CHUNK / 2; pair += THREADS) {
                const int a = pair / stride * 2 * stride + pair % stride, b = a + stride;
                const bool ascending = (a & size) != 0;
                if (before(value[b], row[b], value[a], row[a]) != ascending) {
                    const double v = value[a];
                    const Int r = row[a];
                    value[a] = value[b];
                    row[a] = row[b];
                    value[b] = v;
                    row[b] = r;
                }
            }
            __syncthreads();
        }
}

// lists (2, segments, 2, t, k): for each segment, end and quantity the k best scores, in the first
// half; the second is room. Scores that do not beat `values` and `rows` (2, t, k) are left out.
extern "C" __global__ void __launch_bounds__(THREADS, 4)
list_extremes(const REAL *__restrict__ raw, const double *__restrict__ shift,
              const double *__restrict__ scale, const double *__restrict__ values,
              const Int *__restrict__ rows, double *lists, Int *list_rows, Int t, Int n, Int k,
              Int length, Int first_row)
{
    __shared__ double value[CHUNK];
    __shared__ Int row[CHUNK];
    const Int at = blockIdx.x, a = at % t, half = gridDim.y * 2 * t * k;
    const double sign = at < t ? 1.0 : -1.0;
    const double worst = values[at * k + k - 1];
    const Int worst_row = rows[at * k + k - 1];
    double *mine = lists + (blockIdx.y * 2 * t + at) * k;
    Int *my_rows = list_rows + (blockIdx.y * 2 * t + at) * k;
    const Int start = blockIdx.y * length, stop = start + length < n ? start + length : n;
    Int now = 0; // which half holds the list
    for (Int q = threadIdx.x; q < k; q += blockDim.x)
        my_rows[q] = -1;
    __syncthreads();
    for (Int first = start; first < stop; first += CHUNK) {
        const double own_worst = mine[now + k - 1];
        const Int own_worst_row = my_rows[now + k - 1];
        int found = 0;
        for (int c = threadIdx.x; c < CHUNK; c += THREADS) {
            const Int i = first + c;
            double score = 0.0;
            bool ranks = false;
            if (i < stop) {
                score = sign * (scale[i] * ((double)raw[a * n + i] + shift[a]));
                ranks = before(score, first_row + i, worst, worst_row) &&
                        before(score, first_row + i, own_worst, own_worst_row);
            }
            value[c] = score;
            row[c] = ranks ? first_row + i : -1;
            found |= ranks;
        }
        if (!__syncthreads_or(found))
            continue;
        sort_chunk(value, row);
        merged(mine + now, my_rows + now, k, value, row, CHUNK, mine + half - now,
               my_rows + half - now);
        now = half - now;
    }
    if (now)
        for (Int q = threadIdx.x; q < k; q += blockDim.x) {
            mine[q] = mine[half + q];
            my_rows[q] = my_rows[half + q];
        }
}

// Merge the lists of all segments into `values` and `rows`, one block for each end and quantity.
extern "C" __global__ void __launch_bounds__(THREADS, 4)
merge_lists(double *values, Int *rows, double *lists, Int *list_rows, Int segments, Int ends, Int k)
{
    double *home = values + blockIdx.x * k, *room = lists + (segments * ends + blockIdx.x) * k;
    Int *home_rows = rows + blockIdx.x * k, *room_rows = list_rows + (segments * ends + blockIdx.x) * k;
    double *from = home, *to = room;
    Int *from_rows = home_rows, *to_rows = room_rows;
    for (Int s = 0; s < segments; s++) {
        const double *list = lists + (s * ends + blockIdx.x) * k;
        const Int *its_rows = list_rows + (s * ends + blockIdx.x) * k;
        if (!before(list[0], its_rows[0], from[k - 1], from_rows[k - 1]))
            continue; // the same for the whole block
        merged(from, from_rows, k, list, its_rows, k, to, to_rows);
        double *const other = from;
        Int *const other_rows = from_rows;
        from = to;
        from_rows = to_rows;
        to = other;
        to_rows = other_rows;
    }
    if (from != home)
        for (Int q = threadIdx.x; q < k; q += blockDim.x) {
            home[q] = from[q];
            home_rows[q] = from_rows[q];
        }
}
