// The same two products (conv2d_tile.cu, conv2d_weight.cu) on tensor cores, step 4: factors rounded
// to TF32 (10 bits of mantissa), sums in fp32. Used only after minigen.allow_tf32(True).
// All channels of a group must be multiples of 4 (cp.async moves 16 bytes).
#include "tile.cuh"
#include "tensor_cores.cuh"

template <int BM, int BN, int WM, int WN, int STAGES>
__global__ void __launch_bounds__((BM / WM) * (BN / WN) * 32)
conv2d_tf32(const float* __restrict__ x, const float* __restrict__ w,  // as conv2d_tile's
            const float* __restrict__ bias, float* __restrict__ y, Conv p) {
  gather<Tf32<BM, BN, WM, WN, STAGES>>(x, w, bias, y, p);
}

template <int BM, int BN, int WM, int WN, int STAGES>
__global__ void __launch_bounds__((BM / WM) * (BN / WN) * 32)
conv2d_weight_tf32(const float* __restrict__ x, const float* __restrict__ dy,  // as conv2d_weight's
                   float* __restrict__ dw, Conv p, int piece) {
  correlate<Tf32<BM, BN, WM, WN, STAGES>>(x, dy, dw, p, piece);
}
