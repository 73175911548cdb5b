// Runs the text of a CUDA kernel on the CPU, so that it can be tested where there is no GPU.
//
// Blocks run one after another. Each CUDA thread is a fiber with a stack of its own that runs until
// it needs others (a barrier, a shuffle, a ballot) and is resumed when they have arrived. Between
// those points threads run one at a time, and a warp runs as far ahead of the others as barriers
// let it. Orders are forward, backward, or scrambled anew for each round: a missing barrier shows
// up as a wrong number in at least one of them.
//
// Shared memory is filled with 0xff bytes (a NaN, or -1) before each block, static and dynamic, and
// dynamic shared memory ends in a canary. A barrier that some thread of the block never reaches, a
// shuffle whose named lanes do not all arrive, and a canary that was overwritten fail the launch.
// Not modelled: races between blocks, the memory model within a warp, speed.

#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define __global__
#define __device__
#define __launch_bounds__(...)
#define __restrict__
#define __shared__ static __attribute__((section("host_shared")))
#define DYNAMIC_SHARED(name) double *name = (double *)host_dynamic

struct dim3 {
    unsigned x, y, z;
};

enum { HOST_WARP = 32, HOST_STACK = 1 << 16, HOST_CANARY = 256, HOST_MOST = 1024 };
enum HostFault { HOST_FINE, HOST_STUCK, HOST_LEFT_BARRIER, HOST_OVERRUN, HOST_MASK };

struct HostFiber {
    ucontext_t start;
    jmp_buf place;
    bool begun, done;
    unsigned shuffles; // so far; their values stand in two buffers by turns
    dim3 index;
};

// Where threads meet: how many have arrived, and how often all of them had.
struct HostMeeting {
    int arrived;
    unsigned met;
    int any, any_was; // whether a predicate held, of those that come and of those that came
};

static HostFiber host_fiber[HOST_MOST];
static char *host_stacks;
static HostMeeting host_block_meeting, host_warp_meeting[HOST_MOST / HOST_WARP];
static uint64_t host_value[2][HOST_MOST];
static dim3 host_block_index, host_grid_size, host_block_size;
static jmp_buf host_scheduler;
static int host_now, host_threads, host_alive, host_fault;
static bool host_moved, host_progress;
static unsigned host_random;
static char *host_dynamic;
static void (*host_body)(void *);
static void *host_body_data;

extern char __start_host_shared[] __attribute__((weak));
extern char __stop_host_shared[] __attribute__((weak));

#define threadIdx (host_fiber[host_now].index)
#define blockIdx host_block_index
#define blockDim host_block_size
#define gridDim host_grid_size

static void host_pause()
{
    if (!_setjmp(host_fiber[host_now].place))
        _longjmp(host_scheduler, 1);
}

// Wait until `expected` threads have come here, this one included.
static void host_meet(HostMeeting &at, int expected, int predicate = 0)
{
    const unsigned met = at.met;
    host_moved = true;
    at.any |= predicate;
    if (++at.arrived == expected) {
        at.any_was = at.any;
        at.arrived = at.any = 0;
        at.met++;
        return;
    }
    while (at.met == met)
        host_pause();
}

static void __syncthreads() { host_meet(host_block_meeting, host_threads); }

static int __syncthreads_or(int predicate)
{
    host_meet(host_block_meeting, host_threads, predicate);
    return host_block_meeting.any_was;
}

// A whole warp is asked for: blocks are multiples of 32 threads, and no thread leaves early.
static void __syncwarp(unsigned mask = 0xffffffffu)
{
    if (mask != 0xffffffffu)
        host_fault = HOST_MASK;
    host_meet(host_warp_meeting[host_now / HOST_WARP], HOST_WARP);
}

// Each lane's value, once all of the warp have come. Two buffers by turns: one meeting is enough.
template <class T> static const uint64_t *host_exchange(unsigned mask, T value)
{
    static_assert(sizeof(T) <= 8, "a lane shows at most 8 bytes");
    uint64_t *values = host_value[host_fiber[host_now].shuffles++ % 2];
    memcpy(&values[host_now], &value, sizeof(T));
    __syncwarp(mask);
    return values + host_now / HOST_WARP * HOST_WARP;
}

template <class T> static T __shfl_sync(unsigned mask, T value, int lane)
{
    T out;
    memcpy(&out, host_exchange(mask, value) + lane % HOST_WARP, sizeof(T));
    return out;
}

template <class T> static T __shfl_xor_sync(unsigned mask, T value, int bits)
{
    return __shfl_sync(mask, value, (host_now % HOST_WARP) ^ bits);
}

static unsigned __ballot_sync(unsigned mask, int predicate)
{
    const uint64_t *values = host_exchange(mask, (uint64_t)(predicate != 0));
    unsigned out = 0;
    for (int lane = 0; lane < HOST_WARP; lane++)
        out |= (unsigned)values[lane] << lane;
    return out;
}

// Threads run one at a time between meetings: nothing comes between.
static int atomicAdd(int *at, int more)
{
    const int was = *at;
    *at += more;
    return was;
}

static int __ffs(int bits) { return __builtin_ffs(bits); }
static int __popc(unsigned bits) { return __builtin_popcount(bits); }

static long long __double_as_longlong(double x)
{
    long long out;
    memcpy(&out, &x, sizeof out);
    return out;
}

static double __longlong_as_double(long long x)
{
    double out;
    memcpy(&out, &x, sizeof out);
    return out;
}

// -- blocks and fibers ----------------------------------------------------------------------

static void host_enter()
{
    host_body(host_body_data);
    host_fiber[host_now].done = true;
    host_alive--;
    host_moved = true;
    _longjmp(host_scheduler, 1);
}

static void host_resume(int thread)
{
    HostFiber &fiber = host_fiber[thread];
    host_now = thread;
    if (_setjmp(host_scheduler))
        return;
    if (fiber.begun)
        _longjmp(fiber.place, 1);
    fiber.begun = true;
    getcontext(&fiber.start);
    fiber.start.uc_stack.ss_sp = host_stacks + (size_t)thread * HOST_STACK;
    fiber.start.uc_stack.ss_size = HOST_STACK;
    fiber.start.uc_link = 0;
    makecontext(&fiber.start, host_enter, 0);
    setcontext(&fiber.start);
}

// The k-th of n to visit: forward, backward, or by a prime stride from a random start.
static int host_pick(int order, int k, int n)
{
    if (order < 2)
        return order == 0 ? k : n - 1 - k;
    const unsigned strides[] = {1009, 1013, 1019, 1021}, drawn = host_random >> 8;
    return (int)((drawn / 4 + (unsigned)k * strides[drawn % 4]) % (unsigned)n);
}

// Run one warp until all its threads are done or wait for other warps: as far ahead as it can get.
static void host_run_warp(int warp, int order)
{
    bool again = true;
    while (again) {
        host_moved = false;
        for (volatile int k = 0; k < HOST_WARP; k++) {
            const int thread = warp * HOST_WARP + host_pick(order, k, HOST_WARP);
            if (!host_fiber[thread].done)
                host_resume(thread);
        }
        again = host_moved;
        host_progress |= host_moved;
    }
}

static int host_run_block(int order)
{
    host_alive = host_threads;
    memset(&host_block_meeting, 0, sizeof host_block_meeting);
    memset(host_warp_meeting, 0, sizeof host_warp_meeting);
    for (int k = 0; k < host_threads; k++)
        host_fiber[k].begun = host_fiber[k].done = false;
    while (host_alive) {
        host_progress = false;
        host_random = host_random * 1664525u + 1013904223u;
        const int warps = host_threads / HOST_WARP;
        for (int k = 0; k < warps; k++)
            host_run_warp(host_pick(order, k, warps), order);
        if (host_fault)
            return host_fault;
        if (!host_progress)
            return HOST_STUCK;
    }
    return host_block_meeting.arrived ? HOST_LEFT_BARRIER : HOST_FINE;
}

static int host_run(const unsigned *grid, const unsigned *block, size_t shared, int order)
{
    host_grid_size = dim3{grid[0], grid[1], grid[2]};
    host_block_size = dim3{block[0], block[1], block[2]};
    host_threads = (int)(block[0] * block[1] * block[2]);
    host_fault = HOST_FINE;
    host_random = 12345u;
    if (host_threads > HOST_MOST || host_threads % HOST_WARP)
        return HOST_MASK;
    if (!host_stacks)
        host_stacks = (char *)malloc((size_t)HOST_MOST * HOST_STACK);
    host_dynamic = (char *)malloc(shared + HOST_CANARY);
    for (int k = 0; k < host_threads; k++) {
        host_fiber[k].shuffles = 0;
        host_fiber[k].index =
            dim3{k % block[0], k / block[0] % block[1], k / (block[0] * block[1])};
    }
    const unsigned blocks = grid[0] * grid[1] * grid[2];
    int fault = HOST_FINE;
    for (unsigned k = 0; k < blocks && !fault; k++) {
        const unsigned b = order == 1 ? blocks - 1 - k : k;
        host_block_index = dim3{b % grid[0], b / grid[0] % grid[1], b / (grid[0] * grid[1])};
        memset(host_dynamic, 0xff, shared + HOST_CANARY);
        if (__start_host_shared)
            memset(__start_host_shared, 0xff, __stop_host_shared - __start_host_shared);
        fault = host_run_block(order);
        for (int c = 0; c < HOST_CANARY && !fault; c++)
            if (host_dynamic[shared + c] != (char)0xff)
                fault = HOST_OVERRUN;
    }
    free(host_dynamic);
    return fault;
}

// -- launching: pointers to the arguments, in the order of the kernel ---------------------------

template <int... I> struct HostPlaces {
};
template <int N, int... I> struct HostCount : HostCount<N - 1, N - 1, I...> {
};
template <int... I> struct HostCount<0, I...> {
    typedef HostPlaces<I...> places;
};

template <class... A> struct HostCall {
    void (*kernel)(A...);
    void **args;
    template <int... I> void run(HostPlaces<I...>) { kernel(*(A *)args[I]...); }
    static void body(void *call)
    {
        ((HostCall *)call)->run(typename HostCount<sizeof...(A)>::places());
    }
};

template <class... A>
static int host_launch(void (*kernel)(A...), const unsigned *grid, const unsigned *block,
                       size_t shared, void **args, int order)
{
    HostCall<A...> call = {kernel, args};
    host_body = HostCall<A...>::body;
    host_body_data = &call;
    return host_run(grid, block, shared, order);
}

#define HOST_EXPORT(kernel)                                                                  \
    extern "C" int host_run_##kernel(const unsigned *grid, const unsigned *block,            \
                                     size_t shared, void **args, int order)                  \
    {                                                                                        \
        return host_launch(kernel, grid, block, shared, args, order);                        \
    }
