// Runs CUDA kernels that g++ compiled (see cuda_on_cpu.h), and watches what they do.
//
// A block's threads are fibers. A round runs every fiber that can run until it waits at a barrier or
// returns, in an order that a seed shuffles; then barriers that everyone has reached are opened.
//
// Where the kernel was compiled with -fsanitize=thread, g++ calls a function before each access to
// memory. libtsan is not linked: the functions at the end of this file take its place. They keep
// one `Word` for every four bytes of the arrays and of shared memory, and say of each access
//
//     bounds          is it inside an array that was passed, or in shared memory
//     alignment       does the address divide by the size
//     initialisation  was this word of shared memory written by this block
//     races           is it ordered with the last accesses of other threads by a barrier: two
//                     accesses by different threads, one of them a write, need one between them;
//                     blocks are never ordered
//     copies          has this cp.async been waited for
//
// Not seen: a race that needs the block's threads to take another path than they took here, weak
// memory order, and one part of dynamic shared memory overrunning into the next.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cuda_on_cpu.h"
#include <csetjmp>
#include <cstdarg>
#include <link.h>
#include <ucontext.h>
#include <vector>

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace cuda_on_cpu {
enum State { READY, AT_BLOCK_BARRIER, AT_WARP_BARRIER, RETURNED };
struct Copy { char* to; const char* from; int size; bool valid; int group; };
struct Fiber {
  ucontext_t context;
  jmp_buf place;                                      // where it goes on
  char* stack = nullptr;
  bool started = false;
  State state;
  int line;                                           // of the barrier it waits at
  unsigned mask;                                      // lanes that it waits for
  uint3 index;
  alignas(16) char offer[64], taken[64];              // for shuffles: before and after the barrier
  std::vector<Copy> copies;                           // cp.async that nobody waited for yet
  int group;                                          // commit groups so far
};
constexpr int STACK = 1 << 16;

struct Access { int block = -1, thread = -1, block_barriers = 0, warp_barriers = 0; bool atomic = false; };
struct Word {
  Access write, read, other;                          // `other`: the last reader before `read`'s thread
  bool arriving = false;                              // by cp.async
};
struct Region { char* begin; size_t size; bool writable, shared; std::vector<Word> words; };

static std::vector<Fiber> fibers(1024);
static std::vector<Region> regions;                   // the arrays Python passed, then shared memory
static std::vector<float4> dynamic;                   // aligned as CUDA's
static std::vector<int> warp_barriers;
static int block_barriers, block_number, threads, current;
static jmp_buf scheduler;
static unsigned seed = 1;
static bool checking, running;
static char message[600];
static void* caller;                                  // where the kernel is, in this library
static char* library;                                 // where the library was loaded
static void (*body)(void**);
static void** arguments;

static void report(const char* format, va_list list) {
  int n = vsnprintf(message, sizeof message - 120, format, list);
  snprintf(message + n, 120, " [block %u,%u,%u thread %u,%u,%u] pc=%lx", blockIdx.x, blockIdx.y, blockIdx.z,
           threadIdx.x, threadIdx.y, threadIdx.z, caller ? (char*)caller - library - 1 : 0l);
  for (auto& f : fibers) f.started = false;           // the fibers of this launch are given up
  running = false;
}
static void report(const char* format, ...) {         // from the scheduler
  va_list list; va_start(list, format); report(format, list); va_end(list);
}
void fail(const char* format, ...) {                  // from a fiber, which ends here
  va_list list; va_start(list, format); report(format, list); va_end(list);
  _longjmp(scheduler, 1);
}

// ---- fibers -----------------------------------------------------------------------------------------
static void leave(State state, int line, unsigned mask) {
  Fiber& f = fibers[current];
  f.state = state; f.line = line; f.mask = mask;
  if (!_setjmp(f.place)) _longjmp(scheduler, 1);
}
static void fiber_main() {                            // a fiber is used for block after block
  for (;;) { body(arguments); leave(RETURNED, 0, 0); }
}
static void run_fiber(int t) {
  Fiber& f = fibers[t];
  current = t;
  threadIdx = f.index;
  if (_setjmp(scheduler)) return;                     // the fiber has left
  if (f.started) _longjmp(f.place, 1);
  f.started = true;
  getcontext(&f.context);
  if (!f.stack) f.stack = new char[STACK];
  f.context.uc_stack.ss_sp = f.stack;
  f.context.uc_stack.ss_size = STACK;
  f.context.uc_link = nullptr;
  makecontext(&f.context, fiber_main, 0);
  setcontext(&f.context);
}
void sync_block(int line) { leave(AT_BLOCK_BARRIER, line, 0); }
void sync_warp(int line, unsigned mask) { leave(AT_WARP_BARRIER, line, mask); }
int lane() { return current % 32; }
void offer(const void* value, int size) { memcpy(fibers[current].offer, value, size); }
const void* offered(int lane) { return fibers[min(current / 32 * 32 + lane, threads - 1)].taken; }
void* dynamic_shared() { return dynamic.data(); }

static bool open_warp_barriers() {
  bool any = false;
  for (int t = 0; t < threads; t++) {
    const unsigned mask = fibers[t].mask;
    if (fibers[t].state != AT_WARP_BARRIER) continue;
    const int base = t / 32 * 32;
    auto each = [&](auto act) {                       // of the lanes that `t` waits for
      for (int l = 0; l < 32 && base + l < threads; l++) if (mask >> l & 1) act(fibers[base + l]);
    };
    bool all = mask >> (t - base) & 1;
    each([&](Fiber& f) { all &= f.state == AT_WARP_BARRIER && f.mask == mask && f.line == fibers[t].line; });
    if (!all) continue;
    each([](Fiber& f) { f.state = READY; memcpy(f.taken, f.offer, sizeof f.offer); });
    warp_barriers[t / 32]++;
    any = true;
  }
  return any;
}
static void run_block() {
  for (int t = 0; t < threads; t++) {
    Fiber& f = fibers[t];
    f.state = READY; f.group = 0; f.copies.clear();
    f.index = {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
  }
  for (int returned = 0; returned < threads;) {
    seed = seed * 1664525 + 1013904223;               // another first thread and direction each round
    const int first = (seed >> 8) % threads, step = seed >> 31 ? 1 : threads - 1;
    for (int k = 0, t = first; k < threads; k++, t = (t + step) % threads)
      if (fibers[t].state == READY) {
        run_fiber(t);
        if (!running) return;
        returned += fibers[t].state == RETURNED;
      }
    if (returned == threads || open_warp_barriers()) continue;
    const int line = fibers[0].line;
    for (int t = 0; t < threads; t++) {               // everyone must wait at the same __syncthreads
      Fiber& f = fibers[t];
      if (f.state == AT_BLOCK_BARRIER && f.line == line) continue;
      threadIdx = f.index;
      caller = nullptr;
      return report("divergent barrier: a thread %s at line %d, thread 0 is at line %d",
                    f.state == RETURNED ? "has returned" : "waits", f.line, line);
    }
    for (int t = 0; t < threads; t++) fibers[t].state = READY;
    block_barriers++;
  }
}

// ---- the checks -----------------------------------------------------------------------------------
// Static shared memory is the library's thread-local segment; its other segments hold constants.
static Region shared_segment, own_segment[8];
static int own_segments;
static thread_local volatile char touched;
static int find_segments(dl_phdr_info* info, size_t, void*) {
  auto at = [&](const ElfW(Phdr)& h) { return (char*)info->dlpi_addr + h.p_vaddr; };
  bool mine = false;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    auto& h = info->dlpi_phdr[i];
    mine |= h.p_type == PT_LOAD && (char*)&regions >= at(h) && (char*)&regions < at(h) + h.p_memsz;
  }
  if (!mine) return 0;
  own_segments = 0;
  shared_segment = {};
  library = (char*)info->dlpi_addr;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    auto& h = info->dlpi_phdr[i];
    if (h.p_type == PT_LOAD && own_segments < 8) own_segment[own_segments++] = {at(h), h.p_memsz, true, false, {}};
    if (h.p_type == PT_TLS) shared_segment = {(char*)info->dlpi_tls_data, h.p_memsz, true, true, {}};
  }
  return 1;
}
static bool holds(const Region& r, const char* p, size_t size) {
  return p >= r.begin && p + size <= r.begin + r.size;
}
// Whether nothing orders an earlier access with one by `me`.
static bool unordered(const Access& earlier, const Access& me) {
  if (earlier.thread < 0 || (earlier.block == me.block && earlier.thread == me.thread)) return false;
  if (earlier.block != me.block) return true;
  if (earlier.block_barriers != me.block_barriers) return false;
  return earlier.thread / 32 != me.thread / 32 || earlier.warp_barriers == me.warp_barriers;
}
static void check(const void* p, size_t size, bool write, bool atomic = false) {
  if (!checking || !running) return;
  char* c = (char*)p;
  if (c >= fibers[current].stack && c + size <= fibers[current].stack + STACK) return;  // -fsanitize=alignment
  const bool one = size == 1 || size == 2 || size == 4 || size == 8 || size == 16;  // or a struct
  if (one && (uintptr_t)p % size) fail("misaligned access to %zu bytes", size);
  for (size_t i = 0; i < regions.size(); i++) {
    Region& r = regions[i];
    if (!holds(r, c, size)) continue;
    const char* what = r.shared ? "shared memory" : "array";
    const size_t at = c - r.begin;
    if (write && !r.writable) fail("write to the read-only array %zu at byte %zu", i, at);
    const Access me = {block_number, current, block_barriers, warp_barriers[current / 32], atomic};
    for (size_t w = at / 4; w <= (at + size - 1) / 4; w++) {
      Word& word = r.words[w];
      if (r.shared && word.read.block != block_number && word.write.block != block_number) word = Word();
      if (word.arriving) fail("%s at byte %zu: %s before its cp.async was waited for", what, at, write ? "written" : "read");
      if (r.shared && !write && word.write.block != block_number) fail("%s at byte %zu is read uninitialised", what, at);
      if (unordered(word.write, me) && !(atomic && word.write.atomic))
        fail("race: %s %zu at byte %zu, %s after a write by block %d thread %d", what, i, at,
             write ? "written" : "read", word.write.block, word.write.thread);
      if (write)
        for (const Access& a : {word.read, word.other})
          if (unordered(a, me) && !(atomic && a.atomic))
            fail("race: %s %zu at byte %zu, written after a read by block %d thread %d", what, i, at, a.block, a.thread);
      if (write) word.write = me;
      if (!write || atomic) {
        if (word.read.thread != current || word.read.block != block_number) word.other = word.read;
        word.read = me;
      }
    }
    return;
  }
  for (int i = 0; i < own_segments; i++) if (holds(own_segment[i], c, 1)) return;
  size_t where = 0;                                   // out of bounds: name the nearest array
  for (size_t i = 1; i < regions.size(); i++)
    if (labs(c - regions[i].begin) < labs(c - regions[where].begin)) where = i;
  if (regions.empty()) fail("out of bounds: there is no array");
  fail("out of bounds: %zu bytes %s at byte %ld of %s %zu, which has %zu", size, write ? "written" : "read",
       c - regions[where].begin, regions[where].shared ? "shared memory" : "array", where, regions[where].size);
}
void atomic_access(const void* p, int size) {
  caller = __builtin_return_address(0);
  check(p, size, true, true);
}

// ---- cp.async: done as late as allowed, so that a missing wait shows -----------------------------
static void mark_arriving(const char* to, int size, bool arriving) {
  for (Region& r : regions)
    if (checking && holds(r, to, size))
      for (int b = 0; b < size; b += 4) r.words[(to - r.begin + b) / 4].arriving = arriving;
}
void copy_async(void* to, const void* from, int size, bool valid) {
  caller = __builtin_return_address(0);
  if ((uintptr_t)to % size || (valid && (uintptr_t)from % size)) fail("cp.async: misaligned copy of %d bytes", size);
  if (valid) check(from, size, false);
  check(to, size, true);
  mark_arriving((char*)to, size, true);
  memset(to, 0xff, size);
  fibers[current].copies.push_back({(char*)to, (const char*)from, size, valid, fibers[current].group});
}
void copy_async_commit() { fibers[current].group++; }
void copy_async_wait(int pending) {
  Fiber& f = fibers[current];
  size_t done = 0;
  for (; done < f.copies.size() && f.copies[done].group < f.group - pending; done++) {
    const Copy& c = f.copies[done];
    mark_arriving(c.to, c.size, false);
    check(c.to, c.size, true);                        // others need a barrier after this wait
    if (c.valid) memcpy(c.to, c.from, c.size); else memset(c.to, 0, c.size);
  }
  f.copies.erase(f.copies.begin(), f.copies.begin() + done);
}

// ---- what Python calls ----------------------------------------------------------------------------
EXPORTED void setup(unsigned first_seed, bool check_memory) {
  seed = first_seed; checking = check_memory; regions.clear();
}
EXPORTED void pass_array(void* p, size_t size, bool writable) {
  for (Region& r : regions)
    if (r.begin == p && r.size == size) { r.writable |= writable; return; }
  regions.push_back({(char*)p, size, writable, false, {}});
}
EXPORTED const char* last_message() { return message; }

int launch(const unsigned* grid, const unsigned* block, size_t shared, void (*kernel)(void**), void** args) {
  gridDim = {grid[0], grid[1], grid[2]};
  blockDim = {block[0], block[1], block[2]};
  threads = block[0] * block[1] * block[2];
  body = kernel;
  arguments = args;
  message[0] = 0;
  caller = nullptr;
  if (threads < 1 || threads > 1024) { snprintf(message, sizeof message, "a block of %d threads", threads); return 1; }
  if (grid[1] > 65535 || grid[2] > 65535 || !grid[0] || !grid[1] || !grid[2]) {
    snprintf(message, sizeof message, "a grid of %u × %u × %u blocks", grid[0], grid[1], grid[2]);
    return 1;
  }
  dynamic.resize((shared + 15) / 16);
  touched = 1;                                        // makes this thread's segment exist
  dl_iterate_phdr(find_segments, nullptr);
  const size_t arrays = regions.size();
  for (Region r : {shared_segment, Region{(char*)dynamic.data(), shared, true, true, {}}})
    if (r.size) regions.push_back(r);
  if (checking) for (auto& r : regions) r.words.assign(r.size / 4 + 1, Word());
  block_number = 0;
  running = true;
  for (blockIdx.z = 0; blockIdx.z < grid[2]; blockIdx.z++)
    for (blockIdx.y = 0; blockIdx.y < grid[1]; blockIdx.y++)
      for (blockIdx.x = 0; blockIdx.x < grid[0]; blockIdx.x++, block_number++) {
        for (size_t i = arrays; i < regions.size(); i++) memset(regions[i].begin, 0xff, regions[i].size);  // NaN
        block_barriers = 0;
        warp_barriers.assign((threads + 31) / 32, 0);
        run_block();
        if (!running) return 1;
      }
  running = false;
  return 0;
}
}  // namespace cuda_on_cpu

// ---- what -fsanitize=thread calls -------------------------------------------------------------------
#define CHECK(p, n, write) (cuda_on_cpu::caller = __builtin_return_address(0), cuda_on_cpu::check(p, n, write))
#define HOOKS(n)                                                          \
  extern "C" void __tsan_read##n(void* p) { CHECK(p, n, false); }         \
  extern "C" void __tsan_write##n(void* p) { CHECK(p, n, true); }         \
  extern "C" void __tsan_unaligned_read##n(void* p) { CHECK(p, n, false); } \
  extern "C" void __tsan_unaligned_write##n(void* p) { CHECK(p, n, true); }
HOOKS(1) HOOKS(2) HOOKS(4) HOOKS(8) HOOKS(16)
extern "C" void __tsan_read_range(void* p, long n) { CHECK(p, n, false); }
extern "C" void __tsan_write_range(void* p, long n) { CHECK(p, n, true); }
extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit() {}
// ---- what -fsanitize=bounds,alignment,null calls ------------------------------------------------------
struct Place { const char* file; uint32_t line, column; };
extern "C" void __ubsan_handle_out_of_bounds(Place* at, unsigned long index) {
  cuda_on_cpu::caller = nullptr;
  cuda_on_cpu::fail("index %ld out of bounds at line %u", (long)index, at->line);
}
extern "C" void __ubsan_handle_type_mismatch_v1(Place* at, unsigned long p) {
  cuda_on_cpu::caller = nullptr;
  cuda_on_cpu::fail("misaligned or null pointer %lx at line %u", p, at->line);
}
