// The weight gradient in fp32, split over pixels, the same bits every time.
//
//     dw[(r, s, c), k] = Σ over images and output pixels q of x[q meets (r, s), c] · dy[q, k]
//
//                        n: channels of dy, BN at a time
//                       ┌───────────┐
//                       │     B     │ ↕ BK   B[q, n] = dy, as it lies in memory
//                       └───────────┘        q = (image, row, column): a great many
//              BK
//            ┌────┐     ┌───────────┐        A[q, m] = the number of x that (r, s, c) = m meets at
//   m:       │    │     │           │        pixel q, 0 in the padding
//  (r, s, c) │ A  │     │     C     │        C[m, n] = one tile of dw
//            └────┘     └───────────┘
//
// A weight has few tiles and a sum many pixels, so the pixels are cut into gridDim.z / groups pieces:
//
//     q:   |── piece 0 ──|── piece 1 ──|── piece 2 ──|      each block adds up its own piece, into
//              dw[0]         dw[1]         dw[2]            a dw of its own; `conv2d_weight_sum`
//                 └─────────────┼─────────────┘             then adds them in this order, whichever
//                               dw                          block finished first. No atomics.
//
// Threads own the quarters of a tile as in conv2d_tile.cu.
// FLOPs: 2·M·N·pixels. Bytes: (BM + BN)·4 read for BM·BN·2 FLOPs, and pieces·M·N·4 written, read.
#include "geometry.cuh"

template <int BM, int BN, int BK, int TM, int TN, int VEC>
__global__ void __launch_bounds__((BM / TM) * (BN / TN), 2)
conv2d_weight(const float* __restrict__ x,   // (images, rows.in, cols.in, groups·C)
              const float* __restrict__ dy,  // (images, rows.out, cols.out, groups·K)
              float* __restrict__ dw,        // (pieces, groups, taps, taps, C, K)
              Conv p, int piece) {           // pixels in a piece
  constexpr int THREADS = (BM / TM) * (BN / TN);
  constexpr int A_COLS = THREADS / BK * VEC, A_LOADS = BM / A_COLS;
  constexpr int B_COLS = THREADS / BK * VEC, B_LOADS = BN / B_COLS;
  static_assert(A_LOADS * A_COLS == BM && B_LOADS * B_COLS == BN, "tiles must be loaded evenly");
  __shared__ __align__(16) float A[2][BK][BM], B[2][BK][BN];

  __shared__ Part part;
  const int m0 = blockIdx.x * BM, n0 = blockIdx.y * BN, t = threadIdx.x;
  if (t == 0) part = part_of(p, blockIdx.z % p.groups);      // one phase only: stride 1 if transposed
  __syncthreads();
  const int first = blockIdx.z / p.groups * piece, count = min(piece, part.pixels - first);

  // THREADS / BK threads share a pixel. What (r, s, c) a thread loads does not change.
  const int k_own = t / (THREADS / BK), col_own = t % (THREADS / BK) * VEC;
  int row_of[A_LOADS], col_of[A_LOADS], c_of[A_LOADS];
#pragma unroll
  for (int i = 0; i < A_LOADS; i++) {
    Walk tap(p, part, m0 + col_own + i * A_COLS);
    row_of[i] = tap.done(part) ? -(1 << 30) : part.rows.start + tap.row * part.rows.skip;
    col_of[i] = part.cols.start + tap.col * part.cols.skip;
    c_of[i] = tap.c;
  }
  Pixel at = pixel_of(part, first + k_own);
  float a_next[A_LOADS][VEC], b_next[B_LOADS][VEC];

  auto load = [&](int left) {                // global memory -> registers
    const int pixel = (at.image * part.rows.count + at.row) * part.cols.count + at.col;
    const float* line = dy + (size_t)pixel * (p.groups * p.K) + part.group * p.K;
#pragma unroll
    for (int i = 0; i < A_LOADS; i++) {
      int r = row_of[i] + at.row * part.rows.hop, c = col_of[i] + at.col * part.cols.hop;
      bool inside = k_own < left && (unsigned)r < (unsigned)p.rows.in &&
                    (unsigned)c < (unsigned)p.cols.in;
      size_t met = (size_t)(at.image * p.rows.in + r) * p.cols.in + c;
      const float* from = x + met * (p.groups * p.C) + part.group * p.C + c_of[i];
      if constexpr (VEC == 4)
        *(float4*)a_next[i] = inside ? *(const float4*)from : make_float4(0, 0, 0, 0);
      else
        a_next[i][0] = inside ? *from : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < B_LOADS; i++) {
      int n = n0 + col_own + i * B_COLS;
      bool inside = k_own < left && n < p.K;
      if constexpr (VEC == 4)
        *(float4*)b_next[i] = inside ? *(const float4*)(line + n) : make_float4(0, 0, 0, 0);
      else
        b_next[i][0] = inside ? line[n] : 0.0f;
    }
    for (at.col += BK; at.col >= part.cols.count; at.col -= part.cols.count)
      if (++at.row == part.rows.count) { at.row = 0; at.image++; }
  };
  auto store = [&](int buffer) {             // registers -> shared memory
#pragma unroll
    for (int i = 0; i < A_LOADS; i++)
#pragma unroll
      for (int j = 0; j < VEC; j++) A[buffer][k_own][col_own + j + i * A_COLS] = a_next[i][j];
#pragma unroll
    for (int i = 0; i < B_LOADS; i++)
#pragma unroll
      for (int j = 0; j < VEC; j++) B[buffer][k_own][col_own + j + i * B_COLS] = b_next[i][j];
  };

  const int tx = t % (BN / TN) * 4, ty = t / (BN / TN) * 4;
  float sum[TM][TN] = {};
  load(count);
  store(0);
  __syncthreads();
  for (int left = count, buffer = 0; left > 0; left -= BK, buffer ^= 1) {
    const bool more = left > BK;
    if (more) load(left - BK);
#pragma unroll 2                             // all eight at once take more than 128 registers
    for (int k = 0; k < BK; k++) {
      float a[TM], b[TN];
#pragma unroll
      for (int i = 0; i < TM; i += 4) *(float4*)&a[i] = *(float4*)&A[buffer][k][ty + i / 4 * (4 * BM / TM)];
#pragma unroll
      for (int j = 0; j < TN; j += 4) *(float4*)&b[j] = *(float4*)&B[buffer][k][tx + j / 4 * (4 * BN / TN)];
#pragma unroll
      for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++) sum[i][j] += a[i] * b[j];
    }
    if (more) {
      store(buffer ^ 1);
      __syncthreads();
    }
  }

  dw += (size_t)blockIdx.z * part.depth * p.K;
#pragma unroll
  for (int i = 0; i < TM; i++)
#pragma unroll
    for (int j = 0; j < TN; j++) {
      int m = m0 + ty + i % 4 + i / 4 * (4 * BM / TM), n = n0 + tx + j % 4 + j / 4 * (4 * BN / TN);
      if (m < part.depth && n < p.K) dw[(size_t)m * p.K + n] = sum[i][j];
    }
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
  w[line * taps + tap] = sum;
}
