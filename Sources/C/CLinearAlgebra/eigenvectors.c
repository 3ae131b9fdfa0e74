#include "CLinearAlgebra.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

// Versions for wider registers compute the same, as nothing is contracted and the partial sums are explicit.
// ThreadSanitizer cannot run yet when the loader chooses one.
#if defined(__has_feature)
#define CHECKS_THREADS __has_feature(thread_sanitizer)
#else
#define CHECKS_THREADS 0
#endif
#if defined(__x86_64__) && defined(__ELF__) && !CHECKS_THREADS
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

// Eight partial sums of every eighth product, added in ascending order.
typedef double eight __attribute__((vector_size(64), aligned(8)));

// Adds factor * row to p, and returns the product of row and v, over `count` elements: what a row contributes to the
// product of a vector and a symmetric matrix that is stored as its lower triangle.
WIDE static double multiply_row(size_t count, const double *row, const double *v, double factor, double *p) {
  eight partial = {0};
  size_t index = 0;
  for (; index + 8 <= count; index += 8) {
    eight elements = *(const eight *)(row + index);
    partial += elements * *(const eight *)(v + index);
    *(eight *)(p + index) += elements * factor;
  }
  double sum = 0;
  for (int lane = 0; lane < 8; lane++) sum += partial[lane];
  for (; index < count; index++) {
    sum += row[index] * v[index];
    p[index] += row[index] * factor;
  }
  return sum;
}

WIDE static double dot(size_t count, const double *a, const double *b) {
  eight partial = {0};
  size_t index = 0;
  for (; index + 8 <= count; index += 8) partial += *(const eight *)(a + index) * *(const eight *)(b + index);
  double sum = 0;
  for (int lane = 0; lane < 8; lane++) sum += partial[lane];
  for (; index < count; index++) sum += a[index] * b[index];
  return sum;
}

// row -= f w + g v
WIDE static void subtract_two(size_t count, double *row, double f, const double *w, double g, const double *v) {
  for (size_t index = 0; index < count; index++) row[index] -= f * w[index] + g * v[index];
}

// row += f v
WIDE static void add_scaled(size_t count, double *row, double f, const double *v) {
  for (size_t index = 0; index < count; index++) row[index] += f * v[index];
}

typedef struct {
  size_t row;
  double cosine, sine;
} rotation;

enum { STRIPE = 32 };

// Applies rotations of rows and the rows after them to STRIPE columns. Where one is of the row before that of the last
// one, as in a sweep, their common row stays in registers.
WIDE static void rotate_stripe(const rotation *rotations, size_t count, double *rows, size_t stride) {
  for (size_t index = 0; index < count;) {
    double *high = rows + (rotations[index].row + 1) * stride;
    eight held[STRIPE / 8];
    for (int part = 0; part < STRIPE / 8; part++) held[part] = *(const eight *)(high + 8 * part);
    do {
      double c = rotations[index].cosine, s = rotations[index].sine;
      double *low = high - stride;
      for (int part = 0; part < STRIPE / 8; part++) {
        eight other = *(const eight *)(low + 8 * part);
        *(eight *)(high + 8 * part) = s * other + c * held[part];
        held[part] = c * other - s * held[part];
      }
      high = low;
      index++;
    } while (index < count && rows + (rotations[index].row + 1) * stride == high);
    for (int part = 0; part < STRIPE / 8; part++) *(eight *)(high + 8 * part) = held[part];
  }
}

// The same for any number of columns.
static void rotate(const rotation *rotations, size_t count, size_t columns, double *rows, size_t stride) {
  for (size_t index = 0; index < count; index++) {
    double c = rotations[index].cosine, s = rotations[index].sine;
    double *low = rows + rotations[index].row * stride, *high = low + stride;
    for (size_t column = 0; column < columns; column++) {
      double x = high[column], y = low[column];
      high[column] = s * y + c * x;
      low[column] = c * y - s * x;
    }
  }
}

// Householder reduction to a tridiagonal matrix (Golub and Van Loan, "Matrix Computations", 4th edition, section
// 8.3.1), from the last row upwards. The vector of each reflection I - beta v v^T replaces its row, and `betas` gets
// beta.
static void tridiagonalise(size_t n, double *a, double *diagonal, double *below, double *betas, double *p) {
  for (size_t row = n - 1; row > 0; row--) {
    double *v = a + row * n;  // elements 0 to row - 1
    size_t count = row;
    double scale = 0;
    for (size_t index = 0; index < count; index++) scale = fmax(scale, fabs(v[index]));
    diagonal[row] = v[row];
    betas[row] = 0;
    below[row] = v[row - 1];
    if (count == 1 || scale == 0) continue;
    for (size_t index = 0; index < count; index++) v[index] /= scale;
    double square = dot(count, v, v), last = v[count - 1];
    if (square == last * last) {
      for (size_t index = 0; index < count; index++) v[index] *= scale;
      continue;
    }
    double norm = last > 0 ? -sqrt(square) : sqrt(square);
    below[row] = scale * norm;
    v[count - 1] = last - norm;
    double beta = 1 / (square - last * norm);
    betas[row] = beta;
    memset(p, 0, count * sizeof *p);
    for (size_t other = 0; other < count; other++) {
      const double *line = a + other * n;
      p[other] += multiply_row(other, line, v, v[other], p) + line[other] * v[other];
    }
    for (size_t index = 0; index < count; index++) p[index] *= beta;
    double share = beta * dot(count, p, v) / 2;
    add_scaled(count, p, -share, v);
    for (size_t other = 0; other < count; other++) subtract_two(other + 1, a + other * n, v[other], p, p[other], v);
  }
  diagonal[0] = a[0];
  below[0] = 0;
  betas[0] = 0;
}

// Replaces the vectors of the reflections by the transposed product of the reflections, whose rows become the
// eigenvectors. A row depends on the vectors of later rows only. Some rows at a time stay in a cache.
static void accumulate(size_t n, double *a, const double *betas) {
  enum { ROWS = 16 };
  double *lines = malloc(ROWS * n * sizeof *lines);
  if (!lines) abort();
  for (size_t first = 0; first < n; first += ROWS) {
    size_t count = n - first < ROWS ? n - first : ROWS;
    memset(lines, 0, count * n * sizeof *lines);
    for (size_t index = 0; index < count; index++) lines[index * n + first + index] = 1;
    for (size_t row = first + 1; row < n; row++) {
      if (betas[row] == 0) continue;
      const double *v = a + row * n;
      for (size_t index = 0; index < count && first + index < row; index++) {
        double *line = lines + index * n;
        add_scaled(row, line, -(betas[row] * dot(row, line, v)), v);
      }
    }
    memcpy(a + first * n, lines, count * n * sizeof *lines);
  }
  free(lines);
}

static double hypotenuse(double x, double y) {
  x = fabs(x);
  y = fabs(y);
  double large = x > y ? x : y, small = x > y ? y : x;
  if (large == 0) return 0;
  double ratio = small / large;
  return large * sqrt(1 + ratio * ratio);
}

// Applies rotations to all columns, some at a time, which stay in a cache.
static void rotate_all(const rotation *rotations, size_t count, size_t n, double *rows) {
  size_t column = 0;
  for (; column + STRIPE <= n; column += STRIPE) rotate_stripe(rotations, count, rows + column, n);
  rotate(rotations, count, n - column, rows + column, n);
}

// The implicit QL algorithm with Wilkinson's shift (Golub and Van Loan, section 8.3; EISPACK's imtql2).
static int diagonalise(size_t n, double *diagonal, double *below, double *rows) {
  enum { SWEEPS = 60, CAPACITY = 1 << 15 };
  rotation *rotations = malloc((CAPACITY + n) * sizeof *rotations);
  if (!rotations) abort();
  size_t pending = 0;
  int failed = 0;
  for (size_t index = 1; index < n; index++) below[index - 1] = below[index];
  below[n - 1] = 0;
  for (size_t first = 0; first < n && !failed; first++) {
    for (int sweep = 0;; sweep++) {
      size_t end = first;
      for (; end + 1 < n; end++) {
        double size = fabs(diagonal[end]) + fabs(diagonal[end + 1]);
        if (fabs(below[end]) <= DBL_EPSILON * size) break;
      }
      if (end == first) break;
      if (sweep == SWEEPS) {
        failed = -1;
        break;
      }
      double g = (diagonal[first + 1] - diagonal[first]) / (2 * below[first]);
      double r = hypotenuse(g, 1);
      g = diagonal[end] - diagonal[first] + below[first] / (g + (g < 0 ? -r : r));
      double s = 1, c = 1, p = 0;
      size_t index = end;
      int is_split = 0;
      while (index-- > first) {
        double f = s * below[index], b = c * below[index];
        r = hypotenuse(f, g);
        below[index + 1] = r;
        if (r == 0) {
          diagonal[index + 1] -= p;
          below[end] = 0;
          is_split = 1;
          break;
        }
        s = f / r;
        c = g / r;
        g = diagonal[index + 1] - p;
        r = (diagonal[index] - g) * s + 2 * c * b;
        p = s * r;
        diagonal[index + 1] = g + p;
        g = c * r - b;
        rotations[pending++] = (rotation){index, c, s};
      }
      if (!is_split) {
        diagonal[first] -= p;
        below[first] = g;
        below[end] = 0;
      }
      if (pending >= CAPACITY) {
        rotate_all(rotations, pending, n, rows);
        pending = 0;
      }
    }
  }
  rotate_all(rotations, pending, n, rows);
  free(rotations);
  return failed;
}

typedef struct {
  double value;
  size_t row;
} ranked;

static int compare(const void *left, const void *right) {
  const ranked *a = left, *b = right;
  if (a->value != b->value) return a->value < b->value ? -1 : 1;
  return a->row < b->row ? -1 : a->row > b->row;
}

int quern_eigenvectors(size_t n, double *a, double *values) {
  if (n == 0) return 0;
  for (size_t row = 0; row < n; row++)
    for (size_t column = 0; column <= row; column++)
      if (!isfinite(a[row * n + column])) return -1;
  double *memory = malloc(3 * n * sizeof *memory);
  ranked *order = malloc(n * sizeof *order);
  if (!memory || !order) abort();
  double *below = memory, *betas = below + n, *p = betas + n;
  tridiagonalise(n, a, values, below, betas, p);
  accumulate(n, a, betas);
  int status = diagonalise(n, values, below, a);
  for (size_t row = 0; row < n; row++) order[row] = (ranked){values[row], row};
  for (size_t row = 0; row < n; row++)
    if (!isfinite(values[row])) status = -1;
  if (status == 0) {
    qsort(order, n, sizeof *order, compare);
    double *sorted = malloc(n * n * sizeof *sorted);
    if (!sorted) abort();
    for (size_t row = 0; row < n; row++) {
      values[row] = order[row].value;
      memcpy(sorted + row * n, a + order[row].row * n, n * sizeof *sorted);
    }
    memcpy(a, sorted, n * n * sizeof *sorted);
    free(sorted);
  }
  free(memory);
  free(order);
  return status;
}
