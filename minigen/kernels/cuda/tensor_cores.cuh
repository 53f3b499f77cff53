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
// 16 bytes from global to shared memory without passing through registers; zeros if not valid.
__device__ inline void copy_16_async(void* shared, const void* global, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::
      "r"((unsigned)__cvta_generic_to_shared(shared)), "l"(global), "r"(valid ? 16 : 0) : "memory");
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
