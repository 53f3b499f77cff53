// Step 1, plain: one thread makes one number. The kernel to read first, the oracle of the fast ones,
// and the one that runs in float64.
//
//     y[n, oy, ox, k] = Σ over taps (r, s) and channels c of x[n, iy, ix, c] · w[g, r, s, c, k]
//
//     thread 0   1   2  …                     threads of a warp make neighbouring channels k of one
//     y      k0  k1  k2 …  of one pixel       pixel: they read the same x (one broadcast) and
//                                             neighbouring w (one line of memory)
//
// Loads: 2 for each multiply-add, 8 bytes for 2 FLOPs, from the caches if it is lucky: 0.25 FLOP a
// byte. Step 2 (product.cuh) adds shared memory, so that a number once loaded meets many others.
#include "geometry.cuh"

template <class T>
__global__ void conv2d_simple(const T* __restrict__ x,     // (images, rows.in, cols.in, groups·C)
                              const T* __restrict__ w,     // (groups, taps, taps, C, K)
                              const T* __restrict__ bias,  // (groups·K) or null
                              T* __restrict__ y,           // (images, rows.out, cols.out, groups·K)
                              Conv p) {
  const Part part = part_of(p, blockIdx.z);
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  const int m = i / p.K, k = i % p.K;
  if (m >= part.pixels) return;
  const Pixel pixel(part, m, part.pixels);
  T sum = bias ? bias[part.group * p.K + k] : T(0);
  for (int r = 0; r < part.rows.taps; r++)
    for (int s = 0; s < part.cols.taps; s++) {
      const Tap tap(r, s, 0);
      const T* from = met(x, p, part, pixel.offset(p, part) + tap.offset(p, part));
      if (!from) continue;                   // in the padding
      const T* weight = w + tap.line_at(p, part) + k;
      for (int c = 0; c < p.C; c++) sum += from[c] * weight[c * p.K];
    }
  y[pixel.output_at(p, part) + k] = sum;
}

// The weight gradient: one thread adds up one weight over all pixels of all images.
//
//     dw[g, r, s, c, k] = Σ over images and output pixels of x[n, iy, ix, c] · dy[n, oy, ox, k]
template <class T>
__global__ void conv2d_weight_simple(const T* __restrict__ x,   // (images, rows.in, cols.in, groups·C)
                                     const T* __restrict__ dy,  // (images, rows.out, cols.out, groups·K)
                                     T* __restrict__ dw,        // (groups, taps, taps, C, K)
                                     Conv p) {
  const Part part = part_of(p, blockIdx.z);
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  const int row_of_w = i / p.K, k = i % p.K;
  if (row_of_w >= part.depth) return;
  const Tap tap(p, part, row_of_w);
  T sum = 0;
  for (int image = 0, m = 0; image < p.images; image++)
    for (int row = 0; row < p.rows.out; row++)
      for (int col = 0; col < p.cols.out; col++, m++) {
        const Pixel pixel(part, m, part.pixels);
        const T* from = met(x, p, part, pixel.offset(p, part) + tap.offset(p, part));
        if (from) sum += *from * dy[pixel.line_at(p, part) + k];
      }
  dw[tap.line_at(p, part) + k] = sum;
}
