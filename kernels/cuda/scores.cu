// The last step of scoring, over raw scores (t, n): the final score of row i on quantity a is
// scale_i (raw_ai + shift_a).
//
// Bound by one read of the raw scores; `finish` writes them too. The extremes are found without
// sorting what cannot rank: a chunk of 512 scores costs its read and a barrier, those of it that
// beat the worst of the list wait, and are sorted and merged once there is no room for more. Each
// block lists the best of one segment of one quantity at both ends, and `merge_lists` merges the
// lists in the order of the segments. Ranks are exact: larger first, equal scores by the lower row, NaN behind every
// number, row -1 for an empty place.

#define THREADS 256
#define LISTERS 128
#define LISTING (sizeof(REAL) == 8 ? 7 : 8) // blocks on a multiprocessor; with more, doubles spill
#define EACH 4
#define CHUNK (LISTERS * EACH)
#define ROOM (2 * CHUNK)

// What a thread needs for EACH scores of one quantity, every `step`-th from row i on. Read before it is
// used, and before anything is written: loads in flight are what keeps the memory busy.
struct Scores {
    REAL raw[EACH];
    double scale[EACH];
};

static __device__ Scores scores_from(const REAL *raw, const double *scale, Int i, Int step, Int stop)
{
    Scores out;
#pragma unroll
    for (int e = 0; e < EACH; e++) {
        const bool here = i + e * step < stop;
        out.raw[e] = here ? raw[i + e * step] : (REAL)0;
        out.scale[e] = here ? scale[i + e * step] : 0.0;
    }
    return out;
}

extern "C" __global__ void __launch_bounds__(THREADS, 4)
finish(REAL *raw, const double *__restrict__ shift, const double *__restrict__ scale, Int t, Int n)
{
    for (Int a = blockIdx.y; a < t; a += gridDim.y)
        for (Int i = blockIdx.x * (Int)(EACH * THREADS) + threadIdx.x; i < n;
             i += gridDim.x * (Int)(EACH * THREADS)) {
            const Scores from = scores_from(raw + a * n, scale, i, THREADS, n);
#pragma unroll
            for (int e = 0; e < EACH; e++)
                if (i + e * THREADS < n)
                    raw[a * n + i + e * THREADS] =
                        (REAL)(from.scale[e] * ((double)from.raw[e] + shift[a]));
        }
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
template <class Row>
static __device__ Int rank_in(const double *values, const Row *rows, Int size, double value, Int row)
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

// out = the k first of two sorted lists of k and m places; the block works together. The second
// list counts its rows from `start`, where those of the first begin at the earliest.
template <class Row>
static __device__ void merged(const double *values, const Int *rows, Int k, const double *others,
                              const Row *other_rows, Int m, Int start, double *out, Int *out_rows)
{
    for (Int q = threadIdx.x; q < k; q += blockDim.x) {
        const Int to = q + rank_in(others, other_rows, m, values[q], rows[q] - start);
        if (to < k) {
            out[to] = values[q];
            out_rows[to] = rows[q];
        }
    }
    for (Int q = threadIdx.x; q < m; q += blockDim.x) {
        // An empty place stands behind the whole list, whose own empty places are no different.
        const Int row = other_rows[q] < 0 ? -1 : start + other_rows[q];
        const Int to = q + (row < 0 ? k : rank_in(values, rows, k, others[q], row));
        if (to < k) {
            out[to] = others[q];
            out_rows[to] = row;
        }
    }
    __syncthreads();
}

// Sort `size` scores, a power of two, by a bitonic network.
static __device__ void sort_scores(double *value, int *row, int size)
{
    for (int run = 2; run <= size; run *= 2)
        for (int stride = run / 2; stride > 0; stride /= 2) {
            for (int pair = threadIdx.x; pair < size / 2; pair += blockDim.x) {
                const int a = pair / stride * 2 * stride + pair % stride, b = a + stride;
                const bool ascending = (a & run) != 0;
                if (before(value[b], row[b], value[a], row[a]) != ascending) {
                    const double v = value[a];
                    const int r = row[a];
                    value[a] = value[b];
                    row[a] = row[b];
                    value[b] = v;
                    row[b] = r;
                }
            }
            __syncthreads();
        }
}

// What a score must exceed to rank in a list of k places: NaN, where any may, since a place is
// empty or holds NaN. An equal score stands behind: its row comes later.
static __device__ double bar_of(const double *values, const Int *rows, Int k)
{
    return rows[k - 1] < 0 ? NOT_A_NUMBER : values[k - 1];
}

// lists (2, segments, 2, t, k): for each segment, end and quantity the k best scores, in the first
// half; the second is room. Scores that do not beat `values` and `rows` (2, t, k), all of them of
// earlier rows, are left out. A segment has less than 2^31 rows.
extern "C" __global__ void __launch_bounds__(LISTERS, LISTING)
list_extremes(const REAL *__restrict__ raw, const double *__restrict__ shift,
              const double *__restrict__ scale, const double *__restrict__ values,
              const Int *__restrict__ rows, double *lists, Int *list_rows, Int t, Int n, Int k,
              Int length, Int first_row)
{
    __shared__ double value[2][ROOM];
    __shared__ int row[2][ROOM];
    __shared__ int waiting[2];
    const Int a = blockIdx.x, half = gridDim.y * 2 * t * k;
    const Int start = blockIdx.y * length, stop = start + length < n ? start + length : n;
    Int now[2]; // where the lists stand
    double bar[2];
    for (int end = 0; end < 2; end++) {
        now[end] = ((blockIdx.y * 2 + end) * t + a) * k;
        bar[end] = bar_of(values + (end * t + a) * k, rows + (end * t + a) * k, k);
        for (Int q = threadIdx.x; q < k; q += blockDim.x)
            list_rows[now[end] + q] = -1;
        waiting[end] = 0;
    }
    __syncthreads();
    const double moved = shift[a];
    Scores next = scores_from(raw + a * n, scale, start + threadIdx.x, LISTERS, stop);
    for (Int first = start; first < stop; first += CHUNK) {
        const Scores from = next;
        next = scores_from(raw + a * n, scale, first + CHUNK + threadIdx.x, LISTERS, stop);
        bool full = false;
#pragma unroll
        for (int e = 0; e < EACH; e++) {
            const Int i = first + e * LISTERS + threadIdx.x;
            const double score = from.scale[e] * ((double)from.raw[e] + moved);
#pragma unroll
            for (int end = 0; end < 2; end++) {
                const double own = end ? -score : score;
                if (i < stop && !(own <= bar[end])) {
                    const int to = atomicAdd(&waiting[end], 1); // in any order: they are sorted
                    value[end][to] = own;
                    row[end][to] = (int)(i - start);
                    full = full || to + 1 > ROOM - CHUNK;
                }
            }
        }
        full = __syncthreads_or(full);
        if (!full && first + CHUNK < stop)
            continue;
        for (int end = 0; end < 2; end++) {
            const int found = waiting[end];
            int size = found ? 1 : 0;
            while (size < found)
                size *= 2;
            for (int q = found + threadIdx.x; q < size; q += LISTERS)
                row[end][q] = -1;
            __syncthreads();
            if (threadIdx.x == 0)
                waiting[end] = 0;
            sort_scores(value[end], row[end], size);
            const Int to = now[end] < half ? now[end] + half : now[end] - half;
            merged(lists + now[end], list_rows + now[end], k, value[end], row[end], found,
                   first_row + start, lists + to, list_rows + to);
            now[end] = to;
            bar[end] = fmax(bar[end], bar_of(lists + to, list_rows + to, k)); // NaN gives way
        }
    }
    for (int end = 0; end < 2; end++)
        if (now[end] >= half)
            for (Int q = threadIdx.x; q < k; q += blockDim.x) {
                lists[now[end] - half + q] = lists[now[end] + q];
                list_rows[now[end] - half + q] = list_rows[now[end] + q];
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
        merged(from, from_rows, k, list, its_rows, k, 0, to, to_rows);
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
