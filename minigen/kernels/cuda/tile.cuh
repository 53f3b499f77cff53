// What a block of threads does in steps 2 to 4: it makes one tile of a matrix product whose left
// matrix is never built.
//
//                        n: BN at a time      gather (convolution, transposed convolution)
//                       ┌───────────┐         m: pixels of y    n: channels of y
//                       │     B     │ ↕ BK    k: (tap row, tap column, channel), `depth` of them
//                       └───────────┘         A[m, k] = the number of x that pixel m meets at k
//              BK                             B[k, n] = w, as it lies in memory
//            ┌────┐     ┌───────────┐
//   m:       │    │     │           │         correlate (the weight gradient)
//   BM at    │ A  │     │   tile    │         m: (tap row, tap column, channel)    n: channels of dy
//   a time   │    │     │           │         k: pixels of all images, a great many
//            └────┘     └───────────┘         A[m, k] = the number of x that pixel k meets at m
//                                             B[k, n] = dy, as it lies in memory
//
// The block walks along k. A slice of A, BM × BK, and one of B, BK × BN, pass through shared memory,
// where every number of A meets BN others and every number of B meets BM.
// FLOPs: 2·M·N·depth. Bytes from global memory: (BM + BN)·depth·4 for 2·BM·BN·depth FLOPs, so a tile
// of 128×128 does 32 FLOPs a byte, one of 64×64 does 16. Most reads hit the L2 cache.
//
// A `Product` (Fp32 in product.cuh, Tf32 in tensor_cores.cuh) says how large a tile is, multiplies
// slices, and writes the tile.
#include "geometry.cuh"

// What a thread copies of a slice `WIDTH` wide: pieces of VEC numbers that lie side by side in
// memory. With ALONG_K (channels of x in a gather) they stand below one another in the slice, and
// BK / VEC threads share a column; else side by side, and THREADS / BK threads share a row.
template <int WIDTH, int BK, int THREADS, int VEC, bool ALONG_K> struct Share {
  static constexpr int APART = THREADS * VEC / BK, PIECES = WIDTH / APART;
  static_assert(PIECES * APART == WIDTH, "a slice must be copied evenly");

  static __device__ int k() {
    return ALONG_K ? threadIdx.x % (BK / VEC) * VEC : threadIdx.x / (THREADS / BK);
  }
  static __device__ int m(int piece) {
    return piece * APART + (ALONG_K ? threadIdx.x / (BK / VEC) : threadIdx.x % (THREADS / BK) * VEC);
  }
};

// The loader copies slice after slice, for every product. Of A, a thread holds the offsets of its own
// pixels and walks over taps in a gather; in a correlation it holds taps and walks over pixels. Of B,
// the walk says where in memory a row begins. Where there is nothing (padding, beyond the last pixel,
// tap or channel), zeros are put.
template <class Product, class Walk, bool GATHER> struct Loader {
  static constexpr int VEC = Product::VEC;
  using A = Share<Product::BM, Product::BK, Product::THREADS, VEC, GATHER>;
  using B = Share<Product::BN, Product::BK, Product::THREADS, VEC, false>;

  const float *x, *lines;
  const Conv& p;
  const Part& part;
  Walk a_walk, b_walk;
  int n0;
  Offset own[A::PIECES];
  __align__(16) float a[A::PIECES][VEC], b[B::PIECES][VEC];  // numbers on their way

  // The next slice: a_copy(piece, k, m, from) and b_copy(piece, k, n, from) for each piece, `from`
  // null where zeros are wanted.
  template <class CopyA, class CopyB> __device__ void next(CopyA a_copy, CopyB b_copy) {
    const Offset moving = a_walk.offset(p, part);
#pragma unroll
    for (int i = 0; i < A::PIECES; i++) a_copy(i, A::k(), A::m(i), met(x, p, part, own[i] + moving));
    const float* line = lines + b_walk.line_at(p, part);
    const int columns = b_walk.done(part) ? 0 : p.K;
#pragma unroll
    for (int i = 0; i < B::PIECES; i++)
      b_copy(i, B::k(), B::m(i), n0 + B::m(i) < columns ? line + n0 + B::m(i) : nullptr);
    a_walk.advance(p, part, Product::BK);
    b_walk.advance(p, part, Product::BK);
  }
  // Global memory -> registers.
  __device__ void fetch() {
    next([&](int i, int, int, const float* from) { read_piece<VEC>(a[i], from); },
         [&](int i, int, int, const float* from) { read_piece<VEC>(b[i], from); });
  }
  // Registers -> shared memory.
  template <class SliceA, class SliceB> __device__ void store(SliceA& to_a, SliceB& to_b) {
#pragma unroll
    for (int j = 0; j < VEC; j++) {
#pragma unroll
      for (int i = 0; i < A::PIECES; i++)
        to_a[A::k() + (GATHER ? j : 0)][A::m(i) + (GATHER ? 0 : j)] = a[i][j];
#pragma unroll
      for (int i = 0; i < B::PIECES; i++) to_b[B::k()][B::m(i) + j] = b[i][j];
    }
  }
};

template <class Product>
__device__ inline void gather(const float* x, const float* w, const float* bias, float* y,
                              const Conv& p) {
  using Load = Loader<Product, Tap, true>;
  const Part& part = shared_part(p, blockIdx.z);
  const int m0 = blockIdx.x * Product::BM, n0 = blockIdx.y * Product::BN;
  if (m0 >= part.pixels) return;             // the whole block: phases differ in size
  Load load = {x, w, p, part, Tap(p, part, Load::A::k()), Tap(p, part, Load::B::k()), n0};
#pragma unroll
  for (int i = 0; i < Load::A::PIECES; i++)
    load.own[i] = Pixel(part, m0 + Load::A::m(i), part.pixels).offset(p, part);
  Product product;
  product.add(load, part.depth);
  product.write(n0, p.K, bias ? bias + part.group * p.K : nullptr, [&](int m) -> float* {
    const Pixel pixel(part, m0 + m, part.pixels);
    return pixel.done(part) ? nullptr : y + pixel.output_at(p, part);
  });
}

// A weight has few tiles and a sum many pixels, so the pixels are cut into gridDim.z / groups pieces:
//
//     k:   |── piece 0 ──|── piece 1 ──|── piece 2 ──|      each block adds up its own piece, into
//              dw[0]         dw[1]         dw[2]            a dw of its own; `conv2d_weight_sum`
//                 └─────────────┼─────────────┘             then adds them in this order, whichever
//                               dw                          block finished first. No atomics.
template <class Product>
__device__ inline void correlate(const float* x, const float* dy, float* dw, const Conv& p, int piece) {
  using Load = Loader<Product, Pixel, false>;
  const Part& part = shared_part(p, blockIdx.z % p.groups);  // one phase only: stride 1 if transposed
  const int m0 = blockIdx.x * Product::BM, n0 = blockIdx.y * Product::BN;
  const int first = blockIdx.z / p.groups * piece, last = min(first + piece, part.pixels);
  const Pixel a_walk(part, first + Load::A::k(), last), b_walk(part, first + Load::B::k(), last);
  Load load = {x, dy, p, part, a_walk, b_walk, n0};
#pragma unroll
  for (int i = 0; i < Load::A::PIECES; i++)
    load.own[i] = Tap(p, part, m0 + Load::A::m(i)).offset(p, part);
  Product product;
  product.add(load, last - first);
  dw += (size_t)blockIdx.z * part.depth * p.K;
  product.write(n0, p.K, nullptr, [&](int m) {
    return m0 + m < part.depth ? dw + (size_t)(m0 + m) * p.K : nullptr;
  });
}
