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
                   Conv p) {
  static_assert(PIXELS * K <= 32, "a lane writes one result");
  const Part& part = shared_part(p, blockIdx.z);
  const int lane = threadIdx.x % 32, m0 = (blockIdx.x * 8 + threadIdx.x / 32) * PIXELS;
  if (m0 >= part.pixels) return;             // the whole warp
  Offset pixel[PIXELS];
#pragma unroll
  for (int i = 0; i < PIXELS; i++) pixel[i] = Pixel(part, m0 + i, part.pixels).offset(p, part);

  float sum[PIXELS][K] = {};
  for (Tap tap(p, part, lane * VEC); !tap.done(part); tap.advance(p, part, 32 * VEC)) {
    const float* line = w + tap.line_at(p, part);
    float weight[VEC * K];
#pragma unroll
    for (int k = 0; k < VEC * K; k += VEC)
      read_piece<VEC>(&weight[k], VEC == 4 || k < p.K ? line + k : nullptr);
#pragma unroll
    for (int i = 0; i < PIXELS; i++) {
      const float* from = met(x, p, part, pixel[i] + tap.offset(p, part));
      if (!from) continue;
      float value[VEC];
      read_piece<VEC>(value, from);
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
  const Pixel at(part, m0 + lane / K, part.pixels);
  const int k = lane % K;
  if (lane < PIXELS * K && !at.done(part) && k < p.K)
    y[at.output_at(p, part) + k] = own + (bias ? bias[part.group * p.K + k] : 0.0f);
}

// ---- 1 to 4 inputs: the whole sum in one go ------------------------------------------------------
//
// With so few channels a sum is short (3·7·7 = 147 products), so all of A (see tile.cuh) for 64
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
                  const float* __restrict__ bias, float* __restrict__ y, Conv p) {
  extern __shared__ float4 shared[];
  float (*A)[64] = (float (*)[64])shared;    // depth rows
  const Part& part = shared_part(p, blockIdx.z);
  const int t = threadIdx.x, m0 = blockIdx.x * 64;
  if (m0 >= part.pixels) return;

  const Offset pixel = Pixel(part, m0 + t % 64, part.pixels).offset(p, part);  // a thread loads for one
  Tap tap(p, part, t / 64);
  for (int k = t / 64; k < part.depth; k += 4, tap.advance(p, part, 4))
    read_piece<1>(&A[k][t % 64], met(x, p, part, pixel + tap.offset(p, part)));
  __syncthreads();

  const int n = blockIdx.y * 64 + t % 16 * 4, ty = t / 16 * 4;
  float sum[4][4] = {};
  const float* shift = bias ? bias + part.group * p.K : nullptr;
  Tap line(p, part, 0);
  for (int k = 0; k < part.depth; k++, line.advance(p, part, 1)) {
    const float* from = w + line.line_at(p, part) + n;
    float a[4], b[4];
    *(float4*)a = *(float4*)&A[k][ty];
#pragma unroll
    for (int j = 0; j < 4; j += VEC) read_piece<VEC>(&b[j], n + j < p.K ? from + j : nullptr);
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
      for (int j = 0; j < 4; j++) sum[i][j] += a[i] * b[j];
  }
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const Pixel at(part, m0 + ty + i, part.pixels);
    if (!at.done(part)) write_piece<VEC>(y + at.output_at(p, part), n, p.K, sum[i], shift);
  }
}
