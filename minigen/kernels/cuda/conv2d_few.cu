// Convolution where one side has few channels, and a 128-wide tile would be mostly empty.
#include "geometry.cuh"

// ---- 1 to 8 outputs: a warp adds up a few pixels -------------------------------------------------
//
//     x, one tap of one pixel:   c0–3  c4–7  c8–11  …          a long sum, few results
//     lane                        0     1      2    … 31       each lane takes VEC products in 32·VEC
//
//     lane l:  sum[pixel][k] += x[pixel, own c] · w[own c, k]  for PIXELS neighbouring pixels, so
//                                                              that weights are read once for all
//     then     sum over lanes by shuffles, 16 8 4 2 1 apart; lane pixel·K + k writes one result
//
// FLOPs: 2·pixels·depth·K. Bytes: x once from memory (a pixel's neighbours read it again, from
// cache), y once; weights from cache for every PIXELS pixels.
//
// VEC 4 wants channels of x in multiples of 4 and exactly K outputs: a lane's 4·K weights then lie
// in one piece. With VEC 1 outputs beyond the real ones are added up and dropped.
template <int K, int PIXELS, int VEC>
__global__ void __launch_bounds__(256, 2)
conv2d_few_outputs(const float* __restrict__ x,     // (images, rows.in, cols.in, groups·C)
                   const float* __restrict__ w,     // (groups, taps, taps, C, K)
                   const float* __restrict__ bias,  // (groups·K) or null
                   float* __restrict__ y,           // (images, rows.out, cols.out, groups·K)
                   Conv p, float slope) {
  static_assert(PIXELS * K <= 32, "a lane writes one result");
  __shared__ Part part;
  if (threadIdx.x == 0) part = part_of(p, blockIdx.z);
  __syncthreads();
  const int lane = threadIdx.x % 32, m0 = (blockIdx.x * 8 + threadIdx.x / 32) * PIXELS;
  if (m0 >= part.pixels) return;             // the whole warp
  int image[PIXELS], row[PIXELS], col[PIXELS];
#pragma unroll
  for (int i = 0; i < PIXELS; i++) {
    Pixel at = pixel_of(part, m0 + i);
    image[i] = at.image * p.rows.in;
    row[i] = m0 + i < part.pixels ? at.row * part.rows.hop + part.rows.start : -(1 << 30);
    col[i] = at.col * part.cols.hop + part.cols.start;
  }

  float sum[PIXELS][K] = {};
  for (Walk walk(p, part, lane * VEC); !walk.done(part); walk.advance(p, part, 32 * VEC)) {
    const float* line = w + walk.weight_at(p, part);
    float weight[VEC * K];
    if constexpr (VEC == 4) {
#pragma unroll
      for (int k = 0; k < 4 * K; k += 4) *(float4*)&weight[k] = *(const float4*)(line + k);
    } else {
#pragma unroll
      for (int k = 0; k < K; k++) weight[k] = k < p.K ? line[k] : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < PIXELS; i++) {
      int r = row[i] + walk.row * part.rows.skip, c = col[i] + walk.col * part.cols.skip;
      if ((unsigned)r >= (unsigned)p.rows.in || (unsigned)c >= (unsigned)p.cols.in) continue;
      size_t pixel = (size_t)(image[i] + r) * p.cols.in + c;
      const float* from = x + pixel * (p.groups * p.C) + part.group * p.C + walk.c;
      float value[VEC];
      if constexpr (VEC == 4) *(float4*)value = *(const float4*)from;
      else value[0] = *from;
#pragma unroll
      for (int j = 0; j < VEC; j++)
#pragma unroll
        for (int k = 0; k < K; k++) sum[i][k] += value[j] * weight[j * K + k];
    }
  }

  float own = 0;
#pragma unroll
  for (int i = 0; i < PIXELS; i++)
#pragma unroll
    for (int k = 0; k < K; k++) {
#pragma unroll
      for (int apart = 16; apart > 0; apart /= 2)
        sum[i][k] += __shfl_xor_sync(0xffffffffu, sum[i][k], apart);
      if (lane == i * K + k) own = sum[i][k];
    }
  const int m = m0 + lane / K, k = lane % K;
  if (lane < PIXELS * K && m < part.pixels && k < p.K) {
    float shift = bias ? bias[part.group * p.K + k] : 0.0f;
    y[output_at(p, part, pixel_of(part, m)) + k] = finished(own, shift, slope);
  }
}

// ---- 1 to 4 inputs: the whole sum in one go ------------------------------------------------------
//
// With so few channels a sum is short (3·7·7 = 147 products), so all of A (see conv2d_tile.cu) for 64
// pixels fits in shared memory: one load, one barrier, one loop, no slices.
//
//              depth                 64 channels of y
//            ┌────────┐             ┌───────────┐     16 × 16 threads, 4 pixels × 4 channels each.
//     64     │   A    │  ·  w from  │     y     │     Threads of a row read one float4 of A, and
//   pixels   └────────┘    cache    └───────────┘     neighbouring float4s of w.
//
// FLOPs: 2·pixels·depth·K. Bytes: x about once, y once: writing y takes most of the time.
template <int VEC>                           // 4 where channels of y are multiples of 4
__global__ void __launch_bounds__(256)
conv2d_few_inputs(const float* __restrict__ x, const float* __restrict__ w,
                  const float* __restrict__ bias, float* __restrict__ y, Conv p, float slope) {
  extern __shared__ float4 shared[];
  float (*A)[64] = (float (*)[64])shared;    // depth rows
  __shared__ Part part;
  const int t = threadIdx.x, m0 = blockIdx.x * 64, n0 = blockIdx.y * 64;
  if (t == 0) part = part_of(p, blockIdx.z);
  __syncthreads();
  if (m0 >= part.pixels) return;

  const Pixel at = pixel_of(part, m0 + t % 64);                // a thread loads for one pixel
  const int row = at.row * part.rows.hop + part.rows.start, col = at.col * part.cols.hop + part.cols.start;
  Walk walk(p, part, t / 64);
  for (int k = t / 64; k < part.depth; k += 4, walk.advance(p, part, 4)) {
    int r = row + walk.row * part.rows.skip, c = col + walk.col * part.cols.skip;
    bool inside = m0 + t % 64 < part.pixels && (unsigned)r < (unsigned)p.rows.in &&
                  (unsigned)c < (unsigned)p.cols.in;
    size_t pixel = (size_t)(at.image * p.rows.in + r) * p.cols.in + c;
    A[k][t % 64] = inside ? x[pixel * (p.groups * p.C) + part.group * p.C + walk.c] : 0.0f;
  }
  __syncthreads();

  const int tx = n0 + t % 16 * 4, ty = t / 16 * 4;
  float sum[4][4] = {};
  Walk line(p, part, 0);
  for (int k = 0; k < part.depth; k++, line.advance(p, part, 1)) {
    const float* from = w + line.weight_at(p, part) + tx;
    float a[4], b[4];
    *(float4*)a = *(float4*)&A[k][ty];
    if constexpr (VEC == 4) {
      *(float4*)b = tx < p.K ? *(const float4*)from : make_float4(0, 0, 0, 0);
    } else {
#pragma unroll
      for (int j = 0; j < 4; j++) b[j] = tx + j < p.K ? from[j] : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
      for (int j = 0; j < 4; j++) sum[i][j] += a[i] * b[j];
  }
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const int m = m0 + ty + i;
    if (m >= part.pixels) continue;
    float* out = y + output_at(p, part, pixel_of(part, m)) + tx;
    const float* shift = bias ? bias + part.group * p.K + tx : nullptr;
    float v[4];
#pragma unroll
    for (int j = 0; j < 4; j++)
      v[j] = tx + j < p.K ? finished(sum[i][j], shift ? shift[j] : 0.0f, slope) : 0.0f;
    if constexpr (VEC == 4) {
      if (tx < p.K) *(float4*)out = make_float4(v[0], v[1], v[2], v[3]);
    } else {
#pragma unroll
      for (int j = 0; j < 4; j++)
        if (tx + j < p.K) out[j] = v[j];
    }
  }
}
