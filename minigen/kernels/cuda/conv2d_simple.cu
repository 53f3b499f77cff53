// Convolution, plain: one thread makes one number. The kernel to read first, the oracle of the fast
// ones, and the one that runs in float64.
//
//     y[n, oy, ox, k] = Σ over taps (r, s) and channels c of x[n, iy, ix, c] · w[g, r, s, c, k]
//
//     thread 0   1   2  …                     threads of a warp make neighbouring channels k of one
//     y      k0  k1  k2 …  of one pixel       pixel: they read the same x (one broadcast) and
//                                             neighbouring w (one line of memory)
//
// FLOPs: 2·(pixels of y)·K·(taps)·C. Bytes: with nothing kept in shared memory every product
// fetches its two factors, from the caches if it is lucky: 8 bytes for 2 FLOPs.
#include "geometry.cuh"

template <class T>
__global__ void conv2d_simple(const T* __restrict__ x,     // (images, rows.in, cols.in, groups·C)
                              const T* __restrict__ w,     // (groups, taps, taps, C, K)
                              const T* __restrict__ bias,  // (groups·K) or null
                              T* __restrict__ y,           // (images, rows.out, cols.out, groups·K)
                              Conv p, T slope) {
  const Part part = part_of(p, blockIdx.z);
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  const int m = i / p.K, k = i % p.K;
  if (m >= part.pixels) return;
  const Pixel at = pixel_of(part, m);
  T sum = 0;
  for (Walk walk(p, part, 0); !walk.done(part); walk.advance(p, part, 1)) {
    int row = part.rows.start + at.row * part.rows.hop + walk.row * part.rows.skip;
    int col = part.cols.start + at.col * part.cols.hop + walk.col * part.cols.skip;
    if (row < 0 || row >= p.rows.in || col < 0 || col >= p.cols.in) continue;   // in the padding
    size_t pixel = ((size_t)at.image * p.rows.in + row) * p.cols.in + col;
    sum += x[pixel * (p.groups * p.C) + part.group * p.C + walk.c] * w[walk.weight_at(p, part) + k];
  }
  y[output_at(p, part, at) + k] = finished(sum, bias ? bias[part.group * p.K + k] : T(0), slope);
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
  const Walk tap(p, part, row_of_w);
  T sum = 0;
  for (int m = 0; m < part.pixels; m++) {
    Pixel at = pixel_of(part, m);
    int row = part.rows.start + at.row * part.rows.hop + tap.row * part.rows.skip;
    int col = part.cols.start + at.col * part.cols.hop + tap.col * part.cols.skip;
    if (row < 0 || row >= p.rows.in || col < 0 || col >= p.cols.in) continue;
    size_t pixel = ((size_t)at.image * p.rows.in + row) * p.cols.in + col;
    sum += x[pixel * (p.groups * p.C) + part.group * p.C + tap.c] * dy[output_at(p, part, at) + k];
  }
  dw[tap.weight_at(p, part) + k] = sum;
}
