// Convolution and transposed convolution in fp32, a tile of y at a time: tile.cuh draws it, and
// product.cuh its two steps, BUFFERS 1 and 2.
#include "tile.cuh"
#include "product.cuh"

template <int BM, int BN, int BK, int TM, int TN, int VEC, int BUFFERS>
__global__ void __launch_bounds__((BM / TM) * (BN / TN), 2)
conv2d_tile(const float* __restrict__ x,     // (images, rows.in, cols.in, groups·C)
            const float* __restrict__ w,     // (groups, taps, taps, C, K)
            const float* __restrict__ bias,  // (groups·K) or null
            float* __restrict__ y,           // (images, rows.out, cols.out, groups·K)
            Conv p) {
  gather<Fp32<BM, BN, BK, TM, TN, VEC, BUFFERS>>(x, w, bias, y, p);
}
