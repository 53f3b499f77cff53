// Step 4, tensor cores: a block's product of slices of A and B (tile.cuh) in TF32.
//
//            ┌───────────────┐
//            │       B       │          A tile, BM×BN, belongs to a block, and WM×WN of it to a
//            └───────────────┘          warp, as 16×8 pieces that one mma.sync makes; a lane holds
//     ┌───┐  ┌───────┬───────┐          4 numbers of each piece.
//     │   │  │ warp 0│ warp 1│
//     │ A │  ├───────┼───────┤          Slices of A and B travel by cp.async, past the registers,
//     │   │  │ warp 2│ warp 3│          STAGES − 1 of them at a time, while the warps multiply the
//     └───┘  └───────┴───────┘          one that has arrived:
//
//     stage 0   multiply 0      load 3            multiply 3 …
//     stage 1   load 1 ──────►  multiply 1        load 4
//     stage 2   load 2 ─────────────────────────► multiply 2 …
//                          barrier          barrier                one for each slice: whoever passes
//                                                                  it knows that the slice before last
//                                                                  is used up and may be overwritten
//
// One mma.sync is 16·8·8 = 1024 multiply-adds, 32 a lane. Shared memory is read (WM + WN) / (WM·WN)
// times for each: 3/64 for 64×32, where step 3 reads 1/4. Global memory is read as in step 3, at up
// to 8 times the arithmetic: now bytes decide.
//
// Rows in shared memory are 4 or 8 numbers longer than the slice, so that the 32 lanes of a warp,
// which read 8 rows of 4 or 4 rows of 8, meet 32 different banks.

// The few instructions that C++ has no words for (compute capability 8.0 and later). On the CPU,
// tests/cuda/cuda_on_cpu.h says in C++ what each does.
#ifndef CUDA_ON_CPU
// float -> TF32: 8 bits of exponent, 10 of mantissa, rounded half away from zero.
__device__ inline unsigned to_tf32(float f) {
  unsigned u;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(u) : "f"(f));
  return u;
}
// d (16×8) += a (16×8) · b (8×8), by a whole warp. Lane l with g = l / 4 and q = l % 4 holds
//     a: (g, q) (g + 8, q) (g, q + 4) (g + 8, q + 4)     b: (q, g) (q + 4, g)
//     d: (g, 2q) (g, 2q + 1) (g + 8, 2q) (g + 8, 2q + 1)
__device__ inline void mma_16x8x8(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// 16 bytes from global to shared memory without passing through registers; zeros if `global` is null,
// of which then no byte is read.
__device__ inline void copy_16_async(void* shared, const void* global) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::
      "r"((unsigned)__cvta_generic_to_shared(shared)), "l"(global), "r"(global ? 16 : 0) : "memory");
}
// Copies are waited for in groups: all but the last PENDING groups of this thread are done.
__device__ inline void copies_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int PENDING> __device__ inline void copies_wait() {
  asm volatile("cp.async.wait_group %0;" :: "n"(PENDING) : "memory");
}
#endif

// d (WM×WN) += a · b over 8 products, by a warp. `a_at(k, m)` and `b_at(k, n)` give the numbers.
template <int WM, int WN, class A, class B>
__device__ inline void warp_product(float (&d)[WM / 16][WN / 8][4], A a_at, B b_at) {
  const int g = threadIdx.x % 32 / 4, q = threadIdx.x % 4;
  unsigned a[WM / 16][4], b[WN / 8][2];
#pragma unroll
  for (int u = 0; u < WM / 16; u++)
#pragma unroll
    for (int e = 0; e < 4; e++) a[u][e] = to_tf32(a_at(q + e / 2 * 4, u * 16 + g + e % 2 * 8));
#pragma unroll
  for (int v = 0; v < WN / 8; v++)
#pragma unroll
    for (int e = 0; e < 2; e++) b[v][e] = to_tf32(b_at(q + e * 4, v * 8 + g));
#pragma unroll
  for (int u = 0; u < WM / 16; u++)
#pragma unroll
    for (int v = 0; v < WN / 8; v++) mma_16x8x8(d[u][v], a[u], b[v]);
}

template <int M, int N, int WM, int WN, int STAGES> struct Tf32 {
  static constexpr int BM = M, BN = N, BK = 16, VEC = 4, THREADS = (M / WM) * (N / WN) * 32;
  float sum[WM / 16][WN / 8][4] = {};

  // Where a warp's share of the tile begins.
  static __device__ int row() { return threadIdx.x / 32 / (BN / WN) * WM; }
  static __device__ int col() { return threadIdx.x / 32 % (BN / WN) * WN; }

  template <class Walk, bool GATHER>
  __device__ void add(Loader<Tf32, Walk, GATHER>& load, int depth) {
    // A lies as it is copied, 16 bytes along k in a gather, along m in a correlation.
    constexpr int LINES = GATHER ? BM : BK, LENGTH = GATHER ? BK + 4 : BM + 8;
    extern __shared__ float4 shared[];
    auto A = (float (*)[LINES][LENGTH])shared;                 // STAGES of them, then those of B
    auto B = (float (*)[BK][BN + 8])(A + STAGES);
    auto a_at = [&](int stage, int k, int m) { return GATHER ? &A[stage][m][k] : &A[stage][k][m]; };
    const int slices = (depth + BK - 1) / BK;
    auto copy = [&](int slice) {             // a group each time, an empty one too: they are counted
      const int stage = slice % STAGES;
      if (slice < slices)
        load.next([&](int, int k, int m, const float* from) { copy_16_async(a_at(stage, k, m), from); },
                  [&](int, int k, int n, const float* from) { copy_16_async(&B[stage][k][n], from); });
      copies_commit();
    };
    for (int i = 0; i < STAGES - 1; i++) copy(i);
    for (int i = 0; i < slices; i++) {
      copies_wait<STAGES - 2>();             // my copies of slice i are here
      __syncthreads();                       // everybody's are, and slice i − 1 is used up
      copy(i + STAGES - 1);
      const int now = i % STAGES;
#pragma unroll
      for (int k0 = 0; k0 < BK; k0 += 8)
        warp_product<WM, WN>(sum, [&](int k, int m) { return *a_at(now, k0 + k, row() + m); },
                             [&](int k, int n) { return B[now][k0 + k][col() + n]; });
    }
  }
  // `row_at(m)` says where row m of the tile goes; null: nowhere.
  template <class Row> __device__ void write(int n0, int channels, const float* bias, Row row_at) {
    const int g = threadIdx.x % 32 / 4, q = threadIdx.x % 4;
#pragma unroll
    for (int u = 0; u < WM / 16; u++)
#pragma unroll
      for (int h = 0; h < 2; h++) {
        float* out = row_at(row() + u * 16 + g + h * 8);
        if (!out) continue;
#pragma unroll
        for (int v = 0; v < WN / 8; v++) {
          const int n = n0 + col() + v * 8 + q * 2;            // two neighbours
          if (n >= channels) continue;
          const float2 shift = bias ? make_float2(bias[n], bias[n + 1]) : make_float2(0, 0);
          *(float2*)(out + n) = make_float2(sum[u][v][h * 2] + shift.x, sum[u][v][h * 2 + 1] + shift.y);
        }
      }
  }
};
