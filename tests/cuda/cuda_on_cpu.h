// CUDA C++ for g++: put before a kernel's source (g++ -include), it makes __global__, __shared__,
// threadIdx and the rest mean something on a CPU. What they do is in cuda_on_cpu.cpp.
//
//     a CUDA thread      a fiber: a stack of its own, left at barriers, continued later
//     a warp             32 fibers that can wait for each other
//     a block            up to 1024 fibers on one operating-system thread
//     shared memory      thread_local variables of that operating-system thread
//     a grid             its blocks, one after another
#pragma once
#include <bits/c++config.h>
#undef _GLIBCXX_USE_STD_SPEC_FUNCS                   // Bessel functions take a third of the time to compile
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <type_traits>
#include <utility>

#define CUDA_ON_CPU 1
#define __global__
#define __device__
#define __host__
#define __constant__ const
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ thread_local
#define __syncthreads() cuda_on_cpu::sync_block(__LINE__)
#define __syncwarp(...) cuda_on_cpu::sync_warp(__LINE__, ##__VA_ARGS__)
#define __threadfence() ((void)0)

struct uint3 { unsigned x, y, z; };
typedef uint3 dim3;
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) double2 { double x, y; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
template <class T> T min(T a, T b) { return b < a ? b : a; }
template <class T> T max(T a, T b) { return a < b ? b : a; }

// What this header itself reads and writes is not the kernel's doing.
#define UNCHECKED __attribute__((no_sanitize("thread")))

namespace cuda_on_cpu {
[[noreturn]] void fail(const char* format, ...);      // end the launch with a message
void sync_block(int line);
void sync_warp(int line, unsigned mask = ~0u);
int lane();
void offer(const void* value, int size);              // show a value to the warp at its next barrier
const void* offered(int lane);                        // what a lane showed at the last one
void atomic_access(const void* p, int size);
void* dynamic_shared();
void copy_async(void* to, const void* from, int size, bool valid);
void copy_async_commit();
void copy_async_wait(int pending);
}

// ---- warps: shuffles and votes ------------------------------------------------------------------
template <class T> UNCHECKED T shuffled(unsigned mask, T v, int source, int line) {
  cuda_on_cpu::offer(&v, sizeof v);
  cuda_on_cpu::sync_warp(line, mask);
  memcpy(&v, cuda_on_cpu::offered(source & 31), sizeof v);
  return v;
}
#define __shfl_sync(mask, v, source, ...) shuffled(mask, v, source, __LINE__)
#define __shfl_xor_sync(mask, v, bits, ...) shuffled(mask, v, cuda_on_cpu::lane() ^ int(bits), __LINE__)
#define __shfl_down_sync(mask, v, n, ...) shuffled(mask, v, min(cuda_on_cpu::lane() + int(n), 31), __LINE__)

// ---- arithmetic ---------------------------------------------------------------------------------
template <class T> UNCHECKED T atomicAdd(T* p, std::common_type_t<T> v) {
  cuda_on_cpu::atomic_access(p, sizeof *p);
  T old = *p;
  *p = old + v;
  return old;
}
inline unsigned __float_as_uint(float f) { unsigned u; memcpy(&u, &f, 4); return u; }
inline float __uint_as_float(unsigned u) { float f; memcpy(&f, &u, 4); return f; }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned __int128)a * b >> 64;
}
inline float rsqrt(float x) { return 1 / sqrtf(x); }
inline double rsqrt(double x) { return 1 / std::sqrt(x); }

// ---- what minigen/kernels/cuda/tensor_cores.cuh says in PTX ---------------------------------------
// Round to TF32: 10 bits of mantissa, half away from zero (cvt.rna).
inline unsigned to_tf32(float f) { return (__float_as_uint(f) + 0x1000) & ~0x1fffu; }
// d (16×8) += a (16×8) · b (8×8), by a whole warp. The hardware ignores the 13 low bits. Lane l with
// g = l / 4 and q = l % 4 holds
//     a: (g, q) (g + 8, q) (g, q + 4) (g + 8, q + 4)     b: (q, g) (q + 4, g)
//     d: (g, 2q) (g, 2q + 1) (g + 8, 2q) (g + 8, 2q + 1)
UNCHECKED inline void mma_16x8x8(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  struct Fragment { unsigned a[4], b[2]; } mine = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
  cuda_on_cpu::offer(&mine, sizeof mine);
  cuda_on_cpu::sync_warp(__LINE__);
  const int g = cuda_on_cpu::lane() / 4, q = cuda_on_cpu::lane() % 4;
  for (int k = 0; k < 8; k++)
    for (int i = 0; i < 4; i++) {
      auto of_a = (const Fragment*)cuda_on_cpu::offered(g * 4 + k % 4);
      auto of_b = (const Fragment*)cuda_on_cpu::offered((q * 2 + i % 2) * 4 + k % 4);
      d[i] += __uint_as_float(of_a->a[i / 2 + k / 4 * 2] & ~0x1fffu) *
              __uint_as_float(of_b->b[k / 4] & ~0x1fffu);
    }
}
// 16 bytes to shared memory, zeros of null; they arrive when their group is waited for.
inline void copy_16_async(void* shared, const void* global) {
  cuda_on_cpu::copy_async(shared, global, 16, global);
}
inline void copies_commit() { cuda_on_cpu::copy_async_commit(); }
template <int PENDING> void copies_wait() { cuda_on_cpu::copy_async_wait(PENDING); }

// ---- how Python calls a kernel ---------------------------------------------------------------------
namespace cuda_on_cpu {
int launch(const unsigned* grid, const unsigned* block, size_t shared, void (*body)(void**), void** args);

// One word for each parameter: *f4 a pointer to floats (with c in front: to constants), i4 an int,
// s80 a struct of 80 bytes. So a wrong argument is an error here, where CUDA takes any 8 bytes.
template <class T> void describe(char*& at) {
  if constexpr (std::is_pointer_v<T>) {
    using To = std::remove_pointer_t<T>;
    at += sprintf(at, "%s*", std::is_const_v<To> ? "c" : "");
    describe<std::remove_const_t<To>>(at);
  } else {
    char kind = std::is_floating_point_v<T> ? 'f' : std::is_same_v<T, bool> ? 'b'
              : !std::is_integral_v<T> ? 's' : std::is_unsigned_v<T> ? 'u' : 'i';
    at += sprintf(at, "%c%zu ", kind, sizeof(T));
  }
}
template <auto K> struct Kernel;
template <class... A, void (*K)(A...)> struct Kernel<K> {
  static const char* signature() {
    static char text[16 * sizeof...(A) + 16];
    char* at = text;
    (describe<std::remove_cv_t<A>>(at), ...);
    return text;
  }
  template <size_t... I> UNCHECKED static void call(void** args, std::index_sequence<I...>) {
    K(*(std::remove_cv_t<A>*)args[I]...);
  }
  UNCHECKED static void body(void** args) { call(args, std::make_index_sequence<sizeof...(A)>()); }
};
}
#define EXPORTED extern "C" __attribute__((visibility("default")))
#define EXPORT_KERNEL(index, ...)                                                                 \
  EXPORTED int launch_##index(const unsigned* grid, const unsigned* block, size_t shared, void** args) { \
    return cuda_on_cpu::launch(grid, block, shared, cuda_on_cpu::Kernel<(__VA_ARGS__)>::body, args);  \
  }                                                                                               \
  EXPORTED const char* signature_##index() { return cuda_on_cpu::Kernel<(__VA_ARGS__)>::signature(); }
