// The same two products (conv2d_tile.cu, conv2d_weight.cu) on tensor cores: factors rounded to TF32
// (10 bits of mantissa), sums in fp32. Used only after minigen.allow_tf32(True).
//
//            ┌───────────────┐
//            │       B       │          A tile of y, BM×BN, belongs to a block, and WM×WN of it to a
//            └───────────────┘          warp, as 16×8 pieces that one mma.sync makes; a lane holds
//     ┌───┐  ┌───────┬───────┐          4 numbers of each piece.
//     │   │  │ warp 0│ warp 1│
//     │ A │  ├───────┼───────┤          Tiles of A and B travel by cp.async, STAGES − 1 of them at a
//     │   │  │ warp 2│ warp 3│          time, while the warps multiply the one that has arrived:
//     └───┘  └───────┴───────┘
//
//     stage 0   multiply 0      load 3            multiply 3 …
//     stage 1   load 1 ──────►  multiply 1        load 4
//     stage 2   load 2 ─────────────────────────► multiply 2 …
//                          barrier          barrier                one for each tile: whoever passes
//                                                                  it knows that the tile before last
//                                                                  is used up and may be overwritten
//
// Rows in shared memory are 4 or 8 numbers longer than the tile, so that the 32 lanes of a warp,
// which read 8 rows of 4 or 4 rows of 8, meet 32 different banks.
// FLOPs and bytes as for the fp32 kernels, at up to 8 times the arithmetic: now bytes decide.
// All channels of a group must be multiples of 4 (cp.async moves 16 bytes).
#include "geometry.cuh"
#include "tensor_cores.cuh"

template <int BM, int BN, int WM, int WN, int STAGES>
__global__ void __launch_bounds__((BM / WM) * (BN / WN) * 32)
conv2d_tf32(const float* __restrict__ x,     // (images, rows.in, cols.in, groups·C)
            const float* __restrict__ w,     // (groups, taps, taps, C, K)
            const float* __restrict__ bias,  // (groups·K) or null
            float* __restrict__ y,           // (images, rows.out, cols.out, groups·K)
            Conv p, float slope) {
  constexpr int BK = 16, THREADS = (BM / WM) * (BN / WN) * 32;
  constexpr int A_ROWS = THREADS * 4 / BK, A_LOADS = BM / A_ROWS;
  constexpr int B_COLS = THREADS / BK * 4, B_LOADS = BN / B_COLS;
  static_assert(A_LOADS * A_ROWS == BM && B_LOADS * B_COLS == BN, "tiles must be loaded evenly");
  extern __shared__ float4 shared[];
  auto A = (float (*)[BM][BK + 4])shared;                      // STAGES of them, then those of B
  auto B = (float (*)[BK][BN + 8])(A + STAGES);
  __shared__ Part part;
  const int m0 = blockIdx.x * BM, n0 = blockIdx.y * BN, t = threadIdx.x;
  if (t == 0) part = part_of(p, blockIdx.z);
  __syncthreads();
  if (m0 >= part.pixels) return;

  const int a_k = t % (BK / 4) * 4, a_m = t / (BK / 4);        // as in conv2d_tile.cu
  int image[A_LOADS], row[A_LOADS], col[A_LOADS];
#pragma unroll
  for (int i = 0; i < A_LOADS; i++) {
    int m = m0 + a_m + i * A_ROWS;
    Pixel at = pixel_of(part, m);
    image[i] = at.image * p.rows.in;
    row[i] = m < part.pixels ? at.row * part.rows.hop + part.rows.start : -(1 << 30);
    col[i] = at.col * part.cols.hop + part.cols.start;
  }
  const int b_k = t / (THREADS / BK), b_n = t % (THREADS / BK) * 4;
  Walk a_walk(p, part, a_k), b_walk(p, part, b_k);

  auto load = [&](int stage) {
#pragma unroll
    for (int i = 0; i < A_LOADS; i++) {
      int r = row[i] + a_walk.row * part.rows.skip, c = col[i] + a_walk.col * part.cols.skip;
      bool inside = !a_walk.done(part) && (unsigned)r < (unsigned)p.rows.in &&
                    (unsigned)c < (unsigned)p.cols.in;
      size_t pixel = (size_t)(image[i] + r) * p.cols.in + c;
      const float* from = x + pixel * (p.groups * p.C) + part.group * p.C + a_walk.c;
      copy_16_async(&A[stage][a_m + i * A_ROWS][a_k], inside ? from : x, inside);
    }
    const float* line = w + b_walk.weight_at(p, part);
#pragma unroll
    for (int i = 0; i < B_LOADS; i++) {
      int n = n0 + b_n + i * B_COLS;
      bool inside = !b_walk.done(part) && n < p.K;
      copy_16_async(&B[stage][b_k][b_n + i * B_COLS], inside ? line + n : w, inside);
    }
    a_walk.advance(p, part, BK);
    b_walk.advance(p, part, BK);
  };

  const int warp = t / 32, wm = warp / (BN / WN) * WM, wn = warp % (BN / WN) * WN;
  const int tiles = (part.depth + BK - 1) / BK;
  float sum[WM / 16][WN / 8][4] = {};
  for (int i = 0; i < STAGES - 1; i++) {
    if (i < tiles) load(i);
    copies_commit();
  }
  for (int i = 0; i < tiles; i++) {
    copies_wait<STAGES - 2>();               // my copies of tile i are here
    __syncthreads();                         // everybody's are, and tile i − 1 is used up
    if (i + STAGES - 1 < tiles) load((i + STAGES - 1) % STAGES);
    copies_commit();                         // a group each time, an empty one too: they are counted
    const int now = i % STAGES;
#pragma unroll
    for (int k0 = 0; k0 < BK; k0 += 8)
      warp_product<WM, WN>(sum, [&](int k, int m) { return A[now][wm + m][k0 + k]; },
                           [&](int k, int n) { return B[now][k0 + k][wn + n]; });
  }

  const int g = t % 32 / 4, q = t % 4;
  const float* shift = bias ? bias + part.group * p.K : nullptr;
#pragma unroll
  for (int u = 0; u < WM / 16; u++)
#pragma unroll
    for (int h = 0; h < 2; h++) {
      const int m = m0 + wm + u * 16 + g + h * 8;
      if (m >= part.pixels) continue;
      float* out = y + output_at(p, part, pixel_of(part, m));
#pragma unroll
      for (int v = 0; v < WN / 8; v++) {
        const int n = n0 + wn + v * 8 + q * 2;                 // two neighbours
        if (n >= p.K) continue;
        *(float2*)(out + n) = make_float2(
            finished(sum[u][v][h * 2], shift ? shift[n] : 0.0f, slope),
            finished(sum[u][v][h * 2 + 1], shift ? shift[n + 1] : 0.0f, slope));
      }
    }
}

template <int BM, int BN, int WM, int WN, int STAGES>
__global__ void __launch_bounds__((BM / WM) * (BN / WN) * 32)
conv2d_weight_tf32(const float* __restrict__ x,   // (images, rows.in, cols.in, groups·C)
                   const float* __restrict__ dy,  // (images, rows.out, cols.out, groups·K)
                   float* __restrict__ dw,        // (pieces, groups, taps, taps, C, K)
                   Conv p, int piece) {           // pixels in a piece
  constexpr int BK = 16, THREADS = (BM / WM) * (BN / WN) * 32;
  constexpr int A_COLS = THREADS / BK * 4, A_LOADS = BM / A_COLS;
  constexpr int B_COLS = THREADS / BK * 4, B_LOADS = BN / B_COLS;
  static_assert(A_LOADS * A_COLS == BM && B_LOADS * B_COLS == BN, "tiles must be loaded evenly");
  extern __shared__ float4 shared[];
  auto A = (float (*)[BK][BM + 8])shared;
  auto B = (float (*)[BK][BN + 8])(A + STAGES);
  __shared__ Part part;
  const int m0 = blockIdx.x * BM, n0 = blockIdx.y * BN, t = threadIdx.x;
  if (t == 0) part = part_of(p, blockIdx.z % p.groups);
  __syncthreads();
  const int first = blockIdx.z / p.groups * piece, count = min(piece, part.pixels - first);

  const int k_own = t / (THREADS / BK), col_own = t % (THREADS / BK) * 4;  // as in conv2d_weight.cu
  int row_of[A_LOADS], col_of[A_LOADS], c_of[A_LOADS];
#pragma unroll
  for (int i = 0; i < A_LOADS; i++) {
    Walk tap(p, part, m0 + col_own + i * A_COLS);
    row_of[i] = tap.done(part) ? -(1 << 30) : part.rows.start + tap.row * part.rows.skip;
    col_of[i] = part.cols.start + tap.col * part.cols.skip;
    c_of[i] = tap.c;
  }
  Pixel at = pixel_of(part, first + k_own);

  auto load = [&](int stage, int left) {
    const int pixel = (at.image * part.rows.count + at.row) * part.cols.count + at.col;
    const float* line = dy + (size_t)pixel * (p.groups * p.K) + part.group * p.K;
#pragma unroll
    for (int i = 0; i < A_LOADS; i++) {
      int r = row_of[i] + at.row * part.rows.hop, c = col_of[i] + at.col * part.cols.hop;
      bool inside = k_own < left && (unsigned)r < (unsigned)p.rows.in &&
                    (unsigned)c < (unsigned)p.cols.in;
      size_t met = (size_t)(at.image * p.rows.in + r) * p.cols.in + c;
      const float* from = x + met * (p.groups * p.C) + part.group * p.C + c_of[i];
      copy_16_async(&A[stage][k_own][col_own + i * A_COLS], inside ? from : x, inside);
    }
#pragma unroll
    for (int i = 0; i < B_LOADS; i++) {
      int n = n0 + col_own + i * B_COLS;
      bool inside = k_own < left && n < p.K;
      copy_16_async(&B[stage][k_own][col_own + i * B_COLS], inside ? line + n : dy, inside);
    }
    for (at.col += BK; at.col >= part.cols.count; at.col -= part.cols.count)
      if (++at.row == part.rows.count) { at.row = 0; at.image++; }
  };

  const int warp = t / 32, wm = warp / (BN / WN) * WM, wn = warp % (BN / WN) * WN;
  const int tiles = (count + BK - 1) / BK;
  float sum[WM / 16][WN / 8][4] = {};
  for (int i = 0; i < STAGES - 1; i++) {
    if (i < tiles) load(i, count - i * BK);
    copies_commit();
  }
  for (int i = 0; i < tiles; i++) {
    copies_wait<STAGES - 2>();
    __syncthreads();
    const int next = i + STAGES - 1;
    if (next < tiles) load(next % STAGES, count - next * BK);
    copies_commit();
    const int now = i % STAGES;
#pragma unroll
    for (int k0 = 0; k0 < BK; k0 += 8)
      warp_product<WM, WN>(sum, [&](int k, int m) { return A[now][k0 + k][wm + m]; },
                           [&](int k, int n) { return B[now][k0 + k][wn + n]; });
  }

  dw += (size_t)blockIdx.z * part.depth * p.K;
  const int g = t % 32 / 4, q = t % 4;
#pragma unroll
  for (int u = 0; u < WM / 16; u++)
#pragma unroll
    for (int h = 0; h < 2; h++)
#pragma unroll
      for (int v = 0; v < WN / 8; v++) {
        const int m = m0 + wm + u * 16 + g + h * 8, n = n0 + wn + v * 8 + q * 2;
        if (m < part.depth && n < p.K)
          *(float2*)(dw + (size_t)m * p.K + n) = make_float2(sum[u][v][h * 2], sum[u][v][h * 2 + 1]);
      }
}
