// Random numbers as a function of a key and a counter (Philox 4×64-10: Salmon, Moraes, Dror and Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", 2011): the very numbers of numpy.random.Philox.
//
//     counter (4 × 64 bits)  ──► ten rounds of multiply, xor, swap ──►  4 × 64 random bits
//     key     (2 × 64 bits)  ──────────┘
//
// So no thread has to wait for another, and whoever asks again gets the same. Draw number d of
// minigen.backend.Generator is the stream of counters (1, d, 0, 0), (2, d, 0, 0), … and thread i owns
// counter (i + 1, d, 0, 0):
//
//     elements    0 1 2 3 4 5 6 7 │ 8 9 …            8 numbers of 32 bits, low half first,
//     thread      0               │ 1                from one counter
//
// FLOPs: about 80 integer operations for each counter. Bytes: x is read and y written; the mask is
// not stored, since it can be had again.
struct Philox {
  unsigned long long words[4];

  __device__ Philox(unsigned long long key0, unsigned long long key1, unsigned long long draw,
                    unsigned long long block) {
    unsigned long long c0 = block + 1, c1 = draw, c2 = 0, c3 = 0;
    for (int round = 0; round < 10; round++) {
      const unsigned long long m0 = 0xD2E7470EE14C6C93ull, m1 = 0xCA5A826395121157ull;
      const unsigned long long high0 = __umul64hi(m0, c0), high1 = __umul64hi(m1, c2);
      const unsigned long long low0 = m0 * c0, low1 = m1 * c2;
      c0 = high1 ^ c1 ^ key0;
      c1 = low1;
      c2 = high0 ^ c3 ^ key1;
      c3 = low0;
      key0 += 0x9E3779B97F4A7C15ull;         // the golden ratio and √3 − 1, in 64 bits
      key1 += 0xBB67AE8584CAA73Bull;
    }
    words[0] = c0; words[1] = c1; words[2] = c2; words[3] = c3;
  }
  // The j-th of its eight numbers of 32 bits.
  __device__ unsigned half(int j) const { return (unsigned)(words[j / 2] >> (j % 2 * 32)); }
};

// Each element times scale with probability threshold / 2³², else times 0: the gradient as the value.
template <class T>
__global__ void dropout(const T* __restrict__ x, T* __restrict__ y, long long size,
                        unsigned long long threshold, unsigned long long key0,
                        unsigned long long key1, unsigned long long draw, T scale) {
  const long long block = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (block * 8 >= size) return;
  const Philox random(key0, key1, draw, block);
#pragma unroll
  for (int j = 0; j < 8; j++)
    if (block * 8 + j < size) {
      // Times 0, not replaced by 0: as on the CPU, infinity gives NaN there.
      const T mask = random.half(j) < threshold ? T(1) : T(0);
      y[block * 8 + j] = x[block * 8 + j] * mask * scale;
    }
}
