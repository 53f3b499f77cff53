// How the pixels of two images meet in a convolution, for all kernels of the triangle.
//
// Images are N, H, W, C in memory. Along one axis (rows or columns)
//
//     convolution             output i meets input   i·stride − padding + r·dilation    at tap r
//     transposed convolution  output i meets input  (i + padding − r·dilation) / stride at tap r,
//                             where that is a whole number
//
// The second is the first with the arrows reversed. For which taps the division comes out even
// depends on i modulo stride alone, so the outputs fall into `stride` phases, and inside a phase
// both kinds are one and the same gather, as in minigen.kernels.phases.Phase:
//
//     output  first + i·every   meets input   start + i·hop + j·skip   at tap   tap + j·tap_step
//
// A transposed convolution takes its taps from the last to the first (tap_step < 0): the last meets
// the first input, so skip > 0 and x is read in memory's order.
//
// stride 2, filter of 4, padding 1:    output  0   1   2   3   4   5   6   7
//                                      phase   0   1   0   1   0   1   0   1
//                                      taps   3,1 2,0 3,1 2,0 …            two of four, none idle
struct Axis {
  int in, out;                    // pixels of the input and of the output
  int taps, stride, padding, dilation;
  int tap_step;                   // from a tap of a phase to the next: 1, or, transposed,
                                  // stride / gcd(stride, dilation)
};

struct Conv {
  int images, groups;
  int C, K;                       // channels of input and output, in each group
  Axis rows, cols;
  int transposed;
};

struct Phase {
  int first, every, count;        // outputs
  int tap, tap_step, taps;        // taps of the filter, and how many
  int start, hop, skip;           // inputs
};

__device__ inline int phases(const Axis& a, int transposed) {
  return transposed ? min(a.stride, a.out) : 1;
}

__device__ inline Phase phase_of(const Axis& a, int transposed, int index) {
  if (!transposed) return {0, 1, a.out, 0, 1, a.taps, -a.padding, a.stride, a.dilation};
  int tap = a.taps - 1;           // the last one for which the division comes out even; −1: none
  while (tap >= 0 && (index + a.padding - tap * a.dilation) % a.stride) tap--;
  return {index, a.stride, (a.out - index + a.stride - 1) / a.stride,
          tap, -a.tap_step, (tap + a.tap_step) / a.tap_step,
          (index + a.padding - tap * a.dilation) / a.stride, 1, a.tap_step * a.dilation / a.stride};
}

// What one value of blockIdx.z stands for: a group and a phase of rows and columns.
struct Part {
  int group, pixels, depth;       // output pixels; products that are added for each
  Phase rows, cols;
};

__device__ inline Part part_of(const Conv& p, int z) {
  Part part;
  part.group = z % p.groups;
  z /= p.groups;
  int across = phases(p.cols, p.transposed);
  part.rows = phase_of(p.rows, p.transposed, z / across);
  part.cols = phase_of(p.cols, p.transposed, z % across);
  if (!part.cols.taps) part.rows.taps = 0;
  part.pixels = p.images * part.rows.count * part.cols.count;
  part.depth = part.rows.taps * part.cols.taps * p.C;
  return part;
}

// A block's part, in shared memory: its 21 numbers would take registers, which are scarce.
__device__ inline const Part& shared_part(const Conv& p, int z) {
  __shared__ Part part;
  if (threadIdx.x == 0) part = part_of(p, z);
  __syncthreads();
  return part;
}

// The number of x that an output pixel meets at a tap lies at the sum of their two offsets.
struct Offset {
  int line, row, col, c;          // rows of the images before; row, column, channel of the group
};
__device__ inline Offset operator+(Offset a, Offset b) {
  return {a.line + b.line, a.row + b.row, a.col + b.col, a.c + b.c};
}
// Of a pixel or a tap beyond the last: in the padding, whatever is added.
__device__ inline Offset nowhere() { return {0, -(1 << 29), 0, 0}; }

// Where that number is; null in the padding. x is (images, rows.in, cols.in, groups·C).
template <class T>
__device__ inline const T* met(const T* x, const Conv& p, const Part& part, Offset at) {
  // A negative number, taken as unsigned, is too large as well.
  if ((unsigned)at.row >= (unsigned)p.rows.in || (unsigned)at.col >= (unsigned)p.cols.in) return nullptr;
  const size_t pixel = (size_t)(at.line + at.row) * p.cols.in + at.col;
  return x + pixel * (p.groups * p.C) + part.group * p.C + at.c;
}

// Output pixel number m of a part, and a walk from it to pixel `end`.
struct Pixel {
  int image, row, col;            // row and col count inside the phase
  int m, end;

  __device__ Pixel(const Part& part, int m, int end) : m(m), end(end) {
    const int line = m / part.cols.count;
    image = line / part.rows.count, row = line % part.rows.count, col = m % part.cols.count;
  }
  __device__ bool done(const Part&) const { return m >= end; }
  __device__ void advance(const Conv&, const Part& part, int step) {  // without a division each time
    m += step;
    for (col += step; col >= part.cols.count; col -= part.cols.count)
      if (++row == part.rows.count) { row = 0; image++; }
  }
  __device__ Offset offset(const Conv& p, const Part& part) const {
    if (done(part)) return nowhere();
    return {image * p.rows.in, row * part.rows.hop + part.rows.start,
            col * part.cols.hop + part.cols.start, 0};
  }
  // Where its channels begin in y (images, rows.out, cols.out, groups·K).
  __device__ size_t output_at(const Conv& p, const Part& part) const {
    const int r = part.rows.first + row * part.rows.every, c = part.cols.first + col * part.cols.every;
    return (((size_t)image * p.rows.out + r) * p.cols.out + c) * (p.groups * p.K) + part.group * p.K;
  }
  // The same where the part holds all pixels in memory's order.
  __device__ size_t line_at(const Conv& p, const Part& part) const {
    return (size_t)m * (p.groups * p.K) + part.group * p.K;
  }
};

// Product number k of an output (tap row, tap column, channel), and a walk over those that follow.
struct Tap {
  int row, col, c;                // numbers of the taps inside the phase, channel inside the group

  __device__ Tap(int row, int col, int c) : row(row), col(col), c(c) {}
  __device__ Tap(const Conv& p, const Part& part, int k) : c(k % p.C) {
    const int across = max(part.cols.taps, 1);
    row = k / p.C / across, col = k / p.C % across;
  }
  __device__ bool done(const Part& part) const { return row >= part.rows.taps; }
  __device__ void advance(const Conv& p, const Part& part, int step) {
    for (c += step; c >= p.C; c -= p.C)
      if (++col >= part.cols.taps) { col = 0; row++; }
  }
  __device__ Offset offset(const Conv&, const Part& part) const {
    return done(part) ? nowhere() : Offset{0, row * part.rows.skip, col * part.cols.skip, c};
  }
  // Where its weights begin in w (groups, rows, cols, C, K).
  __device__ size_t line_at(const Conv& p, const Part& part) const {
    const int r = part.rows.tap + row * part.rows.tap_step, s = part.cols.tap + col * part.cols.tap_step;
    return (((size_t)(part.group * p.rows.taps + r) * p.cols.taps + s) * p.C + c) * p.K;
  }
};

// VEC numbers that lie side by side; zeros if there are none.
template <int VEC> __device__ inline void read_piece(float* to, const float* from) {
  if constexpr (VEC == 4) *(float4*)to = from ? *(const float4*)from : make_float4(0, 0, 0, 0);
  else *to = from ? *from : 0.0f;
}

// Four numbers, plus bias if there is one, into a row of K from number n on.
template <int VEC>
__device__ inline void write_piece(float* row, int n, int K, const float* sum, const float* bias) {
  float v[4];
#pragma unroll
  for (int e = 0; e < 4; e++) v[e] = sum[e] + (bias && n + e < K ? bias[n + e] : 0.0f);
  if constexpr (VEC == 4) {
    if (n < K) *(float4*)(row + n) = make_float4(v[0], v[1], v[2], v[3]);
  } else {
#pragma unroll
    for (int e = 0; e < 4; e++)
      if (n + e < K) row[n + e] = v[e];
  }
}
