// Optimisers' steps: every array is read once and written once, whatever the formula.
//
// Adam reads p, g, m, v and writes p, m, v: 28 bytes a float32 parameter, and about 12 FLOPs, so only
// bytes count. NumPy's way, one operation after another, would move three times as many.
//
//     thread    0 1 2 … 255 │ 0 1 2 …          threads take neighbouring elements, and come back
//     element   0 1 2 … 255 │ 256 …            gridDim·blockDim later

// The order of operations is that of minigen.optim.Adam.
template <class T>
__global__ void adam(T* __restrict__ p, const T* __restrict__ g, T* __restrict__ m,
                     T* __restrict__ v, long long size, T beta1_rest, T beta2, T beta2_rest,
                     T rate, T eps,          // with both corrections in them
                     T weight_decay, int maximize) {
  const long long step = (long long)gridDim.x * blockDim.x;
#pragma unroll 2
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += step) {
    const T d = (maximize ? -g[i] : g[i]) + weight_decay * p[i];
    const T mean = m[i] + beta1_rest * (d - m[i]), square = v[i] * beta2 + beta2_rest * (d * d);
    m[i] = mean;
    v[i] = square;
    p[i] -= rate * (mean / (sqrt(square) + eps));
  }
}

// ---- row-sparse gradients of a table: `rows` names each row once --------------------------------
//
//     values  ┌── row 5 ──┐      table  row 0
//             ├── row 0 ──┤ ──►         row 1      a thread for each number of `values`
//             └── row 9 ──┘               ⋮        bytes: 4·(1 read, 1 read, 1 write), and no more,
//                                       row 5      however large the table
template <class T>
__global__ void sgd_rows(T* __restrict__ table, const long long* __restrict__ rows,
                         const T* __restrict__ values, long long size, int dim, T rate) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  table[rows[i / dim] * dim + i % dim] += rate * values[i];
}

// Adam where only the named rows move; eps is added to √v, not to √v̂, as PyTorch's SparseAdam does.
template <class T>
__global__ void adam_rows(T* __restrict__ table, T* __restrict__ m, T* __restrict__ v,
                          const long long* __restrict__ rows, const T* __restrict__ values,
                          long long size, int dim, T beta1_rest, T beta2_rest, T rate, T eps,
                          int maximize) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  const long long at = rows[i / dim] * dim + i % dim;
  const T d = maximize ? -values[i] : values[i];
  const T mean = m[at] + beta1_rest * (d - m[at]), square = v[at] + beta2_rest * (d * d - v[at]);
  m[at] = mean;
  v[at] = square;
  table[at] -= rate * (mean / (sqrt(square) + eps));
}

// Rows named several times, added up: sums[u] = Σ values[order[i]] over i with slots[i] = u, in
// order of i, so that the same bits come out every time. slots is ascending.
template <class T>
__global__ void sum_rows(const T* __restrict__ values,          // (n, dim)
                         const long long* __restrict__ slots,   // (n), ascending
                         const long long* __restrict__ order,   // (n)
                         T* __restrict__ sums, long long size, long long n, int dim) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  const long long slot = i / dim;
  long long low = 0, high = n;               // the first i with slots[i] ≥ slot, by bisection
  while (low < high) {
    const long long middle = (low + high) / 2;
    if (slots[middle] < slot) low = middle + 1;
    else high = middle;
  }
  T sum = 0;
  for (; low < n && slots[low] == slot; low++) sum += values[order[low] * dim + i % dim];
  sums[i] = sum;
}
