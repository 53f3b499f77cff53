// The weight gradient in fp32, a tile of dw at a time, split over pixels, the same bits every time:
// tile.cuh draws it. pieces·M·N·4 bytes are written and read in between.
#include "tile.cuh"
#include "product.cuh"

template <int BM, int BN, int BK, int TM, int TN, int VEC, int BUFFERS>
__global__ void __launch_bounds__((BM / TM) * (BN / TN), 2)
conv2d_weight(const float* __restrict__ x,   // (images, rows.in, cols.in, groups·C)
              const float* __restrict__ dy,  // (images, rows.out, cols.out, groups·K)
              float* __restrict__ dw,        // (pieces, groups, taps, taps, C, K)
              Conv p, int piece) {           // pixels in a piece
  correlate<Fp32<BM, BN, BK, TM, TN, VEC, BUFFERS>>(x, dy, dw, p, piece);
}

// Adds the pieces and turns (groups, taps, C, K) into PyTorch's order. One thread makes one number;
// neighbouring threads read neighbouring numbers.
__global__ void conv2d_weight_sum(const float* __restrict__ pieces,  // (count, groups, taps, C, K)
                                  float* __restrict__ w,             // (groups, K, C, taps) or,
                                  int count, int groups, int taps,   // swapped, (groups, C, K, taps)
                                  int C, int K, int swapped) {
  const int size = groups * taps * C * K, i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  float sum = 0;
  for (int piece = 0; piece < count; piece++) sum += pieces[(size_t)piece * size + i];
  const int k = i % K, c = i / K % C, tap = i / (K * C) % taps, group = i / (K * C * taps);
  const int line = swapped ? (group * C + c) * K + k : (group * K + k) * C + c;
  w[line * taps + (swapped ? taps - 1 - tap : tap)] = sum;  // transposed: the last tap came first
}
