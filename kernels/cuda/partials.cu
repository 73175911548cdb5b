// The last step of each sum over rows: what the blocks left is added in the order of the blocks.
//
// Moves the partial results once, 8 bytes each, and runs after the kernels that wrote them.

// out[j] += sum over b of partials[b, j]. Blocks of (32, 8) threads: 32 columns, 8 slices of b.
// Bytes: partials once. A fixed order, whatever the device.
extern "C" __global__ void __launch_bounds__(256, 4)
add_partials(const double *__restrict__ partials, double *__restrict__ out, Int blocks, Int width)
{
    __shared__ double slices[8][WARP];
    for (Int first = blockIdx.x * (Int)WARP; first < width; first += (Int)gridDim.x * WARP) {
        const Int j = first + threadIdx.x;
        double total = 0.0;
        if (j < width)
            for (Int b = threadIdx.y; b < blocks; b += 8)
                total += partials[b * width + j];
        slices[threadIdx.y][threadIdx.x] = total;
        __syncthreads();
        if (threadIdx.y == 0 && j < width) {
            total = out[j];
            for (int s = 0; s < 8; s++)
                total += slices[s][threadIdx.x];
            out[j] = total;
        }
        __syncthreads();
    }
}
