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
// both kinds are one and the same gather:
//
//     output  first + i·every   meets input   start + i·hop + j·skip   at tap   tap + j·tap_step
//
// stride 2, filter of 4, padding 1:    output  0   1   2   3   4   5   6   7
//                                      phase   0   1   0   1   0   1   0   1
//                                      taps   1,3 0,2 1,3 0,2 …            two of four, none idle
struct Axis {
  int in, out;                    // pixels of the input and of the output
  int taps, stride, padding, dilation;
  int tap_step;                   // transposed: stride / gcd(stride, dilation); else 1
};

struct Conv {
  int images, groups;
  int C, K;                       // channels of input and output, in each group
  Axis rows, cols;
  int transposed;
};

struct Phase {
  int first, every, count;        // outputs
  int tap, tap_step, taps;        // taps of the filter
  int start, hop, skip;           // inputs
};

__device__ inline int phases(const Axis& a, int transposed) {
  return transposed ? min(a.stride, a.out) : 1;
}

__device__ inline Phase phase_of(const Axis& a, int transposed, int index) {
  if (!transposed) return {0, 1, a.out, 0, 1, a.taps, -a.padding, a.stride, a.dilation};
  int tap = 0;                    // the first one for which the division comes out even
  while (tap < a.tap_step && (index + a.padding - tap * a.dilation) % a.stride) tap++;
  int taps = tap < a.tap_step && tap < a.taps ? (a.taps - tap + a.tap_step - 1) / a.tap_step : 0;
  int start = (index + a.padding - tap * a.dilation) / a.stride;
  return {index, a.stride, (a.out - index + a.stride - 1) / a.stride,
          tap, a.tap_step, taps,
          start, 1, -a.tap_step * a.dilation / a.stride};
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
  part.pixels = p.images * part.rows.count * part.cols.count;
  part.depth = part.rows.taps * part.cols.taps * p.C;
  return part;
}

// Output pixel number m of a part.
struct Pixel {
  int image, row, col;            // row and col count inside the phase
};

__device__ inline Pixel pixel_of(const Part& part, int m) {
  int line = m / part.cols.count;
  return {line / part.rows.count, line % part.rows.count, m % part.cols.count};
}

// Where that pixel's channels begin in y (images, rows.out, cols.out, groups·K).
__device__ inline size_t output_at(const Conv& p, const Part& part, Pixel at) {
  int row = part.rows.first + at.row * part.rows.every;
  int col = part.cols.first + at.col * part.cols.every;
  size_t pixel = ((size_t)at.image * p.rows.out + row) * p.cols.out + col;
  return pixel * (p.groups * p.K) + part.group * p.K;
}

// Walks the products of one output in memory order (tap row, tap column, channel), in steps,
// without a division each time.
struct Walk {
  int row, col, c;                // numbers of the taps inside the phase, channel inside the group

  __device__ Walk(const Conv& p, const Part& part, int k) {
    c = k % p.C;
    k /= p.C;
    int across = max(part.cols.taps, 1);        // a phase may have no taps at all
    row = k / across;
    col = k % across;
    if (part.cols.taps == 0) row = part.rows.taps;
  }
  __device__ void advance(const Conv& p, const Part& part, int step) {
    for (c += step; c >= p.C; c -= p.C)
      if (++col >= part.cols.taps) { col = 0; row++; }
  }
  __device__ bool done(const Part& part) const { return row >= part.rows.taps; }

  // Where the weights of this product begin: w is (groups, rows, cols, C, K).
  __device__ size_t weight_at(const Conv& p, const Part& part) const {
    int r = part.rows.tap + row * part.rows.tap_step, s = part.cols.tap + col * part.cols.tap_step;
    return (((size_t)(part.group * p.rows.taps + r) * p.cols.taps + s) * p.C + c) * p.K;
  }
};

// Bias and LeakyReLU, added where the value is in a register anyway. slope 1 leaves it alone.
template <class T>
__device__ inline T finished(T value, T bias, T slope) {
  value += bias;
  return value > 0 ? value : value * slope;
}
