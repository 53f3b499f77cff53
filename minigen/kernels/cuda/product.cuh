// Steps 2 and 3 in fp32: a block's product of slices of A and B (tile.cuh).
//
// Which thread owns what, for 128×128 with 8×8 a thread (16 × 16 threads):
//
//        tx·4 … +3      64 + tx·4 … +3       Four quarters of 4×4. Neighbouring threads read
//       ┌────────┬──────────────┐            neighbouring float4s of B (no bank conflict) and the
//  ty·4 │  4×4   │     4×4      │            same float4 of A (a broadcast).
//       ├────────┼──────────────┤
//  64 + │  4×4   │     4×4      │
//  ty·4 └────────┴──────────────┘
//
// Step 2, shared tile (BUFFERS 1). Global memory is read (BM + BN) / (BM·BN) times for each
// multiply-add: 1/64 for 128×128, where step 1 reads 2. Shared memory is read (TM + TN) / (TM·TN)
// times: 16 numbers for 64 multiply-adds, in 4 reads of float4.
//
//     fetch 0 │ store 0 │ multiply 0 │ fetch 1 │ store 1 │ multiply 1 …      │ a barrier before each
//                                                                           store and multiply
//
// Step 3, double buffer (BUFFERS 2). As many bytes, but the next slice is on its way, in registers,
// while this one is multiplied: some hundred cycles of waiting lie beside BK·TM·TN multiply-adds a
// thread (512 for 8·8·8). It then goes where nobody reads, so one barrier a slice is enough.
//
//     fetch 0 │ store 0 │ fetch 1, multiply 0 │ store 1 │ fetch 2, multiply 1 …
//
// Step 4 (tensor_cores.cuh) multiplies 1024 pairs in one instruction of a warp, where fp32 takes 32.

// M, N, K: the tile. TM, TN: what one thread makes of it. V: 4 where the channels of x and y are
// multiples of 4 (loads and stores of float4), else 1.
template <int M, int N, int K, int TM, int TN, int V, int BUFFERS> struct Fp32 {
  static constexpr int BM = M, BN = N, BK = K, VEC = V, THREADS = (M / TM) * (N / TN);
  float sum[TM][TN] = {};

  // Where row i of a thread's TM, and column j of its TN, stand in the tile.
  static __device__ int row(int i) { return threadIdx.x / (BN / TN) * 4 + i / 4 * (4 * BM / TM) + i % 4; }
  static __device__ int col(int j) { return threadIdx.x % (BN / TN) * 4 + j / 4 * (4 * BN / TN) + j % 4; }

  template <class Load> __device__ void add(Load& load, int depth) {
    // Rows of A are 4 numbers longer than needed: storing its columns would meet the same bank.
    __shared__ __align__(16) float A[BUFFERS][BK][BM + 4], B[BUFFERS][BK][BN];
    if (BUFFERS == 2) load.fetch();
    for (int k0 = 0, now = 0; k0 < depth; k0 += BK, now = BUFFERS - 1 - now) {
      if (BUFFERS == 1) {
        load.fetch();
        __syncthreads();                     // the slice before is used up
      }
      load.store(A[now], B[now]);
      __syncthreads();                       // this one is there
      if (BUFFERS == 2 && k0 + BK < depth) load.fetch();
#pragma unroll
      for (int k = 0; k < BK; k++) {
        float a[TM], b[TN];
#pragma unroll
        for (int i = 0; i < TM; i += 4) *(float4*)&a[i] = *(float4*)&A[now][k][row(i)];
#pragma unroll
        for (int j = 0; j < TN; j += 4) *(float4*)&b[j] = *(float4*)&B[now][k][col(j)];
#pragma unroll
        for (int i = 0; i < TM; i++)
#pragma unroll
          for (int j = 0; j < TN; j++) sum[i][j] += a[i] * b[j];
      }
    }
  }
  // `row_at(m)` says where row m of the tile goes; null: nowhere.
  template <class Row> __device__ void write(int n0, int channels, const float* bias, Row row_at) {
#pragma unroll
    for (int i = 0; i < TM; i++) {
      float* out = row_at(row(i));
      if (!out) continue;
#pragma unroll
      for (int j = 0; j < TN; j += 4) write_piece<VEC>(out, n0 + col(j), channels, &sum[i][j], bias);
    }
  }
};
