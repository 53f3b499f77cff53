// Batch norm: the moments of each channel, x·scale + shift, and the gradients.
//
// Channels lie last in memory: a channel is a column of a matrix with a row for each pixel. Where
// there are few channels, several pixels are taken as one row, so that a warp has 32 columns to read:
//
//     pixels × 3 channels:   r g b         as rows of 4 pixels:   r g b r g b r g b r g b
//                            r g b                                r g b r g b r g b r g b
//
// Sums are made in two steps, in a fixed order, so that every run gives the same bits:
//
//      ┌─ 32 columns ─┐
//      │ ty 0: row 0, 8, 16 …   8 warps walk over the rows of a piece; then the 8 results of a
//      │ ty 1: row 1, 9, 17 …   column are put together in shared memory
//      │   ⋮                    piece 0 ─┐
//      ├──────────────┤         piece 1 ─┼─► a second kernel puts the pieces together, in order
//      │ next piece   │         piece 2 ─┘
//
// Bytes: moments read x; affine reads x and writes y; the gradients read g and x, twice, and write
// dx. A few FLOPs for each: only bytes count.
constexpr int ROWS = 8;                      // blockDim is (32, ROWS)

// Count, mean and squared deviations of some numbers, put together by Chan, Golub and LeVeque
// (1979), equation 2.1: nothing is lost where the mean is far from 0.
template <class T> struct Moments {
  T n, mean, squares;

  __device__ void add(const Moments& b) {
    if (b.n == 0) return;
    const T total = n + b.n, apart = b.mean - mean;
    squares += b.squares + apart * apart * (n * b.n / total);
    mean += apart * (b.n / total);
    n = total;
  }
};

template <class T>
__global__ void moments_of_pieces(const T* __restrict__ x,  // (rows, width)
                                  T* __restrict__ pieces,   // (pieces, 3, width): n, mean, squares
                                  int rows, int width, int piece) {
  __shared__ Moments<T> parts[ROWS][32];
  const int col = blockIdx.x * 32 + threadIdx.x, first = blockIdx.y * piece;
  const int last = min(first + piece, rows);
  Moments<T> own = {0, 0, 0};
  if (col < width && first + (int)threadIdx.y < last) {
    // Deviations from a first number, which is near the mean unless they are large.
    const T origin = x[(size_t)(first + threadIdx.y) * width + col];
    T sum = 0, squares = 0, n = 0;
#pragma unroll 4
    for (int row = first + threadIdx.y; row < last; row += ROWS) {
      const T d = x[(size_t)row * width + col] - origin;
      sum += d;
      squares += d * d;
      n += 1;
    }
    own = {n, origin + sum / n, squares - sum * (sum / n)};
  }
  parts[threadIdx.y][threadIdx.x] = own;
  __syncthreads();
  if (threadIdx.y || col >= width) return;
  for (int i = 1; i < ROWS; i++) own.add(parts[i][threadIdx.x]);
  T* out = pieces + (size_t)blockIdx.y * 3 * width + col;
  out[0] = own.n;
  out[width] = own.mean;
  out[2 * width] = own.squares;
}

template <class T>
__global__ void moments_of_channels(const T* __restrict__ pieces,  // (pieces, 3, width)
                                    T* __restrict__ mean, T* __restrict__ var,  // (channels)
                                    int count, int width, int channels) {
  __shared__ Moments<T> parts[ROWS][32];
  const int channel = blockIdx.x * 32 + threadIdx.x, columns = width / channels;
  Moments<T> own = {0, 0, 0};
  if (channel < channels)
    for (int i = threadIdx.y; i < count * columns; i += ROWS) {
      const T* from = pieces + (size_t)(i / columns) * 3 * width + i % columns * channels + channel;
      own.add({from[0], from[width], from[2 * width]});
    }
  parts[threadIdx.y][threadIdx.x] = own;
  __syncthreads();
  if (threadIdx.y || channel >= channels) return;
  for (int i = 1; i < ROWS; i++) own.add(parts[i][threadIdx.x]);
  mean[channel] = own.mean;
  var[channel] = own.squares / own.n;
}

// y = x·scale + shift: each thread keeps to a column, and to its channel's two numbers.
template <class T>
__global__ void affine(const T* __restrict__ x, const T* __restrict__ scale,
                       const T* __restrict__ shift, T* __restrict__ y,
                       int rows, int width, int channels) {
  const int col = blockIdx.x * 32 + threadIdx.x;
  if (col >= width) return;
  const T a = scale[col % channels], b = shift[col % channels];
#pragma unroll 4
  for (int row = blockIdx.y * ROWS + threadIdx.y; row < rows; row += gridDim.y * ROWS)
    y[(size_t)row * width + col] = x[(size_t)row * width + col] * a + b;
}

// Σ g and Σ g·(x − mean) of each column of a piece.
template <class T>
__global__ void gradient_of_pieces(const T* __restrict__ g, const T* __restrict__ x,
                                   const T* __restrict__ mean,
                                   T* __restrict__ pieces,  // (pieces, 2, width)
                                   int rows, int width, int channels, int piece) {
  __shared__ T parts[2][ROWS][32];
  const int col = blockIdx.x * 32 + threadIdx.x, first = blockIdx.y * piece;
  const int last = min(first + piece, rows);
  T sum = 0, product = 0;
  if (col < width) {
    const T centre = mean[col % channels];
#pragma unroll 4
    for (int row = first + threadIdx.y; row < last; row += ROWS) {
      const T gradient = g[(size_t)row * width + col];
      sum += gradient;
      product += gradient * (x[(size_t)row * width + col] - centre);
    }
  }
  parts[0][threadIdx.y][threadIdx.x] = sum;
  parts[1][threadIdx.y][threadIdx.x] = product;
  __syncthreads();
  if (threadIdx.y > 1 || col >= width) return;
  T total = 0;                               // the first warp adds up one sum, the second the other
  for (int i = 0; i < ROWS; i++) total += parts[threadIdx.y][i][threadIdx.x];
  pieces[((size_t)blockIdx.y * 2 + threadIdx.y) * width + col] = total;
}

// ∂b = Σ g and ∂γ = Σ g·(x − mean)·rstd, the latter by the threads with blockIdx.y 1.
template <class T>
__global__ void gradient_of_channels(const T* __restrict__ pieces,  // (pieces, 2, width)
                                     const T* __restrict__ rstd, T* __restrict__ d_weight,
                                     T* __restrict__ d_bias, int count, int width, int channels) {
  __shared__ T parts[ROWS][32];
  const int channel = blockIdx.x * 32 + threadIdx.x, columns = width / channels;
  T sum = 0;
  if (channel < channels)
    for (int i = threadIdx.y; i < count * columns; i += ROWS)
      sum += pieces[((size_t)(i / columns) * 2 + blockIdx.y) * width + i % columns * channels + channel];
  parts[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y || channel >= channels) return;
  for (int i = 1; i < ROWS; i++) sum += parts[i][threadIdx.x];
  if (blockIdx.y) d_weight[channel] = sum * rstd[channel];
  else d_bias[channel] = sum;
}

// ∂x = γ·rstd·(g − ∂b/m − (x − mean)·rstd·∂γ/m), with m pixels.
template <class T>
__global__ void gradient_of_input(const T* __restrict__ g, const T* __restrict__ x,
                                  const T* __restrict__ mean, const T* __restrict__ rstd,
                                  const T* __restrict__ weight,  // or null
                                  const T* __restrict__ d_weight, const T* __restrict__ d_bias,
                                  T* __restrict__ dx, int rows, int width, int channels) {
  const int col = blockIdx.x * 32 + threadIdx.x;
  if (col >= width) return;
  const int channel = col % channels;
  const T m = (T)rows * (width / channels), centre = mean[channel];
  const T scale = weight ? rstd[channel] * weight[channel] : rstd[channel];
  const T slope = -scale * rstd[channel] * d_weight[channel] / m, offset = -scale * d_bias[channel] / m;
#pragma unroll 4
  for (int row = blockIdx.y * ROWS + threadIdx.y; row < rows; row += gridDim.y * ROWS) {
    const size_t i = (size_t)row * width + col;
    dx[i] = scale * g[i] + (slope * (x[i] - centre) + offset);
  }
}
