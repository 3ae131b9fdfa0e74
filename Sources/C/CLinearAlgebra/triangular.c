#include "CLinearAlgebra.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

enum { BLOCK = 64 };

// The inverse of a lower triangular l[n][n], as a full matrix [n][n] with zeros above the diagonal; n is at most BLOCK.
static void invert(size_t n, const float *l, size_t ldl, float *inverse) {
  memset(inverse, 0, n * n * sizeof *inverse);
  for (size_t row = 0; row < n; row++) {
    float *to = inverse + row * n;
    for (size_t other = 0; other < row; other++) {
      float factor = l[row * ldl + other];
      const float *from = inverse + other * n;
      for (size_t column = 0; column <= other; column++) to[column] -= factor * from[column];
    }
    float pivot = 1 / l[row * ldl + row];
    for (size_t column = 0; column < row; column++) to[column] *= pivot;
    to[row] = pivot;
  }
}

// The Cholesky factor of a[n][n], n being at most BLOCK.
static size_t factorise(size_t n, float *a, size_t lda) {
  for (size_t column = 0; column < n; column++) {
    float pivot = a[column * lda + column];
    if (!(pivot > 0) || !isfinite(pivot)) return column + 1;
    pivot = sqrtf(pivot);
    a[column * lda + column] = pivot;
    for (size_t row = column + 1; row < n; row++) a[row * lda + column] /= pivot;
    for (size_t row = column + 1; row < n; row++)
      for (size_t other = column + 1; other <= row; other++)
        a[row * lda + other] -= a[row * lda + column] * a[other * lda + column];
  }
  return 0;
}

size_t quern_cholesky(size_t n, float *a, size_t lda) {
  // Two panels [BLOCK][rows below], and the inverse of a block of the factor.
  float *memory = malloc((2 * BLOCK * n + BLOCK * BLOCK) * sizeof *memory);
  if (!memory && n > 0) abort();
  float *inverse = memory, *panel = inverse + BLOCK * BLOCK, *factor = panel + BLOCK * n;
  size_t failed = 0;
  for (size_t start = 0; start < n && !failed; start += BLOCK) {
    size_t count = n - start < BLOCK ? n - start : BLOCK;
    size_t below = start + count, rest = n - below;
    failed = factorise(count, a + start * lda + start, lda);
    if (failed) failed += start;
    if (failed || rest == 0) continue;
    invert(count, a + start * lda + start, lda, inverse);
    for (size_t row = 0; row < rest; row++)
      for (size_t column = 0; column < count; column++)
        panel[column * rest + row] = a[(below + row) * lda + start + column];
    quern_sgemm(0, count, rest, count, 1, inverse, count, panel, rest, 0, factor, rest);
    for (size_t row = 0; row < rest; row++)
      for (size_t column = 0; column < count; column++)
        a[(below + row) * lda + start + column] = factor[column * rest + row];
    quern_ssyrk(rest, count, -1, factor, rest, a + below * lda + below, lda);
  }
  free(memory);
  return failed;
}

void quern_triangular_solve(int transposes, size_t n, size_t m, const float *l, size_t ldl, float *b, size_t ldb) {
  if (n == 0 || m == 0) return;
  float *memory = malloc((BLOCK * m + BLOCK * BLOCK) * sizeof *memory);
  if (!memory) abort();
  float *inverse = memory, *solved = memory + BLOCK * BLOCK;
  size_t blocks = (n + BLOCK - 1) / BLOCK;
  for (size_t index = 0; index < blocks; index++) {
    size_t start = (transposes ? blocks - 1 - index : index) * BLOCK;
    size_t count = n - start < BLOCK ? n - start : BLOCK, below = start + count;
    invert(count, l + start * ldl + start, ldl, inverse);
    quern_sgemm(transposes, count, m, count, 1, inverse, count, b + start * ldb, ldb, 0, solved, m);
    for (size_t row = 0; row < count; row++) memcpy(b + (start + row) * ldb, solved + row * m, m * sizeof *b);
    if (transposes)
      quern_sgemm(1, start, m, count, -1, l + start * ldl, ldl, b + start * ldb, ldb, 1, b, ldb);
    else
      quern_sgemm(0, n - below, m, count, -1, l + below * ldl + start, ldl, b + start * ldb, ldb, 1, b + below * ldb, ldb);
  }
  free(memory);
}
