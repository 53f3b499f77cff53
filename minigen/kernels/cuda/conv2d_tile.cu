// Convolution and transposed convolution in fp32: a matrix product whose left matrix is never built.
//
//                        n: channels of y, BN at a time
//                       ┌───────────┐
//                       │     B     │ ↕ BK   B[k, n] = w, as it lies in memory
//                       └───────────┘        k = (tap row, tap column, channel), `depth` of them
//              BK
//            ┌────┐     ┌───────────┐
//   m:       │    │     │           │        A[m, k] = the pixel of x that tap k of output pixel m
//   pixels   │ A  │     │     C     │        meets, 0 in the padding
//   of y,    │    │     │           │        C[m, n] = y
//   BM       └────┘     └───────────┘        one block of threads makes one tile C
//   at a time
//
// The block walks along k. A slice of A and one of B lie in shared memory twice: while the threads
// multiply one pair, the next is on its way from global memory through registers (double
// buffering), so one barrier a slice is enough.
//
// Which thread owns what, for 128×128 with 8×8 a thread (16 × 16 threads):
//
//        tx·4 … +3      64 + tx·4 … +3       Four quarters of 4×4. Neighbouring threads read
//       ┌────────┬──────────────┐            neighbouring float4s of B (no bank conflict) and the
//  ty·4 │  4×4   │     4×4      │            same float4 of A (a broadcast): 16 numbers read for
//       ├────────┼──────────────┤            64 multiply-adds.
//  64 + │  4×4   │     4×4      │
//  ty·4 └────────┴──────────────┘
//
// FLOPs: 2·M·N·depth. Bytes from global memory: each tile reads (BM + BN)·depth·4 and writes
// BM·BN·4, so 128×128 does 32 FLOPs a byte read, 64×64 does 16. Most reads hit the L2 cache.
#include "geometry.cuh"

// BM, BN, BK: the tile. TM, TN: what one thread makes of it. VEC: 4 where the channels of x and y
// are multiples of 4 (loads and stores of float4), else 1.
template <int BM, int BN, int BK, int TM, int TN, int VEC>
__global__ void __launch_bounds__((BM / TM) * (BN / TN), 2)
conv2d_tile(const float* __restrict__ x,     // (images, rows.in, cols.in, groups·C)
            const float* __restrict__ w,     // (groups, taps, taps, C, K)
            const float* __restrict__ bias,  // (groups·K) or null
            float* __restrict__ y,           // (images, rows.out, cols.out, groups·K)
            Conv p, float slope) {
  constexpr int THREADS = (BM / TM) * (BN / TN);
  constexpr int A_ROWS = THREADS * VEC / BK, A_LOADS = BM / A_ROWS;    // rows of A in one load
  constexpr int B_COLS = THREADS / BK * VEC, B_LOADS = BN / B_COLS;    // columns of B in one load
  static_assert(A_LOADS * A_ROWS == BM && B_LOADS * B_COLS == BN, "tiles must be loaded evenly");
  // Rows of A are 4 numbers longer than needed: storing its columns would meet the same bank.
  __shared__ __align__(16) float A[2][BK][BM + 4], B[2][BK][BN];

  __shared__ Part part;                      // not in registers, of which every thread needs 128
  const int m0 = blockIdx.x * BM, n0 = blockIdx.y * BN, t = threadIdx.x;
  if (t == 0) part = part_of(p, blockIdx.z);
  __syncthreads();
  if (m0 >= part.pixels) return;             // the whole block: phases differ in size

  // Loading A: BK / VEC threads share a pixel, each takes VEC channels that lie side by side.
  const int a_k = t % (BK / VEC) * VEC, a_m = t / (BK / VEC);
  int image[A_LOADS], row[A_LOADS], col[A_LOADS];
#pragma unroll
  for (int i = 0; i < A_LOADS; i++) {
    int m = m0 + a_m + i * A_ROWS;
    Pixel at = pixel_of(part, m);
    image[i] = at.image * p.rows.in;
    row[i] = m < part.pixels ? at.row * part.rows.hop + part.rows.start : -(1 << 30);  // no pixel
    col[i] = at.col * part.cols.hop + part.cols.start;
  }
  // Loading B: THREADS / BK threads share a row, and walk over its columns.
  const int b_k = t / (THREADS / BK), b_n = t % (THREADS / BK) * VEC;
  Walk a_walk(p, part, a_k), b_walk(p, part, b_k);
  float a_next[A_LOADS][VEC], b_next[B_LOADS][VEC];

  auto load = [&]() {                        // global memory -> registers
#pragma unroll
    for (int i = 0; i < A_LOADS; i++) {
      int r = row[i] + a_walk.row * part.rows.skip, c = col[i] + a_walk.col * part.cols.skip;
      bool inside = !a_walk.done(part) && (unsigned)r < (unsigned)p.rows.in &&
                    (unsigned)c < (unsigned)p.cols.in;
      size_t pixel = (size_t)(image[i] + r) * p.cols.in + c;
      const float* from = x + pixel * (p.groups * p.C) + part.group * p.C + a_walk.c;
      if constexpr (VEC == 4)
        *(float4*)a_next[i] = inside ? *(const float4*)from : make_float4(0, 0, 0, 0);
      else
        a_next[i][0] = inside ? *from : 0.0f;
    }
    const float* line = w + b_walk.weight_at(p, part);
#pragma unroll
    for (int i = 0; i < B_LOADS; i++) {
      int n = n0 + b_n + i * B_COLS;
      bool inside = !b_walk.done(part) && n < p.K;
      if constexpr (VEC == 4)
        *(float4*)b_next[i] = inside ? *(const float4*)(line + n) : make_float4(0, 0, 0, 0);
      else
        b_next[i][0] = inside ? line[n] : 0.0f;
    }
    a_walk.advance(p, part, BK);
    b_walk.advance(p, part, BK);
  };
  auto store = [&](int buffer) {             // registers -> shared memory
#pragma unroll
    for (int i = 0; i < A_LOADS; i++)
#pragma unroll
      for (int j = 0; j < VEC; j++) A[buffer][a_k + j][a_m + i * A_ROWS] = a_next[i][j];
#pragma unroll
    for (int i = 0; i < B_LOADS; i++)
#pragma unroll
      for (int j = 0; j < VEC; j++) B[buffer][b_k][b_n + j + i * B_COLS] = b_next[i][j];
  };

  const int tx = t % (BN / TN) * 4, ty = t / (BN / TN) * 4;
  float sum[TM][TN] = {};
  load();
  store(0);
  __syncthreads();
  for (int k0 = 0, buffer = 0; k0 < part.depth; k0 += BK, buffer ^= 1) {
    const bool more = k0 + BK < part.depth;
    if (more) load();
#pragma unroll
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
      store(buffer ^ 1);                     // read last before the previous barrier
      __syncthreads();
    }
  }

#pragma unroll
  for (int i = 0; i < TM; i++) {
    const int m = m0 + ty + i % 4 + i / 4 * (4 * BM / TM);
    if (m >= part.pixels) continue;
    float* out = y + output_at(p, part, pixel_of(part, m));
    const float* shift = bias ? bias + part.group * p.K : nullptr;
#pragma unroll
    for (int j = 0; j < TN; j += 4) {
      const int n = n0 + tx + j / 4 * (4 * BN / TN);
      float v[4];
#pragma unroll
      for (int e = 0; e < 4; e++)
        v[e] = n + e < p.K ? finished(sum[i][j + e], shift ? shift[n + e] : 0.0f, slope) : 0.0f;
      if constexpr (VEC == 4) {
        if (n < p.K) *(float4*)(out + n) = make_float4(v[0], v[1], v[2], v[3]);
      } else {
#pragma unroll
        for (int e = 0; e < 4; e++)
          if (n + e < p.K) out[n + e] = v[e];
      }
    }
  }
}
